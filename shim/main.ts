/** The shim: reads a message, plans and sends it. The first of `Deno.args` is the name by which it was called. */
import { formatAddress } from "../lib/address.ts";
import { accountsIn } from "../lib/settings/accounts.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { errorText, Fail, reason, temporaryIfDenied } from "../lib/fail.ts";
import { checkArguments, childEnvironment, env } from "../io/system/environment.ts";
import { log, printError } from "../io/system/log.ts";
import { configFile, loadIdentities, loadSettings } from "../io/system/load.ts";
import { PIPE_BYTES, readInput } from "../io/system/input.ts";
import { canonicalAddress } from "../lib/settings/identity.ts";
import { LEDGER_BODY_BYTES } from "../lib/entry.ts";
import { logAddress } from "../lib/log.ts";
import { type Message, printHead, unixLines } from "../lib/message.ts";
import { abortOnSignal, untilAborted } from "../io/system/signals.ts";
import { sysexit } from "../lib/sysexits.ts";
import { VERSION } from "../lib/version.ts";
import { LOOP_MARK, send } from "../io/transport/send.ts";
import { failureReason, Rejected } from "../io/transport/rejected.ts";
import { parseFlags } from "./flags.ts";
import { type Plan, plan, RANDOM_BYTES } from "../outgoing/plan.ts";
import type { OutgoingRequest } from "../outgoing/request.ts";
import { remember } from "../io/state/remember.ts";
import type { Handled } from "./outbox.ts";
import { tidy } from "./tidy.ts";

const HELP = `Usage: shim [sendmail options] [--] recipient ...
Reads a message from standard input, signs its envelope sender and header, and passes it to your mail program.

  -t          Add the recipients in To, Cc and Bcc
  -f ADDRESS  Set the envelope sender; <> for the null sender
  -F NAME     Set the full name for a missing From field
  -N -R -V    Request delivery status notifications, where the mail program supports them
  -i -oi      Accepted: a lone dot is always text
  --read-recipients     As -t
  --read-envelope-from  Without -f, use the author as envelope sender of mail that is not signed

Other sendmail options are accepted and ignored. Settings: ~/.config/countersign/config.toml
Example: set sendmail="/usr/local/bin/shim" in muttrc
`;

/** Runs the shim. @returns the exit status */
export async function shim(name: string, args: readonly string[]): Promise<number> {
  try {
    checkArguments(args);
    const invocation = parseFlags(name, args);
    if (invocation.mode === "send") return await sendMessage(invocation.request);
    if (invocation.mode === "real") {
      return await runReal(name, invocation.what, name === "mailq" ? ["-bp", ...args] : args);
    }
    console.log(invocation.mode === "help" ? HELP.trimEnd() : `countersign ${VERSION}`);
    return 0;
  } catch (error) {
    const program = name === "main.ts" ? "shim" : name;
    printError(program, errorText(error));
    return name === "qmail-inject" ? qmailStatus(statusOf(error)) : statusOf(error);
  }
}

/** Returns the exit status. Statuses from sysexits.h are passed through. */
function statusOf(error: unknown): number {
  if (error instanceof Rejected && error.code >= 64 && error.code <= 78) return error.code;
  return sysexit(error);
}

/** Returns the exit status as in qmail-inject(8): 100 permanent, 111 temporary. */
function qmailStatus(status: number): number {
  return [64, 65, 67, 68, 69].includes(status) ? 100 : 111;
}

