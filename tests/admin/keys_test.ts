/** `countersign keys`: no key is lost, and no secret is printed. */
import assert from "node:assert/strict";
import { importedSecrets, SECRET_SOURCES, type SecretSource } from "../../admin/imported_secrets.ts";
import { ids, keepsAll, nextId, retiredKeys, withFirst, withLast, withRetired } from "../../admin/keyfile.ts";
import { decodeLatin1, encodeLatin1, utf8 } from "../../lib/bytes.ts";
import { dayOf, parseDay, printDay } from "../../lib/date.ts";
import { KEY_LIFETIME_DAYS, parseKeys } from "../../lib/settings/keys.ts";
import { prvsSign, srsForward } from "../../mod.ts";
import { CREATED, Home, oneLine, SECRET } from "../rig.ts";
import { commandHere } from "./resident.ts";
import { countersign } from "./run.ts";

const KEYS = ".config/countersign/keys";
const CONFIG = ".config/countersign/config.toml";
const TODAY = () => printDay(dayOf(new Date()));

const file = (home: Home, name = KEYS) => parseKeys(home.read(name), name);
const idsOf = (home: Home, name = KEYS) => file(home, name).map(({ id }) => id);

/** A home with two identities. */
function homeWithTwo(): Home {
  const home = new Home();
  home.settings(`[[identity]]
address = "ann@example.org"
srs_domain = "srs.example.org"
keys = "keys-ann"
[transport]
via = "maildir"
maildir = "~/out"
`);
  home.write(`${KEYS}-ann`, `k1 ${CREATED} another ${SECRET}\n`, 0o600);
  return home;
}

// Editing the text of a key file.

const key = (id: string) => ({ id, created: parseDay("2026-11-20")!, secret: utf8(`secret of ${id}`) });
const line = (id: string) => `${id} 2026-11-20 base64:${utf8(`secret of ${id}`).toBase64()}`;

/** [what, text, changed] */
const changes: [string, string, string][] = [
  [
    "last",
    withLast("# mine\nk1 2026-01-01 x\n", [key("k2"), key("k3")]),
    `# mine\nk1 2026-01-01 x\n${line("k2")}\n${line("k3")}\n`,
  ],
  ["last, the line end missing", withLast("k1 2026-01-01 x", [key("k2")]), `k1 2026-01-01 x\n${line("k2")}\n`],
  ["last, in an empty file", withLast("", [key("k1")]), `${line("k1")}\n`],
  [
    "first, after the comments",
    withFirst("# mine\n\nk1 2026-01-01 x\n", [key("old")]),
    `# mine\n\n${line("old")}\nk1 2026-01-01 x\n`,
  ],
  [
    "retired",
    withRetired("k1 2026-01-01 x\nk2 2026-01-02 y\n", "k1", parseDay("2026-11-20")!),
    "# retired 2026-11-20: k1 2026-01-01 x\nk2 2026-01-02 y\n",
  ],
];
for (const [what, text, expected] of changes) {
  Deno.test(`an edited key file: ${what}`, () => assert.equal(text, expected));
}

Deno.test("retired keys are listed, and their ids are not reused", () => {
  const text = withRetired("k1 2026-01-01 x\nk9\t2026-01-02 y\nother 2026-01-03 z\n", "k9", parseDay("2026-11-20")!);
  assert.deepEqual(retiredKeys(text), [{ id: "k9", created: "2026-01-02", retired: "2026-11-20" }]);
  assert.deepEqual(ids(text), ["k1", "other", "k9"]);
  assert.equal(nextId(text), "k10");
  assert.equal(nextId("other 2026-01-03 z\n"), "k1");
  assert.throws(() => withRetired(text, "k9", 0), { kind: "usage" });
});

