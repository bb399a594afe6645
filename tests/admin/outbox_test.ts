/** countersign outbox: run, list, flush, hold, release, delete. */
import assert from "node:assert/strict";
import { letter, OutboxHome, toServer } from "../outbox_home.ts";
import { oneLine } from "../rig.ts";
import { deadPort, Sink } from "../smtp_sink.ts";
import { countersign } from "./run.ts";

const OK = { code: 0, stdout: "", stderr: "" };

/** A home with so many messages in the outbox, to r0@example.net, r1@example.net, … */
async function filled(sink: { port: number }, count: number): Promise<OutboxHome> {
  const home = new OutboxHome();
  home.serve(sink, "always");
  for (let nth = 0; nth < count; nth++) {
    assert.deepEqual(await home.shim([`r${nth}@example.net`], letter(`${nth}`, `r${nth}@example.net`)), OK);
  }
  return home;
}

const outbox = (home: OutboxHome, ...args: string[]) => countersign(home, ["outbox", ...args]);

Deno.test("run sends what is due through the shim, which may connect, and prints nothing", async () => {
  await using sink = new Sink();
  using home = await filled(sink, 2);
  assert.deepEqual(await outbox(home, "run"), OK);
  assert.deepEqual(sink.accepted.map(({ to }) => to[0]).sort(), ["r0@example.net", "r1@example.net"]);
  assert.deepEqual(await outbox(home, "run"), OK);
  assert.equal(sink.accepted.length, 2);
});

Deno.test("hold suspends an entry, release ends that, list shows both; flush makes entries due", async () => {
  await using sink = new Sink();
  using home = await filled(sink, 2);
  const [id] = home.names("queue").filter((one) => home.entry(one).recipients[0].address === "r0@example.net");
  assert.deepEqual(await outbox(home, "hold", id!), { ...OK, stdout: "1 entry put on hold\n" });
  assert.deepEqual(await outbox(home, "hold", id!), { ...OK, stdout: "0 entries put on hold\n" });
  assert.match((await outbox(home)).stdout, new RegExp(`^${id}! .*\n +r0@example\\.net\n`, "m"));
  assert.deepEqual(await outbox(home, "flush"), OK);
  assert.deepEqual(sink.accepted.map(({ to }) => to[0]), ["r1@example.net"]);
  assert.deepEqual(await outbox(home, "release", "ALL"), { ...OK, stdout: "1 entry released from hold\n" });
  home.change({ next: new Date(Date.now() + 3_600_000).toISOString(), attempts: 8 });
  assert.deepEqual(await outbox(home, "run"), OK);
  assert.equal(sink.accepted.length, 1, "not due");
  assert.deepEqual(await outbox(home, "flush", id!), OK);
  assert.equal(sink.accepted.length, 2);
});

Deno.test("delete removes entries, which are never sent", async () => {
  await using sink = new Sink();
  using home = await filled(sink, 3);
  const [id] = home.names("queue");
  assert.deepEqual(await outbox(home, "delete", id!), { ...OK, stdout: "1 entry deleted\n" });
  oneLine(await outbox(home, "delete", id!), 64, new RegExp(`^outbox: Entry ${id} does not exist$`, "m"));
  assert.deepEqual(await outbox(home, "delete", "ALL"), { ...OK, stdout: "2 entries deleted\n" });
  assert.deepEqual(await outbox(home, "list"), { ...OK, stdout: "Mail queue is empty\n" });
  assert.deepEqual(await outbox(home, "run"), OK);
  assert.equal(sink.lines.length, 0);
});

Deno.test("an entry that a runner is sending is left alone, and named", async () => {
  using home = await filled({ port: deadPort() }, 1);
  const [id] = home.names("queue");
  using file = Deno.openSync(`${home.path}/${home.outbox}/queue/${id}/message`, { read: true, write: true });
  file.lockSync(true);
  oneLine(await outbox(home, "delete", "ALL"), 75, new RegExp(`^outbox: Entry ${id} is being sent$`, "m"));
  assert.deepEqual(home.names("queue"), [id]);
});

Deno.test("usage errors", async () => {
  using home = new OutboxHome();
  for (
    const [args, message] of [
      [["delete", "ALL", "ABC"], /^outbox: ALL cannot be combined with IDs$/m],
      [["send"], /^outbox: Unknown argument "send": use run, list, flush, hold, release, delete$/m],
      [["run", "x"], /^outbox: Unknown argument "x"$/m],
      [["delete"], /^outbox: ID is missing: outbox delete ID, as outbox list prints it, or ALL$/m],
      [["delete", "../x"], /^outbox: "\.\.\/x" is not the ID of an entry$/m],
    ] as const
  ) oneLine(await outbox(home, ...args), 64, message);
});

Deno.test("an entry that is damaged is named, and neither missing nor busy", async () => {
  await using sink = new Sink();
  using home = await filled(sink, 2);
  const [id] = home.names("queue");
  home.write(`${home.outbox}/queue/${id}/entry.json`, "{", 0o600);
  oneLine(await outbox(home, "hold", id!), 75, new RegExp(`^outbox: Entry ${id}: Entry is not JSON\n$`));
  const { code, stderr } = await outbox(home, "flush");
  assert.deepEqual([code, sink.accepted.length, home.names("damaged")], [0, 1, [id]], stderr);
});

Deno.test("what was kept before the outbox was turned off is sent by flush", async () => {
  await using sink = new Sink();
  using home = await filled(sink, 1);
  home.settings(toServer(sink.port));
  assert.deepEqual(await outbox(home, "flush"), OK);
  assert.deepEqual([sink.accepted.length, home.names("queue")], [1, []]);
});

Deno.test("flush says how many entries could not be sent; release counts those that were on hold", async () => {
  await using sink = new Sink({ to: (to) => to.startsWith("r0") ? undefined : "450 4.2.0 Later" });
  using home = await filled(sink, 3);
  const waiting = (count: string) => ({ ...OK, stdout: `${count} still waiting: countersign outbox list\n` });
  assert.deepEqual(await outbox(home, "flush"), waiting("2 entries are"));
  assert.equal(sink.accepted.length, 1);
  const [id] = home.names("queue");
  assert.deepEqual(await outbox(home, "flush", id!), waiting("1 entry is"));
  assert.deepEqual(await outbox(home, "release", "ALL"), { ...OK, stdout: "0 entries released from hold\n" });
});

Deno.test("flush names an entry that is on hold, and sends the others", async () => {
  await using sink = new Sink();
  using home = await filled(sink, 2);
  const [id] = home.names("queue");
  assert.equal((await outbox(home, "hold", id!)).code, 0);
  const held = new RegExp(`^outbox: Entry ${id} is on hold: countersign outbox release ${id}\n$`);
  oneLine(await outbox(home, "flush", id!), 0, held);
  assert.deepEqual(await outbox(home, "flush"), OK);
  assert.deepEqual([sink.accepted.length, home.names("queue")], [1, [id]]);
});
