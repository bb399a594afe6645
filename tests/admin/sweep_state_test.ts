/** sweep remembers what it has seen: the next one reads only what is new, and a wrong state does no harm. */
import assert from "node:assert/strict";
import { loadIdentities, loadSettings } from "../../io/system/load.ts";
import { sweepMaildir, type SweepOptions } from "../../admin/sweep/pass.ts";
import { SweepReport } from "../../admin/sweep/report.ts";
import { nameElsewhere, sized, uniqueName } from "../../admin/sweep/mailbox.ts";
import { launcherText } from "../../build/install/launcher.ts";
import { digest } from "../../lib/digest.ts";
import { filesBelow, oneLine, ROOT } from "../rig.ts";
import { countersign } from "./run.ts";
import { forged, Laptop, letter } from "./sweep.ts";

/** Sweeps the inbox in this process. @returns the report, and the numbers of files and of folders that were read */
async function sweepHere(home: Laptop, options: Partial<SweepOptions> = {}, stop?: AbortSignal) {
  const settings = loadSettings({ file: `${home.path}/.config/countersign/config.toml`, home: home.path });
  const context = { settings, identities: loadIdentities(settings), now: new Date() };
  const report = new SweepReport();
  const { openSync, readDirSync } = Deno;
  const read = { files: 0, folders: 0 };
  Deno.openSync = (path, ...more) => {
    if (String(path).includes("/Mail/")) read.files++;
    return openSync(path, ...more);
  };
  Deno.readDirSync = (path) => {
    if (/\/Mail\/Inbox\/(?:new|cur)$/.test(String(path))) read.folders++;
    return readDirSync(path);
  };
  const all = { spam: `${home.path}/Mail/Spam`, days: 14, mark: false, dryRun: false, all: false, ...options };
  try {
    await sweepMaildir(`${home.path}/Mail/Inbox`, all, context, report, stop);
  } finally {
    Object.assign(Deno, { openSync, readDirSync });
  }
  return { report, ...read };
}

/** Sets the times of the folders as if nothing had changed for a minute. */
function settle(home: Laptop): void {
  const past = new Date(Date.now() - 60_000);
  for (const folder of ["new", "cur"]) Deno.utimeSync(`${home.path}/Mail/Inbox/${folder}`, past, past);
}

Deno.test("of 10,000 messages the second sweep reads none, and then only the new one", async () => {
  using home = new Laptop();
  for (let n = 0; n < 10_000; n++) home.put(`cur/${n}.x:2,S`, letter());
  settle(home);
  const first = await sweepHere(home);
  assert.deepEqual([first.report.judged, first.files], [10_000, 10_000]);
  const second = await sweepHere(home);
  assert.deepEqual([second.report.judged, second.files, second.folders], [0, 0, 0]);
  home.put("new/10000.x", letter());
  const third = await sweepHere(home);
  assert.deepEqual([third.report.judged, third.files, third.folders], [1, 1, 2]);
  // Flags change the names, which are then listed, but the messages are not read.
  Deno.renameSync(`${home.path}/Mail/Inbox/new/10000.x`, `${home.path}/Mail/Inbox/cur/10000.x,U=4:2,S`);
  const fourth = await sweepHere(home);
  assert.deepEqual([fourth.report.judged, fourth.files], [0, 0]);
});

Deno.test("a sweep that waits for another one ends when it is interrupted", async () => {
  using home = new Laptop();
  home.put("new/1.x", letter());
  await sweepHere(home);
  const folder = `${home.path}/.local/state/countersign/sweep/${digest(`${home.path}/Mail/Inbox`)}`;
  const other = Deno.openSync(`${folder}/lock`, { write: true });
  await other.lock(true);
  const stop = new AbortController();
  const sweep = sweepHere(home, {}, stop.signal).then(() => "it swept", (error) => error);
  setTimeout(() => stop.abort(), 100);
  const late = setTimeout(() => other.unlockSync(), 10_000);
  const ended = await sweep;
  clearTimeout(late);
  other.close(); // releases the lock
  assert.match(String(ended), /Another sweep is running/);
  assert.equal((await sweepHere(home)).report.failures.size, 0);
});

Deno.test("a change in the same instant as a sweep is not missed", async () => {
  using home = new Laptop();
  await sweepHere(home);
  const { mtime } = Deno.statSync(`${home.path}/Mail/Inbox/new`);
  home.put("new/1.x", forged());
  // As on a file system with times of a second.
  Deno.utimeSync(`${home.path}/Mail/Inbox/new`, mtime!, mtime!);
  assert.equal((await sweepHere(home)).report.judged, 1);
});

