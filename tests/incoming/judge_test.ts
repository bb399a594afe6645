import assert from "node:assert/strict";
import type { Delivery } from "../../incoming/delivery.ts";
import type { Action, Result } from "../../incoming/verdict.ts";
import type { DecideContext } from "../../io/state/lookups.ts";
import { decide } from "../../io/state/lookups.ts";
import { returnedIds } from "../../incoming/checks/returned_header.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { Fail } from "../../lib/fail.ts";
import { hmac } from "../../lib/hmac.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import type { Key } from "../../lib/settings/keys.ts";
import { field, parseHead } from "../../lib/message.ts";
import { parseAddress } from "../../lib/address.ts";
import { makeProof } from "../../incoming/proof.ts";
import { prvsSign } from "../../lib/prvs.ts";
import { srsForward } from "../../lib/srs.ts";
import { signTag } from "../../lib/tag.ts";
import { randomNonce } from "../random.ts";

const now = new Date("2026-11-20T12:00:00Z");
const day = (days: number) => new Date(now.getTime() + days * 86_400_000);
const secret = (text: string) => new TextEncoder().encode(text);
const created = Math.floor(now.getTime() / 86_400_000) - 100;

const greg: Identity = {
  address: parseAddress("greg@example.org"),
  srsDomain: "srs.example.org",
  keys: [{ id: "k2", created, secret: secret("greg new") }, {
    id: "k1",
    created: created - 1,
    secret: secret("greg old"),
  }],
};
const club: Identity = {
  address: parseAddress("chair@club.example"),
  srsDomain: "srs.club.example",
  keys: [{ id: "c1", created, secret: secret("club") }],
};
const identities = [greg, club];

function context(more = "", top = ""): DecideContext {
  const prvs = more.includes("[prvs]") ? "" : "[prvs]\nreceive = true\n";
  const base =
    '[[identity]]\naddress = "greg@example.org"\n[[identity]]\naddress = "chair@club.example"\nkeys = "club"\n' +
    `[transport]\nvia = "maildir"\nmaildir = "/out"\n${prvs}`;
  return {
    settings: parseConfig(`${top}\n${base}${more}`, { file: "/etc/c.toml", home: "/home/greg" }),
    identities,
    now,
  };
}

function delivery(sender: Delivery["sender"], recipient: string | string[], mail: string): Delivery {
  const prefix = new TextEncoder().encode(mail);
  const { header, bodyStart } = parseHead(prefix, true)!;
  return { sender, recipients: [recipient].flat(), header, prefix, bodyStart };
}

const BOUNCE = "From: MAILER-DAEMON@mx.example.net\nSubject: failure notice\n\nHi. This is the qmail-send program.\n";
const LETTER = "From: jo@b.example\nSubject: Hello\n\nHow are you?\n";
const RECEIPT =
  "From: jo@b.example\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\nread\n";

const srs = (identity: Identity, options: { now?: Date; alias?: string; secret?: string; hashLength?: number } = {}) =>
  srsForward(`${identity.address.local}@${identity.address.domain}`, options.alias ?? identity.srsDomain, {
    secrets: [options.secret ?? identity.keys[0]!.secret],
    hashLength: options.hashLength ?? 8,
    alphabet: "base64url",
    now: options.now ?? now,
  });

/** An address of greg's with this time stamp, valid or not, and a correct hash. */
function stamped(stamp: string, local = "greg"): string {
  const mac = hmac("SHA-1", greg.keys[0]!.secret, secret(`${stamp}example.org${local}`.toLowerCase()));
  const hash = mac.toBase64({ alphabet: "base64url" }).slice(0, 8);
  return `SRS0=${hash}=${stamp}=example.org=${local}@srs.example.org`;
}

function returning(address: string, key: string, signer: string, when = now): string {
  const tag = signTag(address, "<1@example.org>", { key, secret: signer, now: when, nonce: randomNonce() });
  return `${BOUNCE}\n--- Below this line is a copy of the message.\n\nMessage-ID: <1@example.org>\nX-Msgauth: ${tag}\n\nhi\n`;
}

interface Row {
  what: string;
  given: Delivery;
  context?: DecideContext;
  action: Action;
  result: Result;
  check: string;
  mark?: boolean;
  reason?: string;
}

