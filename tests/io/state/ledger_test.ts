import assert from "node:assert/strict";
import { type Entry, entryName, printEntry } from "../../../lib/entry.ts";
import { fileLedger } from "../../../io/state/ledger.ts";
import { someEntry } from "../../challenges.ts";
import { filesBelow, ledgerFiles, ROOT } from "../../rig.ts";

const TODAY = 20_777;

/** A folder with a ledger in it. */
class Folder {
  readonly path = Deno.makeTempDirSync({ prefix: "countersign-" });
  readonly ledger = fileLedger(`${this.path}/ledger`);
  /** The files of a state, drafts too, below the ledger. */
  names(state: "issued" | "claimed" | "spent"): string[] {
    return ledgerFiles(`${this.path}/ledger`)[state].map((path) => path.slice(`${this.path}/ledger/`.length));
  }
  all(): number[] {
    return (["issued", "claimed", "spent"] as const).map((state) => this.names(state).length);
  }
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

const entry = (change: Partial<Entry> = {}): Entry => someEntry({ expires: TODAY + 7, ...change });
const mode = (path: string) => (Deno.statSync(path).mode! & 0o777).toString(8);

Deno.test("An entry that is issued is found by its Message-ID and by its list, and by no other", async () => {
  using folder = new Folder();
  const { ledger } = folder;
  assert.deepEqual(await ledger.find({ messageId: "1@example.net" }), [], "nothing is there yet");
  const [one, two] = [entry(), entry({ list: "dns@lists.example.org" })];
  await ledger.issue(one);
  await ledger.issue(two);
  await ledger.issue(entry({ messageId: "2@example.net" }));
  const found = async (by: Parameters<typeof ledger.find>[0]) =>
    (await ledger.find(by)).map(({ state, entry }) => [state, entry.messageId, entry.list].join(" ")).sort();
  assert.deepEqual(await found({ messageId: "1@example.net" }), [
    "issued 1@example.net dns@lists.example.org",
    "issued 1@example.net test@lists.example.org",
  ]);
  assert.deepEqual(await found({ list: "TEST@lists.example.org" }), [
    "issued 1@example.net test@lists.example.org",
    "issued 2@example.net test@lists.example.org",
  ]);
  for (const messageId of ["", "3@example.net", "1@example.ne", "*", "../issued"]) {
    assert.deepEqual(await found({ messageId }), [], messageId);
  }
  assert.deepEqual(await found({ list: "est@lists.example.org" }), []);
  const [{ name, entry: read }] = await ledger.find({ messageId: "2@example.net" }) as
    & [never]
    & Awaited<
      ReturnType<typeof ledger.find>
    >;
  assert.equal(name, entryName({ messageId: "2@example.net", list: one.list }));
  assert.deepEqual(read, entry({ messageId: "2@example.net" }));
});

Deno.test("Files and folders are the owner's alone", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  const checked = (state: "issued" | "claimed" | "spent") => {
    const parts = folder.names(state)[0]!.split("/");
    const modes = parts.map((_, nth) => mode(`${folder.path}/ledger/${parts.slice(0, nth + 1).join("/")}`));
    assert.deepEqual(modes, ["700", "700", "700", "600"], state);
  };
  assert.equal(mode(`${folder.path}/ledger`), "700");
  checked("issued");
  const mine = await folder.ledger.claim(entryName(entry()));
  checked("claimed");
  await folder.ledger.settle(mine!, "spent");
  checked("spent");
  for (const path of filesBelow(folder.path)) assert.equal(mode(path), "600", path);
});

Deno.test("Issued twice, the first stays as it is", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  await folder.ledger.issue(entry({ fields: entry().fields.toReversed(), expires: TODAY + 100 }));
  await Promise.all(Array.from({ length: 20 }, () => folder.ledger.issue(entry({ token: "other" }))));
  assert.deepEqual((await folder.ledger.find({ messageId: "1@example.net" })).map((one) => one.entry), [entry()]);
  assert.equal(folder.names("issued").length, 1, "and no draft is left");
});

Deno.test("What was claimed or answered is not issued again; what was given back can be claimed", async () => {
  using folder = new Folder();
  const name = entryName(entry());
  await folder.ledger.issue(entry());
  const mine = await folder.ledger.claim(name);
  assert.ok(mine);
  await folder.ledger.issue(entry());
  assert.deepEqual(folder.all(), [0, 1, 0], "claimed");
  await folder.ledger.settle(mine, "issued");
  assert.deepEqual(folder.all(), [1, 0, 0], "given back");
  const again = await folder.ledger.claim(name);
  assert.ok(again !== undefined && again !== mine);
  await folder.ledger.settle(again, "spent");
  await folder.ledger.issue(entry());
  assert.deepEqual(folder.all(), [0, 0, 1], "spent");
  assert.equal(await folder.ledger.claim(name), undefined);
  const [found] = await folder.ledger.find({ messageId: "1@example.net" });
  assert.deepEqual(found, { name, state: "spent", entry: entry() });
});

