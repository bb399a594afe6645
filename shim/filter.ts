/**
 * `shim --filter`: signs a message and prints it, for programs that send mail themselves or call filters. Nothing is
 * sent.
 */
import { formatAddress } from "../lib/address.ts";
import { concat, utf8 } from "../lib/bytes.ts";
import { Fail, quote } from "../lib/fail.ts";
import { type Header, named, printHead, unixLines } from "../lib/message.ts";
import type { Plan } from "../outgoing/plan.ts";
import { describe, planSubmission, READ_FIRST_BYTES } from "../io/outgoing/submit.ts";
import { remember } from "../io/state/remember.ts";
import { readInput, writeOut } from "../io/system/input.ts";
import { configFile, loadIdentities, loadSettings } from "../io/system/load.ts";
import { log } from "../io/system/log.ts";
import { abortOnSignal } from "../io/system/signals.ts";
import { tidy } from "../io/outgoing/tidy.ts";
import { parseFlags } from "./flags.ts";

/** The options of a filter. */
interface FilterOptions {
  /** Whether the envelope is printed before the message. */
  readonly envelope: boolean;
  /** How many Received fields the mail system in front adds to a message of a client. */
  readonly received: number;
  /** The login of the client; undefined if the caller's own mail is filtered. */
  readonly login: string | undefined;
  /** The options of sendmail and the recipients. */
  readonly rest: readonly string[];
}

/**
 * Signs the message on standard input, and prints it.
 *
 * @throws {Fail} before the message is complete: it must not be sent
 */
export async function filter(args: readonly string[]): Promise<number> {
  const { envelope, received, login, rest } = parse(args);
  const invocation = parseFlags("shim", rest);
  if (invocation.mode !== "send") throw new Fail("usage", "Option --filter cannot be combined with this mode");
  const settings = loadSettings(configFile(), true);
  const all = loadIdentities(settings);
  const identities = login === undefined ? all : all.filter((one) => one.logins?.includes(login));
  const abort = abortOnSignal();
  const input = await readInput(READ_FIRST_BYTES, true);
  const [added, header] = splitReceived(input.head.header, received);

  const now = new Date();
  const submission = { settings, identities, request: invocation.request, input, abort, header };
  const planned = planSubmission(submission, now);
  const text = envelope ? envelopeText(planned) : "";
  const forgotten = await remember(planned, input.prefix.subarray(input.head.bodyStart), input.whole, settings, now);
  const event = { ...describe(planned, settings), login, forgotten, route: "filter", why: planned.why };
  try {
    await writeOut(concat(utf8(text), printHead([...added, ...planned.header])));
    for await (const chunk of unixLines(input.body())) {
      if (abort.aborted) throw new Fail("temporary", "Stopped by a signal; the message is not complete");
      await writeOut(chunk);
    }
  } catch (error) {
    log(settings, { ...event, result: "failed" });
    throw error;
  }
  log(settings, { ...event, result: "passed" });
  await tidy(settings, now);
  return 0;
}

function parse(args: readonly string[]): FilterOptions {
  let [envelope, received, login] = [false, 0, undefined as string | undefined];
  let at = 0;
  for (; at < args.length; at++) {
    const word = args[at]!;
    if (word === "--envelope") envelope = true;
    else if (word === "--received" || word === "--login") {
      const value = args[++at];
      if (value === undefined) throw new Fail("usage", `Option ${word} needs an argument`);
      if (word === "--login") login = value;
      else if (/^[0-9]$/.test(value)) received = Number(value);
      else throw new Fail("usage", `Option --received ${quote(value)} is not a number from 0 to 9`);
    } else break;
  }
  return { envelope, received, login, rest: args.slice(at) };
}

/**
 * Separates the Received fields at the top that the mail system in front has added. If there are other fields above
 * them, or fewer, the message did not come the way that the caller expects, and they count as fields of the message.
 */
function splitReceived(header: Header, count: number): [added: Header, rest: Header] {
  const added = header.slice(0, count);
  return added.length === count && added.every((one) => named(one, "Received"))
    ? [added, header.slice(count)]
    : [[], header];
}

/** Returns the sender, which is empty for the null sender, each recipient, and an empty line. */
function envelopeText({ envelope: { sender, recipients } }: Plan): string {
  if (sender === undefined) throw new Fail("usage", "Envelope sender unknown", { fix: "set it with -f" });
  return [sender === null ? "" : formatAddress(sender), ...recipients.map(formatAddress), ""].map((line) => `${line}\n`)
    .join("");
}
