/** Milter sessions as of an MTA: one connection each, and each step waits for the answer to the previous one. */
import { type Bytes, concat } from "../lib/bytes.ts";
import { printPacket, uint32 } from "../serve/milter/packet.ts";
import type { BenchHome } from "./home.ts";

/** A packet. The bits (SMFIP_) with which a milter skips it, or does not answer it; 0 if neither is possible. */
interface Sent {
  readonly bytes: Bytes;
  readonly no: number;
  readonly unanswered: number;
}

/** Packets, and the answer to the last one of them. */
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

/** Sessions per second, and how long they take in milliseconds. */
export interface Sessions {
  readonly rate: number;
  readonly median: number;
  readonly p99: number;
}

/** How many sessions, and when they begin. */
export interface Load {
  /** Concurrent connections, each of which begins its next session when the last one has ended. */
  readonly connections?: number;
  /** Sessions that begin per second, whether or not earlier ones have ended. */
  readonly rate?: number;
  /** The time in milliseconds. */
  readonly ms?: number;
  /** Number of sessions. */
  readonly count?: number;
}

/** A client of the milter on a socket: a program in C, which takes little of the machine's time. */
export class MilterClient {
  readonly #home: BenchHome;
  readonly #argv: readonly string[];
  static #scripts = 0;

  private constructor(home: BenchHome, argv: readonly string[]) {
    [this.#home, this.#argv] = [home, argv];
  }

  /** Prepares sessions, which take turns with these scripts. */
  static async of(home: BenchHome, path: string, scripts: Scripts): Promise<MilterClient> {
    const file = `${home.path}/scripts-${++MilterClient.#scripts}`;
    Deno.writeFileSync(file, await printScripts(path, scripts));
    return new MilterClient(home, [await home.compiled("milter_load"), path, file]);
  }

  /** Runs sessions until the time is over, or so many of them have begun. */
  async run({ connections = 0, rate = 0, ms = 0, count = 0 }: Load): Promise<Sessions> {
    const argv = [...this.#argv, ...[connections, rate, ms, count].map(String)];
    const { code, stdout, stderr } = await this.#home.run(argv);
    if (code !== 0) throw new Error(`${argv.join(" ")} failed: ${stderr}`);
    const [perSecond, median, p99] = stdout.split(" ").map(Number) as [number, number, number];
    return { rate: perSecond, median: median / 1000, p99: p99 / 1000 };
  }
}

/**
 * Serializes scripts for milter_load.c, without the packets that the milter does not want. Packets without an answer
 * are sent together with the next one that has an answer, as Postfix does (milter8.c: a double-buffered stream).
 */
async function printScripts(path: string, scripts: Scripts): Promise<Bytes> {
  const wanted = await wantedSteps(path);
  const offer = [OFFER.length, 1, "O".charCodeAt(0)];
  return concat(
    words(scripts.length),
    ...scripts.flatMap((steps) => {
      const exchanges = [words(...offer), OFFER];
      let unsent: Bytes[] = [];
      for (const { packets, answer } of steps) {
        const kept = packets.filter(({ no }) => (wanted & no) === 0);
        unsent.push(...kept.map(({ bytes }) => bytes));
        const answers = kept.filter(({ unanswered }) => (wanted & unanswered) === 0).length;
        if (answers === 0) continue;
        const bytes = concat(...unsent);
        exchanges.push(words(bytes.length, answers, answer.charCodeAt(0)), bytes);
        unsent = [];
      }
      return [words(exchanges.length / 2), ...exchanges];
    }),
  );
}

const words = (...values: number[]): Bytes => new Uint8Array(Uint32Array.from(values).buffer);

/** The steps that a milter requests; it always requests the same. */
async function wantedSteps(path: string): Promise<number> {
  using connection = await Deno.connect({ transport: "unix", path });
  const answer = await negotiate(connection);
  return new DataView(answer.buffer).getUint32(13);
}

/** Opens connections that negotiate and then stay idle, until they are disposed. */
export async function idleConnections(path: string, count: number): Promise<Disposable> {
  const connections = new DisposableStack();
  for (let nth = 0; nth < count; nth++) {
    const connection = connections.use(await Deno.connect({ transport: "unix", path }));
    await negotiate(connection);
  }
  return connections;
}

/** Negotiates the options. @returns the answer */
async function negotiate(connection: Deno.Conn): Promise<Bytes> {
  for (let at = 0; at < OFFER.length;) at += await connection.write(OFFER.subarray(at));
  const answer = new Uint8Array(17);
  for (let at = 0; at < answer.length;) {
    const read = await connection.read(answer.subarray(at));
    if (read === null) throw new Error("The milter closed the connection");
    at += read;
  }
  return answer;
}
