import assert from "node:assert/strict";
import { parseAddress } from "../../lib/address.ts";
import { encodeLatin1 } from "../../lib/bytes.ts";
import { dayOf } from "../../lib/date.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { KEY_LIFETIME_DAYS, parseKeys } from "../../lib/settings/keys.ts";
import { field, type Header, parseHead, without } from "../../lib/message.ts";
import { hasProof, makeProof, PROOF_FIELD } from "../../incoming/proof.ts";
import { SECRET } from "../rig.ts";

const NOW = new Date("2026-11-20T05:32:58Z");
const identity = (address: string, keys = `k1 2026-11-01 ${SECRET}`): Identity => ({
  address: parseAddress(address),
  srsDomain: "",
  keys: parseKeys(keys, "keys"),
});
const GREG = identity("greg@example.org");
const parse = (mail: string): Header => parseHead(encodeLatin1(mail), true)!.header;
const BOUNCE = parse(`Received: from somewhere
Message-ID: <1@mx.example.net>
Date: Fri, 20 Nov 2026 05:32:58 +0000
From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
To: greg@example.org
Subject: failure
 notice

`);

/** The header with its proof added, as it is forwarded. */
function withProof(header: Header, to = GREG, now = NOW): Header {
  return [field(PROOF_FIELD, makeProof(to, header, now)!), ...header];
}

/** The header with one field changed. */
const changed = (header: Header, name: string, value: string): Header =>
  header.map((old) => old.name === name ? field(name, value) : old);

Deno.test("A proof is valid for the header for which it was made", () => {
  const header = withProof(BOUNCE);
  assert.ok(hasProof(GREG, header, NOW));
  assert.ok(hasProof(identity("Greg@Example.ORG"), header, NOW), "case of the identity");
  assert.ok(!hasProof(GREG, BOUNCE, NOW), "no proof");
});

Deno.test("A proof stays valid after changes that MTAs make", () => {
  const header = withProof(BOUNCE);
  const good = (other: Header, what: string) => assert.ok(hasProof(GREG, other, NOW), what);
  good([field("Received", "by another"), field("Delivered-To", "greg"), ...header], "trace fields");
  good(changed(header, "From", "MAILER-DAEMON@MX.example.net (Mail System)"), "From in another form");
  good(changed(header, "Subject", "failure notice"), "Subject unfolded");
  good(changed(header, "To", "someone@example.net"), "To");
  good(without(header, "Received"), "Received");
  good([field(PROOF_FIELD, "genuine"), ...header], "another X-Countersign field");
  good(header.toReversed(), "order");
});

Deno.test("A proof is invalid after changes to the fields that identify the bounce, or to itself", () => {
  const header = withProof(BOUNCE);
  const bad = (other: Header, what: string) => assert.ok(!hasProof(GREG, other, NOW), what);
  bad(changed(header, "Message-ID", "<2@mx.example.net>"), "Message-ID");
  bad(changed(header, "Date", "Fri, 20 Nov 2026 05:32:59 +0000"), "Date");
  bad(changed(header, "From", "MAILER-DAEMON@mx.example.com"), "From");
  bad(changed(header, "Subject", "failure notices"), "Subject");
  for (const name of ["Message-ID", "Date", "From", "Subject"]) bad(without(header, name), `no ${name}`);
  const first = header[0]!;
  for (let at = PROOF_FIELD.length + 2; at < first.raw.length; at++) {
    const other = first.raw[at] === "a" ? "b" : "a";
    const raw = first.raw.slice(0, at) + other + first.raw.slice(at + 1);
    bad([{ ...first, raw }, ...BOUNCE], raw);
  }
});

Deno.test("Text cannot be moved from one field to the next", () => {
  const header = withProof(BOUNCE);
  const moved = changed(changed(header, "Date", ""), "Message-ID", "<1@mx.example.net>Fri, 20 Nov 2026 05:32:58 +0000");
  assert.ok(!hasProof(GREG, moved, NOW));
});

Deno.test("A proof is for one identity and its keys", () => {
  const header = withProof(BOUNCE);
  assert.ok(!hasProof(identity("joe@example.org"), header, NOW), "another identity with the same key");
  assert.ok(!hasProof(identity("greg@example.org", "k1 2026-11-01 other"), header, NOW), "another key");
  assert.ok(!hasProof(identity("greg@example.org", `k2 2026-11-01 ${SECRET}`), header, NOW), "another id");
  const rotated = identity("greg@example.org", `k1 2026-11-01 ${SECRET}\nk2 2026-11-19 newer`);
  assert.ok(hasProof(rotated, header, NOW), "an older key still verifies");
  assert.ok(hasProof(rotated, withProof(BOUNCE, rotated), NOW), "the newest key signs");
  assert.ok(!hasProof(GREG, withProof(BOUNCE, rotated), NOW));
});

Deno.test("A bounce without a Message-ID, Date or From can have a proof", () => {
  for (const name of ["Message-ID", "Date", "From", "Subject"]) {
    const less = without(BOUNCE, name);
    const header = withProof(less);
    assert.ok(hasProof(GREG, header, NOW), name);
    assert.ok(!hasProof(GREG, [header[0]!, ...BOUNCE], NOW), `${name} inserted`);
  }
  for (const from of ["nobody <", "", "<>", "MAILER-DAEMON"]) {
    assert.ok(hasProof(GREG, withProof(changed(BOUNCE, "From", from)), NOW), from);
  }
});

Deno.test("A proof is valid to the end of its last day", () => {
  const header = withProof(BOUNCE);
  const expiry = Number(/v1\.k1\.(\d+)\./.exec(header[0]!.raw)![1]);
  assert.equal(expiry, dayOf(NOW) + 10);
  const end = (expiry + 1) * 86_400_000;
  assert.ok(hasProof(GREG, header, new Date(end - 1)));
  assert.ok(!hasProof(GREG, header, new Date(end)));
});

Deno.test("A key that is too old neither signs nor verifies", () => {
  const late = new Date((GREG.keys[0]!.created + KEY_LIFETIME_DAYS) * 86_400_000);
  const last = new Date(late.getTime() - 1);
  assert.equal(makeProof(GREG, BOUNCE, late), undefined);
  const header = withProof(BOUNCE, GREG, last);
  assert.ok(hasProof(GREG, header, last));
  assert.ok(!hasProof(GREG, header, late));
});

Deno.test("At most four proofs in a header are checked", () => {
  const valid = withProof(BOUNCE)[0]!;
  const invalid = field(PROOF_FIELD, `v1.k1.${dayOf(NOW)}.${"a".repeat(26)}`);
  assert.ok(hasProof(GREG, [...Array(3).fill(invalid), valid, ...BOUNCE], NOW));
  assert.ok(!hasProof(GREG, [...Array(4).fill(invalid), valid, ...BOUNCE], NOW));
});

Deno.test("The field is shorter than 70 characters and contains no =", () => {
  const long = identity("greg@example.org", `abcdefg8 2026-11-01 ${SECRET}`);
  const { raw } = withProof(BOUNCE, long)[0]!;
  assert.ok(raw.length < 70 && !raw.includes("="), raw);
});