Deno.test("Of 200 claims at once in one process one is given", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  const name = entryName(entry());
  const claims = await Promise.all(Array.from({ length: 200 }, () => folder.ledger.claim(name)));
  assert.equal(claims.filter((one) => one !== undefined).length, 1);
  assert.deepEqual(folder.all(), [0, 1, 0]);
});

Deno.test("A claim that a dead hook left is nobody's, also when its pid comes again", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  const name = entryName(entry());
  assert.ok(await folder.ledger.claim(name));
  // This process has the pid of the one that claimed.
  assert.equal(await fileLedger(`${folder.path}/ledger`).claim(name), undefined);
  const [found] = await folder.ledger.find({ messageId: "1@example.net" });
  assert.equal(found?.state, "claimed");
});

Deno.test("A claim of what is not there, or vanished, is none; one that vanished cannot be ended", async () => {
  using folder = new Folder();
  const name = entryName(entry());
  assert.equal(await folder.ledger.claim(name), undefined, "no folder");
  await folder.ledger.issue(entry());
  Deno.removeSync(`${folder.path}/ledger/${folder.names("issued")[0]}`);
  assert.equal(await folder.ledger.claim(name), undefined, "no file");
  await folder.ledger.issue(entry());
  const mine = await folder.ledger.claim(name);
  Deno.removeSync(`${folder.path}/ledger/${mine}`);
  await assert.rejects(async () => await folder.ledger.settle(mine!, "spent"), { kind: "temporary" });
});

Deno.test("A claim whose rename was done, but not acknowledged, as over NFS, is one's own", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  const name = entryName(entry());
  const rename = Deno.renameSync;
  Deno.renameSync = (from, to) => {
    rename(from, to);
    rename(from, to); // asked again: not found
  };
  let mine: string | undefined;
  try {
    mine = await folder.ledger.claim(name);
  } finally {
    Deno.renameSync = rename;
  }
  assert.deepEqual(folder.names("claimed"), [mine]);
});

/** Runs the same program in many processes, which all begin when all are ready. @returns what each wrote */
async function together(count: number, code: string, folder: string): Promise<string[]> {
  const script = `
    const [folder, nth] = Deno.args;
    Deno.writeTextFileSync(folder + "/ready." + nth, "");
    while (true) { try { Deno.statSync(folder + "/go"); break; } catch { /* not yet */ } }
    ${code}`;
  const children = Array.from(
    { length: count },
    (_, nth) =>
      new Deno.Command(Deno.execPath(), {
        args: ["eval", "--quiet", script, "--", folder, String(nth)],
        cwd: ROOT,
        stdout: "piped",
        stderr: "piped",
      }).output(),
  );
  const ready = () => [...Deno.readDirSync(folder)].filter(({ name }) => name.startsWith("ready.")).length;
  let ended = 0;
  for (const child of children) child.then(() => ended++);
  while (ready() < count && ended === 0) await new Promise((done) => setTimeout(done, 20));
  Deno.writeTextFileSync(`${folder}/go`, "");
  return (await Promise.all(children)).map(({ code, stdout, stderr }) => {
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim();
  });
}

Deno.test("Of 20 processes that claim at once one is given it", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  const name = entryName(entry());
  const said = await together(
    20,
    `const { fileLedger } = await import("./io/state/ledger.ts");
     console.log(await fileLedger(folder + "/ledger").claim("${name}") ?? "none");`,
    folder.path,
  );
  const given = said.filter((one) => one !== "none");
  assert.equal(given.length, 1, said.join("\n"));
  assert.deepEqual(folder.names("claimed"), given);
});

Deno.test("20 processes that issue the same at once leave one entry, whole", async () => {
  using folder = new Folder();
  await together(
    20,
    `const { fileLedger } = await import("./io/state/ledger.ts");
     await fileLedger(folder + "/ledger").issue(${JSON.stringify(entry())});`,
    folder.path,
  );
  assert.equal(folder.names("issued").length, 1);
  assert.deepEqual((await folder.ledger.find({ messageId: "1@example.net" })).map((one) => one.entry), [entry()]);
});

