import assert from "node:assert/strict";
import { type Entry, entryName, printEntry } from "../../../lib/entry.ts";
import { fileLedger } from "../../../io/state/ledger.ts";
import { someEntry } from "../../challenges.ts";
import { countingDisk } from "../disk.ts";
import { filesBelow, ledgerFiles, modeOf, ROOT, TempFolder } from "../../rig.ts";

const TODAY = 20_777;

/** A temporary folder with a ledger. */
class Folder extends TempFolder {
  readonly ledger = fileLedger(`${this.path}/ledger`);
  /** The files in a state, including drafts, relative to the ledger. */
  names(state: "issued" | "claimed" | "spent"): string[] {
    return ledgerFiles(`${this.path}/ledger`)[state].map((path) => path.slice(`${this.path}/ledger/`.length));
  }
  counts(): number[] {
    return (["issued", "claimed", "spent"] as const).map((state) => this.names(state).length);
  }
}

const entry = (change: Partial<Entry> = {}): Entry => someEntry({ expires: TODAY + 7, ...change });

Deno.test("An issued entry is found by its Message-ID and by its list only", async () => {
  using folder = new Folder();
  const { ledger } = folder;
  assert.deepEqual(await ledger.find({ messageId: "1@example.net" }), [], "the ledger is empty");
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
  const { name, entry: second } = (await ledger.find({ messageId: "2@example.net" }))[0]!;
  assert.equal(name, entryName({ messageId: "2@example.net", list: one.list }));
  assert.deepEqual(second, entry({ messageId: "2@example.net" }));
});

Deno.test("An entry that changes its state while it is being read is found in its new state", async () => {
  using folder = new Folder();
  const { ledger } = folder;
  await ledger.issue(entry());
  const { readTextFileSync } = Deno;
  Deno.readTextFileSync = (path) => {
    Deno.readTextFileSync = readTextFileSync;
    Deno.renameSync(path, `${path}.spent`); // another hook has answered
    return readTextFileSync(path);
  };
  try {
    const found = await ledger.find({ messageId: "1@example.net" });
    assert.deepEqual(found.map(({ state }) => state), ["spent"]);
  } finally {
    Deno.readTextFileSync = readTextFileSync;
  }
});

Deno.test("Only the owner can access files and folders", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  const checkModes = (state: "issued" | "claimed" | "spent") => {
    const parts = folder.names(state)[0]!.split("/");
    const modes = parts.map((_, nth) => modeOf(`${folder.path}/ledger/${parts.slice(0, nth + 1).join("/")}`));
    assert.deepEqual(modes, ["700", "700", "700", "600"], state);
  };
  assert.equal(modeOf(`${folder.path}/ledger`), "700");
  checkModes("issued");
  const claim = await folder.ledger.claim(entryName(entry()));
  checkModes("claimed");
  await folder.ledger.settle(claim!, "spent");
  checkModes("spent");
  for (const path of filesBelow(folder.path)) assert.equal(modeOf(path), "600", path);
});

Deno.test("An entry issued twice is unchanged", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  await folder.ledger.issue(entry({ fields: entry().fields.toReversed(), expires: TODAY + 100 }));
  await Promise.all(Array.from({ length: 20 }, () => folder.ledger.issue(entry({ token: "other" }))));
  assert.deepEqual((await folder.ledger.find({ messageId: "1@example.net" })).map(({ entry }) => entry), [entry()]);
  assert.equal(folder.names("issued").length, 1, "no draft is left");
});

Deno.test("A claimed or spent entry is not issued again; a released one can be claimed again", async () => {
  using folder = new Folder();
  const name = entryName(entry());
  await folder.ledger.issue(entry());
  const claim = await folder.ledger.claim(name);
  assert.ok(claim);
  await folder.ledger.issue(entry());
  assert.deepEqual(folder.counts(), [0, 1, 0], "claimed");
  await folder.ledger.settle(claim, "issued");
  assert.deepEqual(folder.counts(), [1, 0, 0], "released");
  const again = await folder.ledger.claim(name);
  assert.ok(again !== undefined && again !== claim);
  await folder.ledger.settle(again, "spent");
  await folder.ledger.issue(entry());
  assert.deepEqual(folder.counts(), [0, 0, 1], "spent");
  assert.equal(await folder.ledger.claim(name), undefined);
  const [found] = await folder.ledger.find({ messageId: "1@example.net" });
  assert.deepEqual(found, { name, state: "spent", entry: entry() });
});

