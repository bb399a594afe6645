/**
 * greg uses tokens of pymsgauth instead of tags: its filter adds one before the shim runs. A token is a file; the
 * ledger records its message and list. A token can never refer to any other file.
 */
import assert from "node:assert/strict";
import type { Challenge } from "../qsecretary.ts";
import { challenges, LIST, Member, PLAIN } from "./member.ts";

const TOKEN = "90587d9fd8e756fbb1cc1de91d5ff64933e32b40";
const OLD = ".pymsgauth";
const ON = `[tag]\nsign = false\npymsgauth = "~/${OLD}"\n`;

/** A home with pymsgauth's folder, its settings file, one token, and a file outside of the folder. */
function pymsgauthHome(settings = challenges() + ON): Member {
  const home = new Member(settings);
  home.write(`${OLD}/.${TOKEN}`, "");
  home.write(`${OLD}/pymsgauthrc`, "[default]\n");
  home.write("victim", "not a token");
  return home;
}

const post = (token = TOKEN, from = PLAIN): string =>
  `X-pymsgauth-token: ${token}\nFrom: Greg <${from}>\nTo: ${LIST}\nSubject: A patch\nMessage-ID: <1@example.org>\n\nHi\n`;

/** Sends a post. @returns the challenge about it */
async function sendPost(home: Member, mail = post()): Promise<Challenge> {
  const ran = await home.shim(["--", LIST], mail);
  assert.equal(ran.code, 0, ran.stderr);
  const { challenges: [challenge] } = home.transport();
  return challenge!;
}

/** All files in pymsgauth's folder, and the file outside. */
function files(home: Member): string[] {
  const names = [...Deno.readDirSync(`${home.path}/${OLD}`)].map(({ name }) => `${OLD}/${name}`);
  return ["victim", ...names].filter((name) => Deno.lstatSync(`${home.path}/${name}`)).sort();
}

Deno.test("pymsgauth: a token is accepted once", async () => {
  using home = pymsgauthHome();
  const challenge = await sendPost(home);
  assert.doesNotMatch(challenge.mail, /X-Msgauth/);
  assert.equal((await home.deliver(challenge)).end, "success");
  assert.deepEqual(home.transport().sent.map(({ argv }) => argv.slice(2)), [[PLAIN, "--", challenge.confirm]]);
  assert.deepEqual([home.released.length, home.inbox().length, home.kept().length], [1, 0, 1]);
  assert.deepEqual(files(home), [`${OLD}/pymsgauthrc`, "victim"]);
  for (const again of [challenge, home.secretaries[0]!.take(PLAIN, post())]) {
    await home.deliver(again);
    assert.deepEqual(home.transport().sent, []);
  }
  assert.equal(home.inbox().length, 2);
});

Deno.test("pymsgauth: a challenge with an invalid token is delivered, and no file is changed", async (t) => {
  type Change = (home: Member) => void;
  const addFile = (name: string): Change => (home) => void home.write(`${OLD}/${name}`, "");
  const unchanged: Change = () => {};
  const table: [what: string, mail: string, change: Change][] = [
    ["a path that leads out of the folder", post("/../victim"), unchanged],
    ["the settings file", post("/pymsgauthrc"), unchanged],
    ["upper case", post(TOKEN.toUpperCase()), addFile(`.${TOKEN.toUpperCase()}`)],
    ["another message", post().replace("A patch", "Pills"), unchanged],
    ["another body", post().replace("Hi", "Buy!"), unchanged],
    ["another Message-ID", post().replace("<1@", "<2@"), unchanged],
    ["another existing token", post(TOKEN.replace("9", "8")), addFile(`.${TOKEN.replace("9", "8")}`)],
    ["39 digits", post(TOKEN.slice(1)), addFile(`.${TOKEN.slice(1)}`)],
    ["41 digits", post(`${TOKEN}0`), addFile(`.${TOKEN}0`)],
    ["an empty token", post(""), addFile(".")],
    ["no file with this name", post(TOKEN.replace("9", "8")), unchanged],
    ["two tokens", `X-pymsgauth-token: ${TOKEN}\n${post()}`, unchanged],
    ["in the body only", post().replace(/^.*\n/, "").replace("\n\n", `\n\nX-pymsgauth-token: ${TOKEN}\n`), unchanged],
    ["in a message of somebody else", post(TOKEN, "ann@example.org"), unchanged],
    ["the folder is not configured", post(), (home) => home.fix(challenges())],
    ["challenges are not answered", post(), (home) => home.fix(challenges("", false) + ON)],
    ["the list is not configured", post(), unchanged],
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
      using home = what.startsWith("the list")
        ? pymsgauthHome(challenges(`lists = ["a@b.example"]`) + ON)
        : pymsgauthHome();
      await sendPost(home);
      if (what !== "an empty token") change(home);
      const before = files(home);
      const challenge = home.secretaries[0]!.take(PLAIN, mail);
      assert.equal((await home.deliver(challenge)).end, "success");
      assert.deepEqual(home.transport().sent, []);
      assert.deepEqual(files(home), before);
      assert.equal(home.read("victim"), "not a token");
      assert.deepEqual([home.inbox().length, home.kept().length], [1, 0]);
    });
  }
});

Deno.test("pymsgauth: a challenge without a ledger entry is delivered, even with a token", async () => {
  using home = pymsgauthHome();
  const before = files(home);
  assert.equal((await home.deliver(home.secretaries[0]!.take(PLAIN, post()))).end, "success");
  assert.deepEqual([home.transport().sent, files(home), home.inbox().length], [[], before, 1]);
});

Deno.test("pymsgauth: a rejected answer is repeated later, one that may have been sent is not", async (t) => {
  await t.step("rejected", async () => {
    using home = pymsgauthHome();
    const challenge = await sendPost(home);
    home.injector("exit 100");
    await home.deliver(challenge);
    assert.match(home.logged, /the answer could not be sent: refused/);
    assert.equal(home.inbox().length, 1);
    home.injector("");
    await home.deliver(challenge);
    assert.equal(home.transport().sent.length, 1);
  });
  await t.step("killed", async () => {
    using home = pymsgauthHome();
    const challenge = await sendPost(home);
    home.injector("kill -9 $PPID; exit 75");
    assert.equal((await home.deliver(challenge)).end, "defer");
    home.injector("");
    await home.deliver(challenge);
    assert.deepEqual(home.transport().sent, []);
    assert.equal(home.inbox().length, 1);
    assert.match(home.logged, /an answer was started and may have been sent: check it yourself/);
  });
});
