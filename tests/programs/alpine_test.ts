/** The real alpine with contrib/alpine, on a terminal, sends through the shim. */
import assert from "node:assert/strict";
import { fieldOf } from "../rig.ts";
import { ALL, assertAttempts, assertSigned, BCC, BODY, CC, Desk, FAILURES, onlySigned, textOf, TO } from "./desk.ts";
import { snippet } from "./letters.ts";
import { needOnTerminal, Terminal } from "./terminal.ts";

const test = await needOnTerminal("alpine");

/** greg's home with contrib/alpine. Paths are absolute, because alpine takes root's home from /etc/passwd. */
function alpineDesk(): Desk {
  const desk = new Desk();
  const own = `inbox-path=${desk.write("inbox", "")}
default-fcc=${desk.write("sent", "")}
character-set=UTF-8
customized-hdrs=From: Greg <greg@example.org>,
	Bcc: ${BCC}
`;
  desk.write(".pinerc", own + snippet("alpine/pinerc"));
  return desk;
}

/** Composes a message, and confirms that it is sent. */
async function sendMessage(desk: Desk): Promise<Terminal> {
  const url = `mailto:${TO}?cc=${CC}&subject=Lunch?&body=${encodeURIComponent(BODY.trimEnd())}`;
  const alpine = await Terminal.open(desk, ["alpine", "-p", `${desk.path}/.pinerc`, "-P", "/dev/null", "-url", url]);
  await confirm(alpine);
  return alpine;
}

async function confirm(alpine: Terminal): Promise<void> {
  await alpine.shows(/\^X Send /);
  await alpine.press("C-x");
  await alpine.shows(/Send message\?/);
  await alpine.press("y");
}

test("alpine: a message is sent with an SRS sender and a tag", async () => {
  using desk = alpineDesk();
  await using alpine = await sendMessage(desk);
  assert.equal(await alpine.ended(), 0);
  const mail = onlySigned(desk);
  assert.equal(fieldOf(mail, "Cc"), CC);
  assert.equal(fieldOf(mail, "From"), "Greg <greg@example.org>");
  assert.equal(await textOf(mail), BODY);
  assert.match(desk.read("sent"), /^bcc: hidden@mx\.example\.net$/m, "alpine keeps its copy");
});

test("alpine: when the shim fails, alpine shows its error and offers to send the message again", async (t) => {
  for (const { what, message, reached, fail } of FAILURES) {
    await t.step(what, async () => {
      using desk = alpineDesk();
      fail(desk);
      await using alpine = await sendMessage(desk);
      const screen = await alpine.shows(/POSTING ERRORS[^]*shim: /);
      assert.match(screen, message);
      assert.equal(desk.read("sent"), "");
      assertAttempts(desk, reached ? 1 : 0);

      desk.fix();
      await alpine.press("e");
      await alpine.shows(/Posting program .* returned error/);
      await confirm(alpine);
      assert.equal(await alpine.ended(), 0);
      const sent = desk.injected().slice(reached ? 1 : 0);
      assert.equal(sent.length, 1);
      assert.equal(await textOf(assertSigned(sent[0]!, ALL)), BODY);
      assert.match(desk.read("sent"), /^bcc: hidden@mx\.example\.net$/m);
    });
  }
});
