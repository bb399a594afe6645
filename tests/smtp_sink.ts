/** A mail server that accepts everything, or replies as configured, and records what it received. */
import { linesOf } from "./lines.ts";

/** One accepted message. */
export interface AcceptedMail {
  /** The text between the angle brackets, as Latin-1. */
  from: string;
  /** The parameters, such as `SIZE=100 BODY=8BITMIME`. */
  fromParameters: string;
  to: string[];
  toParameters: string[];
  /** The message as received, with CRLF, as Latin-1; dots unstuffed, without the final dot. */
  data: string;
  /** The same with LF, decoded as UTF-8. */
  mail: string;
}

/** Replies that replace the default ones. */
export interface Answers {
  greeting?: string;
  /** Instead of the extensions. */
  ehlo?: string;
  extensions?: readonly string[];
  /** Extensions offered before STARTTLS instead. */
  clear?: readonly string[];
  starttls?: string;
  /** The reply to the password. */
  auth?: string;
  /** The reply to MAIL, which may depend on the command. */
  from?: string | ((command: string) => string | undefined);
  /** The reply to RCPT, which may depend on the recipient. */
  to?: string | ((recipient: string) => string | undefined);
  data?: string;
  /** Sent after the first line of the message. */
  during?: string;
  /** The reply to the final dot. */
  end?: string;
  /** Called between the final dot and its reply. */
  hold?: () => void | Promise<void>;
}

/** Common replies. */
export const REFUSED = "550 5.1.1 Nobody here by that name";
export const LATER = "450 4.2.1 Come again";
/** Instead of a reply the connection is closed, or nothing is sent. */
export const HANG_UP = "hang up";
export const SILENCE = "silence";

const EXTENSIONS = ["SIZE 100000000", "DSN", "8BITMIME"];

/** TLS from the start, or by STARTTLS. */
export interface Tls {
  cert: string;
  key: string;
  start?: boolean;
}

/** Listens on a free loopback port until it is disposed of. */
export class Sink {
  #listener: Deno.Listener<Deno.Conn>;
  #open = new Set<Deno.Conn>();
  #done: Promise<void>;
  #waiting: (() => void)[] = [];
  /** Accepted messages. */
  readonly accepted: AcceptedMail[] = [];
  /** Messages that ended before the final dot. */
  readonly cut: string[] = [];
  /** All commands of all clients, in order. */
  readonly lines: string[] = [];
  answers: Answers;

