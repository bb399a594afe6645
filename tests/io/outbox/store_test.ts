/** The outbox on disk: what was promised survives a power failure. */
import assert from "node:assert/strict";
import { createEntry, lockEntry } from "../../../io/outbox/store.ts";
import { utf8 } from "../../../lib/bytes.ts";
import { Box } from "./box.ts";

/** Runs work. @returns what was synced and renamed, in order, by the names of files */
async function onDisk(folder: string, work: () => Promise<unknown>): Promise<string[]> {
  const events: string[] = [];
  const { syncSync } = Deno.FsFile.prototype;
  const { renameSync } = Deno;
  const names = () => {
    const found = new Map<number | null, string>();
    const walk = (path: string, name: string) => {
      found.set(Deno.statSync(path).ino, name);
      if (!Deno.statSync(path).isDirectory) return;
      for (const one of Deno.readDirSync(path)) walk(`${path}/${one.name}`, one.name);
    };
    walk(folder, "outbox");
    return found;
  };
  Deno.FsFile.prototype.syncSync = function (this: Deno.FsFile) {
    syncSync.call(this);
    events.push(`sync ${names().get(this.statSync().ino) ?? "elsewhere"}`);
  };
  Deno.renameSync = (from, to) => {
    renameSync(from, to);
    events.push(`rename to ${`${to}`.slice(folder.length + 1)}`);
  };
  try {
    await work();
  } finally {
    Deno.FsFile.prototype.syncSync = syncSync;
    Deno.renameSync = renameSync;
  }
  return events;
}

Deno.test("an entry is on disk, with its name, before the shim exits 0; so is each change of it", async () => {
  using box = new Box("");
  await box.keep("first@example.net"); // creates the folders
  const [first] = box.queue;
  const message = { head: utf8("From: greg@example.org\n\n"), body: (async function* () {})(), whole: true };
  let id = "";
  const entry = { ...first!, size: message.head.length };
  const kept = await onDisk(box.folder, async () => {
    using locked = await createEntry(box.folder, message);
    id = locked.id;
    locked.commit(entry);
  });
  assert.deepEqual(kept, ["sync message", "sync entry.json", `sync ${id}`, `rename to queue/${id}`, "sync queue"]);
  const noted = await onDisk(box.folder, () => {
    const { locked } = lockEntry(box.folder, id)!;
    using _locked = locked;
    locked.save({ ...entry, attempts: 1 });
    return Promise.resolve();
  });
  assert.deepEqual(noted, ["sync entry.json.new", `rename to queue/${id}/entry.json`, `sync ${id}`]);
});

Deno.test("only the owner can access the outbox", async () => {
  using box = new Box("");
  await box.keep("first@example.net");
  const modes = new Set<string>();
  const walk = (path: string) => {
    const { isDirectory, mode } = Deno.statSync(path);
    modes.add(`${isDirectory ? "folder" : "file"} ${(mode! & 0o777).toString(8)}`);
    if (isDirectory) { for (const { name } of Deno.readDirSync(path)) walk(`${path}/${name}`); }
  };
  walk(box.folder);
  assert.deepEqual([...modes].sort(), ["file 600", "folder 700"]);
});
