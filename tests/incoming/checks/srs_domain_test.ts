import assert from "node:assert/strict";
import { type Caller, envelope } from "../../../incoming/delivery.ts";
import type { Verdict } from "../../../incoming/verdict.ts";
import type { DecideContext } from "../../../io/state/lookups.ts";
import { decide } from "../../../io/state/lookups.ts";
import type { Identity } from "../../../lib/settings/identity.ts";
import { field, type Header } from "../../../lib/message.ts";
import { chair, context, day, delivery, greg, identity, now, signedAddress } from "../../judging.ts";

const LETTER = "From: jo@b.example\nSubject: Hello\n\nHow are you?\n";
const SENDERS = [null, "jo@b.example", "MAILER-DAEMON@mx.example.net", undefined];

async function verdict(recipients: string | string[], given: DecideContext, sender: string | null | undefined = null) {
  return (await decide(delivery(sender, recipients, LETTER), given)).verdict;
}

/** An identity whose key file must not be read. */
function locked(address: string, srsDomain: string): Identity {
  const { address: parsed } = identity(address, srsDomain);
  return {
    address: parsed,
    srsDomain,
    get keys(): never {
      throw new Error(`the keys of ${address} were read`);
    },
  };
}

Deno.test("any address in an SRS domain that is not signed is forged, whatever the sender", async () => {
  const [local] = signedAddress(greg).split("@") as [string];
  const wrong = local.replace(/=.{8}=/, "=aaaaaaaa=");
  const locals = [
    "greg",
    "Greg",
    "chair",
    "",
    '""',
    "SRS0",
    "SRS0=",
    "SRS0@greg",
    "SRS1",
    "SRS1=",
    "SRS2=aaaaaaaa=JJ=example.org=greg",
    "SRS=aaaaaaaa=JJ=example.org=greg",
    "SRS0.aaaaaaaa=JJ=example.org=greg",
    "SRS0aaaaaaaa=JJ=example.org=greg",
    `x${local}`,
    wrong,
    wrong.toLowerCase(),
    `"${wrong}"`,
    `"SRS0=\\a=JJ=example.org=greg"`,
    `${local} `,
    `${local}=x`,
    local.replace("SRS0", "SRS1"),
    local.replace("SRS0=", "SRS0=="),
    `SRS1=aaaaaaaa=first.example==${local.slice(5)}`,
    `SRS1=aaaaaaaa=srs.example.org==${local.slice(5)}`,
    `SRS0=aaaaaaaa=JJ=other.example=bob`,
    "prvs=1331000000=greg",
    "greg-prvs=1331000000",
    "gr\ufffdg",
    "a@b",
    '"a b"',
    "(greg)",
    "postmaster.x",
    "postmaster-x",
    "xpostmaster",
    "abuse+x",
    "root",
    "MAILER-DAEMON",
    "srs-greg",
    "alias-srs-greg",
  ];
  for (const local of locals) {
    for (const domain of ["srs.example.org", "SRS.Example.ORG", "srs.example.org.", "srs.club.example"]) {
      for (const sender of SENDERS) {
        const recipient = `${local}@${domain}`;
        const { action, result, check, mark } = await verdict(recipient, context(), sender);
        assert.deepEqual(
          [action, result, check, mark],
          ["spam", "forged", "signed-recipient", true],
          recipient,
        );
      }
    }
  }
});

Deno.test("a valid signed address is recognized in any spelling", async () => {
  const address = signedAddress(greg);
  const [local] = address.split("@") as [string];
  const spellings = [
    address,
    address.toUpperCase(),
    address.toLowerCase(),
    `${address}.`,
    `<${address}>`,
    `"${local}"@srs.example.org`,
    `"${local.replace("greg", "\\greg")}"@srs.example.org`,
    `greg-srs-${address}`,
    `srs-${local}@example.org`,
    `${local}@[192.0.2.1]`,
  ];
  for (const text of spellings) {
    const { result, identity } = await verdict(text, context());
    assert.deepEqual([result, identity], ["genuine", greg], text);
  }
  // The domain of another identity is not covered by the hash.
  assert.equal((await verdict(`${local}@srs.club.example`, context())).result, "forged");
});

Deno.test("addresses outside the SRS domains are not checked as SRS addresses", async () => {
  const recipients = [
    "greg@sub.srs.example.org",
    "greg@xsrs.example.org",
    "greg@srs.example.org.example",
    "srs.example.org",
    "greg@",
    "@",
    "",
    "SRS2=aaaaaaaa=JJ=example.org=greg@example.org",
    "postmaster@example.org",
    "SRS1=aaaaaaaa=first.example==bbbbbbbb=JJ=example.org=greg@srs.other.example",
  ];
  for (const text of recipients) assert.equal((await verdict(text, context())).check, "addressed", text);
});