async function table(rows: Row[]): Promise<void> {
  for (const row of rows) {
    const { verdict, steps } = await decide(row.given, row.context ?? context());
    const { action, result, check, mark = false } = verdict;
    assert.deepEqual(
      { action, result, check, mark },
      { action: row.action, result: row.result, check: row.check, mark: row.mark ?? false },
      `${row.what}: ${verdict.reason}`,
    );
    if (row.reason !== undefined) assert.equal(verdict.reason, row.reason, row.what);
    assert.equal(steps.at(-1)?.check, check, "the last step gives the verdict");
  }
}

Deno.test("a bounce to a valid signed address is genuine", { permissions: "none" }, async () => {
  const good = { action: "deliver", result: "genuine", check: "signed-recipient" } as const;
  const address = srs(greg);
  const [local] = address.split("@") as [string];
  const prvs = (delimiter: string, number = 2) =>
    prvsSign("greg@example.org", { secret: greg.keys[0]!.secret, keyNumber: number, delimiter, now });
  await table([
    { what: "SRS", given: delivery(null, address, BOUNCE), ...good },
    { what: "SRS in upper case", given: delivery(null, address.toUpperCase(), BOUNCE), ...good },
    { what: "SRS in lower case", given: delivery(null, address.toLowerCase(), BOUNCE), ...good },
    { what: "older key", given: delivery(null, srs(greg, { secret: "greg old" }), BOUNCE), ...good },
    { what: "day 21", given: delivery(null, srs(greg, { now: day(-21) }), BOUNCE), ...good },
    { what: "a clock a day ahead", given: delivery(null, srs(greg, { now: day(1) }), BOUNCE), ...good },
    { what: "daemon", given: delivery("MAILER-DAEMON@mx.example.net", address, BOUNCE), ...good },
    { what: "not a bounce", given: delivery(null, address, RECEIPT), ...good },
    { what: "another spelling first", given: delivery(null, ["x@srs.example.org", address], BOUNCE), ...good },
    { what: "qmail's prefix", given: delivery(null, `greg-srs-${address}`, BOUNCE), ...good },
    { what: "in the plain domain", given: delivery(null, `srs-${local}@example.org`, BOUNCE), ...good },
    {
      what: "in the plain domain, with qmail's prefix",
      given: delivery(null, `greg-srs-${local}@example.org`, BOUNCE),
      ...good,
    },
    { what: "the other identity", given: delivery(null, srs(club), BOUNCE), ...good },
    { what: "prvs", given: delivery(null, prvs(""), BOUNCE), ...good },
    { what: "prvs with -", given: delivery(null, prvs("-"), BOUNCE), ...good },
    { what: "prvs with +", given: delivery(null, prvs("+"), BOUNCE), ...good },
    { what: "an ordinary sender", given: delivery("jo@b.example", address, LETTER), ...good, result: "other" },
    {
      what: "late",
      given: delivery(null, srs(greg, { now: day(-22) }), BOUNCE),
      ...good,
      result: "late",
      mark: true,
    },
    {
      what: "late, last day",
      given: delivery(null, srs(greg, { now: day(-179) }), BOUNCE),
      ...good,
      result: "late",
      mark: true,
    },
  ]);
});

Deno.test("the step of a signed recipient reports what was found", { permissions: "none" }, async () => {
  const address = srs(greg);
  const stranger = address.replace("=greg@", "=eve@");
  const prvs = (when: Date) => prvsSign("greg@example.org", { secret: "greg new", keyNumber: 2, now: when });
  const rows: Record<string, string> = {
    [address]: "valid signed address of greg@example.org",
    [srs(greg, { now: day(-22) })]: "expired signed address of greg@example.org",
    [srs(greg, { now: day(-180) })]: "SRS address is 180 days old",
    [srs(greg, { secret: "mallory" })]: "SRS address has a wrong hash",
    [address.replace(/(?<==)(.{4}).{4}(?==)/, "$1")]:
      "SRS address has a hash that is too short: 4 characters, srs.hash_length requires 8",
    [stranger]: "the signed address does not belong to any identity",
    [stamped("11")]: "SRS address has a bad time stamp",
    [stamped("GA", "eve")]: "the signed address does not belong to any identity",
    [prvs(now)]: "valid signed address of greg@example.org",
    [prvs(day(-8))]: "expired signed address of greg@example.org",
    [prvs(day(-180))]: "prvs address is 187 days old",
    [prvs(day(8))]: "post-dated signed address of greg@example.org",
    [srs(greg, { now: day(2) })]: "post-dated signed address of greg@example.org",
    "prvs=2807abcdef=greg@example.org": "prvs address has a wrong signature",
  };
  for (const [recipient, reason] of Object.entries(rows)) {
    const { verdict } = await decide(delivery(null, recipient, BOUNCE), context());
    assert.deepEqual([verdict.check, verdict.reason], ["signed-recipient", reason], recipient);
  }
  const { steps } = await decide(delivery(null, "greg@example.org", BOUNCE), context());
  const step = steps.find(({ check }) => check === "signed-recipient");
  assert.equal(step?.found, "the recipient is not a signed address");
});

