/** The real safecat with contrib/safecat. */
import assert from "node:assert/strict";
import { qmailLocal } from "../../build/rig/qmail.ts";
import { type Home, qsbmf, ROOT } from "../rig.ts";
import { assertCounts, FORGED, gregsHome, mailsIn, MEGABYTE, ORDINARY, send, snippet } from "./letters.ts";
import { need } from "./need.ts";

const test = await need("safecat");

/** greg's home with contrib/safecat, which both files and delivers with safecat. */
async function safecatHome(): Promise<Home> {
  const home = gregsHome();
  const text = Deno.readTextFileSync(`${ROOT}/contrib/safecat/config.toml`);
  const transport = `[transport]\nvia = "maildir"\nmaildir = "~/out"\n`;
  const program = (await home.run(["sh", "-c", "command -v safecat"])).stdout.trim();
  const own = { "/home/greg": home.path, "/usr/bin/safecat": program };
  home.settings(transport + Object.entries(own).reduce((out, [from, to]) => out.replaceAll(from, to), text));
  home.write(".qmail", snippet("safecat/.qmail", own));
  return home;
}

const PLAIN = { ext: "", host: "example.org" };

test("safecat: it files forged bounces and delivers other mail", async () => {
  using home = await safecatHome();
  const forged = await qmailLocal(home, { sender: "", ...PLAIN }, FORGED + MEGABYTE);
  assert.deepEqual([forged.end, forged.runs.map(({ code }) => code)], ["success", [99]]);
  assertCounts(home, 0, 1);
  const [spam] = mailsIn(home).spam;
  // The hook does not inspect all of a megabyte. It writes RPLINE and DTLINE itself, because Debian's safecat does not.
  assert.match(spam!, /^Return-Path: <>\nDelivered-To: greg@example\.org\nX-Countersign: unsure; /);
  assert.ok(spam!.endsWith(MEGABYTE));

  const { mail, sender } = await send(home);
  const genuine = await qmailLocal(home, { sender: "", ...PLAIN }, qsbmf(sender, mail));
  const ordinary = await qmailLocal(home, { sender: "friend@friend.example", ...PLAIN }, ORDINARY);
  for (const { end, runs } of [genuine, ordinary]) {
    assert.deepEqual([end, runs.map(({ code, stdout }) => [code, stdout])], ["success", [[0, ""], [0, ""]]]);
  }
  assertCounts(home, 2, 1);
  assert.ok(mailsIn(home).inbox.includes(ORDINARY));
});

test("safecat: if it cannot write, the message stays queued", async () => {
  using home = await safecatHome();
  Deno.removeSync(`${home.path}/Maildir/.Spam/tmp`);
  const forged = await qmailLocal(home, { sender: "", ...PLAIN }, FORGED);
  assert.deepEqual([forged.end, forged.runs.map(({ code }) => code)], ["defer", [75]]);
  assert.match(forged.runs[0]!.stdout, /safecat exited with status 111/);
  assertCounts(home, 0, 0);

  Deno.removeSync(`${home.path}/Maildir/tmp`);
  const ordinary = await qmailLocal(home, { sender: "friend@friend.example", ...PLAIN }, ORDINARY);
  assert.deepEqual([ordinary.end, ordinary.runs.map(({ code }) => code)], ["defer", [0, 111]]);
  assertCounts(home, 0, 0);
});

test("safecat: the pitfall of a pipe: hook | safecat loses the exit status of the hook", async () => {
  using home = await safecatHome();
  home.settings("nonsense = [");
  const files = snippet("safecat/.qmail").split("\n");
  const [hook, deliver] = files.filter((line) => line.startsWith("|"));
  home.write(".qmail", hook + deliver!);
  const piped = await qmailLocal(home, { sender: "", ...PLAIN }, FORGED);
  assert.deepEqual(
    [piped.end, mailsIn(home).inbox],
    ["success", [""]],
    "an empty message is delivered, and the mail is lost",
  );
  home.write(".qmail", `${hook}\n${deliver}\n`);
  const lines = await qmailLocal(home, { sender: "", ...PLAIN }, FORGED);
  assert.equal(lines.end, "defer");
});
