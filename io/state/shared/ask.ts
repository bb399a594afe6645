/**
 * The client of the socket `lookup` of `countersign serve`, through which shim and hook use a shared store.
 * serve/lookup documents the protocol.
 */
import { type Bytes, concat, utf8 } from "../../../lib/bytes.ts";
import { Fail, reason } from "../../../lib/fail.ts";
import type { SentMessage } from "../../../incoming/need.ts";
import { after } from "../../system/timer.ts";
import { converse, sendAll } from "../../system/unix_socket.ts";
import type { StoredEntry } from "../entry_files.ts";
import type { SharedStore } from "./store.ts";

/** The version of the protocol. */
export const LOOKUP_VERSION = 1;

/** Timeout of an answer in milliseconds, longer than every timeout of the store that the server uses. */
const ANSWER_MS = 20_000;
/**
 * Time in milliseconds for which a message to be remembered waits for a server that is being restarted. If it left
 * without being remembered, a door could reject a bounce of it.
 */
const RESTART_MS = 5_000;
/** Interval in milliseconds between attempts to connect. */
const RETRY_MS = 100;
/** Maximum length of an answer. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/**
 * Returns a store that uses this socket. Each request opens its own connection.
 *
 * @param restart the time for which a message to be remembered waits for a server, in milliseconds
 */
export function askedStore(path: string, restart = RESTART_MS): SharedStore {
  const ask = (request: string, values: object, payload = "") =>
    askLookup(path, { request, ...values }, payload === "" ? undefined : utf8(payload));
  // The server is trusted as the state files are, so the members of its answers are not validated.
  return {
    sent: async (names) => (await ask("sent", { names })).sent as SentMessage[],
    // To remember a message again changes nothing, so that an attempt whose answer is lost can be repeated.
    rememberSent: (name, message) =>
      untilRestarted(async () => void await ask("remember", { name, ...message }), restart),
    entries: async (by) => (await ask("entries", by)).entries as StoredEntry[],
    issue: async (names, expires, text) => void await ask("issue", { names, expires }, text),
    claim: async (name) => (await ask("claim", { name })).claim as string | null ?? undefined,
    settle: async (claim, state) => void await ask("settle", { claim, state }),
    noteForgotten: async (time) => void await ask("forget", { time }),
    lastForgotten: async () => (await ask("forgotten", {})).forgotten as number | null ?? undefined,
  };
}

/**
 * Sends a request on a connection of its own.
 *
 * @param values the members of the request, without its version and length
 * @param payload the bytes that follow the line
 * @param timeout in milliseconds
 * @returns the members of the answer
 * @throws {Fail} `temporary` if there is no answer, or an error instead
 */
export async function askLookup(
  path: string,
  values: object,
  payload?: Bytes,
  timeout = ANSWER_MS,
): Promise<Record<string, unknown>> {
  const length = payload === undefined ? {} : { length: payload.length };
  const line = utf8(`${JSON.stringify({ version: LOOKUP_VERSION, ...values, ...length })}\n`);
  return parsed(path, await exchange(path, payload === undefined ? line : concat(line, payload), timeout));
}

/** Repeats an attempt while there is no server, for at most this time in milliseconds. */
async function untilRestarted(attempt: () => Promise<void>, time: number): Promise<void> {
  for (const end = Date.now() + time;;) {
    try {
      return await attempt();
    } catch (error) {
      const away = error instanceof Fail && AWAY.some((one) => error.cause instanceof one);
      if (!away || Date.now() >= end) throw error;
      await after(RETRY_MS);
    }
  }
}

/** Errors of a connection to a server that has ended, or accepts no connection at the moment. */
const { NotFound, ConnectionRefused, ConnectionReset, BrokenPipe, UnexpectedEof, WouldBlock } = Deno.errors;
const AWAY = [NotFound, ConnectionRefused, ConnectionReset, BrokenPipe, UnexpectedEof, WouldBlock];

/** Sends a request. @returns the line of the answer */
async function exchange(path: string, request: Uint8Array, timeout: number): Promise<string> {
  try {
    return await converse(path, timeout, async (connection) => {
      await sendAll(connection, request);
      const parts: Uint8Array[] = [];
      const buffer = new Uint8Array(64 * 1024);
      for (let length = 0; length <= MAX_ANSWER_BYTES;) {
        const size = await connection.read(buffer);
        if (size === null) throw new UnexpectedEof("the server closed the connection");
        const end = buffer.subarray(0, size).indexOf(10);
        parts.push(buffer.slice(0, end < 0 ? size : end));
        if (end >= 0) return new TextDecoder().decode(concat(...parts));
        length += size;
      }
      throw new Error("the answer is too long");
    });
  } catch (error) {
    throw unusable(path, reason(error), error);
  }
}

function parsed(path: string, line: string): Record<string, unknown> {
  let answer: unknown;
  try {
    answer = JSON.parse(line);
  } catch {
    throw unusable(path, "the answer is not JSON");
  }
  if (typeof answer !== "object" || answer === null) throw unusable(path, "the answer is not an object");
  const { version, error } = answer as Record<string, unknown>;
  if (error !== undefined) throw unusable(path, String(error));
  if (version !== LOOKUP_VERSION) throw unusable(path, `unsupported protocol version ${String(version)}`);
  return answer as Record<string, unknown>;
}

function unusable(path: string, why: string, cause?: unknown): Fail {
  return new Fail("temporary", `Request to countersign serve failed: ${why}`, { file: path, cause });
}
