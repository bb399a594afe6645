/**
 * Passes a message to another program on its standard input.
 *
 * The program sends the message when it reaches the end of its input. On any
 * failure or signal it is therefore killed and reaped before its input closes,
 * so that a truncated message is never sent. Only SIGKILL of this process
 * prevents that; with a spool the program does not start before the message is
 * complete.
 */
import { Fail, quote, reason, temporaryIfDenied } from "../../lib/fail.ts";
import { inOnePiece, type Message } from "../../lib/message.ts";
import { killGroup } from "../system/kill_group.ts";
import { after } from "../system/timer.ts";
import { checkLauncher } from "./commit.ts";
import { type Running, type SpawnOptions, UNNAMED } from "./child.ts";
import { ErrorOutput, Transcript } from "./output.ts";
import { Unfinished } from "./rejected.ts";
import { spawnSpooled } from "./spool.ts";

/** Milliseconds that a program or server has to finish after a signal, once it has the whole message. */
const GRACE_MS = 3000;
/** Milliseconds within which a pipe reports that its reader has exited. */
const SETTLE_MS = 1000;

/** The exit of a program. */
export interface ChildExit {
  /** Its exit status. */
  readonly code: number;
  /** The last line that it wrote to standard error, cut to 200 characters. */
  readonly lastLine: string;
  /** The last reply of a server about the message, if the program prints its sessions. */
  readonly reply?: string;
}

/**
 * Runs the program with the message as its input.
 *
 * @returns its exit status, unless it was killed
 * @throws {Fail} `system` when it cannot be run; `temporary` when it was killed, did not read the whole message, or
 *   timed out; errors of reading the message
 */
export async function inject(call: SpawnOptions, message: Message): Promise<ChildExit> {
  const name = call.argv[0]!;
  const whole = call.spool === undefined && message.whole === true;
  const input = whole ? await inOnePiece(message) : message;
  if (whole) call.inspect?.(input.head);
  const child = call.spool === undefined ? spawn(call) : await spawnSpooled(call.spool, call, message);
  // Write at once: if this process were killed before the first write, an empty message would be sent.
  const inspect = whole ? undefined : call.inspect;
  const written = child.stdin ? write(child.stdin.getWriter(), input, inspect) : Promise.resolve(true);
  written.catch(() => {});
  const stderr = new ErrorOutput(child.stderr, call.hear);
  const transcript = child.stdout && new Transcript(child.stdout);
  const exited = child.status;

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
      // A grandchild may keep the pipe open after the program has exited; then the pipe never breaks.
      const orphaned = exited.then(() => after(SETTLE_MS)).then(() => false);
      taken = await Promise.race([written, stop.promise, orphaned]);
    } catch (error) {
      await kill(child);
      throw error;
    }
    // The program has the whole message and may be about to send it. Wait, so that a sent message is not reported as
    // failed.
    const status = await Promise.race([exited, stop.promise]).catch(async (error) => {
      const settled = await Promise.race([exited, after(GRACE_MS)]);
      if (settled !== undefined) return settled;
      await kill(child);
      throw new Unfinished(reason(error), { cause: error });
    });
    if (status.signal !== null) throw new Unfinished(`${name} was killed by ${status.signal}`);
    const lastLine = await stderr.lastLine(status.code !== 0);
    if (!taken && status.code === 0) {
      throw new Unfinished(`${name} exited with status 0 but did not read the whole message`);
    }
    const reply = await transcript?.lastReply();
    return { code: status.code, lastLine, ...(reply !== undefined && { reply }) };
  } finally {
    call.signal?.removeEventListener("abort", abort);
    clock?.removeEventListener("abort", late);
    stderr.cancel();
    transcript?.cancel();
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
      stdout: call.transcript ? "piped" : "null",
      stderr: "piped",
      detached: true, // own process group, so that its children can be killed, too
    }).spawn();
    const status = child.status.catch((error) => {
      if (!/^Invalid signal/.test(reason(error))) throw error;
      return { code: 1, signal: UNNAMED };
    });
    return {
      pid: child.pid,
      status,
      stderr: child.stderr,
      ...(call.transcript && { stdout: child.stdout }),
      stdin: child.stdin,
      kill: (signal) => child.kill(signal),
    };
  } catch (error) {
    const kind = temporaryIfDenied(error, "system");
    throw new Fail(kind, `${quote(program!)} cannot be run: ${reason(error)}`, { cause: error });
  }
}

/**
 * Kills the program and its children, and reaps it. A child of a wrapper, too,
 * would take the end of the pipe for the end of the message.
 */
async function kill(child: Running): Promise<void> {
  await killGroup(child);
  await child.status;
}

/** Writes everything and closes. @returns false if the program closed its input first */
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
