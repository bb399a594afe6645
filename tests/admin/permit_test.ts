/** `countersign permit`, and launchers that hold the programs to it. */
import assert from "node:assert/strict";
import { Home, oneLine, qsbmf, ROOT } from "../rig.ts";
import { countersign, snapshot } from "./home.ts";

const FILE = ".config/countersign/config.permissions";
const MAIL = "From: greg@example.org\nTo: ann@example.net\nMessage-ID: <1@example.org>\n\nHi.\n";
const FORGED = qsbmf("greg@example.org", "From: greg@example.org\nMessage-ID: <lie@spam.example>\n\nBuy!\n");
const NULL_SENDER = { SENDER: "", RECIPIENT: "greg@example.org" };

/** A home as it is after `init`, without permissions. */
function unlimited(): Home {
  const home = new Home();
  Deno.removeSync(`${home.path}/${FILE}`);
  return home;
}

/** Puts in place of Deno what tells how it was started. */
function tellArguments(home: Home): void {
  Deno.removeSync(`${home.path}/bin/deno`); // a link to the real one
  home.write("bin/deno", `#!/bin/sh\nprintf '%s\\n' "$@"\n`, 0o755);
}

Deno.test("permit writes, writes again, shows and removes", async () => {
  using home = unlimited();
  const path = `${home.path}/${FILE}`;
  const shown = await countersign(home, ["permit", "--print"]);
  assert.deepEqual([shown.code, shown.stderr], [0, ""]);
  assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
  for (const old of ["", "shim run /bin/anything\n"]) {
    if (old !== "") Deno.writeTextFileSync(path, old);
    assert.deepEqual(await countersign(home, ["permit"]), { code: 0, stdout: `Written: ${path}\n`, stderr: "" });
    assert.equal(home.read(FILE), shown.stdout);
  }
  assert.deepEqual([...Deno.readDirSync(`${home.path}/.config/countersign`)].map(({ name }) => name).sort(), [
    "config.permissions",
    "config.toml",
    "keys",
  ]);
  // The way back is open when the settings are not.
  home.settings("nonsense = [");
  assert.equal((await countersign(home, ["permit", "--remove"])).stdout, `Removed: ${path}\n`);
  assert.equal((await countersign(home, ["permit", "--remove"])).stdout, `${path} is not there\n`);
  oneLine(await countersign(home, ["permit"]), 78, /config\.toml line \d+: /);
  oneLine(await countersign(home, ["permit", "--print", "--remove"]), 64, /exclude each other/);
});

Deno.test("the folders above those that may be written are made: later that is not permitted", async () => {
  using home = unlimited();
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nspam = "~/a/b/Spam"\n`);
  assert.equal((await countersign(home, ["permit"])).code, 0);
  assert.equal(Deno.statSync(`${home.path}/a/b`).mode! & 0o777, 0o700);
  const ran = await home.hook(["--as", "postfix"], FORGED, NULL_SENDER);
  assert.deepEqual([ran.code, ran.stderr, home.mails("a/b/Spam").length], [0, "", 1]);
});

Deno.test("what the settings newly name waits, with a line that says what to do, until permit", async () => {
  using home = new Home();
  const old = home.read(FILE);
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/elsewhere"\n[incoming]\nspam = "~/Other"\n`);
  home.write(FILE, old);
  const hint = /access to ".*" is not permitted: countersign permit$/m;
  oneLine(await home.shim(["ann@example.net"], MAIL), 75, hint);
  oneLine(await home.hook(["--as", "postfix"], FORGED, NULL_SENDER), 75, hint);
  assert.deepEqual([...home.mails("elsewhere"), ...home.mails("Other")], []);
  assert.equal((await countersign(home, ["permit"])).code, 0);
  assert.equal((await home.shim(["ann@example.net"], MAIL)).code, 0);
  assert.equal((await home.hook(["--as", "postfix"], FORGED, NULL_SENDER)).code, 0);
  assert.deepEqual([home.mails("elsewhere").length, home.mails("Other").length], [1, 1]);
});

