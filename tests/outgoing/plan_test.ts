import assert from "node:assert/strict";
import { type Address, formatAddress, parseAddress, parseAddressList } from "../../lib/address.ts";
import { concat, decodeLatin1, encodeLatin1, utf8, utf8ToLatin1 } from "../../lib/bytes.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { parseKeys, secretsByDigit } from "../../lib/settings/keys.ts";
import { field, type Header, parseHead, printHead, value, values } from "../../lib/message.ts";
import { findOriginals } from "../../incoming/originals.ts";
import { prvsVerify } from "../../lib/prvs.ts";
import { srsReverse } from "../../lib/srs.ts";
import { TAG_FIELD, verifyTag } from "../../lib/tag.ts";
import type { OutgoingRequest } from "../../outgoing/request.ts";
import { type Plan, plan, type PlanContext } from "../../outgoing/plan.ts";
import { dayOf, rfc5322Date } from "../../lib/date.ts";
import { SECRET } from "../rig.ts";
import { randomBytes } from "../random.ts";

const NOW = new Date("2026-11-20T05:32:58Z");

/** Runs a test without any permission: planning reads and writes nothing. */
function test(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name, permissions: "none", fn: async () => await fn() });
}

function identity(address: string, srsDomain: string, keys: string): Identity {
  return { address: parseAddress(address), srsDomain, keys: parseKeys(keys, "keys") };
}
const GREG = identity("greg@example.org", "srs.example.org", `k1 2026-11-01 ${SECRET}`);
const JOE = identity("joe@example.net", "srs.example.net", `j7 2026-11-02 another ${SECRET}`);

/** Settings as parsed from a file; identities are separate. */
function context(more = "", identities = [GREG, JOE]): PlanContext {
  const text = `${more}\n[[identity]]\naddress = "greg@example.org"\n[transport]\npreset = "sendmail"\n`;
  return {
    settings: parseConfig(text, { file: "/etc/config.toml", home: "/" }),
    identities,
    now: NOW,
    random: randomBytes(),
  };
}

const header = (text: string): Header => parseHead(encodeLatin1(text.replace(/\n*$/, "\n\n")), true)!.header;
const COMPLETE = `From: Greg <greg@example.org>
To: ann@example.com
Date: Fri, 20 Nov 2026 05:32:58 +0000
Message-ID: <1@example.org>
Subject: hello`;

interface RequestOptions extends Partial<Omit<OutgoingRequest, "recipients" | "sender">> {
  to?: string;
  f?: string | null;
}
function run(text = COMPLETE, { to = "ann@example.com", f, ...more }: RequestOptions = {}, given = context()): Plan {
  const bare = (list: string) => parseAddressList(list, { bare: true }).map(({ address }) => address!);
  const call: OutgoingRequest = {
    sender: f ? bare(f)[0]! : f as null | undefined,
    fullName: "",
    recipientsFrom: "arguments",
    recipients: bare(to),
    dsn: {},
    ...more,
  };
  return plan(call, header(text), given);
}

/** The address in an SRS sender, verified with the keys of this identity. */
const originalSender = (sender: Address | null | undefined, by: Identity) =>
  srsReverse(formatAddress(sender!), {
    secrets: by.keys.map((key) => key.secret),
    hashLength: 8,
    alphabet: "base64url",
    now: NOW,
  });

/** Checks that the message has exactly one tag, valid for this identity and the Message-ID. */
function verifyOwn(planned: Plan, by: Identity): void {
  const tags = values(planned.header, TAG_FIELD);
  assert.equal(tags.length, 1);
  const secrets = Object.fromEntries(by.keys.map((key) => [key.id, key.secret]));
  verifyTag(tags[0]!, formatAddress(by.address), value(planned.header, "Message-ID")!, { secrets, now: NOW });
}

const raws = (list: Header) => list.map((one) => one.raw);
const recipientsOf = (planned: Plan) => planned.envelope.recipients.map(formatAddress);

