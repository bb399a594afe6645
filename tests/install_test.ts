/** Installs from a checkout, deletes the checkout, and runs the installed programs as users do. */
import assert from "node:assert/strict";
import { decodeLatin1 } from "../lib/bytes.ts";
import { assertLinks, MAIL, minimalEnv, testPrograms, userHome } from "./installed.ts";
import { Home, isFile, oneLine, type Ran, ROOT } from "./rig.ts";
import { installationError, usualPrefix } from "../build/install/installed.ts";
import { VERSION } from "../lib/version.ts";
import { stubEnvironment, stubTransport } from "./stub.ts";

const PROGRAMS = [
  "bin/shim",
  "bin/countersign",
  ...["incoming", "doorbell", "opensmtpd"].map((name) => `lib/countersign/hooks/${name}`),
  ...["authup", "fixsmtpio", "ofmipd"].map((name) => `lib/countersign/submit/${name}`),
  ...["queue", "rcptcheck"].map((name) => `lib/countersign/hooks/${name}`),
  ...["reup", "checkpassword", "checknotroot"].map((name) => `lib/countersign/submit/${name}`),
];
/** Programs with manual pages of their own. */
const CHAIN = ["authup", "checknotroot", "checkpassword", "fixsmtpio", "ofmipd", "reup"];
const root = Deno.uid() === 0;

/** A copy of the checkout with sources only. */
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
    "submit",
    "admin",
    "build",
    "contrib",
    "docs",
    ...["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"],
  ];
  for (const part of parts) copy(`${ROOT}/${part}`, `${to}/${part}`);
}

function copy(from: string, to: string): void {
  if (!Deno.statSync(from).isDirectory) return Deno.copyFileSync(from, to);
  Deno.mkdirSync(to);
  for (const { name } of Deno.readDirSync(from)) copy(`${from}/${name}`, `${to}/${name}`);
}

/** Runs a task of a checkout, with a umask that denies access to others. */
function task(home: Home, checkout: string, ...args: string[]): Promise<Ran> {
  const line = 'umask 077; cd "$0" && exec "$@"';
  return home.run(["/bin/sh", "-c", line, checkout, Deno.execPath(), "task", "-q", ...args]);
}

/** All files and folders below a folder. */
function below(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return isDirectory ? [path, ...below(path)] : [path];
  });
}

const octal = (mode: number | null) => (mode! & 0o777).toString(8);