Deno.test("two identities may share an SRS domain, and one may have none", { permissions: "none" }, async () => {
  const ann: Identity = { ...club, address: parseAddress("ann@example.org"), srsDomain: greg.srsDomain };
  const withoutDomain: Identity = { ...club, address: parseAddress("a=b@plain.example"), srsDomain: "" };
  const good = async (all: Identity[], recipient: string, result: Result, reason: string, identity?: Identity) => {
    const { verdict } = await decide(delivery(null, recipient, BOUNCE), { ...context(), identities: all });
    assert.deepEqual([verdict.result, verdict.reason, verdict.identity], [result, reason, identity], recipient);
  };
  for (const all of [[greg, ann, withoutDomain], [withoutDomain, ann, greg]]) {
    for (const one of [greg, ann]) {
      const name = `${one.address.local}@example.org`;
      await good(all, srs(one), "genuine", `valid signed address of ${name}`, one);
      await good(all, srs(one, { now: day(-22) }), "late", `expired signed address of ${name}`, one);
      // The hash is correct for one key, so the other key's "wrong hash" is not reported.
      await good(all, srs(one, { now: day(-180) }), "forged", "SRS address is 180 days old");
    }
    const byOther = srs(greg, { secret: "club" });
    await good(all, byOther, "forged", "SRS address has a wrong hash");
    // An identity without an SRS domain does not turn any domain into one.
    const stranger = "SRS0=abcd=JJ=other.example=bob@";
    await good(all, stranger, "other", "the recipient is not an identity");
  }
  const claims = "SRS0=abcd=JJ=plain.example=a=b@plain.example";
  await good([withoutDomain], claims, "forged", "SRS address of an identity that has no SRS domain");
});

Deno.test(
  "an SRS address in the plain domain may have = in its local part",
  { permissions: "none" },
  async () => {
    const withEquals: Identity = { ...club, address: parseAddress("a=b@club.example") };
    const [local] = srs(withEquals).split("@");
    const { verdict } = await decide(delivery(null, `${local}@club.example`, BOUNCE), {
      ...context(),
      identities: [greg, withEquals],
    });
    assert.deepEqual([verdict.result, verdict.identity], ["genuine", withEquals]);
  },
);

Deno.test("a local error is thrown instead of a verdict, so the message is deferred", async () => {
  // A key that no HMAC accepts represents any local error.
  const keys = greg.keys.map((key) => ({ ...key, secret: Symbol() as unknown as Key["secret"] }));
  const broken = { ...context(), identities: [{ ...greg, keys }] };
  const recipients = {
    srs: srs(greg),
    prvs: prvsSign("greg@example.org", { secret: "greg new", keyNumber: 2, now }),
    plain: "greg@example.org",
  };
  const mail = returning("greg@example.org", "k2", "greg new");
  for (const [what, recipient] of Object.entries(recipients)) {
    await assert.rejects(
      decide(delivery(null, recipient, mail), broken),
      (error) => error instanceof Error && !(error instanceof Fail),
      what,
    );
  }
});

Deno.test("the hash must have hash_length characters, but at most 8 are required", async () => {
  for (const written of [4, 7, 8, 9, 12, 27]) {
    const settings = context(`[srs]\nhash_length = ${written}\n`);
    for (const given of [4, 6, 7, 8, 9, 12, 27]) {
      const address = srs(greg, { hashLength: given });
      const { verdict } = await decide(delivery(null, address, BOUNCE), settings);
      const good = given >= Math.min(written, 8);
      assert.equal(verdict.result, good ? "genuine" : "forged", `${given} of ${written}`);
    }
  }
});