test("The user's mail gets an SRS sender and a tag and is otherwise unchanged", () => {
  for (const f of [undefined, "greg@example.org", "Greg@Example.ORG"]) {
    const planned = run(COMPLETE, f === undefined ? {} : { f });
    assert.equal(planned.scheme, "srs");
    assert.equal(planned.identity, GREG);
    assert.deepEqual(planned.notes, []);
    assert.equal(planned.envelope.sender!.domain, "srs.example.org");
    assert.equal(originalSender(planned.envelope.sender, GREG), "greg@example.org");
    verifyOwn(planned, GREG);
    const at = planned.header.findIndex(({ name }) => name === TAG_FIELD);
    assert.equal(planned.header[at - 1]!.name, "Message-ID", "the tag is directly below the Message-ID");
    assert.deepEqual(raws(planned.header.toSpliced(at, 1)), raws(header(COMPLETE)));
    assert.deepEqual(recipientsOf(planned), ["ann@example.com"]);
  }
});

test("The settings determine the form of the SRS address", () => {
  const { envelope } = run(
    COMPLETE,
    {},
    context('srs = { hash_length = 12, separator = "+", alphabet = "base64" }'),
  );
  assert.match(envelope.sender!.local, /^SRS0\+[A-Za-z0-9+/]{12}=[A-Z2-7]{2}=example\.org=greg$/);
});

test("With tag.sign = false the sender is signed and the header is unchanged", () => {
  const planned = run(COMPLETE, {}, context("[tag]\nsign = false"));
  assert.equal(planned.scheme, "srs");
  assert.deepEqual(planned.header, header(COMPLETE));
});

test("Mail of others passes through with the given sender and without a tag", () => {
  const foreign = (text: string, options: RequestOptions = {}, given = context()) => {
    const planned = run(text, options, given);
    assert.equal(planned.scheme, "none", text);
    assert.equal(planned.identity, undefined);
    const expected = options.f ? options.f : options.f === null ? null : undefined;
    const { sender } = planned.envelope;
    assert.equal(sender ? formatAddress(sender) : sender, expected, text);
    assert.deepEqual(raws(planned.header), raws(header(text)), text);
  };
  const from = (list: string) => COMPLETE.replace("Greg <greg@example.org>", list);
  for (const name of ["Received", "Delivered-To", "Resent-To", "Resent-Date", "RESENT-Sender", "received"]) {
    for (const f of [undefined, "greg@example.org"]) {
      foreign(`${name}: greg@example.org\n${COMPLETE}`, f === undefined ? {} : { f });
      foreign(`${COMPLETE}\n${name}: greg@example.org`, f === undefined ? {} : { f });
    }
  }
  for (
    const list of [
      "ann@example.com",
      "Greg <ann@example.com>",
      '"greg@example.org" <ann@example.com>',
      "ann@example.com (greg@example.org)",
      "greg@example.org, ann@example.com",
      "ann@example.com, greg@example.org",
      "greg@example.org.evil.example",
      "x-greg@example.org",
      "greg@example.net",
      "greg",
      "<>",
      "Us: ;",
      "greg@example.org <ann@example.com>",
      "greg@example.org greg@example.org",
      "greg@example.org\0",
      "greg\xff@example.org",
    ]
  ) foreign(from(list));
  foreign(`${COMPLETE}\nFrom: ann@example.com`);
  for (const f of ["ann@example.com", "greg@example.com", "root", "x@srs.example.org"]) foreign(COMPLETE, { f });
  foreign(COMPLETE, { f: "SRS0=abcdefgh=G3=example.com=ann@srs.example.org" });
  foreign(COMPLETE, {}, context("", [JOE]));
  // A tag in other people's mail is not removed.
  foreign(`${TAG_FIELD}: v1.k1.20800.aaaaaaaa.${"a".repeat(26)}\nReceived: x\n${COMPLETE}`);
});

test("The null sender is never replaced", () => {
  for (const text of [COMPLETE, COMPLETE.replace("greg@example.org", "ann@example.com")]) {
    const planned = run(text, { f: null });
    assert.equal(planned.envelope.sender, null);
    assert.equal(planned.scheme, "none");
    assert.deepEqual(values(planned.header, TAG_FIELD), []);
  }
});