Deno.test("install", async (t) => {
  using work = new Home();
  using home = await userHome();
  const checkout = `${work.path}/check out`;
  const prefix = `${work.path}/a prefix/deep`;
  Deno.chmodSync(work.path, 0o755);
  copyCheckout(checkout);

  await t.step("installs, and lists the programs", async () => {
    const ran = await task(work, checkout, "install", "--prefix", prefix);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    assert.deepEqual(ran.stdout.trim().split("\n"), PROGRAMS.map((name) => `${prefix}/${name}`));
    assert.deepEqual(below(`${prefix}/bin`).map((path) => path.slice(prefix.length)).sort(), [
      "/bin/countersign",
      "/bin/shim",
    ]);
  });

  await t.step("guides and contrib have valid links, and name the installed programs", () => {
    const guides = `${prefix}/share/doc/countersign`;
    assertLinks(guides);
    const forward = Deno.readTextFileSync(`${guides}/contrib/postfix/local/forward`);
    assert.ok(forward.startsWith(`"|${prefix}/lib/countersign/hooks/incoming --as postfix `), forward);
    assert.match(Deno.readTextFileSync(`${prefix}/share/man/man8/incoming.8`), /a prefix\/deep\/lib\/countersign/);
  });

  await t.step("all users may read and run it, whatever the umask", () => {
    const executables = [
      ...PROGRAMS,
      ...["hooks/ask", "hooks/mboxlock", "submit/verify", "deno"].map((one) => `lib/countersign/${one}`),
    ]
      .map((name) => `${prefix}/${name}`);
    for (const path of [prefix, `${work.path}/a prefix`, ...below(prefix)]) {
      const { isDirectory, mode } = Deno.lstatSync(path);
      const script = !isDirectory && path.includes("/share/doc/") && Deno.readTextFileSync(path).startsWith("#!");
      assert.equal(octal(mode), isDirectory || script || executables.includes(path) ? "755" : "644", path);
    }
    for (const path of executables) assert.ok(Deno.lstatSync(path).isFile, `${path} is not a file`);
  });

  await t.step("manual pages and completions are in the usual folders", async () => {
    const share = below(`${prefix}/share`).filter((path) => isFile(path) && !path.includes("/share/doc/"));
    assert.deepEqual(share.map((path) => path.slice(`${prefix}/share/`.length)).sort(), [
      "bash-completion/completions/countersign",
      "fish/vendor_completions.d/countersign.fish",
      "man/man1/countersign.1",
      "man/man1/shim.1",
      "man/man5/countersign.conf.5",
      "man/man7/countersign.7",
      ...[...CHAIN, "opensmtpd", "queue", "rcptcheck"].map((name) => `man/man8/countersign-${name}.8`).sort(),
      "man/man8/doorbell.8",
      "man/man8/incoming.8",
      "zsh/site-functions/_countersign",
    ]);
    for (const path of share.filter((path) => path.includes("/man/"))) {
      const [, name, section] = /([^/]+)\.(\d)$/.exec(path)!;
      const title = new RegExp(`^\\.Dt ${name!.toUpperCase()} ${section}$`, "m");
      assert.match(await Deno.readTextFile(path), title, path);
    }
  });

  await t.step("does not refer to the checkout", () => {
    for (const path of below(prefix).filter((path) => Deno.statSync(path).isFile && !path.endsWith("/deno"))) {
      assert.ok(!Deno.readTextFileSync(path).includes(checkout), path);
    }
  });

  const leftovers = {
    old: `${prefix}/lib/countersign/chunk-OLD.js`,
    oldSubmit: `${prefix}/lib/countersign/submit/chunk-OLD.js`,
    young: `${prefix}/lib/countersign/chunk-YOUNG.js`,
  };
  await t.step(
    "installs over itself, and removes files of an earlier version once no program can be loading them",
    async () => {
      const files = below(prefix).sort();
      const inode = Deno.statSync(`${prefix}/bin/shim`).ino;
      for (const path of Object.values(leftovers)) Deno.writeTextFileSync(path, "");
      const twoDaysAgo = Date.now() / 1000 - 2 * 24 * 60 * 60;
      for (const path of [leftovers.old, leftovers.oldSubmit]) Deno.utimeSync(path, twoDaysAgo, twoDaysAgo);
      Deno.chmodSync(`${prefix}/lib/countersign/main.js`, 0o600);
      const ran = await task(work, checkout, "install", `--prefix=${prefix}/`);
      assert.deepEqual([ran.code, ran.stderr], [0, ""]);
      assert.deepEqual(below(prefix).sort(), [...files, leftovers.young].sort());
      assert.equal(octal(Deno.statSync(`${prefix}/lib/countersign/main.js`).mode), "644");
      assert.notEqual(Deno.statSync(`${prefix}/bin/shim`).ino, inode, "the file is replaced, not overwritten");
    },
  );

  await t.step("a prefix that cannot be written: one line, exit 73", async () => {
    const file = work.write("file", "");
    oneLine(await task(work, checkout, "install", "--prefix", file), 73, /^install: .*\/file/);
    assert.equal(work.read("file"), "");
  });

  await t.step("bundle writes dist/ with a file per program, and modules that are loaded late", async () => {
    Deno.mkdirSync(`${checkout}/dist`);
    Deno.writeTextFileSync(`${checkout}/dist/stale.js`, "");
    const ran = await task(work, checkout, "bundle");
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    const made = below(`${checkout}/dist`).map((path) => path.slice(`${checkout}/dist/`.length));
    for (const name of ["main.js", "shim/main.js", "hooks/incoming.js"]) assert.ok(made.includes(name), name);
    assert.ok(!made.includes("stale.js"));
    for (const [entry, late] of [["shim/main", "smtp"], ["hooks/incoming", "smtp"], ["main", "doctor"]]) {
      const folder = entry!.slice(0, entry!.lastIndexOf("/") + 1);
      assert.ok(made.some((name) => name.startsWith(`${folder}${late}-`)), `${late} is not a separate file`);
      const info = await work.run([Deno.execPath(), "info", "--json", `${checkout}/dist/${entry}.js`]);
      const loaded: string[] = JSON.parse(info.stdout).modules.map((module: { specifier: string }) => module.specifier);
      assert.ok(loaded.some((name) => name.endsWith(`/${entry}.js`)), info.stdout);
      assert.ok(!loaded.some((name) => name.includes(`${late}-`)), `${late} is loaded at every start`);
    }
  });

  // The remaining steps run without the checkout.
  Deno.removeSync(checkout, { recursive: true });

  await t.step("works without Deno on PATH, without a home, without a cache", async () => {
    const found = await home.run(["/bin/sh", "-c", "command -v deno"], "", minimalEnv(home));
    assert.notEqual(found.code, 0, "Deno is on this PATH");
    await testPrograms(home, prefix);
  });

  await t.step("countersign runs its commands", async () => {
    const run = (...args: string[]) => home.run([`${prefix}/bin/countersign`, ...args], MAIL, minimalEnv(home));
    assert.equal((await run("version")).stdout, `countersign ${VERSION}\n`);
    const before = home.mails("out").length;
    assert.equal((await run("sendmail", "ann@example.net")).code, 0);
    assert.equal(home.mails("out").length, before + 1);
    oneLine(await run("shmi"), 64, /did you mean shim/);
  });

  await t.step("init prints the paths of the programs", async () => {
    const env = { ...minimalEnv(home), HOME: work.path, COUNTERSIGN_CONFIG: `${work.path}/none.toml` };
    const args = ["init", "--print", "--print-all", "--address", "greg@example.org", "--command", "/usr/sbin/sendmail"];
    const ran = await home.run(
      [`${prefix}/bin/countersign`, ...args, "--preset", "postfix", "--inbox", "~/Maildir"],
      "",
      env,
    );
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    const { stdout } = ran;
    const hook = `${prefix}/lib/countersign/hooks/incoming --config ${work.path}/none.toml`;
    assert.ok(stdout.includes(`"|${hook} --as postfix --maildir ${work.path}/Maildir"\n`), stdout);
    const shown = prefix.replace(`${work.path}/`, "~/");
    assert.ok(stdout.includes(`need quoting in some configuration files: ${shown}/bin/shim\n`), "a path with spaces");
    for (const [, path] of stdout.matchAll(/^set sendmail="(.*)"$/gm)) assert.equal(path, `${prefix}/bin/shim`);
  });

  await t.step("doctor suggests the installed shim", async () => {
    work.write(".muttrc", "set from=greg@example.org\n");
    const ran = await home.run([`${prefix}/bin/countersign`, "doctor"], "", { ...minimalEnv(home), HOME: work.path });
    assert.ok(ran.stdout.includes(`  fix    set sendmail="${prefix}/bin/shim"\n`), ran.stdout + ran.stderr);
  });

  await t.step("a link calls the program by its own name", async () => {
    Deno.symlinkSync(`${prefix}/bin/shim`, `${home.path}/tools/qmail-inject`);
    Deno.symlinkSync("../tools/qmail-inject", `${home.path}/bin/newaliases`);
    const wrong = await home.run([`${home.path}/tools/qmail-inject`, "-N", "never"], MAIL, minimalEnv(home));
    oneLine(wrong, 100, /^qmail-inject: Unknown option "-N"/);
    const bin = { ...minimalEnv(home), PATH: `${home.path}/bin:${home.path}/tools` };
    const aliases = await home.run(["/bin/sh", "-c", "newaliases"], "", bin);
    assert.deepEqual([aliases.code, aliases.stderr], [0, ""]);
  });

  await t.step("Deno's configuration files in the working directory are ignored", async () => {
    for (const name of ["deno.json", "package.json", "deno.lock", ".npmrc"]) home.write(name, "{ broken");
    const ran = await home.run([`${prefix}/bin/shim`, "--version"], "", minimalEnv(home));
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
      await testPrograms(own, prefix, as);
      for (const folder of ["out", "in", "spam"]) {
        const [file] = [...Deno.readDirSync(`${own.path}/${folder}/new`)];
        assert.equal(Deno.statSync(`${own.path}/${folder}/new/${file!.name}`).uid, uid, folder);
      }
    },
  });

  await t.step("works after being moved", async () => {
    const moved = `${work.path}/moved`;
    Deno.renameSync(prefix, moved);
    await testPrograms(home, moved);
  });

  await t.step("an empty program file, which would run successfully: exit 75", async () => {
    const moved = `${work.path}/moved`;
    for (const name of ["deno", "shim/main.js"]) {
      const path = `${moved}/lib/countersign/${name}`;
      Deno.renameSync(path, `${path}.whole`);
      Deno.writeTextFileSync(path, "");
      Deno.chmodSync(path, 0o755);
      const ran = await home.run([`${moved}/bin/shim`, "ann@example.net"], MAIL, minimalEnv(home));
      oneLine(ran, 75, new RegExp(`/${name}.* empty$`, "m"));
      Deno.renameSync(`${path}.whole`, path);
    }
  });

  await t.step("without its Deno: exit 75", async () => {
    const moved = `${work.path}/moved`;
    Deno.removeSync(`${moved}/lib/countersign/deno`);
    oneLine(await home.run([`${moved}/bin/shim`, "ann@example.net"], MAIL, minimalEnv(home)), 75, /deno\) is missing/);
  });
});

