/** A client that sends bytes to an SMTP server, over TCP or TLS. */
import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";

/** A connection; replies are read one by one. */
export class RawSmtp implements Disposable {
  #text = "";
  readonly #buffer = new Uint8Array(16 * 1024);

  private constructor(public connection: Deno.Conn, readonly ca: string) {}

  /** Uses a connection that was not greeted yet. */
  static over(connection: Deno.Conn, ca: string): RawSmtp {
    return new RawSmtp(connection, ca);
  }

  /** Connects, and reads the greeting. */
  static async open(port: number, ca: string): Promise<RawSmtp> {
    const one = new RawSmtp(await Deno.connect({ hostname: "127.0.0.1", port }), ca);
    assert.match(await one.reply(), /^220 /);
    return one;
  }

  /** Connects with TLS from the start, and reads the greeting. */
  static async tls(port: number, ca: string): Promise<RawSmtp> {
    const options = { hostname: "127.0.0.1", port, caCerts: [Deno.readTextFileSync(ca)] };
    const one = new RawSmtp(await Deno.connectTls(options), ca);
    assert.match(await one.reply(), /^220 /);
    return one;
  }

  /** Connects with TLS and logs in as greg. */
  static async greg(port: number, ca: string): Promise<RawSmtp> {
    const one = await RawSmtp.tls(port, ca);
    await one.say("EHLO phone.example");
    assert.match(await one.logIn("greg", "secret"), /^235 /);
    return one;
  }

  async logIn(user: string, password: string): Promise<string> {
    return await this.say(`AUTH PLAIN ${encodeLatin1(`\0${user}\0${password}`).toBase64()}`);
  }

  /** Sends bytes, in Latin-1. */
  async send(text: string): Promise<void> {
    const bytes = encodeLatin1(text);
    for (let at = 0; at < bytes.length;) at += await this.connection.write(bytes.subarray(at));
  }

  /** Sends a line, and returns the reply. */
  async say(line: string): Promise<string> {
    await this.send(`${line}\r\n`);
    return await this.reply();
  }

  /** Returns the next reply, with LF between its lines; `(closed)` if the server has closed the connection. */
  async reply(): Promise<string> {
    for (;;) {
      const [found] = /^(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n/.exec(this.#text) ?? [];
      if (found !== undefined) {
        this.#text = this.#text.slice(found.length);
        return found.replaceAll("\r\n", "\n").trimEnd();
      }
      const count = await this.connection.read(this.#buffer).catch(() => null);
      if (count === null) return `${this.#text}(closed)`;
      this.#text += decodeLatin1(this.#buffer.subarray(0, count));
    }
  }

  /** STARTTLS. */
  async startTls(): Promise<void> {
    assert.match(await this.say("STARTTLS"), /^220 /);
    await this.handshake();
  }

  async handshake(): Promise<void> {
    const caCerts = [Deno.readTextFileSync(this.ca)];
    this.connection = await Deno.startTls(this.connection as Deno.TcpConn, { hostname: "127.0.0.1", caCerts });
    this.#text = "";
  }

  /** Begins a message, up to the reply to DATA. */
  async begin(sender = "greg@example.org", recipient = "ann@example.net"): Promise<void> {
    assert.match(await this.say(`MAIL FROM:<${sender}>`), /^250 /);
    assert.match(await this.say(`RCPT TO:<${recipient}>`), /^250 /);
    assert.match(await this.say("DATA"), /^354 /);
  }

  /** Sends one message. @returns the reply to its content */
  async submit(content: string, sender?: string): Promise<string> {
    await this.begin(sender);
    return await this.say(`${content}.`);
  }

  [Symbol.dispose](): void {
    try {
      this.connection.close();
    } catch {
      // The server has closed it.
    }
  }
}

/** A message of greg, ending with CRLF. */
export const MAIL =
  "From: greg@example.org\r\nTo: ann@example.net\r\nSubject: Hi\r\nMessage-ID: <1@example.org>\r\n\r\nHello.\r\n";