async function sendMessage(request: OutgoingRequest): Promise<number> {
  await checkLoop("transport.command");
  const settings = loadSettings(configFile());
  const identities = loadIdentities(settings);
  const now = new Date();
  // A message that fits into a pipe is read to its end first, so that a killed shim never sends part of it.
  const input = await readInput(Math.max(LEDGER_BODY_BYTES, PIPE_BYTES), true);
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
  const mailboxLine = input.head.headStart > 0;
  const planned = plan(request, input.head.header, {
    settings,
    identities,
    accounts: accountsIn(settings),
    now,
    random,
    mailboxLine,
  });
  const start = input.prefix.subarray(input.head.bodyStart);
  const forgotten = await remember(planned, start, input.whole, settings, now);

  const abort = abortOnSignal();
  const body = untilAborted(unixLines(input.body()), abort);
  const event = { ...describe(planned, settings), forgotten };
  try {
    const message = { head: printHead(planned.header), body, whole: input.whole };
    const handled: Handled = settings.outbox.when === "never"
      ? { route: await send(settings, planned.account?.account, planned.envelope, message, abort), result: "sent" }
      : await keepable(settings, planned, message, abort);
    const { note, ...rest } = handled;
    log(settings, { ...event, note: [event.note, note].filter((one) => one).join("; "), ...rest, why: planned.why });
    await tidy(settings, now);
    return 0;
  } catch (error) {
    const failure = failureReason(error, settings.log_addresses);
    const why = planned.why === undefined ? failure : `${failure}; not signed: ${planned.why}`;
    log(settings, { ...event, result: "failed", why });
    throw error;
  }
}

/** Sends by way of the outbox, whose modules are loaded on demand, because most settings have none. */
async function keepable(settings: Settings, planned: Plan, message: Message, abort: AbortSignal): Promise<Handled> {
  const { sendOrKeep } = await import("./outbox.ts");
  const { outboxContext } = await import("../io/outbox/context.ts");
  return await sendOrKeep(outboxContext(settings, abort, () => {}), planned, message);
}

function describe(planned: Plan, settings: Settings) {
  const { scheme, identity, account, notes, error, warning } = planned;
  const { sender, recipients } = planned.envelope;
  return {
    direction: "out",
    account: account?.account.name,
    identity: identity && canonicalAddress(identity),
    scheme,
    sender: sender && identity
      ? formatAddress(sender)
      : sender === undefined
      ? undefined
      : logAddress(sender, settings.log_addresses),
    to: recipients.slice(0, 20).map((one) => logAddress(one, settings.log_addresses)).join(","),
    recipients: recipients.length,
    note: notes.join("; "),
    error,
    warning,
  };
}

/**
 * Runs the real program for `-bs`, `-bp` and `-q`. Without one, `-q` succeeds, because there is no queue. Where there is
 * an outbox, it is the queue.
 */
async function runReal(name: string, what: string, args: readonly string[]): Promise<number> {
  await checkLoop("transport.real");
  const source = configFile();
  const settings = loadSettings(source);
  if (what !== "-bs" && settings.outbox.when !== "never") {
    return await (await import("./queue.ts")).queue(name, what, settings);
  }
  const { real } = settings.transport;
  if (real.length === 0) {
    if (what === "-q") return 0;
    throw new Fail("usage", `Option ${what} requires the real sendmail`, {
      file: source.file,
      fix: "set transport.real",
    });
  }
  const [program, ...first] = real;
  const options = {
    args: [...first, ...args],
    clearEnv: true,
    env: { ...childEnvironment(), [LOOP_MARK]: "1" },
  };
  const inherit = { stdin: "inherit", stdout: "inherit", stderr: "inherit" } as const;
  try {
    return (await new Deno.Command(program!, { ...options, ...inherit }).spawn().status).code;
  } catch (error) {
    const kind = temporaryIfDenied(error, "system");
    throw new Fail(kind, `${program} cannot be run: ${reason(error)}`, { cause: error });
  }
}

/** Fails if the mark is in the environment: then the shim was called by itself. */
async function checkLoop(setting: string): Promise<void> {
  if (await env(LOOP_MARK) !== undefined) throw new Fail("config", `${setting} calls this program again`);
}

if (import.meta.main) Deno.exit(await shim(Deno.args[0] ?? "shim", Deno.args.slice(1)));
