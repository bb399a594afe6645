/**
 * The doorbell in the real procmail: contrib/doorbell/procmailrc, and contrib/procmail/jacookie with pm-jacookie's two
 * uses.
 */
import assert from "node:assert/strict";
import { fieldOf, type Home, isFile, type Ran, ROOT } from "../rig.ts";
import { heldCount, program, replyTo, runs } from "../doorbell/home.ts";
import { bellSnippet, LIST, mailTo, pipelineHome, SVC } from "./doorbell_pipelines.ts";
import { procmailrc } from "./letters.ts";
import { need } from "./need.ts";

const test = await need("procmail");

const [SERVICE, JACOOKIE] = ["doorbell/procmailrc", "procmail/jacookie/procmailrc"];

/** Runs procmail as an MTA does. */
async function procmail(home: Home, text: string, message: string): Promise<Ran> {
  return await home.run(["procmail", "-m", procmailrc(home, text)], message);
}

/** The uses of pm-jacookie, with the file that they include. */
function jacookie(home: Home, text = bellSnippet(home, "procmail/jacookie/jacookie.rc")): string {
  home.write(".procmail/jacookie.rc", text);
  return bellSnippet(home, JACOOKIE).replaceAll("/usr/local/bin/shim", `${ROOT}/shim/shim`);
}

const SUBJECT = 'confirm = "subject"\nsubject_tag = "PAS-cookie"';

test("procmail: a request is held and challenged, its confirmation runs the program once", async () => {
  using home = pipelineHome();
  const deliver = (message: string) => procmail(home, bellSnippet(home, SERVICE), message);
  const request = mailTo(SVC, "subscribe");
  assert.equal((await deliver(request)).code, 0);
  assert.deepEqual([runs(home), heldCount(home), home.mails("Maildir")], [[], 1, []]);
  const to = replyTo(home.mails("out")[0]!);
  const confirmation = mailTo(to, "Re: Auto: subscribe");
  program(home, "exit 1");
  assert.equal((await deliver(confirmation)).code, 75, "the program failed: the confirmation stays queued");
  program(home);
  for (let twice = 0; twice < 2; twice++) assert.equal((await deliver(confirmation)).code, 0);
  assert.deepEqual([runs(home).length, heldCount(home), home.mails("Maildir")], [2, 0, []]);
  assert.equal(home.read("got"), request);
  const other = mailTo("greg@example.org", `about ${SVC}`, { more: `Cc: ${SVC}\n` });
  assert.equal((await deliver(other)).code, 0);
  assert.deepEqual(home.mails("Maildir"), [other], "mail to greg does not reach the doorbell");
});

test("procmail: when the doorbell cannot run, the message stays queued", async (t) => {
  const table: [what: string, text: (home: Home) => string][] = [
    [
      "invalid settings",
      (home) => (home.write(".config/countersign/config.toml", "x = ["), bellSnippet(home, SERVICE)),
    ],
    ["hook missing", (home) => bellSnippet(home, SERVICE).replaceAll(`${ROOT}/hooks/doorbell`, "/nowhere/doorbell")],
    [
      "hook missing, jacookie",
      (home) =>
        jacookie(home, bellSnippet(home, "procmail/jacookie/jacookie.rc").replaceAll(`${ROOT}/hooks`, "/nowhere")),
    ],
    ["key file missing, jacookie", (home) => {
      Deno.removeSync(`${home.path}/.config/countersign/doorbell-keys`);
      return jacookie(home);
    }],
  ];
  for (const [what, text] of table) {
    await t.step(what, async () => {
      using home = pipelineHome();
      assert.equal((await procmail(home, text(home), mailTo(SVC, "subscribe"))).code, 75, home.read("procmail.log"));
      assert.deepEqual([home.mails("Maildir"), home.mails("Maildir/.Unconfirmed"), runs(home)], [[], [], []]);
    });
  }
});

