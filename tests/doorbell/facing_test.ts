/** Two doorbells, and a doorbell and the hook that answers challenges, which face each other. */
import assert from "node:assert/strict";
import type { Home } from "../rig.ts";
import { command, heldCount, reply, replyTo, request, ring, runs, serviceHome, SVC } from "./home.ts";

/** A message from the maildir `out`, and its envelope. */
function sent(mail: string): { sender: string; to: string; mail: string } {
  const [, sender, to, rest] = /^Return-Path: <(.*)>\nX-Envelope-To: (.*)\n([^]*)$/.exec(mail)!;
  return { sender: sender!, to: to!, mail: rest! };
}

/** A home whose service has this address. */
function homeOf(address: string): Home {
  const home = serviceHome();
  const config = home.read(".config/countersign/config.toml");
  home.write(".config/countersign/config.toml", config.replace(`address = "${SVC}"`, `address = "${address}"`));
  return home;
}

Deno.test("two doorbells end after one challenge", async () => {
  const other = "list@other.example";
  using one = serviceHome();
  using two = homeOf(other);
  // The second service writes to the first, which challenges it.
  await ring(one, other, SVC, request(other));
  const challenge = sent(one.mails("out")[0]!);
  assert.deepEqual([challenge.sender, challenge.to], ["", other]);
  await ring(two, challenge.sender, challenge.to, challenge.mail, command(two));
  assert.deepEqual([two.mails("out"), heldCount(one), heldCount(two), runs(one), runs(two)], [[], 1, 1, [], []]);
  // Not even where a gateway replaces the null sender by the address in From.
  await ring(two, SVC, other, challenge.mail, command(two));
  assert.deepEqual(two.mails("out"), []);
});

Deno.test("a challenge is not answered by the hook that answers challenges, and its reply to a service confirms nothing", async () => {
  const greg = "greg@example.org";
  using home = serviceHome("", '[challenge]\nanswer = true\nlists = ["*@example.org"]');
  await ring(home, greg, SVC, request(greg));
  const challenge = sent(home.mails("out")[0]!);
  const env = { SENDER: challenge.sender, RECIPIENT: greg };
  const hook = await home.hook(["--maildir", `${home.path}/Maildir`], challenge.mail, env);
  assert.deepEqual([hook.code, hook.stderr, home.mails("out").length, home.mails("Maildir").length], [99, "", 1, 1]);
  assert.match(home.mails("Maildir")[0]!, /^Subject: Auto: subscribe me$/m);
  // What the hook would send has Auto-Submitted.
  const to = replyTo(challenge.mail);
  await ring(home, greg, to, reply(to, greg, "Auto-Submitted: auto-replied\n"));
  assert.deepEqual([runs(home), heldCount(home), home.mails("out").length], [[], 2, 1], "both are held");
});
