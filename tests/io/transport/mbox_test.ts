/** Appending to a mailbox. Its locks are tested with the real programs in tests/programs/mbox_test.ts. */
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/bytes.ts";
import { deliverToMbox } from "../../../io/transport/mbox.ts";
import { lockMailbox, type Unlock } from "../../../io/transport/mbox_lock.ts";
import { writeExecutable } from "../../../build/rig/executable.ts";
import { isFile, modeOf, TempFolder } from "../../rig.ts";
import { countingDisk } from "../disk.ts";
import { chunks } from "./chunks.ts";

const ENVELOPE = { sender: "friend@friend.example", now: new Date("2026-11-20T05:32:58Z") };
const FROM = "From friend@friend.example Fri Nov 20 05:32:58 2026\n";
const message = (...parts: string[]) => ({ head: utf8("Subject: x\n\n"), body: chunks(...parts) });

class Folder extends TempFolder {
  readonly mbox = `${this.path}/mbox`;
  /** What was locked and released. */
  readonly locked: string[] = [];
  lock = (path: string): Promise<Unlock> => {
    this.locked.push(path);
    return Promise.resolve(() => Promise.resolve(void this.locked.push("released")));
  };
  deliver = (one = message("Hi.\n"), mbox = this.mbox) => deliverToMbox(mbox, ENVELOPE, one, undefined, this.lock);
  read = () => Deno.readTextFileSync(this.mbox);
}

Deno.test("A missing mailbox is created for its owner only, and each message ends with an empty line", async () => {
  using folder = new Folder();
  await folder.deliver();
  assert.equal(modeOf(folder.mbox), "600");
  await folder.deliver(message("no ", "newline"));
  assert.equal(folder.read(), `${FROM}Subject: x\n\nHi.\n\n${FROM}Subject: x\n\nno newline\n\n`);
  assert.deepEqual(folder.locked, [folder.mbox, "released", folder.mbox, "released"]);
});

Deno.test("A message that a killed program left without its end is completed first", async () => {
  for (const [left, added] of [["", ""], ["\n", "\n"], ["x", "\n\n"], ["x\n", "\n"], ["x\n\n", ""]] as const) {
    using folder = new Folder();
    Deno.writeTextFileSync(folder.mbox, left);
    await folder.deliver();
    assert.equal(folder.read(), `${left}${added}${FROM}Subject: x\n\nHi.\n\n`, JSON.stringify(left));
  }
});

Deno.test("After any error the mailbox is as long as before, and unlocked", async (t) => {
  const writes = await t.step("writes", async () => {
    using folder = new Folder();
    const count = await countingDisk("writeSync", () => folder.deliver());
    assert.ok(count > 20, "short writes");
    for (let failing = 0; failing < count; failing++) {
      Deno.writeTextFileSync(folder.mbox, "From a@x\n\nEarlier.\n\n");
      await countingDisk("writeSync", async () => {
        await assert.rejects(folder.deliver(), {
          kind: "temporary",
          message: /No space left on device/,
          file: folder.mbox,
        });
      }, (nth) => nth === failing);
      assert.equal(folder.read(), "From a@x\n\nEarlier.\n\n", `write ${failing}`);
      assert.equal(folder.locked.at(-1), "released");
    }
  });
  assert.ok(writes);
  await t.step("fsync, and a body that cannot be read", async () => {
    using folder = new Folder();
    await countingDisk("syncSync", () => assert.rejects(folder.deliver(), { kind: "temporary" }), (nth) => nth === 0);
    const broken = async function* () {
      yield await Promise.resolve(utf8("Half"));
      throw new Error("Stopped by a signal");
    };
    await assert.rejects(folder.deliver({ head: utf8("\n"), body: broken() }), /Stopped by a signal/);
    assert.equal(folder.read(), "");
  });
});

Deno.test("What a program without a lock appended meanwhile is not cut off", async () => {
  using folder = new Folder();
  const body = async function* () {
    yield await Promise.resolve(utf8("Half"));
    Deno.writeTextFileSync(folder.mbox, "From b@x\n\nOther.\n\n", { append: true });
    throw new Error("Stopped by a signal");
  };
  await assert.rejects(folder.deliver({ head: utf8("\n"), body: body() }));
  assert.match(folder.read(), /\nOther\.\n\n$/);
});