Deno.test("a pattern in also does not match the addresses of another program that signs in the domain", async () => {
  const all: Identity = { ...greg, also: ["*@example.org"] };
  const theirs = ["SRS0=abcd=KA=b.example=jo", "SRS1=abcd=b.example==abcd=KA=c.example=jo"];
  const rows: [local: string, others: string, result: Result][] = [
    ...theirs.flatMap((local): [string, string, Result][] => [[local, "pass", "other"], [local, "forged", "forged"]]),
    ["SRS0=abcd=KA=jo", "pass", "forged"],
    ["SRS0=abcd=KA=example.org=greg", "pass", "forged"],
    ["SRS0=abcd=KA=example.org=anybody", "pass", "forged"],
    ["anybody", "pass", "forged"],
  ];
  for (const [local, others, result] of rows) {
    const judged = { ...context(`[srs]\nothers = "${others}"\n`), identities: [all] };
    const { verdict } = await decide(delivery(null, `${local}@example.org`, BOUNCE), judged);
    assert.equal(verdict.result, result, `${local} ${others}`);
  }
});

Deno.test("both alphabets of the hash are accepted, whichever is written", async () => {
  const url = Array.from({ length: 20 }, (_, nth) => srs(greg, { now: day(-nth) }));
  const base64 = url.map((one) =>
    one.replace(/(?<=^SRS0=)[^=]*/, (hash) => hash.replaceAll("-", "+").replaceAll("_", "/"))
  );
  assert.ok(url.some((one, nth) => one !== base64[nth]));
  for (const alphabet of ["base64", "base64url"]) {
    const settings = context(`[srs]\nalphabet = "${alphabet}"\n`);
    for (const address of [...url, ...base64]) {
      const { verdict } = await decide(delivery(null, address, BOUNCE), settings);
      assert.equal(verdict.result, "genuine", `${alphabet} ${address}`);
    }
  }
});

Deno.test("both forms of prvs are recognized on every day", async () => {
  for (let nth = 0; nth < 250; nth++) {
    const today = { ...context(), now: day(nth) };
    for (const delimiter of ["", "-"]) {
      const signing = { secret: greg.keys[0]!.secret, keyNumber: 2, delimiter, now: day(nth) };
      const address = prvsSign("greg@example.org", signing);
      const { verdict } = await decide(delivery(null, address, BOUNCE), today);
      assert.equal(verdict.result, "genuine", address);
    }
  }
});

Deno.test("a bad time stamp is reported only if the hash is correct", { permissions: "none" }, async () => {
  const today = /^SRS0=[^=]+=(..)=/.exec(srs(greg))![1]!;
  assert.equal(stamped(today), srs(greg));
  const { verdict } = await decide(delivery(null, stamped("11"), BOUNCE), context());
  assert.equal(verdict.reason, "SRS address has a bad time stamp");
});

