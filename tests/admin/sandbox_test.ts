/** `countersign sandbox`, and the launchers that enforce it. */
import assert from "node:assert/strict";
import { sandboxFile } from "../../lib/paths.ts";
import { CREATED, fieldOf, Home, oneLine, qsbmf, ROOT } from "../rig.ts";
import { countersign, snapshot } from "./home.ts";

const FILE = ".config/countersign/config.sandbox";
const MAIL = "From: greg@example.org\nTo: ann@example.net\nMessage-ID: <1@example.org>\n\nHi.\n";
const FORGED = qsbmf("greg@example.org", "From: greg@example.org\nMessage-ID: <lie@spam.example>\n\nBuy!\n");
const NULL_SENDER = { SENDER: "", RECIPIENT: "greg@example.org" };

/** A home as after `init`, but without a sandbox file. */
function homeWithoutSandbox(): Home {
  const home = new Home();
  Deno.removeSync(`${home.path}/${FILE}`);
  return home;
}

/** Replaces Deno by a script that prints its arguments. */
function printArguments(home: Home): void {
  Deno.removeSync(`${home.path}/bin/deno`); // a link to the real one
  home.write("bin/deno", `#!/bin/sh\nprintf '%s\\n' "$@"\n`, 0o755);
}

Deno.test("sandbox writes, rewrites, prints and removes the file", async () => {
  using home = homeWithoutSandbox();
  const path = `${home.path}/${FILE}`;
  const shown = await countersign(home, ["sandbox", "--print"]);
  assert.deepEqual([shown.code, shown.stderr], [0, ""]);
  assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
  for (const old of ["", "shim --allow-run=/bin/anything\n"]) {
    if (old !== "") Deno.writeTextFileSync(path, old);
    assert.deepEqual(await countersign(home, ["sandbox"]), { code: 0, stdout: `Written: ${path}\n`, stderr: "" });
    assert.equal(home.read(FILE), shown.stdout);
  }
  assert.deepEqual([...Deno.readDirSync(`${home.path}/.config/countersign`)].map(({ name }) => name).sort(), [
    "config.sandbox",
    "config.toml",
    "keys",
    "plain-lists",
  ]);
  // --remove works even if the settings cannot be read.
  home.settings("nonsense = [");
  assert.equal((await countersign(home, ["sandbox", "--remove"])).stdout, `Removed: ${path}\n`);
  assert.equal((await countersign(home, ["sandbox", "--remove"])).stdout, `${path} does not exist\n`);
  oneLine(await countersign(home, ["sandbox"]), 78, /config\.toml:\d+: /);
  oneLine(await countersign(home, ["sandbox", "--print", "--remove"]), 64, /cannot be combined/);
});

Deno.test("the parents of writable folders are created, because the programs may not create them", async () => {
  using home = homeWithoutSandbox();
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nspam = "~/a/b/Spam"\n`);
  assert.equal((await countersign(home, ["sandbox"])).code, 0);
  assert.equal(Deno.statSync(`${home.path}/a/b`).mode! & 0o777, 0o700);
  const ran = await home.hook(["--as", "postfix"], FORGED, NULL_SENDER);
  assert.deepEqual([ran.code, ran.stderr, home.mails("a/b/Spam").length], [0, "", 1]);
});

Deno.test("settings of a site: missing folders of each user are created", async () => {
  using site = new Home();
  using home = new Home();
  const config = `${site.path}/.config/countersign/config.toml`;
  assert.equal((await countersign(home, ["sandbox", "--config", config])).code, 0);
  assert.match(site.read(FILE), /^incoming --allow-write=~\/Maildir\/\.Spam$/m);
  assert.throws(() => Deno.statSync(`${home.path}/Maildir`), Deno.errors.NotFound);
  const ran = await home.hook(["--as", "postfix", "--config", config], FORGED, NULL_SENDER);
  assert.deepEqual([ran.code, ran.stderr, home.mails("Maildir/.Spam").length], [0, "", 1]);
});

Deno.test("mail that needs newly configured paths is deferred with advice, until sandbox is run", async () => {
  using home = new Home();
  const old = home.read(FILE);
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/elsewhere"\n[incoming]\nspam = "~/Other"\n`);
  home.write(FILE, old);
  const hint = /access to ".*" is not permitted: countersign sandbox$/m;
  oneLine(await home.shim(["ann@example.net"], MAIL), 75, hint);
  oneLine(await home.hook(["--as", "postfix"], FORGED, NULL_SENDER), 75, hint);
  assert.deepEqual([...home.mails("elsewhere"), ...home.mails("Other")], []);
  assert.equal((await countersign(home, ["sandbox"])).code, 0);
  assert.equal((await home.shim(["ann@example.net"], MAIL)).code, 0);
  assert.equal((await home.hook(["--as", "postfix"], FORGED, NULL_SENDER)).code, 0);
  assert.deepEqual([home.mails("elsewhere").length, home.mails("Other").length], [1, 1]);
});

