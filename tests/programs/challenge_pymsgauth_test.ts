/**
 * greg keeps the tokens of pymsgauth in place of tags: its filter put one on before the shim. A token is a file; which
 * message and list it is for, the ledger says. No token names a file that is not its own.
 */
import assert from "node:assert/strict";
import type { Challenge } from "../qsecretary.ts";
import { challenges, LIST, Member, PLAIN } from "./member.ts";

const TOKEN = "90587d9fd8e756fbb1cc1de91d5ff64933e32b40";
const OLD = ".pymsgauth";
const ON = `[tag]\nsign = false\npymsgauth = "~/${OLD}"\n`;

/** A home with the old folder, its settings file, one token, and a file beside it. */
function former(settings = challenges() + ON): Member {
  const home = new Member(settings);
  home.write(`${OLD}/.${TOKEN}`, "");
  home.write(`${OLD}/pymsgauthrc`, "[default]\n");
  home.write("victim", "not a token");
  return home;
}

const post = (token = TOKEN, from = PLAIN): string =>
  `X-pymsgauth-token: ${token}\nFrom: Greg <${from}>\nTo: ${LIST}\nSubject: A patch\nMessage-ID: <1@example.org>\n\nHi\n`;

/** greg posts it. @returns the challenge about it */
async function posted(home: Member, mail = post()): Promise<Challenge> {
  const ran = await home.shim(["--", LIST], mail);
  assert.equal(ran.code, 0, ran.stderr);
  const { challenges: [challenge] } = home.carry();
  return challenge!;
}

/** Everything in the old folder and beside it. */
function files(home: Member): string[] {
  const names = [...Deno.readDirSync(`${home.path}/${OLD}`)].map(({ name }) => `${OLD}/${name}`);
  return ["victim", ...names].filter((name) => Deno.lstatSync(`${home.path}/${name}`)).sort();
}

Deno.test("pymsgauth: a token is honoured once", async () => {
  using home = former();
  const challenge = await posted(home);
  assert.doesNotMatch(challenge.mail, /X-Msgauth/);
  assert.equal((await home.deliver(challenge)).end, "success");
  assert.deepEqual(home.carry().left.map(({ argv }) => argv.slice(2)), [[PLAIN, "--", challenge.confirm]]);
  assert.deepEqual([home.released.length, home.inbox().length, home.kept().length], [1, 0, 1]);
  assert.deepEqual(files(home), [`${OLD}/pymsgauthrc`, "victim"]);
  for (const again of [challenge, home.secretaries[0]!.take(PLAIN, post())]) {
    await home.deliver(again);
    assert.deepEqual(home.carry().left, []);
  }
  assert.equal(home.inbox().length, 2);
});

Deno.test("pymsgauth: what is no token of greg's touches nothing and is delivered", async (t) => {
  type Change = (home: Member) => void;
  const file = (name: string): Change => (home) => void home.write(`${OLD}/${name}`, "");
  const nothing: Change = () => {};
  const table: [what: string, mail: string, change: Change][] = [
    ["a path out of the folder", post("/../victim"), nothing],
    ["the old settings", post("/pymsgauthrc"), nothing],
    ["upper case", post(TOKEN.toUpperCase()), file(`.${TOKEN.toUpperCase()}`)],
    ["another message", post().replace("A patch", "Pills"), nothing],
    ["another body", post().replace("Hi", "Buy!"), nothing],
    ["another Message-ID", post().replace("<1@", "<2@"), nothing],
    ["another live token", post(TOKEN.replace("9", "8")), file(`.${TOKEN.replace("9", "8")}`)],
    ["39 digits", post(TOKEN.slice(1)), file(`.${TOKEN.slice(1)}`)],
    ["41 digits", post(`${TOKEN}0`), file(`.${TOKEN}0`)],
    ["none", post(""), file(".")],
    ["no file of that name", post(TOKEN.replace("9", "8")), nothing],
    ["twice", `X-pymsgauth-token: ${TOKEN}\n${post()}`, nothing],
    ["in the body only", post().replace(/^.*\n/, "").replace("\n\n", `\n\nX-pymsgauth-token: ${TOKEN}\n`), nothing],
    ["in a message of somebody else", post(TOKEN, "ann@example.org"), nothing],
    ["no folder is named", post(), (home) => home.fix(challenges())],
    ["challenges are not answered", post(), (home) => home.fix(challenges("", false) + ON)],
    ["the list is none of greg's", post(), nothing],
    [
      "its file is a link",
      post(),
      (home) => {
        Deno.removeSync(`${home.path}/${OLD}/.${TOKEN}`);
        Deno.symlinkSync("../victim", `${home.path}/${OLD}/.${TOKEN}`);
      },
    ],
  ];
  for (const [what, mail, change] of table) {
    await t.step(what, async () => {
      using home = what.startsWith("the list") ? former(challenges(`lists = ["a@b.example"]`) + ON) : former();
      await posted(home);
      if (what !== "none") change(home);
      const before = files(home);
      const challenge = home.secretaries[0]!.take(PLAIN, mail);
      assert.equal((await home.deliver(challenge)).end, "success");
      assert.deepEqual(home.carry().left, []);
      assert.deepEqual(files(home), before);
      assert.equal(home.read("victim"), "not a token");
      assert.deepEqual([home.inbox().length, home.kept().length], [1, 0]);
    });
  }
});

Deno.test("pymsgauth: what the ledger does not remember is delivered, whatever token it has", async () => {
  using home = former();
  const before = files(home);
  assert.equal((await home.deliver(home.secretaries[0]!.take(PLAIN, post()))).end, "success");
  assert.deepEqual([home.carry().left, files(home), home.inbox().length], [[], before, 1]);
});

Deno.test("pymsgauth: refused is another time, what was begun is never again", async (t) => {
  await t.step("refused", async () => {
    using home = former();
    const challenge = await posted(home);
    home.injector("exit 100");
    await home.deliver(challenge);
    assert.match(home.logged, /the answer could not be sent: refused/);
    assert.equal(home.inbox().length, 1);
    home.injector("");
    await home.deliver(challenge);
    assert.equal(home.carry().left.length, 1);
  });
  await t.step("killed", async () => {
    using home = former();
    const challenge = await posted(home);
    home.injector("kill -9 $PPID; exit 75");
    assert.equal((await home.deliver(challenge)).end, "defer");
    home.injector("");
    await home.deliver(challenge);
    assert.deepEqual(home.carry().left, []);
    assert.equal(home.inbox().length, 1);
    assert.match(home.logged, /an answer was started and may have been sent: check it yourself/);
  });
});