Deno.test("After an error nothing is cut off or added where a program without a lock has changed the file", async () => {
  using folder = new Folder();
  const first = "From a@x Mon Jan  1 00:00:00 2024\n\nFirst.\n\n";
  Deno.writeTextFileSync(folder.mbox, first, { create: true });
  const emptied = async function* () {
    yield await Promise.resolve(utf8("Half"));
    Deno.truncateSync(folder.mbox);
    throw new Error("Stopped by a signal");
  };
  await assert.rejects(folder.deliver({ head: utf8("\n"), body: emptied() }));
  assert.equal(folder.read(), "");

  // The disk is full: what was counted before it was written would hide what the other program has written.
  const other = "From b@x Mon Jan  1 00:00:00 2024\n\nOther.\n\n";
  const full = async function* () {
    const disk = Deno.FsFile.prototype;
    const { writeSync } = disk;
    yield await Promise.resolve(utf8("Half\n"));
    Deno.writeTextFileSync(folder.mbox, other, { append: true });
    disk.writeSync = () => {
      throw new Error("No space left on device");
    };
    try {
      yield utf8("x\n".repeat(1000));
    } finally {
      disk.writeSync = writeSync;
    }
  };
  await assert.rejects(folder.deliver({ head: utf8("\n"), body: full() }), /No space left/);
  assert.ok(folder.read().endsWith(other), folder.read());
});

Deno.test("Only the user's own regular file is a mailbox, also at the end of a link", async () => {
  using folder = new Folder();
  const path = (name: string) => `${folder.path}/${name}`;
  Deno.mkdirSync(path("folder"));
  assert.ok(new Deno.Command("mkfifo", { args: [path("fifo")] }).outputSync().success);
  Deno.writeTextFileSync(path("two"), "");
  Deno.linkSync(path("two"), path("names"));
  Deno.symlinkSync("nowhere", path("dangling"));
  Deno.writeTextFileSync(path("own"), "");
  Deno.symlinkSync("own", path("link"));
  const rows: [name: string, message: RegExp][] = [
    ["folder", /not a regular file/],
    ["fifo", /not a regular file/],
    ["names", /has another name/],
    ["dangling", /No such file/],
    ["missing/mbox", /No such file/],
  ];
  for (const [name, message] of rows) {
    await assert.rejects(folder.deliver(undefined, path(name)), { kind: "temporary", message }, name);
  }
  assert.deepEqual(folder.locked, []);
  await folder.deliver(undefined, path("link"));
  assert.deepEqual(folder.locked, [path("own"), "released"], "all programs use the lock file of the same name");
});

Deno.test({
  name: "A link of another user does not lead to a file of ours",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    using folder = new Folder();
    Deno.writeTextFileSync(`${folder.path}/secret`, "");
    Deno.chmodSync(folder.path, 0o777);
    const link = ["-h", "4711"];
    Deno.symlinkSync("secret", folder.mbox);
    assert.ok(new Deno.Command("chown", { args: [...link, folder.mbox] }).outputSync().success);
    await assert.rejects(folder.deliver(), { kind: "temporary", message: /^Link to the mailbox belongs to user 4711/ });
    assert.equal(folder.read(), "");
  },
});

Deno.test("A program that cannot lock, or does not exist, defers the message", async () => {
  const rows: [argv: string[], message: RegExp][] = [
    [["/nowhere/mboxlock"], /^\/nowhere\/mboxlock cannot be run: /],
    [["exit 1"], /^Mailbox cannot be locked: status 1$/],
    [["echo Why >&2; exit 9"], /: Why$/],
  ];
  using folder = new Folder();
  for (const [nth, [[script], message]] of rows.entries()) {
    const program = script!.startsWith("/") ? script! : `${folder.path}/${nth}`;
    if (program !== script) writeExecutable(program, `#!/bin/sh\n${script}\n`);
    await assert.rejects(lockMailbox(folder.mbox, undefined, program), { kind: "temporary", message });
  }
});

Deno.test("A signal ends the wait for a lock, and the program that waits for it", async () => {
  using folder = new Folder();
  const program = `${folder.path}/waiting`;
  writeExecutable(program, `#!/bin/sh\ncat >/dev/null\n: >"$1.ended"\n`);
  const abort = new AbortController();
  const waiting = lockMailbox(folder.mbox, abort.signal, program);
  abort.abort();
  await assert.rejects(waiting, { kind: "temporary", message: /^Stopped by a signal/ });
  while (!isFile(`${folder.mbox}.ended`)) await new Promise((next) => setTimeout(next, 5));
});
