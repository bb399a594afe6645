/** The real neomutt with contrib/neomutt sends through the shim. */
import assert from "node:assert/strict";
import { CREATED, fieldOf, ROOT, SECRET } from "../rig.ts";
import { ALL, assertAttempts, BCC, BODY, CC, Desk, FAILURES, onlySigned, TO } from "./desk.ts";
import { snippet } from "./letters.ts";
import { need } from "./need.ts";

const test = await need("neomutt");

/** greg's home with contrib/neomutt. */
function neomuttDesk(): Desk {
  const desk = new Desk();
  const own = `set from="greg@example.org" realname="Greg" hostname="laptop.example.org"
set charset="utf-8" send_charset="us-ascii:utf-8" copy=yes record="${desk.path}/sent" write_bcc=yes
`;
  desk.write(".neomuttrc", own + snippet("neomutt/neomuttrc"));
  return desk;
}

/** neomutt in batch mode. */
function neomutt(desk: Desk, args: string[], body = BODY) {
  return desk.run(["neomutt", "-n", "-F", `${desk.path}/.neomuttrc`, "-s", "Lunch?", ...args], body);
}

test("neomutt: a message is sent with an SRS sender and a tag", async () => {
  using desk = neomuttDesk();
  const ran = await neomutt(desk, ["-c", CC, "-b", BCC, "--", TO]);
  assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
  const mail = onlySigned(desk);
  assert.equal(fieldOf(mail, "Cc"), CC);
  assert.ok(mail.endsWith(`\n\n${BODY}`), mail);
  assert.equal(fieldOf(desk.read("sent"), "Bcc"), BCC, "neomutt keeps its copy");
});

test("neomutt: the envelope sender of a send-hook is another identity, and is not changed", async (t) => {
  const table: [recipient: string, isList: boolean][] = [
    ["talk@lists.example.com", true],
    ["talk@lists.example.com.example.net", false],
  ];
  for (const [recipient, isList] of table) {
    await t.step(recipient, async () => {
      using desk = neomuttDesk();
      desk.write(".config/countersign/keys-lists", `k1 ${CREATED} another ${SECRET}\n`, 0o600);
      const transport = desk.read(".config/countersign/config.toml").split("[transport]")[1]!;
      const config = Deno.readTextFileSync(`${ROOT}/contrib/mutt/config.toml`);
      desk.write(".config/countersign/config.toml", `${config}\n[transport]${transport}`);
      assert.deepEqual(await neomutt(desk, ["--", recipient]), { code: 0, stdout: "", stderr: "" });
      const sender = desk.injected()[0]!.argv[2];
      assert.equal(sender === "greg-lists@example.org", isList, sender);
      if (!isList) onlySigned(desk, [recipient]);
    });
  }
});

test("neomutt: when the shim fails, neomutt reports it and keeps no copy of the message", async (t) => {
  for (const { what, code, message, reached, fail } of FAILURES) {
    await t.step(what, async () => {
      using desk = neomuttDesk();
      fail(desk);
      const ran = await neomutt(desk, ["--", ...ALL]);
      assert.equal(ran.code, 1);
      assert.match(ran.stderr, message);
      assert.match(ran.stderr, new RegExp(`child exited ${code} `));
      assert.match(ran.stdout + ran.stderr, /Could not send the message/);
      assert.equal(desk.read("sent"), "");
      assertAttempts(desk, reached ? 1 : 0);
    });
  }
});
