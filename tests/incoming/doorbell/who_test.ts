/** Who is asked, and about which messages nobody is. */
import assert from "node:assert/strict";
import { canonical, parseAddress } from "../../../lib/address.ts";
import { onlyAuthor, whomToAsk } from "../../../incoming/doorbell/who.ts";
import { resultsOf } from "../../../incoming/doorbell/results.ts";
import { envelope, GREG, header, service } from "./messages.ts";

const ANN = "ann@friend.example";
const SRS = "SRS0=abcdefgh=AA=example.org=greg@srs.example.org";

/** The address that is asked, or why nobody is. */
function asked(sender: string | null | undefined, text: string, settings = "", given?: string): string {
  const context = { service: service(settings), identities: [GREG] };
  const found = whomToAsk(
    envelope(sender, "svc@example.org"),
    header(text),
    context,
    given === undefined ? undefined : parseAddress(given),
  );
  return found.not ?? canonical(found.address!);
}

const ROWS: [what: string, sender: string | null | undefined, fields: string, expected: string | RegExp][] = [
  ["sender and From are the same", ANN, `From: ${ANN}`, ANN],
  ["another address in the same domain", "ann+x@friend.example", `From: Ann <${ANN}>`, ANN],
  ["letter case of the domain", "b@FRIEND.example", `From: ${ANN}`, ANN],
  ["a victim in From", "mallory@evil.example", `From: ${ANN}`, "mallory@evil.example"],
  ["a parent domain in From", "x@mallory.github.io", "From: victim@github.io", "x@mallory.github.io"],
  ["a public suffix in From", "x@evil.co.uk", "From: victim@co.uk", "x@evil.co.uk"],
  ["a subdomain in From", "x@evil.example", "From: victim@sub.evil.example", "x@evil.example"],
  ["our own SRS domain", SRS, "From: greg@example.org", "greg@example.org"],
  ["our own SRS domain of tomorrow", SRS.replace("=AA=", "=AB="), "From: greg@example.org", "greg@example.org"],
  ["our own SRS domain, with a stranger in From", SRS, `From: ${ANN}`, canonical(parseAddress(SRS))],
  ["a stranger's SRS domain", "SRS0=x=AA=friend.example=ann@forwarder.example", `From: ${ANN}`, /^srs0=.*@forwarder/],
  ["prvs in the same domain", "prvs=0777abcdef=ann@friend.example", `From: ${ANN}`, ANN],
  ["two addresses in From", ANN, `From: ${ANN}, bob@friend.example`, ANN],
  ["two From fields", "b@friend.example", `From: ${ANN}\nFrom: bob@friend.example`, "b@friend.example"],
  ["no From", ANN, "Subject: x", ANN],
  ["a From that cannot be parsed", ANN, "From: Ann <ann@", ANN],
  ["the null sender", null, `From: ${ANN}`, /null sender/],
  ["qmail's double bounce", "#@[]", `From: ${ANN}`, /null sender/],
  ["a mailer daemon", "Mailer-Daemon@friend.example", `From: ${ANN}`, /daemon/],
  ["an unknown sender", undefined, `From: ${ANN}`, /unknown/],
  ["a sender that is not an address", "ann", `From: ${ANN}`, /not well formed/],
  ["a sender that is not UTF-8", "a\ufffd@friend.example", `From: ${ANN}`, /not well formed/],
  ["Auto-Submitted", ANN, `From: ${ANN}\nAuto-Submitted: auto-replied`, /Auto-Submitted/],
  ["Auto-Submitted: no", ANN, `From: ${ANN}\nAuto-Submitted: no (a person)`, ANN],
  ["Auto-Submitted twice", ANN, `From: ${ANN}\nAuto-Submitted: no\nauto-submitted: auto-generated`, /Auto-Submitted/],
  ["Auto-Submitted: none", ANN, `From: ${ANN}\nAuto-Submitted: none-of-it`, /Auto-Submitted/],
  ["Precedence: bulk", ANN, `From: ${ANN}\nPrecedence: Bulk`, /Precedence/],
  ["Precedence: list", ANN, `From: ${ANN}\nPrecedence: list`, /Precedence/],
  ["Precedence: junk", ANN, `From: ${ANN}\nPrecedence: junk`, /Precedence/],
  ["Precedence: first-class", ANN, `From: ${ANN}\nPrecedence: first-class`, ANN],
  ["List-Id", ANN, `From: ${ANN}\nList-Id: <x.example>`, /mailing list/],
  ["List-Unsubscribe", ANN, `From: ${ANN}\nList-Unsubscribe: <mailto:x@y.example>`, /mailing list/],
  ["Mailing-List", ANN, `From: ${ANN}\nMailing-List: contact x`, /mailing list/],
  ["X-Auto-Response-Suppress", ANN, `From: ${ANN}\nX-Auto-Response-Suppress: DR, All`, /no automatic response/],
  ["X-Auto-Response-Suppress: DR", ANN, `From: ${ANN}\nX-Auto-Response-Suppress: DR`, ANN],
  ["a report", ANN, `From: ${ANN}\nContent-Type: multipart/report; boundary=x`, /report/],
  ["our own challenge", ANN, `From: ${ANN}\nX-Loop: SVC@example.org`, /this service/],
  ["another X-Loop", ANN, `From: ${ANN}\nX-Loop: other@example.org`, ANN],
  ["30 Received fields", ANN, `From: ${ANN}\n${"Received: x\n".repeat(30)}`, ANN],
  ["31 Received fields", ANN, `From: ${ANN}\n${"Received: x\n".repeat(31)}`, /31 Received/],
  ["quotes", '"ann"@friend.example', "Subject: x", /quotes/],
  ["an address like an option", "-ann@friend.example", "Subject: x", /begins with -/],
  [
    "a bare CR, behind which programs see another From",
    ANN,
    `X: x\rFrom: b@friend.example\nFrom: b@friend.example`,
    ANN,
  ],
  ["the service itself", "svc@example.org", "From: svc@example.org", /this service/],
  ["an address that confirms", "svc-confirm-x@example.org", "From: svc-confirm-x@example.org", /this service/],
  ["another address there", "svc-other@example.org", "From: svc-other@example.org", "svc-other@example.org"],
];
for (const local of ["noreply", "no-reply", "do-not-reply", "donotreply", "No_Reply", "news-noreply", "noreply+1"]) {
  ROWS.push([local, `${local}@friend.example`, "Subject: x", /a program/]);
}
for (
  const local of ["owner-list", "list-request", "list-owner", "list-bounces", "list-bounces+a=b", "list-return-7-a=b"]
) {
  ROWS.push([local, `${local}@friend.example`, "Subject: x", /a program/]);
}
for (const local of ["listserv", "MAJORDOMO", "postmaster", "bounce+x"]) {
  ROWS.push([local, `${local}@friend.example`, "Subject: x", /a program/]);
}
for (const local of ["norepl", "owner", "requests", "reply", "bouncer", "nora"]) {
  ROWS.push([local, `${local}@friend.example`, "Subject: x", `${local}@friend.example`]);
}
for (const [what, sender, fields, expected] of ROWS) {
  Deno.test(`asked about ${what}`, () => {
    const found = asked(sender, fields);
    if (typeof expected === "string") assert.equal(found, expected);
    else assert.match(found, expected);
  });
}