Deno.test("a change that would lose a key is detected", () => {
  const text = "# mine\n# retired 2026-01-01: k0 2025-01-01 w\nk1 2026-01-01 x\nk2 2026-01-02 y\n";
  const kept = [text, withFirst(text, [key("k3")]), withLast(text, [key("k3")]), withRetired(text, "k1", 20_000)];
  for (const after of [...kept, text.replace("# mine\n", "")]) assert.ok(keepsAll(text, after), after);
  for (const line of text.split("\n").slice(1, 4)) {
    for (const instead of ["", `# ${line}\n`, `${line}z\n`]) {
      assert.ok(!keepsAll(text, text.replace(`${line}\n`, instead)), `${line} -> ${instead}`);
    }
  }
});

// The secrets of other software.

/** [program, its file, --newline, its secrets] */
const sources: [SecretSource, string, boolean | undefined, string[]][] = [
  ["mail-srs", "# mine\nsec\n\n  \nold\n", undefined, ["sec\n", "old\n"]],
  ["mail-srs", "sec", undefined, ["sec"]],
  ["mail-srs", "sec\r\n", undefined, ["sec\r\n"]],
  ["mail-srs", "# mine\nsec\nold\n", false, ["sec", "old"]],
  ["mail-srs", "sec", true, ["sec\n"]],
  ["postsrsd", "sec\r\n\n#no comment\nold", undefined, ["sec", "#no comment", "old"]],
  ["postsrsd", "sec\n", true, ["sec\n"]],
  ["postsrsd", `${"x".repeat(1023)}\n`, undefined, ["x".repeat(1023)]],
  ["exim", "sec\n", undefined, ["sec"]],
  ["exim", "two words", undefined, ["two words"]],
  ["batv-tools", "sec\n", undefined, ["sec\n"]],
  ["batv-tools", "two\nlines\n", undefined, ["two\nlines\n"]],
  ["batv-tools", "\x00\xff\x80\n", undefined, ["\x00\xff\x80\n"]],
  ["batv-tools", "sec\n", false, ["sec"]],
  ["pymsgauth", "[default]\nconfirm_domain = x\nsecret = sec ret \n", undefined, ["sec ret"]],
  ["pymsgauth", "secret: sec\n", undefined, ["sec"]],
];
for (const [source, text, newline, expected] of sources) {
  Deno.test(`secrets of ${source} in ${JSON.stringify(text.slice(0, 40))}, --newline ${newline}`, () => {
    assert.deepEqual(importedSecrets(encodeLatin1(text), source, newline).map(decodeLatin1), expected);
  });
}

Deno.test("a file without a secret is an error, and so is a line that postsrsd would split", () => {
  for (const source of SECRET_SOURCES) {
    for (const text of ["", "\n"]) {
      assert.throws(() => importedSecrets(encodeLatin1(text), source), { kind: "data" }, source + text);
    }
  }
  assert.throws(() => importedSecrets(encodeLatin1("# secret\n"), "mail-srs"), { kind: "data" });
  assert.throws(() => importedSecrets(encodeLatin1("x".repeat(1024)), "postsrsd"), { kind: "data" });
});

// The command.

Deno.test("keys new creates a missing key file: for the user alone, or with identity.group for its group, too", async () => {
  for (const [group, mode] of [["", 0o600], ["group = true\n", 0o640]] as const) {
    using home = homeWithTwo();
    const settings = home.read(CONFIG);
    home.write(CONFIG, settings.replace('keys = "keys-ann"\n', `keys = "keys-jo"\n${group}`), 0o600);
    const path = `${home.path}/${KEYS}-jo`;
    const retired = await countersign(home, ["keys", "retire", "k1", "--address", "ann@example.org"]);
    oneLine(retired, 78, /keys-jo: Key file does not exist: countersign keys new\n$/);
    const made = await countersign(home, ["keys", "new", "--address", "ann@example.org"]);
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    assert.equal(made.stdout, `Written: ${path}\nk1 signs for ann@example.org from now on\n`);
    assert.equal(Deno.statSync(path).mode! & 0o777, mode);
    assert.equal((await countersign(home, ["keys", "new", "--address", "ann@example.org"])).code, 0);
    assert.deepEqual(idsOf(home, `${KEYS}-jo`), ["k2", "k1"]);
  }
});

