/** Really installs, throws the checkout away, and runs what was installed as users have it. */
import assert from "node:assert/strict";
import { decodeLatin1 } from "../lib/bytes.ts";
import { CREATED, fieldOf, Home, oneLine, qsbmf, type Ran, ROOT } from "./rig.ts";
import { usualPrefix } from "../build/install/installed.ts";
import { VERSION } from "../lib/version.ts";
import { byStub, environment } from "./stub.ts";

const MAIL = "From: greg@example.org\nTo: ann@example.net\nSubject: Hello\nMessage-ID: <1@example.org>\n\nHi.\n";
const FORGED = qsbmf("greg@example.org", "From: greg@example.org\nMessage-ID: <lie@spam.example>\n\nBuy!\n");
const PROGRAMS = ["bin/shim", "bin/countersign", "lib/countersign/hooks/incoming"];
const root = Deno.uid() === 0;

/** A checkout of our own, as a user would have it: sources, nothing made from them. */
function copyCheckout(to: string): void {
  Deno.mkdirSync(to);
  const parts = [
    "deno.json",
    "deno.lock",
    "main.ts",
    "mod.ts",
    "lib",
    "outgoing",
    "incoming",
    "io",
    "shim",
    "hooks",
    "serve",
    "admin",
    "build",
    "contrib",
  ];
  for (const part of parts) copy(`${ROOT}/${part}`, `${to}/${part}`);
}

function copy(from: string, to: string): void {
  if (!Deno.statSync(from).isDirectory) return Deno.copyFileSync(from, to);
  Deno.mkdirSync(to);
  for (const { name } of Deno.readDirSync(from)) copy(`${from}/${name}`, `${to}/${name}`);
}

/** Runs a task of a checkout, with files closed to others by the umask. */
function task(home: Home, checkout: string, ...args: string[]): Promise<Ran> {
  const line = 'umask 077; cd "$0" && exec "$@"';
  return home.run(["/bin/sh", "-c", line, checkout, Deno.execPath(), "task", "-q", ...args]);
}

/** All files and folders below, without the folder itself. */
function below(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return isDirectory ? [path, ...below(path)] : [path];
  });
}

const octal = (mode: number | null) => (mode! & 0o777).toString(8);

/** What a user has who has nothing: no Deno, no cache, no home that could be written. */
function bare(home: Home): Record<string, string> {
  const config = `${home.path}/.config/countersign/config.toml`;
  return { HOME: "/dev/null", DENO_DIR: "/dev/null/deno", COUNTERSIGN_CONFIG: config, PATH: `${home.path}/tools` };
}

/** A home with settings that do not need it to be HOME, and with the tools that a launcher uses. */
async function userHome(): Promise<Home> {
  const home = new Home();
  home.write(".config/countersign/config.toml", "");
  const { path } = home;
  const identity = `address = "greg@example.org"\nsrs_domain = "srs.example.org"\nkeys = "${path}/keys"`;
  const transport = `[transport]\nvia = "maildir"\nmaildir = "${path}/out"`;
  const text =
    `state.folder = "${path}/state"\n[[identity]]\n${identity}\n${transport}\n[incoming]\nspam = "${path}/spam"\n`;
  home.write(".config/countersign/config.toml", text);
  home.write("keys", `k1 ${CREATED} not a real secret either\n`, 0o600);
  Deno.mkdirSync(`${path}/tools`);
  for (const tool of ["readlink", "cat", "env"]) {
    const { stdout } = await home.run(["/bin/sh", "-c", `command -v ${tool}`]);
    Deno.symlinkSync(stdout.trim(), `${path}/tools/${tool}`);
  }
  return home;
}

