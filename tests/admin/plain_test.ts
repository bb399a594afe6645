/** plain: lists are added, printed and removed; the user's own lines are kept, and the shim uses the file. */
import assert from "node:assert/strict";
import { fieldOf, Home, ledgerFiles, oneLine } from "../rig.ts";
import { countersign, snapshot } from "./home.ts";

const FILE = ".config/countersign/plain-lists";
const [TALK, NEWS] = ["talk@lists.example.org", "news@lists.example.org"];

async function ok(home: Home, ...args: string[]): Promise<string> {
  const ran = await countersign(home, ["plain", ...args]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  return ran.stdout;
}

/** Returns the scheme that the shim uses for a recipient. */
async function scheme(home: Home, to: string): Promise<"plain" | "srs"> {
  const ran = await home.shim(["--", to], "From: greg@example.org\n\nHi.\n");
  assert.equal(ran.code, 0, ran.stderr);
  const sender = fieldOf(home.mails("out").at(-1)!, "Return-Path");
  Deno.removeSync(`${home.path}/out`, { recursive: true });
  return sender === "<greg@example.org>" ? "plain" : /^<SRS0=/.test(sender) ? "srs" : assert.fail(sender);
}

Deno.test("mail to a list has the plain sender after add, and a signed one after remove", async () => {
  using home = new Home();
  assert.equal(await ok(home), "");
  assert.equal(home.read(FILE), "");
  assert.equal(await scheme(home, TALK), "srs");
  assert.equal(await ok(home, "add", "Talk@Lists.Example.ORG"), "");
  assert.equal(await ok(home), `${TALK}\n`);
  assert.deepEqual([await scheme(home, TALK), await scheme(home, "TALK@lists.example.org")], ["plain", "plain"]);
  assert.deepEqual([await scheme(home, NEWS), await scheme(home, `x${TALK}`)], ["srs", "srs"]);
  await ok(home, "add", NEWS, TALK);
  assert.equal(home.read(FILE), `${TALK}\n${NEWS}\n`);
  assert.equal(await ok(home), `${NEWS}\n${TALK}\n`, "sorted when they are shown");
  await ok(home, "remove", "TALK@lists.example.org");
  assert.deepEqual([await scheme(home, TALK), await scheme(home, NEWS)], ["srs", "plain"]);
  await ok(home, "remove", NEWS);
  assert.equal(home.read(FILE), "");
});

Deno.test("the lists take precedence over the rules of the settings, except for confirmation", async () => {
  using home = new Home();
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n
[[rule]]\nto = ["*@lists.example.org"]\nsender = "srs"\nconfirm = true\n\n[challenge]\nanswer = true\n`);
  await ok(home, "add", TALK);
  assert.deepEqual([await scheme(home, TALK), await scheme(home, NEWS)], ["plain", "srs"]);
  assert.equal(ledgerFiles(`${home.path}/.local/state/countersign/ledger`).issued.length, 2);
});

Deno.test("the user's own lines are kept, and adding a list twice writes it once", async () => {
  using home = new Home();
  const own = `# my lists\n\n  ${TALK}   # since May`;
  home.write(FILE, own, 0o640);
  await ok(home, "add", TALK);
  assert.equal(home.read(FILE), own, "nothing to add");
  await ok(home, "add", NEWS, NEWS);
  assert.equal(home.read(FILE), `${own}\n${NEWS}\n`);
  assert.equal(Deno.statSync(`${home.path}/${FILE}`).mode! & 0o777, 0o640);
  await ok(home, "remove", TALK);
  assert.equal(home.read(FILE), `# my lists\n\n${NEWS}\n`);
  assert.deepEqual([...Deno.readDirSync(`${home.path}/.config/countersign`)].map(({ name }) => name).sort(), [
    "config.sandbox",
    "config.toml",
    "keys",
    "plain-lists",
  ], "no other file is left");
});

Deno.test("the new file is as readable as the settings", async () => {
  for (const mode of [0o600, 0o644]) {
    using home = new Home();
    Deno.chmodSync(`${home.path}/.config/countersign/config.toml`, mode);
    await ok(home, "add", TALK);
    assert.equal(Deno.statSync(`${home.path}/${FILE}`).mode! & 0o777, mode);
  }
});

Deno.test("the setting and --config select the file", async () => {
  using home = new Home();
  const other = home.write("other/c.toml", home.read(".config/countersign/config.toml"));
  home.write("other/keys", home.read(".config/countersign/keys"), 0o600);
  await ok(home, "add", TALK, "--config", other);
  assert.deepEqual([home.read("other/plain-lists"), home.read(FILE)], [`${TALK}\n`, ""]);
  for (const word of [[], ["list"]]) assert.equal(await ok(home, ...word, "--config", other), `${TALK}\n`);
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n`, 'plain_lists = "~/lists.txt"\n');
  await ok(home, "add", NEWS);
  assert.equal(home.read("lists.txt"), `${NEWS}\n`);
});

/** [the text of the file, its mode, the error message] */
const broken: [string, number, RegExp, number][] = [
  [`${TALK}\nno address\n`, 0o600, /plain-lists:2: Address "no address" /, 78],
  [`*@lists.example.org\n`, 0o600, /plain-lists:1: .*\[\[rule\]\]/, 78],
  [`${TALK}\n`, 0o666, /plain-lists: File of lists is writable by others \(mode 0666\): chmod 644 /, 77],
];
for (const [text, mode, says, code] of broken) {
  Deno.test(`a damaged file is reported by all commands, and nothing is sent: ${JSON.stringify(text)} ${mode.toString(8)}`, async () => {
    using home = new Home();
    home.write(FILE, text, mode);
    const before = snapshot(home.path);
    for (const args of [[], ["add", NEWS], ["remove", TALK]]) {
      oneLine(await countersign(home, ["plain", ...args]), code, says);
    }
    oneLine(await home.shim(["--", TALK], "From: greg@example.org\n\nHi.\n"), code, says);
    assert.deepEqual(snapshot(home.path), before);
  });
}

/** [arguments, error message] */
const usageErrors: [string[], RegExp][] = [
  [["ad", TALK], /Unknown argument "ad": use list, add or remove/],
  [["add"], /No list given: plain add LIST@HOST/],
  [["remove"], /No list given: plain remove LIST@HOST/],
  [["add", "talk"], /Address "talk" has no @/],
  [["add", "a b@example.org"], /Address "a b@example.org" is not well formed/],
  [["add", "*@example.org"], /is not the address of a list: use a \[\[rule\]\] for patterns/],
  [["add", "a#b@example.org"], /is not the address of a list/],
  [["add", TALK, "two\nlines@example.org"], /Address "two\\nlines@example.org"/],
  [["remove", TALK], /plain-lists: List talk@lists\.example\.org is not in this file$/m],
  [["--all"], /Unknown option "--all"/],
];
for (const [args, message] of usageErrors) {
  Deno.test(`plain ${JSON.stringify(args)} is rejected, and nothing is written`, async () => {
    using home = new Home();
    const before = snapshot(home.path);
    oneLine(await countersign(home, ["plain", ...args]), 64, message);
    assert.deepEqual(snapshot(home.path), before);
  });
}

Deno.test("a file of lists may be long", async () => {
  using home = new Home();
  home.write(FILE, Array.from({ length: 20_000 }, (_, nth) => `list${nth}@lists.example.org\n`).join("") + TALK);
  assert.deepEqual([await scheme(home, TALK), await scheme(home, NEWS)], ["plain", "srs"]);
});

Deno.test("the hook does not read the lists", async () => {
  using home = new Home();
  home.write(FILE, "no list\n");
  const env = { SENDER: "jo@b.example", RECIPIENT: "greg@example.org" };
  assert.deepEqual(await home.hook([], "Subject: x\n\nHi.\n", env), { code: 0, stdout: "", stderr: "" });
});

Deno.test("a missing folder of the list file means an empty list", async () => {
  using home = new Home();
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n`, 'plain_lists = "~/nowhere/lists"\n');
  const ran = await home.shim(["ann@example.net"], "From: greg@example.org\n\nhi\n");
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.equal(home.mails("out").length, 1);
});
