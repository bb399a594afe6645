/** What send() gives to a program or maildir (arguments, environment, message), and how it maps exit statuses. */
import assert from "node:assert/strict";
import { writeExecutable } from "../../../build/rig/executable.ts";
import { utf8 } from "../../../lib/bytes.ts";
import { parseConfig } from "../../../lib/settings/parse.ts";
import { LOOP_MARK, send } from "../../../io/transport/send.ts";
import { Rejected } from "../../../io/transport/rejected.ts";
import { Home, oneLine, ROOT, TempFolder } from "../../rig.ts";
import { stub, stubArguments, stubEnvironment, stubInput, stubRuns, stubTransport } from "../../stub.ts";

const MAIL = "From: greg@example.org\nTo: ann@example.net\n\nHi.\n";

/** Variables that change the sender, the host or the meaning of arguments for qmail-inject, nullmailer and others. */
const REMOVED = [
  "QMAILINJECT",
  "QMAILUSER",
  "QMAILHOST",
  "QMAILSUSER",
  "QMAILSHOST",
  "QMAILNAME",
  "QMAILIDHOST",
  "QMAILDEFAULTDOMAIN",
  "QMAILDEFAULTHOST",
  "QMAILPLUSDOMAIN",
  "QMAILMFTFILE",
  "QMAILRCPTS",
  "MAILUSER",
  "MAILHOST",
  "MAILNAME",
  "NULLMAILER_FLAGS",
  "NULLMAILER_HOST",
  "NULLMAILER_NAME",
  "NULLMAILER_USER",
  "NULLMAILER_QUEUE",
];
/** Other variables, some with similar names. */
const KEPT = [
  "MAIL",
  "MAILRC",
  "MAILCONF",
  "USER",
  "LOGNAME",
  "TZ",
  "NULLMAILER",
  "XQMAILUSER",
  "QMAILUSERS",
  "xMAILNAME",
];

Deno.test("the program gets the environment without variables that change the meaning of its arguments", async () => {
  using home = new Home();
  home.settings(stubTransport(home));
  const env = Object.fromEntries([...REMOVED, ...KEPT].map((name) => [name, `value of ${name}`]));
  const ran = await home.shim(["ann@example.net"], MAIL, env);
  assert.equal(ran.code, 0, ran.stderr);
  const found = stubEnvironment(home);
  assert.deepEqual(REMOVED.filter((name) => name in found), []);
  for (const name of KEPT) assert.equal(found[name], env[name], name);
  assert.equal(found.HOME, home.path);
  assert.equal(found[LOOP_MARK], "1");
});

Deno.test("spam_command of a hook gets the same environment", async () => {
  using home = new Home();
  home.settings(`${stubTransport(home)}\n[incoming]\nspam_command = ["${stub(home)}"]\n`);
  const env = Object.fromEntries([...REMOVED, ...KEPT].map((name) => [name, `value of ${name}`]));
  const forged = "SRS0=AAAAAAAA=AA=example.org=greg@srs.example.org";
  const ran = await home.hook(["--as", "maildrop"], MAIL, { ...env, SENDER: "", RECIPIENT: forged });
  assert.equal(ran.code, 99, ran.stderr);
  assert.equal(stubRuns(home), 1);
  const found = stubEnvironment(home);
  assert.deepEqual(REMOVED.filter((name) => name in found), []);
  for (const name of KEPT) assert.equal(found[name], env[name], name);
});

/** Settings with this [transport] table. */
const transport = (more: string) =>
  parseConfig(`[[identity]]\naddress = "greg@example.org"\n[transport]\n${more}`, { file: "/c", home: "/h" });
const message = () => ({
  head: utf8("Subject: x\n\n"),
  body: (async function* () {
    yield await Promise.resolve(utf8("Hi.\n"));
  })(),
});
const ann = { local: "ann", domain: "example.net" };
const bob = { local: "bob", domain: "example.net" };

/** A program that writes its standard input to the file `got` in the folder named by its first argument. */
function program(folder: string, then: string): string {
  const path = `${folder}/program`;
  writeExecutable(path, `#!/bin/sh\nfolder=$1\ncat >"$folder/got"\n${then}\n`);
  return path;
}

