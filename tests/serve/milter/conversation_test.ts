/** Milter sessions on a socket: a misbehaving peer does not affect others, and everything ends in bounded time. */
import assert from "node:assert/strict";
import { concat } from "../../../lib/bytes.ts";
import { LIMITS, type Limits, milterSessions } from "../../../serve/milter/conversation.ts";
import { printPacket, uint32 } from "../../../serve/milter/packet.ts";
import type { MilterRole } from "../../../serve/milter/session.ts";
import { listenAt } from "../../../serve/sockets/listen.ts";
import { SocketServer } from "../../../serve/sockets/server.ts";
import { message, OFFER, packetsIn, shown } from "../mta.ts";

/** Accepts everything, after `hold` is resolved. */
const accepting = (hold: Promise<void> = Promise.resolve()): MilterRole => ({
  actions: 0,
  bodyBytes: 100,
  skipsBody: true,
  mail: () => ({
    recipient: () => "continue",
    data: () => "continue",
    end: async () => {
      await hold;
      return { answer: "accept" };
    },
  }),
});

/** A server in a folder of its own. */
class Rig {
  readonly folder = Deno.makeTempDirSync({ prefix: "countersign-milter-" });
  readonly path = `${this.folder}/door`;
  readonly reports: string[] = [];
  server: SocketServer | undefined;

  async start(limits: Partial<Limits & { connections: number }> = {}, role = accepting()): Promise<SocketServer> {
    const report = (what: string) => void this.reports.push(what);
    const sessions = milterSessions(role, { ...LIMITS, ...limits });
    return this.server = new SocketServer(await listenAt(this.path), sessions, report, limits.connections);
  }