Deno.test("a newly configured list file is not ignored, because its lists would get another sender", async () => {
  using home = new Home();
  const old = home.read(FILE);
  home.write("lists", "ann@example.net\n");
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n`, `plain_lists = "~/lists"\n`);
  const fresh = home.read(FILE);
  home.write(FILE, old);
  oneLine(await home.shim(["ann@example.net"], MAIL), 75, /File of lists .* is not permitted: countersign sandbox$/m);
  assert.deepEqual(home.mails("out"), []);
  home.write(FILE, fresh);
  assert.equal((await home.shim(["ann@example.net"], MAIL)).code, 0);
  assert.equal(fieldOf(home.mails("out")[0]!, "Return-Path"), "<greg@example.org>");
});

/** [the text of the file, the error of the launcher] */
const broken: [string, RegExp][] = [
  ["", /config\.sandbox has no permissions for shim: countersign sandbox$/m],
  ["incoming --allow-read=/\n", /has no permissions for shim/],
  ...[
    "shim all /",
    "shim read /",
    "shim --allow-all",
    "shim --allow-all=/",
    "shim --allow-import=/tmp/evil.ts",
    "shim --allow-read",
    "shim --allow-read=",
    "shim  --allow-read=/",
    "shim -A --allow-read=/",
    "shim --v8-flags=--allow-read=/",
    " shim --allow-read=/",
    "shim\t--allow-read=/",
    "other --allow-read=/",
    "--allow-read=/",
    "ordinary",
    "ordinary ",
    "ordinary greg",
    "ordinary @example.org",
    "nonsense",
  ].map((line): [string, RegExp] => [
    `# comment\nshim --allow-read=/\n\n${line}\n`,
    /^shim: line 4 of \S+\/config\.sandbox is not valid: countersign sandbox$/m,
  ]),
];
for (const [text, says] of broken) {
  Deno.test(`sandbox ${JSON.stringify(text)}: mail is deferred, and nothing is sent`, async () => {
    using home = new Home();
    home.write(FILE, text);
    oneLine(await home.shim(["ann@example.net"], MAIL), 75, says);
    assert.deepEqual(home.mails("out"), []);
  });
}

/** [the problem, how it is made] */
const noFile: [string, (path: string) => unknown][] = [
  ["a folder", (path) => Deno.mkdirSync(path)],
  ["a FIFO", (path) => new Deno.Command("mkfifo", { args: [path] }).outputSync()],
  ["a link that leads nowhere", (path) => Deno.symlinkSync("/nonexistent/permissions", path)],
];
for (const [what, make] of noFile) {
  Deno.test(`a sandbox file that is ${what}: mail is deferred; doctor reports it with the fix`, async () => {
    using home = homeWithoutSandbox();
    make(`${home.path}/${FILE}`);
    oneLine(await home.shim(["ann@example.net"], MAIL), 75, /config\.sandbox cannot be read$/m);
    assert.deepEqual(home.mails("out"), []);
    const doctor = await countersign(home, ["doctor"]);
    assert.match(
      doctor.stdout,
      /^The sandbox file cannot be read .*\n.*\n.*\n {2}fix {4}countersign sandbox --remove; /m,
    );
    for (const args of [["--remove"], []]) assert.equal((await countersign(home, ["sandbox", ...args])).code, 0);
    assert.equal((await home.shim(["ann@example.net"], MAIL)).code, 0);
  });
}