/** Out through the shim, back through the hook: the installed programs do their work. `as` runs them as somebody. */
async function mainJob(home: Home, prefix: string, as: string[] = []): Promise<void> {
  const env = bare(home);
  const before = home.mails("out").length;
  const sent = await home.run([...as, `${prefix}/bin/shim`, "-i", "--", "ann@example.net"], MAIL, env);
  assert.deepEqual([sent.code, sent.stderr], [0, ""]);
  const out = home.mails("out");
  assert.equal(out.length, before + 1);
  const sender = fieldOf(out[0]!, "Return-Path").replace(/[<>]/g, "");
  assert.match(sender, /^SRS0=.*=example\.org=greg@srs\.example\.org$/);

  const hook = `${prefix}/lib/countersign/hooks/incoming`;
  const [local, host] = sender.split("@") as [string, string];
  const args = ["--maildir", `${home.path}/in`];
  const genuine = await home.run([...as, hook, ...args], qsbmf(sender, out[0]!), {
    ...env,
    SENDER: "",
    EXT: local,
    HOST: host,
  });
  assert.deepEqual([genuine.code, genuine.stderr], [99, ""]);
  assert.match(fieldOf(home.mails("in").at(-1)!, "X-Countersign"), /^genuine;/);
  const forged = await home.run([...as, hook], FORGED, { ...env, SENDER: "", EXT: "greg", HOST: "example.org" });
  assert.deepEqual([forged.code, forged.stderr], [99, ""]);
  assert.match(fieldOf(home.mails("spam").at(-1)!, "X-Countersign"), /^forged;/);
}

