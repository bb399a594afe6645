/** `countersign explain`: explains the verdict on a message, or how a message would be sent. Changes nothing. */
import { Fail, quote, reason } from "../lib/fail.ts";
import { PREFIX_BYTES, readInput, type Source } from "../io/system/input.ts";
import { configFile, loadSettings, readPlainLists } from "../io/system/load.ts";
import { canonicalAddress } from "../lib/settings/identity.ts";
import { LEDGER_BODY_BYTES } from "../lib/entry.ts";
import { parseLists } from "../lib/settings/lists.ts";
import { type Arguments, atMost, runCommand } from "./arguments.ts";
import { readIdentities } from "./identities.ts";
import { throwWithNetwork } from "./doctor/programs.ts";
import { explainedJson, explainedText } from "./explain/explained.ts";
import { explainIncoming } from "./explain/incoming.ts";
import { explainOutgoing, readCommand } from "./explain/outgoing.ts";
import { plannedJson, plannedText } from "./explain/planned.ts";
import { refusalOf } from "./explain/refusal.ts";
import { redactJson, redactorFor } from "./redact.ts";
import { json, say } from "./terminal.ts";

const HELP = `Usage: countersign explain [FILE] [--sender ADDRESS] [--recipient ADDRESS] [--as CALLER]
       countersign explain --at rcpt|data [FILE] [--sender ADDRESS] [--recipient ADDRESS]
       countersign explain --out [FILE] -- [sendmail option ...] [recipient ...]
Explains the verdict on an incoming message (a file or standard input), with the result of each check. With --at,
explains how the door of countersign serve would have replied. With --out, explains how the shim would send a message.
Nothing is changed, written or sent.

  --sender ADDRESS     Envelope sender; <> for the null sender. Default: the first Return-Path in the header; without
                       one, a message that looks like a bounce is judged as from <>
  --recipient ADDRESS  Envelope recipient. Default: the first X-Original-To, Envelope-to or Delivered-To in the header;
                       without one, the addresses in To
  --as CALLER          Calling program (qmail, maildrop, ...), whose environment provides the envelope; or sweep, to
                       explain the verdict of countersign sweep on a message that was fetched
  --at rcpt|data       Explain the reply of the door to the recipient, or to the message; rcpt needs no message if the
                       envelope is given
  --out                Explain an outgoing message; the arguments of the shim follow --
  --json               Print JSON, as documented in countersign(1)
  --redact             Replace addresses, host names, paths and logins, for an issue report
  --config FILE        Settings file. Default: ~/.config/countersign/config.toml

Example: countersign explain --sender '<>' --recipient greg@example.org ~/Maildir/.Spam/new/1795153163.1.mx
Example: countersign explain --at rcpt --sender '<>' --recipient SRS0=aaaaaaaa=X4=example.org=greg@srs.example.org
Example: countersign explain --out -- -f greg@example.org ann@example.net <draft
`;

/** Runs the command. @returns the exit status */
export function explain(name: string, args: readonly string[]): Promise<number> {
  const takes = { values: ["sender", "recipient", "as", "at", "config"], flags: ["json", "redact", "out"] };
  return runCommand(name, args, { help: HELP, ...takes }, async (options) => {
    if (!options.has("out")) {
      const explained = options.value("at") === undefined ? explainIn(options) : explainAt(options);
      return await explained.catch((error) => throwWithNetwork(error, "explain", args));
    }
    for (const option of ["sender", "recipient", "as", "at"]) {
      if (options.value(option) !== undefined) {
        throw new Fail("usage", `Option --${option} cannot be combined with --out`);
      }
    }
    return await explainOut(options);
  });
}