Deno.test("keys list prints ids, dates and uses, but no secret", async () => {
  using home = new Home();
  const old = printDay(dayOf(new Date()) - KEY_LIFETIME_DAYS);
  const text = `k0 ${old} zero ${SECRET}\nk1 ${CREATED} ${SECRET}\nk2 ${TODAY()} two ${SECRET}\nk9 2999-01-01 nine\n`;
  home.write(KEYS, `# retired 2026-02-03: k3 2026-01-02 three ${SECRET}\n${text}`, 0o600);
  const ran = await commandHere(home, ["keys", "list"]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.ok(!ran.stdout.includes(SECRET));
  const [head, ...rows] = ran.stdout.trimEnd().split("\n");
  assert.equal(head, `greg@example.org  ${home.path}/${KEYS}`);
  const until = printDay(parseDay(CREATED)! + KEY_LIFETIME_DAYS - 1);
  assert.deepEqual(rows.map((row) => row.trim().split(/  +/)), [
    ["k9", "2999-01-01", "signs from 2999-01-01, verifies from the day before"],
    ["k2", TODAY(), `signs; verifies until ${printDay(dayOf(new Date()) + KEY_LIFETIME_DAYS - 1)}`],
    ["k1", CREATED, `verifies until ${until}`],
    ["k0", old, "not used: expired"],
    ["k3", "2026-01-02", "retired 2026-02-03"],
  ]);
});

Deno.test("keys list prints all identities, or one", async () => {
  using home = homeWithTwo();
  const names = async (...args: string[]) =>
    (await commandHere(home, ["keys", "list", ...args])).stdout.match(/^\S+@\S+/gm);
  assert.deepEqual(await names(), ["greg@example.org", "ann@example.org"]);
  assert.deepEqual(await names("--address", "ANN@example.org"), ["ann@example.org"]);
});

Deno.test("a new key signs, the old one verifies until it is retired; mode and owner are kept, and no draft is left", async () => {
  using home = new Home();
  const path = `${home.path}/${KEYS}`;
  const before = Deno.statSync(path);
  const signed = (await commandHere(home, ["sign", "greg@example.org"])).stdout.trim();
  const made = await commandHere(home, ["keys", "new"]);
  assert.deepEqual(made, { code: 0, stdout: "k2 signs for greg@example.org from now on\n", stderr: "" });
  const [second, first] = file(home);
  assert.deepEqual([second!.id, printDay(second!.created), second!.secret.length], ["k2", TODAY(), 32]);
  assert.deepEqual([first!.id, first!.secret], ["k1", utf8(SECRET)]);
  const after = Deno.statSync(path);
  assert.deepEqual([after.mode! & 0o777, after.uid, after.gid], [0o600, before.uid, before.gid]);
  assert.notEqual(after.ino, before.ino, "the file is replaced, not overwritten, so that a crash loses no keys");
  assert.deepEqual([...Deno.readDirSync(`${home.path}/.config/countersign`)].map(({ name }) => name).sort(), [
    "config.sandbox",
    "config.toml",
    "keys",
  ]);

  const again = (await commandHere(home, ["sign", "greg@example.org"])).stdout.trim();
  assert.notEqual(again, signed);
  for (const one of [signed, again]) assert.equal((await commandHere(home, ["verify", one])).code, 0);
  oneLine(await commandHere(home, ["keys", "retire", "k2"]), 64, /k2 is the one that signs: create another one first/);
  const retired = await commandHere(home, ["keys", "retire", "k1"]);
  assert.deepEqual([retired.code, retired.stderr], [0, ""]);
  assert.deepEqual(idsOf(home), ["k2"]);
  assert.match(home.read(KEYS), new RegExp(`^# retired ${TODAY()}: k1 ${CREATED} ${SECRET}$`, "m"));
  assert.equal((await commandHere(home, ["verify", signed])).code, 1);
  assert.equal((await commandHere(home, ["verify", again])).code, 0);
  oneLine(await commandHere(home, ["keys", "retire", "k1"]), 64, /Unknown key "k1"/);
});

Deno.test("a key for a later day does not sign before it", async () => {
  using home = new Home();
  const later = new Date(Date.now() + 10 * 86_400_000).toISOString().slice(0, 10);
  const made = await commandHere(home, ["keys", "new", "--signs-from", later]);
  const said = `k2 signs for greg@example.org from ${later} on. Copy ${home.path}/${KEYS} to all hosts before\n`;
  assert.deepEqual(made, { code: 0, stdout: said, stderr: "" });
  assert.deepEqual([idsOf(home), printDay(file(home)[0]!.created)], [["k2", "k1"], later]);
  const { stdout } = await commandHere(home, ["keys", "list"]);
  assert.match(stdout, new RegExp(`k2 +${later} +signs from ${later}, verifies from the day before`));
  assert.match(stdout, /k1 .* signs; verifies until/);
});

Deno.test("a group-readable key file keeps its mode, and a link is kept", async () => {
  using home = new Home();
  home.settings(`keys = "link"\ngroup = true\n[transport]\nvia = "maildir"\nmaildir = "~/out"`);
  home.write("real-keys", `k1 ${CREATED} ${SECRET}\n`, 0o640);
  Deno.symlinkSync(`${home.path}/real-keys`, `${home.path}/.config/countersign/link`);
  assert.equal((await countersign(home, ["keys", "new"])).code, 0);
  assert.equal(Deno.statSync(`${home.path}/real-keys`).mode! & 0o777, 0o640);
  assert.ok(Deno.lstatSync(`${home.path}/.config/countersign/link`).isSymlink);
  assert.deepEqual(idsOf(home, "real-keys"), ["k2", "k1"]);
});

Deno.test("concurrent changes: every reported key is in the file", async () => {
  using home = new Home();
  const ran = await Promise.all(Array.from({ length: 6 }, () => countersign(home, ["keys", "new"])));
  for (const one of ran.filter(({ code }) => code !== 0)) oneLine(one, 75, /File is locked by another change/);
  const made = ran.filter(({ code }) => code === 0).map(({ stdout }) => stdout.split(" ")[0]!);
  assert.ok(made.length > 0);
  assert.deepEqual(idsOf(home).sort(), ["k1", ...made].sort());
});

Deno.test("an aborted change does not block others; a concurrent one does, and nothing is lost", async () => {
  using home = new Home();
  const draft = home.write(`${KEYS}.new`, "half a ke", 0o600);
  const before = home.read(KEYS);
  {
    using held = Deno.openSync(draft, { write: true });
    held.lockSync(true);
    oneLine(await countersign(home, ["keys", "new"]), 75, /keys\.new: File is locked by another change/);
    assert.equal(home.read(KEYS), before);
  }
  assert.equal((await countersign(home, ["keys", "new"])).code, 0);
  assert.ok(home.read(KEYS).startsWith(before));
  assert.equal(home.read(KEYS).split("\n").length, before.split("\n").length + 1);
  assert.equal(Deno.statSync(`${home.path}/${KEYS}`).mode! & 0o777, 0o600);
  assert.throws(() => Deno.lstatSync(draft), Deno.errors.NotFound);
});

Deno.test("a symbolic link at the path of the draft is not followed", async () => {
  using home = new Home();
  const other = home.write("other", "not ours");
  Deno.symlinkSync(other, `${home.path}/${KEYS}.new`);
  oneLine(await countersign(home, ["keys", "new"]), 74, /keys\.new: File cannot be written: it is a symbolic link/);
  assert.equal(home.read("other"), "not ours");
});

Deno.test("imported secrets verify what the other software signed, and do not sign", async () => {
  const now = new Date();
  const srs = (secret: string) =>
    srsForward("greg@example.org", "srs.example.org", { secrets: [secret], hashLength: 8, now });
  const prvs = (secret: string, keyNumber = 0) => prvsSign("greg@example.org", { secret, keyNumber, now });
  const cases: [string[], string, string][] = [
    [["--from", "mail-srs"], "sec\nold\n", srs("old\n")],
    [["--from", "mail-srs", "--newline", "cut"], "sec\n", srs("sec")],
    [["--from", "postsrsd"], "first\nsecond\n", srs("second")],
    [["--from", "exim", "--id", "exim7"], "sec\n", prvs("sec", 7)],
    [["--from", "batv-tools"], "sec\n", prvs("sec\n")],
    [["--from", "pymsgauth"], "secret = sec\n", srs("sec")],
  ];
  for (const [args, text, signed] of cases) {
    using home = new Home();
    home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[prvs]\nreceive = true\n`);
    const before = (await commandHere(home, ["sign", "greg@example.org"])).stdout;
    assert.equal((await commandHere(home, ["verify", signed])).code, 1, args.join(" "));
    const path = home.write("former", text, 0o600);
    const ran = await commandHere(home, ["keys", "import", path, ...args]);
    assert.deepEqual([ran.code, ran.stderr], [0, ""], args.join(" "));
    assert.equal((await commandHere(home, ["verify", signed])).code, 0, args.join(" "));
    assert.equal((await commandHere(home, ["sign", "greg@example.org"])).stdout, before);
    // A second import changes nothing.
    const whole = home.read(KEYS);
    const again = await countersign(home, ["keys", "import", "-", ...args], text);
    assert.deepEqual(again, {
      code: 0,
      stdout: "Nothing was imported: the file already contains these secrets\n",
      stderr: "",
    });
    assert.equal(home.read(KEYS), whole);
  }
});

Deno.test("with --sign the first imported secret signs", async () => {
  using home = new Home();
  const ran = await countersign(home, ["keys", "import", "-", "--from", "postsrsd", "--sign"], "first\nsecond\n");
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  const [signs, ...more] = file(home);
  assert.deepEqual([signs!.secret, more.map(({ secret }) => secret)], [utf8("first"), [utf8("second"), utf8(SECRET)]]);
  assert.ok(ran.stdout.includes(signs!.id) && !ran.stdout.includes("second"));
});

Deno.test("after an import from postsrsd, its addresses verify with the lines that are printed", async () => {
  using home = new Home();
  const theirs = srsForward("greg@example.org", "srs.example.org", {
    secrets: ["sec"],
    hashLength: 4,
    now: new Date(),
  });
  const ran = await countersign(home, ["keys", "import", "-", "--from", "postsrsd"], "sec\n");
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.match(ran.stdout, /writes 4 characters of the hash.*\nverify only with srs\.hash_length = 4; now it is 8\./);
  const verdict = await commandHere(home, ["verify", theirs]);
  assert.equal(verdict.code, 1);
  assert.match(verdict.stdout, /^forged: SRS address has a hash that is too short: 4 characters, .* requires 8$/m);

  const [lines = ""] = /^\[srs\]\nhash_length = 4$/m.exec(ran.stdout) ?? [];
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n${lines}\n`);
  assert.deepEqual((await commandHere(home, ["verify", theirs])).code, 0);
  const again = await countersign(home, ["keys", "import", "-", "--from", "postsrsd"], "another\n");
  assert.match(again.stdout, /^Its addresses verify: srs\.hash_length = 4 is set$/m);
  // Exim and batv-tools make no SRS hashes.
  const exim = await countersign(home, ["keys", "import", "-", "--from", "exim"], "third");
  assert.doesNotMatch(exim.stdout, /hash_length/);
});

Deno.test("imported keys have key number 0 in prvs, and unique ids", async () => {
  using home = new Home();
  const secrets = Array.from({ length: 30 }, (_, nth) => `secret ${nth}`);
  const ran = await countersign(home, ["keys", "import", "-", "--from", "postsrsd"], secrets.join("\n"));
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  const imported = file(home).filter(({ id }) => id !== "k1");
  assert.equal(imported.length, secrets.length);
  for (const { id } of imported) assert.match(id, /^old[a-z]*$/);
});

const errors: [args: string[], stdin: string, message: RegExp, status: number][] = [
  [[], "", /Subcommand is missing: use one of list, new, retire, import/, 64],
  [["constructor"], "", /Unknown subcommand "constructor"/, 64],
  [["new"], "", /There are several identities: choose one with --address: greg@example\.org, ann@example\.org/, 64],
  [
    ["new", "--address", "eve@example.org"],
    "",
    /is not an identity: use one of .*, or add an \[\[identity\]\] with /,
    64,
  ],
  [["new", "k5", "--address", "ann@example.org"], "", /Unknown argument "k5"/, 64],
  [["new", "--sign"], "", /--sign is for import only/, 64],
  [["new", "--forse"], "", /Unknown option "--forse"/, 64],
  [["retire", "--address", "ann@example.org"], "", /ID is missing/, 64],
  [["retire", "k1", "--address", "ann@example.org"], "", /k1 is the one that signs: create another/, 64],
  [["retire", "k7", "--address", "ann@example.org"], "", /Unknown key "k7"/, 64],
  [["import", "-"], "sec", /--from is missing: use one of mail-srs, postsrsd/, 64],
  [["import", "--from", "exim"], "sec", /FILE is missing/, 64],
  [["import", "-", "--from", "sendmail"], "sec", /"sendmail", not one of: mail-srs, postsrsd/, 64],
  [["import", "-", "--from", "exim", "--address", "ann@example.org", "--newline", "no"], "sec", /keep, cut/, 64],
  [["import", "-", "--from", "exim", "--address", "ann@example.org"], "", /No secret of exim/, 65],
  [
    ["import", "/nonexistent", "--from", "exim", "--address", "ann@example.org"],
    "",
    /\/nonexistent: File cannot be read/,
    74,
  ],
  [
    ["import", "-", "--from", "exim", "--address", "ann@example.org"],
    SECRET,
    /already in the key file of greg@example\.org/,
    65,
  ],
  [
    ["import", "-", "--from", "exim", "--address", "ann@example.org", "--id", "K!"],
    "sec",
    /1 to 8 characters of a-z/,
    64,
  ],
  [
    ["import", "-", "--from", "exim", "--address", "ann@example.org", "--id", "k1"],
    "sec",
    /Key id k1 is or was the id of another key/,
    64,
  ],
  [["import", "-", "--from", "postsrsd", "--address", "ann@example.org", "--id", "p"], "a\nb", /with one secret/, 64],
  [
    ["new", "--address", "ann@example.org", "--signs-from", "2026-01-01"],
    "",
    /--signs-from 2026-01-01 is in the past/,
    64,
  ],
  [["list", "--signs-from", "2026-01-01"], "", /Option --signs-from is for new only/, 64],
  [["import", "-", "--from", "exim", "--address", "ann@example.org", "--created", "now"], "sec", /not a date/, 64],
  [["import", "-", "--from", "exim", "--address", "ann@example.org", "--created", "2026-05-05"], "s", /would sign/, 64],
  [
    ["import", "-", "--from", "exim", "--address", "ann@example.org", "--created", "2025-05-05", "--sign"],
    "sec",
    /would not sign, because there is a newer one/,
    64,
  ],
];
for (const [args, input, pattern, status] of errors) {
  Deno.test(`keys ${JSON.stringify(args)} is rejected with one line, and changes nothing`, async () => {
    using home = homeWithTwo();
    const files = () => [home.read(KEYS), home.read(`${KEYS}-ann`)];
    const before = files();
    const ran = await countersign(home, ["keys", ...args], input);
    oneLine(ran, status, pattern);
    assert.ok(!ran.stderr.includes(SECRET));
    assert.deepEqual(files(), before);
    const left = [...Deno.readDirSync(`${home.path}/.config/countersign`)].map(({ name }) => name).sort();
    assert.deepEqual(left, ["config.sandbox", "config.toml", "keys", "keys-ann"]);
  });
}

Deno.test("keys --help has an example", async () => {
  using home = new Home();
  for (const args of [["keys", "--help"], ["keys", "import", "--help"], ["help", "keys"]]) {
    const ran = await commandHere(home, args);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    assert.match(ran.stdout, /^Usage: countersign keys [^]*^Example: countersign keys import /m);
  }
});
