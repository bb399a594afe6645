/** The real git send-email with contrib/git: out through the shim. */
import assert from "node:assert/strict";
import { fieldOf, type Ran } from "../rig.ts";
import { ALL, BCC, CC, Desk, FAILURES, left, nothingLeft, oneLeft, TO } from "./desk.ts";
import { snippet } from "./letters.ts";
import { need } from "./need.ts";

const test = await need("git-send-email", "git-email libmailtools-perl");

const ENVIRONMENT = { GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0" };

async function git(desk: Desk, ...args: string[]): Promise<Ran> {
  return await desk.run(["git", ...args], "", ENVIRONMENT);
}

/** greg's home with contrib/git and so many patches. @returns also their files' names */
async function patches(count: number, places?: Record<string, string>): Promise<{ desk: Desk; files: string[] }> {
  const desk = new Desk();
  const mine = "[user]\n\tname = Greg\n\temail = greg@example.org\n";
  desk.write(".gitconfig", mine + snippet("git/gitconfig", places));
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

/** git send-email, with no question; the author's own copy is for another test. */
function sendEmail(desk: Desk, files: string[]): Promise<Ran> {
  const options = ["--confirm=never", "--suppress-cc=all", `--to=${TO}`, `--cc=${CC}`, `--bcc=${BCC}`];
  return git(desk, "send-email", "--quiet", ...options, ...files);
}

const bodyOf = (text: string) => text.slice(text.indexOf("\n\n"));

test("git: every patch leaves with an SRS sender and a tag of its own, byte by byte", async () => {
  const { desk, files } = await patches(2);
  using _ = desk;
  assert.equal((await sendEmail(desk, files)).code, 0);
  const all = desk.injected();
  assert.equal(all.length, 2);
  for (const [at, one] of all.entries()) {
    const mail = left(one);
    assert.equal(fieldOf(mail, "Cc"), CC);
    assert.equal(bodyOf(mail), bodyOf(desk.read(files[at]!)));
    assert.match(mail, /^[+ ]From here on: Grüße$/m);
  }
  assert.notEqual(fieldOf(all[0]!.mail, "X-Msgauth"), fieldOf(all[1]!.mail, "X-Msgauth"));
});

test("git: sendmailCmd is a shell command, a path with spaces is quoted there", async () => {
  const { desk, files } = await patches(1, { "/usr/local/bin/shim": `'my programs/shim'` });
  using _ = desk;
  Deno.mkdirSync(`${desk.path}/my programs`);
  const [real] = snippet("git/gitconfig").match(/\/\S+\/shim$/m)!;
  Deno.symlinkSync(real, `${desk.path}/my programs/shim`);
  assert.equal((await sendEmail(desk, files)).code, 0);
  oneLeft(desk);
});

test("git: --envelope-sender=auto is greg's address, which becomes his SRS address", async () => {
  const { desk, files } = await patches(1);
  using _ = desk;
  await git(desk, "config", "sendemail.envelopeSender", "auto");
  assert.equal((await sendEmail(desk, files)).code, 0);
  oneLeft(desk);
});

test("git: when the shim fails, git stops there with the shim's status, and sends it when asked again", async (t) => {
  for (const { what, code, said, reached, fail } of FAILURES) {
    await t.step(what, async () => {
      const { desk, files } = await patches(2);
      using _ = desk;
      fail(desk);
      const ran = await sendEmail(desk, files);
      assert.equal(ran.code, code);
      assert.match(ran.stderr, said);
      const asked = reached ? 1 : 0; // never for the second patch
      nothingLeft(desk, asked);
      desk.fix();
      assert.equal((await sendEmail(desk, files)).code, 0);
      const sent = desk.injected().slice(asked);
      assert.equal(sent.length, files.length);
      for (const one of sent) left(one, ALL);
    });
  }
});