test("Each identity signs with its own key only", () => {
  const text = COMPLETE.replace("Greg <greg@example.org>", "Joe <joe@example.net>");
  const joe = run(text);
  assert.equal(joe.identity, JOE);
  assert.equal(originalSender(joe.envelope.sender, JOE), "joe@example.net");
  assert.throws(() => originalSender(joe.envelope.sender, GREG), { kind: "hash-invalid" });
  verifyOwn(joe, JOE);
  assert.throws(() => verifyOwn(joe, GREG), { kind: "no-secret" });

  // From one identity with -f of the other: tag and sender are made with their own keys.
  const both = run(text, { f: "greg@example.org" });
  assert.equal(both.identity, JOE);
  assert.equal(originalSender(both.envelope.sender, GREG), "greg@example.org");
  assert.throws(() => originalSender(both.envelope.sender, JOE), { kind: "hash-invalid" });
  verifyOwn(both, JOE);
  assert.throws(() => verifyOwn(both, GREG), { kind: "no-secret" });
  assert.ok(!formatAddress(both.envelope.sender!).includes("joe"));
});

test("With two identities in From the first one signs", () => {
  const order = { "greg@example.org, joe@example.net": GREG, "joe@example.net, greg@example.org": JOE };
  for (const [from, first] of Object.entries(order)) {
    const planned = run(COMPLETE.replace("Greg <greg@example.org>", from));
    assert.equal(planned.identity, first, from);
    assert.equal(originalSender(planned.envelope.sender, first), formatAddress(first.address));
    verifyOwn(planned, first);
  }
});

test("A From without a domain is read with the configured domain", () => {
  const text = COMPLETE.replace("Greg <greg@example.org>", "greg (Cron Daemon)");
  assert.equal(run(text).scheme, "none");
  const planned = run(text, {}, context('domain = "example.org"'));
  assert.equal(planned.identity, GREG);
  verifyOwn(planned, GREG);
  const sender = run(COMPLETE, { f: "greg" }, context('domain = "example.org"'));
  assert.equal(originalSender(sender.envelope.sender, GREG), "greg@example.org");
});

test("The newest key signs", () => {
  const old = identity("greg@example.org", "srs.example.org", `k1 2020-01-01 old ${SECRET}\nk2 2026-11-01 ${SECRET}`);
  const planned = run(COMPLETE, {}, context("", [old]));
  assert.match(value(planned.header, TAG_FIELD)!, /^v1\.k2\./);
  assert.deepEqual([planned.error, planned.warning], [undefined, undefined]);
});

/** GREG with keys of these ages in days and these secrets. */
const aged = (...keys: [days: number, secret: string][]): Identity => ({
  ...GREG,
  keys: keys.map(([days, secret], nth) => ({ id: `k${nth}`, created: dayOf(NOW) - days, secret: utf8(secret) })),
});

test("A key signs for 720 days, with a warning from day 690", () => {
  const rows: [number, string | undefined][] = [
    [-1, undefined],
    [0, undefined],
    [689, undefined],
    [690, "greg@example.org: key k0 stops signing on 2026-12-20"],
    [719, "greg@example.org: key k0 stops signing on 2026-11-21"],
  ];
  for (const [days, warning] of rows) {
    const planned = run(COMPLETE, {}, context("", [aged([days, SECRET])]));
    assert.deepEqual([planned.scheme, planned.error, planned.warning], ["srs", undefined, warning], `${days}`);
    verifyOwn(planned, aged([days, SECRET]));
  }
});

test("Without a key that can sign, mail is sent and remembered as unsigned, and an error is reported", () => {
  const why = (what: string) => `No key of greg@example.org can sign: ${what}`;
  const old = why("it is older than 720 days");
  const future = why("it is dated in the future");
  const short = why("its secret has fewer than 16 bytes");
  const rows: [string, [number, string][]][] = [
    [old, [[720, SECRET]]],
    [old, [[721, SECRET]]],
    [old, [[899, SECRET]]],
    [old, [[901, SECRET]]],
    [future, [[-2, SECRET]]],
    [future, [[-300, SECRET], [901, SECRET]]],
    [short, [[10, "fifteen octets!"]]],
    [short, [[10, "short"], [721, SECRET]]],
  ];
  for (const [error, keys] of rows) {
    const sender = aged(...keys);
    for (const more of ["", RECEIVE, 'sender = "prvs"\n' + RECEIVE]) {
      const planned = run(COMPLETE, { f: "greg@example.org" }, context(more, [sender]));
      assert.deepEqual([planned.scheme, planned.error], ["plain", error]);
      assert.deepEqual(planned.envelope.sender, sender.address);
      assert.deepEqual(planned.header, header(COMPLETE));
      assert.deepEqual(planned.sent, { identities: [sender], messageId: " <1@example.org>", signed: false });
    }
  }
  // The newest key is too short, so the older one signs.
  const planned = run(COMPLETE, {}, context("", [aged([1, "short"], [10, SECRET])]));
  assert.match(value(planned.header, TAG_FIELD)!, /^v1\.k1\./);
  assert.equal(originalSender(planned.envelope.sender, aged([10, SECRET])), "greg@example.org");
});

