import assert from "node:assert/strict";
import { utf8 } from "../../../lib/bytes.ts";
import { Fail } from "../../../lib/fail.ts";
import { deliverToMaildir } from "../../../io/transport/maildir.ts";
import { modeOf, TempFolder } from "../../rig.ts";
import { countingDisk } from "../disk.ts";
import { chunks } from "./chunks.ts";

/** A temporary folder for maildirs. */
class Folder extends TempFolder {
  readonly maildir = `${this.path}/box`;
  names(folder: string): string[] {
    return [...Deno.readDirSync(`${this.maildir}/${folder}`)].map((entry) => entry.name);
  }
  /** All files in the maildir. */
  left(): string[] {
    return [...this.names("new"), ...this.names("tmp"), ...this.names("cur")];
  }
}

const message = (...parts: string[]) => ({ head: utf8("Subject: x\n\n"), body: chunks(...parts) });

Deno.test("A message becomes one complete file in new", async () => {
  using folder = new Folder();
  const path = await deliverToMaildir(folder.maildir, message("one\n", "", "two\n"));
  assert.deepEqual([path], folder.names("new").map((name) => `${folder.maildir}/new/${name}`));
  assert.equal(Deno.readTextFileSync(path), "Subject: x\n\none\ntwo\n");
  assert.deepEqual(folder.names("tmp"), []);
  assert.deepEqual(folder.names("cur"), []);
});

Deno.test("Only the owner can access files and folders", async () => {
  using folder = new Folder();
  const path = await deliverToMaildir(folder.maildir, message());
  assert.equal(modeOf(path), "600");
  for (const name of ["", "/tmp", "/new", "/cur"]) assert.equal(modeOf(folder.maildir + name), "700", name);
});

Deno.test("An existing maildir is not changed", async () => {
  using folder = new Folder();
  for (const name of ["", "/tmp", "/new"]) Deno.mkdirSync(folder.maildir + name);
  Deno.chmodSync(folder.maildir, 0o750);
  await deliverToMaildir(folder.maildir, message());
  await deliverToMaildir(folder.maildir, message());
  assert.equal(folder.names("new").length, 2);
  assert.equal(modeOf(folder.maildir), "750");
});

Deno.test("File names are unique, not hidden and without flags", async () => {
  using folder = new Folder();
  const count = 200;
  const bodies = Array.from({ length: count }, (_, at) => `message ${at}\n`);
  const paths = await Promise.all(bodies.map((body) => deliverToMaildir(folder.maildir, message(body))));
  assert.equal(new Set(paths).size, count);
  assert.equal(folder.names("new").length, count);
  assert.deepEqual(folder.names("tmp"), []);
  for (const [at, path] of paths.entries()) assert.ok(Deno.readTextFileSync(path).endsWith(bodies[at]!));
  for (const name of folder.names("new")) assert.match(name, /^\d+\.P\d+R[0-9a-f]+\.countersign$/);
});

Deno.test("The file appears in new only when the body is complete", async () => {
  using folder = new Folder();
  const seen: number[] = [];
  const body = async function* () {
    for (const part of ["one\n", "two\n"]) {
      yield await Promise.resolve(utf8(part));
      seen.push(folder.names("new").length);
    }
  };
  await deliverToMaildir(folder.maildir, { head: utf8("\n"), body: body() });
  assert.deepEqual(seen, [0, 0]);
  assert.equal(folder.names("new").length, 1);
});

Deno.test("An error in the body leaves no file", async () => {
  for (const error of [new Fail("io", "Standard input cannot be read"), new Error("bug")]) {
    using folder = new Folder();
    const body = async function* () {
      yield await Promise.resolve(utf8("half"));
      throw error;
    };
    const failed = deliverToMaildir(folder.maildir, { head: utf8("\n"), body: body() });
    await assert.rejects(failed, (found: Fail) => {
      assert.equal(found.kind, "temporary");
      assert.ok(found.file === folder.maildir && found.message.includes(error.message), found.message);
      return true;
    });
    assert.deepEqual(folder.left(), []);
  }
});

Deno.test("A path that cannot be a maildir is a temporary failure and is not created", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(`${folder.path}/file`, "");
  Deno.mkdirSync(`${folder.path}/odd`);
  Deno.writeTextFileSync(`${folder.path}/odd/new`, "");
  for (const name of ["missing/box", "file", "file/box", "odd"]) {
    const maildir = `${folder.path}/${name}`;
    await assert.rejects(deliverToMaildir(maildir, message()), { kind: "temporary" }, name);
  }
  await assert.rejects(deliverToMaildir("", message()), { kind: "temporary" });
  assert.deepEqual([...Deno.readDirSync(folder.path)].map((entry) => entry.name).sort(), ["file", "odd"]);
  assert.deepEqual([...Deno.readDirSync(`${folder.path}/odd/tmp`)], [], "no file is left in tmp");
});

Deno.test("A short write is continued until the message is complete", async () => {
  using folder = new Folder();
  const writes = await countingDisk("writeSync", async () => {
    const path = await deliverToMaildir(folder.maildir, message("a body longer than three\n"));
    assert.equal(Deno.readTextFileSync(path), "Subject: x\n\na body longer than three\n");
  });
  assert.ok(writes > 2, `${writes}`);
});

Deno.test("A disk error at any step leaves no file, so that a retry creates no duplicate", async () => {
  using folder = new Folder();
  // The file is synced first, then the folder.
  for (const step of [0, 1]) {
    const calls = await countingDisk("syncSync", async () => {
      await assert.rejects(deliverToMaildir(folder.maildir, message("body")), {
        kind: "temporary",
        message: /No space/,
      });
    }, (nth) => nth === step);
    assert.equal(calls, step + 1);
    assert.deepEqual(folder.left(), [], `step ${step}`);
  }
  await countingDisk("writeSync", async () => {
    await assert.rejects(deliverToMaildir(folder.maildir, message("body")), { kind: "temporary", message: /No space/ });
  }, (nth) => nth === 2);
  assert.deepEqual(folder.left(), []);
});