Deno.test("an invalid signed recipient is forged, whatever the sender", { permissions: "none" }, async () => {
  const bad = { action: "spam", result: "forged", check: "signed-recipient", mark: true } as const;
  const address = srs(greg);
  const [local] = address.split("@") as [string];
  const stranger = srsForward("eve@evil.example", "srs.example.org", {
    secrets: [greg.keys[0]!.secret],
    hashLength: 8,
    alphabet: "base64url",
    now,
  });
  const first = address[5] === "A" ? "B" : "A";
  await table([
    { what: "one changed character", given: delivery(null, address.replace(/^(.{5})./, `$1${first}`), BOUNCE), ...bad },
    { what: "a short hash", given: delivery(null, srs(greg, { hashLength: 4 }), BOUNCE), ...bad },
    { what: "a stranger's key", given: delivery(null, srs(greg, { secret: "mallory" }), BOUNCE), ...bad },
    { what: "the other identity's key", given: delivery(null, srs(greg, { secret: "club" }), BOUNCE), ...bad },
    {
      what: "the other identity's domain",
      given: delivery(null, srs(greg, { alias: "srs.club.example" }), BOUNCE),
      ...bad,
    },
    {
      what: "a stranger's address in a valid signature: no relaying",
      given: delivery("jo@b.example", stranger, LETTER),
      ...bad,
    },
    { what: "180 days", given: delivery(null, srs(greg, { now: day(-180) }), BOUNCE), ...bad },
    {
      what: "SRS1",
      given: delivery(null, `SRS1=aaaaaaaa=first.example==${local.slice(5)}@srs.example.org`, BOUNCE),
      ...bad,
    },
    { what: "no hash", given: delivery(null, "SRS0=@srs.example.org", BOUNCE), ...bad },
    { what: "our hash over an invalid time stamp", given: delivery(null, stamped("11"), BOUNCE), ...bad },
    {
      what: "no hash, in the plain domain",
      given: delivery(null, "SRS0==GA=example.org=greg@example.org", BOUNCE),
      ...bad,
    },
    { what: "our hash over an empty time stamp", given: delivery(null, stamped(""), BOUNCE), ...bad },
    { what: "a person", given: delivery("jo@b.example", address.replace("=JJ=", "=JK="), LETTER), ...bad },
    { what: "prvs, wrong", given: delivery(null, "prvs=2807abcdef=greg@example.org", BOUNCE), ...bad },
    {
      what: "prvs, long expired",
      given: delivery(
        null,
        prvsSign("greg@example.org", { secret: "greg new", keyNumber: 2, now: day(-180) }),
        BOUNCE,
      ),
      ...bad,
    },
    {
      what: "forged = refuse: a hook files it as spam",
      given: delivery(null, "SRS0=a@srs.example.org", BOUNCE),
      context: context('[incoming]\nforged = "refuse"'),
      ...bad,
    },
    {
      what: "forged = mark",
      given: delivery(null, "SRS0=a@srs.example.org", BOUNCE),
      context: context('[incoming]\nforged = "mark"'),
      ...bad,
      action: "deliver",
      result: "suspect",
    },
    {
      what: "during the grace period, which does not apply to signed addresses",
      given: delivery(null, "SRS0=a@srs.example.org", BOUNCE),
      context: context("", "since = 2026-11-19"),
      ...bad,
    },
  ]);
});

Deno.test("a double bounce is delivered with a mark to any recipient", { permissions: "none" }, async () => {
  const address = srs(greg);
  const recipients = [
    "greg@example.org",
    "postmaster@example.org",
    "ann@other.example",
    address,
    address.replace("SRS0=", "SRS0=x"),
    "greg@srs.example.org",
    srs(greg, { now: day(-200) }),
    [],
  ];
  const deliveries = recipients.map((recipient) => [recipient, delivery("#@[]", recipient, BOUNCE)] as const);
  for (const forged of ["spam", "refuse", "mark"]) {
    await table(deliveries.map(([recipient, given]) => ({
      what: `${forged}, to ${recipient}`,
      given,
      context: context(`[incoming]\nforged = "${forged}"`),
      action: "deliver",
      result: "other",
      check: "double-bounce",
      mark: true,
    })));
  }
});

Deno.test("a double bounce in an SRS domain belongs to its postmaster", { permissions: "none" }, async () => {
  const rows: [recipient: string, srs: string, identity: string | undefined][] = [
    ["chair@club.example", "", "chair@club.example"],
    ["x@srs.example.org", "", "greg@example.org"],
    ["x@SRS.example.org", "", "greg@example.org"],
    ["x@srs.example.org", 'postmaster = "chair@club.example"', "chair@club.example"],
    ["ann@other.example", "", undefined],
  ];
  for (const [recipient, setting, wanted] of rows) {
    const more = `[srs]\n${setting}`;
    const given = context(more);
    const settings = {
      ...given.settings,
      identity: [{ ...given.settings.identity[0]!, srs_domain: "srs.example.org" }],
    };
    const { verdict } = await decide(delivery("#@[]", recipient, BOUNCE), { ...given, settings });
    const { address } = verdict.identity ?? {};
    assert.equal(address && `${address.local}@${address.domain}`, wanted, recipient);
  }
});

