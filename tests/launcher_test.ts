/** The launchers and their programs in a broken environment: no message is lost or sent incompletely. */
import assert from "node:assert/strict";
import { checkoutStart, launcherText, PROGRAMS, stubText } from "../build/install/launcher.ts";
import { fieldOf, Home, isFile, oneLine, type Ran, ROOT } from "./rig.ts";

const HEAD = "From: greg@example.org\nTo: ann@example.net\nSubject: Hello\nMessage-ID: <1@example.org>\n\n";
const MAIL = `${HEAD}Hi.\n`;
/** Larger than a pipe and all other buffers. */
const BIG = `${HEAD}${"0123456789abcdef".repeat(64)}\n`.padEnd(4 * 1024 * 1024, "line of the body\n");
const SHIM = `${ROOT}/shim/shim`;
const HOOK = `${ROOT}/hooks/incoming`;
const SHELLS = [[], ["/bin/bash", "--posix"]].filter(([shell]) => shell === undefined || isFile(shell));
const root = Deno.uid() === 0;

/** Variables that make Deno 2.9.6 write files, load code, trust other certificates, print more, wait or stop. */
const UNSET = {
  LD: "PRELOAD LIBRARY_PATH AUDIT DEBUG DEBUG_OUTPUT PROFILE PROFILE_OUTPUT SHOW_AUXV TRACE_LOADED_OBJECTS",
  DENO: "AUDIT_PERMISSIONS AUTH_TOKENS AUTO_SERVE CACHE_DB_MODE CERT COMPAT CONDITIONS CONNECTED COVERAGE_DIR " +
    "EMIT_CACHE_MODE EXTRA_STDIO_FDS INTERNAL_CHILD_ENTRYPOINT LOG LOG_LAZY_LOAD LOG_STYLE NO_PACKAGE_JSON " +
    "NODE_TRACE_EVENT_CATEGORIES NODE_USE_OPENSSL_CA PATCH_REACT_CVE PERMISSION_BROKER_PATH SERVE_ADDRESS " +
    "SNAPSHOT_IMPORT_GRAPH STARTUP_PHASES TLS_CA_STORE TOKIO_EVENT_INTERVAL TOKIO_GLOBAL_QUEUE_INTERVAL " +
    "TOKIO_MAX_IO_EVENTS_PER_TICK TOKIO_METRICS TOKIO_METRICS_INTERVAL TRACE_PERMISSIONS UNSTABLE_CONTROL_SOCK " +
    "UNSTABLE_CRON_SOCK UNSTABLE_FFI_TRACE_TURBO UNSTABLE_LAZY_DYNAMIC_IMPORTS UNSTABLE_NPM_LAZY_CACHING " +
    "UNSTABLE_OTEL_DETERMINISTIC UNSTABLE_SLOPPY_IMPORTS USE_CGROUPS USR2_MEMORY_TRIM V8_COVERAGE V8_FLAGS",
  NODE:
    "CHANNEL_FD CHANNEL_SERIALIZATION_MODE CLUSTER_SCHED_POLICY DEBUG DEBUG_NATIVE EXTRA_CA_CERTS ICU_DATA OPTIONS " +
    "PATH TLS_REJECT_UNAUTHORIZED UNIQUE_ID USE_ENV_PROXY USE_OPENSSL_CA USE_SYSTEM_CA V8_COVERAGE",
  OTEL: "DENO DENO_CONSOLE DENO_METRICS DENO_TRACING DENO_VSOCK EXPORTER_OTLP_ENDPOINT SDK_DISABLED",
  RUST: "BACKTRACE LIB_BACKTRACE LOG LOG_STYLE MIN_STACK",
  TOKIO: "WORKER_THREADS",
  SSLKEYLOGFILE: "",
};

/** A home whose injector is this script. */
function homeWith(injector: string): Home {
  const home = new Home();
  const path = home.write("injector", injector, 0o755);
  home.settings(`[transport]\npreset = "sendmail"\ncommand = ["${path}"]\n`);
  return home;
}

/** An injector that reads the whole message, then runs this line. */
const injectorThat = (then: string) => `#!/bin/sh\ncat >"$HOME/got"\n${then}\n`;

/** Runs a program through a shell line, for redirections that Deno cannot do. */
const viaShell = (line: string, ...argv: string[]) => ["/bin/sh", "-c", line, ...argv];

