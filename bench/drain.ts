/** A mail server that takes everything and keeps nothing, for messages of any size. */

/** Listens on a free port of the loopback until it is disposed of. */
export class Drain {
  #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #done: Promise<void> = this.#serve();

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async #serve(): Promise<void> {
    const talks: Promise<void>[] = [];
    try {
      for await (const connection of this.#listener) {
        // A client that hangs up without waiting for the last word is no matter of ours: its status says how it went.
        talks.push(talk(connection).catch(() => {}));
      }
    } catch {
      // Closed.
    }
    await Promise.all(talks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#done;
  }
}

const END = "\r\n.\r\n";

async function talk(connection: Deno.Conn): Promise<void> {
  using open = connection;
  const say = (text: string) => open.write(new TextEncoder().encode(`${text}\r\n`));
  await say("220 drain.example ESMTP");
  const buffer = new Uint8Array(256 * 1024);
  let data = false;
  let last = ""; // what came last, so that an end in two pieces is seen
  for (let count; (count = await open.read(buffer)) !== null;) {
    const part = buffer.subarray(0, count);
    const text = last + new TextDecoder("latin1").decode(data ? part.subarray(-END.length) : part);
    if (data) {
      last = text.slice(-END.length);
      if (last !== END) continue;
      data = false;
      await say("250 Taken");
    } else {
      const lines = text.split("\r\n");
      last = lines.pop()!;
      for (const line of lines) {
        data ||= /^data$/i.test(line);
        await say(data ? "354 Go on" : /^quit$/i.test(line) ? "221 Bye" : "250 Yes");
      }
      if (data) last = "";
    }
  }
}