Deno.test("an identity with an empty SRS domain does not match an address without a domain", async () => {
  const none = identity("greg@example.org", "");
  assert.equal((await verdict(["greg@", "x"], context("", "", [none]))).check, "addressed");
});

Deno.test("a signed address may contain any address that belongs to the identity", async () => {
  const withPatterns = { ...greg, also: ["greg+*@example.org", "*@greg.example.org"] };
  const all = context("", "", [chair, withPatterns]);
  for (const address of ["greg@example.org", "greg+lists@example.org", "shop@greg.example.org", "GREG+x@Example.org"]) {
    const { result, identity } = await verdict(signedAddress(greg, address), all);
    assert.deepEqual([result, identity], ["genuine", withPatterns], address);
  }
  for (const address of ["gregor@example.org", "shop@sub.example.org", "chair@club.example"]) {
    assert.equal((await verdict(signedAddress(greg, address), all)).result, "forged", address);
  }
});

Deno.test("only the keys of the identity in the address are read", async () => {
  const others = [locked("ann@example.org", "srs.example.org"), locked("bob@other.example", "srs.other.example")];
  const shared = context('[srs]\nothers = "pass"', "", [...others, greg]);
  assert.equal((await verdict(signedAddress(greg), shared)).result, "genuine");
  assert.equal((await verdict(signedAddress(greg).replace(/=.{8}=/, "=aaaaaaaa="), shared)).result, "forged");
  for (const text of ["greg@srs.example.org", "SRS2=x@srs.other.example", "SRS0=aaaa=JJ=x.example=y@srs.example.org"]) {
    await verdict(text, shared);
  }
  await assert.rejects(verdict("SRS0=aaaaaaaa=JJ=example.org=ann@srs.example.org", shared), /the keys of ann@/);
});

Deno.test("a key file that cannot be read is not reported as a wrong hash", async () => {
  const unreadable = locked("greg@example.org", "srs.example.org");
  const prvs = context("[prvs]\nreceive = true", "", [unreadable]);
  for (const text of [signedAddress(greg), "prvs=1331000000=greg@example.org"]) {
    await assert.rejects(verdict(text, prvs), /the keys of greg@/, text);
  }
});

/** Signed addresses of other users, as other SRS implementations write them. */
const OF_OTHERS = [
  "SRS0=abcd=JJ=other.example=bob@srs.example.org",
  "srs0+aB/9=jj=other.example=bob@srs.example.org",
  "SRS0-abcd=JJ=other.example=b=o=b@srs.example.org",
  "SRS0=abcd=JJ=example.org=ann@srs.example.org",
  "SRS1=abcd=first.example==wxyz=JJ=other.example=bob@srs.example.org",
  "SRS1=abcd=first.example==wxyz=JJ=example.org=greg@srs.example.org",
  "alias-srs-SRS0=abcd=JJ=other.example=bob@srs.example.org",
];

Deno.test("srs.others decides about signed addresses of other users", async () => {
  const ann = signedAddress(identity("ann@example.org", "srs.example.org"));
  for (const text of [ann, ...OF_OTHERS]) {
    for (const sender of SENDERS) {
      const forged = await verdict(text, context(), sender);
      assert.deepEqual([forged.action, forged.result], ["spam", "forged"], text);
      const passed = await verdict(text, context('[srs]\nothers = "pass"'), sender);
      const { action, result, mark, passed: flag } = passed;
      assert.deepEqual([action, result, mark, flag], ["deliver", "other", undefined, true], text);
    }
  }
  const own = signedAddress(greg);
  const malformed = [
    own.replace(/=.{8}=/, "=aaaaaaaa="),
    "SRS0=abc=JJ=other.example=bob@srs.example.org",
    "SRS0=abcd=J1=other.example=bob@srs.example.org",
    "SRS0=abcd=JJJ=other.example=bob@srs.example.org",
    "SRS0=ab!d=JJ=other.example=bob@srs.example.org",
    "SRS0=abcd=JJ=other.example=@srs.example.org",
    "SRS0=abcd=JJ==bob@srs.example.org",
    "SRS0=abcd=JJ=other.example=b b@srs.example.org",
    "SRS1=abcd=first.example=wxyz=JJ=other.example=bob@srs.example.org",
    "SRS1=abcd=srs.example.org==wxyz=JJ=example.org=greg@srs.example.org",
    "SRS1=abcd=first.example==x@srs.example.org",
    "SRS2=abcd=JJ=other.example=bob@srs.example.org",
    "greg@srs.example.org",
  ];
  for (const text of malformed) {
    assert.equal((await verdict(text, context('[srs]\nothers = "pass"'))).result, "forged", text);
  }
});