  connect(): Promise<Deno.UnixConn> {
    return Deno.connect({ transport: "unix", path: this.path });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server?.close(0);
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Reads until the connection is closed. */
async function readToEnd(connection: Deno.Conn): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(4096);
  for (let size; (size = await connection.read(buffer).catch(() => null)) !== null;) parts.push(buffer.slice(0, size));
  return concat(...parts);
}

/** Reads this many bytes. */
async function readBytes(connection: Deno.Conn, count: number): Promise<void> {
  const buffer = new Uint8Array(4096);
  for (let left = count; left > 0;) left -= await connection.read(buffer.subarray(0, left)) ?? left;
}

const SESSION = concat(printPacket("O", OFFER), ...message("a@b", ["c@d"], "A: b\n\nbody\n"), printPacket("Q"));
const ANSWERS = ["O", "c", "c", "c", "a"];
const OPENED = concat(printPacket("O", OFFER), ...message("a@b", ["c@d"]));
const OPENED_ANSWERS = 4 + 13 + 4 + 1;

Deno.test("a session that is split at any byte is served", async () => {
  await using rig = new Rig();
  await rig.start();
  for (let at = 1; at < SESSION.length; at++) {
    using connection = await rig.connect();
    await connection.write(SESSION.subarray(0, at));
    await connection.write(SESSION.subarray(at));
    assert.deepEqual(packetsIn(await readToEnd(connection)).map((one) => one.command), ANSWERS, `split at ${at}`);
  }
  assert.deepEqual(rig.reports, []);
});

Deno.test("invalid and oversized packets end only their own session", async () => {
  await using rig = new Rig();
  await rig.start();
  using good = await rig.connect();
  await good.write(SESSION.subarray(0, 30));
  const bad = [
    uint32(0),
    uint32(0xffffffff),
    new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
    printPacket("M", "<>\0"),
  ];
  for (const bytes of bad) {
    using connection = await rig.connect();
    await connection.write(bytes);
    assert.equal((await readToEnd(connection)).length, 0);
  }
  await good.write(SESSION.subarray(30));
  assert.deepEqual(packetsIn(await readToEnd(good)).map((one) => one.command), ANSWERS);
  assert.equal(rig.reports.length, bad.length);
});

Deno.test("a peer that stops within a packet, sends too slowly, is silent or does not read is disconnected", async () => {
  await using rig = new Rig();
  await rig.start({ packet: 150, idle: 300 });
  const hangs = await rig.connect();
  await hangs.write(SESSION.subarray(0, 3));
  const silent = await rig.connect();
  const slow = await rig.connect();
  let dripping = true;
  const drips = (async () => {
    try {
      for (const byte of SESSION.subarray(0, -1)) {
        if (!dripping) return;
        await slow.write(Uint8Array.of(byte));
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
    } catch {
      // It was disconnected.
    }
  })();
  for (const one of [hangs, silent, slow]) await readToEnd(one);
  dripping = false;
  await drips;
  for (const one of [hangs, silent, slow]) one.close();
  assert.equal(rig.reports.length, 3);
  assert.ok(rig.reports.every((one) => /timed out/.test(one)), rig.reports.join());

  using deaf = await rig.connect();
  await deaf.write(printPacket("O", OFFER));
  const commands = concat(...Array.from({ length: 1000 }, () => printPacket("H", "x\0")));
  await assert.rejects(async () => {
    for (let count = 0; count < 1000; count++) {
      for (let at = 0; at < commands.length;) at += await deaf.write(commands.subarray(at));
    }
  });
});

Deno.test("sessions over the limit are closed immediately", async () => {
  await using rig = new Rig();
  await rig.start({ connections: 2 });
  const opened = [await rig.connect(), await rig.connect()];
  for (const one of opened) {
    await one.write(OPENED);
    await readBytes(one, OPENED_ANSWERS);
  }
  using third = await rig.connect();
  assert.equal((await readToEnd(third)).length, 0);
  for (const one of opened) one.close();
  assert.match(rig.reports.join(), /Limit of 2 connections reached/);
});

Deno.test("closing ends idle sessions, waits for messages in progress, and removes the socket", async () => {
  await using rig = new Rig();
  const held = Promise.withResolvers<void>();
  const server = await rig.start({}, accepting(held.promise));
  using idle = await rig.connect();
  await idle.write(printPacket("O", OFFER));
  await readBytes(idle, 17);
  using busy = await rig.connect();
  await busy.write(OPENED);
  await readBytes(busy, OPENED_ANSWERS);
  const closed = server.close(60_000);
  rig.server = undefined;
  assert.equal((await readToEnd(idle)).length, 0);
  await assert.rejects(rig.connect());
  assert.equal(server.connections, 1);
  await busy.write(concat(...message("a@b", ["c@d"], "A: b\n\nbody\n").slice(2)));
  held.resolve();
  const answers = packetsIn(await readToEnd(busy)).map(shown);
  assert.deepEqual(answers, ["c", "c", "c", "a"]);
  await closed;
  assert.equal(server.connections, 0);
  assert.deepEqual(rig.reports, [], "a session that the server ends is not reported");
});

Deno.test("closing ends a message that takes too long", async () => {
  await using rig = new Rig();
  const server = await rig.start();
  using busy = await rig.connect();
  await busy.write(OPENED);
  await readBytes(busy, OPENED_ANSWERS);
  rig.server = undefined;
  await server.close(50);
  assert.equal((await readToEnd(busy)).length, 0);
  assert.deepEqual(rig.reports, ["Connections closed during a message after the shutdown timeout: 1"]);
});

Deno.test("a thousand sessions at once, with messages of every size", async () => {
  await using rig = new Rig();
  await rig.start();
  const sizes = [1, 100, 4096, 5000, 70_000];
  const sessions = sizes.map((size) => {
    const mail = `A: b\n\n${"x".repeat(size)}\n`;
    return concat(printPacket("O", OFFER), ...message("a@b", ["c@d"], mail), printPacket("Q"));
  });
  const one = async (nth: number) => {
    using connection = await rig.connect();
    const bytes = sessions[nth % sizes.length]!;
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    const commands = packetsIn(await readToEnd(connection)).map(({ command }) => command);
    assert.equal(commands.at(-1), "a", commands.join(""));
  };
  await Promise.all(Array.from({ length: 1000 }, (_, nth) => one(nth)));
  assert.deepEqual(rig.reports, []);
});
