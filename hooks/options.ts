/** The command line of a hook. */
import { Fail, quote } from "../lib/fail.ts";
import { information } from "../lib/information.ts";
import { type Caller, CALLERS } from "../incoming/delivery.ts";
import type { Mailbox } from "../lib/settings/mailbox.ts";

/** The options of the command line in .qmail, .mailfilter or .procmailrc. */
export interface Options {
  readonly caller: Caller;
  readonly config?: string;
  /** The mailbox to deliver to, instead of leaving delivery to the caller. */
  readonly mailbox?: Mailbox;
  /** Whether to forward to the identity instead. */
  readonly forward: boolean;
  readonly sender?: string;
  readonly recipient?: string;
  /** Whether this is a test of `countersign doctor`, which the log marks. */
  readonly probe?: boolean;
  /** The text that the only argument asks for. */
  readonly text?: string;
}

/** What `--help` prints. */
const HELP = `Usage: incoming [--as CALLER] [--maildir DIR | --mbox FILE | --forward] [--config FILE]
Judges a message on standard input: a genuine bounce is delivered, a forged one is filed as spam.

  --as CALLER       Calling program: ${CALLERS.join(", ")} (default qmail)
  --maildir DIR     Deliver to this maildir instead of leaving delivery to the caller
  --mbox FILE       Deliver to this mbox file, such as /var/mail/greg; requires liblockfile-bin and perl
  --forward         Forward to the identity instead, with a proof for its own hook
  --sender ADDRESS, --recipient ADDRESS   Envelope, if the environment does not provide it; with --as postfix also as
                    operands, as pipe(8) passes them: -- \${sender} \${original_recipient}
  --probe           Mark the line in the log as a test of countersign doctor
  --config FILE     Settings file. Default: ~/.config/countersign/config.toml

Example: a line in .qmail, in front of the delivery instruction
  |/usr/local/lib/countersign/hooks/incoming
`;

/** Returns the caller, even if other arguments are invalid, because the temporary status depends on it. */
export function callerIn(args: readonly string[]): Caller {
  const end = args.indexOf("--");
  const options = end < 0 ? args : args.slice(0, end);
  const as = options.map((one, at) => one === "--as" ? options[at + 1] : /^--as=(.*)$/s.exec(one)?.[1]);
  return as.findLast((one): one is Caller => CALLERS.includes(one as Caller)) ?? "qmail";
}

/** Reads the arguments. @throws {Fail} `usage` */
export function parseOptions(args: readonly string[]): Options {
  const values: Record<string, string> = {};
  const operands: string[] = [];
  let [forward, probe] = [false, false];
  const text = args.length === 1 ? information(args[0], HELP) : undefined;
  if (text !== undefined) return { caller: "qmail", forward, text };
  for (let at = 0; at < args.length; at++) {
    const [, name, attached] = /^--([a-z]+)(?:=(.*))?$/s.exec(args[at]!) ?? [];
    if (name === "forward" && attached === undefined) forward = true;
    else if (name === "probe" && attached === undefined) probe = true;
    else if (name !== undefined && ["as", "config", "maildir", "mbox", "sender", "recipient"].includes(name)) {
      const value = attached ?? args[++at];
      if (value === undefined) throw new Fail("usage", `Option --${name} needs an argument`);
      values[name] = value;
    } else if (args[at] === "--") {
      operands.push(...args.slice(at + 1));
      break;
    } else if (!args[at]!.startsWith("--")) operands.push(args[at]!);
    else throw new Fail("usage", `Unknown argument ${quote(args[at]!)}`);
  }
  const { as = "qmail", maildir, mbox, ...rest } = values;
  if (as === "postfix" && operands.length === 2) [rest.sender, rest.recipient] = operands as [string, string];
  else if (as === "postfix" && operands.length > 2) {
    const what = `${operands.length - 1} recipients in one delivery`;
    throw new Fail("usage", what, { fix: "set countersign_destination_recipient_limit = 1 in main.cf" });
  } else if (operands.length > 0) throw new Fail("usage", `Unknown argument ${quote(operands[0]!)}`);
  if (!CALLERS.includes(as as Caller)) {
    throw new Fail("usage", `Option --as ${quote(as)} is not one of ${CALLERS.join(", ")}`);
  }
  const mailboxes: Mailbox[] = [];
  if (maildir !== undefined) mailboxes.push({ maildir });
  if (mbox !== undefined) mailboxes.push({ mbox });
  if (mailboxes.length + Number(forward) > 1) {
    throw new Fail("usage", "Options --maildir, --mbox and --forward cannot be combined");
  }
  const [mailbox] = mailboxes;
  return { caller: as as Caller, forward, ...(probe && { probe }), ...rest, ...mailbox && { mailbox } };
}