test("Missing From, Date and Message-ID fields are added, and the tag is valid for them", () => {
  for (const missing of ["From", "Date", "Message-ID"]) {
    const text = COMPLETE.split("\n").filter((line) => !line.startsWith(`${missing}:`)).join("\n");
    const planned = run(text, { f: "greg@example.org", fullName: "Greg Ü." });
    assert.equal(planned.identity, GREG, missing);
    assert.equal(values(planned.header, missing).length, 1);
    verifyOwn(planned, GREG);
    // An empty field counts as a missing one.
    for (const empty of ["", " ", "\n\t", "\r"]) {
      const filled = run(`${missing}:${empty}\n${text}`, { f: "greg@example.org", fullName: "Greg Ü." });
      assert.deepEqual([filled.identity, filled.header.length], [GREG, planned.header.length], missing);
      assert.notEqual(value(filled.header, missing), "");
      verifyOwn(filled, GREG);
    }
  }
  const bare = run("Subject: hello", { fullName: "Greg Ü." });
  assert.equal(value(bare.header, "From"), '"Greg Ü." <greg@example.org>');
  assert.equal(value(bare.header, "Date"), rfc5322Date(NOW));
  assert.match(value(bare.header, "Message-ID")!, /^<[a-z2-7]{24}@example\.org>$/);
  verifyOwn(bare, GREG);
  const again = run("Subject: hello");
  assert.notEqual(value(again.header, "Message-ID"), value(bare.header, "Message-ID"));
});

test("A missing From becomes the envelope sender, whoever that is", () => {
  const joe = run("Subject: hello", { f: "joe@example.net" });
  assert.equal(value(joe.header, "From"), "joe@example.net");
  assert.equal(joe.identity, JOE);
  const foreign = run("Subject: hello", { f: "ann@example.com" });
  assert.equal(value(foreign.header, "From"), "ann@example.com");
  assert.equal(foreign.scheme, "none");
});

test("rfc5322Date has the form of RFC 5322", () => {
  const day = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
  const month = "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
  for (const text of ["2026-11-20T05:32:58Z", "2026-01-02T23:59:59Z", "2024-02-29T00:00:00Z"]) {
    const written = rfc5322Date(new Date(text));
    assert.match(written, new RegExp(`^${day}, [1-9]\\d? ${month} \\d{4} \\d\\d:\\d\\d:\\d\\d [+-]\\d{4}$`));
    assert.equal(new Date(written).getTime(), new Date(text).getTime());
  }
});

const RULES = `
[[rule]]
to = ["plain@*", "*@plain.example"]
sender = "plain"
[[rule]]
to = ["prvs@*"]
sender = "prvs"
[[rule]]
to = ["plain@example.com"]
sender = "srs"
`;
const RECEIVE = "prvs.receive = true\n";

test("The first matching rule decides", () => {
  const good = (to: string, scheme: string, sender: RegExp) => {
    const planned = run(COMPLETE, { to }, context(RECEIVE + RULES));
    assert.equal(planned.scheme, scheme, to);
    assert.match(formatAddress(planned.envelope.sender!), sender);
    assert.deepEqual(planned.notes, []);
    verifyOwn(planned, GREG);
  };
  good("ann@example.com", "srs", /^SRS0=.*@srs\.example\.org$/);
  good("plain@example.com", "plain", /^greg@example\.org$/);
  good("PLAIN@example.com", "plain", /^greg@example\.org$/);
  good("prvs@plain.example", "plain", /^greg@example\.org$/);
  good("prvs@example.com", "prvs", /^prvs=1\d{3}[0-9a-f]{6}=greg@example\.org$/);
  good("dev-subscribe@lists.example", "plain", /^greg@example\.org$/);
});

