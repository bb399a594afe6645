/** The sign socket: whose mail it signs, what it changes, what it leaves unchanged, and when it defers. */
import assert from "node:assert/strict";
import { remembersAll } from "../../io/state/forgotten.ts";
import { sentIndex } from "../../io/state/sent.ts";
import { signTag, verifyTag } from "../../lib/tag.ts";
import { signRole } from "../../serve/sign.ts";
import { fieldOf, ledgerFiles, SECRET } from "../rig.ts";
import { randomNonce } from "../random.ts";
import { EngineHome } from "./engine.ts";
import { changed, type Client, message, talk } from "./mta.ts";

const PLAIN = "greg@example.org";
const SRS = /^<SRS0=[\w-]{8}=[A-Z2-7]{2}=example\.org=greg@srs\.example\.org>$/;
const FIELDS = `From: ${PLAIN}\nTo: jo@b.example\nMessage-ID: <1@example.org>\nDate: Fri, 20 Nov 2026 10:00:00 +0000\n`;
const MAIL = `${FIELDS}Subject: Lunch?\n\nAt one?\n`;
const GREG = { login: "greg" };

const makeTag = (user = "greg", id = "<1@example.org>", days = 0) =>
  signTag(`${user}@example.org`, id, {
    key: "k1",
    secret: `${user} ${SECRET}`,
    now: new Date(Date.now() + days * 86_400_000),
    nonce: randomNonce(),
  });

/** The edits and the final response for a message. */
async function sign(home: EngineHome, mail: string, client: Client, sender = PLAIN, to = ["jo@b.example"]) {
  const answers = await talk(signRole(home.engine), message(sender, to, mail, client));
  return { ...changed(mail, answers), answer: answers.at(-1)!, edits: answers.filter((one) => !/^[cas]/.test(one)) };
}

function verify(head: string, user = "greg"): void {
  verifyTag(fieldOf(head, "X-Msgauth"), `${user}@example.org`, fieldOf(head, "Message-ID"), {
    secrets: { k1: `${user} ${SECRET}` },
    now: new Date(),
  });
}

/** The record of a Message-ID in the index of sent mail. */
const remembered = (home: EngineHome, id = "1@example.org", user = "greg") =>
  sentIndex(`${home.path}/state/sent`, new Date())(home.identity(user), [id]);

Deno.test("a user's own mail gets a signed sender and a tag below the Message-ID, and is remembered", async () => {
  using home = new EngineHome();
  const { sender, names, head, answer } = await sign(home, MAIL, GREG);
  assert.match(sender!, SRS);
  assert.deepEqual(names, ["From", "To", "Message-ID", "X-Msgauth", "Date", "Subject"]);
  verify(head);
  assert.equal(answer, "a");
  assert.equal((await remembered(home))?.signed, true);
  assert.match(
    home.log()[0]!,
    /^direction=out at=sign login=greg sender=SRS0=\S+ recipients=1 id=<1@example\.org> result=signed /,
  );
  assert.equal(home.log().length, 1);
});

Deno.test("missing fields are added, Bcc and invalid tags are removed", async (t) => {
  const rows: [string, string, string[]][] = [
    ["Message-ID and Date", `From: ${PLAIN}\nSubject: x\n\n`, ["From", "Subject", "Date", "Message-ID", "X-Msgauth"]],
    ["Date", `From: ${PLAIN}\nMessage-ID: <1@a>\nTo: a@b\n\n`, ["From", "Message-ID", "X-Msgauth", "To", "Date"]],
    ["the last field is the Message-ID", `From: ${PLAIN}\nDate: x\nMessage-ID: <1@a>\n\n`, [
      "From",
      "Date",
      "Message-ID",
      "X-Msgauth",
    ]],
    ["Bcc", `${FIELDS}Bcc: al@b.example\n\n`, ["From", "To", "Message-ID", "X-Msgauth", "Date"]],
    ["two invalid tags", `X-Msgauth: x\n${FIELDS}x-msgauth: y\n\n`, ["From", "To", "Message-ID", "X-Msgauth", "Date"]],
    ["the tag of another message", `${FIELDS}X-Msgauth: ${makeTag("greg", "<2@example.org>")}\n\n`, [
      "From",
      "To",
      "Message-ID",
      "X-Msgauth",
      "Date",
    ]],
    ["an expired tag", `${FIELDS}X-Msgauth: ${makeTag("greg", "<1@example.org>", -60)}\n\n`, [
      "From",
      "To",
      "Message-ID",
      "X-Msgauth",
      "Date",
    ]],
    ["a valid and an invalid tag", `${FIELDS}X-Msgauth: ${makeTag()}\nX-Msgauth: x\n\n`, [
      "From",
      "To",
      "Message-ID",
      "X-Msgauth",
      "Date",
    ]],
  ];
  for (const [what, mail, expected] of rows) {
    await t.step(what, async () => {
      using home = new EngineHome();
      const { names, head } = await sign(home, mail, GREG);
      assert.deepEqual(names, expected);
      verify(head);
    });
  }
});

