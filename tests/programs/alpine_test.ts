/** The real alpine with contrib/alpine, on a terminal: out through the shim. */
import assert from "node:assert/strict";
import { fieldOf } from "../rig.ts";
import { ALL, BCC, BODY, CC, Desk, FAILURES, left, nothingLeft, oneLeft, textOf, TO } from "./desk.ts";
import { snippet } from "./letters.ts";
import { needOnTerminal, Terminal } from "./terminal.ts";

const test = await needOnTerminal("alpine");

/** greg's home with contrib/alpine. alpine asks /etc/passwd who he is, and for root where he lives: paths are whole. */
function alpineDesk(): Desk {
  const desk = new Desk();
  const mine = `inbox-path=${desk.write("inbox", "")}
default-fcc=${desk.write("sent", "")}
character-set=UTF-8
customized-hdrs=From: Greg <greg@example.org>,
	Bcc: ${BCC}
`;
  desk.write(".pinerc", mine + snippet("alpine/pinerc"));
  return desk;
}

/** greg writes, and says yes when alpine asks. */
async function sends(desk: Desk): Promise<Terminal> {
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

test("alpine: a message leaves with an SRS sender and a tag", async () => {
  using desk = alpineDesk();
  await using alpine = await sends(desk);
  assert.equal(await alpine.ended(), 0);
  const mail = oneLeft(desk);
  assert.equal(fieldOf(mail, "Cc"), CC);
  assert.equal(fieldOf(mail, "From"), "Greg <greg@example.org>");
  assert.equal(await textOf(mail), BODY);
  assert.match(desk.read("sent"), /^bcc: hidden@mx\.example\.net$/m, "alpine keeps its copy");
});

test("alpine: when the shim fails, alpine shows its line and the message again, to be sent again", async (t) => {
  for (const { what, said, reached, fail } of FAILURES) {
    await t.step(what, async () => {
      using desk = alpineDesk();
      fail(desk);
      await using alpine = await sends(desk);
      const screen = await alpine.shows(/POSTING ERRORS[^]*shim: /);
      assert.match(screen, said);
      assert.equal(desk.read("sent"), "");
      nothingLeft(desk, reached ? 1 : 0);

      desk.fix();
      await alpine.press("e");
      await alpine.shows(/Posting program .* returned error/);
      await confirm(alpine);
      assert.equal(await alpine.ended(), 0);
      const sent = desk.injected().slice(reached ? 1 : 0);
      assert.equal(sent.length, 1);
      assert.equal(await textOf(left(sent[0]!, ALL)), BODY);
      assert.match(desk.read("sent"), /^bcc: hidden@mx\.example\.net$/m);
    });
  }
});
