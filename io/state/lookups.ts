/** What the checks may look up in the folders of state. Looking changes nothing. */
import type { Settings } from "../../lib/settings/parse.ts";
import { fileLedger } from "./ledger.ts";
import { holdsToken } from "./pymsgauth.ts";
import { sentIndex } from "./sent.ts";
import type { Caller } from "../../incoming/delivery.ts";
import type { JudgeContext } from "../../incoming/verdict.ts";

/** For this caller: a filter answers no challenge, so it has no ledger. */
export function lookUps(
  caller: Caller,
  settings: Settings,
  now: Date,
): Pick<JudgeContext, "ledger" | "sent" | "token"> {
  const sent = sentIndex(`${settings.state.folder}/sent`, now);
  if (caller === "filter") return { sent };
  const { find } = fileLedger(`${settings.state.folder}/ledger`);
  return { sent, ledger: { find }, token: (text) => holdsToken(settings.tag.pymsgauth, text) };
}