Deno.test("install", async (t) => {
  using work = new Home();
  using home = await userHome();
  const checkout = `${work.path}/check out`;
  const prefix = `${work.path}/a prefix/deep`;
  Deno.chmodSync(work.path, 0o755);
  copyCheckout(checkout);

  await t.step("installs, and says what", async () => {
    const ran = await task(work, checkout, "install", "--prefix", prefix);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    assert.deepEqual(ran.stdout.trim().split("\n"), PROGRAMS.map((name) => `${prefix}/${name}`));
    assert.deepEqual(below(`${prefix}/bin`).map((path) => path.slice(prefix.length)).sort(), [
      "/bin/countersign",
      "/bin/shim",
    ]);
  });

  await t.step("everybody may read and run it, whatever the umask", () => {
    const runs = [...PROGRAMS, "lib/countersign/deno"].map((name) => `${prefix}/${name}`);
    for (const path of [prefix, `${work.path}/a prefix`, ...below(prefix)]) {
      const { isDirectory, mode } = Deno.lstatSync(path);
      assert.equal(octal(mode), isDirectory || runs.includes(path) ? "755" : "644", path);
    }
    for (const path of runs) assert.ok(Deno.lstatSync(path).isFile, `${path} is not a file`);
  });

  await t.step("manual pages and completions stand where they are looked for", async () => {
    const share = below(`${prefix}/share`).filter((path) => Deno.statSync(path).isFile);
    assert.deepEqual(share.map((path) => path.slice(`${prefix}/share/`.length)).sort(), [
      "bash-completion/completions/countersign",
      "fish/vendor_completions.d/countersign.fish",
      "man/man1/countersign.1",
      "man/man1/shim.1",
      "man/man5/countersign.conf.5",
      "man/man7/countersign.7",
      "man/man8/incoming.8",
      "zsh/site-functions/_countersign",
    ]);
    for (const path of share.filter((path) => path.includes("/man/"))) {
      const [, name, section] = /([^/]+)\.(\d)$/.exec(path)!;
      const title = new RegExp(`^\\.Dt ${name!.toUpperCase()} ${section}$`, "m");
      assert.match(await Deno.readTextFile(path), title, path);
    }
  });

  await t.step("knows nothing of the checkout", () => {
    for (const path of below(prefix).filter((path) => Deno.statSync(path).isFile && !path.endsWith("/deno"))) {
      assert.ok(!Deno.readTextFileSync(path).includes(checkout), path);
    }
  });

  const former = { old: `${prefix}/lib/countersign/chunk-OLD.js`, young: `${prefix}/lib/countersign/chunk-YOUNG.js` };
  await t.step("installs over itself; parts of a former version go when nobody can be loading them", async () => {
    const files = below(prefix).sort();
    const inode = Deno.statSync(`${prefix}/bin/shim`).ino;
    for (const path of Object.values(former)) Deno.writeTextFileSync(path, "");
    const twoDaysAgo = Date.now() / 1000 - 2 * 24 * 60 * 60;
    Deno.utimeSync(former.old, twoDaysAgo, twoDaysAgo);
    Deno.chmodSync(`${prefix}/lib/countersign/main.js`, 0o600);
    const ran = await task(work, checkout, "install", `--prefix=${prefix}/`);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    assert.deepEqual(below(prefix).sort(), [...files, former.young].sort());
    assert.equal(octal(Deno.statSync(`${prefix}/lib/countersign/main.js`).mode), "644");
    assert.notEqual(Deno.statSync(`${prefix}/bin/shim`).ino, inode, "written over, not replaced");
  });

  await t.step("a prefix that cannot be written is one line and 73", async () => {
    const file = work.write("file", "");
    oneLine(await task(work, checkout, "install", "--prefix", file), 73, /^install: .*\/file/);
    assert.equal(work.read("file"), "");
  });

  await t.step("bundle makes dist/, each program a file, loaded when it is asked for", async () => {
    Deno.mkdirSync(`${checkout}/dist`);
    Deno.writeTextFileSync(`${checkout}/dist/stale.js`, "");
    const ran = await task(work, checkout, "bundle");
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    const made = below(`${checkout}/dist`).map((path) => path.slice(`${checkout}/dist/`.length));
    for (const name of ["main.js", "shim/main.js", "hooks/incoming.js"]) assert.ok(made.includes(name), name);
    assert.ok(!made.includes("stale.js"));
    for (const [entry, late] of [["shim/main", "smtp"], ["hooks/incoming", "smtp"], ["main", "doctor"]]) {
      const folder = entry!.slice(0, entry!.lastIndexOf("/") + 1);
      assert.ok(made.some((name) => name.startsWith(`${folder}${late}-`)), `${late} is not a file of its own`);
      const told = await work.run([Deno.execPath(), "info", "--json", `${checkout}/dist/${entry}.js`]);
      const loaded: string[] = JSON.parse(told.stdout).modules.map((one: { specifier: string }) => one.specifier);
      assert.ok(loaded.some((one) => one.endsWith(`/${entry}.js`)), told.stdout);
      assert.ok(!loaded.some((one) => one.includes(`${late}-`)), `${late} is loaded at every start`);
    }
  });

  // From here on there is no checkout.
  Deno.removeSync(checkout, { recursive: true });

  await t.step("works without Deno on PATH, without a home, without a cache", async () => {
    const found = await home.run(["/bin/sh", "-c", "command -v deno"], "", bare(home));
    assert.notEqual(found.code, 0, "Deno is on this PATH");
    await mainJob(home, prefix);
  });

  await t.step("countersign runs what it is told", async () => {
    const run = (...args: string[]) => home.run([`${prefix}/bin/countersign`, ...args], MAIL, bare(home));
    assert.equal((await run("version")).stdout, `countersign ${VERSION}\n`);
    const before = home.mails("out").length;
    assert.equal((await run("sendmail", "ann@example.net")).code, 0);
    assert.equal(home.mails("out").length, before + 1);
    oneLine(await run("shmi"), 64, /did you mean shim/);
  });

  await t.step("init tells where the programs are", async () => {
    const env = { ...bare(home), HOME: work.path, COUNTERSIGN_CONFIG: `${work.path}/none.toml` };
    const args = ["init", "--print", "--address", "greg@example.org", "--command", "/usr/sbin/sendmail"];
    const ran = await home.run([`${prefix}/bin/countersign`, ...args, "--preset", "postfix"], "", env);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    const { stdout } = ran;
    const hook = `${prefix}/lib/countersign/hooks/incoming --config ${work.path}/none.toml`;
    assert.ok(stdout.includes(`"|${hook} --as postfix --maildir ${work.path}/Maildir"\n`), stdout);
    assert.ok(stdout.includes(`need quoting in some configuration files: ${prefix}/bin/shim\n`), "a path with spaces");
    for (const [, path] of stdout.matchAll(/^set sendmail="(.*)"$/gm)) assert.equal(path, `${prefix}/bin/shim`);
  });

  await t.step("doctor names the shim that stands beside it", async () => {
    work.write(".muttrc", "set from=greg@example.org\n");
    const ran = await home.run([`${prefix}/bin/countersign`, "doctor"], "", { ...bare(home), HOME: work.path });
    assert.ok(ran.stdout.includes(`  fix    set sendmail="${prefix}/bin/shim"\n`), ran.stdout + ran.stderr);
  });

  await t.step("the name of a link is the name it is called by", async () => {
    Deno.symlinkSync(`${prefix}/bin/shim`, `${home.path}/tools/qmail-inject`);
    Deno.symlinkSync("../tools/qmail-inject", `${home.path}/bin/newaliases`);
    const wrong = await home.run([`${home.path}/tools/qmail-inject`, "-N", "never"], MAIL, bare(home));
    oneLine(wrong, 100, /^qmail-inject: Unknown option "-N"/);
    const bin = { ...bare(home), PATH: `${home.path}/bin:${home.path}/tools` };
    oneLine(await home.run(["/bin/sh", "-c", "newaliases"], "", bin), 64, /^newaliases: There are no aliases/);
  });

  await t.step("settings of Deno in the working folder are not for us", async () => {
    for (const name of ["deno.json", "package.json", "deno.lock", ".npmrc"]) home.write(name, "{ broken");
    const ran = await home.run([`${prefix}/bin/shim`, "--version"], "", bare(home));
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, `countersign ${VERSION}\n`, ""]);
  });

  await t.step({
    name: "works as nobody",
    ignore: !root,
    fn: async () => {
      const [uid, gid] = await Promise.all(["-u", "-g"].map(async (flag) => {
        return Number((await home.run(["id", flag, "nobody"])).stdout);
      })) as [number, number];
      using own = await userHome();
      for (const path of [own.path, ...below(own.path)]) {
        if (!Deno.lstatSync(path).isSymlink) Deno.chownSync(path, uid, gid);
      }
      const setpriv = (await home.run(["/bin/sh", "-c", "command -v setpriv"])).stdout.trim();
      const as = [setpriv, `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
      await mainJob(own, prefix, as);
      for (const folder of ["out", "in", "spam"]) {
        const [file] = [...Deno.readDirSync(`${own.path}/${folder}/new`)];
        assert.equal(Deno.statSync(`${own.path}/${folder}/new/${file!.name}`).uid, uid, folder);
      }
    },
  });

  await t.step("may be moved", async () => {
    const moved = `${work.path}/moved`;
    Deno.renameSync(prefix, moved);
    await mainJob(home, moved);
  });

  await t.step("with an empty file for a program, which would be run with success: later", async () => {
    const moved = `${work.path}/moved`;
    for (const name of ["deno", "shim/main.js"]) {
      const path = `${moved}/lib/countersign/${name}`;
      Deno.renameSync(path, `${path}.whole`);
      Deno.writeTextFileSync(path, "");
      Deno.chmodSync(path, 0o755);
      const ran = await home.run([`${moved}/bin/shim`, "ann@example.net"], MAIL, bare(home));
      oneLine(ran, 75, new RegExp(`/${name}.* empty$`, "m"));
      Deno.renameSync(`${path}.whole`, path);
    }
  });

  await t.step("without its Deno: later", async () => {
    const moved = `${work.path}/moved`;
    Deno.removeSync(`${moved}/lib/countersign/deno`);
    oneLine(await home.run([`${moved}/bin/shim`, "ann@example.net"], MAIL, bare(home)), 75, /deno\) is missing/);
  });
});

Deno.test("where nobody says where: for all by root, else for the user", { permissions: "none" }, () => {
  assert.equal(usualPrefix(0, "/root"), "/usr/local");
  assert.equal(usualPrefix(1000, "/home/greg"), "/home/greg/.local");
  assert.equal(usualPrefix(1000), "");
});

const wrong: string[][] = [
  ["--prefix"],
  ["--prefix", ""],
  ["--prefix="],
  ["--prefix", "relative"],
  ["--prefix=./relative"],
  ["--prefix", "/some,where"],
  ["--prefix", "~/local"],
  ["--prefix", "/somewhere", "more"],
  ["--where", "/somewhere"],
  ["/somewhere"],
];
for (const args of wrong) {
  Deno.test(`install ${JSON.stringify(args)} is one line and 64`, async () => {
    using home = new Home();
    const script = `${ROOT}/build/install/install.ts`;
    const ran = await home.run([Deno.execPath(), "run", "-q", "-A", "--config", `${ROOT}/deno.json`, script, ...args]);
    oneLine(ran, 64, /^install: .*(prefix|"--where")/i);
    assert.equal(ran.stdout, "");
  });
}

/** Runs a script of build/install. */
function script(home: Home, name: string, ...args: string[]): Promise<Ran> {
  const deno = [Deno.execPath(), "run", "-q", "-A", "--config", `${ROOT}/deno.json`];
  return home.run([...deno, `${ROOT}/build/install/${name}.ts`, ...args]);
}

Deno.test("a link takes the place of nobody's program, and nothing is installed then", async () => {
  using home = new Home();
  const prefix = `${home.path}/there`;
  const theirs = home.write("there/bin/sendmail", "#!/bin/sh\n", 0o755);
  oneLine(
    await script(home, "install", "--prefix", prefix, "--link", "sendmail"),
    64,
    /bin\/sendmail: File exists and belongs to/,
  );
  oneLine(
    await script(home, "install", "--prefix", prefix, "--link", "../x"),
    64,
    /Link "\.\.\/x" is not one of sendmail, /,
  );
  assert.deepEqual(below(prefix), [`${prefix}/bin`, theirs]);
});

for (const name of PROGRAMS.slice(0, 2)) {
  Deno.test(`somebody else's ${name} stays, and nothing is installed then`, async () => {
    using home = new Home();
    const prefix = `${home.path}/there`;
    const theirs = home.write(`there/${name}`, "#!/bin/sh\n", 0o755);
    oneLine(
      await script(home, "install", "--prefix", prefix),
      64,
      new RegExp(`/there/${name}: File exists and belongs to another program$`, "m"),
    );
    assert.deepEqual(below(prefix), [`${prefix}/bin`, theirs]);
  });
}

Deno.test("a list of what was installed that is broken is named", async () => {
  using home = new Home();
  home.write("there/lib/countersign/installed.json", "{");
  for (const name of ["install", "uninstall"]) {
    const ran = await script(home, name, "--prefix", `${home.path}/there`);
    oneLine(ran, 73, /installed\.json: File is not valid JSON: remove it and install again$/m);
  }
});

Deno.test("what was installed twice is taken away at once, and nothing else", async () => {
  using home = new Home();
  const prefix = `${home.path}/there`;
  home.write("there/share/man/man1/other.1", "");
  const before = below(prefix);
  for (const links of [["--link", "sendmail", "--link=mailq"], []]) {
    const ran = await script(home, "install", "--prefix", prefix, ...links);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    assert.equal(Deno.readLinkSync(`${prefix}/bin/sendmail`), "shim");
  }
  const sent = await home.run([`${prefix}/bin/sendmail`, "-i", "ann@example.net"], MAIL);
  assert.deepEqual([sent.code, home.mails("out").length], [0, 1]);
  const changed = home.write("there/share/man/man1/shim.1", "My own words.\n");
  Deno.removeSync(`${prefix}/bin/mailq`);
  const mailq = home.write("there/bin/mailq", "#!/bin/sh\n", 0o755);

  const gone = await script(home, "uninstall", "--prefix", prefix);
  assert.deepEqual([gone.code, gone.stderr], [0, ""]);
  assert.deepEqual(gone.stdout, [mailq, changed].map((path) => `Kept, because it was changed: ${path}\n`).join(""));
  assert.deepEqual(below(prefix).sort(), [...before, `${prefix}/bin`, mailq, changed].sort());
  oneLine(await script(home, "uninstall", "--prefix", prefix), 64, /^uninstall: Countersign is not installed below/);
  oneLine(await script(home, "uninstall", "--prefix="), 64, /^uninstall: Prefix is missing: use --prefix/);
  oneLine(await script(home, "uninstall", "--prefix", prefix, "more"), 64, /^uninstall: Unknown argument "more"/);
});

Deno.test("an installed program has a cache that is ready, and keeps it from what it runs", async () => {
  using home = new Home();
  const prefix = `${home.path}/there`;
  assert.equal((await script(home, "install", "--prefix", prefix)).code, 0);
  const files = () => [...Deno.readDirSync(`${prefix}/lib/countersign/cache`)].map(({ name }) => name).sort();
  const made = files();
  assert.ok(made.length > 0);
  const code = made.filter((name) => name.startsWith("v8_code_cache"))
    .map((name) => decodeLatin1(Deno.readFileSync(`${prefix}/lib/countersign/cache/${name}`))).join("");
  for (const program of ["shim/main.js", "hooks/incoming.js"]) {
    assert.ok(code.includes(`file://${prefix}/lib/countersign/${program}`), `compiled code of ${program}`);
  }
  home.settings(byStub(home));
  delete home.env.DENO_DIR;
  const line = [`${prefix}/bin/shim`, "ann@example.net"];
  const ran = await home.run(line, MAIL);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.equal(environment(home).DENO_DIR, undefined);
  assert.deepEqual(files(), made);
  assert.equal(home.read(".cache/deno/dep_analysis_cache_v2"), "", "no cache of the user's own is made");
  // Who names one himself has it.
  assert.equal((await home.run(line, MAIL, { DENO_DIR: `${home.path}/mine` })).code, 0);
  assert.equal(environment(home).DENO_DIR, `${home.path}/mine`);

  // A former version's cache, and what installations that were killed have left, are gone with the next one.
  const old = new Date(Date.now() - 25 * 3_600_000);
  const left = [
    "lib/countersign/cache/former",
    "lib/countersign/cache.4711.new/x",
    "lib/countersign/cache.4711.old/x",
    "lib/countersign/shim/main.js.4711.new",
    "bin/shim.4711.new",
  ];
  const kept = ["bin/other.4711.new", "bin/shim.new"];
  for (const name of [...left, ...kept]) {
    const path = home.write(`there/${name}`, "");
    const entry = name.includes("/cache.") ? path.slice(0, path.lastIndexOf("/")) : path;
    Deno.utimeSync(entry, old, old);
  }
  assert.equal((await script(home, "install", "--prefix", prefix)).code, 0);
  assert.deepEqual(files(), made);
  const there = [...left, ...kept].filter((name) => {
    try {
      return Deno.lstatSync(`${prefix}/${name}`).isFile;
    } catch {
      return false;
    }
  });
  assert.deepEqual(there, kept);
  const beside = [...Deno.readDirSync(`${prefix}/lib/countersign`)].map(({ name }) => name);
  assert.deepEqual(beside.filter((name) => name.startsWith("cache")), ["cache"]);

  // Doctor asks the shim itself: one that takes mail and does nothing with it would look as if all were well.
  const doctor = async () => JSON.parse((await home.run([`${prefix}/bin/countersign`, "doctor", "--json"])).stdout);
  const whats = async () => (await doctor()).findings.map(({ what }: { what: string }) => what);
  assert.deepEqual(await whats(), []);
  home.write("there/bin/shim", "#!/bin/sh\ncat >/dev/null\n", 0o755);
  const said = `The shim ${prefix}/bin/shim --version does not print version ${VERSION}; it exits 0`;
  assert.deepEqual(await whats(), [said]);
  // Taken away, it is not made again by whoever comes first, as wide as his umask.
  Deno.removeSync(`${prefix}/lib/countersign/cache`, { recursive: true });
  assert.equal((await home.run(["/bin/sh", "-c", 'umask 000; exec "$@"', "sh", ...line], MAIL)).code, 0);
  assert.throws(() => Deno.statSync(`${prefix}/lib/countersign/cache`), Deno.errors.NotFound);
});
