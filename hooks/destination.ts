/** Where a message goes that the caller will not deliver itself. */
import type { Settings } from "../lib/settings/parse.ts";
import { Fail } from "../lib/fail.ts";
import type { Env } from "../incoming/delivery.ts";
import { type Following, whatFollows } from "./dotqmail.ts";
import type { Verdict } from "../incoming/verdict.ts";
import type { Options } from "./options.ts";

/** A maildir, or on to the identity. */
export type Destination = { readonly maildir: string } | "forward";

/** What the choice depends on. */
export interface DestinationQuery {
  /** The name by which the hook was called. */
  readonly name: string;
  readonly options: Options;
  readonly settings: Settings;
  readonly verdict: Verdict;
  /** Is the recipient an identity's plain address? That is where forwarding ends: from there it would be a loop. */
  readonly plain: boolean;
}

/**
 * The place, when the hook has to deliver: the command line says so, or nothing
 * comes behind it. A wrapper, whose line does not name the hook, is left to it.
 *
 * @returns undefined: the caller delivers, or nothing is to be delivered
 * @throws {Fail} `config` when it is the last and has no place; `temporary` when it cannot see whether it is
 */
export async function chooseDestination(
  { name, options, settings, verdict, plain }: DestinationQuery,
  env: Env,
  readFile: (path: string) => string | undefined,
): Promise<Destination | undefined> {
  const behind = async (): Promise<Following> => {
    if (options.caller === "qmail") return await whatFollows(name, env, readFile);
    return options.caller === "postfix" ? "last" : "more";
  };
  // maildrop takes a hook that is told where to deliver for the last deliverer: nothing comes behind it.
  const given = options.forward || options.maildir !== undefined;
  const others = verdict.passed === true && !(given && options.caller === "maildrop");
  if (others && await behind() === "more") return undefined;
  if (options.maildir !== undefined) return { maildir: options.maildir };
  if (options.forward && !plain) return "forward";
  // An answer that cannot be given is a delivery, too.
  if (options.forward && verdict.action !== "spam") {
    // Not deferred for ever where there is an inbox: a stranger may choose the address by which it comes here.
    if (settings.incoming.inbox !== "") return { maildir: settings.incoming.inbox };
    const what = "Mail to an identity's own address cannot be forwarded to it";
    throw new Fail("config", `${what}: --forward is for the SRS domain, or set incoming.inbox`);
  }
  if (verdict.action === "spam" || await behind() !== "last") return undefined;
  if (settings.incoming.forward && !plain) return "forward";
  if (settings.incoming.inbox !== "") return { maildir: settings.incoming.inbox };
  throw new Fail("config", "Nothing delivers behind this hook: give it --maildir, or set incoming.inbox");
}