const MX = 'trust_results = "mx.example.org"';
const AR = "Authentication-Results: mx.example.org";
const TRUST: [what: string, sender: string, fields: string, expected: string | RegExp][] = [
  ["DMARC passed", "x@lists.example", `${AR}; dmarc=pass header.from=friend.example\nFrom: ${ANN}`, ANN],
  [
    "DMARC passed for another domain",
    "x@evil.example",
    `${AR}; dmarc=pass header.from=evil.example\nFrom: ${ANN}`,
    /no pass/,
  ],
  ["SPF passed", "ann@friend.example", `${AR}; spf=pass smtp.mailfrom=ann@friend.example\nFrom: ${ANN}`, ANN],
  ["SPF passed for its domain", ANN, `${AR}; spf=pass smtp.mailfrom=friend.example\nFrom: ${ANN}`, ANN],
  ["SPF passed for another domain", ANN, `${AR}; spf=pass smtp.mailfrom=evil.example\nFrom: ${ANN}`, /no pass/],
  ["SPF passed for HELO only", ANN, `${AR}; spf=pass smtp.helo=friend.example\nFrom: ${ANN}`, /no pass/],
  ["no results", ANN, `From: ${ANN}`, /mx\.example\.org shows no pass/],
  ["another host's results", ANN, `${AR}.evil; spf=pass smtp.mailfrom=friend.example\nFrom: ${ANN}`, /no pass/],
  ["a version", ANN, `${AR} 1; spf=pass (x; y) smtp.mailfrom=friend.example\nFrom: ${ANN}`, ANN],
  ["upper case", ANN, `${AR.toUpperCase()}; SPF=Pass smtp.mailfrom=Friend.Example\nFrom: ${ANN}`, ANN],
  [
    "forged results below those of the host",
    ANN,
    `${AR}; spf=fail smtp.mailfrom=friend.example\n${AR}; spf=pass smtp.mailfrom=friend.example\nFrom: ${ANN}`,
    /no pass/,
  ],
  [
    "forged results below the host's Received field",
    ANN,
    `${AR}; dmarc=none\nReceived: by mx.example.org\n${AR}; spf=pass smtp.mailfrom=friend.example\nFrom: ${ANN}`,
    /no pass/,
  ],
  [
    "two fields of the host above its Received field",
    ANN,
    `${AR}; dmarc=none\n${AR}; spf=pass smtp.mailfrom=friend.example\nReceived: by mx.example.org\nFrom: ${ANN}`,
    ANN,
  ],
  ["results in a comment", ANN, `${AR}; none (; spf=pass smtp.mailfrom=friend.example)\nFrom: ${ANN}`, /no pass/],
  [
    "results in a quoted string",
    ANN,
    `${AR}; x=y reason="; spf=pass smtp.mailfrom=friend.example"\nFrom: ${ANN}`,
    /no pass/,
  ],
];
for (const [what, sender, fields, expected] of TRUST) {
  Deno.test(`with trust_results: ${what}`, () => {
    const found = asked(sender, fields, MX);
    if (typeof expected === "string") assert.equal(found, expected);
    else assert.match(found, expected);
  });
}