Deno.test("An entry that cannot be understood is as none, until its day is over", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  const path = `${folder.path}/ledger/${folder.names("issued")[0]}`;
  const texts = [
    "",
    "null",
    "17",
    '"text"',
    "[]",
    "{}",
    "{",
    "\0\0\0",
    "\u00ff",
    printEntry(entry()).slice(0, -4),
    printEntry({ ...entry(), fields: ["a", "b"] as never }),
    printEntry({ ...entry(), body: [1] as never }),
    printEntry({ ...entry(), expires: "soon" as never }),
    printEntry({ ...entry(), list: null as never }),
  ];
  for (const text of texts) {
    Deno.writeTextFileSync(path, text);
    assert.deepEqual(await folder.ledger.find({ messageId: "1@example.net" }), [], text);
    assert.deepEqual(await folder.ledger.find({ list: "test@lists.example.org" }), [], text);
    assert.equal(await folder.ledger.clean(TODAY + 7, 10), 0, text);
  }
  Deno.writeFileSync(path, Uint8Array.of(0xff, 0xfe, 0));
  assert.deepEqual(await folder.ledger.find({ messageId: "1@example.net" }), []);
  Deno.writeTextFileSync(path, printEntry(entry()));
  assert.equal((await folder.ledger.find({ messageId: "1@example.net" })).length, 1, "it was the text");
  // A disk that cannot be read is a temporary failure: the mail waits.
  Deno.removeSync(path);
  Deno.mkdirSync(path);
  await assert.rejects(folder.ledger.find({ messageId: "1@example.net" }), { kind: "temporary" });
});

Deno.test("clean takes what is expired, in every state, and no more than it is told", async () => {
  using folder = new Folder();
  const { ledger } = folder;
  for (let nth = 0; nth < 6; nth++) {
    await ledger.issue(entry({ messageId: `old${nth}@example.net`, expires: TODAY - 1 - nth }));
    await ledger.issue(entry({ messageId: `new${nth}@example.net`, expires: TODAY + nth }));
  }
  for (const id of ["old0", "old1", "new0", "new1"]) {
    const mine = await ledger.claim(entryName(entry({ messageId: `${id}@example.net` })));
    if (id.endsWith("1")) await ledger.settle(mine!, "spent");
  }
  assert.deepEqual(folder.all(), [8, 2, 2]);
  assert.equal(await ledger.clean(TODAY - 100, 100), 0, "nothing was expired then");
  assert.equal(await ledger.clean(TODAY, 0), 0);
  assert.equal(await ledger.clean(TODAY, 2), 2);
  assert.equal(folder.all().reduce((sum, count) => sum + count), 10);
  assert.equal(await ledger.clean(TODAY, 100), 4);
  assert.deepEqual(folder.all(), [4, 1, 1], "those of today and later");
  for (let nth = 0; nth < 6; nth++) {
    assert.equal((await ledger.find({ messageId: `new${nth}@example.net` })).length, 1);
    assert.equal((await ledger.find({ messageId: `old${nth}@example.net` })).length, 0);
  }
  assert.equal(await ledger.clean(TODAY, 100), 0);
});

Deno.test("A day that is over goes with all that is ours, what killed programs left too, and nothing else", async () => {
  const digest = "0123456789abcdef".repeat(2);
  /** [what a program that was killed, or a former version, has left] */
  const left = [
    `${TODAY - 1}/messages/${digest}/.${digest}.4711.${crypto.randomUUID()}`,
    `${TODAY - 1}/messages/${digest}/${digest}.claimed.host.4711.nonce`,
    `${TODAY - 1}/lists/${digest}/${digest}`,
    `issued/${digest}-${digest}`,
    `issued/.${digest}-${digest}.4711`,
    `claimed/${digest}-${digest}.host.4711.nonce`,
    `spent/${digest}-${digest}`,
  ];
  const others = [`${TODAY - 1}/notes`, `${TODAY - 1}/messages/${digest}/notes`, "issued/notes", "notes"];
  for (const [paths, kept] of [[left, [] as string[]], [others, others], [[...left, ...others], others]] as const) {
    using folder = new Folder();
    for (const path of paths) {
      const file = `${folder.path}/ledger/${path}`;
      Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(file, "");
    }
    await folder.ledger.clean(TODAY, 100);
    assert.deepEqual(filesBelow(`${folder.path}/ledger`), kept.map((path) => `${folder.path}/ledger/${path}`).sort());
    if (kept.length === 0) assert.deepEqual([...Deno.readDirSync(`${folder.path}/ledger`)], []);
  }
});

