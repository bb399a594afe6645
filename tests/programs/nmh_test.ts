/** The real nmh with contrib/nmh sends through the shim, with sendmail/pipe. */
import assert from "node:assert/strict";
import { fieldOf, type Ran } from "../rig.ts";
import { assertAttempts, assertSigned, BCC, BODY, CC, Desk, FAILURES, onlySigned, TO } from "./desk.ts";
import { snippet } from "./letters.ts";
import { need } from "./need.ts";

const test = await need("mhmail", "nmh");

const DRAFT = `From: Greg <greg@example.org>
To: ${TO}
Cc: ${CC}
Bcc: ${BCC}
Fcc: +outbox
Subject: Lunch?
--------
${BODY}`;

/** greg's home with contrib/nmh and a draft. */
function nmhDesk(draft = DRAFT): Desk {
  const desk = new Desk();
  const own = "Path: Mail\nLocal-Mailbox: Greg <greg@example.org>\n";
  desk.write(".mh_profile", own + snippet("nmh/mh_profile"));
  // Replaces the machine's mts.conf by one with which nothing could be sent.
  desk.write("mts.conf", "mts: smtp\nservers: localhost.invalid\n");
  desk.write("Mail/draft", draft);
  Deno.mkdirSync(`${desk.path}/Mail/outbox`);
  return desk;
}

/** Runs one of nmh's programs. */
function nmh(desk: Desk, [program, ...args]: [string, ...string[]], input = ""): Promise<Ran> {
  const env = {
    PATH: `${desk.path}/bin:/usr/bin/mh:/usr/bin:/bin`,
    MHMTSUSERCONF: `${desk.path}/mts.conf`,
    MM_NOASK: "1",
  };
  return desk.run([`/usr/bin/mh/${program}`, ...args], input, env);
}

/** Asserts that nmh called the shim twice: for To and Cc, and for Bcc with the message enclosed. */
function assertBothSent(all: ReturnType<Desk["injected"]>): void {
  assert.equal(all.length, 2);
  const open = assertSigned(all[0]!, [TO, CC]);
  const blind = assertSigned(all[1]!, [BCC]);
  assert.equal(fieldOf(open, "Cc"), CC);
  assert.ok(open.endsWith(`\n\n${BODY}`), open);
  assert.ok(blind.includes(`\n\n${BODY}`), blind);
  assert.match(blind, /^------- Blind-Carbon-Copy$/m);
  assert.equal(open.includes(BCC) || blind.includes(BCC), false);
  assert.equal(fieldOf(open, "Message-ID"), fieldOf(blind, "Message-ID"));
}

const programs: [name: string, argv: [string, ...string[]], input: string][] = [
  ["send", ["send", "-draft"], ""],
  ["whatnow's send", ["whatnow"], "send\n"],
];
for (const [name, [program, ...args], input] of programs) {
  test(`nmh: ${name}: a message is sent with an SRS sender and a tag, and again for the Bcc`, async () => {
    using desk = nmhDesk();
    const ran = await nmh(desk, [program, ...args, ...(input === "" ? [] : [`${desk.path}/Mail/draft`])], input);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    assertBothSent(desk.injected());
    const id = fieldOf(desk.injected()[0]!.mail, "Message-ID");
    assert.equal(fieldOf(desk.read("Mail/outbox/1"), "Message-ID"), id, "nmh keeps its copy");
  });
}

test("nmh: without -msgid nmh's copy has no Message-ID, but the sent messages have", async () => {
  using desk = nmhDesk();
  desk.write(".mh_profile", desk.read(".mh_profile").replace(" -msgid", ""));
  assert.equal((await nmh(desk, ["send", "-draft"])).code, 0);
  const ids = desk.injected().map(({ mail }) => fieldOf(mail, "Message-ID"));
  assert.equal(new Set(ids).size, 2, "each message got its own");
  assert.equal(fieldOf(desk.read("Mail/outbox/1"), "Message-ID"), "");
});

test("nmh: mhmail, which reads no profile, is configured by mts.conf", async () => {
  using desk = nmhDesk();
  desk.write("mts.conf", snippet("nmh/mts.conf"));
  const ran = await nmh(desk, ["mhmail", "-from", "greg@example.org", "-subject", "Lunch?", TO], BODY);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.ok(onlySigned(desk, [TO]).endsWith(`\n\n${BODY}`));
});

test("nmh: when the shim fails, nmh prints the error, exits 0 and keeps a draft that can be sent again", async (t) => {
  for (const { what, code, message, reached, fail } of FAILURES) {
    await t.step(what, async () => {
      using desk = nmhDesk();
      fail(desk);
      const ran = await nmh(desk, ["send", "-draft"]);
      assert.equal(ran.code, 0);
      assert.match(ran.stderr, message);
      assert.match(ran.stdout + ran.stderr, new RegExp(`^exited ${code}$`, "m"));
      assertAttempts(desk, reached ? 2 : 0);
      assert.equal(desk.read("Mail/draft"), "");
      assert.match(desk.read("Mail/outbox/1"), /^Subject: Lunch\?$/m, "as if it were sent");

      desk.fix();
      Deno.renameSync(`${desk.path}/Mail/,draft`, `${desk.path}/Mail/draft`);
      assert.equal((await nmh(desk, ["send", "-draft"])).code, 0);
      assertBothSent(desk.injected().slice(reached ? 2 : 0));
    });
  }
});

test("nmh: sendmail/smtp requires the real sendmail; nmh exits 1 and keeps the draft", async () => {
  using desk = nmhDesk();
  desk.write(".mh_profile", desk.read(".mh_profile").replace("sendmail/pipe", "sendmail/smtp"));
  const ran = await nmh(desk, ["send", "-draft"]);
  assert.equal(ran.code, 1);
  assert.match(ran.stdout + ran.stderr, /message not delivered to anyone/);
  assert.match(desk.read("Mail/draft"), /^Subject: Lunch\?$/m);
  assertAttempts(desk, 0);
});
