/** The real s-nail with contrib/s-nail sends through the shim. */
import assert from "node:assert/strict";
import { fieldOf, type Ran, ROOT } from "../rig.ts";
import { assertAttempts, BCC, BODY, CC, Desk, FAILURES, onlySigned, textOf, TO } from "./desk.ts";
import { snippet } from "./letters.ts";
import { need } from "./need.ts";

const test = await need("s-nail");

/** Sends one message with s-nail; `more` follows the snippet in ~/.mailrc. */
function snail(desk: Desk, more = ""): Promise<Ran> {
  // As root, s-nail takes HOME from /etc/passwd, whatever the environment says.
  const shimWithHome = desk.write(
    "bin/at-home",
    `#!/bin/sh\nHOME="${desk.path}" exec "${ROOT}/shim/shim" "$@"\n`,
    0o755,
  );
  const mailrc = desk.write(
    ".mailrc",
    `${snippet("s-nail/mailrc", { "/usr/local/bin/shim": shimWithHome })}set record="${desk.path}/sent"\n${more}`,
  );
  const env = { MAILRC: mailrc, DEAD: `${desk.path}/dead.letter` };
  return desk.run(["s-nail", "-s", "Lunch?", "-c", CC, "-b", BCC, TO], BODY, env);
}

test("s-nail: a message is sent with an SRS sender and a tag", async () => {
  using desk = new Desk();
  assert.deepEqual(await snail(desk), { code: 0, stdout: "", stderr: "" });
  const mail = onlySigned(desk);
  assert.equal(fieldOf(mail, "From"), "Greg <greg@example.org>");
  assert.equal(fieldOf(mail, "Cc"), CC);
  assert.equal(await textOf(mail), BODY);
  assert.equal(fieldOf(desk.read("sent"), "Message-ID"), fieldOf(mail, "Message-ID"), "s-nail keeps its copy");
});

test("s-nail: the shim adds a missing From field", async () => {
  using desk = new Desk();
  assert.deepEqual(await snail(desk, "unset from\n"), { code: 0, stdout: "", stderr: "" });
  assert.equal(fieldOf(onlySigned(desk), "From"), "greg@example.org");
  assert.equal(fieldOf(desk.read("sent"), "Message-ID"), "");
});

test("s-nail: when the shim fails, s-nail reports it and saves the message in dead.letter", async (t) => {
  for (const { what, message, reached, fail } of FAILURES) {
    await t.step(what, async () => {
      using desk = new Desk();
      fail(desk);
      const ran = await snail(desk);
      assert.equal(ran.code, 4);
      assert.match(ran.stderr, message);
      assert.match(ran.stderr, /s-nail: \.\.\. message not sent/);
      const dead = desk.read("dead.letter");
      assert.deepEqual([fieldOf(dead, "To"), fieldOf(dead, "Cc"), fieldOf(dead, "Bcc")], [TO, CC, ""]);
      assert.equal(await textOf(dead.replace(/^From .*\n/, "")), BODY);
      assert.equal(fieldOf(desk.read("sent"), "Bcc"), BCC, "the copy is kept even on failure");
      assertAttempts(desk, reached ? 1 : 0);
    });
  }
});

test("s-nail: without sendwait a failure is not noticed", async () => {
  using desk = new Desk();
  FAILURES[0]!.fail(desk);
  const ran = await snail(desk, "unset sendwait\n");
  assert.deepEqual([ran.code, desk.read("dead.letter")], [0, ""]);
});
