/** Parses the command line of sendmail and of qmail-inject. As in POSIX, the first operand ends the options. */
import { type Address, parseAddressList } from "../lib/address.ts";
import { Fail, quote, reason } from "../lib/fail.ts";
import type { Dsn } from "../lib/envelope.ts";
import type { OutgoingRequest } from "../outgoing/request.ts";

/** A parsed command line. */
export type Invocation =
  | { readonly mode: "send"; readonly request: OutgoingRequest }
  | { readonly mode: "help" | "version" }
  /** A mode that only the real sendmail provides: SMTP on standard input, the queue, or the aliases. */
  | { readonly mode: "real"; readonly what: string };

/** Options with an argument, which may be attached or the next argument. */
const TAKES = new Set([..."fFrBNRVhLpXOoebAMCDd"]);
/** Ignored options without an argument. -i is the default, because the message always extends to the end of input. */
const IGNORED = new Set([..."imnvUGx"]);
/** Ignored options with an argument. -X would open a file; -O and -o set options that do not exist here. */
const IGNORED_WITH = new Set([..."hLpXOoeA"]);

/** Long options of msmtp, which the configurations of many mail programs contain. */
const LONG = new Set(["--read-recipients", "--read-envelope-from"]);

/**
 * Parses the arguments.
 *
 * @param name the name by which the program was called
 * @param args its arguments
 * @throws {Fail} `usage` for unknown options: a guess could send to the wrong people
 */
export function parseFlags(name: string, args: readonly string[]): Invocation {
  if (name === "qmail-inject") return { mode: "send", request: qmailInject(args) };
  if (name === "mailq") return { mode: "real", what: "-bp" };
  if (name === "newaliases") return { mode: "real", what: "-bi" };
  if (args[0] === "--help" || args[0] === "--version") return { mode: args[0] === "--help" ? "help" : "version" };

  let sender: Address | null | undefined;
  let fullName = "";
  let fromHeader = false;
  let senderFromHeader = false;
  let real = "";
  const dsn: { -readonly [name in keyof Dsn]: Dsn[name] } = {};

  const { options, operands } = getopt(args, TAKES, new Set([...IGNORED, "t"]), LONG);
  for (const { flag, value } of options) {
    if (flag === "f" || flag === "r") sender = parseSender(value);
    else if (flag === "F") fullName = oneLine("-F", value);
    else if (flag === "t" || flag === "--read-recipients") fromHeader = true;
    else if (flag === "--read-envelope-from") senderFromHeader = true;
    else if (flag === "b") {
      if (value === "s" || value === "p" || value === "i") real = `-b${value}`;
      else if (value !== "m") throw new Fail("usage", `Mode ${quote(`-b${value}`)} is not supported`);
    } else if (flag === "q") real ||= "-q";
    else if (flag === "N") dsn.notify = parseNotify(value);
    else if (flag === "R") dsn.ret = oneOf("-R", value, ["full", "hdrs"]);
    else if (flag === "V") dsn.envid = parseEnvid(value);
    else if (flag === "B") oneOf("-B", value, ["7bit", "8bitmime"]);
    else if (!IGNORED.has(flag) && !IGNORED_WITH.has(flag)) {
      throw new Fail("usage", `Unknown option ${quote(`-${flag}`)}`);
    }
  }
  if (real === "-q" && operands.length > 0) throw new Fail("usage", "Recipients cannot be given for a queue run");
  if (real !== "") return { mode: "real", what: real };
  const recipientsFrom = fromHeader ? "both" : "arguments";
  const recipients = parseRecipients(operands);
  const read = senderFromHeader ? { senderFromHeader } : {};
  return { mode: "send", request: { sender, ...read, fullName, recipientsFrom, recipients, dsn } };
}

/**
 * Parses the options of qmail-inject(8): -a arguments only, -h header only, -H both, -A arguments if there are any,
 * else header.
 */
function qmailInject(args: readonly string[]): OutgoingRequest {
  let sender: Address | null | undefined;
  let from = "A";
  const { options, operands } = getopt(args, new Set("f"), new Set("aAhH"));
  for (const { flag, value } of options) {
    if (flag === "f") sender = parseSender(value);
    else from = flag;
  }
  const recipients = from === "h" ? [] : parseRecipients(operands);
  const recipientsFrom = from === "H"
    ? "both"
    : from === "h" || (from === "A" && recipients.length === 0)
    ? "header"
    : "arguments";
  return { sender, fullName: "", recipientsFrom, recipients, dsn: {} };
}