Deno.test("mail that is not a bounce to an identity is delivered", { permissions: "none" }, async () => {
  const pass = { action: "deliver", result: "other", check: "addressed" } as const;
  await table([
    { what: "a letter", given: delivery("jo@b.example", "greg@example.org", LETTER), ...pass },
    { what: "a bounce with an ordinary sender", given: delivery("jo@b.example", "greg@example.org", BOUNCE), ...pass },
    { what: "a bounce to somebody else", given: delivery(null, "postmaster@example.org", BOUNCE), ...pass },
    {
      what: "a sender that only resembles a daemon",
      given: delivery("no-mailer-daemon@x.example", "greg@example.org", BOUNCE),
      ...pass,
    },
    { what: "an unknown sender", given: delivery(undefined, "greg@example.org", BOUNCE), ...pass },
    { what: "an unreadable sender", given: delivery("s\ufffdr@x.example", "greg@example.org", LETTER), ...pass },
    {
      what: "an unreadable sender that begins like a daemon's",
      given: delivery("mailer-daemon@x\ufffd.example", "greg@example.org", BOUNCE),
      ...pass,
    },
    {
      what: "somebody else's SRS address in transit",
      given: delivery(null, "SRS0=x=y=z=u@srs.other.example", BOUNCE),
      ...pass,
    },
    { what: "prvs of somebody else", given: delivery(null, "prvs=2807abcdef=jo@b.example", BOUNCE), ...pass },
    ...["xprvs=2807abcdef=greg", "greg-prvs=2807abcdef0", "greg9prvs=2807abcdef", "greg5prvs=2807abcdef"].map(
      (local) => ({ what: local, given: delivery(null, `${local}@example.org`, BOUNCE), ...pass }),
    ),
    { what: "no recipient known", given: delivery(null, [], BOUNCE), ...pass },
    {
      what: "a list's SRS address",
      given: delivery(
        "jo@b.example",
        `list-return-1-${srs(greg)}`.replace("srs.example.org", "lists.other.example").replace(
          "example.org=greg",
          "x.example=joe",
        ),
        LETTER,
      ),
      ...pass,
    },
    {
      what: "a recipient that resembles an SRS address",
      given: delivery("jo@b.example", "my-srs1-notes@friend.example", LETTER),
      ...pass,
    },
    {
      what: "another site's SRS address in our domain",
      given: delivery(null, "SRS0=abcd=JJ=other.example=bob@example.org", BOUNCE),
      ...pass,
    },
    {
      what: "prvs with prvs.receive = false",
      given: delivery(null, "prvs=2807abcdef=greg@example.org", BOUNCE),
      context: context("[prvs]\nreceive = false"),
      ...pass,
    },
  ]);
});

Deno.test("a valid returned tag makes a bounce to the plain address genuine", { permissions: "none" }, async () => {
  const good = { action: "deliver", result: "genuine", check: "returned-header" } as const;
  const bad = { action: "spam", result: "forged", check: "forged", mark: true } as const;
  const to = "greg@example.org";
  const valid = returning(to, "k2", "greg new");
  await table([
    { what: "newest key", given: delivery(null, to, valid), ...good },
    { what: "older key", given: delivery(null, to, returning(to, "k1", "greg old")), ...good },
    { what: "upper case recipient", given: delivery(null, "Greg@Example.ORG", valid), ...good },
    { what: "daemon sender", given: delivery("mailer-daemon@mx.example.net", to, valid), ...good },
    {
      what: "a message of the other identity",
      given: delivery(null, to, returning("chair@club.example", "c1", "club")),
      ...good,
    },
    { what: "last day", given: delivery(null, to, returning(to, "k2", "greg new", day(-30))), ...good },
    { what: "expired", given: delivery(null, to, returning(to, "k2", "greg new", day(-31))), ...bad },
    { what: "another Message-ID", given: delivery(null, to, valid.replace("<1@", "<2@")), ...bad },
    { what: "a stranger's key", given: delivery(null, to, returning(to, "k2", "mallory")), ...bad },
    { what: "no such key", given: delivery(null, to, returning(to, "k9", "greg new")), ...bad },
    {
      what: "another address with greg's key",
      given: delivery(null, to, returning("chair@club.example", "k2", "greg new")),
      ...bad,
    },
    {
      what: "the tag in the outer header",
      given: delivery(null, to, `X-Msgauth: ${/v1\.\S+/.exec(valid)![0]}\nMessage-ID: <1@example.org>\n${BOUNCE}`),
      ...bad,
    },
    { what: "nothing returned", given: delivery(null, to, BOUNCE), ...bad },
  ]);
});

