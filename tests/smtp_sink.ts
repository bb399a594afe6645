/** A mail server that takes everything, or refuses it as it is told, and remembers what it was given. */

/** One transaction, up to the answer to its data. */
export interface Taken {
  /** Between the angle brackets, byte for byte (a character a byte). */
  from: string;
  /** What stood behind it, as `SIZE=100 BODY=8BITMIME`. */
  fromParameters: string;
  to: string[];
  toParameters: string[];
  /** As it came, CRLF and all, a character a byte; dots unstuffed, without the last dot. */
  data: string;
  /** The same with LF, read as UTF-8. */
  mail: string;
}

/** Where it answers otherwise than 250. `to` may look at the recipient. */
export interface Answers {
  greeting?: string;
  from?: string;
  to?: string | ((recipient: string) => string | undefined);
  data?: string;
  /** Behind the last dot. */
  end?: string;
}

/** Answers that tests need again and again. */
export const REFUSED = "550 5.1.1 Nobody here by that name";
export const LATER = "450 4.2.1 Come again";

/** Listens on a free port of the loopback until it is disposed of. */
export class Sink {
  #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #open = new Set<Deno.Conn>();
  #done: Promise<void>;
  #waiting: (() => void)[] = [];
  /** Accepted messages. */
  readonly taken: Taken[] = [];
  /** Every command line of every client, in order. */
  readonly lines: string[] = [];
  answers: Answers;

  constructor(answers: Answers = {}) {
    this.answers = answers;
    this.#done = this.#serve();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** When so many messages were taken. A test that waits in vain is stopped by who runs it. */
  async until(count: number): Promise<Taken[]> {
    await this.when(() => this.taken.length >= count);
    return this.taken;
  }

  /** When a client has said this. */
  untilSaid(pattern: RegExp): Promise<void> {
    return this.when(() => this.lines.some((line) => pattern.test(line)));
  }

  /** When this is so; asked whenever a client has said something. */
  async when(done: () => boolean): Promise<void> {
    while (!done()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await promise;
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #serve(): Promise<void> {
    const talks: Promise<void>[] = [];
    try {
      for await (const connection of this.#listener) {
        this.#open.add(connection);
        // A client that hangs up in the middle is no matter of ours.
        talks.push(this.#talk(connection).catch(() => {}).finally(() => this.#close(connection)));
      }
    } catch {
      // Closed.
    }
    await Promise.all(talks);
  }

  #close(connection: Deno.Conn): void {
    if (this.#open.delete(connection)) connection.close();
  }

  async #talk(connection: Deno.Conn): Promise<void> {
    const say = async (...lines: string[]) => {
      const text = lines.map((line) => `${line}\r\n`).join("");
      for (let rest = new TextEncoder().encode(text); rest.length > 0;) {
        rest = rest.subarray(await connection.write(rest));
      }
    };
    const lines = readLines(connection);
    const next = async () => (await lines.next()).value as string | undefined;
    const ok = (answer: string | undefined) => answer === undefined || answer.startsWith("2");

    await say(this.answers.greeting ?? "220 sink.example ESMTP");
    let now = transaction();
    for (let line; (line = await next()) !== undefined;) {
      const command = line.replace(/\r$/, "");
      this.lines.push(command);
      this.#wake();
      const verb = command.slice(0, 4).toUpperCase();
      const [, path, parameters] = /^[^<]*<((?:"(?:[^"\\]|\\.)*"|[^>"])*)> ?(.*)$/.exec(command) ?? [];
      const at = this.answers;
      if (verb === "EHLO") await say("250-sink.example", "250-SIZE 100000000", "250-DSN", "250 8BITMIME");
      else if (verb === "QUIT") return await say("221 Bye");
      else if (verb === "DATA") {
        if (now.to.length === 0 || !ok(at.data)) {
          await say(now.to.length === 0 ? "503 No recipients" : at.data!);
          continue;
        }
        await say("354 Go on");
        for (let part; (part = await next()) !== undefined && part !== ".\r";) {
          now.data += part.replace(/^\./, "") + "\n";
        }
        if (ok(at.end)) {
          const bytes = Uint8Array.from(now.data, (character) => character.charCodeAt(0));
          now.mail = new TextDecoder().decode(bytes).replaceAll("\r\n", "\n");
          this.taken.push(now);
        }
        now = transaction();
        await say(at.end ?? "250 Taken");
        this.#wake();
      } else if (verb === "MAIL" && path !== undefined) {
        now = { ...transaction(), from: path, fromParameters: parameters! };
        await say(at.from ?? "250 Yes");
      } else if (verb === "RCPT" && path !== undefined) {
        const answer = typeof at.to === "function" ? at.to(path) : at.to;
        if (ok(answer)) {
          now.to.push(path);
          now.toParameters.push(parameters!);
        }
        await say(answer ?? "250 Yes");
      } else if (["HELO", "NOOP", "RSET"].includes(verb)) {
        now = transaction();
        await say("250 Yes");
      } else await say("500 What?");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) this.#close(connection);
    await this.#done;
  }
}

function transaction(): Taken {
  return { from: "", fromParameters: "", to: [], toParameters: [], data: "", mail: "" };
}

/** Lines without their LF, a character a byte. */
async function* readLines(connection: Deno.Conn): AsyncGenerator<string, undefined> {
  const buffer = new Uint8Array(65_536);
  let held = "";
  for (let count; (count = await connection.read(buffer)) !== null;) {
    for (const byte of buffer.subarray(0, count)) held += String.fromCharCode(byte);
    const lines = held.split("\n");
    held = lines.pop()!;
    yield* lines;
  }
}

/** A port of the loopback on which nobody listens. */
export function deadPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}