async function explainIn(options: Arguments): Promise<number> {
  atMost(options, 1);
  const { settings, identities } = load(options);
  using source = open(options.operands[0]);
  const input = await readInput(PREFIX_BYTES, false, source.from);
  const [sender, recipient, as] = ["sender", "recipient", "as"].map((one) => options.value(one));
  const question = { sender, recipient, as, written: source.written };
  const explanation = await explainIncoming(question, input, settings, identities, new Date());

  const own = identities.map(canonicalAddress);
  const refusal = refusalOf(input.head.header, input.prefix, input.head.bodyStart, own);
  const plain = parseLists(readPlainLists(settings), settings.plain_lists);
  const isPlain = refusal?.address !== undefined && plain.includes(refusal.address);
  const hint = refusal && {
    said: refusal.said,
    by: refusal.kind.by,
    advice: isPlain
      ? refusal.kind.plainAlready(refusal.address!)
      : refusal.kind.advice(refusal.address ?? "ADDRESS@HOST"),
  };
  return print(options, options.has("json") ? explainedJson(explanation, hint) : explainedText(explanation, hint));
}

async function explainAt(options: Arguments): Promise<number> {
  atMost(options, 1);
  const [at, sender, recipient] = ["at", "sender", "recipient"].map((name) => options.value(name));
  if (at !== "rcpt" && at !== "data") throw new Fail("usage", `Option --at is ${quote(at!)}, not rcpt or data`);
  if (options.value("as") !== undefined) throw new Fail("usage", "Option --as cannot be combined with --at");
  const { doorJson, doorText, explainDoor } = await import("./explain/door.ts");
  const complete = at === "rcpt" && sender !== undefined && recipient !== undefined;
  using source = complete && options.operands.length === 0 ? undefined : open(options.operands[0]);
  const input = source && await readInput(PREFIX_BYTES, false, source.from);
  const stated = { sender, recipient };
  const explanation = await explainDoor(at, stated, input, configFile(options.value("config")), new Date());
  return print(options, options.has("json") ? doorJson(explanation) : doorText(explanation));
}

async function explainOut(options: Arguments): Promise<number> {
  const { rest } = options;
  if (rest === undefined) throw new Fail("usage", "No shim arguments given", { fix: "explain --out -- -t" });
  atMost({ ...options, rest: undefined }, 1);
  const { settings, identities } = load(options);
  const command = readCommand(rest);
  if ("real" in command) {
    const real = settings.transport.real.join(" ");
    const without = ["-q", "-bi"].includes(command.real) ? "nothing to do" : "refused";
    const what = real === "" ? `${without}: transport.real is not set` : `left to ${real}`;
    return print(
      options,
      options.has("json") ? json({ real: command.real, outcome: what }) : `${command.real}: ${what}`,
    );
  }
  using source = open(options.operands[0]);
  const { head, prefix, whole } = await readInput(LEDGER_BODY_BYTES, true, source.from);
  const message = { ...head, body: prefix.subarray(head.bodyStart), whole };
  const explanation = explainOutgoing(command.call, message, settings, identities, new Date());
  return print(options, options.has("json") ? plannedJson(explanation) : plannedText(explanation));
}

function load(options: Arguments) {
  const settings = loadSettings(configFile(options.value("config")));
  return { settings, identities: readIdentities(settings) };
}

/** Opens a file, or standard input if no file is named. */
function open(path: string | undefined): { from: Source; written: Date | null } & Disposable {
  if (path === undefined || path === "-") return { from: Deno.stdin, written: null, [Symbol.dispose]: () => {} };
  try {
    const from = Deno.openSync(path);
    // Opening a folder succeeds; reading it fails, with an error that does not name it.
    const { isDirectory, mtime } = from.statSync();
    if (isDirectory) throw new Deno.errors.IsADirectory("Is a directory");
    return { from, written: mtime, [Symbol.dispose]: () => from.close() };
  } catch (error) {
    throw new Fail("io", `File cannot be read: ${reason(error)}`, { file: path, cause: error });
  }
}

/** Prints the text or JSON of the command; with --redact, without names of the user. */
function print(options: Arguments, text: string): number {
  if (!options.has("redact")) say(text);
  else {
    const source = configFile(options.value("config"));
    const redact = redactorFor(source.home, loadSettings(source));
    say(options.has("json") ? redactJson(text, redact) : redact(text));
  }
  return 0;
}