Deno.test("the default prefix: for all users as root, else for the user", { permissions: "none" }, () => {
  assert.equal(usualPrefix(0, "/root"), "/usr/local");
  assert.equal(usualPrefix(1000, "/home/greg"), "/home/greg/.local");
  assert.equal(usualPrefix(1000), "");
});

const usageErrors: string[][] = [
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
for (const args of usageErrors) {
  Deno.test(`install ${JSON.stringify(args)} is rejected with one line`, async () => {
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

Deno.test("a link never replaces another program; then nothing is installed", async () => {
  using home = new Home();
  const prefix = `${home.path}/there`;
  const other = home.write("there/bin/sendmail", "#!/bin/sh\n", 0o755);
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
  assert.deepEqual(below(prefix), [`${prefix}/bin`, other]);
});

for (const name of PROGRAMS.slice(0, 2)) {
  Deno.test(`an existing ${name} of another program is kept, and nothing is installed`, async () => {
    using home = new Home();
    const prefix = `${home.path}/there`;
    const other = home.write(`there/${name}`, "#!/bin/sh\n", 0o755);
    oneLine(
      await script(home, "install", "--prefix", prefix),
      64,
      new RegExp(`/there/${name}: File exists and belongs to another program$`, "m"),
    );
    assert.deepEqual(below(prefix), [`${prefix}/bin`, other]);
  });
}

Deno.test("an invalid list of installed files is reported", async () => {
  using home = new Home();
  home.write("there/lib/countersign/installed.json", "{");
  for (const name of ["install", "uninstall"]) {
    const ran = await script(home, name, "--prefix", `${home.path}/there`);
    oneLine(ran, 73, /installed\.json: File is not valid JSON: remove it and install again$/m);
  }
});

Deno.test("uninstall removes what was installed, even twice, and nothing else", async () => {
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

Deno.test("an installed program has a filled cache, and does not pass it to the programs that it runs", async () => {
  using home = new Home();
  const prefix = `${home.path}/there`;
  assert.equal((await script(home, "install", "--prefix", prefix)).code, 0);
  const files = () => [...Deno.readDirSync(`${prefix}/lib/countersign/cache`)].map(({ name }) => name).sort();
  const cached = files();
  assert.ok(cached.length > 0);
  const code = cached.filter((name) => name.startsWith("v8_code_cache"))
    .map((name) => decodeLatin1(Deno.readFileSync(`${prefix}/lib/countersign/cache/${name}`))).join("");
  for (const program of ["shim/main.js", "hooks/incoming.js"]) {
    assert.ok(code.includes(`file://${prefix}/lib/countersign/${program}`), `compiled code of ${program}`);
  }
  home.settings(stubTransport(home));
  delete home.env.DENO_DIR;
  const line = [`${prefix}/bin/shim`, "ann@example.net"];
  const ran = await home.run(line, MAIL);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.equal(stubEnvironment(home).DENO_DIR, undefined);
  assert.deepEqual(files(), cached);
  assert.equal(home.read(".cache/deno/dep_analysis_cache_v2"), "", "no cache of the user is created");
  // A DENO_DIR that the user sets is used.
  assert.equal((await home.run(line, MAIL, { DENO_DIR: `${home.path}/mine` })).code, 0);
  assert.equal(stubEnvironment(home).DENO_DIR, `${home.path}/mine`);

  // The next installation removes the cache of an earlier version, and the leftovers of killed installations.
  const old = new Date(Date.now() - 25 * 3_600_000);
  const removed = [
    "lib/countersign/cache/former",
    "lib/countersign/cache.4711.new/x",
    "lib/countersign/cache.4711.old/x",
    "lib/countersign/shim/main.js.4711.new",
    "bin/shim.4711.new",
  ];
  const kept = ["bin/other.4711.new", "bin/shim.new"];
  for (const name of [...removed, ...kept]) {
    const path = home.write(`there/${name}`, "");
    const entry = name.includes("/cache.") ? path.slice(0, path.lastIndexOf("/")) : path;
    Deno.utimeSync(entry, old, old);
  }
  assert.equal((await script(home, "install", "--prefix", prefix)).code, 0);
  assert.deepEqual(files(), cached);
  const existing = [...removed, ...kept].filter((name) => {
    try {
      return Deno.lstatSync(`${prefix}/${name}`).isFile;
    } catch {
      return false;
    }
  });
  assert.deepEqual(existing, kept);
  const names = [...Deno.readDirSync(`${prefix}/lib/countersign`)].map(({ name }) => name);
  assert.deepEqual(names.filter((name) => name.startsWith("cache")), ["cache"]);

  // Doctor runs the shim: a program that discards mail would otherwise look like a working shim.
  const doctor = async () => JSON.parse((await home.run([`${prefix}/bin/countersign`, "doctor", "--json"])).stdout);
  const problems = async () => (await doctor()).findings.map(({ what }: { what: string }) => what);
  assert.deepEqual(await problems(), []);
  home.write("there/bin/shim", "#!/bin/sh\ncat >/dev/null\n", 0o755);
  const problem = `The shim ${prefix}/bin/shim --version does not print version ${VERSION}; it exits 0`;
  assert.deepEqual(await problems(), [problem]);
  // A missing cache is not created again at run time, where its mode would depend on the user's umask.
  Deno.removeSync(`${prefix}/lib/countersign/cache`, { recursive: true });
  assert.equal((await home.run(["/bin/sh", "-c", 'umask 000; exec "$@"', "sh", ...line], MAIL)).code, 0);
  assert.throws(() => Deno.statSync(`${prefix}/lib/countersign/cache`), Deno.errors.NotFound);
});

Deno.test("an installation that is denied says who can install", () => {
  const denied = new Deno.errors.PermissionDenied("mkdir '/usr/local/lib/countersign'");
  const said = "mkdir '/usr/local/lib/countersign'";
  assert.equal(installationError(denied, 1000), `${said}: run it as root, or with --prefix and a folder of yours`);
  assert.equal(installationError(denied, 0), said);
  assert.equal(installationError(new Deno.errors.NotFound(said), 1000), said);
});
