/**
 * Which messages are our own, and so are signed. What real clients sent (clients_test.ts) is a stranger's in several
 * ways at once; here each sign that a message is not ours stands alone.
 */
import assert from "node:assert/strict";
import { parseAddress } from "../../lib/address.ts";
import { parseConfig } from "../../lib/config.ts";
import { parseKeys } from "../../lib/keys.ts";
import { parseHead, values } from "../../lib/message.ts";
import { parseFlags } from "../../shim/flags.ts";
import { plan } from "../../shim/plan.ts";

const ME = { address: "me@example.org", srs_domain: "srs.example.org" };
const OTHER = { address: "other@example.net", srs_domain: "srs.example.net" };
const now = new Date("2026-11-20T05:32:58Z");

/** Plans a message with these header lines. */
async function planned(lines: string[], args: string[], domain: string) {
  const tables = [ME, OTHER].map((one, i) =>
    `[[identity]]\naddress = "${one.address}"\nsrs_domain = "${one.srs_domain}"\nkeys = "keys${i}"\n`
  );
  const transport = `[transport]\nvia = "maildir"\nmaildir = "~/out"\n`;
  const settings = parseConfig([`domain = "${domain}"\n`, ...tables, transport].join(""), { file: "/c", home: "/h" });
  const identities = [ME, OTHER].map((one, i) => ({
    address: parseAddress(one.address),
    srsDomain: one.srs_domain,
    keys: parseKeys(`k${i} 2026-01-01 secret ${i}, for tests only\n`, "keys"),
  }));
  const invocation = parseFlags("sendmail", [...args, "--", "to@a.example"]);
  assert.ok(invocation.mode === "send");
  const header = parseHead(new TextEncoder().encode([...lines, "", ""].join("\n")), true)!.header;
  return { ...await plan(invocation.call, header, { settings, identities, now }), given: invocation.call.sender };
}

/** Signed by this key, the envelope sender in this domain. */
async function own(lines: string[], args: string[] = [], key = "k0", srs = ME.srs_domain, domain = "") {
  const out = await planned(lines, args, domain);
  const shown = [...lines, ...args].join(" | ");
  assert.equal(out.scheme, "srs", shown);
  assert.equal(out.handover.sender?.domain, srs, shown);
  assert.deepEqual(values(out.header, "X-Msgauth").map((tag) => tag.split(".")[1]), [key], shown);
}

/** Not signed: no tag of ours is added, and the sender goes on as it was given. */
async function strange(lines: string[], args: string[] = [], domain = "") {
  const out = await planned(lines, args, domain);
  const shown = [...lines, ...args].join(" | ");
  assert.equal(out.scheme, "given", shown);
  assert.equal(out.identity, undefined, shown);
  assert.deepEqual(out.handover.sender, out.given, shown);
  assert.deepEqual(values(out.header, "X-Msgauth"), [], shown);
}

const FROM = "From: Me <me@example.org>";

Deno.test("mail from an identity, by an identity, is signed", async () => {
  await own([FROM]);
  await own(["from: ME@EXAMPLE.ORG"], ["-f", "Me@Example.Org"]);
  await own([FROM, "Reply-To: x@y.example", "Sender: x@y.example"]);
  await own([], ["-f", "me@example.org"]);
  await own([]); // no author at all: the first identity
  await own([`From: "Me, too"\n (a comment) <me@example.org>`]);
  await own(["From: me@example.org, other@example.net"]);
  await own(["From: other@example.net"], [], "k1", OTHER.srs_domain);
  // Each signs for itself: the sender is the one's, the tag the other's.
  await own([FROM], ["-f", "other@example.net"], "k0", OTHER.srs_domain);
  // A former tag, as from a draft, is replaced.
  await own([FROM, "X-Msgauth: v1.old.1.x.y", "X-MSGAUTH: v1.older.1.x.y"]);
});

Deno.test("a From field with one address that is not ours is not signed", async () => {
  for (
    const from of ["x@y.example", "me@example.org, x@y.example", "x@y.example, me@example.org", "<>", "", "me@", "("]
  ) {
    await strange([`From: ${from}`]);
    await strange([`From: ${from}`], ["-f", "me@example.org"]);
  }
  await strange([FROM, "From: x@y.example"]);
  await strange(["From: me@example.org.y.example"]);
  await strange(['From: "me@example.org" <x@y.example>']);
});

Deno.test("a sender that is not ours is not signed", async () => {
  for (const sender of ["x@y.example", "", "<>", "@", "Me", "bounce+me@example.org", "me@srs.example.org"]) {
    await strange([FROM], ["-f", sender]);
    await strange([], ["-f", sender]);
  }
});

Deno.test("a message that was under way before is not signed", async () => {
  const signs = ["Received: from a by b; x", "Delivered-To: me@example.org", "RECEIVED: x", "delivered-to: x"];
  const resent = ["From", "To", "Cc", "Bcc", "Date", "Message-ID", "Sender"].map((name) =>
    `Resent-${name}: x@y.example`
  );
  for (const sign of [...signs, ...resent, "resent-to: me@example.org"]) {
    await strange([FROM, sign]);
    await strange([sign, FROM], ["-f", "me@example.org"]);
  }
});

Deno.test("an unqualified From is ours only where the domain is set", async () => {
  await strange(["From: me"]);
  await strange(["From: me (Cron Daemon)"], ["-f", "me"]);
  await own(["From: me"], [], "k0", ME.srs_domain, "example.org");
  await own(["From: me"], ["-f", "me"], "k0", ME.srs_domain, "example.org");
  await strange(["From: root"], [], "example.org");
  await strange(["From: me"], [], "example.com");
});
