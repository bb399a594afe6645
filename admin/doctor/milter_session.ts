/** A test session on each socket of `countersign serve`. */
import { concat, decodeLatin1, utf8 } from "../../lib/bytes.ts";
import { PROBE_HOST } from "../../lib/probe.ts";
import { converse, sendAll } from "../../io/system/unix_socket.ts";
import { LOOKUP_VERSION } from "../../io/state/shared/ask.ts";
import { type Packet, PacketReader, printPacket, uint32 } from "../../serve/milter/packet.ts";
import { readOptions, STEPS } from "../../serve/milter/protocol.ts";

/** This program is not permitted to connect. */
export class NotPermitted extends Error {}

/** The service answers, but cannot use its state. */
export class StateUnusable extends Error {}

/** Timeout of a session in milliseconds. */
const TIMEOUT_MS = 5000;

/** Opens a session on a socket. @throws {NotPermitted} without the permission; errors of connecting, and of the work */
export async function converseWith<T>(path: string, work: (connection: Deno.UnixConn) => Promise<T>): Promise<T> {
  try {
    return await converse(path, TIMEOUT_MS, work);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw new NotPermitted();
    throw error;
  }
}

/** The response to a test session. */
export interface Answers {
  /** The reply to the recipient, `550 …`; undefined if it was accepted or not asked about. */
  readonly recipient?: string;
  /** A host that has not reported to Redis that it remembers sent mail. */
  readonly silent?: string;
  /** Whether the state is shared, so that shims and hooks can use the socket `lookup`. */
  readonly shared?: boolean;
  /** When a message was last sent that the shared state does not remember, in milliseconds since 1970. */
  readonly forgotten?: number;
}

/** The options that Postfix offers: version 6, every action and every step. */
const OFFER = printPacket("O", uint32(6), uint32(0x1ff), uint32(0x1fffff));

/**
 * Opens a session and ends it; no message is sent.
 *
 * @param recipient a recipient of a message from the null sender, which is aborted before its data
 * @throws {NotPermitted} without the permission to connect; another error if the response is not the expected one
 */
export async function openSession(path: string, role: string, recipient?: string): Promise<Answers> {
  return await converseWith(path, async (open) => {
    if (role === "lookup") return await askStatus(open);
    const packets = packetsFrom(open);
    await sendAll(open, OFFER);
    const { version, actions, steps } = readOptions((await expect(packets, "O")).data);
    const changes = actions !== 0;
    if (version !== 6 || changes !== (role === "sign")) throw new Error("it is not the milter of this role");
    if (recipient === undefined) return await quit(open);
    const connect = printPacket("C", `${PROBE_HOST}\x004\0\0${"127.0.0.1"}\0`);
    await sendAll(open, concat(connect, printPacket("M", "<>\0"), printPacket("R", `<${recipient}>\0`)));
    if ((steps & STEPS.senderUnanswered) === 0) await expect(packets, "c");
    const { command, data } = await expect(packets, "cy");
    await sendAll(open, printPacket("A"));
    await quit(open);
    return command === "y" ? { recipient: decodeLatin1(data).replace(/\0$/, "") } : {};
  });
}

/** Tests whether the socket `lookup` can use its store. */
async function askStatus(connection: Deno.Conn): Promise<Answers> {
  const status = await ask(connection, "status");
  if (!("store" in status)) throw new Error("it is not the socket of this role");
  if (status.store === null) return { shared: false };
  const { forgotten } = await ask(connection, "forgotten");
  return {
    shared: true,
    ...typeof status.silent === "string" && { silent: status.silent },
    ...typeof forgotten === "number" && { forgotten },
  };
}

/** Sends a request to the socket `lookup`. @returns the members of the answer */
async function ask(connection: Deno.Conn, request: string): Promise<Record<string, unknown>> {
  await sendAll(connection, utf8(`${JSON.stringify({ version: LOOKUP_VERSION, request })}\n`));
  const buffer = new Uint8Array(4096);
  const parts: Uint8Array[] = [];
  for (let size; (size = await connection.read(buffer)) !== null;) {
    parts.push(buffer.slice(0, size));
    if (parts.at(-1)!.includes(10)) break;
  }
  const answer = JSON.parse(new TextDecoder().decode(concat(...parts)));
  if (answer.error !== undefined) throw new StateUnusable(String(answer.error));
  return answer;
}

async function quit(connection: Deno.Conn): Promise<Answers> {
  await sendAll(connection, printPacket("Q"));
  return {};
}

async function expect(packets: AsyncGenerator<Packet>, commands: string): Promise<Packet> {
  const { value, done } = await packets.next();
  if (done || value === undefined) throw new Error("the connection was closed");
  if (!commands.includes(value.command)) throw new Error("it does not speak the milter protocol");
  return value;
}

async function* packetsFrom(connection: Deno.Conn): AsyncGenerator<Packet> {
  const reader = new PacketReader();
  const buffer = new Uint8Array(4096);
  for (;;) {
    for (let packet; (packet = reader.next()) !== undefined;) yield packet;
    const size = await connection.read(buffer);
    if (size === null) return;
    reader.push(buffer.subarray(0, size));
  }
}
