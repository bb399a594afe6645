import assert from "node:assert/strict";
import { decide } from "../../../io/state/lookups.ts";
import { holdsToken, removeToken } from "../../../io/state/pymsgauth.ts";
import type { Settings } from "../../../lib/settings/parse.ts";
import { answerOf, context, cut, delivery, PLACEHOLDER, SAMPLES, send, settings } from "../../challenges.ts";

const TOKEN = "90587d9fd8e756fbb1cc1de91d5ff64933e32b40";

/** The folder of pymsgauth: an empty dotfile for each token, its settings, and unrelated files in the parent folder. */
class Folder {
  readonly top = Deno.makeTempDirSync({ prefix: "countersign-" });
  readonly path = `${this.top}/.pymsgauth`;
  constructor() {
    Deno.mkdirSync(this.path);
    for (const name of [`.${TOKEN}`, ".pymsgauthrc", "pymsgauthrc", "../victim", `../.${TOKEN}`]) {
      Deno.writeTextFileSync(`${this.path}/${name}`, "");
    }
  }
  names(): string[] {
    return [...Deno.readDirSync(this.path)].map((entry) => entry.name).sort();
  }
  [Symbol.dispose](): void {
    Deno.removeSync(this.top, { recursive: true });
  }
}

/** Values that are not tokens, among them path traversals to files that exist. */
const INVALID = [
  "/../victim",
  "/pymsgauthrc",
  "pymsgauthrc",
  "",
  ".",
  `../${TOKEN}`,
  `/../.${TOKEN}`,
  TOKEN.slice(1),
  `${TOKEN}0`,
  TOKEN.toUpperCase(),
  ` ${TOKEN}`,
  `${TOKEN}\n`,
  `${TOKEN}\0`,
  TOKEN.replace("9", "g"),
];

Deno.test("A token is valid if it is 40 hexadecimal digits and its file exists", () => {
  using folder = new Folder();
  const before = folder.names();
  assert.equal(holdsToken(folder.path, TOKEN), true);
  assert.equal(holdsToken(folder.path, TOKEN.replace("9", "8")), false, "no file");
  assert.equal(holdsToken("", TOKEN), false, "tag.pymsgauth is empty");
  assert.equal(holdsToken(`${folder.top}/none`, TOKEN), false, "no folder");
  assert.equal(holdsToken(`${folder.top}/victim`, TOKEN), false, "a file instead of the folder");
  Deno.symlinkSync("loop", `${folder.top}/loop`);
  assert.throws(() => holdsToken(`${folder.top}/loop`, TOKEN), { kind: "temporary" }, "a folder that cannot be read");
  for (const token of INVALID) {
    assert.equal(holdsToken(folder.path, token), false, token);
    removeToken(folder.path, token);
  }
  Deno.symlinkSync(`${folder.top}/victim`, `${folder.path}/.${"a".repeat(40)}`);
  Deno.mkdirSync(`${folder.path}/.${"b".repeat(40)}`);
  assert.equal(holdsToken(folder.path, "a".repeat(40)), false, "a link");
  assert.equal(holdsToken(folder.path, "b".repeat(40)), false, "a folder");
  assert.deepEqual(folder.names().filter((name) => !/^\.(a|b)\1{39}$/.test(name)), before, "no file was changed");
});

Deno.test("A folder that cannot be read is a temporary failure, not a missing token", () => {
  using folder = new Folder();
  Deno.symlinkSync("loop", `${folder.top}/loop`);
  assert.throws(() => holdsToken(`${folder.top}/loop`, TOKEN), { kind: "temporary", message: /cannot be read/ });
});

Deno.test("A token is removed; removing a missing token is not an error", () => {
  using folder = new Folder();
  removeToken(folder.path, TOKEN);
  assert.deepEqual(folder.names(), [".pymsgauthrc", "pymsgauthrc"]);
  removeToken(folder.path, TOKEN);
  removeToken(`${folder.top}/none`, TOKEN);
  assert.equal(Deno.statSync(`${folder.top}/.${TOKEN}`).isFile, true, "a file in another folder stays");
});

const OTHER = TOKEN.replace("9", "8");
const LINE = `X-pymsgauth-token: ${TOKEN}\n`;