/** [what stands there, what the launcher says] */
const broken: [string, RegExp][] = [
  ["", /config\.permissions has nothing for shim: countersign permit$/m],
  ["incoming read /\n", /has nothing for shim/],
  ["shim all /\n", /grants all, which is no right: countersign permit$/m],
  ["shim import=/tmp/evil.ts x\n", /grants import=\/tmp\/evil\.ts, which is no right/],
];
for (const [text, says] of broken) {
  Deno.test(`permissions ${JSON.stringify(text)}: later, and nothing is sent`, async () => {
    using home = new Home();
    home.write(FILE, text);
    oneLine(await home.shim(["ann@example.net"], MAIL), 75, says);
    assert.deepEqual(home.mails("out"), []);
  });
}

Deno.test("--maildir on the line of a filter is permitted with it, one in an address is not", async () => {
  using home = new Home();
  const [a, b, c] = ["a", "b", "c"].map((name) => `${home.path}/${name}`);
  for (const args of [["--maildir", a!], [`--maildir=${b}`]]) {
    const ran = await home.hook(["--as", "postfix", ...args, "--", "jo@b.example", "greg@example.org"], MAIL);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  }
  assert.deepEqual([home.mails("a").length, home.mails("b").length], [1, 1]);
  tellArguments(home);
  const probe = (...args: string[]) => home.hook(args, MAIL).then(({ stdout }) => stdout.split("\n"));
  for (const args of [["--sender", `--maildir=${c}`], ["--recipient", `--maildir=${c}`], ["--", `--maildir=${c}`]]) {
    assert.ok(!(await probe("--as", "postfix", ...args)).includes(`--allow-write=${c}`), args.join(" "));
  }
  assert.ok((await probe("--maildir", c!)).includes(`--allow-write=${c}`));
});

Deno.test("the hook of qmail may read the dot-qmail files that are there, no others of the home", async () => {
  using home = new Home();
  for (const name of [".qmail", ".qmail-lists-default", ".netrc"]) home.write(name, "");
  tellArguments(home);
  const reads = async (...args: string[]) =>
    (await home.hook(args, MAIL)).stdout.split("\n").filter((one) => one.startsWith(`--allow-read=${home.path}/.`))
      .map((one) => one.slice(`--allow-read=${home.path}/`.length)).filter((one) => !/^\.(config|local)/.test(one));
  assert.deepEqual((await reads()).sort(), [".qmail", ".qmail-lists-default"]);
  assert.deepEqual(await reads("--as", "maildrop"), []);
});

/** [the command, may it write, may it run programs, may it connect] */
const commands: [string, boolean, boolean, boolean][] = [
  ["explain", false, false, false],
  ["verify", false, false, false],
  ["sign", false, false, false],
  ["log", false, false, false],
  ["keys", true, false, false],
  ["list", true, false, false],
  ["clean", true, false, false],
  ["audit", true, false, false],
  ["permit", true, false, false],
  ["doctor", false, true, true],
  ["init", true, true, false],
];
for (const [command, write, run, net] of commands) {
  Deno.test(`countersign ${command} may ${write ? "" : "not "}write, ${run ? "" : "not "}run, ${net ? "" : "not "}connect`, async () => {
    using home = new Home();
    home.write("bin/there", `#!/bin/sh\nprintf '%s\\n' "$@"\n`, 0o755);
    const { launcherText } = await import("../../contrib/install/launcher.ts");
    const text = launcherText({
      program: "x",
      rights: "",
      deno: "$here/there",
      entry: "main.ts",
      flags: "",
      cache: "",
    });
    const launcher = home.write("bin/countersign", text, 0o755);
    const { stdout } = await home.run([launcher, command]);
    const all = stdout.split("\n");
    const has = (right: string) => all.includes(`--allow-${right}`);
    assert.deepEqual([has("read"), has("write"), has("run"), has("net")], [true, write, run, net]);
    assert.ok(!all.includes("--allow-all") && !all.includes("-A"));
  });
}

Deno.test("permit --print and doctor leave everything as it is", async () => {
  using home = new Home();
  const before = snapshot(`${home.path}/.config`);
  for (const args of [["permit", "--print"], ["doctor", "--hook", `${ROOT}/hooks/incoming`]]) {
    assert.equal((await countersign(home, args)).stderr, "");
  }
  assert.deepEqual(snapshot(`${home.path}/.config`), before);
});
