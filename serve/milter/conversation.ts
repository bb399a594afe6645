/** A milter session on a connection: reads packets, and ends sessions with peers that hang or send garbage. */
import { Fail } from "../../lib/fail.ts";
import { Deadline } from "../sockets/deadline.ts";
import type { Connection } from "../sockets/listen.ts";
import { type Conversation, type Converse, end } from "../sockets/server.ts";
import { PacketReader } from "./packet.ts";
import { type MilterRole, Session } from "./session.ts";

/** How long a peer may take, in milliseconds. */
export interface Limits {
  /** Between two packets. libmilter waits two hours, because SMTP clients may be slow. */
  readonly idle: number;
  /** From the first byte of a packet to its last, and for the peer to read an answer. */
  readonly packet: number;
}

/** The limits of `countersign serve`. */
export const LIMITS: Limits = { idle: 7_200_000, packet: 60_000 };

/** Bytes that are read at once: more than most messages to the door have. */
const READ_BYTES = 16 * 1024;
/** Buffers of sessions that have ended, because allocating one for each session would take time and memory. */
const spareBuffers: Uint8Array[] = [];
const MAX_SPARE_BUFFERS = 64;

/** Returns what begins a session in this role on each connection. */
export function milterSessions(role: MilterRole, limits: Limits = LIMITS): Converse {
  return (connection, closing) => new MilterConversation(connection, closing, new Session(role), limits);
}

class MilterConversation implements Conversation {
  readonly #connection: Connection;
  readonly #closing: () => boolean;
  readonly #session: Session;
  readonly #limits: Limits;

  constructor(connection: Connection, closing: () => boolean, session: Session, limits: Limits) {
    [this.#connection, this.#closing, this.#session, this.#limits] = [connection, closing, session, limits];
  }

  get busy(): boolean {
    return this.#session.busy;
  }

  async run(): Promise<void> {
    const deadline = new Deadline(() => end(this.#connection));
    const buffer = spareBuffers.pop() ?? new Uint8Array(READ_BYTES);
    try {
      await this.#exchange(deadline, buffer);
    } catch (error) {
      if (deadline.passed) {
        throw new Fail("data", "A session was ended because the mail server was silent", { cause: error });
      }
      throw error;
    } finally {
      deadline.close();
      if (spareBuffers.length < MAX_SPARE_BUFFERS) spareBuffers.push(buffer);
    }
  }

  async #exchange(deadline: Deadline, buffer: Uint8Array): Promise<void> {
    const { idle, packet: limit } = this.#limits;
    const reader = new PacketReader();
    for (;;) {
      for (let packet; (packet = reader.next()) !== undefined;) {
        deadline.clear(); // our own work does not count as the peer's time
        const answer = await this.#session.handle(packet);
        if (answer === undefined) return;
        deadline.set(limit);
        for (let at = 0; at < answer.length;) at += await this.#connection.write(answer.subarray(at));
        deadline.clear();
        if (this.#closing() && !this.#session.busy) return;
      }
      // Set once for a packet: bytes that come one by one do not prolong it.
      if (!reader.partial) deadline.set(idle);
      else if (!deadline.runs(limit)) deadline.set(limit);
      const size = await this.#connection.read(buffer);
      if (size === null) {
        if (deadline.passed) throw new Fail("data", "The connection was closed");
        return;
      }
      reader.push(buffer.subarray(0, size));
    }
  }
}
