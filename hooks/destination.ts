/** Chooses the destination of a message that the caller does not deliver itself. */
import { type Mailbox, mailboxOf } from "../lib/settings/mailbox.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { Fail } from "../lib/fail.ts";
import type { Env } from "../incoming/delivery.ts";
import { type Following, whatFollows } from "./dotqmail.ts";
import type { Verdict } from "../incoming/verdict.ts";
import type { Options } from "./options.ts";

/** A mailbox, or forwarding to the identity. */
export type Destination = Mailbox | "forward";

/** What the choice depends on. */
export interface DestinationQuery {
  /** The name by which the hook was called. */
  readonly name: string;
  readonly options: Options;
  readonly settings: Settings;
  readonly verdict: Verdict;
  /** Whether the recipient is an identity's plain address. Forwarding from there would be a loop. */
  readonly plain: boolean;
}

/**
 * Returns the destination if the hook has to deliver, because the command line says so or because nothing follows it.
 * If a wrapper calls the hook, so that no line names the hook, the wrapper delivers.
 *
 * @returns undefined when the caller delivers, or when there is nothing to deliver
 * @throws {Fail} `config` if the hook is last and has no destination; `temporary` if that cannot be determined
 */
export async function chooseDestination(
  { name, options, settings, verdict, plain }: DestinationQuery,
  env: Env,
  readFile: (path: string) => string | undefined,
): Promise<Destination | undefined> {
  const following = async (): Promise<Following> => {
    if (options.caller === "qmail") return await whatFollows(name, env, readFile);
    return options.caller === "postfix" ? "last" : "more";
  };
  // With a destination on its command line, the hook is maildrop's last deliverer: nothing follows.
  const explicit = options.forward || options.mailbox !== undefined;
  const passedOn = verdict.passed === true && !(explicit && options.caller === "maildrop");
  if (passedOn && await following() === "more") return undefined;
  if (options.mailbox !== undefined) return options.mailbox;
  if (options.forward && !plain) return "forward";
  // A challenge that cannot be answered is delivered.
  if (options.forward && verdict.action !== "spam") {
    // With an inbox, do not defer until the queue lifetime ends: a stranger may have chosen this address.
    if (settings.incoming.inbox !== "") return mailboxOf(settings.incoming.inbox);
    const what = "Mail to an identity's own address cannot be forwarded to it";
    throw new Fail("config", what, { fix: "use --forward for the SRS domain only, or set incoming.inbox" });
  }
  if (verdict.action === "spam" || await following() !== "last") return undefined;
  if (settings.incoming.forward && !plain) return "forward";
  if (settings.incoming.inbox !== "") return mailboxOf(settings.incoming.inbox);
  throw new Fail("config", "Nothing delivers after this hook", { fix: "add --maildir, or set incoming.inbox" });
}