test("Recipients with the same scheme get it, whatever mixed says", () => {
  for (const mixed of ["plain", "srs"]) {
    for (const [name, scheme] of [["plain", "plain"], ["prvs", "prvs"], ["ann", "srs"]] as const) {
      const to = `${name}@example.com, ${name}@EXAMPLE.com`;
      const planned = run(COMPLETE, { to }, context(`mixed = "${mixed}"\n${RECEIVE}${RULES}`));
      assert.deepEqual([planned.scheme, planned.notes], [scheme, []], `${to} ${mixed}`);
    }
  }
});

test("Recipients with different schemes get the sender that mixed selects, with a note", () => {
  const cases: [to: string, schemes: string, plain: string, srs: string][] = [
    ["ann@example.com, plain@example.com", "plain, srs", "plain", "srs"],
    ["ann@example.com, prvs@example.com", "prvs, srs", "prvs", "srs"],
    ["prvs@example.com, plain@example.com", "plain, prvs", "plain", "prvs"],
    ["prvs@example.com, plain@example.com, ann@example.com", "plain, prvs, srs", "plain", "srs"],
  ];
  for (const [to, schemes, ...expected] of cases) {
    for (const [at, mixed] of ["plain", "srs"].entries()) {
      const planned = run(COMPLETE, { to }, context(`mixed = "${mixed}"\n${RECEIVE}${RULES}`));
      assert.equal(planned.scheme, expected[at], `${to} ${mixed}`);
      assert.deepEqual(planned.notes, [`recipients match different schemes (${schemes}): ${expected[at]}`]);
    }
  }
});

test("A prvs sender verifies, and is used only with prvs.receive", () => {
  const prvs = 'sender = "prvs"\n';
  for (const delimiter of ["", "-", "+"]) {
    const settings = `${prvs}prvs = { receive = true, delimiter = "${delimiter}", lifetime = 9 }\n`;
    const { envelope, scheme } = run(COMPLETE, { f: "joe@example.net" }, context(settings));
    assert.equal(scheme, "prvs");
    const options = { secrets: secretsByDigit(JOE.keys), lifetime: 9, now: NOW };
    assert.equal(prvsVerify(formatAddress(envelope.sender!), options), "joe@example.net");
    const start = delimiter === "" ? "prvs=7" : `joe${delimiter}prvs=7`;
    assert.ok(envelope.sender!.local.startsWith(start), envelope.sender!.local);
  }
  const planned = run(COMPLETE, {}, context(prvs));
  assert.equal(planned.scheme, "plain");
  assert.deepEqual(planned.envelope.sender, GREG.address);
  assert.deepEqual(planned.notes, ["prvs.receive is off"]);
  verifyOwn(planned, GREG);
});

test("Without an SRS domain prvs or the plain address is used, with a note", () => {
  const withoutDomain = identity("greg@example.org", "", `k1 2026-11-01 ${SECRET}`);
  const plain = run(COMPLETE, {}, context("", [withoutDomain]));
  assert.equal(plain.scheme, "plain");
  assert.deepEqual(plain.envelope.sender, withoutDomain.address);
  assert.deepEqual(plain.notes, ["greg@example.org has no srs_domain", "prvs.receive is off"]);
  const prvs = run(COMPLETE, {}, context(RECEIVE, [withoutDomain]));
  assert.equal(prvs.scheme, "prvs");
  assert.deepEqual(prvs.notes, ["greg@example.org has no srs_domain"]);
});