Deno.test("a folder that cannot be created is reported", async () => {
  using home = homeWithoutSandbox();
  Deno.symlinkSync("/nonexistent/share", `${home.path}/.local`);
  oneLine(await countersign(home, ["sandbox"]), 74, /^sandbox: \S+\/\.local\/state: Folder cannot be created: /);
  assert.equal(home.read(FILE), "");
});

/** Edited sandbox files: [the edit, applied to the lines] */
const edited: [string, (lines: string[]) => string][] = [
  ["have CRLF", (lines) => lines.map((line) => `${line}\r\n`).join("")],
  ["have empty lines", (lines) => lines.map((line) => `\n${line}\n`).join("\n")],
  ["have no newline at their end", (lines) => lines.filter((line) => !line.startsWith("#")).reverse().join("\n")],
];
for (const [what, change] of edited) {
  Deno.test(`a sandbox file that ${what} is read`, async () => {
    using home = new Home();
    home.write(FILE, change(home.read(FILE).trimEnd().split("\n")));
    const ran = await home.shim(["ann@example.net"], MAIL);
    assert.deepEqual([ran.code, ran.stderr, home.mails("out").length], [0, "", 1]);
  });
}

Deno.test("a path that ends with a space is permitted unchanged", async () => {
  using home = new Home();
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out "\n`);
  const ran = await home.shim(["ann@example.net"], MAIL);
  assert.deepEqual([ran.code, ran.stderr, home.mails("out ").length], [0, "", 1]);
});

/** Moves a file or folder of the home, and leaves a link. */
function elsewhere(home: Home, name: string): void {
  const to = `${home.path}/elsewhere/${name.slice(name.lastIndexOf("/") + 1)}`;
  Deno.mkdirSync(`${home.path}/elsewhere`, { recursive: true });
  Deno.renameSync(`${home.path}/${name}`, to);
  Deno.symlinkSync(to, `${home.path}/${name}`);
}

for (const names of [["/config.toml"], ["/keys"], ["/config.toml", "/keys"], [""]]) {
  const links = names.map((name) => `.config/countersign${name}`);
  Deno.test(`with links at ${links.join(" and ")} the programs may read the targets`, async () => {
    using home = new Home();
    const old = home.read(FILE);
    for (const link of links) elsewhere(home, link);
    // Deferred until sandbox is run.
    home.write(FILE, old);
    oneLine(await home.shim(["ann@example.net"], MAIL), 75, /elsewhere\/.* is not permitted: countersign sandbox$/m);
    assert.equal((await countersign(home, ["sandbox"])).code, 0);
    const ran = [await home.shim(["ann@example.net"], MAIL), await home.hook(["--as", "postfix"], FORGED, NULL_SENDER)];
    assert.deepEqual(ran.map(({ code, stderr }) => [code, stderr]), [[0, ""], [0, ""]]);
    assert.doesNotMatch((await countersign(home, ["doctor"])).stdout, /permitted/);
  });
}

Deno.test("a home that is a link, with its own settings and with those of a site", async () => {
  using home = new Home();
  using site = new Home();
  const env = { HOME: `${site.path}/home` };
  Deno.symlinkSync(home.path, env.HOME);
  const keys = `keys = "~/.config/countersign/keys"`;
  const identity = `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n${keys}\n`;
  const config = site.write("site.toml", `${identity}[transport]\nvia = "maildir"\nmaildir = "~/out"\n`);
  for (const place of [{}, { COUNTERSIGN_CONFIG: config }]) {
    // The user who writes the sandbox file of a site has another home.
    const writer = "COUNTERSIGN_CONFIG" in place ? { HOME: home.path, ...place } : env;
    assert.equal((await countersign(home, ["sandbox"], "", writer)).code, 0);
    const ran = await home.shim(["ann@example.net"], MAIL, { ...env, ...place });
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    const filed = await home.hook(["--as", "postfix"], FORGED, { ...NULL_SENDER, ...env, ...place });
    assert.deepEqual([filed.code, filed.stderr], [0, ""]);
  }
  assert.match(site.read("site.sandbox"), /^shim --allow-write=~\/out$/m);
  assert.equal(home.mails("out").length, 2);
  // Deno separates paths at commas.
  const comma = `${site.path}/a,b`;
  Deno.symlinkSync(home.path, comma);
  const ran = await home.shim(["ann@example.net"], MAIL, { HOME: comma, COUNTERSIGN_CONFIG: config });
  oneLine(ran, 75, /a,b\/\S+ in .*site\.sandbox contains a comma, which a permission cannot express$/m);
});