Deno.test("a damaged or missing state is like a first sweep, and a restored mailbox is not judged again", async () => {
  using home = new Laptop();
  home.put("new/1.x", letter());
  await sweepHere(home);
  const [seen] = filesBelow(`${home.path}/.local/state/countersign/sweep`).filter((path) => path.endsWith("/seen"));
  const text = Deno.readTextFileSync(seen!);
  for (const damaged of ["", "nonsense\n", "sweep 1 0 0\ncut", "\0\0\0\0"]) {
    Deno.writeTextFileSync(seen!, damaged);
    assert.equal((await sweepHere(home)).report.judged, 1, damaged);
    assert.equal(Deno.readTextFileSync(seen!), text);
  }
  Deno.renameSync(`${home.path}/Mail/Inbox/new/1.x`, `${home.path}/kept`);
  assert.equal((await sweepHere(home)).report.judged, 0);
  Deno.renameSync(`${home.path}/kept`, `${home.path}/Mail/Inbox/cur/1.x:2,`);
  assert.equal((await sweepHere(home)).report.judged, 0, "the name is remembered for a month");
});

Deno.test("a clock that was set back: what is new is judged, and nothing twice", async () => {
  using home = new Laptop();
  home.put("new/1.x", letter());
  settle(home);
  await sweepHere(home);
  const future = new Date(Date.now() + 400 * 86_400_000);
  Deno.utimeSync(home.put("new/2.x", forged()), future, future);
  Deno.utimeSync(`${home.path}/Mail/Inbox/new`, future, future);
  const { report } = await sweepHere(home);
  assert.deepEqual([report.judged, report.moved.length], [1, 1]);
  assert.equal((await sweepHere(home)).report.judged, 0);
});

Deno.test("what cannot be read is reported, and tried again", async () => {
  using home = new Laptop();
  home.put("new/2.x", forged(2));
  Deno.mkdirSync(`${home.path}/Mail/Inbox/cur/folder`);
  Deno.symlinkSync("nowhere", `${home.path}/Mail/Inbox/cur/link`);
  // root can read every file, so that this one is a file that cannot be read for another reason.
  const path = home.put("new/1.x", forged(1));
  const { openSync } = Deno;
  Deno.openSync = (file, ...more) => {
    if (String(file) === path) throw new Deno.errors.PermissionDenied("Permission denied (os error 13)");
    return openSync(file, ...more);
  };
  try {
    const { report } = await sweepHere(home);
    assert.equal(report.judged, 1);
    assert.deepEqual(report.failureLines(), [
      `${path}: Message cannot be read: Permission denied (os error 13); the next sweep tries again`,
    ]);
  } finally {
    Deno.openSync = openSync;
  }
  assert.equal((await sweepHere(home)).report.judged, 1);
  assert.deepEqual(home.names("Mail/Spam"), ["new/1.x", "new/2.x"]);
});

Deno.test("without a usable key or state, nothing is moved and the status is 75", async (t) => {
  const table: [what: string, spoil: (home: Laptop) => void, error: RegExp][] = [
    ["key file", (home) => Deno.chmodSync(`${home.path}/.config/countersign/keys`, 0o644), /readable by others/],
    [
      "sent index",
      (home) => {
        Deno.removeSync(`${home.path}/.local/state/countersign/sent`, { recursive: true });
        Deno.symlinkSync("sent", `${home.path}/.local/state/countersign/sent`);
      },
      /new\/1\.x: .*sent/,
    ],
  ];
  for (const [what, spoil, error] of table) {
    await t.step(what, async () => {
      using home = new Laptop();
      await home.sent();
      const mail = forged().replace("MAILER-DAEMON@mx.example.net", "$&\nIn-Reply-To: <lie@example.org>");
      home.put("new/1.x", mail);
      spoil(home);
      oneLine(await home.sweep("--quiet"), 75, error);
      assert.deepEqual(home.names(), ["new/1.x"]);
    });
  }
});

Deno.test("one maildir that cannot be swept does not stop the others", async () => {
  using home = new Laptop();
  home.maildir("Mail/Lists");
  home.put("new/1.x", forged(1));
  home.put("new/2.x", forged(2), "Mail/Lists");
  const lock = `.local/state/countersign/sweep/${digest(`${home.path}/Mail/Inbox`)}/lock`;
  Deno.mkdirSync(`${home.path}/${lock}`, { recursive: true });
  const ran = await countersign(home, ["sweep", "Mail/Inbox", "Mail/Lists"]);
  oneLine(ran, 75, /^sweep: \S*Mail\/Inbox: .*State cannot be written: .*; the next sweep tries again$/m);
  assert.deepEqual([home.names(), home.names("Mail/Spam")], [["new/1.x"], ["new/2.x"]]);
  Deno.removeSync(`${home.path}/${lock}`, { recursive: true });
  // The inbox of an account whose mail was never fetched.
  const other = await countersign(home, ["sweep", "Mail/Work", "Mail/Inbox"]);
  oneLine(other, 75, /Mail\/Work: Maildir cannot be read: No such file or directory.*; the next sweep tries again$/m);
  assert.deepEqual([home.names(), home.names("Mail/Spam")], [[], ["new/1.x", "new/2.x"]]);
});

