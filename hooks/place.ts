/** Where a message goes that the caller will not deliver itself. */
import type { Settings } from "../lib/config.ts";
import { Fail } from "../lib/fail.ts";
import type { Env } from "./delivery.ts";
import { type Behind, whatIsBehind } from "./dotqmail.ts";
import type { Verdict } from "./judge.ts";
import type { Options } from "./options.ts";

/** A maildir, or on to the identity. */
export type Place = { readonly maildir: string } | "forward";

/** What the choice depends on. */
export interface Case {
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
 * comes behind it.
 *
 * @returns undefined: the caller delivers
 * @throws {Fail} `config` when it is the last and has no place
 */
export async function choosePlace(
  { name, options, settings, verdict, plain }: Case,
  env: Env,
  readFile: (path: string) => string | undefined,
): Promise<Place | undefined> {
  const behind: Behind = options.caller === "qmail"
    ? await whatIsBehind(name, env, readFile)
    : options.caller === "postfix"
    ? "last"
    : "more";
  // maildrop takes a hook that is told where to deliver for the last deliverer: nothing comes behind it.
  const given = options.forward || options.maildir !== undefined;
  if (verdict.passed === true && behind === "more" && !(given && options.caller === "maildrop")) return undefined;
  if (options.maildir !== undefined) return { maildir: options.maildir };
  if (options.forward && !plain) return "forward";
  // An answer that cannot be given is a delivery, too.
  if (options.forward && verdict.action !== "spam") {
    // Not deferred for ever where there is an inbox: a stranger may choose the address by which it comes here.
    if (settings.incoming.inbox !== "") return { maildir: settings.incoming.inbox };
    const what = "Mail to an identity's own address cannot be forwarded to it";
    throw new Fail("config", `${what}: --forward is for the SRS domain, or set incoming.inbox`);
  }
  if (options.forward) return undefined;
  if (behind === "more" || (behind === "unknown" && verdict.signed !== true)) return undefined;
  if (settings.incoming.forward && !plain) return "forward";
  if (settings.incoming.inbox !== "") return { maildir: settings.incoming.inbox };
  if (verdict.action === "spam") return undefined;
  throw new Fail("config", "Nothing delivers behind this hook: give it --maildir, or set incoming.inbox");
}
