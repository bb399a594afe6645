import assert from "node:assert/strict";
import { addressIn, type Caller, envelope, type Given } from "../../incoming/delivery.ts";
import { formatAddress } from "../../lib/address.ts";
import { parseHead } from "../../lib/message.ts";

const ABOVE_RECEIVED =
  "Return-Path: <top@b.example>\nX-Original-To: greg@example.org\nDelivered-To: greg@box.example.org\n";
const RECEIVED = "Received: from x by y\n";
const BELOW_RECEIVED =
  "Return-Path: <>\nX-Original-To: lie@example.org\nDelivered-To: lie@example.org\nFrom: x@y.example\n";

async function found(caller: Caller, env: Record<string, string>, head = "", given: Given = {}) {
  const { header } = parseHead(new TextEncoder().encode(`${head}\n`), true)!;
  return await envelope(caller, header, (name) => Promise.resolve(env[name]), given);
}

Deno.test(
  "under qmail the envelope is read from the environment; DEFAULT and EXT lack the user's prefix",
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
      assert.deepEqual(await found(caller, env, ABOVE_RECEIVED + RECEIVED), {
        sender: null,
        recipients: ["SRS0=a@srs.example.org", "srs-SRS0=a@srs.example.org", "greg-srs-SRS0=a@srs.example.org"],
      }, caller);
      assert.deepEqual(await found(caller, plain), { sender: "jo@b.example", recipients: ["greg@example.org"] });
      const unknown = await found(caller, { RECIPIENT: "greg@example.org" }, ABOVE_RECEIVED + RECEIVED);
      assert.deepEqual(unknown, { sender: undefined, recipients: ["greg@example.org"] });
    }
  },
);

Deno.test(
  "under maildrop and procmail DEFAULT and HOST have other meanings and are ignored",
  { permissions: "none" },
  async () => {
    for (const caller of ["maildrop", "procmail", "filter"] as const) {
      const env = { SENDER: "", RECIPIENT: "greg@example.org", DEFAULT: "/var/mail/greg", HOST: "box" };
      assert.deepEqual(await found(caller, env), { sender: null, recipients: ["greg@example.org"] });
      const original = { ...env, ORIGINAL_RECIPIENT: "postmaster@example.org" };
      assert.deepEqual((await found(caller, original)).recipients, ["postmaster@example.org"]);
    }
  },
);

Deno.test("angle brackets around an address are not part of it", { permissions: "none" }, async () => {
  const env = { SENDER: "<jo@b.example>", RECIPIENT: "<greg@example.org>" };
  const expected = { sender: "jo@b.example", recipients: ["greg@example.org"] };
  assert.deepEqual(await found("procmail", env), expected);
  const head = "Return-Path: <jo@b.example>\nX-Original-To: <greg@example.org>\n";
  assert.deepEqual(await found("procmail", {}, head + RECEIVED), expected);
});

Deno.test("without environment variables only fields above Received are trusted", { permissions: "none" }, async () => {
  assert.deepEqual(await found("procmail", {}, ABOVE_RECEIVED + RECEIVED + BELOW_RECEIVED), {
    sender: "top@b.example",
    recipients: ["greg@example.org"],
  });
  const none = { sender: undefined, recipients: [] };
  assert.deepEqual(
    await found("procmail", {}, RECEIVED + BELOW_RECEIVED),
    none,
    "fields below Received may come from the sender",
  );
  assert.deepEqual(await found("procmail", {}, BELOW_RECEIVED), none, "without Received no field can be trusted");
  const unknown = await found("procmail", {}, "Return-Path: <>\nDelivered-To: greg@example.org\n" + RECEIVED);
  assert.deepEqual(unknown, { sender: null, recipients: ["greg@example.org"] });
});

Deno.test("all forms of the null sender are recognized", { permissions: "none" }, async () => {
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
    assert.equal((await found("qmail", { SENDER: text })).sender, sender, text);
    assert.equal((await found("maildrop", {}, "", { sender: text })).sender, sender, `--sender ${text}`);
  }
});

Deno.test("--sender and --recipient take precedence", { permissions: "none" }, async () => {
  const env = { SENDER: "jo@b.example", RECIPIENT: "greg@example.org", ORIGINAL_RECIPIENT: "x@example.org" };
  const given = { sender: "", recipient: "SRS0=a@srs.example.org" };
  assert.deepEqual(await found("maildrop", env, "", given), { sender: null, recipients: ["SRS0=a@srs.example.org"] });
});

Deno.test("a recipient with invalid bytes is ignored, wherever it comes from", { permissions: "none" }, async () => {
  const bad = "SRS0=\ufffd=JJ=example.org=greg@srs.example.org";
  const [local, host] = bad.split("@") as [string, string];
  const qmail = { SENDER: "", DEFAULT: local, EXT: `srs-${local}`, HOST: host, RECIPIENT: `greg-srs-${bad}` };
  assert.deepEqual((await found("qmail", qmail)).recipients, []);
  for (const caller of ["maildrop", "procmail", "postfix", "filter"] as const) {
    for (const name of ["RECIPIENT", "ORIGINAL_RECIPIENT"]) {
      assert.deepEqual((await found(caller, { [name]: bad })).recipients, [], `${caller} ${name}`);
    }
    // The original recipient counts, not what the MTA rewrote it to.
    assert.deepEqual((await found(caller, { ORIGINAL_RECIPIENT: bad, RECIPIENT: "greg@example.org" })).recipients, []);
    assert.deepEqual((await found(caller, {}, "", { recipient: bad })).recipients, []);
  }
  assert.deepEqual((await found("maildrop", {}, `Delivered-To: ${bad}\n${RECEIVED}`)).recipients, []);
});

Deno.test("addressIn returns the only address in a text, or undefined", { permissions: "none" }, () => {
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