Deno.test("the step of the returned header reports what was found", { permissions: "none" }, async () => {
  const to = "greg@example.org";
  const other = "chair@club.example";
  const valid = returning(to, "k2", "greg new");
  const expired = returning(to, "k2", "greg new", day(-31));
  const rows: [mail: string, found: string][] = [
    [BOUNCE, "it does not return a tag"],
    [valid, "returns a message from greg@example.org (tag found in bytes)"],
    [returning(other, "c1", "club"), `returns a message from ${other} (tag found in bytes)`],
    [valid.replace("<1@", "<2@"), "the returned tag is not valid for the returned message"],
    [expired, "the returned tag has expired"],
    [returning(other, "c1", "club", day(-31)), "the returned tag has expired"],
    // The first valid tag counts, whatever precedes it.
    [
      `${expired}\n${valid.slice(valid.indexOf("Message-ID"))}`,
      "returns a message from greg@example.org (tag found in bytes)",
    ],
    [`${expired}\n${valid.slice(valid.indexOf("Message-ID")).replace("<1@", "<2@")}`, "the returned tag has expired"],
  ];
  for (const [mail, found] of rows) {
    const { steps } = await decide(delivery(null, to, mail), context());
    assert.equal(steps.find(({ check }) => check === "returned-header")?.found, found, mail);
  }
});

Deno.test("returnedIds finds a Message-ID in the body", { permissions: "none" }, () => {
  const good = (body: string, expected: string | undefined) =>
    assert.equal(returnedIds(delivery(null, "greg@example.org", `Message-ID: <0@x>\n\n${body}`))[0], expected, body);
  for (const front of ["", "> ", "| ", " ".repeat(16), "text\n"]) {
    for (const name of ["Message-ID", "message-id"]) {
      for (const space of ["", " ", "\n "]) good(`${front}${name}:${space}<1@example.org>\n`, "1@example.org");
    }
  }
  good("Message-ID: <1@a>\nMessage-ID: <2@a>\n", "1@a");
  good("X-Message-ID: <1@a>\nMessage-ID: <2@a>\n", "2@a");
  good("References: <1@a> <2@a>\nX-Message-ID: <3@a>\n\nMessage-ID: <4@a>\n", "4@a");
  good("References: <1@a> <2@a>\n", "2@a");
  good("Message-ID: 1@a\n", "1@a");
  good("Message-ID: <a b>\n", "ab");
  good(`${" ".repeat(17)}Message-ID: <1@a>`, "1@a");
  for (const none of ["", "Message-ID: <>\n", "Message-ID:\nSubject: <1@a>\n", "My-Message-IDs: <1@a>\n"]) {
    good(none, undefined);
  }
});

Deno.test("a bounce forwarded with another hook's proof is genuine", { permissions: "none" }, async () => {
  const head = (mail: string) => parseHead(new TextEncoder().encode(mail), true)!.header;
  const proof = (identity: Identity, mail = BOUNCE, when = now) =>
    `X-Countersign: ${makeProof(identity, head(mail), when)}\n${BOUNCE}`;
  const good = { action: "deliver", result: "genuine", check: "proof" } as const;
  const bad = { action: "spam", result: "forged", check: "forged", mark: true } as const;
  const to = "greg@example.org";
  await table([
    { what: "valid", given: delivery(null, to, proof(greg)), ...good },
    { what: "last day", given: delivery(null, to, proof(greg, BOUNCE, day(-10))), ...good },
    { what: "expired", given: delivery(null, to, proof(greg, BOUNCE, day(-11))), ...bad },
    { what: "for the other identity", given: delivery(null, to, proof(club)), ...bad },
    {
      what: "for another bounce",
      given: delivery(null, to, proof(greg, BOUNCE.replace("failure", "Failure"))),
      ...bad,
    },
    {
      what: "a result field in words",
      given: delivery(null, to, `X-Countersign: genuine; check=proof\n${BOUNCE}`),
      ...bad,
    },
  ]);
  assert.ok(field("X-Countersign", makeProof(greg, head(BOUNCE), now)!).raw.length < 78);
});

