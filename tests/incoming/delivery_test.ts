import assert from "node:assert/strict";
import { addressIn, type Caller, envelope, type Given } from "../../incoming/delivery.ts";
import { formatAddress } from "../../lib/address.ts";
import { parseHead } from "../../lib/message.ts";

const ON_TOP = "Return-Path: <top@b.example>\nX-Original-To: greg@example.org\nDelivered-To: greg@box.example.org\n";
const RECEIVED = "Received: from x by y\n";
const STRANGER = "Return-Path: <>\nX-Original-To: lie@example.org\nDelivered-To: lie@example.org\nFrom: x@y.example\n";

async function told(caller: Caller, env: Record<string, string>, head = "", given: Given = {}) {
  const { header } = parseHead(new TextEncoder().encode(`${head}\n`), true)!;
  return await envelope(caller, header, (name) => Promise.resolve(env[name]), given);
}

Deno.test(
  "under qmail the environment tells all; DEFAULT and EXT come without the prefix",
  { permissions: "none" },
  async () => {
    const env = {
      SENDER: "",
      LOCAL: "greg-srs-SRS0=a",
      EXT: "srs-SRS0=a",
      DEFAULT: "SRS0=a",
      HOST: "srs.example.org",
      RECIPIENT: "greg-srs-SRS0=a@srs.example.org",
    };
    const plain = { SENDER: "jo@b.example", EXT: "", HOST: "example.org", RECIPIENT: "greg@example.org" };
    for (const caller of ["qmail", "condredirect"] as const) {
      assert.deepEqual(await told(caller, env, ON_TOP + RECEIVED), {
        sender: null,
        recipients: ["SRS0=a@srs.example.org", "srs-SRS0=a@srs.example.org", "greg-srs-SRS0=a@srs.example.org"],
      }, caller);
      assert.deepEqual(await told(caller, plain), { sender: "jo@b.example", recipients: ["greg@example.org"] });
      const nobody = await told(caller, { RECIPIENT: "greg@example.org" }, ON_TOP + RECEIVED);
      assert.deepEqual(nobody, { sender: undefined, recipients: ["greg@example.org"] });
    }
  },
);

Deno.test("under maildrop and procmail DEFAULT and HOST are something else", { permissions: "none" }, async () => {
  for (const caller of ["maildrop", "procmail", "filter"] as const) {
    const env = { SENDER: "", RECIPIENT: "greg@example.org", DEFAULT: "/var/mail/greg", HOST: "box" };
    assert.deepEqual(await told(caller, env), { sender: null, recipients: ["greg@example.org"] });
    const original = { ...env, ORIGINAL_RECIPIENT: "postmaster@example.org" };
    assert.deepEqual((await told(caller, original)).recipients, ["postmaster@example.org"]);
  }
});

Deno.test("without an environment, what stands above Received was written here", { permissions: "none" }, async () => {
  assert.deepEqual(await told("procmail", {}, ON_TOP + RECEIVED + STRANGER), {
    sender: "top@b.example",
    recipients: ["greg@example.org"],
  });
  const none = { sender: undefined, recipients: [] };
  assert.deepEqual(await told("procmail", {}, RECEIVED + STRANGER), none, "a stranger's fields stand below it");
  assert.deepEqual(await told("procmail", {}, STRANGER), none, "no Received: nobody knows who wrote what");
  const nobody = await told("procmail", {}, "Return-Path: <>\nDelivered-To: greg@example.org\n" + RECEIVED);
  assert.deepEqual(nobody, { sender: null, recipients: ["greg@example.org"] });
});

Deno.test("the spellings of the null sender", { permissions: "none" }, async () => {
  for (
    const [text, sender] of [
      ["", null],
      ["<>", null],
      ["MAILER-DAEMON", null],
      ["mailer-daemon", null],
      ["#@[]", "#@[]"],
      ["<a@b.example>", "a@b.example"],
      ["a<b@c.example>", "a<b@c.example>"],
      ["<a@b.example>c", "<a@b.example>c"],
      ["MAILER-DAEMON@b.example", "MAILER-DAEMON@b.example"],
      ["no-mailer-daemon", "no-mailer-daemon"],
      ["mailer-daemons", "mailer-daemons"],
      ["s\ufffdr@x.example", "s\ufffdr@x.example"],
    ] as const
  ) {
    assert.equal((await told("qmail", { SENDER: text })).sender, sender, text);
    assert.equal((await told("maildrop", {}, "", { sender: text })).sender, sender, `--sender ${text}`);
  }
});

Deno.test("what the command line gives comes first", { permissions: "none" }, async () => {
  const env = { SENDER: "jo@b.example", RECIPIENT: "greg@example.org", ORIGINAL_RECIPIENT: "x@example.org" };
  const given = { sender: "", recipient: "SRS0=a@srs.example.org" };
  assert.deepEqual(await told("maildrop", env, "", given), { sender: null, recipients: ["SRS0=a@srs.example.org"] });
});

Deno.test("a recipient that cannot be read is nobody of ours, whoever tells it", { permissions: "none" }, async () => {
  const bad = "SRS0=\ufffd=JJ=example.org=greg@srs.example.org";
  const [local, host] = bad.split("@") as [string, string];
  const qmail = { SENDER: "", DEFAULT: local, EXT: `srs-${local}`, HOST: host, RECIPIENT: `greg-srs-${bad}` };
  assert.deepEqual((await told("qmail", qmail)).recipients, []);
  for (const caller of ["maildrop", "procmail", "postfix", "filter"] as const) {
    for (const name of ["RECIPIENT", "ORIGINAL_RECIPIENT"]) {
      assert.deepEqual((await told(caller, { [name]: bad })).recipients, [], `${caller} ${name}`);
    }
    // Before the rewriting it was somebody else's: what it was rewritten to does not count.
    assert.deepEqual((await told(caller, { ORIGINAL_RECIPIENT: bad, RECIPIENT: "greg@example.org" })).recipients, []);
    assert.deepEqual((await told(caller, {}, "", { recipient: bad })).recipients, []);
  }
  assert.deepEqual((await told("maildrop", {}, `Delivered-To: ${bad}\n${RECEIVED}`)).recipients, []);
});

Deno.test("an address is one, and nothing else", { permissions: "none" }, () => {
  const good = (text: string, expected: string) => {
    const address = addressIn(text);
    assert.equal(address && formatAddress(address), expected, text);
  };
  good("jo@b.example", "jo@b.example");
  good("<jo@b.example>", "jo@b.example");
  for (const none of ["", "<>", "jo", "jo@b.example, x@b.example", "jo@b@c", "Us: ;", "<"]) {
    assert.equal(addressIn(none), undefined, none);
  }
});
