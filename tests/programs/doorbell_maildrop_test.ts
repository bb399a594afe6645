/** The doorbell in the real maildrop: contrib/doorbell/mailfilter. */
import assert from "node:assert/strict";
import { type Home, ROOT } from "../rig.ts";
import { heldCount, program, replyTo, runs } from "../doorbell/home.ts";
import { bellSnippet, LIST, mailTo, pipelineHome, SVC } from "./doorbell_pipelines.ts";
import { mailfilter } from "./letters.ts";
import { need } from "./need.ts";

const test = await need("maildrop");

/** Runs maildrop. Without `env` only the header names the envelope. */
async function maildrop(home: Home, message: string, env = {}, text = bellSnippet(home, "doorbell/mailfilter")) {
  return await home.run(["maildrop", mailfilter(home, text)], message, env);
}

for (const where of ["environment", "header"]) {
  test(`maildrop: a request is held and challenged, its confirmation runs the program once; envelope in the ${where}`, async () => {
    using home = pipelineHome();
    const deliver = (recipient: string, message: string) =>
      maildrop(home, message, where === "header" ? {} : { SENDER: "ann@friend.example", RECIPIENT: recipient });
    const request = mailTo(SVC, "subscribe");
    assert.equal((await deliver(SVC, request)).code, 0);
    assert.deepEqual([runs(home), heldCount(home), home.mails("Maildir")], [[], 1, []]);
    const to = replyTo(home.mails("out")[0]!);
    const confirmation = mailTo(to, "Re: Auto: subscribe");
    program(home, "exit 1");
    assert.equal((await deliver(to, confirmation)).code, 75, "the program failed: the confirmation stays queued");
    program(home);
    for (let twice = 0; twice < 2; twice++) assert.equal((await deliver(to, confirmation)).code, 0);
    assert.deepEqual([runs(home).length, heldCount(home), home.mails("Maildir")], [2, 0, []]);
    assert.equal(home.read("got"), request);
    const other = mailTo("greg@example.org", `about ${SVC}`, { more: `Cc: ${SVC}\n` });
    assert.equal((await deliver("greg@example.org", other)).code, 0);
    assert.deepEqual(home.mails("Maildir"), [other], "mail to greg does not reach the doorbell");
  });
}

test("maildrop: a gate: new, mismatch, confirmed, then known without a challenge", async () => {
  using home = pipelineHome();
  const deliver = async (recipient: string, options = {}) => {
    assert.equal((await maildrop(home, mailTo(recipient, "A question", options))).code, 0);
    return [home.mails("Maildir/.List").length, home.mails("Maildir/.Unconfirmed").length, home.mails("out").length];
  };
  assert.deepEqual(await deliver(LIST), [0, 1, 1]);
  const to = replyTo(home.mails("out")[0]!);
  assert.deepEqual(await deliver(to.replace(/.@/, "1@")), [0, 2, 1], "a wrong cookie");
  assert.deepEqual(await deliver(to, { sender: "" }), [0, 3, 1], "from a daemon");
  assert.deepEqual(await deliver(to), [0, 4, 1], "a reply that confirms is not posted");
  assert.deepEqual(await deliver(LIST), [1, 4, 1]);
  assert.deepEqual(await deliver(LIST, { sender: "bob@friend.example" }), [1, 5, 2]);
});

test("maildrop: when the doorbell cannot run, the message stays queued", async (t) => {
  for (const recipient of [SVC, LIST]) {
    await t.step(`invalid settings, ${recipient}`, async () => {
      using home = pipelineHome();
      home.write(".config/countersign/config.toml", "x = [");
      assert.equal((await maildrop(home, mailTo(recipient, "subscribe"))).code, 75);
      assert.deepEqual([home.mails("Maildir"), home.mails("Maildir/.Unconfirmed"), runs(home)], [[], [], []]);
    });
    await t.step(`hook missing, ${recipient}`, async () => {
      using home = pipelineHome();
      const text = bellSnippet(home, "doorbell/mailfilter").replaceAll(`${ROOT}/hooks/doorbell`, "/nowhere/doorbell");
      assert.equal((await maildrop(home, mailTo(recipient, "subscribe"), {}, text)).code, 75);
      assert.deepEqual([home.mails("Maildir"), home.mails("Maildir/.Unconfirmed")], [[], []]);
    });
  }
});