interface Option {
  /** The letter, or a long option with its dashes. */
  readonly flag: string;
  readonly value: string;
}

/** Follows the POSIX Utility Syntax Guidelines: options may be combined; `--` or the first operand ends them. */
function getopt(
  args: readonly string[],
  takes: ReadonlySet<string>,
  plain: ReadonlySet<string>,
  long: ReadonlySet<string> = new Set(),
): { options: Option[]; operands: string[] } {
  const options: Option[] = [];
  let at = 0;
  for (; at < args.length; at++) {
    const word = args[at]!;
    if (word === "--") return { options, operands: args.slice(at + 1) };
    if (!word.startsWith("-") || word === "-") break;
    if (long.has(word)) {
      options.push({ flag: word, value: "" });
      continue;
    }
    const name = word.split("=", 1)[0]!;
    if (long.has(name)) throw new Fail("usage", `Option ${name} takes no value`);
    if (word.startsWith("--")) throw new Fail("usage", `Unknown option ${quote(word)}`);
    for (let i = 1; i < word.length; i++) {
      const flag = word[i]!;
      const attached = word.slice(i + 1);
      // -q30m: the value is the rest of the argument, never the next one.
      if (flag === "q") {
        options.push({ flag, value: attached });
        break;
      }
      if (!takes.has(flag)) {
        if (!plain.has(flag)) throw new Fail("usage", `Unknown option ${quote(`-${flag}`)}`);
        options.push({ flag, value: "" });
        continue;
      }
      if (attached === "" && at + 1 >= args.length) throw new Fail("usage", `Option -${flag} needs an argument`);
      options.push({ flag, value: attached === "" ? args[++at]! : attached });
      break;
    }
  }
  return { options, operands: args.slice(at) };
}

/** Parses a sender. `''`, `<>` and `@` (as mutt writes it) mean the null sender; `Name <a@b>` means `a@b`. */
function parseSender(text: string): Address | null {
  if (text === "" || text === "@") return null;
  const [mailbox, ...more] = addresses("Sender", text);
  if (mailbox === undefined || more.length > 0) throw new Fail("usage", `Sender ${quote(text)} is not one address`);
  return mailbox.address;
}

function parseRecipients(operands: readonly string[]): Address[] {
  return operands.flatMap((operand) =>
    addresses("Recipient", operand).map(({ address }) => {
      // mutt writes "-f a b -- rcpts" when envelope_from_address contains two addresses, and options after the first
      // recipient are operands. A word that begins with a dash and has no domain is not a mailbox.
      const misplaced = address?.domain === "" && address.local.startsWith("-");
      if (address === null || misplaced) {
        throw new Fail("usage", `Recipient ${quote(operand)} is not an address`);
      }
      return address;
    })
  );
}

function addresses(what: string, text: string) {
  if (/[\r\n\0]/.test(text)) throw new Fail("usage", `${what} ${quote(text)} contains CR, LF or NUL`);
  try {
    return parseAddressList(text, { bare: true });
  } catch (error) {
    throw new Fail("usage", `${what}: ${reason(error)}`);
  }
}

/** Parses the argument of -N (RFC 3461 section 4.1). */
function parseNotify(value: string): string {
  const words = value.toLowerCase().split(",");
  const known = words.every((word) => ["success", "failure", "delay"].includes(word));
  if (!known && value.toLowerCase() !== "never") throw new Fail("usage", `Option -N ${quote(value)} is not valid`);
  return words.join(",");
}

/** Checks xtext of at most 100 characters (RFC 3461 section 4.4). The next program would reject the whole message. */
function parseEnvid(value: string): string {
  if (/^(?:[!-*,-<>-~]|\+[0-9A-F]{2}){1,100}$/.test(value)) return value;
  throw new Fail("usage", `Option -V ${quote(value)} is not xtext`);
}

function oneOf(flag: string, value: string, words: string[]): string {
  if (!words.includes(value.toLowerCase())) throw new Fail("usage", `Option ${flag} ${quote(value)} is not valid`);
  return value.toLowerCase();
}

function oneLine(flag: string, value: string): string {
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(value)) {
    throw new Fail("usage", `Option ${flag} ${quote(value)} contains a control character`);
  }
  return value;
}