Deno.test("the exit status of the program is mapped, and its last line reported", async () => {
  const rows: [preset: string, status: number, code: number, kind: string, says: string][] = [
    ["sendmail", 67, 67, "temporary", "status 67: no such user"],
    ["sendmail", 75, 75, "temporary", "status 75: no such user"],
    ["qmail-inject", 100, 100, "refused", "status 100: no such user"],
    ["qmail-inject", 111, 111, "temporary", "status 111: no such user"],
    ["msmtp", 69, 75, "temporary", "status 69: no such user"],
    ["msmtp", 65, 65, "temporary", "status 65: no such user"],
  ];
  using temporary = new TempFolder();
  const folder = temporary.path;
  for (const [preset, status, code, kind, says] of rows) {
    const path = program(folder, `echo first >&2; echo no such user >&2; exit ${status}`);
    const settings = transport(`preset = "${preset}"\ncommand = ["${path}", "${folder}"]`);
    const failed = send(settings, undefined, { sender: null, recipients: [ann], dsn: {} }, message());
    await assert.rejects(failed, (error: Rejected) => {
      assert.ok(error instanceof Rejected);
      assert.deepEqual([error.code, error.kind], [code, kind], preset);
      assert.equal(error.message, `${path} exited with ${says}`);
      return true;
    });
    assert.equal(Deno.readTextFileSync(`${folder}/got`), "Subject: x\n\nHi.\n");
  }
  const settings = transport(`preset = "sendmail"\ncommand = ["${program(folder, "exit 0")}", "${folder}"]`);
  assert.deepEqual(
    await send(settings, undefined, { sender: ann, recipients: [bob], dsn: {} }, message()),
    { route: `${folder}/program`, reply: undefined, said: "" },
  );
});

Deno.test("a program is not started for a message that it cannot send", async () => {
  using temporary = new TempFolder();
  const folder = temporary.path;
  const path = program(folder, "exit 0");
  const settings = transport(`preset = "dma"\ncommand = ["${path}", "${folder}"]`);
  const refused = send(settings, undefined, { sender: null, recipients: [ann], dsn: {} }, message());
  await assert.rejects(refused, { kind: "refused", message: "dma does not support the null sender" });
  assert.throws(() => Deno.statSync(`${folder}/got`), Deno.errors.NotFound);
  const nul = { ...message(), head: utf8("Subject: \0\n\n") };
  const data = send(settings, undefined, { sender: ann, recipients: [bob], dsn: {} }, nul);
  await assert.rejects(data, { kind: "data", message: "dma does not support messages that contain NUL" });
});

Deno.test("a transport command that calls countersign itself is detected by a variable in the environment", async () => {
  using home = new Home();
  home.settings(stubTransport(home));
  oneLine(
    await home.shim(["ann@example.net"], MAIL, { [LOOP_MARK]: "1" }),
    78,
    /transport\.command calls this program/,
  );
  assert.equal(stubRuns(home), 0);
  // A separate process, because other tests share the environment of this one.
  const program = `${ROOT}/tests/io/transport/send_program.ts`;
  const deno = [Deno.execPath(), "run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`, program];
  const identity = '[[identity]]\naddress = "greg@example.org"\n';
  const text = `${identity}[transport]\npreset = "sendmail"\ncommand = ["/bin/true"]\n`;
  oneLine(await home.run([...deno, text], "", { [LOOP_MARK]: "1" }), 78, /\/bin\/true calls this/);
});

Deno.test("a maildir gets the envelope as Return-Path and X-Envelope-To fields", async () => {
  using temporary = new TempFolder();
  const folder = temporary.path;
  const settings = transport(`via = "maildir"\nmaildir = "${folder}/out"`);
  const rows = [[ann, "<ann@example.net>"], [null, "<>"], [undefined, "<>"]] as const;
  for (const [sender, written] of rows) {
    const { route: path } = await send(settings, undefined, { sender, recipients: [ann, bob], dsn: {} }, message());
    const envelope = `Return-Path: ${written}\nX-Envelope-To: ann@example.net\nX-Envelope-To: bob@example.net\n`;
    assert.equal(Deno.readTextFileSync(path), `${envelope}Subject: x\n\nHi.\n`);
  }
});

Deno.test("arguments reach the program unchanged", async () => {
  using home = new Home();
  home.settings(stubTransport(home));
  const odd = ["ann@example.net", '"a b"@example.net', "-x@example.net", "$HOME`id`@example.net"];
  const ran = await home.shim(["-f", "carl@other.example", "-N", "never", "--", ...odd], MAIL);
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(stubArguments(home), ["-i", "-f", "carl@other.example", "-N", "never", "--", ...odd]);
  assert.match(stubInput(home), /^From: greg@example\.org\nTo: ann@example\.net\n/);
});
