/**
 * Gives an answer, at most once: the entry is claimed before, spent after. What
 * dies in between stays claimed and is never answered again; the next hook
 * delivers the challenge with a mark that says so.
 */
import { rfc5322Date } from "../lib/day.ts";
import { utf8 } from "../lib/bytes.ts";
import { parseAddress } from "../lib/address.ts";
import { type Identity, identityName } from "../lib/identity.ts";
import { field, type Header, type Message, printHead } from "../lib/message.ts";
import { claimToken, settleToken } from "../state/pymsgauth.ts";
import { checkLauncher } from "../transport/commit.ts";
import { handOver } from "../transport/handover.ts";
import { Rejected } from "../transport/rejected.ts";
import { Fail } from "../lib/fail.ts";
import type { Scene } from "./act.ts";
import type { Answer, Verdict } from "./judge.ts";

/** What became of it: answered, or why it was not and the user should look. */
export type Given = "answered" | { readonly not: string };

/**
 * Answers.
 *
 * @param verdict one that says `answer`
 * @throws {Fail} when it is not certain whether an answer left: the entry stays claimed
 */
export async function giveAnswer({ answer, identity }: Verdict, scene: Scene): Promise<Given> {
  if (answer === undefined || identity === undefined) throw new Error("nothing to answer");
  const { settings, now, stop } = scene;
  const settle = await claim(answer.spends, scene);
  if (settle === undefined) return { not: "another hook is answering it" };
  try {
    // The plain address: list software refuses the null sender, and knows subscribers by the envelope.
    const handover = { sender: identity.address, recipients: [parseAddress(answer.form.answerTo)], dsn: {} };
    await handOver(settings, handover, compose(answer, identity, now), stop);
  } catch (error) {
    // A program that refused, or could not be run, has sent nothing.
    const certain = error instanceof Rejected || (error instanceof Fail && error.kind !== "temporary");
    if (!certain) throw error;
    await settle(false);
    return { not: `the answer could not be sent: ${error.kind}` };
  }
  await settle(true);
  return "answered";
}

/** Claims what the answer spends. @returns how the claim is ended, answered or not; undefined when another has it */
async function claim(
  spends: Answer["spends"],
  { ledger, settings }: Scene,
): Promise<((answered: boolean) => Promise<void> | void) | undefined> {
  checkLauncher();
  if ("token" in spends) {
    const folder = settings.tag.pymsgauth;
    return claimToken(folder, spends.token) ? (answered) => settleToken(folder, spends.token, answered) : undefined;
  }
  const mine = await ledger.claim(spends.entry);
  return mine === undefined ? undefined : (answered) => ledger.settle(mine, answered ? "spent" : "issued");
}

/** A fresh message: what is sent back unchanged, programs take for a loop. */
function compose({ form, inReplyTo }: Answer, identity: Identity, now: Date): Message {
  const header: Header = [
    field("From", identityName(identity)),
    field("To", form.answerTo),
    field("Subject", form.subject),
    field("Date", rfc5322Date(now)),
    field("Message-ID", `<${crypto.randomUUID()}@${identity.address.domain}>`),
    ...(inReplyTo === undefined ? [] : [field("In-Reply-To", inReplyTo)]),
    ...(form.autoSubmitted ? [field("Auto-Submitted", "auto-replied")] : []),
  ];
  return { head: printHead(header), body: text(form.body), whole: true };
}

async function* text(body: string): AsyncGenerator<Uint8Array> {
  if (body !== "") yield await Promise.resolve(utf8(body));
}
