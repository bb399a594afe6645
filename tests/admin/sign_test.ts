/** `countersign sign` and `verify`: the sender of the shim, and the verdict of the hook. */
import assert from "node:assert/strict";
import { launcherText } from "../../build/install/launcher.ts";
import { dayOf } from "../../lib/date.ts";
import { fieldOf, Home, oneLine, type Ran, ROOT, SECRET } from "../rig.ts";
import { prvsVerify, srsReverse } from "../../mod.ts";
import { commandHere } from "./resident.ts";

const DAY = 86_400_000;
const iso = (day: number) => new Date(day * DAY).toISOString().slice(0, 10);
const SIGNED = dayOf(new Date("2026-11-20"));

/** greg's home, with a maildir as transport, and prvs enabled. */
function gregs(top = ""): Home {
  const home = new Home();
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[prvs]\nreceive = true\n`, top);
  return home;
}

async function signed(home: Home, ...args: string[]): Promise<string> {
  const ran = await commandHere(home, ["sign", "greg@example.org", ...args]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.match(ran.stdout, /^\S+\n$/);
  return ran.stdout.trim();
}

Deno.test("sign prints the sender that the shim uses", async () => {
  using home = gregs();
  assert.equal((await home.shim(["ann@example.net"], "From: greg@example.org\n\nHi.\n")).code, 0);
  assert.equal(fieldOf(home.mails("out")[0]!, "Return-Path"), `<${await signed(home)}>`);
});

Deno.test("sign: schemes and dates", async () => {
  using home = gregs();
  const now = new Date(SIGNED * DAY);
  const srs = await signed(home, "--now", iso(SIGNED));
  const options = { secrets: [SECRET], hashLength: 8, now };
  assert.equal(srsReverse(srs, { ...options, alphabet: "base64url" }), "greg@example.org");
  assert.equal(srs, await signed(home, "--scheme=srs", "--now", `${iso(SIGNED)}T23:59Z`));
  assert.notEqual(srs, await signed(home, "--now", iso(SIGNED + 1)));
  const prvs = await signed(home, "--scheme", "prvs", "--now", iso(SIGNED));
  assert.equal(prvsVerify(prvs, { secrets: { 1: SECRET }, lifetime: 14, now }), "greg@example.org");
});

Deno.test("sign: the settings select the scheme", async () => {
  using prvs = gregs('sender = "prvs"');
  assert.match(await signed(prvs), /^prvs=/);
  using plain = gregs('sender = "plain"');
  oneLine(await commandHere(plain, ["sign", "greg@example.org"]), 64, /sender = "plain": give --scheme/);
  assert.match(await signed(plain, "--scheme", "srs"), /^SRS0=/);
});

/** [days after signing, word, status] */
const ages: ["srs" | "prvs", number, string, number][] = [
  ["srs", 0, "valid", 0],
  ["srs", -1, "valid", 0],
  ["srs", 21, "valid", 0],
  ["srs", 22, "late", 1],
  ["srs", 179, "late", 1],
  ["srs", 180, "forged", 1],
  ["prvs", 14, "valid", 0],
  ["prvs", 15, "late", 1],
  ["prvs", 179, "late", 1],
  ["prvs", 180, "forged", 1],
  ["prvs", -3, "late", 1],
  ["srs", -3, "late", 1],
  ["srs", 1000, "unjudged", 1],
  ["prvs", 1000, "unjudged", 1],
];
for (const [scheme, days, word, status] of ages) {
  Deno.test(`verify: ${scheme} after ${days} days is ${word}`, async () => {
    using home = gregs();
    const one = await signed(home, "--scheme", scheme, "--now", iso(SIGNED));
    const ran = await commandHere(home, ["verify", one, "--now", iso(SIGNED + days)]);
    assert.deepEqual([ran.code, ran.stderr], [status, ""]);
    assert.match(ran.stdout, new RegExp(`^${word}: .+\n$`));
  });
}

Deno.test("verify prints the reason", async () => {
  using home = gregs();
  const one = await signed(home, "--now", iso(SIGNED));
  const cases: [string, RegExp][] = [
    [one, /^valid: signed address of greg@example\.org$/m],
    [`greg-srs-${one}`, /^valid: /],
    [one.replace(/=.{8}=/, "=aaaaaaaa="), /^forged: .*wrong hash$/m],
    [one.replace("=greg@", "=eve@"), /^forged: .*does not belong to any identity$/m],
    ["prvs=1331000000=greg@example.org", /^forged: .*wrong signature$/m],
    ["greg@example.org", /^unsigned: .*not a signed address$/m],
    ["greg@srs.example.org", /^forged: unsigned address in the SRS domain$/m],
    ["postmaster@srs.example.org", /^unsigned: postmaster of the SRS domain$/m],
    ["SRS0=aaaaaaaa=JJ=other.example=x@elsewhere.example", /^unsigned: /],
    ["no address at all", /^unsigned: /],
  ];
  for (const [text, says] of cases) {
    const ran = await commandHere(home, ["verify", text, "--now", iso(SIGNED)]);
    assert.match(ran.stdout, says, text);
    assert.equal(ran.code, ran.stdout.startsWith("valid") ? 0 : 1);
  }
  // incoming.forged does not change the result.
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nforged = "mark"\n`);
  const ran = await commandHere(home, ["verify", one.replace(/=.{8}=/, "=aaaaaaaa=")]);
  assert.match(ran.stdout, /^forged: /);
});