for (const program of PROGRAMS) {
  Deno.test(`${program.launcher} is what launcher.ts generates, and is executable`, () => {
    const path = `${ROOT}/${program.launcher}`;
    assert.equal(Deno.readTextFileSync(path), stubText(checkoutStart(program)));
    assert.doesNotMatch(Deno.readTextFileSync(path), /@[A-Z]+@/);
    assert.equal(Deno.statSync(path).mode! & 0o111, 0o111);
  });
}

Deno.test("the launcher has at most 130 lines of at most 120 characters", () => {
  const lines = Deno.readTextFileSync(`${ROOT}/build/run.sh`).trimEnd().split("\n");
  assert.ok(lines.length <= 130, String(lines.length));
  assert.deepEqual(lines.filter((line) => line.length > 120), []);
});

/** [working directory, command]; `link` is a link to the shim, `folder` to the checkout. */
const calls: [string, string][] = [
  [".", "./link"],
  [".", "./folder/shim/shim"],
  [".", "chain"],
  [".", "./folder/hooks/../shim/shim"],
  ["folder/shim", "./shim"],
  ["folder/shim", "sh shim"],
  ["folder/shim", "sh ./shim"],
  ["folder", "shim/../shim/shim"],
  ["/", "$HOME/my dir/shim/shim"],
  ["bin", "PWD=/nonexistent ../link"],
  ["bin", "PWD= ../link"],
  ["bin", "CDPATH=/ ../link"],
];
for (const shell of SHELLS) {
  Deno.test(`the stub of a checkout finds its launcher by any path${shell.length > 0 ? " under bash" : ""}`, async () => {
    using home = new Home();
    Deno.symlinkSync(SHIM, `${home.path}/link`);
    Deno.symlinkSync("../link", `${home.path}/bin/chain`);
    Deno.symlinkSync(ROOT, `${home.path}/folder`);
    Deno.symlinkSync(ROOT, `${home.path}/my dir`);
    for (const [nth, [folder, call]] of calls.entries()) {
      const line = `cd "${folder}" && ${call.includes("my dir") ? `"${call}"` : call} ann@example.net`;
      const ran = await home.run([...(shell.length > 0 ? shell : ["/bin/sh"]), "-c", line], MAIL);
      assert.deepEqual([ran.code, ran.stderr], [0, ""], line);
      assert.equal(home.mails("out").length, nth + 1, line);
    }
  });
}

Deno.test("without build/run.sh the stubs of a checkout fail temporarily, with one line", async () => {
  using home = new Home();
  for (const [name, program] of [["shim/shim", SHIM], ["hooks/incoming", HOOK]] as const) {
    home.write(name, Deno.readTextFileSync(program), 0o755);
    oneLine(await home.run([`${home.path}/${name}`], MAIL), 75, /\/build\/run\.sh cannot be read$/m);
  }
});

// Without Deno the caller must try again later, so it gets the temporary status that it knows.
const withoutDeno: [string, string, string[], number][] = [
  ["the shim", SHIM, ["ann@example.net"], 75],
  ["the shim as sendmail", "sendmail", ["-t"], 75],
  ["the shim as qmail-inject", "qmail-inject", [], 111],
  ["the hook", HOOK, [], 75],
  ["the hook under maildrop", HOOK, ["--as", "maildrop"], 75],
  ["the hook under condredirect", HOOK, ["--as", "condredirect"], 111],
  ["the hook under condredirect, joined", HOOK, ["--as=condredirect", "--config", "x"], 111],
  ["the hook with that within a sender's address", HOOK, ["--as", "postfix", "--", "x --as condredirect y", "z"], 75],
  ["the hook with that as an address", HOOK, ["--sender", "--as=condredirect"], 75],
];
for (const [what, program, args, status] of withoutDeno) {
  Deno.test(`without Deno on PATH ${what} exits with ${status}`, async () => {
    using home = new Home();
    Deno.mkdirSync(`${home.path}/tools`);
    const { stdout } = await home.run(["/bin/sh", "-c", "command -v readlink"]);
    Deno.symlinkSync(stdout.trim(), `${home.path}/tools/readlink`);
    for (const name of ["sendmail", "qmail-inject"]) Deno.symlinkSync(SHIM, `${home.path}/${name}`);
    const path = program.startsWith("/") ? program : `${home.path}/${program}`;
    const name = path.slice(path.lastIndexOf("/") + 1);
    const ran = await home.run([path, ...args], MAIL, { PATH: `${home.path}/tools` });
    oneLine(ran, status, new RegExp(`^${name}: Deno \\(deno\\) is missing$`, "m"));
    assert.deepEqual(home.mails("out"), []);
  });
}

