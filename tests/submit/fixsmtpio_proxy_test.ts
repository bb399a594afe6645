/** fixsmtpio between a client whose packets are cut anywhere and a server: both see what they would see without it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";
import { Proxy } from "../../submit/fixsmtpio_proxy.ts";
import { parseRules } from "../../submit/fixsmtpio_rules.ts";

/** A queue that is read as a connection is. */
class Stream {
  #items: (Uint8Array | undefined)[] = [];
  #wake: () => void = () => {};

  put(text: string | undefined): void {
    this.#items.push(text === undefined ? undefined : encodeLatin1(text));
    this.#wake();
  }

  async next(): Promise<Uint8Array | undefined> {
    while (this.#items.length === 0) await new Promise<void>((done) => this.#wake = done);
    return this.#items.shift();
  }
}

/** Runs a session in which the client waits for 354 before it sends content. @returns what both ends got */
async function session(parts: readonly string[], cuts: readonly number[], rules: string): Promise<[string, string]> {
  const [client, server] = [new Stream(), new Stream()];
  let [toServer, toClient, content] = ["", "", false];
  let rest = "";
  let asked = () => {};
  server.put("220 inner ESMTP\r\n");
  const proxy = new Proxy({
    fromClient: () => client.next(),
    fromServer: () => server.next(),
    toClient: (bytes) => {
      toClient += decodeLatin1(bytes);
      if (/354 [^\n]*\n$/.test(toClient)) asked();
      return Promise.resolve();
    },
    toServer: (bytes) => {
      const text = decodeLatin1(bytes);
      toServer += text;
      rest += text;
      for (let end; (end = rest.indexOf("\r\n")) >= 0; rest = rest.slice(end + 2)) {
        const line = rest.slice(0, end);
        if (content && line !== ".") continue;
        server.put(
          content
            ? "250 queued\r\n"
            : line === "DATA"
            ? "354 go\r\n"
            : line === "QUIT"
            ? "221 bye\r\n"
            : `250-${line}\r\n250 ok\r\n`,
        );
        content = line === "DATA" && !content;
        if (line === "QUIT") server.put(undefined);
      }
      return Promise.resolve();
    },
    endServer: () => Promise.resolve(server.put(undefined)),
    trace: () => {},
  }, { rules: parseRules(rules, "fixsmtpio"), host: "mx.example.org", isSet: () => true });
  const running = proxy.run();
  for (const part of parts) {
    const waits = new Promise<void>((done) => asked = done);
    const ends = [...new Set(cuts.map((cut) => cut % part.length))].sort((a, b) => a - b).concat(part.length);
    ends.forEach((end, at) => {
      const packet = part.slice(at === 0 ? 0 : ends[at - 1], end);
      if (packet !== "") client.put(packet);
    });
    if (part.endsWith("DATA\r\n")) await waits;
  }
  assert.equal(await running, undefined);
  return [toServer, toClient];
}

const line = fc.array(fc.constantFrom("a", ".", "\r", " ", "\xff"), { maxLength: 5 }).map((all) => all.join(""));
const content = fc.array(line, { maxLength: 6 }).map((lines) =>
  lines.map((one) => `${one.startsWith(".") ? "." : ""}${one}\r\n`).join("") + ".\r\n"
);

Deno.test("commands and content pass in order, however they are cut and pipelined", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(content, { maxLength: 3 }), fc.array(fc.nat(), { maxLength: 8 }), async (mails, cuts) => {
      // After each content the next commands follow in the same packets.
      const parts = [
        "NOOP 1\r\nMAIL\r\nDATA\r\n",
        ...mails.map((mail) => `${mail}RSET\r\nDATA\r\n`),
        ".\r\nNOOP 2\r\nQUIT\r\n",
      ];
      const [toServer, toClient] = await session(parts, cuts, ":noop::250 ok*::250 fine\n:quit::*::221 mx\n");
      assert.equal(toServer, parts.join(""));
      const answers = ["220 inner ESMTP", "250-NOOP 1", "250 fine", "250-MAIL", "250 ok", "354 go"];
      for (const _ of mails) answers.push("250 queued", "250-RSET", "250 ok", "354 go");
      answers.push("250 queued", "250-NOOP 2", "250 fine", "221 mx");
      assert.equal(toClient, answers.map((one) => `${one}\r\n`).join(""));
    }),
    { numRuns: 300 },
  );
});