Deno.test("mail with a valid tag is unchanged, and remembered", async () => {
  using home = new EngineHome();
  for (const client of [GREG, {}, { port: 0 }]) {
    const mail = `${FIELDS}X-Msgauth: ${makeTag()}\n\nHi\n`;
    const { edits, answer } = await sign(home, mail, client, "SRS0=x=y=example.org=greg@srs.example.org");
    assert.deepEqual([edits, answer], [[], "a"]);
  }
  assert.equal((await remembered(home))?.signed, true);
});

Deno.test("a valid tag is accepted also below a Received field; relayed mail is not remembered", async () => {
  const mail = `Received: from home by x\n${FIELDS}X-Msgauth: ${makeTag()}\n\nHi\n`;
  for (const [client, signed] of [[GREG, true], [{ port: 0 }, undefined]] as const) {
    using home = new EngineHome();
    const { edits, answer } = await sign(home, mail, client, "SRS0=x=y=example.org=greg@srs.example.org");
    assert.deepEqual([edits, answer], [[], "a"]);
    assert.equal((await remembered(home))?.signed, signed);
  }
  using home = new EngineHome();
  const { edits } = await sign(home, mail.replace("<1@", "<2@"), { port: 0 });
  assert.deepEqual(edits, [], "relayed mail keeps its fields");
});

Deno.test("mail of other senders is not signed; if greg may have sent it, it is remembered as such", async (t) => {
  const from = (text: string) => MAIL.replace(`From: ${PLAIN}`, text);
  const ANN = { login: "ann" };
  const rows: [what: string, client: Client, sender: string, mail: string, remembered: boolean][] = [
    ["ann as greg", ANN, PLAIN, MAIL, true],
    ["ann as greg, with her own sender", ANN, "ann@example.org", MAIL, false],
    ["ann with greg's sender", ANN, PLAIN, from("From: ann@example.org"), true],
    ["greg and ann as authors", GREG, PLAIN, from(`From: ${PLAIN}, ann@example.org`), true],
    ["a login of no identity", { login: "Greg" }, PLAIN, MAIL, true],
    ["without a login", {}, PLAIN, MAIL, true],
    ["sendmail(1)", { port: 0 }, PLAIN, MAIL, true],
    ["an author who is not an identity", GREG, PLAIN, from("From: jo@b.example"), true],
    ["the same from webmail", GREG, PLAIN, `Received: by webmail\n${from("From: jo@b.example")}`, true],
    ["a sender who is not an identity", GREG, "news@b.example", MAIL, true],
    ["the null sender", GREG, "", MAIL, true],
    ["an invalid sender", GREG, "a b@@c", MAIL, false],
    ["re-sent by somebody else", GREG, "jo@b.example", `Resent-From: jo@b.example\n${MAIL}`, false],
    ["forwarded by a delivery agent", GREG, PLAIN, `Delivered-To: x@example.org\nReceived: by x\n${MAIL}`, false],
    ["a header that is too long", GREG, PLAIN, `X: ${"x".repeat(300_000)}\n${MAIL}`, false],
  ];
  for (const [what, client, sender, mail, own] of rows) {
    await t.step(what, async () => {
      using home = new EngineHome();
      const signed = await sign(home, mail, client, sender);
      assert.deepEqual([signed.edits, signed.answer], [[], "a"]);
      assert.match(home.log()[0]!, / result=passed .*scheme=none why=/);
      assert.equal((await remembered(home))?.signed, own ? false : undefined, "unsigned mail is remembered as such");
    });
  }
});

Deno.test("an invalid tag of an identity is removed even from unsigned mail, other tags are kept", async () => {
  using home = new EngineHome();
  const forged = await sign(home, `${FIELDS}X-Msgauth: ${makeTag("ann")}\n\n`, { login: "ann" });
  assert.deepEqual(forged.names, ["From", "To", "Message-ID", "Date"]);
  const other = await sign(home, `From: jo@b.example\nX-Msgauth: ${makeTag()}\n\n`, { login: "ann" }, "jo@b.example");
  assert.deepEqual(other.edits, []);
});