Deno.test("the report of a first sweep of 200,000 forged bounces", { permissions: "none" }, () => {
  const report = new SweepReport();
  const mail = {
    maildir: "/in",
    file: "/spam/new/1.x",
    reason: "",
    date: "2026-11-28",
    from: "a@b.example",
    subject: "",
  };
  for (let n = 0; n < 200_000; n++) report.moved.push({ ...mail, result: "forged" });
  assert.equal(report.text("/spam", false).split("\n").length, 200_002);
});

Deno.test("messages that cannot be moved for the same reason are one line", async () => {
  using home = new Laptop();
  const paths = [1, 2, 3].map((n) => home.put(`new/${n}.x`, forged(n)));
  const { renameSync } = Deno;
  Deno.renameSync = (from, to) => {
    if (!`${to}`.startsWith(`${home.path}/Mail/Spam`)) return renameSync(from, to);
    // The words of Deno.
    throw new Deno.errors.PermissionDenied(`Permission denied (os error 13): rename '${from}' -> '${to}'`);
  };
  try {
    const { report } = await sweepHere(home);
    const [line, ...more] = report.failureLines();
    assert.deepEqual(more, []);
    const what = `Message cannot be moved to ${home.path}/Mail/Spam: Permission denied (os error 13) (and 2 more)`;
    assert.ok(paths.some((path) => line === `${path}: ${what}; the next sweep tries again`), line);
  } finally {
    Deno.renameSync = renameSync;
  }
  assert.equal(home.names().length, 3);
});

Deno.test("with a shared store, which the launcher does not let sweep query, the error names a command that may", async () => {
  using home = new Laptop();
  const config = home.read(".config/countersign/config.toml");
  home.write(".config/countersign/config.toml", `${config}\n[state]\nlookup = "${home.path}/lookup"\n`);
  home.put("new/1.x", forged().replace("MAILER-DAEMON@mx.example.net", "$&\nIn-Reply-To: <1@example.org>"));
  oneLine(await home.sweep(), 75, /run -A .*countersign sweep /);
  assert.deepEqual(home.names(), ["new/1.x"]);
});

Deno.test("two sweeps at once move each message once", async () => {
  using home = new Laptop();
  for (let n = 0; n < 50; n++) home.put(`new/${n}.x`, forged(n));
  const ran = await Promise.all([1, 2, 3].map(() => home.sweep("--json")));
  assert.deepEqual(ran.map(({ code, stderr }) => [code, stderr]), [[0, ""], [0, ""], [0, ""]]);
  const moved = ran.map(({ stdout }) => JSON.parse(stdout).moved.length);
  assert.equal(moved.reduce((sum, count) => sum + count), 50);
  assert.equal(home.names("Mail/Spam").length, 50);
});

Deno.test("a message in the spam maildir with the same name is not replaced", async () => {
  using home = new Laptop();
  home.maildir("Mail/Spam");
  home.put("new/1.x", "another", "Mail/Spam");
  home.put("new/1.x", forged());
  await home.sweep();
  assert.deepEqual(home.mails("Mail/Spam").sort(), [forged(), "another"].sort());
});

/** The installed launcher of countersign, with the permissions that it gives to sweep. @returns its path */
function launcher(home: Laptop): string {
  const start = { program: "countersign", rights: "", deno: "deno", cache: "", flags: "-q --frozen" };
  const text = launcherText({ ...start, entry: `${ROOT}/main.ts`, manifest: `${ROOT}/deno.json` });
  return home.write("lib/countersign", text, 0o755);
}