test("If the local part would exceed 64 octets, prvs or the plain address is used, with a note", () => {
  const long = (count: number, domain = "example.org", letter = "x") =>
    identity(`${letter.repeat(count)}@${domain}`, "srs.example.org", `k1 2026-11-01 ${SECRET}`);
  const planFor = (sender: Identity, more = "") =>
    run(utf8ToLatin1(COMPLETE.replace("greg@example.org", formatAddress(sender.address))), {}, context(more, [sender]));
  const overhead = run().envelope.sender!.local.length - "greg".length;
  const longest = 64 - overhead;

  const fits = planFor(long(longest));
  assert.equal(fits.scheme, "srs");
  assert.equal(fits.envelope.sender!.local.length, 64);
  const over = planFor(long(longest + 1));
  assert.equal(over.scheme, "plain");
  assert.deepEqual(over.envelope.sender, long(longest + 1).address);
  assert.deepEqual(over.notes, ["srs local part would have 65 octets", "prvs.receive is off"]);
  verifyOwn(over, long(longest + 1));

  const prvs = planFor(long(longest + 1), RECEIVE);
  assert.equal(prvs.scheme, "prvs");
  assert.deepEqual(prvs.notes, ["srs local part would have 65 octets"]);
  const neither = planFor(long(60), RECEIVE);
  assert.equal(neither.scheme, "plain");
  assert.equal(neither.notes.length, 2);
  // Octets are counted, not characters.
  const umlauts = planFor(long(longest - 2, "example.org", "ü"));
  assert.equal(umlauts.scheme, "plain");
  assert.equal(umlauts.notes[0], `srs local part would have ${overhead + 2 * (longest - 2)} octets`);
});

test("A quoted local part is not signed", () => {
  // SRS0=…="a b"@srs.example.org is not an address (RFC 5321 section 4.1.2).
  const quoted = identity('"a b"@example.org', "srs.example.org", `k1 2026-11-01 ${SECRET}`);
  const planned = run(COMPLETE.replace("greg@example.org", '"a b"@example.org'), {}, context(RECEIVE, [quoted]));
  assert.equal(planned.scheme, "plain");
  assert.deepEqual(planned.envelope.sender, quoted.address);
  const why = (scheme: string) => `"a b"@example.org has a quoted local part, which ${scheme} cannot contain`;
  assert.deepEqual(planned.notes, [why("srs"), why("prvs")]);
  verifyOwn(planned, quoted);
});

test("Bcc, Resent-Bcc and Return-Path are always removed", () => {
  const hidden =
    "Bcc: b@example.com\nBCC: c@example.com,\n d@example.com\nresent-bcc: e@example.com\nReturn-Path: <x@y>\n";
  for (const recipientsFrom of ["arguments", "header", "both"] as const) {
    for (const more of ["", "Received: x\n", "Resent-To: f@example.com\n"]) {
      const planned = run(hidden + more + COMPLETE, { recipientsFrom });
      const text = decodeLatin1(printHead(planned.header));
      assert.doesNotMatch(text, /bcc|return-path|[bcde]@example\.com/i, text);
      assert.match(text, /^Subject: hello$/m);
    }
  }
});

test("Earlier tags are removed", () => {
  const former = `${TAG_FIELD}: v1.k1.20800.aaaaaaaa.${"a".repeat(26)}\nx-msgauth: junk\n folded\n`;
  const planned = run(`${former}${COMPLETE}\nX-MSGAUTH: again`);
  verifyOwn(planned, GREG);
  assert.doesNotMatch(decodeLatin1(printHead(planned.header)), /junk|folded|again/);
});

test("There must be exactly one valid Message-ID", () => {
  const bad = (id: string) =>
    assert.throws(() => run(COMPLETE.replace("<1@example.org>", id)), { kind: "data", message: /Message-ID/ }, id);
  bad("<1@example.org>\nMessage-ID: <2@example.org>");
  bad("<1@example.org>\nMESSAGE-id: <1@example.org>");
  bad("<1\0@example.org>");
  bad("<1\r@example.org>");
  bad("<1\u001b[2J@example.org>");
  verifyOwn(run(COMPLETE.replace("<1@example.org>", "\n\t<1@example.org>")), GREG);
});

