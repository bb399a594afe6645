/** Runs a program that prints a password or an access token as its only line. */
import { Fail, reason, temporaryIfDenied } from "../../lib/fail.ts";
import { keyringEnvironment } from "./environment.ts";
import { killGroup } from "./kill_group.ts";
import { after } from "./timer.ts";

/** A program to run. */
export interface SecretCommand {
  /** Absolute path and arguments; no shell. */
  readonly argv: readonly string[];
  /** How messages name the setting: `password_command of account "work"`. */
  readonly setting: string;
  /** Timeout in seconds. */
  readonly timeout: number;
  /** Kills the program when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Maximum number of bytes that are read: access tokens have a few thousand. */
const MAX_BYTES = 64 * 1024;
/**
 * Milliseconds to wait for the rest of its output after a program has exited. A daemon that it started may keep the
 * pipe.
 */
const SETTLE_MS = 1000;
/** What to do when the program fails or hangs, which may be for other reasons. */
const UNLOCK = "unlock the keyring, or run the program in a terminal";
/** Characters of the last line of standard error that are reported. */
const MAX_LINE = 200;

/** The program failed, hung or was killed. It may succeed once a person has unlocked the keyring. */
export class SecretUnavailable extends Fail {
  constructor(message: string, options: { readonly fix?: string } = { fix: UNLOCK }) {
    super("temporary", message, options);
  }
}

/**
 * Returns the line. Neither an error nor its cause contains anything that the program wrote to standard output.
 *
 * @throws {Fail} `config` when the program does not exist or does not print exactly one line; `temporary` when it
 *   is stopped with this program
 * @throws {SecretUnavailable} when it fails, is killed or takes too long, because the keyring may be locked
 */
export async function readSecret(command: SecretCommand): Promise<string> {
  const { setting, timeout, signal } = command;
  signal?.throwIfAborted();
  const child = spawn(command);
  // Deno has no name for real-time signals.
  const exited = child.status.catch(() => ({ code: 1, signal: "an unknown signal" }));
  const out = collect(child.stdout);
  const said = collect(child.stderr);
  const stop = Promise.withResolvers<never>();
  stop.promise.catch(() => {});
  const abort = () => {
    const what = `${setting} was killed: ${reason(signal?.reason)}`;
    const hangs = signal?.reason instanceof Deno.errors.TimedOut;
    stop.reject(hangs ? new SecretUnavailable(what) : new Fail("temporary", what));
  };
  signal?.addEventListener("abort", abort);
  after(timeout * 1000).then(() =>
    stop.reject(new SecretUnavailable(`${setting} took longer than ${timeout} s and was killed`))
  );
  try {
    const { code, signal: killed } = await Promise.race([exited, stop.promise]);
    await Promise.race([Promise.all([out.done, said.done]), after(SETTLE_MS), stop.promise]);
    if (killed !== null) throw new SecretUnavailable(`${setting} was killed by ${killed}`, {});
    if (code !== 0) throw failed(setting, code, lastLine(said.bytes(), out.bytes()));
    return onlyLine(setting, out.bytes());
  } catch (error) {
    await killGroup(child);
    await exited;
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
    out.cancel();
    said.cancel();
  }
}

function spawn({ argv: [program, ...args], setting }: SecretCommand): Deno.ChildProcess {
  try {
    return new Deno.Command(program!, {
      args,
      env: keyringEnvironment(),
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      detached: true, // own process group, so that its children can be killed, too
    }).spawn();
  } catch (error) {
    const kind = temporaryIfDenied(error, "config");
    const fix = kind === "temporary" ? "countersign sandbox" : `install ${program}, or change the setting`;
    throw new Fail(kind, `${setting} cannot be run: ${reason(error)}`, { fix, cause: error });
  }
}

function failed(setting: string, code: number, line: string): Fail {
  return new SecretUnavailable(`${setting} exited with status ${code}${line === "" ? "" : `: ${line}`}`);
}

/** Returns the only line. Its number of lines is reported, never its text. */
function onlyLine(setting: string, bytes: Uint8Array): string {
  const wrong = (what: string) => {
    const fix = "let it print the secret alone, on one line";
    return new Fail("config", `${setting} ${what} instead of one line`, { fix });
  };
  if (bytes.length >= MAX_BYTES) throw wrong(`printed more than ${MAX_BYTES} bytes`);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "");
  } catch {
    throw wrong("printed text that is not UTF-8");
  }
  if (text === "") throw wrong("printed nothing");
  const lines = text.split("\n").length;
  if (lines > 1) throw wrong(`printed ${lines} lines`);
  if (/[\0\r]/.test(text)) throw wrong("printed a control character");
  return text;
}

/** Returns the last line of standard error, without what was also written to standard output. */
function lastLine(said: Uint8Array, out: Uint8Array): string {
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const secrets = decode(out).split(/[\r\n]+/).filter((line) => line !== "");
  const text = secrets.reduce((left, secret) => left.replaceAll(secret, "…"), decode(said));
  const line = text.trim().split("\n").at(-1) ?? "";
  // deno-lint-ignore no-control-regex
  return line.replace(/[\x00-\x1f\x7f-\x9f]/g, " ").trim().slice(0, MAX_LINE);
}

/** Collects the output of a program. */
function collect(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  const bytes = new Uint8Array(MAX_BYTES);
  let length = 0;
  const read = async () => {
    try {
      for (let part; !(part = await reader.read()).done;) {
        const room = part.value.subarray(0, MAX_BYTES - length);
        bytes.set(room, length);
        length += room.length;
      }
    } catch {
      // Cancelled.
    }
  };
  return {
    done: read(),
    bytes: () => bytes.subarray(0, length),
    cancel: () => void reader.cancel().catch(() => {}),
  };
}