Deno.test("without trust_results only failures count, of whatever host", () => {
  for (const result of ["dmarc=fail", "spf=fail", "spf=hardfail", "dmarc=fail (p=none)"]) {
    assert.match(asked(ANN, `Authentication-Results: x.example; ${result}\nFrom: ${ANN}`), /show a failure/);
  }
  for (const result of ["spf=softfail", "dkim=fail", "spf=none", "dmarc=temperror"]) {
    assert.equal(asked(ANN, `Authentication-Results: x.example; ${result}\nFrom: ${ANN}`), ANN);
  }
  // A pass is not believed: the victim in From is not asked.
  const forged = "Authentication-Results: x.example; dmarc=pass header.from=friend.example";
  assert.equal(asked("x@evil.example", `${forged}\nFrom: ${ANN}`), "x@evil.example");
});

Deno.test("an address that the caller has found replaces sender and From, and rules about the message still apply", () => {
  assert.equal(asked("x@y.example", `From: ${ANN}`, "", "bob@z.example"), "bob@z.example");
  assert.equal(asked(undefined, `From: ${ANN}`, "", "bob@z.example"), "bob@z.example");
  assert.match(asked(null, `From: ${ANN}`, "", "bob@z.example"), /null sender/);
  assert.match(asked("x@y.example", "List-Id: x", "", "bob@z.example"), /mailing list/);
  assert.match(asked("x@y.example", "", "", "noreply@z.example"), /a program/);
});

Deno.test("a message whose header has control characters has no only author, because programs may see another", () => {
  assert.equal(canonical(onlyAuthor(header(`From: ${ANN}\nX: a\tb\n c`))!), ANN);
  for (const character of ["\r", "\0", "\v", "\f", "\x1c", "\x7f"]) {
    const before = `X: x${character}From: victim@friend.example\nFrom: ${ANN}`;
    assert.equal(onlyAuthor(header(before)), undefined, JSON.stringify(character));
    assert.equal(onlyAuthor(header(`From: ${ANN}\nX: x${character}From: victim@friend.example`)), undefined);
  }
});

Deno.test("long fields are not parsed", () => {
  const pass = `${AR}; spf=pass smtp.mailfrom=friend.example`;
  assert.equal(resultsOf(header(pass), "mx.example.org").spf, "friend.example");
  assert.deepEqual(resultsOf(header(`${pass} x=${"x".repeat(9000)}`), "mx.example.org"), { failed: false });
  // The sender can make the field of the host long, and write another one below it.
  const forged = `${AR}; spf=none smtp.mailfrom=${"x".repeat(9000)}@friend.example\n${pass}`;
  assert.deepEqual(resultsOf(header(forged), "mx.example.org"), { failed: false });
  assert.equal(asked("b@x.example", `From: ${"(x)".repeat(1000)}${ANN}`), "b@x.example");
});
