/** Records a message before it is sent, so that bounces and challenges about it are recognized. */
import type { Settings } from "../../lib/settings/parse.ts";
import { reason } from "../../lib/fail.ts";
import { TOKEN_FIELD } from "../../lib/entry.ts";
import { value } from "../../lib/message.ts";
import { sealedEntry } from "./seal.ts";
import { ledgerOf, rememberIn } from "./stores.ts";
import { alreadyRelayed } from "../../outgoing/owner.ts";
import type { Plan } from "../../outgoing/plan.ts";
import { isRemembered } from "../../outgoing/rules.ts";

/**
 * Remembers a message before it is sent. Errors are only logged, because mail has priority; bounces and challenges
 * about the message are then judged without the record.
 *
 * @param body the beginning of the body as sent
 * @returns the error, if any
 */
export async function remember(
  { header, identity, sent, envelope }: Plan,
  body: Uint8Array,
  whole: boolean,
  settings: Settings,
  now: Date,
): Promise<string | undefined> {
  if (sent === undefined) return undefined;
  try {
    for (const one of sent.identities) await rememberIn(settings, one, sent.messageId, sent.signed, now);
    // A challenge is answered only if the message has a tag, or a token of pymsgauth.
    const hasToken = settings.tag.pymsgauth !== "" && value(header, TOKEN_FIELD) !== undefined &&
      !alreadyRelayed(header);
    if (identity === undefined || !(sent.signed || hasToken)) return undefined;
    const { recipients } = envelope;
    const lists = recipients.filter((one) => isRemembered(one, settings, { header, body, whole }));
    if (lists.length === 0) return undefined;
    const ledger = ledgerOf(settings);
    for (const list of lists) {
      const entry = await sealedEntry(list, { identity, recipients, header, body, whole }, now);
      if (entry !== undefined) await ledger.issue(entry, identity);
    }
    return undefined;
  } catch (error) {
    return reason(error);
  }
}
