/** An SMTP client that stops where the test wants it to. */
export class Client {
  readonly #buffer = new Uint8Array(4096);
  private constructor(readonly connection: Deno.TcpConn) {}

  static async open(port: number, hello = "EHLO stranger.example"): Promise<Client> {
    const client = new Client(await Deno.connect({ hostname: "127.0.0.1", port }));
    await client.#reply();
    await client.say(hello);
    return client;
  }

  async say(line: string): Promise<string> {
    const bytes = new TextEncoder().encode(`${line}\r\n`);
    for (let at = 0; at < bytes.length;) at += await this.connection.write(bytes.subarray(at));
    return await this.#reply();
  }

  async #reply(): Promise<string> {
    let text = "";
    while (!/^\d{3} .*\r\n$/m.test(text)) {
      const size = await this.connection.read(this.#buffer);
      if (size === null) throw new Error(`The server hung up: ${text}`);
      text += new TextDecoder().decode(this.#buffer.subarray(0, size));
    }
    return text;
  }

  [Symbol.dispose](): void {
    this.connection.close();
  }
}

/** A message as the client sends it after DATA (RFC 5321 section 4.5.2), without the final dot. */
export const dotted = (mail: string): string => mail.replace(/^\./gm, "..").replaceAll("\n", "\r\n");
