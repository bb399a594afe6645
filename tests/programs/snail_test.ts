/** The real s-nail with contrib/s-nail: out through the shim. */
import assert from "node:assert/strict";
import { fieldOf, type Ran, ROOT } from "../rig.ts";
import { BCC, BODY, CC, Desk, FAILURES, nothingLeft, oneLeft, textOf, TO } from "./desk.ts";
import { snippet } from "./letters.ts";
import { need } from "./need.ts";

const test = await need("s-nail");

/** s-nail sends one message; `more` is behind the snippet in ~/.mailrc. */
function snail(desk: Desk, more = ""): Promise<Ran> {
  // For root, s-nail reads and sets the HOME of /etc/passwd, whatever the environment says.
  const atHome = desk.write("bin/at-home", `#!/bin/sh\nHOME="${desk.path}" exec "${ROOT}/shim/shim" "$@"\n`, 0o755);
  const mailrc = desk.write(
    ".mailrc",
    `${snippet("s-nail/mailrc", { "/usr/local/bin/shim": atHome })}set record="${desk.path}/sent"\n${more}`,
  );
  const env = { MAILRC: mailrc, DEAD: `${desk.path}/dead.letter` };
  return desk.run(["s-nail", "-s", "Lunch?", "-c", CC, "-b", BCC, TO], BODY, env);
}

test("s-nail: a message leaves with an SRS sender and a tag", async () => {
  using desk = new Desk();
  assert.deepEqual(await snail(desk), { code: 0, stdout: "", stderr: "" });
  const mail = oneLeft(desk);
  assert.equal(fieldOf(mail, "From"), "Greg <greg@example.org>");
  assert.equal(fieldOf(mail, "Cc"), CC);
  assert.equal(await textOf(mail), BODY);
  assert.equal(fieldOf(desk.read("sent"), "Message-ID"), fieldOf(mail, "Message-ID"), "s-nail keeps its copy");
});

test("s-nail: without a From field the shim adds it, with a Message-ID", async () => {
  using desk = new Desk();
  assert.deepEqual(await snail(desk, "unset from\n"), { code: 0, stdout: "", stderr: "" });
  assert.equal(fieldOf(oneLeft(desk), "From"), "greg@example.org");
  assert.equal(fieldOf(desk.read("sent"), "Message-ID"), "");
});

test("s-nail: when the shim fails, s-nail says so and keeps the message in dead.letter", async (t) => {
  for (const { what, said, reached, fail } of FAILURES) {
    await t.step(what, async () => {
      using desk = new Desk();
      fail(desk);
      const ran = await snail(desk);
      assert.equal(ran.code, 4);
      assert.match(ran.stderr, said);
      assert.match(ran.stderr, /s-nail: \.\.\. message not sent/);
      const dead = desk.read("dead.letter");
      assert.deepEqual([fieldOf(dead, "To"), fieldOf(dead, "Cc"), fieldOf(dead, "Bcc")], [TO, CC, ""]);
      assert.equal(await textOf(dead.replace(/^From .*\n/, "")), BODY);
      assert.equal(fieldOf(desk.read("sent"), "Bcc"), BCC, "the copy says nothing about success");
      nothingLeft(desk, reached ? 1 : 0);
    });
  }
});

test("s-nail: without sendwait a failure is lost", async () => {
  using desk = new Desk();
  FAILURES[0]!.fail(desk);
  const ran = await snail(desk, "unset sendwait\n");
  assert.deepEqual([ran.code, desk.read("dead.letter")], [0, ""]);
});
