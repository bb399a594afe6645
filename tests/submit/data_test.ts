/** The content of a message after DATA, in packets of every size. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";
import { ClientInput } from "../../submit/client.ts";
import { DataRejected } from "../../submit/content_source.ts";
import { DataSource } from "../../submit/data.ts";

/** Reads content that arrives in packets which end at these places. @returns it, and what follows */
async function read(content: string, cuts: readonly number[], limit = 0): Promise<[string, string]> {
  const ends = [...new Set(cuts.map((cut) => cut % content.length))].sort((a, b) => a - b).concat(content.length);
  const packets = ends.map((end, at) => content.slice(at === 0 ? 0 : ends[at - 1], end)).filter((one) => one !== "");
  const client = {
    read(buffer: Uint8Array) {
      const packet = packets.shift();
      if (packet === undefined) return Promise.resolve(null);
      if (packet.length > buffer.length) packets.unshift(packet.slice(buffer.length));
      const bytes = encodeLatin1(packet.slice(0, buffer.length));
      buffer.set(bytes);
      return Promise.resolve(bytes.length);
    },
  };
  const input = new ClientInput(client, 60);
  const source = new DataSource(input, limit);
  let text = "";
  const buffer = new Uint8Array(1000);
  for (let count; (count = await source.read(buffer)) !== null;) text += decodeLatin1(buffer.subarray(0, count));
  return [text, (input.hasMore ? decodeLatin1(await input.chunk()) : "") + packets.join("")];
}

const line = fc.array(fc.constantFrom("a", ".", "..", " ", "\x80", "\xff", "bc"), { maxLength: 6 }).map((all) =>
  all.join("")
);
const cuts = fc.array(fc.nat(), { maxLength: 12 });

Deno.test("what a client sends is read as it was, however it is cut, and what follows is left", async () => {
  await fc.assert(fc.asyncProperty(fc.array(line), cuts, async (lines, cuts) => {
    const stuffed = lines.map((one) => `${one.startsWith(".") ? "." : ""}${one}\r\n`).join("");
    assert.deepEqual(await read(`${stuffed}.\r\nNOOP\r\n`, cuts), [
      lines.map((one) => `${one}\n`).join(""),
      "NOOP\r\n",
    ]);
  }));
});

Deno.test("whatever is sent, nothing after a lone dot beside a bare LF or CR is left as commands", async () => {
  const piece = fc.constantFrom("\r", "\n", "\r\n", ".", "a", ".\r\n.");
  await fc.assert(fc.asyncProperty(fc.array(piece), cuts, async (pieces, cuts) => {
    const content = `x${pieces.join("")}`;
    const end = `${content}\r\n.\r\n`.indexOf("\r\n.\r\n") + 5;
    const whole = `${content}\r\n.\r\nNOOP\r\n`;
    const got = await read(whole, cuts).catch((error) => error);
    if (got instanceof Error) return assert.ok(got instanceof DataRejected && /\r(?!\n)/.test(whole.slice(0, end)));
    assert.equal(got[1], whole.slice(end));
    assert.doesNotMatch(got[0], /\r/);
  }));
});

Deno.test("long lines, and lines that begin in one packet and end in another", async () => {
  const long = "y".repeat(300_000);
  for (const cuts of [[], [1], [65_536, 65_537], [299_999, 300_000, 300_001, 300_002]]) {
    assert.deepEqual(await read(`.${long}\r\n${long}.\r\n.\r\n`, cuts), [`${long}\n${long}.\n`, ""]);
  }
});

Deno.test("NUL, a bare CR, and too many bytes are refused after the end was read", async () => {
  for (const content of ["a\0b", "a\rb", "\r", "x\r\r"]) {
    await assert.rejects(
      read(`${content}\r\n.\r\n`, [1]),
      (error) => error instanceof DataRejected && error.code === "550 5.6.0",
    );
  }
  await assert.rejects(read(`${"z".repeat(100)}\r\n.\r\n`, [], 100), { code: "552 5.3.4" });
  assert.equal((await read(`${"z".repeat(99)}\r\n.\r\n`, [], 100))[0].length, 100);
});

Deno.test("waiting for many packets of a slow client takes no memory", async () => {
  const client = { read: (_: Uint8Array) => Promise.resolve(1400) };
  const input = new ClientInput(client, 1200);
  await input.chunk();
  const before = Deno.memoryUsage().rss;
  for (let packet = 0; packet < 20_000; packet++) await input.chunk();
  const grown = (Deno.memoryUsage().rss - before) / 2 ** 20;
  assert.ok(grown < 100, `${grown} MB`);
});
