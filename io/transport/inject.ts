/**
 * Passes a message to another program on its standard input.
 *
 * End of input is that program's commit. So on any failure or signal it is
 * killed and reaped before its input closes: half a message is never taken for
 * a whole one. Only SIGKILL of our own self leaves us no time for that; with a
 * spool the program does not start before the message is whole.
 */
import { KILL } from "../../lib/paths.ts";
import { Fail, quote, reason, temporaryIfDenied } from "../../lib/fail.ts";
import { inOnePiece, type Message } from "../../lib/message.ts";
import { checkLauncher } from "./commit.ts";
import { type Running, type SpawnOptions, UNNAMED } from "./child.ts";
import { spawnSpooled } from "./spool.ts";

/** Milliseconds that a program or server has to finish after a signal, once it has the whole message. */
export const GRACE = 3000;
/** Milliseconds within which a pipe reports that its reader is gone. */
const SETTLE = 1000;
/** Bytes of standard error that are kept, and characters of its last line that are told. */
const [KEPT, TOLD] = [4096, 200];

/** The exit of a program. */
export interface ChildExit {
  /** Its exit status. */
  readonly code: number;
  /** The last line that it wrote to standard error, cut to 200 characters. */
  readonly said: string;
}

/**
 * Runs the program with the message as its input.
 *
 * @returns its exit, if it exited by itself
 * @throws {Fail} `system` when it cannot be run; `temporary` when it was killed, did not take the whole message, or
 *   ran out of time; what reading the message throws
 */
export async function inject(call: SpawnOptions, message: Message): Promise<ChildExit> {
  const name = call.argv[0]!;
  const whole = call.spool === undefined && message.whole === true;
  const given = whole ? await inOnePiece(message) : message;
  if (whole) call.inspect?.(given.head);
  const child = call.spool === undefined ? spawn(call) : await spawnSpooled(call.spool, call, message);
  // At once: if we were killed between start and first write, an empty message would be sent.
  const inspect = whole ? undefined : call.inspect;
  const written = child.stdin ? write(child.stdin.getWriter(), given, inspect) : Promise.resolve(true);
  written.catch(() => {});
  const said = new Tail(child.stderr);
  const ended = child.status;

  const stop = Promise.withResolvers<never>();
  stop.promise.catch(() => {});
  const abort = () => stop.reject(new Fail("temporary", `Stopped by a signal; ${name} was killed`));
  if (call.signal?.aborted) abort();
  call.signal?.addEventListener("abort", abort);
  const clock = call.timeout > 0 ? AbortSignal.timeout(call.timeout * 1000) : undefined;
  const late = () => stop.reject(new Fail("temporary", `${name} took longer than ${call.timeout} s and was killed`));
  clock?.addEventListener("abort", late);
  try {
    let taken = false;
    try {
      // A grandchild may hold the pipe of a program that has ended: then the pipe never breaks.
      const orphaned = ended.then(() => after(SETTLE)).then(() => false);
      taken = await Promise.race([written, stop.promise, orphaned]);
    } catch (error) {
      await kill(child);
      throw error;
    }
    // It has the whole message and may be about to commit: wait a moment, so as not to report a sent message as failed.
    const status = await Promise.race([ended, stop.promise]).catch(async (error) => {
      const settled = await Promise.race([ended, after(GRACE)]);
      if (settled !== undefined) return settled;
      await kill(child);
      throw error;
    });
    if (status.signal !== null) throw new Fail("temporary", `${name} was killed by ${status.signal}`);
    const line = status.code === 0 ? "" : await said.line();
    if (!taken && status.code === 0) {
      throw new Fail("temporary", `${name} ended with success but did not read the whole message`);
    }
    return { code: status.code, said: line };
  } finally {
    call.signal?.removeEventListener("abort", abort);
    clock?.removeEventListener("abort", late);
    said.cancel();
  }
}

function spawn(call: SpawnOptions): Running {
  if (call.signal?.aborted) throw new Fail("temporary", "Stopped by a signal; nothing is sent");
  checkLauncher();
  const [program, ...args] = call.argv;
  try {
    const child = new Deno.Command(program!, {
      args,
      env: call.environment,
      clearEnv: true,
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
      detached: true, // its own process group, so that all of it can be killed
    }).spawn();
    const status = child.status.catch((error) => {
      if (!/^Invalid signal/.test(reason(error))) throw error;
      return { code: 1, signal: UNNAMED };
    });
    return { pid: child.pid, status, stderr: child.stderr, stdin: child.stdin, kill: (signal) => child.kill(signal) };
  } catch (error) {
    const kind = temporaryIfDenied(error, "system");
    throw new Fail(kind, `${quote(program!)} cannot be run: ${reason(error)}`, { cause: error });
  }
}

/**
 * Kills the program with all that it has started, and reaps it: a child of a
 * wrapper, too, would take the end of our pipe for the end of the message.
 */
async function kill(child: Running): Promise<void> {
  const group = async () => {
    try {
      Deno.kill(-child.pid, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotCapable)) throw error;
      await new Deno.Command(KILL, { args: ["-KILL", "--", `-${child.pid}`], stdout: "null", stderr: "null" }).output();
    }
  };
  for (const stop of [group, () => child.kill("SIGKILL")]) {
    try {
      await stop();
    } catch {
      // It has exited, or does not exist.
    }
  }
  await child.status;
}

/** Milliseconds, by AbortSignal: setTimeout would cost a process 4 ms to load. */
export function after(milliseconds: number): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  AbortSignal.timeout(milliseconds).addEventListener("abort", () => resolve(undefined));
  return promise;
}

/** Writes everything and closes. @returns false if the program closed its input first; its status tells why */
async function write(
  writer: WritableStreamDefaultWriter<Uint8Array>,
  message: Message,
  inspect: SpawnOptions["inspect"],
): Promise<boolean> {
  const put = async (chunk: Uint8Array) => {
    inspect?.(chunk);
    try {
      await writer.write(chunk);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) return false;
      throw error;
    }
  };
  if (!await put(message.head)) return false;
  for await (const chunk of message.body) {
    if (!await put(chunk)) return false;
  }
  checkLauncher();
  try {
    await writer.close();
  } catch {
    return false;
  }
  return true;
}

/** The last line of a program's output. A grandchild may keep the pipe open, so nothing waits for its end. */
class Tail {
  #text = "";
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #read: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
    this.#read = this.#collect();
  }

  async #collect(): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for (let part; !(part = await this.#reader.read()).done;) {
        this.#text = (this.#text + decoder.decode(part.value, { stream: true })).slice(-KEPT);
      }
    } catch {
      // Cancelled.
    }
  }

  async line(): Promise<string> {
    await Promise.race([this.#read, after(SETTLE)]);
    // deno-lint-ignore no-control-regex
    return (this.#text.trim().split("\n").at(-1) ?? "").replace(/[\x00-\x1f\x7f]/g, " ").trim().slice(0, TOLD);
  }

  cancel(): void {
    this.#reader.cancel().catch(() => {});
  }
}