Deno.test("a newly configured program or key file is denied until sandbox is run", async () => {
  using home = new Home();
  const old = home.read(FILE);
  home.write("bin/taker", "#!/bin/sh\ncat >taken\n", 0o755);
  home.write("other", `k1 ${CREATED} another secret that is none\n`, 0o600);
  const command = `[transport]\npreset = "sendmail"\ncommand = ["${home.path}/bin/taker"]\n`;
  for (const settings of [command, `${command}spool = true\n`, `keys = "~/other"\n${command}`]) {
    home.settings(settings);
    home.write(FILE, `${old}shim --allow-write=${home.path}/.local/state/countersign\n`);
    oneLine(await home.shim(["ann@example.net"], MAIL), 75, /access to ".*" is not permitted: countersign sandbox$/m);
  }
});

Deno.test("--maildir in the line of a filter is permitted, but not in an address", async () => {
  using home = new Home();
  const [a, b, c] = ["a", "b", "c"].map((name) => `${home.path}/${name}`);
  for (const args of [["--maildir", a!], [`--maildir=${b}`]]) {
    const ran = await home.hook(["--as", "postfix", ...args, "--", "jo@b.example", "greg@example.org"], MAIL);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  }
  assert.deepEqual([home.mails("a").length, home.mails("b").length], [1, 1]);
  printArguments(home);
  const probe = (...args: string[]) => home.hook(args, MAIL).then(({ stdout }) => stdout.split("\n"));
  for (const args of [["--sender", `--maildir=${c}`], ["--recipient", `--maildir=${c}`], ["--", `--maildir=${c}`]]) {
    assert.ok(!(await probe("--as", "postfix", ...args)).includes(`--allow-write=${c}`), args.join(" "));
  }
  assert.ok((await probe("--maildir", c!)).includes(`--allow-write=${c}`));
});

Deno.test("under qmail the hook may read the dot-qmail file that runs it, and no other file of the home", async () => {
  using home = new Home();
  const existing = [".qmail", ".qmail-a:b", ".qmail-default", ".qmail-lists", ".qmail-lists-default"];
  // With a comma Deno would see two paths, or an empty one, and not start.
  for (const name of [...existing, ".qmail-a,b", ".qmail-,", ".netrc"]) home.write(name, "");
  printArguments(home);
  const reads = async (env: Record<string, string>, ...args: string[]) =>
    (await home.hook(args, MAIL, env)).stdout.split("\n").filter((one) => one.startsWith(`--allow-read=${home.path}/.`))
      .map((one) => one.slice(`--allow-read=${home.path}/`.length)).filter((one) => !/^\.(config|local)/.test(one));
  const calls: [Record<string, string>, string[]][] = [
    [{}, [".qmail"]],
    [{ EXT: "" }, [".qmail"]],
    [{ EXT: "lists" }, [".qmail-lists"]],
    [{ EXT: "lists-SRS0=a.b", DEFAULT: "SRS0=a.b" }, [".qmail-lists-default"]],
    [{ EXT: "lists-", DEFAULT: "" }, [".qmail-lists-default"]],
    [{ EXT: "anything", DEFAULT: "anything" }, [".qmail-default"]],
    [{ EXT: "", DEFAULT: "" }, [".qmail-default"]],
    [{ EXT: "a/b" }, [".qmail-a/b"]],
    // qmail-local opens these by another name.
    ...["Lists", "a.b", "a,b", "*", "../x", "é"].map((EXT): typeof calls[number] => [{ EXT }, existing]),
  ];
  for (const [env, files] of calls) assert.deepEqual((await reads(env)).sort(), files, JSON.stringify(env));
  assert.deepEqual(await reads({}, "--as", "maildrop"), []);
});

