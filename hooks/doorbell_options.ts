/** The command line of the doorbell. */
import { Fail, quote } from "../lib/fail.ts";
import { information } from "../lib/information.ts";
import type { Caller } from "../incoming/delivery.ts";

/** The callers of a doorbell. */
export const DOORBELL_CALLERS = [
  "qmail",
  "maildrop",
  "procmail",
  "postfix",
  "filter",
] as const satisfies readonly Caller[];

/** The options of the command line. */
export interface DoorbellOptions {
  readonly caller: typeof DOORBELL_CALLERS[number];
  /** Empty if the settings have only one service. */
  readonly service: string;
  readonly config?: string;
  readonly sender?: string;
  readonly recipient?: string;
  /** The address that the caller has found. */
  readonly address?: string;
  /** Whether the doorbell sends challenges. */
  readonly challenge: boolean;
  /** The maildir to which a confirmed message is delivered. */
  readonly maildir?: string;
  /** The program and its arguments; empty if the caller acts. */
  readonly program: readonly string[];
  /** The text that the only argument asks for. */
  readonly text?: string;
}

/** What `--help` prints. */
const DOORBELL_HELP = `Usage: doorbell [--service NAME] [--as CALLER] [option ...] [-- PROGRAM [argument ...]]
Holds the message on standard input until its sender has confirmed it by a reply to a challenge. Then the program runs
with the original message as its standard input. Without a program, the exit status tells the state of the sender.

  --service NAME    The [[doorbell]] in the settings; may be omitted if there is only one
  --as CALLER       Calling program: ${DOORBELL_CALLERS.join(", ")} (default qmail)
  --maildir DIR     Deliver a confirmed message to this maildir, instead of running a program
  --address ADDRESS The address to challenge. Default: the envelope sender, or From if that is safe
  --challenge=no    Do not send a challenge; print the address to which a reply confirms the message, and on a second line
                    whom to challenge. With --as filter they are in X-Countersign-Cookie and X-Countersign-Ask
  --sender ADDRESS, --recipient ADDRESS   Envelope, if the environment does not provide it
  --config FILE     Settings file. Default: ~/.config/countersign/config.toml

The program gets the confirmed address in DOORBELL_ADDRESS, and in DOORBELL the word confirmed or remembered. If it exits
with 0, the message is finished; otherwise it is held again, and the confirming message is retried.

Without a program, the exit status is 0 for a known sender. Under qmail it is 99 otherwise. For maildrop and procmail it is
10 for a new sender, 11 for a wrong cookie, 12 for an expired one, and 13 for a denied address; the state is also printed,
and with it the word other if somebody else is known than the only address in From: act for From only without that word.
With --as filter, the message is copied with the state in the field X-Countersign.

Example: two lines, one in .qmail-svc and one in .qmail-svc-confirm-default
  |/usr/local/lib/countersign/hooks/doorbell --service svc -- /home/greg/bin/subscribe
`;

const VALUES = ["as", "service", "config", "maildir", "sender", "recipient", "address", "challenge"];

/** Reads the arguments. @throws {Fail} `usage` */
export function parseDoorbellOptions(args: readonly string[]): DoorbellOptions {
  const values: Record<string, string> = {};
  let program: readonly string[] = [];
  const text = args.length === 1 ? information(args[0], DOORBELL_HELP) : undefined;
  if (text !== undefined) return { caller: "qmail", service: "", challenge: false, program, text };
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    const [, name, attached] = /^--([a-z]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (word === "--") {
      program = args.slice(at + 1);
      if (program.length === 0) throw new Fail("usage", "The program is missing after --");
      break;
    }
    if (name === undefined || !VALUES.includes(name)) throw new Fail("usage", `Unknown argument ${quote(word)}`);
    const value = attached ?? args[++at];
    if (value === undefined) throw new Fail("usage", `Option --${name} needs an argument`);
    values[name] = value;
  }
  const { as = "qmail", service = "", challenge = "yes", ...rest } = values;
  const caller = DOORBELL_CALLERS.find((one) => one === as);
  if (caller === undefined) {
    throw new Fail("usage", `Option --as ${quote(as)} is not one of ${DOORBELL_CALLERS.join(", ")}`);
  }
  if (challenge !== "yes" && challenge !== "no") {
    throw new Fail("usage", `Option --challenge ${quote(challenge)} is not yes or no`);
  }
  const [first] = program;
  if (first !== undefined && !first.startsWith("/")) {
    throw new Fail("usage", `Program ${quote(first)} is not an absolute path`);
  }
  if (first !== undefined && rest.maildir !== undefined) {
    throw new Fail("usage", "Option --maildir cannot be combined with a program");
  }
  const acts = first !== undefined || rest.maildir !== undefined;
  if (acts && caller === "filter") throw new Fail("usage", "A filter runs no program and delivers nothing");
  if (!acts && caller === "postfix") {
    throw new Fail("usage", "Postfix delivers nothing after this hook", { fix: "add -- PROGRAM or --maildir DIR" });
  }
  if (rest.address === "") delete rest.address; // an empty variable of a mail filter
  return { caller, service, challenge: challenge === "yes", program, ...rest };
}
