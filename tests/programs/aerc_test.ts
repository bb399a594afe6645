/** The real aerc with contrib/aerc, on a terminal, sends through the shim. */
import assert from "node:assert/strict";
import { fieldOf, ROOT } from "../rig.ts";
import { ALL, assertAttempts, assertSigned, BCC, BODY, CC, Desk, FAILURES, textOf, TO } from "./desk.ts";
import { snippet } from "./letters.ts";
import { needOnTerminal, Terminal } from "./terminal.ts";

const test = await needOnTerminal("aerc");

/** greg's home with contrib/aerc, and a wrapper of the shim that records its arguments and input. */
function aercDesk(): Desk {
  const desk = new Desk();
  for (const folder of ["Maildir", "Maildir/Sent"]) {
    for (const part of ["", "/tmp", "/new", "/cur"]) Deno.mkdirSync(`${desk.path}/${folder}${part}`);
  }
  const wrapper = `#!/bin/sh
echo "$*" >"${desk.path}/given-argv"
tee "${desk.path}/given" | "${ROOT}/shim/shim" "$@"
code=$?
echo "$code" >"${desk.path}/status"
exit "$code"
`;
  const places = { "/usr/local/bin/shim": desk.write("bin/wrapper", wrapper, 0o755) };
  desk.write(".config/aerc/accounts.conf", snippet("aerc/accounts.conf", places), 0o600);
  desk.write(".config/aerc/aerc.conf", `[compose]\neditor = ${desk.path}/bin/editor\n`);
  desk.write("bin/editor", `#!/bin/sh\ncp "${desk.path}/body" "$1"\n`, 0o755);
  desk.write("body", BODY);
  return desk;
}

const REVIEW = /Send this email\?/;

/** Composes a message, and confirms that it is sent. */
async function sendMessage(desk: Desk): Promise<Terminal> {
  const aerc = await Terminal.open(desk, ["aerc"]);
  await aerc.shows(/Connected/);
  await aerc.type(`:compose -H "To: ${TO}" -H "Cc: ${CC}" -H "Bcc: ${BCC}" -H "Subject: Lunch?"`);
  await aerc.press("Enter");
  await aerc.shows(REVIEW);
  await aerc.press("y");
  return aerc;
}

/** The messages in aerc's Sent folder. */
function copies(desk: Desk): string[] {
  const folder = `${desk.path}/Maildir/Sent/cur`;
  return [...Deno.readDirSync(folder)].map(({ name }) => Deno.readTextFileSync(`${folder}/${name}`));
}

test("aerc: a message is sent with an SRS sender and a tag, with LF, and without its Bcc field", async () => {
  using desk = aercDesk();
  await using aerc = await sendMessage(desk);
  await aerc.shows(/Message sent\./);
  assert.equal(desk.read("given-argv"), `${ALL.join(" ")}\n`);
  const given = desk.read("given");
  assert.match(given, /^Bcc: <hidden@mx\.example\.net>\r$/m);
  assert.doesNotMatch(given, /[^\r]\n/);

  const all = desk.injected();
  assert.equal(all.length, 1);
  const mail = assertSigned(all[0]!);
  assert.equal(fieldOf(mail, "Cc"), `<${CC}>`);
  assert.equal(await textOf(mail), BODY);
  assert.deepEqual(copies(desk).map((copy) => fieldOf(copy.replaceAll("\r", ""), "Bcc")), [`<${BCC}>`]);
});

test("aerc: when the shim fails, aerc offers to send the message again after the next key", async (t) => {
  for (const { what, code, reached, fail } of FAILURES) {
    await t.step(what, async () => {
      using desk = aercDesk();
      fail(desk);
      await using aerc = await sendMessage(desk);
      await aerc.until("the shim has ended", () => desk.read("status") === `${code}\n`);
      // aerc usually shows "Sending..." until a key is pressed. This key has no function.
      await aerc.press("j");
      const screen = await aerc.shows(REVIEW, "j");
      assert.match(screen, /^Subject: Lunch\?/m);
      assert.doesNotMatch(screen, /shim:/, "no reason is shown");
      assertAttempts(desk, reached ? 1 : 0);
      assert.deepEqual(copies(desk), []);

      desk.fix();
      await aerc.press("y");
      await aerc.until("aerc keeps its copy", () => copies(desk).length === 1);
      const sent = desk.injected().slice(reached ? 1 : 0);
      assert.equal(sent.length, 1);
      assert.equal(await textOf(assertSigned(sent[0]!)), BODY);
    });
  }
});
