/** A mail server that accepts messages of any size and discards them. */

/** Listens on a free port of the loopback interface until it is disposed. */
export class Drain {
  #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #done: Promise<void> = this.#serve();

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async #serve(): Promise<void> {
    const sessions: Promise<void>[] = [];
    try {
      for await (const connection of this.#listener) {
        // A client may hang up without waiting for the last reply. Its exit status shows whether it failed.
        sessions.push(serve(connection).catch(() => {}));
      }
    } catch {
      // The listener was closed.
    }
    await Promise.all(sessions);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#done;
  }
}

const END = "\r\n.\r\n";

async function serve(connection: Deno.Conn): Promise<void> {
  using open = connection;
  const reply = (text: string) => open.write(new TextEncoder().encode(`${text}\r\n`));
  await reply("220 drain.example ESMTP");
  const buffer = new Uint8Array(256 * 1024);
  let data = false;
  let last = ""; // the last bytes, to recognize an end of data that arrives in two pieces
  for (let count; (count = await open.read(buffer)) !== null;) {
    const part = buffer.subarray(0, count);
    const text = last + new TextDecoder("latin1").decode(data ? part.subarray(-END.length) : part);
    if (data) {
      last = text.slice(-END.length);
      if (last !== END) continue;
      data = false;
      await reply("250 Accepted");
    } else {
      const lines = text.split("\r\n");
      last = lines.pop()!;
      for (const line of lines) {
        data ||= /^data$/i.test(line);
        await reply(data ? "354 Continue" : /^quit$/i.test(line) ? "221 Bye" : "250 OK");
      }
      if (data) last = "";
    }
  }
}