Deno.test("if the home, its parent or the dot-qmail file is a link, the hook may read it by both paths", async () => {
  using home = new Home();
  home.write("data/greg/.qmail", "");
  home.write("dots/qmail-lists", "");
  Deno.symlinkSync("data", `${home.path}/home`);
  Deno.symlinkSync("data/greg", `${home.path}/greg`);
  Deno.symlinkSync("../../dots/qmail-lists", `${home.path}/data/greg/.qmail-lists`);
  home.write("config.sandbox", "incoming --allow-read=/marker\n");
  printArguments(home);
  const names = ["data/greg", "home/greg", "greg"];
  for (const name of names) {
    for (const cwd of [home.path, ...names.map((one) => `${home.path}/${one}`)]) {
      const reads = async (env: Record<string, string>) => {
        const command = ["/bin/sh", "-c", 'cd "$1" && exec "$0" --config "$2"', `${ROOT}/hooks/incoming`, cwd];
        const all = { HOME: `${home.path}/${name}`, ...env };
        const { stdout } = await home.run([...command, `${home.path}/config.toml`], MAIL, all);
        return stdout.split("\n").filter((one) => one.includes("qmail")).map((one) => one.split("=")[1]).sort();
      };
      const whole = (...files: string[]) => [...new Set(files.map((one) => `${home.path}/${one}`))].sort();
      assert.deepEqual(await reads({}), whole(`${name}/.qmail`, "data/greg/.qmail"));
      assert.deepEqual(await reads({ EXT: "lists" }), whole(`${name}/.qmail-lists`, "dots/qmail-lists"));
    }
  }
});

Deno.test("the launcher and the hook search the same path for the settings", async () => {
  using home = new Home();
  const at = (name: string) => `${home.path}/${name}`;
  const files = ["given/config.toml", "named.toml", "xdg/countersign/config.toml", ".config/countersign/config.toml"];
  for (const file of files) home.write(sandboxFile(file), `incoming --allow-read=/marker/${file}\n`);
  const ask = home.write(
    "ask.ts",
    `import { parseOptions } from "${ROOT}/hooks/options.ts";\nimport { configFile } from "${ROOT}/io/system/load.ts";
console.log(configFile(parseOptions(Deno.args).config).file);\n`,
  );
  printArguments(home);
  const [given, named, xdg] = [at(files[0]!), at(files[1]!), { XDG_CONFIG_HOME: at("xdg") }];
  const rows: [string[], Record<string, string>][] = [
    [[], {}],
    [[], { COUNTERSIGN_CONFIG: named }],
    [[], { COUNTERSIGN_CONFIG: "", ...xdg }],
    [[], { COUNTERSIGN_CONFIG: named, ...xdg }],
    [[], { XDG_CONFIG_HOME: "" }],
    [[], { XDG_CONFIG_HOME: at("nothing") }],
    [["--config", given], { COUNTERSIGN_CONFIG: named, ...xdg }],
    [[`--config=${given}`], xdg],
    [["--config", files[0]!], {}],
    [["--config", given, "--config", named], {}],
    [["--config", ""], { COUNTERSIGN_CONFIG: named }],
    [["--config="], { COUNTERSIGN_CONFIG: named, ...xdg }],
    [["--config", given, "--config="], xdg],
    [["--sender", `--config=${given}`], xdg],
  ];
  const deno = [Deno.execPath(), "run", "-q", "-A", "--frozen", "--config", `${ROOT}/deno.json`];
  const seen = new Set<string>();
  for (const [args, env] of rows) {
    const wanted = await home.run([...deno, ask, ...args], "", env);
    const name = wanted.stdout.trim().slice(home.path.length + 1);
    const expected = files.includes(name) ? `--allow-read=/marker/${name}` : "--allow-read";
    const flags = (await home.hook(args, MAIL, env)).stdout.split("\n");
    assert.ok(flags.includes(expected), `${args} ${JSON.stringify(env)}: ${name}${wanted.stderr}`);
    seen.add(name);
  }
  assert.ok(
    files.every((file) => seen.has(file)) && seen.size > files.length,
    "each file is used at least once, and so is a missing one",
  );
});

