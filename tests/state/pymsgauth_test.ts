import assert from "node:assert/strict";
import { judge } from "../../hooks/judge.ts";
import { claimToken, settleToken, tokenState } from "../../state/pymsgauth.ts";
import { answerOf, context, delivery, SAMPLES, settings } from "../challenges.ts";

const TOKEN = "90587d9fd8e756fbb1cc1de91d5ff64933e32b40";

/** What pymsgauth leaves: an empty dotfile a token, its settings beside them, files of others above. */
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

/** What is no token of 40 hexadecimal digits; the first would have deleted, the second always been there. */
const BAD = [
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

Deno.test("A token is 40 hexadecimal digits whose file is there", () => {
  using folder = new Folder();
  const before = folder.names();
  assert.equal(tokenState(folder.path, TOKEN), "issued");
  assert.equal(tokenState(folder.path, TOKEN.replace("9", "8")), undefined, "no file");
  assert.equal(tokenState("", TOKEN), undefined, "no folder is set");
  assert.equal(tokenState(`${folder.top}/none`, TOKEN), undefined, "no folder");
  for (const token of BAD) {
    assert.equal(tokenState(folder.path, token), undefined, token);
    assert.equal(claimToken(folder.path, token), false, token);
  }
  Deno.symlinkSync(`${folder.top}/victim`, `${folder.path}/.${"a".repeat(40)}`);
  Deno.mkdirSync(`${folder.path}/.${"b".repeat(40)}`);
  assert.equal(tokenState(folder.path, "a".repeat(40)), undefined, "a link");
  assert.equal(tokenState(folder.path, "b".repeat(40)), undefined, "a folder");
  assert.deepEqual(folder.names().filter((name) => !/^\.(a|b)\1{39}$/.test(name)), before, "nothing was touched");
});

Deno.test("A token is claimed once, ended as gone or given back", () => {
  using folder = new Folder();
  const claims = Array.from({ length: 200 }, () => claimToken(folder.path, TOKEN));
  assert.deepEqual(claims.filter((one) => one), [true]);
  assert.equal(tokenState(folder.path, TOKEN), "claimed");
  assert.equal(claimToken(folder.path, TOKEN), false, "whoever died with it");
  settleToken(folder.path, TOKEN, false);
  assert.equal(tokenState(folder.path, TOKEN), "issued", "given back");
  assert.equal(claimToken(folder.path, TOKEN), true);
  settleToken(folder.path, TOKEN, true);
  assert.equal(tokenState(folder.path, TOKEN), undefined, "spent");
  assert.equal(claimToken(folder.path, TOKEN), false);
  assert.deepEqual(folder.names(), [".pymsgauthrc", "pymsgauthrc"]);
  assert.throws(() => settleToken(folder.path, TOKEN, true), { kind: "temporary" });
});

Deno.test("A challenge about a message with a token is answered while its file is there", async () => {
  using folder = new Folder();
  const mail = SAMPLES.get("qsecretary-pymsgauth")!;
  const verdict = async (one: string, with_ = settings()) => {
    const ours = { ...await context([], with_), token: (text: string) => tokenState(folder.path, text) };
    return (await judge(delivery(one), ours)).verdict;
  };
  const good = async (one: string) =>
    assert.deepEqual(answerOf(await verdict(one)), {
      to: "qmail-confirm-1795150800.12345.kjfhdmcoapngbleiabcd@list.cr.yp.to",
      subject: "Re: please confirm your message",
      body: "",
      from: "joe@example.net",
      token: TOKEN,
    });
  const bad = async (what: string, one: string, with_ = settings()) => {
    const { action, answer } = await verdict(one, with_);
    assert.deepEqual([action, answer], ["deliver", undefined], what);
  };
  await good(mail);
  await good(mail.replace("X-Pymsgauth-Token", "X-PYMSGAUTH-TOKEN"));
  await bad("challenges are off", mail, settings("answer = false"));
  await bad("another host", mail.replace(/(?<=^From: .*@)list\.cr\.yp\.to/m, "list.evil.example"));
  await bad("a host that ends alike", mail.replace(/(?<=^From: .*@)list\.cr\.yp\.to/m, "x.list.cr.yp.to"));
  const elsewhere = { ...settings().challenge, lists: ["test@lists.example.org"] };
  await bad("no list there is among the settings", mail, { ...settings(), challenge: elsewhere });
  await bad("another token", mail.replace(TOKEN, TOKEN.replace("9", "8")));
  for (const token of BAD) {
    if (token.trim() !== TOKEN && !/[\n\0]/.test(token)) await bad(token, mail.replace(TOKEN, token));
  }
  const line = `X-Pymsgauth-Token: ${TOKEN}\n`;
  await bad("two tokens", mail.replace(line, line + line));
  await bad("the token in the body alone", mail.replace(line, "") + line);
  await bad("the token in the outer header", line + mail.replace(line, ""));
  await bad("not by qsecretary", mail.replace("The qsecretary program", "The qconfirm program"));
  await bad("a stranger's message", mail.replace("From: Joe <joe@example.net>", "From: Eve <eve@evil.example>"));
  const separator = "--- Below this line is the top of your message.\n";
  await bad("two separators", mail.replace(separator, separator + separator));
  assert.ok(folder.names().includes(`.${TOKEN}`), "judging takes nothing");
  claimToken(folder.path, TOKEN);
  await bad("claimed", mail);
  assert.match((await verdict(mail)).reason, /begun.*look yourself/);
  settleToken(folder.path, TOKEN, true);
  await bad("spent", mail);
});
