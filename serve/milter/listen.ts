/** Serves a milter role on a unix socket: reads packets, and ends sessions of peers that hang or talk nonsense. */
import type { Bytes } from "../../lib/bytes.ts";
import { Fail, provesMissing, reason } from "../../lib/fail.ts";
import { PacketReader } from "./packet.ts";
import { type MilterRole, Session } from "./session.ts";

/** How long and how much a peer may take. */
export interface Limits {
  /** Milliseconds between two packets. libmilter waits two hours, because SMTP clients may be slow. */
  readonly idle: number;
  /** Milliseconds from the first byte of a packet to its last, and for the peer to read an answer. */
  readonly packet: number;
  /** Sessions at a time; those above are closed, and the MTA then does what `default_action` says. */
  readonly sessions: number;
}

/** The limits of `countersign serve`. */
export const LIMITS: Limits = { idle: 7_200_000, packet: 60_000, sessions: 1000 };

const READ_BYTES = 64 * 1024;

/** A role on its socket. */
export class MilterServer {
  readonly #listener: Deno.UnixListener;
  readonly #path: string;
  readonly #role: MilterRole;
  readonly #report: (what: string) => void;
  readonly #limits: Limits;
  readonly #open = new Map<Deno.UnixConn, Session>();
  readonly #accepting: Promise<void>;
  #closing = false;
  #drained: () => void = () => {};

  private constructor(
    listener: Deno.UnixListener,
    path: string,
    role: MilterRole,
    report: (what: string) => void,
    limits: Limits,
  ) {
    [this.#listener, this.#path, this.#role, this.#report, this.#limits] = [listener, path, role, report, limits];
    this.#accepting = this.#accept();
  }

  /**
   * Listens on a socket that the owner and the group may use.
   *
   * @param report is told why a session was ended
   * @throws {Fail} `config` when another process listens there, or it cannot be created
   */
  static async start(
    path: string,
    role: MilterRole,
    report: (what: string) => void,
    limits: Limits = LIMITS,
  ): Promise<MilterServer> {
    await removeStale(path);
    let listener: Deno.UnixListener;
    try {
      listener = Deno.listen({ transport: "unix", path });
      Deno.chmodSync(path, 0o660);
    } catch (error) {
      throw new Fail("config", `Socket ${path} cannot be created: ${reason(error)}`, { cause: error });
    }
    return new MilterServer(listener, path, role, report, limits);
  }

  /** How many sessions are open. */
  get sessions(): number {
    return this.#open.size;
  }

  /** Takes no more sessions, ends those without a message at once, and waits for the others, `patience` ms at most. */
  async close(patience: number): Promise<void> {
    this.#closing = true;
    this.#listener.close();
    remove(this.#path);
    for (const [connection, session] of this.#open) if (!session.busy) end(connection);
    if (this.#open.size > 0) {
      const timer = setTimeout(() => {
        for (const connection of this.#open.keys()) end(connection);
      }, patience);
      await new Promise<void>((resolve) => this.#drained = resolve);
      clearTimeout(timer);
    }
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    for (;;) {
      let connection: Deno.UnixConn;
      try {
        connection = await this.#listener.accept();
      } catch (error) {
        if (this.#closing) return;
        // Too many open files, for one: the next attempt may succeed, but not at once.
        this.#report(`A session could not be accepted: ${reason(error)}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
        continue;
      }
      if (this.#closing || this.#open.size >= this.#limits.sessions) {
        if (!this.#closing) this.#report(`More than ${this.#limits.sessions} sessions at a time: one was closed`);
        end(connection);
      } else void this.#serve(connection);
    }
  }

  async #serve(connection: Deno.UnixConn): Promise<void> {
    const session = new Session(this.#role);
    this.#open.set(connection, session);
    const { idle, packet: limit } = this.#limits;
    const deadline = new Deadline(() => end(connection));
    try {
      const reader = new PacketReader();
      const buffer = new Uint8Array(READ_BYTES);
      for (;;) {
        for (let packet; (packet = reader.next()) !== undefined;) {
          deadline.clear(); // what we do ourselves is not the peer's time
          const answer = await session.handle(packet);
          if (answer === undefined) return;
          deadline.set(limit);
          await writeAll(connection, answer);
          deadline.clear();
          if (this.#closing && !session.busy) return;
        }
        // Set once for a packet: bytes that come one by one do not prolong it.
        if (!reader.partial) deadline.set(idle);
        else if (!deadline.runs(limit)) deadline.set(limit);
        const size = await connection.read(buffer);
        if (size === null) return;
        reader.push(buffer.subarray(0, size));
      }
    } catch (error) {
      this.#report(deadline.passed ? "A session was ended because the mail server was silent" : reason(error));
    } finally {
      deadline.clear();
      end(connection);
      this.#open.delete(connection);
      if (this.#open.size === 0) this.#drained();
    }
  }
}

/** A timer that knows what it runs for. */
class Deadline {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #length: number | undefined;
  readonly #end: () => void;
  passed = false;

  constructor(end: () => void) {
    this.#end = end;
  }

  runs(length: number): boolean {
    return this.#length === length;
  }

  set(length: number): void {
    this.clear();
    this.#length = length;
    this.#timer = setTimeout(() => {
      this.passed = true;
      this.#end();
    }, length);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#length = undefined;
  }
}

async function writeAll(connection: Deno.Conn, bytes: Bytes): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

function end(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It was closed already.
  }
}

/** Removes the socket of a process that has ended. */
async function removeStale(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (error) {
    if (provesMissing(error)) return;
    throw new Fail("config", `Socket ${path} cannot be looked at: ${reason(error)}`, { cause: error });
  }
  if (!info.isSocket) throw new Fail("config", `${path} exists and is not a socket`);
  let connection: Deno.UnixConn;
  try {
    connection = await Deno.connect({ transport: "unix", path });
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return remove(path);
    throw new Fail("config", `Socket ${path} cannot be tried: ${reason(error)}`, { cause: error });
  }
  connection.close();
  throw new Fail("config", `Another process listens on ${path}`);
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!provesMissing(error)) throw error;
  }
}
