/** Milter sessions as of an MTA: one connection each, and each step waits for the answer to the previous one. */
import { type Bytes, concat } from "../lib/bytes.ts";
import { printPacket, uint32 } from "../serve/milter/packet.ts";
import { median } from "./measure.ts";

/** A packet. The bits (SMFIP_) with which a milter skips it, or does not answer it; 0 if neither is possible. */
interface Sent {
  readonly bytes: Bytes;
  readonly no: number;
  readonly unanswered: number;
}

/** Packets that are sent at once, and the answer to the last one of them. */
export interface Step {
  readonly packets: readonly Sent[];
  readonly answer: string;
}

/** The options that Postfix 3.7 offers. */
const OFFER = printPacket("O", uint32(6), uint32(0x1ff), uint32(0x1fffff));

const sent = (bytes: Bytes, no: number, unanswered: number): Sent => ({ bytes, no, unanswered });

/** The steps of a session up to the end of RCPT. @param rcpt the answer to it */
export function envelope(sender: string, recipient: string, rcpt = "c", login = ""): Step[] {
  const macros = login === "" ? new Uint8Array() : printPacket("D", `M{auth_authen}\0${login}\0`);
  const connect = printPacket("C", "mx.example.net\x004\x12\x67192.0.2.1\0");
  return [
    {
      packets: [sent(connect, 0x1, 0x1000), sent(concat(macros, printPacket("M", `<${sender}>\0`)), 0x4, 0x4000)],
      answer: "c",
    },
    { packets: [sent(printPacket("R", `<${recipient}>\0`), 0x8, 0x8000)], answer: rcpt },
  ];
}

/** The steps of a message after its envelope. @param data the answer to DATA; after `a` nothing is sent */
export function content(mail: string, data: string, end: string): Step[] {
  const begin = { packets: [sent(printPacket("T"), 0x200, 0x10000)], answer: data };
  if (data === "a") return [begin];
  const [head, ...rest] = mail.split("\n\n");
  const fields = head!.split(/\n(?![ \t])/).map((line) => {
    const colon = line.indexOf(":");
    return sent(printPacket("L", `${line.slice(0, colon)}\0${line.slice(colon + 1)}\0`), 0x20, 0x80);
  });
  const body = printPacket("B", rest.join("\n\n").replaceAll("\n", "\r\n"));
  return [
    begin,
    { packets: [...fields, sent(printPacket("N"), 0x40, 0x40000), sent(body, 0x10, 0x80000)], answer: "c" },
    { packets: [sent(printPacket("E"), 0, 0)], answer: end },
  ];
}

/** The steps of sessions, which take turns. */
export type Scripts = readonly (readonly Step[])[];

const QUIT = printPacket("Q");

/** Sessions per second, and how long they take in milliseconds. */
export interface Sessions {
  readonly rate: number;
  readonly median: number;
  readonly p99: number;
}

/** Runs sessions on this many concurrent connections, for a time in milliseconds or a number of sessions. */
export async function sessions(
  path: string,
  scripts: Scripts,
  connections: number,
  { ms = Infinity, count = Infinity }: { ms?: number; count?: number },
): Promise<Sessions> {
  const client = await Client.of(path, scripts);
  const times: number[] = [];
  const begun = performance.now();
  let left = count;
  const worker = async () => {
    const buffer = new Uint8Array(64 * 1024);
    while (left-- > 0 && performance.now() - begun < ms) {
      const started = performance.now();
      await client.session(buffer);
      times.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  return summary(times, performance.now() - begun);
}

function summary(times: number[], ms: number): Sessions {
  times.sort((a, b) => a - b);
  return { rate: times.length * 1000 / ms, median: median(times), p99: times[Math.floor(times.length * 0.99)]! };
}

/**
 * Starts sessions at this rate, whether or not earlier ones have ended, as the clients of a mail server do: sessions
 * that wait for each other would begin later when the milter is slow. Timers fire every other millisecond, so several
 * sessions begin at a time.
 *
 * @param rate sessions per second
 * @param ms the time in milliseconds
 */
export async function pacedSessions(path: string, scripts: Scripts, rate: number, ms: number): Promise<Sessions> {
  const client = await Client.of(path, scripts);
  const buffers: Bytes[] = [];
  const times: number[] = [];
  const open: Promise<void>[] = [];
  const session = async () => {
    const buffer = buffers.pop() ?? new Uint8Array(64 * 1024);
    const started = performance.now();
    await client.session(buffer);
    times.push(performance.now() - started);
    buffers.push(buffer);
  };
  const begun = performance.now();
  for (let passed = 0; passed < ms; passed = performance.now() - begun) {
    while (open.length < passed * rate / 1000) open.push(session());
    await new Promise((next) => setTimeout(next, 1));
  }
  await Promise.all(open);
  return summary(times, performance.now() - begun);
}

/** Opens connections that negotiate and then stay idle, until they are disposed. */
export async function idleConnections(path: string, count: number): Promise<Disposable> {
  const buffer = new Uint8Array(64);
  const connections = new DisposableStack();
  for (let nth = 0; nth < count; nth++) {
    const connection = connections.use(await Deno.connect({ transport: "unix", path }));
    await send(connection, OFFER);
    await answers(connection, buffer, 1);
  }
  return connections;
}

/** A client with the packets that a milter requests. */
class Client {
  #begun = 0;

  private constructor(
    readonly path: string,
    readonly scripts: readonly (readonly { bytes: Bytes; answers: number; answer: string }[])[],
  ) {}

  /** Negotiates once, because the milter always requests the same options. */
  static async of(path: string, scripts: Scripts): Promise<Client> {
    using connection = await Deno.connect({ transport: "unix", path });
    await send(connection, OFFER);
    const buffer = new Uint8Array(64);
    await answers(connection, buffer, 1);
    const wanted = new DataView(buffer.buffer).getUint32(13);
    const prepared = ({ packets, answer }: Step) => {
      const kept = packets.filter(({ no }) => (wanted & no) === 0);
      const answered = kept.filter(({ unanswered }) => (wanted & unanswered) === 0);
      return { bytes: concat(...kept.map(({ bytes }) => bytes)), answers: answered.length, answer };
    };
    const offer = { bytes: OFFER, answers: 1, answer: "O" };
    return new Client(path, scripts.map((steps) => [offer, ...steps.map(prepared)]));
  }

  async session(buffer: Bytes): Promise<void> {
    using connection = await Deno.connect({ transport: "unix", path: this.path });
    for (const step of this.scripts[this.#begun++ % this.scripts.length]!) {
      if (step.bytes.length > 0) await send(connection, step.bytes);
      if (step.answers === 0) continue;
      const last = await answers(connection, buffer, step.answers);
      if (last !== step.answer && !(last === "s" && step.answer === "c")) {
        throw new Error(`The milter answered ${last}, not ${step.answer}`);
      }
    }
    await send(connection, QUIT);
  }
}

async function send(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Reads this many answers; changes to the message, which precede an answer, do not count. @returns the last one */
async function answers(connection: Deno.Conn, buffer: Bytes, count: number): Promise<string> {
  const view = new DataView(buffer.buffer);
  let [begin, size] = [0, 0];
  for (;;) {
    const read = await connection.read(buffer.subarray(size));
    if (read === null) throw new Error("The milter closed the connection");
    size += read;
    while (size - begin >= 4 && size - begin >= 4 + view.getUint32(begin)) {
      const command = String.fromCharCode(buffer[begin + 4]!);
      begin += 4 + view.getUint32(begin);
      if ("Ocasyrt".includes(command) && --count === 0) return command;
    }
  }
}
