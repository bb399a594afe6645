/** Really installs, throws the checkout away, and runs what was installed as users have it. */
import assert from "node:assert/strict";
import { fieldOf, Home, oneLine, qsbmf, type Ran, ROOT } from "./rig.ts";
import { VERSION } from "../lib/version.ts";

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
    "transport",
    "state",
    "shim",
    "hooks",
    "admin",
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
  const text = `state = "${path}/state"\n[[identity]]\n${identity}\n${transport}\n[incoming]\nspam = "${path}/spam"\n`;
  home.write(".config/countersign/config.toml", text);
  home.write("keys", "k1 2026-01-01 not a real secret either\n", 0o600);
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
    for (const path of runs) assert.ok(Deno.lstatSync(path).isFile, `${path} is no file`);
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
      assert.ok(!Deno.readTextFileSync(path).includes(work.path), path);
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
    assert.match(Deno.readTextFileSync(`${checkout}/dist/main.js`), /import\("\.\/shim\/main\.js"\)/);
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
    assert.ok(stdout.includes(`look twice where it stands: ${prefix}/bin/shim\n`), "a path with spaces");
    for (const [, path] of stdout.matchAll(/^set sendmail="(.*)"$/gm)) assert.equal(path, `${prefix}/bin/shim`);
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

  await t.step("without its Deno: later", async () => {
    const moved = `${work.path}/moved`;
    Deno.removeSync(`${moved}/lib/countersign/deno`);
    oneLine(await home.run([`${moved}/bin/shim`, "ann@example.net"], MAIL, bare(home)), 75, /deno\) is not there/);
  });
});

const wrong: string[][] = [
  [],
  ["--prefix"],
  ["--prefix", ""],
  ["--prefix="],
  ["--prefix", "relative"],
  ["--prefix=./relative"],
  ["--prefix", "~/local"],
  ["--prefix", "/somewhere", "more"],
  ["--where", "/somewhere"],
  ["/somewhere"],
];
for (const args of wrong) {
  Deno.test(`install ${JSON.stringify(args)} is one line and 64`, async () => {
    using home = new Home();
    const script = `${ROOT}/contrib/install/install.ts`;
    const ran = await home.run([Deno.execPath(), "run", "-q", "-A", "--config", `${ROOT}/deno.json`, script, ...args]);
    oneLine(ran, 64, /^install: .*prefix/i);
    assert.equal(ran.stdout, "");
  });
}
