/** A mail server that follows a transcript, to test what no real server does. */
import { linesOf } from "./lines.ts";
import type { Tls } from "./smtp_sink.ts";

/**
 * A transcript with one step per line:
 *
 * - `S: text` is sent with CRLF; consecutive lines are sent at once
 * - `S| text` is sent without a line ending, with JSON escapes replaced
 * - `S! text` is sent repeatedly until the client disconnects
 * - `C: text` is the line that the client must send next
 * - `C*` is any number of lines, up to the one in the next step
 * - `X` closes the connection
 * - `Z` waits for the client to disconnect
 */
export type Transcript = string;

/** Serves one connection on a free loopback port. */
export class Script {
  #listener: Deno.Listener<Deno.Conn>;
  #done: Promise<void>;
  /** Where the client departed from the transcript. */
  readonly departures: string[] = [];
  /** All bytes that were sent. */
  sent = 0;

  constructor(transcript: Transcript, tls?: Tls) {
    const here = { hostname: "127.0.0.1", port: 0 };
    this.#listener = tls === undefined ? Deno.listen(here) : Deno.listenTls({ ...here, ...tls });
    const steps = transcript.trim().split("\n").map((line) => line.trim()).filter((line) => line !== "");
    this.#done = this.#serve(steps);
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** Waits for the end of the session. @returns how the client departed from the transcript */
  async over(): Promise<string[]> {
    await this.#done;
    return this.departures;
  }

  async #serve(steps: string[]): Promise<void> {
    let connection: Deno.Conn;
    try {
      connection = await this.#listener.accept();
    } catch {
      return; // No client connected.
    }
    try {
      await this.#play(steps, connection);
    } catch (error) {
      // A TLS connection that is cut ends with an error; the transcript says what had to come before.
      if (!(error instanceof Deno.errors.UnexpectedEof || error instanceof Deno.errors.ConnectionReset)) {
        this.departures.push(String(error));
      }
    } finally {
      connection.close();
    }
  }

  async #play(steps: string[], connection: Deno.Conn): Promise<void> {
    const lines = linesOf(connection, "\r\n", "show");
    const next = async () => (await lines.next()).value as string | undefined;
    let out = "";
    const flush = async () => {
      const bytes = Uint8Array.from(out, (char) => char.charCodeAt(0));
      out = "";
      for (let rest = bytes; rest.length > 0;) {
        const count = await connection.write(rest);
        this.sent += count;
        rest = rest.subarray(count);
      }
    };
    for (const [nth, step] of steps.entries()) {
      const [kind, text] = [step.slice(0, 2), step.slice(3)];
      if (kind === "S:") out += `${text}\r\n`;
      else if (kind === "S|") out += JSON.parse(`"${text}"`);
      else {
        await flush();
        if (kind === "S!") {
          const piece = JSON.parse(`"${text}"`).repeat(1000);
          try {
            for (;;) {
              out = piece;
              await flush();
            }
          } catch {
            return; // The client disconnected.
          }
        }
        if (kind === "X") return;
        if (kind === "Z") {
          for (let line; (line = await next()) !== undefined;) this.departures.push(`C: ${line} after the end`);
          return;
        }
        if (kind === "C*") continue;
        let line = await next();
        while (steps[nth - 1] === "C*" && line !== undefined && line !== text) line = await next();
        if (line !== text) {
          this.departures.push(`${step}, not ${line === undefined ? "the end" : `C: ${line}`}`);
          return;
        }
      }
    }
    await flush();
    const more = await next();
    if (more !== undefined) this.departures.push(`C: ${more} after the end`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#done;
  }
}