  constructor(answers: Answers = {}, readonly tls?: Tls) {
    this.answers = answers;
    const here = { hostname: "127.0.0.1", port: 0 };
    this.#listener = tls === undefined || tls.start ? Deno.listen(here) : Deno.listenTls({ ...here, ...tls });
    this.#done = this.#serve();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** Waits until that many messages were accepted. There is no timeout. */
  async until(count: number): Promise<AcceptedMail[]> {
    await this.when(() => this.accepted.length >= count);
    return this.accepted;
  }

  /** Waits for a command that matches. */
  untilReceived(pattern: RegExp): Promise<void> {
    return this.when(() => this.lines.some((line) => pattern.test(line)));
  }

  /** Waits until the condition is true; it is checked after each command. */
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
      for (;;) {
        const connection = await this.#listener.accept();
        this.#open.add(connection);
        // Clients may disconnect at any time.
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

  /** Continues over TLS through a second listener, because Deno has no STARTTLS for servers. */
  async #upgrade(connection: Deno.Conn): Promise<void> {
    using listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...this.tls! });
    const inner = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    const pipes = Promise.allSettled([
      connection.readable.pipeTo(inner.writable),
      inner.readable.pipeTo(connection.writable),
    ]);
    const outer = await listener.accept();
    this.#open.delete(connection); // The pipes close it.
    this.#open.add(outer);
    await this.#talk(outer, true).catch(() => {});
    this.#close(outer);
    await pipes;
  }

  async #talk(connection: Deno.Conn, upgraded = false): Promise<void> {
    const say = async (...lines: string[]) => {
      if (lines[0] === SILENCE) return;
      if (lines[0] === HANG_UP) throw new Error("disconnected");
      const text = lines.map((line) => `${line}\r\n`).join("");
      for (let rest = new TextEncoder().encode(text); rest.length > 0;) {
        rest = rest.subarray(await connection.write(rest));
      }
    };
    const lines = linesOf(connection, "\n");
    // A broken connection counts as closed.
    const next = async () => (await lines.next().catch(() => undefined))?.value as string | undefined;
    const ok = (answer: string | undefined) => answer === undefined || answer.startsWith("2");

    if (!upgraded) await say(this.answers.greeting ?? "220 sink.example ESMTP");
    let now = transaction();
    for (let line; (line = await next()) !== undefined;) {
      const command = line.replace(/\r$/, "");
      this.lines.push(command);
      this.#wake();
      const verb = command.slice(0, 4).toUpperCase();
      const [, path, parameters] = /^[^<]*<((?:"(?:[^"\\]|\\.)*"|[^>"])*)> ?(.*)$/.exec(command) ?? [];
      const at = this.answers;
      if (verb === "EHLO" && at.ehlo === undefined) {
        const clear = this.tls?.start && !upgraded ? at.clear : undefined;
        const offered = ["sink.example", ...(clear ?? at.extensions ?? EXTENSIONS)];
        if (this.tls?.start && !upgraded) offered.push("STARTTLS");
        await say(...offered.map((one, nth) => `250${nth < offered.length - 1 ? "-" : " "}${one}`));
      } else if (verb === "EHLO") await say(at.ehlo!);
      else if (verb === "STAR" && (at.starttls !== undefined || this.tls?.start)) {
        await say(at.starttls ?? "220 Go on");
        if (at.starttls === undefined) return await this.#upgrade(connection);
      } else if (verb === "AUTH") {
        const asks = { LOGIN: ["VXNlcm5hbWU6", "UGFzc3dvcmQ6"], "CRAM-MD5": ["PDFAc2luay5leGFtcGxlPg=="] };
        for (const question of asks[command.slice(5) as keyof typeof asks] ?? []) {
          await say(`334 ${question}`);
          this.lines.push((await next())!.replace(/\r$/, ""));
        }
        await say(at.auth ?? "235 Welcome");
      } else if (verb === "QUIT") return await say("221 Bye");
      else if (verb === "DATA") {
        if (now.to.length === 0 || at.data !== undefined) {
          await say(now.to.length === 0 ? "503 No recipients" : at.data!);
          continue;
        }
        await say("354 Go on");
        let part;
        for (let nth = 0; (part = await next()) !== undefined && part !== ".\r"; nth++) {
          if (nth === 0 && at.during !== undefined) await say(at.during);
          now.data += part.replace(/^\./, "") + "\n";
        }
        if (part === undefined) {
          this.cut.push(now.data);
          return this.#wake();
        }
        await at.hold?.();
        if (ok(at.end)) {
          const bytes = Uint8Array.from(now.data, (character) => character.charCodeAt(0));
          now.mail = new TextDecoder().decode(bytes).replaceAll("\r\n", "\n");
          this.accepted.push(now);
        }
        now = transaction();
        await say(at.end ?? "250 Taken");
        this.#wake();
      } else if (verb === "MAIL" && path !== undefined) {
        now = { ...transaction(), from: path, fromParameters: parameters! };
        await say((typeof at.from === "function" ? at.from(command) : at.from) ?? "250 Yes");
      } else if (verb === "RCPT" && path !== undefined) {
        const answer = typeof at.to === "function" ? at.to(path) : at.to;
        if (ok(answer)) {
          now.to.push(path);
          now.toParameters.push(parameters!);
        }
        await say(answer ?? "250 Yes");
      } else if (verb === "HELO" && at.ehlo !== undefined) await say(at.ehlo);
      else if (["HELO", "NOOP", "RSET"].includes(verb)) {
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

function transaction(): AcceptedMail {
  return { from: "", fromParameters: "", to: [], toParameters: [], data: "", mail: "" };
}

/** A loopback port on which nothing listens. */
export function deadPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}