/** [the command, whether it may write, run programs, and connect] */
const commands: [string, boolean, boolean, boolean][] = [
  ["explain", false, false, false],
  ["verify", false, false, false],
  ["config", false, false, false],
  ["sign", false, false, false],
  ["log", false, false, false],
  ["keys", true, false, false],
  ["plain", true, false, false],
  ["expire", true, false, false],
  ["audit", true, false, false],
  ["sandbox", true, false, false],
  ["doctor", true, true, true], // unix sockets take permission to write
  ["init", true, false, false],
  ["report", false, false, false],
  ["passwd", true, false, false],
  ["sweep", true, false, false],
  ["outbox", true, true, false],
  ["doorbell", true, true, true],
  // Without a sandbox file; see SECURITY.md.
  ["shim", true, true, false],
  ["incoming", true, true, false],
  ["serve", true, false, true],
  ["submitd", true, true, true],
];
for (const [command, write, run, net] of commands) {
  Deno.test(`countersign ${command} may ${write ? "" : "not "}write, ${run ? "" : "not "}run, ${net ? "" : "not "}connect`, async () => {
    using home = new Home();
    home.write("main.ts", "// never run");
    home.write("bin/there", `#!/bin/sh\nprintf '%s\\n' "$@"\n`, 0o755);
    const { launcherText } = await import("../../build/install/launcher.ts");
    const text = launcherText({
      program: "x",
      rights: "",
      deno: "$here/there",
      entry: "main.ts",
      flags: "",
      cache: "",
    });
    const launcher = home.write("bin/countersign", text, 0o755);
    const { stdout } = await home.run([launcher, command], "", { COUNTERSIGN_CONFIG: `${home.path}/none.toml` });
    const all = stdout.split("\n");
    const has = (right: string) => all.includes(`--allow-${right}`);
    assert.deepEqual([has("read"), has("write"), has("run"), has("net")], [true, write, run, net]);
    assert.ok(!all.includes("--allow-all") && !all.includes("-A"));
  });
}

Deno.test("sandbox --print and doctor change nothing", async () => {
  using home = new Home();
  const before = snapshot(`${home.path}/.config`);
  for (const args of [["sandbox", "--print"], ["doctor", "--hook", `${ROOT}/hooks/incoming`]]) {
    assert.equal((await countersign(home, args)).stderr, "");
  }
  assert.deepEqual(snapshot(`${home.path}/.config`), before);
});

Deno.test("the file of an earlier version: mail is deferred until sandbox writes a new one", async () => {
  using home = homeWithoutSandbox();
  const [oldFile, path] = [`${home.path}/.config/countersign/config.permissions`, `${home.path}/${FILE}`];
  Deno.writeTextFileSync(oldFile, "shim read /\nincoming read /\n");
  const says = /config\.permissions was written by an earlier version: countersign sandbox$/m;
  oneLine(await home.shim(["ann@example.net"], MAIL), 75, says);
  oneLine(await home.hook(["--as", "condredirect"], MAIL), 111, says);
  assert.match(
    (await countersign(home, ["doctor"])).stdout,
    /^The sandbox file was written by an earlier version \[sandbox-outdated\]\n/m,
  );
  assert.equal((await countersign(home, ["sandbox"])).stdout, `Written: ${path}\n`);
  assert.throws(() => Deno.statSync(oldFile), Deno.errors.NotFound);
  assert.equal((await home.shim(["ann@example.net"], MAIL)).code, 0);
  // --remove removes both files.
  Deno.writeTextFileSync(oldFile, "");
  assert.equal((await countersign(home, ["sandbox", "--remove"])).stdout, `Removed: ${path}, ${oldFile}\n`);
  assert.equal((await home.shim(["ann@example.net"], MAIL)).code, 0);
});

Deno.test("the sandbox file is newer than the settings, unless they were changed meanwhile", async () => {
  using home = homeWithoutSandbox();
  const [config, path] = [`${home.path}/.config/countersign/config.toml`, `${home.path}/${FILE}`];
  const newer = () => Deno.statSync(path).mtime! > Deno.statSync(config).mtime!;
  const text = Deno.readTextFileSync(config);
  for (let turn = 0; turn < 3; turn++) {
    Deno.writeTextFileSync(config, text);
    assert.equal((await countersign(home, ["sandbox"])).code, 0);
    assert.ok(newer());
  }
  const { writeSandbox } = await import("../../admin/sandbox.ts");
  const { loadSettings } = await import("../../io/system/load.ts");
  const source = { file: config, home: home.path };
  const before = Deno.statSync(config).mtime!;
  const settings = loadSettings(source);
  await new Promise((done) => setTimeout(done, 20));
  Deno.writeTextFileSync(config, text);
  writeSandbox(settings, source, before);
  assert.ok(!newer());
});