// How the injector ends determines the shim's exit status.
const ends: [string, string, number][] = [
  ["0", "exit 0", 0],
  ["1", "exit 1", 75],
  ["67", "exit 67", 67],
  ["75", "exit 75", 75],
  ["78", "exit 78", 78],
  ["100", "exit 100", 69],
  ["111", "exit 111", 75],
  ["255", "exit 255", 75],
  ["SIGKILL", "kill -9 $$", 75],
  ["SIGSEGV", "kill -11 $$", 75],
];
for (const [how, line, status] of ends) {
  Deno.test(`if the injector ends with ${how}, the shim exits with ${status}`, async () => {
    using home = homeWith(injectorThat(line));
    const ran = await home.shim(["ann@example.net"], MAIL);
    if (status === 0) assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    else {oneLine(
        ran,
        status,
        how.startsWith("SIG") ? new RegExp(`killed by ${how}$`, "m") : new RegExp(`status ${how}$`, "m"),
      );}
    assert.match(home.read("got"), /\n\nHi\.\n$/);
  });
}

Deno.test("if the injector exits with 0 before reading all of a large message, the shim exits with 75", async () => {
  using home = homeWith("#!/bin/sh\nexit 0\n");
  oneLine(await home.shim(["ann@example.net"], BIG), 75, /did not read the whole message/);
});

Deno.test("if the injector rejects a large message before reading all of it, its status is passed on", async () => {
  using home = homeWith("#!/bin/sh\necho no such user >&2\nexit 67\n");
  oneLine(await home.shim(["ann@example.net"], BIG), 67, /status 67: no such user$/m);
});

// Signal dispositions inherited from the caller.
const perl = isFile("/usr/bin/perl");
const SIGNALS = {
  ignored: '$SIG{CHLD} = "IGNORE"; exec @ARGV; die',
  blocked: "use POSIX; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGCHLD)); exec @ARGV; die",
};
for (const [state, line] of Object.entries(SIGNALS)) {
  for (const shell of SHELLS) {
    for (const [code, status] of [[0, 0], [67, 67], [100, 69]] as const) {
      const name = `SIGCHLD ${state}${
        shell.length > 0 ? " under bash" : ""
      }: the injector's status ${code} is not lost`;
      Deno.test({ name, ignore: !perl }, async () => {
        using home = homeWith(injectorThat(`exit ${code}`));
        const ran = await home.run(["/usr/bin/perl", "-e", line, ...shell, SHIM, "ann@example.net"], MAIL);
        assert.equal(ran.code, status, ran.stderr);
        assert.match(home.read("got"), /\n\nHi\.\n$/);
      });
    }
  }
}

/** An injector that records its environment and the message. */
const RECORDS_ENVIRONMENT = `#!/bin/sh\nenv >"$HOME/environment"\ncat >"$HOME/got"\n`;

Deno.test("variables of the dynamic linker do not stop the shim and are not passed to the injector", async () => {
  const names = { LD_PRELOAD: "/nonexistent/preload.so", LD_LIBRARY_PATH: "/nonexistent", LD_BIND_NOW: "1" };
  for (const name of ["LD_FOO", "LD_", "LD_BIND_NOT", "DYLD_INSERT_LIBRARIES"]) {
    using home = homeWith(RECORDS_ENVIRONMENT);
    const env = { ...names, [name]: "1", KEPT: "yes", COUNTERSIGN_LAUNCHER: "1" };
    const ran = await home.shim(["ann@example.net"], MAIL, env);
    assert.deepEqual([ran.code, ran.stdout, withoutLinker(ran.stderr)], [0, "", ""], name);
    assert.match(home.read("environment"), /^KEPT=yes$/m);
    assert.doesNotMatch(home.read("environment"), /^(?:LD_|DYLD_|COUNTERSIGN_LAUNCHER)/m);
  }
});

/** Standard error without the dynamic linker's warnings about the shell. */
const withoutLinker = (stderr: string) => stderr.split("\n").filter((line) => !line.includes(" ld.so: ")).join("\n");

