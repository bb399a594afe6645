/** The real git send-email with contrib/git sends through the shim. */
import assert from "node:assert/strict";
import { fieldOf, type Ran } from "../rig.ts";
import { ALL, assertAttempts, assertSigned, BCC, CC, Desk, FAILURES, onlySigned, TO } from "./desk.ts";
import { snippet } from "./letters.ts";
import { lacking, lackingPerl, tests } from "./need.ts";

const missing = [await lacking("git-send-email", "git-email"), await lackingPerl("Mail::Address")];
const test = tests(missing.filter((reason) => reason !== "").join(", "));

const ENVIRONMENT = { GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0" };

async function git(desk: Desk, ...args: string[]): Promise<Ran> {
  return await desk.run(["git", ...args], "", ENVIRONMENT);
}

/** greg's home with contrib/git and so many patches. @returns it, and the names of the patch files */
async function patches(count: number, places?: Record<string, string>): Promise<{ desk: Desk; files: string[] }> {
  const desk = new Desk();
  const own = "[user]\n\tname = Greg\n\temail = greg@example.org\n";
  desk.write(".gitconfig", own + snippet("git/gitconfig", places));
  await git(desk, "init", "-q");
  for (let n = 1; n <= count; n++) {
    desk.write("lunch", `${n} o'clock?\n.\nFrom here on: Grüße\n`);
    await git(desk, "add", "lunch");
    await git(desk, "commit", "-q", "-m", `Lunch at ${n}`);
  }
  const { code, stdout, stderr } = await git(desk, "format-patch", "--root", "-o", "patches");
  assert.equal(code, 0, stderr);
  return { desk, files: stdout.trimEnd().split("\n") };
}

/** Runs git send-email without questions and without a copy to the author. */
function sendEmail(desk: Desk, files: string[]): Promise<Ran> {
  const options = ["--confirm=never", "--suppress-cc=all", `--to=${TO}`, `--cc=${CC}`, `--bcc=${BCC}`];
  return git(desk, "send-email", "--quiet", ...options, ...files);
}

const bodyOf = (text: string) => text.slice(text.indexOf("\n\n"));

test("git: every patch is sent with an SRS sender and its own tag, and its body is unchanged", async () => {
  const { desk, files } = await patches(2);
  using _ = desk;
  assert.equal((await sendEmail(desk, files)).code, 0);
  const all = desk.injected();
  assert.equal(all.length, 2);
  for (const [at, injected] of all.entries()) {
    const mail = assertSigned(injected);
    assert.equal(fieldOf(mail, "Cc"), CC);
    assert.equal(bodyOf(mail), bodyOf(desk.read(files[at]!)));
    assert.match(mail, /^[+ ]From here on: Grüße$/m);
  }
  assert.notEqual(fieldOf(all[0]!.mail, "X-Msgauth"), fieldOf(all[1]!.mail, "X-Msgauth"));
});

test("git: sendmailCmd is a shell command, in which a path with spaces is quoted", async () => {
  const { desk, files } = await patches(1, { "/usr/local/bin/shim": `'my programs/shim'` });
  using _ = desk;
  Deno.mkdirSync(`${desk.path}/my programs`);
  const [real] = snippet("git/gitconfig").match(/\/\S+\/shim$/m)!;
  Deno.symlinkSync(real, `${desk.path}/my programs/shim`);
  assert.equal((await sendEmail(desk, files)).code, 0);
  onlySigned(desk);
});

test("git: with --envelope-sender=auto the sender is greg's SRS address", async () => {
  const { desk, files } = await patches(1);
  using _ = desk;
  await git(desk, "config", "sendemail.envelopeSender", "auto");
  assert.equal((await sendEmail(desk, files)).code, 0);
  onlySigned(desk);
});

test("git: when the shim fails, git stops with the shim's status, and a second run sends everything", async (t) => {
  for (const { what, code, message, reached, fail } of FAILURES) {
    await t.step(what, async () => {
      const { desk, files } = await patches(2);
      using _ = desk;
      fail(desk);
      const ran = await sendEmail(desk, files);
      assert.equal(ran.code, code);
      assert.match(ran.stderr, message);
      const attempts = reached ? 1 : 0; // none for the second patch
      assertAttempts(desk, attempts);
      desk.fix();
      assert.equal((await sendEmail(desk, files)).code, 0);
      const sent = desk.injected().slice(attempts);
      assert.equal(sent.length, files.length);
      for (const injected of sent) assertSigned(injected, ALL);
    });
  }
});
