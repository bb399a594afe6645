/** The whole doorbell: a request, the challenge, the reply, and one run of the program. */
import assert from "node:assert/strict";
import { fieldOf } from "../rig.ts";
import { ANN, heldCount, reply, replyTo, request, ring, runs, serviceHome, SVC } from "./home.ts";

Deno.test("a message is held, challenged, confirmed by a reply, and its program runs once", async () => {
  using home = serviceHome();
  assert.deepEqual(await ring(home, ANN, SVC, request()), { code: 99, stdout: "", stderr: "" });
  const [challenge, ...more] = home.mails("out") as [string];
  assert.equal(more.length, 0);
  assert.deepEqual([runs(home), heldCount(home)], [[], 1]);
  assert.match(challenge, /^Return-Path: <>\nX-Envelope-To: ann@friend\.example\n/);
  assert.equal(fieldOf(challenge, "Auto-Submitted"), "auto-replied");
  assert.equal(fieldOf(challenge, "In-Reply-To"), "<request@friend.example>");
  const to = replyTo(challenge);
  assert.match(to, /^svc-confirm-[a-z2-7]{12}-\d{5}-[a-z2-7]{16}@example\.org$/);
  assert.ok(to.indexOf("@") <= 64);
  assert.deepEqual(await ring(home, "ann+replies@elsewhere.example", to.toUpperCase(), reply(to)), {
    code: 99,
    stdout: "",
    stderr: "",
  });
  assert.deepEqual(runs(home), [`confirmed ${ANN} ${ANN}`]);
  assert.equal(home.read("got"), request());
  assert.equal(heldCount(home), 0);
  assert.deepEqual(await ring(home, ANN, to, reply(to)), { code: 99, stdout: "", stderr: "" });
  assert.equal(runs(home).length, 1, "a second confirmation does nothing");
});
