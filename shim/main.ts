/** The shim: reads a message, plans and sends it. The first of `Deno.args` is the name by which it was called. */
import { errorText, Fail, reason, temporaryIfDenied } from "../lib/fail.ts";
import { checkArguments, childEnvironment, env } from "../io/system/environment.ts";
import { isMissing } from "../io/system/files.ts";
import { printError, printLines } from "../io/system/log.ts";
import { configFile, loadIdentities, loadSettings } from "../io/system/load.ts";
import { readInput } from "../io/system/input.ts";
import { abortOnSignal } from "../io/system/signals.ts";
import { sysexit } from "../lib/sysexits.ts";
import { VERSION } from "../lib/version.ts";
import { LOOP_MARK } from "../io/transport/send.ts";
import { Rejected } from "../io/transport/rejected.ts";
import { READ_FIRST_BYTES, submitMessage } from "../io/outgoing/submit.ts";
import { parseFlags } from "./flags.ts";
import type { OutgoingRequest } from "../outgoing/request.ts";

const HELP = `Usage: shim [sendmail options] [--] recipient ...
Reads a message from standard input, signs its envelope sender and header, and passes it to your mail program.

  -t          Add the recipients in To, Cc and Bcc
  -f ADDRESS  Set the envelope sender; <> for the null sender
  -F NAME     Set the full name for a missing From field
  -N -R -V    Request delivery status notifications, where the mail program supports them
  -i -oi      Accepted: a lone dot is always text

Other sendmail options are accepted and ignored. With --filter as the first option it prints the signed message instead
of sending it; see shim(1). Settings: ~/.config/countersign/config.toml
Example: set sendmail="/usr/local/bin/shim" in muttrc
`;

/** Runs the shim. @returns the exit status */
export async function shim(name: string, args: readonly string[]): Promise<number> {
  try {
    checkArguments(args);
    if (args[0] === "--filter") return await (await import("./filter.ts")).filter(args.slice(1));
    const invocation = parseFlags(name, args);
    if (invocation.mode === "send") return await sendMessage(invocation.request);
    if (invocation.mode === "real") {
      const mode = ["mailq", "newaliases"].includes(name) ? [invocation.what] : [];
      return await runReal(name, invocation.what, [...mode, ...args]);
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
  const settings = loadSettings(configFile(), true);
  const identities = loadIdentities(settings);
  const input = await readInput(READ_FIRST_BYTES, true);
  await submitMessage({ settings, identities, request, input, abort: abortOnSignal(), hear: printLines });
  return 0;
}

/**
 * Runs the real program for `-bs`, `-bp`, `-q` and `-bi`. Without one, `-q` and `-bi` succeed, because there are no
 * queue and no aliases. Where there is an outbox, it is the queue.
 */
async function runReal(name: string, what: string, args: readonly string[]): Promise<number> {
  await checkLoop("transport.real");
  const source = configFile();
  // Scripts of packages run newaliases as root, who may have no settings.
  if (what === "-bi" && isMissing(source.file)) return 0;
  const settings = loadSettings(source, true);
  if ((what === "-bp" || what === "-q") && settings.outbox.when !== "never") {
    return await (await import("./queue.ts")).queue(name, what, settings);
  }
  if (what === "-q") await (await import("./queue.ts")).runRest(name, settings);
  const { real } = settings.transport;
  if (real.length === 0) {
    if (what === "-q" || what === "-bi") return 0;
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