Deno.test("unproven mail from the null sender is marked if it is not a bounce, otherwise treated as configured", {
  permissions: "none",
}, async () => {
  const to = "greg@example.org";
  const bad = { result: "forged", check: "forged", mark: true } as const;
  const given = delivery(null, to, BOUNCE);
  await table([
    {
      what: "read receipt",
      given: delivery(null, to, RECEIPT),
      action: "deliver",
      result: "unsolicited",
      check: "forged",
      mark: true,
      reason: "from the null sender, but not a bounce",
    },
    {
      what: "by default",
      given,
      ...bad,
      action: "spam",
      reason: "a bounce (QSBMF) that does not match any message you sent",
    },
    { what: "refuse", given, context: context('[incoming]\nforged = "refuse"'), ...bad, action: "spam" },
    {
      what: "mark",
      given,
      context: context('[incoming]\nforged = "mark"'),
      ...bad,
      action: "deliver",
      result: "suspect",
    },
    {
      what: "grace, first day",
      given,
      context: context("[incoming]\ngrace = 3", "since = 2026-11-20"),
      ...bad,
      action: "deliver",
      result: "suspect",
      reason: "a bounce (QSBMF) that does not match any message you sent; only marked during the first 3 days",
    },
    {
      what: "grace, last day",
      given,
      context: context("", "since = 2026-11-07"),
      ...bad,
      action: "deliver",
      result: "suspect",
    },
    {
      what: "since is tomorrow: a time zone that is a day ahead",
      given,
      context: context("", "since = 2026-11-21"),
      ...bad,
      action: "deliver",
      result: "suspect",
    },
    { what: "since is in the future", given, context: context("", "since = 2026-11-22"), ...bad, action: "spam" },
    { what: "since is years in the future", given, context: context("", "since = 2062-11-20"), ...bad, action: "spam" },
    { what: "grace is over", given, context: context("", "since = 2026-11-06"), ...bad, action: "spam" },
    {
      what: "no grace",
      given,
      context: context("[incoming]\ngrace = 0", "since = 2026-11-20"),
      ...bad,
      action: "spam",
    },
  ]);
});

Deno.test("the checks run in their order, and each reports what it found", { permissions: "none" }, async () => {
  const { verdict, steps } = await decide(delivery(null, "greg@example.org", BOUNCE), context());
  const order = [
    "double-bounce",
    "challenge",
    "signed-recipient",
    "addressed",
    "proof",
    "returned-header",
    "reply",
    "forged",
  ];
  assert.deepEqual(steps.map(({ check }) => check), order);
  for (const { check, found } of steps) assert.match(found, /^\w.*\w$/, check);
  assert.equal(steps.at(-1)!.found, verdict.reason);
});

Deno.test("an unreadable key file is an error, not a verdict", { permissions: "none" }, async () => {
  const locked: Identity = {
    ...greg,
    get keys(): never {
      throw new Fail("permission", "Key file /home/greg/keys has mode 0644");
    },
  };
  const recipients = [
    srs(greg),
    srs(greg, { secret: "club" }),
    prvsSign("greg@example.org", { secret: greg.keys[0]!.secret, keyNumber: 2, now }),
    "greg@example.org",
  ];
  const mail = returning("greg@example.org", "k2", "greg new");
  for (const recipient of recipients) {
    const judged = decide(delivery(null, recipient, mail), { ...context(), identities: [locked] });
    await assert.rejects(judged, { kind: "permission" }, recipient);
  }
});

Deno.test("a key verifies for 900 days", { permissions: "none" }, async () => {
  const old: Identity = { ...greg, keys: [greg.keys[0]!, { ...greg.keys[1]!, created: created + 100 - 900 }] };
  const given = delivery(null, srs(greg, { secret: "greg old" }), BOUNCE);
  assert.equal((await decide(given, { ...context(), identities: [old] })).verdict.result, "forged");
  const younger: Identity = { ...greg, keys: [greg.keys[0]!, { ...greg.keys[1]!, created: created + 100 - 899 }] };
  assert.equal((await decide(given, { ...context(), identities: [younger] })).verdict.result, "genuine");
});

Deno.test("an address that has expired names the one to write to, if its signature is correct", async () => {
  const prvs = (days: number) =>
    prvsSign("greg@example.org", { secret: greg.keys[0]!.secret, keyNumber: 2, lifetime: 14, now: day(-days) });
  const rows: [string, string | undefined][] = [
    [srs(greg), undefined],
    [srs(greg, { now: day(-22) }), "greg@example.org"],
    [srs(greg, { now: day(-180) }), "greg@example.org"],
    [srs(greg, { now: day(-22), secret: "mallory" }), undefined],
    [prvs(14), undefined],
    [prvs(15), "greg@example.org"],
    [prvs(180), "greg@example.org"],
    [prvs(15).replace(/......=greg/, "000000=greg"), undefined],
    ["info@srs.example.org", undefined],
  ];
  for (const [recipient, expired] of rows) {
    for (const sender of [null, "jo@b.example"]) {
      const { verdict } = await decide(delivery(sender, recipient, LETTER), context());
      assert.equal(verdict.expired, expired, recipient);
    }
  }
});