test("The planned tag is found in a bounce", async () => {
  for (const id of ["<1@example.org>", "\n <1@example.org>", "<1@bücher.example>", "<a$b%c=d@example.org> (comment)"]) {
    const planned = run(utf8ToLatin1(COMPLETE.replace("<1@example.org>", id)));
    const front = "From: MAILER-DAEMON@example.com\n\n";
    const bounce = concat(utf8(`${front}It did not go.\n\n`), printHead(planned.header), utf8("body\n"));
    const [found] = await Array.fromAsync(findOriginals(bounce, front.length));
    const secrets = { k1: GREG.keys[0]!.secret };
    verifyTag(found!.tag, "greg@example.org", found!.messageId, { secrets, now: NOW });
  }
});

test("Recipients are taken from the arguments, the header or both", () => {
  const fields =
    "To: Ann <ann@example.com>, Team: bob@example.com;\nCc: cid@example.com\nBcc: dan@example.com,\n eva@example.com\n";
  const text = fields + COMPLETE.replace(/^To:.*\n/m, "");
  const good = (options: RequestOptions, ...expected: string[]) =>
    assert.deepEqual(recipientsOf(run(text, options)), expected);
  const all = ["ann", "bob", "cid", "dan", "eva"].map((name) => `${name}@example.com`);
  good({ to: "x@example.com" }, "x@example.com");
  good({ to: "", recipientsFrom: "header" }, ...all);
  good({ to: "x@example.com", recipientsFrom: "both" }, "x@example.com", ...all);
  good({ to: "", recipientsFrom: "both" }, ...all);
});

test("A resent message is sent to the recipients in its Resent- fields only", () => {
  const good = (fields: string, ...expected: string[]) => {
    const planned = run(fields + COMPLETE, { to: "", recipientsFrom: "header" });
    assert.deepEqual(recipientsOf(planned), expected, fields);
  };
  good("Resent-To: b@example.com\n", "b@example.com");
  good("Resent-Bcc: b@example.com\nBcc: c@example.com\n", "b@example.com");
  good(
    "Resent-To: b@example.com\nResent-Cc: c@example.com\nResent-To: d@example.com\n",
    "b@example.com",
    "d@example.com",
    "c@example.com",
  );
  // Resent-From alone does not name a recipient.
  good("Resent-From: greg@example.org\n", "ann@example.com");
});

test("Duplicate recipients are removed", () => {
  const to = "ann@example.com, bob@example.com, ann@EXAMPLE.com, Ann@example.com, bob@example.com";
  const planned = run(COMPLETE, { to, recipientsFrom: "both" });
  const seen = recipientsOf(planned).map((one) => one.replace(/@.*/, (domain) => domain.toLowerCase()));
  // Only the recipient's host may interpret the local part (RFC 5321 section 2.4).
  assert.deepEqual(seen, ["ann@example.com", "bob@example.com", "Ann@example.com"]);
});

test("A message without recipients is a usage error", () => {
  const bad = (text: string, options: RequestOptions) =>
    assert.throws(() => run(text, { to: "", ...options }), { kind: "usage", message: "No recipients given" });
  bad(COMPLETE, {});
  bad("Subject: x", { recipientsFrom: "header" });
  // An empty field names nobody; the original recipients must not get a message that is re-sent to nobody.
  bad("To:\nCc: \nBcc:\n", { recipientsFrom: "header" });
  for (const name of ["Resent-To", "Resent-Cc", "Resent-Bcc"]) {
    bad(`${name}:\n${COMPLETE}`, { recipientsFrom: "header" });
  }
  bad("To: undisclosed-recipients:;", { recipientsFrom: "both" });
  bad("To: <>", { recipientsFrom: "header" });
  bad("Resent-To: Nobody:;\nTo: ann@example.com", { recipientsFrom: "header" });
});

test("A recipient field that cannot be parsed is an error if its recipients are needed", () => {
  for (const to of ["a@b@c", "ann@example.com bob@example.com", "ann@example.com <x", "a\0@b", "a\r@b", "a\xff@b"]) {
    for (const name of ["To", "Cc", "Bcc"]) {
      const text = `${name}: ${to}\n${COMPLETE}`;
      assert.throws(() => run(text, { recipientsFrom: "both" }), {
        kind: "data",
        message: new RegExp(`^Field ${name}`),
      });
      assert.equal(run(text).scheme, "srs", "not needed");
    }
  }
  const latin1 = run(`Cc: J\xf6rg <j@example.com>\n${COMPLETE}`, { to: "", recipientsFrom: "header" });
  assert.deepEqual(recipientsOf(latin1), ["ann@example.com", "j@example.com"], "display names are ignored");
});