Deno.test("LD_FOO does not prevent reading a variable that is not UTF-8", { ignore: !perl }, async () => {
  using home = new Home();
  const line = '$ENV{SENDER} = "m\\xfcller\\@example.net"; $ENV{LD_FOO} = 1; exec @ARGV; die';
  const env = { EXT: "", HOST: "example.org", RPLINE: "Return-Path: <m>\n" };
  const argv = ["/usr/bin/perl", "-e", line, HOOK, "--maildir", `${home.path}/Maildir`];
  const ran = await home.run(argv, MAIL, env);
  assert.deepEqual([ran.code, ran.stderr], [99, ""]);
});

Deno.test("variables that affect Deno and its Node layer have no effect and write no files", async () => {
  const names = Object.entries(UNSET).flatMap(([prefix, rest]) => rest.split(" ").map((one) => `${prefix}_${one}`));
  const all = names.map((name) => name.replace(/_$/, "")).filter((name) => !name.startsWith("LD_"));
  using home = homeWith(RECORDS_ENVIRONMENT);
  for (const value of ["out.file", "0", "--require /nonexistent/theirs.cjs"]) {
    const before = filesIn(home.path);
    const ran = await home.shim(["ann@example.net"], MAIL, Object.fromEntries(all.map((name) => [name, value])));
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, "", ""], value);
    const reached = all.filter((name) => home.read("environment").includes(`\n${name}=`));
    assert.deepEqual(reached, [], "variables passed to the injector");
    if (before > 0 && value !== "out.file") assert.equal(filesIn(home.path), before, "files were written");
    assert.deepEqual([...Deno.readDirSync(home.path)].filter(({ name }) => [value, "0"].includes(name)), []);
  }
});

/** Variables in Deno's help that have no effect on us, and why. */
const HARMLESS = {
  "set by the launcher, or by the owner of the cache": ["DENO_DIR", "DENO_NO_UPDATE_CHECK"],
  "replaced by --no-prompt": ["DENO_NO_PROMPT"],
  "for other subcommands": ["DENO_INSTALL_ROOT", "DENO_JOBS", "DENO_TSC_BIN"],
  "for Deno.openKv and Deno.serve, which we do not use": [
    ...["DENO_KV_DB_MODE", "DENO_KV_DEFAULT_PATH", "DENO_KV_PATH_PREFIX", "DENO_KV_REQUIRES_DISTRIBUTED_DATABASE"],
    ...["DENO_SERVE_AUTOMATIC_COMPRESSION", "DENO_TRUST_PROXY_HEADERS"],
  ],
  "for downloading modules, which are all installed": ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "NPM_CONFIG_REGISTRY"],
  "for people": ["FORCE_COLOR", "NO_COLOR"],
};

Deno.test("each variable that Deno documents is cleared or known to be harmless", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["--help"], env: { NO_COLOR: "1" } }).output();
  const help = new TextDecoder().decode(stdout);
  const documented = [...help.slice(help.indexOf("Environment variables")).matchAll(/^ {2}([A-Z][A-Z0-9_]+)/gm)];
  assert.ok(documented.length > 20);
  const text = Deno.readTextFileSync(`${ROOT}/build/run.sh`);
  const kept = /^ {2}(.*) \| \*\[!A-Z0-9_\]\*\) ;;$/m.exec(text)![1]!.split(" | ");
  const prefixes = /^ {2}(LD_\* .*)\) unset /m.exec(text)![1]!.split(" | ").map((one) => one.replace("*", ""));
  const isCleared = (name: string) => !kept.includes(name) && prefixes.some((one) => name.startsWith(one));
  const known = new Set(Object.values(HARMLESS).flat());
  assert.deepEqual(documented.map(([, name]) => name!).filter((name) => !isCleared(name) && !known.has(name)), []);
});

Deno.test("a cache folder of another user is not used", { ignore: !root }, async () => {
  using home = homeWith(RECORDS_ENVIRONMENT);
  const cache = `${home.path}/foreign`;
  Deno.mkdirSync(cache);
  Deno.chownSync(cache, 12345, 12345);
  Deno.mkdirSync(`${home.path}/own`);
  Deno.symlinkSync(home.env.DENO_DIR!, `${home.path}/own/deno`);
  const { code } = await home.shim(["ann@example.net"], MAIL, { DENO_DIR: cache, XDG_CACHE_HOME: `${home.path}/own` });
  assert.equal(code, 0);
  assert.equal(filesIn(cache), 0);
  assert.doesNotMatch(home.read("environment"), /^DENO_DIR/m);
});