Deno.test("Of 200 simultaneous claims in one process one succeeds", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  const name = entryName(entry());
  const claims = await Promise.all(Array.from({ length: 200 }, () => folder.ledger.claim(name)));
  assert.equal(claims.filter((claim) => claim !== undefined).length, 1);
  assert.deepEqual(folder.counts(), [0, 1, 0]);
});

Deno.test("A claim left by a killed hook stays claimed, also for a process with the same pid", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  const name = entryName(entry());
  assert.ok(await folder.ledger.claim(name));
  // Both ledgers belong to this process, so the pid is the same.
  assert.equal(await fileLedger(`${folder.path}/ledger`).claim(name), undefined);
  const [found] = await folder.ledger.find({ messageId: "1@example.net" });
  assert.equal(found?.state, "claimed");
});

Deno.test("A missing entry cannot be claimed, and a claim whose file vanished cannot be settled", async () => {
  using folder = new Folder();
  const name = entryName(entry());
  assert.equal(await folder.ledger.claim(name), undefined, "no folder");
  await folder.ledger.issue(entry());
  Deno.removeSync(`${folder.path}/ledger/${folder.names("issued")[0]}`);
  assert.equal(await folder.ledger.claim(name), undefined, "no file");
  await folder.ledger.issue(entry());
  const claim = await folder.ledger.claim(name);
  Deno.removeSync(`${folder.path}/ledger/${claim}`);
  await assert.rejects(async () => await folder.ledger.settle(claim!, "spent"), { kind: "temporary" });
});

Deno.test("A claim succeeds if the rename was done but reported as failed, as NFS may do", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  const name = entryName(entry());
  const rename = Deno.renameSync;
  Deno.renameSync = (from, to) => {
    rename(from, to);
    rename(from, to); // Repeated by the client: not found.
  };
  let claim: string | undefined;
  try {
    claim = await folder.ledger.claim(name);
  } finally {
    Deno.renameSync = rename;
  }
  assert.deepEqual(folder.names("claimed"), [claim]);
});

/** Runs the same code in many processes that start at the same moment. @returns the standard output of each */
async function simultaneously(count: number, code: string, folder: string): Promise<string[]> {
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

Deno.test("Of 20 processes that claim simultaneously one succeeds", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  const name = entryName(entry());
  const outputs = await simultaneously(
    20,
    `const { fileLedger } = await import("./io/state/ledger.ts");
     console.log(await fileLedger(folder + "/ledger").claim("${name}") ?? "none");`,
    folder.path,
  );
  const claims = outputs.filter((output) => output !== "none");
  assert.equal(claims.length, 1, outputs.join("\n"));
  assert.deepEqual(folder.names("claimed"), claims);
});

Deno.test("20 processes that issue the same entry simultaneously leave one complete entry", async () => {
  using folder = new Folder();
  await simultaneously(
    20,
    `const { fileLedger } = await import("./io/state/ledger.ts");
     await fileLedger(folder + "/ledger").issue(${JSON.stringify(entry())});`,
    folder.path,
  );
  assert.equal(folder.names("issued").length, 1);
  assert.deepEqual((await folder.ledger.find({ messageId: "1@example.net" })).map(({ entry }) => entry), [entry()]);
});

