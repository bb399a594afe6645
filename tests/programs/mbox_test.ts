/** Mailboxes in mbox format with the real dotlockfile, procmail and mutt, and the files of contrib/mbox. */
import assert from "node:assert/strict";
import { fieldOf, type Home, isFile, qsbmf, ROOT } from "../rig.ts";
import { root } from "../faults/mounts.ts";
import { FORGED, FORGED_SRS, gregsHome, ORDINARY, send, snippet, withEnvelope } from "./letters.ts";
import { need } from "./need.ts";
import { until } from "./postfix.ts";
import { needOnTerminal, Terminal } from "./terminal.ts";

const test = await need("dotlockfile", "liblockfile-bin");
const withProcmail = await need("procmail");
const withMutt = await needOnTerminal("mutt");

const LOCK = `${ROOT}/hooks/mboxlock`;
const mboxOf = (home: Home) => `${home.path}/mail/inbox`;

/** greg's home with the settings of contrib/mbox, and the words of its .forward. */
function mboxHome(): Home & { argv: string[] } {
  const home = gregsHome();
  home.settings(
    `[transport]\nvia = "maildir"\nmaildir = "~/out"\n${Deno.readTextFileSync(`${ROOT}/contrib/mbox/config.toml`)}`,
  );
  home.write("mail/inbox", "", 0o600);
  const line = snippet("mbox/forward").trim().replaceAll("/var/mail/greg", mboxOf(home));
  return Object.assign(home, { argv: line.replace(/^"\||"$/g, "").split(" ") });
}

/** The messages in a mailbox, as a program reads them that does not look at dates. */
function messages(text: string): string[] {
  assert.ok(text === "" || text.endsWith("\n\n"), "the last message is complete");
  return text.split(/^From .*\n/m).slice(1).map((one) => one.replace(/\n$/, "").replace(/^>(>*From )/gm, "$1"));
}

test("contrib/mbox: genuine bounces and letters go to the mailbox, forged bounces to the spam mailbox", async () => {
  using home = mboxHome();
  const { mail, sender } = await send(home);
  const bounce = qsbmf(sender, mail);
  const deliver = (message: string, from: string, to: string) =>
    home.run(home.argv, withEnvelope(message, from, to), { SENDER: from, RECIPIENT: to });
  const done = { code: 0, stdout: "", stderr: "" };
  assert.deepEqual(await deliver(bounce, "", sender), done);
  assert.deepEqual(await deliver(ORDINARY, "friend@friend.example", "greg@example.org"), done);
  assert.deepEqual(
    await deliver(ORDINARY.replace("\n\n", "\nStatus: RO\nX-Status: D\n\n"), "x@y.example", sender),
    done,
  );
  assert.deepEqual(await deliver(FORGED, "", FORGED_SRS), done);
  const [genuine, letter, marked, ...more] = messages(home.read("mail/inbox"));
  assert.deepEqual(more, []);
  assert.match(fieldOf(genuine!, "X-Countersign"), /^genuine; check=signed-recipient;/);
  assert.ok(letter!.endsWith(`\n${withEnvelope(ORDINARY, "friend@friend.example")}`), "unchanged");
  assert.doesNotMatch(marked!, /^(?:X-)?Status:/m);
  assert.match(home.read("mail/inbox"), /^From MAILER-DAEMON .*\n[^]*^From friend@friend\.example .*\n/m);
  assert.match(home.read("mail/inbox"), /^>From here on, a line/m);
  const [spam, ...others] = messages(home.read("mail/spam"));
  assert.deepEqual([others, /^forged; /.test(fieldOf(spam!, "X-Countersign"))], [[], true]);
  assert.equal(isFile(`${mboxOf(home)}.lock`), false);
});

test("the sandbox permits the mailbox, the programs that lock it, and nothing else in its folder", async () => {
  using home = mboxHome();
  const env = { SENDER: "friend@friend.example", RECIPIENT: "greg@example.org" };
  Deno.removeSync(`${home.path}/bin/deno`);
  home.write("bin/deno", '#!/bin/sh\nprintf "%s\\n" "$@" >"$HOME/flags"\n', 0o755);
  await home.run(home.argv, ORDINARY, env);
  const flags = home.read("flags").split("\n").filter((flag) => flag.startsWith("--allow-"));
  const spam = `${home.path}/mail/spam`;
  assert.deepEqual([...new Set(flags.filter((flag) => flag.includes("/mail")))].toSorted(), [
    ...["read", "write"].flatMap((right) => [mboxOf(home), spam].map((path) => `--allow-${right}=${path}`)),
  ]);
  assert.deepEqual(
    flags.filter((flag) => flag.startsWith("--allow-run")).toSorted(),
    [
      `--allow-run=${LOCK}`.replace("/hooks/mboxlock", "/hooks/../hooks/mboxlock"),
      "--allow-run=/usr/bin/printenv",
    ].toSorted(),
  );
});