/** [arguments, error message, status] */
const usageErrors: [string[], RegExp, number][] = [
  [["sign"], /ADDRESS is missing/, 64],
  [["sign", "a@example.org", "b@example.org"], /Unknown argument "b@example\.org"/, 64],
  [["sign", "eve@example.org"], /"eve@example\.org" is not an identity: use one of greg@example\.org/, 64],
  [["sign", "greg@example.org", "--scheme", "plain"], /"plain", not one of: srs, prvs/, 64],
  [["sign", "greg@example.org", "--now", "2026-02-30"], /not a date/, 64],
  [["sign", "greg@example.org", "--now", "tomorrow"], /not a date/, 64],
  [["sign", "greg@example.org", "--now", "2025-01-01"], /No key of greg@example\.org can sign/, 78],
  [["sign", "greg@example.org", "--now"], /--now needs a value/, 64],
  [["sign", "greg@example.org", "--config", "/nonexistent/c"], /\/nonexistent\/c: Settings file does not exist/, 78],
  [["verify"], /ADDRESS is missing/, 64],
  [["verify", "x@example.org", "--scheme", "srs"], /Unknown option "--scheme"/, 64],
];
for (const [args, pattern, status] of usageErrors) {
  Deno.test(`${JSON.stringify(args)} is rejected with one line`, async () => {
    using home = gregs();
    oneLine(await commandHere(home, args), status, pattern);
  });
}

Deno.test("sign: an impossible scheme is an error", async () => {
  using home = new Home();
  oneLine(await commandHere(home, ["sign", "greg@example.org", "--scheme", "prvs"]), 78, /prvs\.receive is off/);
});

Deno.test("--help has an example", async () => {
  using home = gregs();
  for (const name of ["sign", "verify"]) {
    const ran = await commandHere(home, [name, "--help"]);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    assert.match(ran.stdout, new RegExp(`^Usage: countersign ${name} [^]*^Example: countersign ${name} `, "m"));
  }
});

Deno.test("the launcher passes exit status 1 of verify, but not of mail programs", async () => {
  using home = gregs();
  const config = `--config "${ROOT}/deno.json"`;
  const launcher = (entry: string) =>
    launcherText({ program: "countersign", rights: "", deno: "deno", entry, flags: `--frozen ${config}`, cache: "" });
  const run = (name: string, entry: string, args: string[]): Promise<Ran> =>
    home.run([home.write(`tools/${name}`, launcher(entry), 0o755), ...args]);
  const main = `${ROOT}/main.ts`;
  assert.equal((await run("countersign", main, ["verify", await signed(home)])).code, 0);
  assert.equal((await run("countersign", main, ["verify", "x@example.org"])).code, 1);
  assert.equal((await run("verify", main, ["x@example.org"])).code, 1);
  // Deno itself also exits 1 when it crashes.
  const dies = home.write("dies/main.ts", "Deno.exit(1);\n");
  for (const args of [["shim", "ann@example.net"], ["incoming"], ["sign", "greg@example.org"]]) {
    assert.equal((await run("countersign", dies, args)).code, 75, args[0]);
  }
  for (const name of ["sendmail", "incoming"]) assert.equal((await run(name, dies, ["verify"])).code, 75, name);
});