Deno.test("An entry that cannot be parsed is ignored, and kept until it expires", async () => {
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
    assert.equal(await folder.ledger.expire(TODAY + 7, 10), 0, text);
  }
  Deno.writeFileSync(path, Uint8Array.of(0xff, 0xfe, 0));
  assert.deepEqual(await folder.ledger.find({ messageId: "1@example.net" }), []);
  Deno.writeTextFileSync(path, printEntry(entry()));
  assert.equal((await folder.ledger.find({ messageId: "1@example.net" })).length, 1, "only the contents prevented it");
  // A read error is a temporary failure.
  Deno.removeSync(path);
  Deno.mkdirSync(path);
  await assert.rejects(folder.ledger.find({ messageId: "1@example.net" }), { kind: "temporary" });
});

Deno.test("clean removes expired entries in every state, up to the given number", async () => {
  using folder = new Folder();
  const { ledger } = folder;
  for (let nth = 0; nth < 6; nth++) {
    await ledger.issue(entry({ messageId: `old${nth}@example.net`, expires: TODAY - 1 - nth }));
    await ledger.issue(entry({ messageId: `new${nth}@example.net`, expires: TODAY + nth }));
  }
  for (const id of ["old0", "old1", "new0", "new1"]) {
    const claim = await ledger.claim(entryName(entry({ messageId: `${id}@example.net` })));
    if (id.endsWith("1")) await ledger.settle(claim!, "spent");
  }
  assert.deepEqual(folder.counts(), [8, 2, 2]);
  assert.equal(await ledger.expire(TODAY - 100, 100), 0, "nothing has expired");
  assert.equal(await ledger.expire(TODAY, 0), 0);
  assert.equal(await ledger.expire(TODAY, 2), 2);
  assert.equal(folder.counts().reduce((sum, count) => sum + count), 10);
  assert.equal(await ledger.expire(TODAY, 100), 4);
  assert.deepEqual(folder.counts(), [4, 1, 1], "entries of today and later remain");
  for (let nth = 0; nth < 6; nth++) {
    assert.equal((await ledger.find({ messageId: `new${nth}@example.net` })).length, 1);
    assert.equal((await ledger.find({ messageId: `old${nth}@example.net` })).length, 0);
  }
  assert.equal(await ledger.expire(TODAY, 100), 0);
});

Deno.test("clean removes our files of past days, including those of killed programs and former versions, and nothing else", async () => {
  const digest = "0123456789abcdef".repeat(2);
  // Files left by killed programs and by former versions.
  const leftovers = [
    `${TODAY - 1}/messages/${digest}/.${digest}.4711.${crypto.randomUUID()}`,
    `${TODAY - 1}/messages/${digest}/${digest}.claimed.host.4711.nonce`,
    `${TODAY - 1}/lists/${digest}/${digest}`,
    `issued/${digest}-${digest}`,
    `issued/.${digest}-${digest}.4711`,
    `claimed/${digest}-${digest}.host.4711.nonce`,
    `spent/${digest}-${digest}`,
  ];
  const others = [`${TODAY - 1}/notes`, `${TODAY - 1}/messages/${digest}/notes`, "issued/notes", "notes"];
  for (
    const [paths, kept] of [[leftovers, [] as string[]], [others, others], [[...leftovers, ...others], others]] as const
  ) {
    using folder = new Folder();
    for (const path of paths) {
      const file = `${folder.path}/ledger/${path}`;
      Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(file, "");
    }
    await folder.ledger.expire(TODAY, 100);
    assert.deepEqual(filesBelow(`${folder.path}/ledger`), kept.map((path) => `${folder.path}/ledger/${path}`).sort());
    if (kept.length === 0) assert.deepEqual([...Deno.readDirSync(`${folder.path}/ledger`)], []);
  }
});