Deno.test("deno may be a wrapper script", async () => {
  for (const line of [`"${Deno.execPath()}" "$@"`, `exec "${Deno.execPath()}" "$@"`]) {
    using home = homeWith(RECORDS_ENVIRONMENT);
    Deno.removeSync(`${home.path}/bin/deno`);
    home.write("bin/deno", `#!/bin/sh\n${line}\n`, 0o755);
    for (const shell of SHELLS) {
      // The program must not check for a launcher named by the caller.
      const env = { COUNTERSIGN_LAUNCHER: "1" };
      const ran = await home.run([...shell, SHIM, "ann@example.net"], MAIL, env);
      assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    }
  }
});

Deno.test("a comma in --maildir is rejected with one line", async () => {
  using home = new Home();
  Deno.mkdirSync(`${home.path}/b`);
  for (const args of [["--maildir", "a,b"], ["--maildir=a,b"], ["--as", "maildrop", "--maildir", "a,b"]]) {
    oneLine(
      await home.hook(args, MAIL),
      75,
      /^incoming: a,b contains a comma, which a permission cannot express/m,
    );
  }
  oneLine(await home.hook(["--as", "condredirect", "--maildir", ","], MAIL), 111, /contains a comma/);
  // After -- there are addresses, which come from strangers.
  assert.doesNotMatch((await home.hook(["--", "--maildir", "a,b"], MAIL)).stderr, /comma/);
});

Deno.test("an invalid locale is dropped, a valid one is passed to the injector", async () => {
  using home = homeWith(`#!/bin/sh\necho "$LANG" >"$HOME/lang"\ncat >"$HOME/got"\n`);
  const locales = { "ca_ES.UTF-8@valencia": true, "value of LANG": false, abcdefghijklmnop: false, C: true };
  for (const [lang, kept] of Object.entries(locales)) {
    const ran = await home.shim(["ann@example.net"], MAIL, { LANG: lang });
    assert.deepEqual([ran.code, ran.stderr], [0, ""], lang);
    assert.equal(home.read("lang"), kept ? `${lang}\n` : "\n");
  }
});

for (const shell of SHELLS) {
  const under = shell.length > 0 ? " under bash" : "";

  for (const program of [SHIM, HOOK]) {
    const short = program.slice(ROOT.length + 1);
    Deno.test(`${short}${under} with standard input closed exits with ${program === SHIM ? 74 : 75}`, async () => {
      using home = new Home();
      const ran = await home.run(viaShell('exec "$0" "$@" <&-', ...shell, program, "ann@example.net"));
      oneLine(ran, program === SHIM ? 74 : 75, /: standard input is closed$/m);
      assert.deepEqual(home.mails("out"), []);
    });
  }

  Deno.test(`the shim${under} in a deleted folder exits with 75`, async () => {
    using home = new Home();
    const line = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" "$@"';
    const ran = await home.run(viaShell(line, ...shell, SHIM, "ann@example.net"), MAIL);
    assert.equal(ran.code, 75, ran.stderr);
    assert.deepEqual(home.mails("out"), []);
  });

  Deno.test(`the shim${under} sends with standard output and error closed`, async () => {
    using home = new Home();
    const ran = await home.run(viaShell('exec "$0" "$@" >&- 2>&-', ...shell, SHIM, "ann@example.net"), MAIL);
    assert.equal(ran.code, 0);
    assert.deepEqual(home.mails("out").map((mail) => fieldOf(mail, "X-Envelope-To")), ["ann@example.net"]);
  });
}

Deno.test("the hook delivers with standard output and error closed", async () => {
  using home = new Home();
  const argv = viaShell('exec "$0" "$@" >&- 2>&-', HOOK, "--maildir", `${home.path}/Maildir`);
  const ran = await home.run(argv, MAIL, { SENDER: "ann@example.net", EXT: "", HOST: "example.org" });
  assert.equal(ran.code, 99);
  assert.equal(home.mails("Maildir").length, 1);
});