test("procmail: pm-jacookie's gate: new, mismatch, confirmed by the Subject, then known without a challenge", async () => {
  using home = pipelineHome(SUBJECT);
  const rc = jacookie(home);
  const deliver = async (subject: string, options = {}) => {
    assert.equal((await procmail(home, rc, mailTo(LIST, subject, options))).code, 0, home.read("procmail.log"));
    return [home.mails("Maildir/.List").length, home.mails("Maildir/.Unconfirmed").length, home.mails("out").length];
  };
  assert.deepEqual(await deliver("A question"), [0, 1, 1]);
  const [, words] = /^ {4}(PAS-cookie \S+)$/m.exec(home.mails("out")[0]!)!;
  assert.deepEqual(await deliver("A question PAS-cookie 4"), [0, 2, 2], "no cookie, so that it is a new request");
  assert.deepEqual(await deliver(`A question ${words!.slice(0, -1)}`), [0, 3, 2], "a short cookie");
  assert.deepEqual(await deliver(`A question ${words}`, { sender: "" }), [0, 4, 2], "from a daemon");
  assert.deepEqual(await deliver(`A question ${words}`), [1, 4, 2]);
  assert.deepEqual(await deliver("Another question"), [2, 4, 2]);
  assert.deepEqual(await deliver("A question", { sender: "bob@friend.example" }), [2, 5, 3]);
});

test("procmail: pm-jacookie's subscription: procmail itself sends the challenge, to the address of the cookie", async () => {
  using home = pipelineHome(SUBJECT);
  const rc = jacookie(home);
  const deliver = async (subject: string, options = {}) => {
    assert.equal((await procmail(home, rc, mailTo(SVC, subject, options))).code, 0, home.read("procmail.log"));
    return [runs(home).length, home.mails("Maildir/.Unconfirmed").length, home.mails("out").length];
  };
  // The Reply-To of a stranger would otherwise get the cookie of another address.
  const mallory = { more: "Reply-To: mallory@evil.example\n" };
  assert.deepEqual(await deliver("subscribe", mallory), [0, 1, 1]);
  const [challenge] = home.mails("out") as [string];
  assert.match(challenge, /^Return-Path: <>\nX-Envelope-To: ann@friend\.example\n/);
  assert.deepEqual([fieldOf(challenge, "To"), fieldOf(challenge, "Auto-Submitted")], [
    "ann@friend.example",
    "auto-replied",
  ]);
  const [, words] = /Subject: (PAS-cookie \S+)$/m.exec(challenge)!;
  assert.deepEqual(await deliver("subscribe", { sender: "" }), [0, 2, 1], "a bounce is not answered");
  assert.deepEqual(await deliver(`subscribe ${words}`), [1, 2, 1]);
  assert.match(home.read("got"), /^Subject: subscribe PAS-cookie /m);
});

test("procmail: whoever has confirmed cannot subscribe another address with their cookie", async () => {
  using home = pipelineHome(SUBJECT);
  const rc = jacookie(home);
  const mallory = { sender: "mallory@evil.example" };
  const deliver = async (from: string, subject: string) => {
    const mail = mailTo(SVC, subject, mallory).replace(/^From: .*$/m, `From: ${from}`);
    assert.equal((await procmail(home, rc, mail)).code, 0);
    return runs(home).length;
  };
  await deliver(mallory.sender, "subscribe");
  const [, words] = /Subject: (PAS-cookie \S+)$/m.exec(home.mails("out")[0]!)!;
  assert.equal(await deliver("victim@friend.example", `subscribe ${words}`), 0, "confirmed by another");
  assert.equal(await deliver("victim@friend.example", `subscribe ${words}`), 0, "already confirmed");
  assert.equal(await deliver("victim@friend.example", "subscribe"), 0, "without a cookie");
  assert.equal(await deliver(mallory.sender, `subscribe ${words}`), 1, "the one who has confirmed");
});

test("procmail: text of a stranger in JA_COOKIE_FROM is one argument, and none defers the message", async (t) => {
  using home = pipelineHome(SUBJECT);
  const rc = `JA_COOKIE_FROM=\`formail -zxX-From:\`\n${jacookie(home)}`;
  const touch = `touch\${IFS}${home.path}/pwned`;
  const table: [from: string, asked: number][] = [
    [`\`${touch}\`@x.example`, 1],
    [`a|${touch}|@x.example`, 1],
    [`a&${touch}&@x.example`, 1],
    // The doorbell asks no address with quotes.
    [`"a;${touch}"@x.example`, 0],
    [`"$(${touch})"@x.example`, 0],
    [`x; ${touch}`, 0],
    ["--service", 0],
    ["", 1], // then the doorbell chooses
  ];
  for (const [from, asked] of table) {
    await t.step(from, async () => {
      Deno.mkdirSync(`${home.path}/out/new`, { recursive: true });
      const before = home.mails("out").length;
      const mail = mailTo(SVC, "subscribe", { more: `X-From: ${from}\n` });
      assert.equal((await procmail(home, rc, mail)).code, 0, home.read("procmail.log"));
      assert.ok(!isFile(`${home.path}/pwned`));
      assert.equal(home.mails("out").length - before, asked);
    });
  }
});