Deno.test("A message is found, claimed and cleaned without looking into the entries of others", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  for (let nth = 0; nth < 20; nth++) {
    const expires = TODAY + (nth % 8) - 1;
    await folder.ledger.issue(entry({ messageId: `x${nth}@example.net`, list: `l${nth}@example.org`, expires }));
  }
  const { readTextFileSync, readDirSync } = Deno;
  const looked: string[] = [];
  const note = <T>(call: (path: string) => T) => (path: string | URL) => {
    looked.push(String(path));
    return call(String(path));
  };
  Object.assign(Deno, { readTextFileSync: note(readTextFileSync), readDirSync: note(readDirSync) });
  try {
    const during = async (run: () => Promise<unknown>) => {
      looked.length = 0;
      await run();
      return looked.filter((path) => path.startsWith(folder.path)).length;
    };
    // The ledger, a folder for each of nine days, and one entry.
    assert.ok(await during(() => folder.ledger.find({ messageId: "1@example.net" })) <= 11);
    assert.ok(await during(() => folder.ledger.find({ list: "test@lists.example.org" })) <= 12);
    assert.ok(await during(() => folder.ledger.find({ messageId: "nobody@example.net" })) <= 10);
    assert.ok(await during(async () => await folder.ledger.claim(entryName(entry()))) <= 11);
    assert.equal(await during(() => folder.ledger.clean(TODAY - 1, 100)), 4, "the ledger and three former folders");
  } finally {
    Object.assign(Deno, { readTextFileSync, readDirSync });
  }
});

Deno.test("What was issued on a former day is not issued again", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  await folder.ledger.issue(entry({ expires: TODAY + 8 }));
  assert.deepEqual((await folder.ledger.find({ messageId: "1@example.net" })).map((one) => one.entry), [entry()]);
  const mine = await folder.ledger.claim(entryName(entry()));
  await folder.ledger.settle(mine!, "spent");
  await folder.ledger.issue(entry({ expires: TODAY + 8 }));
  assert.deepEqual(folder.all(), [0, 0, 1]);
});

Deno.test("Cleaning where there is no ledger does nothing", async () => {
  using folder = new Folder();
  assert.equal(await folder.ledger.clean(TODAY, 10), 0);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});

/** Runs with a file call that is watched, and fails as a bad disk would. */
async function watching(method: "syncSync" | "writeSync", run: () => Promise<void>, fails = (_nth: number) => false) {
  // deno-lint-ignore no-explicit-any
  const file = Deno.FsFile.prototype as any;
  const original = file[method];
  let nth = 0;
  file[method] = function (this: Deno.FsFile, bytes: Uint8Array) {
    if (fails(nth++)) throw new Error("No space left on device");
    return method === "syncSync" ? original.call(this) : original.call(this, bytes.subarray(0, 3));
  };
  try {
    await run();
  } finally {
    file[method] = original;
  }
  return nth;
}

Deno.test("When issue, claim and settle return, the disk has it", async () => {
  using folder = new Folder();
  const name = entryName(entry());
  let mine: string | undefined;
  assert.equal(
    await watching("syncSync", () => folder.ledger.issue(entry())),
    3,
    "the file, then its folder, then the one above",
  );
  const claimed = await watching("syncSync", async () => {
    mine = await folder.ledger.claim(name);
  });
  assert.equal(claimed, 1, "the folder");
  assert.equal(await watching("syncSync", () => folder.ledger.settle(mine!, "spent")), 1);
});

Deno.test("A disk that fails at any step is told and leaves no half entry", async () => {
  for (const step of [0, 1, 2]) {
    using folder = new Folder();
    const tried = watching("syncSync", () => folder.ledger.issue(entry()), (nth) => nth === step);
    await assert.rejects(tried, { kind: "temporary", message: /No space/ });
    assert.equal(folder.names("issued").length, Math.min(step, 1), "only what is whole has its name");
    await folder.ledger.issue(entry());
    assert.equal((await folder.ledger.find({ messageId: "1@example.net" })).length, 1, "trying again is well");
  }
  using folder = new Folder();
  const tried = watching("writeSync", () => folder.ledger.issue(entry()), (nth) => nth === 2);
  await assert.rejects(tried, { kind: "temporary", message: /No space/ });
  assert.deepEqual(folder.names("issued"), [], "and no draft");
});

Deno.test("Short writes are continued", async () => {
  using folder = new Folder();
  const writes = await watching("writeSync", () => folder.ledger.issue(entry()));
  assert.equal(writes, Math.ceil(new TextEncoder().encode(printEntry(entry())).length / 3));
  assert.deepEqual((await folder.ledger.find({ messageId: "1@example.net" })).map((one) => one.entry), [entry()]);
});

Deno.test("A ledger that is not a folder is a temporary failure", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(`${folder.path}/ledger`, "");
  await assert.rejects(folder.ledger.issue(entry()), { kind: "temporary" });
  await assert.rejects(folder.ledger.find({ list: "x@a.example" }), { kind: "temporary" });
  await assert.rejects(async () => await folder.ledger.claim("x"), { kind: "temporary" });
});