test("a link to the mailbox is followed, and its target is locked", async () => {
  using home = mboxHome();
  Deno.symlinkSync("mail", `${home.path}/linked`);
  const argv = home.argv.map((word) => word.replace("/mail/inbox", "/linked/inbox"));
  const ran = await home.run(argv, ORDINARY, { SENDER: "friend@friend.example", RECIPIENT: "greg@example.org" });
  assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
  assert.equal(messages(home.read("mail/inbox")).length, 1);
});

/** Holds the locks until it is disposed, or killed. */
async function hold(path: string) {
  const child = new Deno.Command(LOCK, { args: [path], stdin: "piped", stdout: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new Uint8Array([10]));
  const reader = child.stdout.getReader();
  assert.equal((await reader.read()).done, false, "locked");
  await reader.cancel();
  return { pid: child.pid, release: async () => (await writer.close(), await child.status) };
}

test("the locks exclude fcntl(2) and a lock file, and are released when the hook ends", async () => {
  using home = mboxHome();
  const path = mboxOf(home);
  const attempt = (...more: string[]) => home.run([LOCK, path, "0", ...more], "\n");
  const first = await hold(path);
  // Without the lock file, fcntl(2) still excludes the second.
  assert.equal((await home.run(["dotlockfile", "-p", "-r", "0", `${path}.lock`])).code, 4);
  Deno.removeSync(`${path}.lock`);
  assert.deepEqual(await attempt(), { code: 75, stdout: "", stderr: "it is locked by another program\n" });
  await first.release();
  assert.equal(isFile(`${path}.lock`), false);
  assert.deepEqual(await attempt(), { code: 0, stdout: "\n", stderr: "" });
  // The lock file of a program that uses no fcntl.
  home.write("mail/inbox.lock", "");
  assert.deepEqual(await attempt(), { code: 75, stdout: "", stderr: "it is locked by another program\n" });
  Deno.removeSync(`${path}.lock`);
  for (
    const [argv, code] of [[[LOCK], 64], [[LOCK, "inbox"], 64], [[LOCK, path, "x"], 64], [
      [LOCK, `${path}.no`],
      66,
    ]] as const
  ) {
    assert.equal((await home.run([...argv])).code, code, argv.join(" "));
  }
});

test("the lock file is removed if the hook ends while it waits for the locks", async () => {
  using home = mboxHome();
  const path = mboxOf(home);
  const first = await hold(path);
  const child = new Deno.Command(LOCK, { args: [path], stdin: "piped", stdout: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new Uint8Array([10]));
  await writer.close();
  await child.stdout.cancel();
  await first.release();
  await child.status;
  assert.equal(isFile(`${path}.lock`), false);
});

if (root) {
  test("a user who may not create files in /var/mail can lock a mailbox there", async () => {
    using home = mboxHome();
    Deno.chmodSync(home.path, 0o755);
    const lock = home.write("bin/mboxlock", Deno.readTextFileSync(LOCK), 0o755);
    // A /var/mail of its own, as Debian creates it.
    const script = `mount -t tmpfs -o mode=2775,gid=8 tmpfs /var/mail &&
install -o nobody -g mail -m 660 /dev/null /var/mail/nobody && cd / &&
exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c '
  ! touch /var/mail/nobody.lock 2>/dev/null &&
  { echo; timeout 30 sh -c "until [ -e /var/mail/nobody.lock ]; do :; done"; } | ${lock} /var/mail/nobody && ls /var/mail'`;
    const ran = await home.run(["unshare", "-m", "sh", "-c", script]);
    assert.deepEqual(ran, { code: 0, stdout: "\nnobody\n", stderr: "" });
  });
}

test("the message is deferred if the mailbox is locked, and unchanged if the hook is stopped", async () => {
  using home = mboxHome();
  const lock = await hold(mboxOf(home));
  const env = { HOME: home.path, PATH: `${home.path}/bin:/usr/bin:/bin`, ...home.env };
  const [program, ...args] = home.argv;
  const piped = { stdin: "piped", stdout: "null", stderr: "piped" } as const;
  const child = new Deno.Command(program!, {
    args: [...args, "friend@friend.example", "greg@example.org"],
    clearEnv: true,
    env,
    ...piped,
  }).spawn();
  await new Blob([ORDINARY]).stream().pipeTo(child.stdin);
  // The hook has started the program that locks, and waits for it.
  const waits = () =>
    [...Deno.readDirSync("/proc")].some(({ name }) => {
      try {
        return /^\d+$/.test(name) && name !== String(lock.pid) &&
          Deno.readTextFileSync(`/proc/${name}/cmdline`).includes(`mboxlock\0${mboxOf(home)}\0`);
      } catch {
        return false;
      }
    });
  await until("the program that locks", waits);
  child.kill("SIGTERM");
  const { code, stderr } = await child.output();
  assert.equal(code, 75);
  assert.match(new TextDecoder().decode(stderr), /^incoming: \S+\/mail\/inbox: Stopped by a signal; .*\n$/);
  assert.equal(home.read("mail/inbox"), "");
  await lock.release();
});

const COUNT = 10;
/** Messages of some size, which can be told apart. */
const numbered = (by: string, nth: number) =>
  `From: Friend <friend@friend.example>\nTo: greg@example.org\nSubject: ${by} ${nth}\n\n${
    `This is ${by} ${nth}\n`.repeat(4000)
  }`;

/** Delivers messages one after the other, and again while a delivery is deferred, as an MTA does. */
async function deliverAll(home: Home, by: string, argv: string[]): Promise<void> {
  const env = { SENDER: "friend@friend.example", RECIPIENT: "greg@example.org" };
  for (let nth = 0; nth < COUNT; nth++) {
    for (let code, tries = 0; (code = (await home.run(argv, numbered(by, nth), env)).code) !== 0; tries++) {
      assert.ok(code === 75 && tries < 50, `${by} ${nth}: status ${code}`);
    }
  }
}

/** Asserts that the mailbox contains each message once, unchanged. */
function assertWhole(home: Home, ...by: string[]): void {
  const subjects = messages(home.read("mail/inbox")).map((one) => {
    const subject = fieldOf(one, "Subject");
    assert.ok(one.endsWith(`\n\n${`This is ${subject}\n`.repeat(4000)}`), `${subject} is whole`);
    return subject;
  });
  const wanted = by.flatMap((one) => Array.from({ length: COUNT }, (_, nth) => `${one} ${nth}`));
  assert.deepEqual(subjects.toSorted(), wanted.toSorted());
}

withProcmail("with procmail on the same mailbox no message is lost or damaged", async () => {
  using home = mboxHome();
  const path = mboxOf(home);
  const top = `HOME=${home.path}\nPATH=/usr/bin:/bin\nSENDMAIL=/bin/false\nLOCKSLEEP=1\nDEFAULT=${path}\n`;
  const rcfile = home.write("procmailrc", `${top}:0:\n${path}\n`, 0o600);
  await Promise.all([
    deliverAll(home, "hook", home.argv),
    deliverAll(home, "procmail", ["procmail", "-f", "friend@friend.example", "-m", rcfile]),
  ]);
  assertWhole(home, "hook", "procmail");
});

withMutt("while mutt rewrites the mailbox, no message is lost, damaged or delivered twice", async () => {
  using home = mboxHome();
  const path = mboxOf(home);
  await deliverAll(home, "before", home.argv);
  // mutt rewrites the mailbox again and again, until the file done exists.
  home.write("muttrc", "set sendmail=/bin/false quit=yes move=no read_inc=0 write_inc=0 mail_check=0 sleep_time=0\n");
  const keys = "<tag-pattern>~A<enter><tag-prefix><toggle-new><sync-mailbox><exit>";
  const loop = home.write(
    "bin/loop",
    `#!/bin/sh
n=0
until [ -e ${home.path}/done ]; do
  mutt -n -F ${home.path}/muttrc -f ${path} -e 'push "${keys}"' && n=$((n + 1))
  echo $n >${home.path}/rounds.new && mv ${home.path}/rounds.new ${home.path}/rounds
done
`,
    0o755,
  );
  await using terminal = await Terminal.open(home, [loop]);
  const rounds = () => Number(home.read("rounds"));
  await terminal.until("mutt has opened the mailbox", () => rounds() > 0);
  await deliverAll(home, "meanwhile", home.argv);
  const before = rounds();
  await terminal.until("mutt has written it", () => rounds() > before + 1);
  home.write("done", "");
  assert.equal(await terminal.ended(), 0);
  assertWhole(home, "before", "meanwhile");
});
