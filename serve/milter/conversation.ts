/** A milter session on a connection: reads packets, and ends sessions with peers that hang or send invalid data. */
import { Fail } from "../../lib/fail.ts";
import { Deadline } from "../sockets/deadline.ts";
import { Buffers } from "../sockets/buffers.ts";
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

/** Thousands of connections may be idle, and only some carry a message: these get a larger buffer. */
const [SMALL, LARGE] = [new Buffers(4 * 1024), new Buffers(64 * 1024)];

/** Returns a function that starts a session in this role on a connection. */
export function milterSessions(role: MilterRole, limits: Limits = LIMITS): Converse {
  return (connection, closing) => new MilterConversation(connection, closing, new Session(role), limits);
}

class MilterConversation implements Conversation {
  readonly #connection: Connection;
  readonly #closing: () => boolean;
  readonly #session: Session;
  readonly #limits: Limits;
  #buffer = SMALL.take();

  constructor(connection: Connection, closing: () => boolean, session: Session, limits: Limits) {
    [this.#connection, this.#closing, this.#session, this.#limits] = [connection, closing, session, limits];
  }

  get busy(): boolean {
    return this.#session.busy;
  }

  async run(): Promise<void> {
    const deadline = new Deadline(() => end(this.#connection));
    try {
      await this.#exchange(deadline);
    } catch (error) {
      if (deadline.passed) {
        throw new Fail("data", "Session with the mail server timed out", { cause: error });
      }
      throw error;
    } finally {
      deadline.close();
      for (const one of [SMALL, LARGE]) one.give(this.#buffer);
    }
  }

  async #exchange(deadline: Deadline): Promise<void> {
    const { idle, packet: limit } = this.#limits;
    const reader = new PacketReader();
    for (;;) {
      for (let packet; (packet = reader.next()) !== undefined;) {
        deadline.clear(); // processing time does not count towards the limit of the peer
        const handled = this.#session.handle(packet);
        const answer = handled instanceof Promise ? await handled : handled;
        if (answer === undefined) return;
        if (answer.length > 0) {
          deadline.set(limit);
          for (let left = answer; left.length > 0;) left = left.subarray(await this.#connection.write(left));
          deadline.clear();
        }
        if (this.#closing() && !this.#session.busy) return;
      }
      // Set once for a packet, so that a peer cannot extend it by sending single bytes.
      if (!reader.partial) deadline.set(idle);
      else if (!deadline.runs(limit)) deadline.set(limit);
      const size = await this.#connection.read(this.#buffer);
      if (size === null) {
        if (deadline.passed) throw new Fail("data", "The connection was closed");
        return;
      }
      reader.push(this.#buffer.subarray(0, size));
      if (size === this.#buffer.length && size < LARGE.size) {
        SMALL.give(this.#buffer);
        this.#buffer = LARGE.take();
      }
    }
  }
}