Deno.test("the permissions of the launcher are sufficient", async () => {
  using home = new Laptop();
  home.put("new/1.x", forged());
  const ran = await home.run([launcher(home), "sweep", "--mark", "Mail/Inbox"]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.equal(home.mails("Mail/Spam").length, 1);
});

/** A running `countersign sweep --watch` of these maildirs. */
class Watching implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #out: ReadableStreamDefaultReader<string>;
  readonly errors: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(home: Laptop, ...maildirs: string[]) {
    this.#child = new Deno.Command(launcher(home), {
      args: ["sweep", "--watch", ...maildirs.map((one) => `${home.path}/${one}`)],
      clearEnv: true,
      env: { HOME: home.path, PATH: `${home.path}/bin:/usr/bin:/bin`, ...home.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#out = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.errors = this.#child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Waits until its output matches. */
  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.#text)) {
      const { value, done } = await this.#out.read();
      assert.ok(!done, this.#text);
      this.#text += value;
    }
  }

  /** Stops it. @returns its exit status, and what it printed on standard error since the last read */
  async stop(): Promise<[code: number, errors: string | undefined]> {
    this.#child.kill("SIGTERM");
    await this.#out.cancel();
    const { code } = await this.#child.status;
    return [code, (await this.errors.read()).value];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    for (const one of [this.#out, this.errors]) await one.cancel();
    await this.#child.status;
  }
}

Deno.test("--watch judges messages as they arrive, and exits 0 on SIGTERM", async () => {
  using home = new Laptop();
  await using watch = new Watching(home, "Mail/Inbox");
  await watch.until(/^0 messages judged\n/);
  // As a program that delivers: written to tmp, then renamed.
  for (const n of [1, 2]) {
    home.put(`tmp/${n}.x`, forged(n));
    Deno.renameSync(`${home.path}/Mail/Inbox/tmp/${n}.x`, `${home.path}/Mail/Inbox/new/${n}.x`);
    await watch.until(new RegExp(`(?:1 message moved to [^]*){${n}}`));
  }
  // Settings that cannot be read are an error until they are corrected.
  const good = home.read(".config/countersign/config.toml");
  home.write(".config/countersign/config.toml", "nonsense = [");
  home.put("new/3.x", forged(3));
  assert.match((await watch.errors.read()).value!, /^sweep: .*config\.toml:1: /);
  home.write(".config/countersign/config.toml", good);
  home.put("new/4.x", forged(4));
  await watch.until(/2 messages moved to /);
  assert.deepEqual(await watch.stop(), [0, undefined]);
  assert.deepEqual(home.names("Mail/Spam"), ["new/1.x", "new/2.x", "new/3.x", "new/4.x"]);
});

Deno.test("--watch follows folders that are replaced by others, and does not need all maildirs", async () => {
  using home = new Laptop();
  await using watch = new Watching(home, "Mail/Work", "Mail/Inbox");
  assert.match((await watch.errors.read()).value!, /^sweep: \S*Mail\/Work: Maildir cannot be read: [^\n]*\n$/);
  await watch.until(/^0 messages judged\n/);
  for (const folder of ["new", "cur"]) Deno.renameSync(`${home.path}/Mail/Inbox/${folder}`, `${home.path}/${folder}`);
  home.maildir("Mail/Inbox");
  home.put("new/1.x", forged(1));
  await watch.until(/1 message moved to /);
  home.put("new/2.x", forged(2));
  await watch.until(/(?:1 message moved to [^]*){2}/);
  assert.deepEqual(await watch.stop(), [0, undefined]);
});

Deno.test("a message that the user has deleted is left", async () => {
  using home = new Laptop();
  home.put("cur/1.x:2,ST", forged());
  home.put("cur/2.x,U=3:2,RST", forged(2));
  assert.equal((await sweepHere(home)).report.judged, 0);
});

Deno.test("names: the unique part, and what is kept in another folder", { permissions: "none" }, () => {
  const table: [name: string, unique: string, elsewhere: string][] = [
    ["1.P1.host", "1.P1.host", "1.P1.host"],
    ["1.P1.host:2,FS", "1.P1.host", "1.P1.host:2,FS"],
    ["1.P1.host,U=12:2,S", "1.P1.host", "1.P1.host:2,S"],
    ["1.M2P3.host,S=10,W=12:2,", "1.M2P3.host", "1.M2P3.host,S=10,W=12:2,"],
    ["1.2_3.host,U=5,FMD5=abc:2,S", "1.2_3.host", "1.2_3.host,FMD5=abc:2,S"],
    ["1.host,U=5", "1.host", "1.host"],
    ["1.host;2,S", "1.host", "1.host;2,S"],
    ["1.host,U=5!2,S", "1.host", "1.host!2,S"],
    [",odd", ",odd", ",odd"],
  ];
  for (const [name, unique, elsewhere] of table) {
    assert.deepEqual([uniqueName(name), nameElsewhere(name)], [unique, elsewhere], name);
  }
  assert.equal(sized("1.x,S=10,W=12,U=3:2,S", 99), "1.x,S=99,U=3:2,S");
  assert.equal(sized("1.x:2,S", 99), "1.x:2,S");
});