test("A name in Latin-1 does not prevent signing", () => {
  const planned = run(COMPLETE.replace("Greg", "Gr\xe9g"));
  assert.equal(planned.identity, GREG);
  assert.match(decodeLatin1(printHead(planned.header)), /^From: Gr\xe9g <greg@example\.org>$/m);
});

test("DSN requests are passed on unchanged", () => {
  const dsn = { notify: "never", ret: "hdrs", envid: "x" };
  assert.deepEqual(run(COMPLETE, { dsn }).envelope.dsn, dsn);
  assert.deepEqual(run(`Received: x\n${COMPLETE}`, { dsn }).envelope.dsn, dsn);
});

test("plan() does not modify its arguments", () => {
  const given = Object.freeze([...header(`Bcc: b@example.com\n${COMPLETE}`), field(TAG_FIELD, "old")]);
  const call: OutgoingRequest = {
    sender: undefined,
    fullName: "",
    recipientsFrom: "arguments",
    recipients: Object.freeze([parseAddress("ann@example.com")]),
    dsn: Object.freeze({}),
  };
  verifyOwn(plan(Object.freeze(call), given, context()), GREG);
});

test("recipients from the header: bare user names and Resent- fields are accepted, CR and NUL are rejected", () => {
  const fromHeader = (text: string) => {
    const { envelope } = run(text, { to: "", recipientsFrom: "header" });
    return envelope.recipients.map(formatAddress);
  };
  assert.deepEqual(fromHeader("To: root\n"), ["root"]);
  for (const name of ["Resent-To", "Resent-Cc", "Resent-Bcc"]) {
    assert.deepEqual(fromHeader(`To: ann@example.com\n${name}: bob@example.com\n`), ["bob@example.com"], name);
  }
  for (const text of ["To: ann@example.com,\rbob@example.com", "To: ann@example.com,\0 bob@example.com"]) {
    assert.throws(() => fromHeader(text), { kind: "data", message: "Field To contains CR or NUL" });
  }
});

test("An already relayed message is not changed", () => {
  for (const name of ["Received", "Delivered-To", "Resent-From", "resent-date"]) {
    const text = `${name}: x\nTo: ann@example.com\nMessage-ID:`;
    const planned = run(text);
    assert.deepEqual([planned.scheme, planned.header], ["none", header(text)], name);
  }
  assert.equal(run(`${COMPLETE}\nX-Resent-To: x`).scheme, "srs", "the name only resembles it");
});

test("A new Message-ID has the domain of the author, else of the first identity, else localhost", () => {
  const idOf = (text: string, f?: string | null, identities = [GREG, JOE]) => {
    const { header } = run(text, f === undefined ? {} : { f }, context("", identities));
    const [id, ...more] = values(header, "Message-ID");
    assert.deepEqual(more, []);
    return /^<[a-z2-7]{24}@(.+)>$/.exec(id!)?.[1];
  };
  const without = COMPLETE.replace(/^Message-ID: .*\n/m, "");
  assert.equal(idOf(without), "example.org");
  assert.equal(idOf(COMPLETE.replace(/^Message-ID: .*$/m, "Message-ID:")), "example.org");
  assert.equal(idOf(without, "joe@example.net"), "example.net");
  assert.equal(idOf(without, "root"), "example.org");
  assert.equal(idOf(without, null, [JOE, GREG]), "example.net");
  assert.equal(idOf(without.replace(/^From: .*\n/m, ""), undefined, []), "localhost");
  verifyOwn(run(COMPLETE.replace(/^Message-ID: .*$/m, "Message-ID:")), GREG);
  const two = { kind: "data", message: "The message has 2 Message-ID fields" };
  assert.throws(() => run(`${COMPLETE}\nMessage-ID: <2@example.org>`), two);
});

test("A message with a From that cannot be parsed is not signed", () => {
  for (const text of [`${COMPLETE}\nFrom: <<`, `From: <<\n${COMPLETE}`]) {
    assert.equal(run(text).scheme, "none", text);
  }
});