// As after `su greg -c mutt` in /root. Deno starts no program there, not even with an absolute path.
Deno.test({ name: "in a folder that the user may not enter, Deno is started in /", ignore: !root }, async () => {
  using home = new Home();
  Deno.chmodSync(home.path, 0o755);
  const [deno, entry] = [home.write("tools/deno", "#!/bin/sh\npwd\n", 0o755), home.write("entry", "nothing\n")];
  const start = { program: "the shim", rights: "shim", deno, entry, flags: "", cache: "" } as const;
  const launcher = home.write("tools/shim", launcherText(start), 0o755);
  Deno.mkdirSync(`${home.path}/closed`, { mode: 0o700 });
  const as = "setpriv --reuid=12345 --regid=12345 --clear-groups";
  for (const [folder, expected] of [["closed", "/"], ["tools", `${home.path}/tools`]] as const) {
    const ran = await home.run(["/bin/sh", "-c", `cd ${folder} && exec ${as} "$0"`, launcher], MAIL);
    assert.deepEqual(ran, { code: 0, stdout: `${expected}\n`, stderr: "" });
  }
});

// Standard input that cannot be read: a folder, and a file opened for writing only.
for (const [what, redirect] of [["a folder", "</"], ["open for writing only", "0>written"]] as const) {
  Deno.test(`standard input that is ${what} is not treated as an empty message`, async () => {
    using home = homeWith(injectorThat("exit 0"));
    const spam = `${home.path}/Maildir`;
    oneLine(
      await home.run(viaShell(`exec "$0" "$@" ${redirect}`, SHIM, "ann@example.net")),
      74,
      /input cannot be read/,
    );
    const hook = viaShell(`exec "$0" "$@" ${redirect}`, HOOK, "--maildir", spam);
    oneLine(await home.run(hook, "", { SENDER: "", HOST: "example.org" }), 75, /input cannot be read/);
    assert.equal(home.read("got"), "");
    assert.deepEqual(home.mails("Maildir"), []);
  });
}

/**
 * Starts a program with the usual signal dispositions, and keeps its standard input open. A shell cannot trap a signal
 * that was ignored when it started, as SIGQUIT is in a background job of a script.
 */