Deno.test("mail from webmail is signed despite its Received field, which is kept", async () => {
  using home = new EngineHome();
  const { sender, names, head } = await sign(home, `Received: from [1.2.3.4] by webmail\n${MAIL}`, GREG);
  assert.match(sender!, SRS);
  assert.deepEqual(names, ["Received", "From", "To", "Message-ID", "X-Msgauth", "Date", "Subject"]);
  verify(head);
});

Deno.test("only the sender of a re-sent message is signed", async () => {
  using home = new EngineHome();
  const old = "Received: by x\nFrom: jo@b.example\nMessage-ID: <9@b.example>\nX-Msgauth: x\n\n";
  const { sender, edits } = await sign(home, `Resent-From: ${PLAIN}\nResent-To: al@b.example\n${old}`, GREG);
  assert.match(sender!, SRS);
  assert.equal(edits.length, 1);
  const own = `Resent-From: ${PLAIN}\nResent-To: al@b.example\nReceived: by x\n${FIELDS}X-Msgauth: ${makeTag()}\n\n`;
  const again = await sign(home, own, GREG);
  assert.match(again.sender!, SRS, "so is the user's own message");
  assert.equal(again.edits.length, 1);
});

Deno.test("sign_local signs mail from sendmail(1), unless it was relayed or came by SMTP", async () => {
  using home = new EngineHome("sign_local = true");
  assert.match((await sign(home, MAIL, { port: 0 })).sender!, SRS);
  const rows: [Client, string][] = [
    [{}, MAIL],
    [{ port: 0 }, `Received: by x\n${MAIL}`],
    [{ port: 0 }, `Delivered-To: x\n${MAIL}`],
    [{ port: 0, login: "ann" }, MAIL],
  ];
  for (const [client, mail] of rows) {
    assert.deepEqual((await sign(home, mail, client)).edits, [], JSON.stringify(client));
  }
});

Deno.test("mail to a list gets a ledger entry, and mail to a plain list the plain sender", async () => {
  using home = new EngineHome('[challenge]\nanswer = true\nlists = ["list@lists.example.net"]');
  home.write("plain-lists", "plain@lists.example.net\n");
  home.engine.reload();
  const { sender } = await sign(home, MAIL, GREG, PLAIN, ["list@lists.example.net"]);
  assert.match(sender!, SRS);
  assert.equal(ledgerFiles(`${home.path}/state/ledger`).issued.length, 1);
  const plain = await sign(home, MAIL, GREG, PLAIN, ["plain@lists.example.net"]);
  assert.equal(plain.sender, undefined);
  verify(plain.head);
});

Deno.test("an unreadable key file defers the mail of its logins only", async () => {
  using home = new EngineHome();
  Deno.chmodSync(`${home.path}/keys/greg`, 0o644);
  assert.equal(home.engine.reload(), undefined);
  const { answer } = await sign(home, MAIL, GREG);
  assert.equal(answer, "y451 4.3.0 The message cannot be signed now, try again later\0");
  assert.match(home.log()[0]!, / result=deferred why=".*keys\/greg/);
  const ann = await sign(home, MAIL.replaceAll("greg@", "ann@"), { login: "ann" }, "ann@example.org");
  verify(ann.head, "ann");
  const asGreg = await sign(home, `${FIELDS}X-Msgauth: ${makeTag()}\n\n`, { login: "ann" });
  assert.deepEqual([asGreg.edits, asGreg.answer], [[], "a"], "a tag that cannot be verified is kept");
  Deno.chmodSync(`${home.path}/keys/greg`, 0o600);
  assert.match((await sign(home, MAIL, GREG)).sender!, SRS, "without a reload");
});

Deno.test("a message that can never be signed is rejected permanently", async () => {
  using home = new EngineHome();
  const { answer } = await sign(home, `${FIELDS}Message-ID: <2@example.org>\n\n`, GREG);
  assert.match(answer, /^y554 5\.6\.0 The message has 2 Message-ID fields\0$/);
});

Deno.test("mail that cannot be remembered is still signed, and the door stops rejecting", async () => {
  using home = new EngineHome();
  const state = `${home.path}/state`;
  home.write("state/sent", "not a folder");
  assert.equal(remembersAll(state, new Date()), true);
  assert.match((await sign(home, MAIL, GREG)).sender!, SRS);
  assert.match(home.log()[0]!, / forgotten=/);
  assert.equal(remembersAll(state, new Date()), false);
});
