/**
 * Spools a message: writes it to a file completely before the injector starts
 * with this file as its standard input. The injector can then never send a
 * truncated message, even if this process is killed.
 *
 * This uses node:child_process, which takes 20 ms to load, because Deno.Command
 * cannot pass an open file. A shell that redirects would take 1 ms, but the
 * permission to run a shell is the permission to run everything.
 */
import { Fail, quote, reason, temporaryIfDenied } from "../../lib/fail.ts";
import type { Message } from "../../lib/message.ts";
import { removeLeftovers, writeAll } from "../system/files.ts";
import { untilAborted } from "../system/signals.ts";
import { checkLauncher } from "./commit.ts";
import { type Running, type SpawnOptions, UNNAMED } from "./child.ts";

/** Hours after which a file that still has a name is abandoned. */
const MAX_AGE_HOURS = 24;

/**
 * Runs the program with the whole message as its standard input.
 *
 * @throws {Fail} `temporary` when the file cannot be written or a signal arrived; `system` when the program cannot be
 *   run; errors of reading the message
 */
export async function spawnSpooled(folder: string, call: SpawnOptions, message: Message): Promise<Running> {
  const node = await nodeModules();
  const input = await spool(folder, call, message, node);
  try {
    if (call.signal?.aborted) throw new Fail("temporary", "Stopped by a signal; nothing is sent");
    return await spawnOn(input, call, node);
  } finally {
    node.closeSync(input);
  }
}

type Node = Awaited<ReturnType<typeof nodeModules>>;

/** Loads the node modules on demand, only for `transport.spool`. */
async function nodeModules() {
  const { closeSync, openSync } = await import("node:fs");
  const { spawn } = await import("node:child_process");
  return { closeSync, openSync, spawn };
}

/** Writes the message. @returns the descriptor of the file, open for reading at its beginning */
async function spool(
  folder: string,
  call: SpawnOptions,
  message: Message,
  { openSync, closeSync }: Node,
): Promise<number> {
  const { inspect, signal } = call;
  const attempt = <T>(what: () => T): T => {
    try {
      return what();
    } catch (error) {
      throw new Fail("temporary", `Spool cannot be written: ${reason(error)}`, { file: folder, cause: error });
    }
  };
  const { file, input } = attempt(() => make(folder, (path) => openSync(path, "r")));
  using written = file;
  const put = (chunk: Uint8Array) => {
    inspect?.(chunk);
    attempt(() => writeAll(written, chunk));
  };
  try {
    put(message.head);
    for await (const chunk of signal ? untilAborted(message.body, signal) : message.body) put(chunk);
    // A file server may report a full disk only now; without this check part of the message could be missing.
    attempt(() => written.syncSync());
  } catch (error) {
    closeSync(input);
    throw error;
  }
  return input;
}

/** Creates a file, open for writing and for reading, and unlinks it at once, so that a killed process leaves none. */
function make(folder: string, read: (path: string) => number): { file: Deno.FsFile; input: number } {
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  cleanSpool(folder, new Date());
  const path = `${folder}/${Deno.pid}.${crypto.randomUUID()}`;
  const file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  try {
    return { file, input: read(path) };
  } catch (error) {
    file.close();
    throw error;
  } finally {
    Deno.removeSync(path);
  }
}

async function spawnOn(
  input: number,
  { argv, environment, transcript }: SpawnOptions,
  { spawn }: Node,
): Promise<Running> {
  const [program, ...args] = argv;
  const { promise: status, resolve } = Promise.withResolvers<{ code: number; signal: string | null }>();
  // Node's compatibility layer throws for a signal that it does not know, where no caller can catch the error.
  const unnamed = (event: PromiseRejectionEvent) => {
    if (!/^Invalid signal/.test(reason(event.reason))) return;
    event.preventDefault();
    resolve({ code: 1, signal: UNNAMED });
  };
  globalThis.addEventListener("unhandledrejection", unnamed);
  status.finally(() => globalThis.removeEventListener("unhandledrejection", unnamed));
  checkLauncher();
  try {
    const child = spawn(program!, args, {
      env: environment,
      stdio: [input, transcript ? "pipe" : "ignore", "pipe"],
      detached: true,
    });
    child.once("exit", (code, signal) => resolve({ code: code ?? 1, signal }));
    await new Promise((done, failed) => child.once("spawn", done).once("error", failed));
    child.on("error", () => {}); // killing a program that has exited fails
    const streamOf = (output: NonNullable<typeof child.stderr>) =>
      new ReadableStream<Uint8Array>({
        start(to) {
          output.on("data", (part) => to.enqueue(part)).on("error", () => {}).once("end", () => to.close());
        },
        cancel: () => void output.removeAllListeners("data").removeAllListeners("end").destroy(),
      });
    return {
      pid: child.pid!,
      status,
      stderr: streamOf(child.stderr!),
      ...(child.stdout && { stdout: streamOf(child.stdout) }),
      kill: (signal) => void child.kill(signal),
    };
  } catch (error) {
    resolve({ code: 1, signal: null });
    const kind = temporaryIfDenied(error, "system");
    throw new Fail(kind, `${quote(program!)} cannot be run: ${reason(error)}`, { cause: error });
  }
}

/** Removes files older than a day, which killed processes left. @returns their number */
export function cleanSpool(folder: string, now: Date): number {
  return removeLeftovers(folder, MAX_AGE_HOURS, now, ({ isFile }) => isFile);
}
