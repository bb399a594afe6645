/** ofmipd: what a client that has logged in sends leaves like a message from mutt. */
import assert from "node:assert/strict";
import { fieldOf, Home } from "../rig.ts";
import { nothingSent, stubArguments, stubInput, stubRuns, stubTransport } from "../stub.ts";
import { CHAIN, Talk } from "./talk.ts";

const OFMIPD = [`${CHAIN}/ofmipd`];
const MAIL =
  "From: greg@example.org\r\nTo: ann@example.net\r\nSubject: Hi\r\nMessage-ID: <1@example.org>\r\n\r\nHello.\r\n";

/** A home with the stub as transport. */
function homeWith(more = "", then?: string): Home {
  const home = new Home();
  home.settings(`${stubTransport(home, then)}${more}`);
  return home;
}

/** Sends one message. @returns the reply to its content */
async function submit(talk: Talk, content: string, from = "greg@example.org"): Promise<string> {
  assert.match(await talk.say(`MAIL FROM:<${from}>`), /^250 /);
  assert.match(await talk.say("RCPT TO:<ann@example.net>"), /^250 /);
  assert.match(await talk.say("DATA"), /^354 /);
  return await talk.say(`${content}.`);
}

Deno.test("a submitted message is signed, and has a Received field above", async () => {
  using home = homeWith();
  await using talk = new Talk(home, OFMIPD, { AUTHUP_USER: "greg" });
  assert.match(await talk.reply(), /^235 /);
  assert.match(await talk.say("EHLO phone.example"), /250-PIPELINING\n250-8BITMIME/);
  assert.equal(await submit(talk, MAIL), "250 ok");
  assert.match(await talk.say("QUIT"), /^221 /);
  const { code, stderr, rest } = await talk.end();
  assert.deepEqual([code, stderr, rest], [0, "", ""]);
  const [, , sender] = stubArguments(home);
  assert.match(sender!, /^SRS0=.*=example\.org=greg@srs\.example\.org$/);
  const sent = stubInput(home);
  assert.match(sent, /^Received: \(ofmipd 192\.0\.2\.7\); .*\nFrom: greg@example\.org\n/);
  assert.match(fieldOf(sent, "X-Msgauth"), /^v1\.k1\./);
  assert.ok(sent.endsWith("\n\nHello.\n"), sent);
  assert.match(home.read(".local/state/countersign/log"), /login=greg .*result=sent/);
});

Deno.test("without authup, ofmipd greets with 220", async () => {
  using home = homeWith();
  home.write("control/me", "mx.example.org\n");
  await using talk = new Talk(home, OFMIPD);
  assert.equal(await talk.reply(), "220 mx.example.org ESMTP");
});

Deno.test("a client that disconnects before the final dot has sent nothing", async () => {
  using home = homeWith();
  await using talk = new Talk(home, OFMIPD);
  await talk.reply();
  for (const line of ["MAIL FROM:<greg@example.org>", "RCPT TO:<ann@example.net>", "DATA"]) await talk.say(line);
  await talk.send(MAIL);
  assert.equal((await talk.end()).code, 0);
  nothingSent(home);
});

Deno.test("several messages in one session, and a refused one between them", async () => {
  using home = homeWith();
  await using talk = new Talk(home, OFMIPD);
  await talk.reply();
  assert.equal(await submit(talk, MAIL), "250 ok");
  assert.match(await submit(talk, MAIL.replace("Hello.", "Hel\rlo.")), /^550 5\.6\.0 /);
  assert.equal(await submit(talk, MAIL), "250 ok");
  assert.equal(stubRuns(home), 2);
});