Deno.test("Finding, claiming and cleaning do not read other messages' entries", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  for (let nth = 0; nth < 20; nth++) {
    const expires = TODAY + (nth % 8) - 1;
    await folder.ledger.issue(entry({ messageId: `x${nth}@example.net`, list: `l${nth}@example.org`, expires }));
  }
  const { readTextFileSync, readDirSync } = Deno;
  const accessed: string[] = [];
  const recording = <T>(call: (path: string) => T) => (path: string | URL) => {
    accessed.push(String(path));
    return call(String(path));
  };
  Object.assign(Deno, { readTextFileSync: recording(readTextFileSync), readDirSync: recording(readDirSync) });
  try {
    const accesses = async (run: () => Promise<unknown>) => {
      accessed.length = 0;
      await run();
      return accessed.filter((path) => path.startsWith(folder.path)).length;
    };
    // The ledger, nine day folders and one entry.
    assert.ok(await accesses(() => folder.ledger.find({ messageId: "1@example.net" })) <= 11);
    assert.ok(await accesses(() => folder.ledger.find({ list: "test@lists.example.org" })) <= 12);
    assert.ok(await accesses(() => folder.ledger.find({ messageId: "nobody@example.net" })) <= 10);
    assert.ok(await accesses(async () => await folder.ledger.claim(entryName(entry()))) <= 11);
    assert.equal(
      await accesses(() => folder.ledger.expire(TODAY - 1, 100)),
      4,
      "the ledger and three folders of former versions",
    );
  } finally {
    Object.assign(Deno, { readTextFileSync, readDirSync });
  }
});

Deno.test("An entry issued on an earlier day is not issued again", async () => {
  using folder = new Folder();
  await folder.ledger.issue(entry());
  await folder.ledger.issue(entry({ expires: TODAY + 8 }));
  assert.deepEqual((await folder.ledger.find({ messageId: "1@example.net" })).map(({ entry }) => entry), [entry()]);
  const claim = await folder.ledger.claim(entryName(entry()));
  await folder.ledger.settle(claim!, "spent");
  await folder.ledger.issue(entry({ expires: TODAY + 8 }));
  assert.deepEqual(folder.counts(), [0, 0, 1]);
});

Deno.test("clean does nothing if there is no ledger", async () => {
  using folder = new Folder();
  assert.equal(await folder.ledger.expire(TODAY, 10), 0);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});

Deno.test("issue, claim and settle sync to disk before they return", async () => {
  using folder = new Folder();
  const name = entryName(entry());
  let claim: string | undefined;
  assert.equal(
    await countingDisk("syncSync", () => folder.ledger.issue(entry())),
    3,
    "the file, its folder and the parent folder",
  );
  const claimed = await countingDisk("syncSync", async () => {
    claim = await folder.ledger.claim(name);
  });
  assert.equal(claimed, 1, "the folder");
  assert.equal(await countingDisk("syncSync", () => folder.ledger.settle(claim!, "spent")), 1);
});

Deno.test("A disk error at any step is reported and leaves no partial entry", async () => {
  for (const step of [0, 1, 2]) {
    using folder = new Folder();
    const failed = countingDisk("syncSync", () => folder.ledger.issue(entry()), (nth) => nth === step);
    await assert.rejects(failed, { kind: "temporary", message: /No space/ });
    assert.equal(folder.names("issued").length, Math.min(step, 1), "only a complete entry gets its name");
    await folder.ledger.issue(entry());
    assert.equal((await folder.ledger.find({ messageId: "1@example.net" })).length, 1, "a retry succeeds");
  }
  using folder = new Folder();
  const failed = countingDisk("writeSync", () => folder.ledger.issue(entry()), (nth) => nth === 2);
  await assert.rejects(failed, { kind: "temporary", message: /No space/ });
  assert.deepEqual(folder.names("issued"), [], "no draft is left");
});

Deno.test("Short writes are continued", async () => {
  using folder = new Folder();
  const writes = await countingDisk("writeSync", () => folder.ledger.issue(entry()));
  assert.equal(writes, Math.ceil(new TextEncoder().encode(printEntry(entry())).length / 3));
  assert.deepEqual((await folder.ledger.find({ messageId: "1@example.net" })).map(({ entry }) => entry), [entry()]);
});

Deno.test("A ledger that is not a folder is a temporary failure", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(`${folder.path}/ledger`, "");
  await assert.rejects(folder.ledger.issue(entry()), { kind: "temporary" });
  await assert.rejects(folder.ledger.find({ list: "x@a.example" }), { kind: "temporary" });
  await assert.rejects(async () => await folder.ledger.claim("x"), { kind: "temporary" });
});