Deno.test("postmaster and abuse of an SRS domain belong to an identity", async () => {
  const summary = ({ action, result, check, mark, identity }: Verdict) => ({
    action,
    result,
    check,
    mark,
    identity,
  });
  const expected = { action: "deliver", result: "other", check: "signed-recipient", mark: undefined };
  const locals = ["postmaster", "Postmaster", "ABUSE", '"abuse"', "greg-srs-postmaster", "alias-srs-abuse"];
  for (const local of locals) {
    for (const domain of ["srs.example.org", "SRS.CLUB.EXAMPLE"]) {
      for (const sender of SENDERS) {
        const text = `${local}@${domain}`;
        assert.deepEqual(summary(await verdict(text, context(), sender)), { ...expected, identity: greg }, text);
        const other = context('[srs]\npostmaster = "Chair@club.example"');
        assert.deepEqual(summary(await verdict(text, other, sender)), { ...expected, identity: chair }, text);
      }
    }
  }
});

/** Environment and header that each caller provides for a delivery to `local`@srs.example.org. */
function deliveryInput(caller: Caller, local: string): { env: Record<string, string>; header: Header } {
  const recipient = `${local}@srs.example.org`;
  const none = { env: {}, header: [] };
  const own = { HOST: "srs.example.org", SENDER: "" };
  switch (caller) {
    case "qmail":
    case "condredirect":
      // A virtual domain that belongs to alias-srs, with ~alias/.qmail-srs-default.
      return {
        ...none,
        env: { ...own, DEFAULT: local, EXT: `srs-${local}`, RECIPIENT: `alias-srs-${recipient}` },
      };
    case "postfix":
      return { ...none, env: { SENDER: "", ORIGINAL_RECIPIENT: recipient, RECIPIENT: "greg@example.org" } };
    case "maildrop":
      // After preline: RECIPIENT keeps qmail's prefix, DEFAULT is a mailbox.
      return { ...none, env: { ...own, DEFAULT: "/var/mail/greg", RECIPIENT: `alias-srs-${recipient}` } };
    default: {
      const env = { HOST: "mx", DEFAULT: "/var/mail/greg", SENDER: "" };
      return { env, header: [field("Return-Path", "<>"), field("X-Original-To", recipient), field("Received", "x")] };
    }
  }
}

Deno.test("the verdict does not depend on the caller", async () => {
  const [local] = signedAddress(greg).split("@") as [string];
  const [late] = signedAddress(greg, undefined, day(-30)).split("@") as [string];
  const table: Record<string, string> = {
    [local]: "genuine",
    [late]: "late",
    [local.replace(/=.{8}=/, "=aaaaaaaa=")]: "forged",
    "SRS0=abcd=JJ=other.example=bob": "forged",
    greg: "forged",
    "SRS2=x": "forged",
    postmaster: "other",
    Abuse: "other",
  };
  for (const caller of ["qmail", "condredirect", "postfix", "maildrop", "procmail", "filter"] as const) {
    for (const [text, result] of Object.entries(table)) {
      const { env, header } = deliveryInput(caller, text);
      const found = await envelope(caller, header, (name) => Promise.resolve(env[name]), {});
      const given = { ...delivery(null, [], LETTER), ...found };
      assert.equal(
        (await decide(given, context())).verdict.result,
        result,
        `${caller}: ${found.recipients.join(" or ")}`,
      );
    }
  }
});

Deno.test("other qmail configurations lead to the same verdict", async () => {
  const [local] = signedAddress(greg).split("@") as [string];
  const rows: [what: string, env: Record<string, string>, result: string][] = [
    ["SRS domain in locals, ~alias/.qmail-default", { DEFAULT: local, EXT: local, RECIPIENT: local }, "genuine"],
    ["a virtual domain of greg", { DEFAULT: local, EXT: local, RECIPIENT: `greg-${local}` }, "genuine"],
    [
      "only .qmail-default",
      { DEFAULT: `srs-${local}`, EXT: `srs-${local}`, RECIPIENT: `alias-srs-${local}` },
      "genuine",
    ],
    ["SRS domain in locals, greg's own .qmail", { EXT: "", RECIPIENT: "greg" }, "forged"],
    ["SRS domain in locals, greg's .qmail-default", { DEFAULT: "x", EXT: "x", RECIPIENT: "greg-x" }, "forged"],
    ["a .qmail file for the address", { EXT: "srs-postmaster", RECIPIENT: "alias-srs-postmaster" }, "other"],
    [
      "no .qmail file for the address",
      { DEFAULT: "srs-abuse", EXT: "srs-abuse", RECIPIENT: "alias-srs-abuse" },
      "other",
    ],
  ];
  for (const [what, { RECIPIENT, ...more }, result] of rows) {
    const env: Record<string, string> = { ...more, HOST: "srs.example.org", RECIPIENT: `${RECIPIENT}@srs.example.org` };
    const found = await envelope("qmail", [], (name) => Promise.resolve(env[name]), {});
    const given = { ...delivery(null, [], LETTER), ...found, sender: null };
    assert.equal((await decide(given, { ...context(), now })).verdict.result, result, what);
  }
});