function start(home: Home, argv: string[], env: Record<string, string> = {}) {
  const child = new Deno.Command("/usr/bin/env", {
    args: ["--default-signal", ...argv],
    cwd: home.path,
    clearEnv: true,
    env: { HOME: home.path, PATH: `${home.path}/bin:/usr/bin:/bin`, ...home.env, ...env },
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  return { child, writer: child.stdin.getWriter() };
}

async function ended({ child, writer }: ReturnType<typeof start>): Promise<Ran> {
  // Standard input stays open to the end, so that only the signal can have ended the program.
  const stderr = new Response(child.stderr).text();
  const { code } = await child.status;
  await writer.close().catch(() => {});
  return { code, stdout: "", stderr: await stderr };
}

/** Waits for a file that another process creates by rename. */
async function appears(path: string): Promise<string> {
  for (;;) {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      await new Promise((done) => setTimeout(done, 10));
    }
  }
}

/**
 * An injector in one process. After `at` bytes it writes its process ID to the file
 * `begun`; at the end of its input it writes it to `ended`, runs `work`, and commits.
 */
const patient = (at: number, work: string) =>
  `#!/usr/bin/perl
sub tell_ { open F, ">", "$ENV{HOME}/$_[0].new"; print F $$; close F; rename "$ENV{HOME}/$_[0].new", "$ENV{HOME}/$_[0]" }
while (sysread STDIN, $piece, 65536) {
  $all .= $piece;
  tell_("begun") if length $all > ${at} and not $told++;
}
tell_("ended"); ${work}
open F, ">", "$ENV{HOME}/committed"; print F $all; close F;
`;

const signals = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGUSR1"] as const;
for (const signal of signals) {
  for (const shell of SHELLS) {
    const under = shell.length > 0 ? " under bash" : "";

    Deno.test(
      { name: `${signal}${under} while the body is read: the injector never commits`, ignore: !perl },
      async () => {
        using home = homeWith(patient(64 * 1024, ""));
        const run = start(home, [...shell, SHIM, "ann@example.net"]);
        await run.writer.write(new TextEncoder().encode(BIG));
        const injector = await appears(`${home.path}/begun`);
        run.child.kill(signal);
        const ran = await ended(run);
        assert.equal(ran.code, 75, ran.stderr);
        assert.ok(!isFile(`/proc/${injector}/stat`), "the injector is still running");
        assert.deepEqual([home.read("ended"), home.read("committed")], ["", ""]);
      },
    );
  }

  Deno.test(`${signal} while the hook files a message: nothing is left in the maildir`, async () => {
    using home = new Home();
    const maildir = `${home.path}/Maildir`;
    const run = start(home, [HOOK, "--maildir", maildir], { SENDER: "ann@example.net", HOST: "example.org" });
    await run.writer.write(new TextEncoder().encode(BIG));
    while (filesIn(`${maildir}/tmp`) === 0) await new Promise((done) => setTimeout(done, 10));
    run.child.kill(signal);
    oneLine(await ended(run), 75, /Stopped by a signal/);
    assert.deepEqual([filesIn(`${maildir}/tmp`), filesIn(`${maildir}/new`)], [0, 0]);
  });
}

// The shim waits some seconds for the injector, so all signals are tried at the same time.
for (const shell of SHELLS) {
  const name = `a signal${shell.length > 0 ? " under bash" : ""} while the injector is working: it is killed`;
  Deno.test({ name, ignore: !perl }, async () => {
    await Promise.all(signals.map(async (signal) => {
      using home = homeWith(patient(0, "sleep 600;"));
      const run = start(home, [...shell, SHIM, "ann@example.net"]);
      await run.writer.write(new TextEncoder().encode(MAIL));
      await run.writer.close();
      const injector = await appears(`${home.path}/ended`);
      run.child.kill(signal);
      const ran = await ended(run);
      oneLine(ran, 75, /Stopped by a signal; .*injector was killed$/m);
      assert.ok(!isFile(`/proc/${injector}/stat`), `${signal}: the injector is still running`);
      assert.equal(home.read("committed"), "", signal);
    }));
  });
}

function filesIn(folder: string): number {
  try {
    return [...Deno.readDirSync(folder)].length;
  } catch {
    return 0;
  }
}

// A full disk.
Deno.test("a filter whose standard output is full exits with 75", async () => {
  using home = new Home();
  const ran = await home.run(viaShell('exec "$0" "$@" >/dev/full', HOOK, "--as", "filter"), MAIL);
  oneLine(ran, 75, /output cannot be written: No space left/);
});

/** The size of the small disk; a message of exactly this size ends with a short write. */
const DISK = 256 * 1024;

/** Mounts a small disk; false if that is not permitted. */
function smallDisk(folder: string): boolean {
  const args = ["-t", "tmpfs", "-o", `size=${DISK}`, "tmpfs", folder];
  Deno.mkdirSync(folder, { recursive: true });
  return root && isFile("/bin/mount") &&
    new Deno.Command("/bin/mount", { args, stdout: "null", stderr: "null" }).outputSync().success;
}

function unmount(folder: string): void {
  new Deno.Command("/bin/umount", { args: [folder] }).outputSync();
}

function mayMount(): boolean {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-" });
  try {
    return smallDisk(folder);
  } finally {
    unmount(folder);
    Deno.removeSync(folder);
  }
}

const mounts = mayMount();
Deno.test({ name: "on a full disk no incomplete message is left in a maildir", ignore: !mounts }, async () => {
  using home = new Home();
  const disk = `${home.path}/disk`;
  assert.ok(smallDisk(disk));
  try {
    home.settings(`[transport]\nvia = "maildir"\nmaildir = "${disk}/out"\n`);
    assert.equal((await home.shim(["ann@example.net"], MAIL)).code, 0);
    for (const mail of [BIG, BIG.slice(0, DISK)]) {
      oneLine(await home.shim(["ann@example.net"], mail), 75, /Maildir .*: No space left/);
      const hook = await home.hook(["--maildir", `${disk}/in`], mail, { SENDER: "a@example.net", HOST: "example.org" });
      oneLine(hook, 75, /Maildir .*: No space left/);
    }
    assert.deepEqual([filesIn(`${disk}/out/new`), filesIn(`${disk}/out/tmp`)], [1, 0]);
    assert.deepEqual([filesIn(`${disk}/in/new`), filesIn(`${disk}/in/tmp`)], [0, 0]);
  } finally {
    unmount(disk);
  }
});