/** A challenge about a message that was sent with this line and without a tag. */
async function challenged(line = LINE) {
  const [frame, quoted] = cut(SAMPLES.get("qsecretary-challenge")!);
  const sent = await send(line + quoted);
  const mail = sent.mail.replace(sent.tagLine, "");
  return { frame, mail, sent, list: sent.entries[0]! };
}

Deno.test("With a token only the challenge about its own message and list is answered", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(`${folder.path}/.${OTHER}`, "");
  const { frame, mail, sent, list } = await challenged();
  const verdict = async (mail: string, entries = sent.entries, config = settings()) => {
    const given = { ...context(entries, config), token: (text: string) => holdsToken(folder.path, text) };
    return (await decide(delivery(mail), given)).verdict;
  };
  const good = async (mail: string) => {
    const found = answerOf(await verdict(mail));
    assert.equal(found?.to, "qmail-confirm-1795150800.12345.kjfhdmcoapngbleiabcd@list.cr.yp.to");
    assert.equal(found.token, TOKEN);
  };
  const bad = async (what: string, mail: string, entries?: typeof sent.entries, config?: Settings) => {
    const { action, answer } = await verdict(mail, entries, config);
    assert.deepEqual([action, answer], ["deliver", undefined], what);
  };
  await good(frame + mail);
  await good(frame + mail.replace("X-pymsgauth-token", "X-PYMSGAUTH-TOKEN"));
  await good(frame + sent.mail); // with the tag as well
  await bad("nothing is remembered", frame + mail, []);
  await bad("challenges are off", frame + mail, undefined, settings("answer = false"));
  await bad("another list", frame.replaceAll("qmail-confirm-", "dns-confirm-") + mail);
  await bad("another host", frame.replace(/(?<=^From: .*@)list\.cr\.yp\.to/m, "list.evil.example") + mail);
  await bad("another valid token", frame + mail.replace(TOKEN, OTHER));
  await bad(
    "a message sent with another valid token",
    frame + mail,
    (await challenged(LINE.replace(TOKEN, OTHER))).sent.entries,
  );
  await bad("a message sent without a token", frame + mail, (await challenged("")).sent.entries);
  await bad("another message", frame + mail.replace(/^Message-ID: .*$/m, "Message-ID: <x@example.net>"));
  await bad("another Subject", frame + mail.replace(/^Subject: .*$/m, "Subject: BUY NOW"));
  await bad("another body", frame + mail.replace("First", "BUY"));
  await bad("another author", frame + mail.replace("From: Joe <joe@example.net>", "From: Eve <eve@evil.example>"));
  await bad("sent to another list", frame + mail, [{ ...list, list: "dns@list.cr.yp.to" }]);
  for (const token of INVALID) {
    if (token.trim() !== TOKEN && !/[\n\0]/.test(token)) await bad(token, frame + mail.replace(TOKEN, token));
  }
  await bad("two tokens", frame + LINE + mail);
  await bad("the token only in the body", frame + mail.replace(LINE, "") + LINE);
  await bad("the token in the outer header", LINE + frame + mail.replace(LINE, ""));
  await bad("from another program", frame.replace("The qsecretary program", "The qconfirm program") + mail);
  const separator = "--- Below this line is the top of your message.\n";
  await bad("two separators", frame.replace(separator, separator + separator) + mail);
  await bad("a tag that is not ours", frame + `X-Msgauth: v1.k1.1.aaaaaaaa.${"a".repeat(26)}\n` + mail);
  assert.ok(folder.names().includes(`.${TOKEN}`), "the check does not remove the token");
  removeToken(folder.path, TOKEN);
  await bad("its file was removed", frame + mail);
});

Deno.test("A challenge that shows only a token is delivered, because the message of the token is unknown", async () => {
  using folder = new Folder();
  const mail = SAMPLES.get("qsecretary-pymsgauth")!;
  const other = await send(cut(SAMPLES.get("qsecretary-challenge")!)[1].replaceAll(PLACEHOLDER, ""));
  for (const entries of [[], other.entries]) {
    const given = { ...context(entries), token: (text: string) => holdsToken(folder.path, text) };
    const { action, answer } = (await decide(delivery(mail), given)).verdict;
    assert.deepEqual([action, answer], ["deliver", undefined]);
  }
});
