/** The table of verdicts in the design, row by row. */
import assert from "node:assert/strict";
import type { DecideContext } from "../../io/state/lookups.ts";
import { decide } from "../../io/state/lookups.ts";
import type { Delivery } from "../../incoming/delivery.ts";
import { utf8 } from "../../lib/bytes.ts";
import { dayOf } from "../../lib/date.ts";
import { canonicalAddress } from "../../lib/settings/identity.ts";
import { parseHead } from "../../lib/message.ts";
import { makeProof } from "../../incoming/proof.ts";
import { prvsSign } from "../../lib/prvs.ts";
import { signTag } from "../../lib/tag.ts";
import { chair, context, day, delivery, greg, identity, now, remembered, signedAddress } from "../judging.ts";
import { randomNonce } from "../random.ts";

const GREG = "greg@example.org";
const DAEMON = "MAILER-DAEMON@mx.example.net";
const LETTER = "From: Kay <kay@example.net>\nSubject: Hello\n\nHow are you?\n";
const ID = "sent@example.org";
const returned = (header: string) =>
  `From: ${DAEMON}\nSubject: failure notice\n\nHi. This is the qmail-send program at mx.example.net.\n\n` +
  `<kay@example.net>:\nSorry, no mailbox here by that name.\n\n--- Below this line is a copy of the message.\n\n${header}\nhi\n`;
const BOUNCE = returned("From: greg@example.org\n");
const RETURNING = returned(`From: greg@example.org\nMessage-ID: <${ID}>\n`);
const NAMING = BOUNCE.replace("Subject:", `In-Reply-To: <${ID}>\nSubject:`);
const CARRIER_NOTICE =
  `From: info@carrier.example\nReferences: <${ID}>\nSubject: Re: Hello\n\nError: no such subscriber\n550 no such user\n  RCPT TO: 5@carrier.example\n`;
const VACATION =
  `From: Kay <kay@example.net>\nAuto-Submitted: auto-replied\nIn-Reply-To: <${ID}>\nSubject: Away\n\nI am away.\n`;
const RECEIPT =
  "From: Kay <kay@example.net>\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n" +
  `--b\n\nread\n--b\nContent-Type: message/disposition-notification\n\nOriginal-Message-ID: <${ID}>\n--b--\n`;
const CALENDAR = "From: Kay <kay@example.net>\nContent-Type: text/calendar; method=REPLY\n\nBEGIN:VCALENDAR\n";
const NULL_OR_DAEMON = [null, DAEMON, "mailer-daemon@b.example"];
const ANY_SENDER = [...NULL_OR_DAEMON, "kay@example.net", undefined];

interface Row {
  /** The row of the table, shortened. */
  readonly row: string;
  readonly senders: readonly Delivery["sender"][];
  readonly recipients: readonly string[];
  readonly mails: readonly string[];
  readonly context?: DecideContext;
  readonly whole?: boolean;
  readonly expect: readonly [result: string, action: string, mark: boolean];
}

const tag = signTag(GREG, ID, { key: "k1", secret: greg.keys[0]!.secret, now, nonce: randomNonce() });
const TAGGED = returned(`Message-ID: <${ID}>\nX-Msgauth: ${tag}\n`);
const proof = makeProof(greg, parseHead(utf8(BOUNCE), true)!.header, now);
const prvs = (when: Date) => prvsSign(GREG, { secret: greg.keys[0]!.secret, keyNumber: 1, lifetime: 14, now: when });
const PRVS_SETTINGS = "[prvs]\nreceive = true\n";
const withSent = (signed: boolean): DecideContext => ({
  ...context(),
  sent: remembered(greg, { [ID]: { day: dayOf(day(-3)), signed } }),
});
const validAddresses = [signedAddress(greg), prvs(now)];
const lateAddresses = [
  signedAddress(greg, GREG, day(-22)),
  signedAddress(greg, GREG, day(-179)),
  prvs(day(-15)),
];
const expiredAddresses = [signedAddress(greg, GREG, day(-180)), prvs(day(-180))];
const ann = signedAddress(identity("ann@example.org", "srs.example.org"));
const NONEXISTENT = [
  "greg@srs.example.org",
  "SRS2=x@srs.example.org",
  "@srs.example.org",
  validAddresses[0]!.replace(/=.{8}=/, "=aaaaaaaa="),
];
const whenForged = (mode: string) => context(`[incoming]\nforged = "${mode}"\n`);

const TABLE: readonly Row[] = [
  {
    row: "#@[] to anybody: delivered, with a mark; never forged",
    senders: ["#@[]"],
    recipients: [GREG, ann, ...NONEXISTENT, "x@example.net"],
    mails: [BOUNCE, LETTER],
    expect: ["other", "deliver", true],
  },
  {
    row: "a valid signed address: delivered, a bounce is genuine",
    senders: NULL_OR_DAEMON,
    recipients: validAddresses,
    mails: [BOUNCE, LETTER, RECEIPT],
    context: context(PRVS_SETTINGS),
    expect: ["genuine", "deliver", false],
  },
  {
    row: "a valid signed address, from a person: delivered",
    senders: ["kay@example.net"],
    recipients: validAddresses,
    mails: [LETTER],
    context: context(PRVS_SETTINGS),
    expect: ["other", "deliver", false],
  },
  {
    row: "a signed address, expired, under 180 days: late",
    senders: NULL_OR_DAEMON,
    recipients: lateAddresses,
    mails: [BOUNCE],
    context: context(PRVS_SETTINGS),
    expect: ["late", "deliver", true],
  },
  {
    row: "an address signed 180 days ago: forged",
    senders: ANY_SENDER,
    recipients: expiredAddresses,
    mails: [BOUNCE],
    context: context(PRVS_SETTINGS),
    expect: ["forged", "spam", true],
  },
  {
    row: "postmaster@ and abuse@ an SRS domain: srs.postmaster",
    senders: ANY_SENDER,
    recipients: ["postmaster@srs.example.org", "Abuse@srs.club.example"],
    mails: [LETTER, BOUNCE],
    expect: ["other", "deliver", false],
  },
  {
    row: "another user's signed address, srs.others = forged",
    senders: ANY_SENDER,
    recipients: [ann],
    mails: [BOUNCE, LETTER],
    expect: ["forged", "spam", true],
  },
  {
    row: "another user's signed address, srs.others = pass",
    senders: ANY_SENDER,
    recipients: [ann],
    mails: [BOUNCE, LETTER],
    context: context('[srs]\nothers = "pass"'),
    expect: ["other", "deliver", false],
  },
  {
    row: "anything else in an SRS domain: forged",
    senders: ANY_SENDER,
    recipients: NONEXISTENT,
    mails: [BOUNCE, LETTER, TAGGED],
    expect: ["forged", "spam", true],
  },
  {
    row: "anything else in an SRS domain, naming a remembered Message-ID: forged",
    senders: ANY_SENDER,
    recipients: NONEXISTENT,
    mails: [VACATION],
    context: withSent(true),
    expect: ["forged", "spam", true],
  },
  {
    row: "returning a valid tag: genuine",
    senders: NULL_OR_DAEMON,
    recipients: [GREG, "Greg@Example.ORG"],
    mails: [TAGGED],
    expect: ["genuine", "deliver", false],
  },
  {
    row: "with another hook's proof: genuine",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [`X-Countersign: ${proof}\n${BOUNCE}`],
    expect: ["genuine", "deliver", false],
  },
  {
    row: "a bounce of a remembered message, sent unsigned: known",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [RETURNING, NAMING, CARRIER_NOTICE],
    context: withSent(false),
    expect: ["known", "deliver", false],
  },
  {
    row: "a bounce of a remembered message, sent signed, no tag: known, marked",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [RETURNING, NAMING, CARRIER_NOTICE],
    context: withSent(true),
    expect: ["known", "deliver", true],
  },
  {
    row: "not a bounce, answering a remembered message: known",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [VACATION, RECEIPT],
    context: withSent(true),
    expect: ["known", "deliver", false],
  },
  {
    row: "not a bounce, unsolicited = mark",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [VACATION, RECEIPT, CALENDAR, LETTER],
    expect: ["unsolicited", "deliver", true],
  },
  {
    row: "not a bounce, unsolicited = deliver",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [VACATION, RECEIPT, CALENDAR],
    context: context('[incoming]\nunsolicited = "deliver"'),
    expect: ["unsolicited", "deliver", false],
  },
  {
    row: "not a bounce, unsolicited = spam",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [VACATION, RECEIPT, CALENDAR],
    context: context('[incoming]\nunsolicited = "spam"'),
    expect: ["unsolicited", "spam", true],
  },
  {
    row: "a bounce too long to search completely: unsure, filed",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [BOUNCE, CARRIER_NOTICE],
    whole: false,
    expect: ["unsure", "spam", true],
  },
  {
    row: "a bounce too long to search completely, forged = refuse: never refused",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [BOUNCE],
    whole: false,
    context: whenForged("refuse"),
    expect: ["unsure", "spam", true],
  },
  {
    row: "a bounce too long to search completely, forged = mark",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [BOUNCE],
    whole: false,
    context: whenForged("mark"),
    expect: ["suspect", "deliver", true],
  },
  {
    row: "a bounce too long to search completely, during the grace period",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [BOUNCE],
    whole: false,
    context: context("", "since = 2026-11-20"),
    expect: ["suspect", "deliver", true],
  },
  {
    row: "a long bounce that returns a valid tag in its searched part: genuine",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [TAGGED],
    whole: false,
    expect: ["genuine", "deliver", false],
  },
  {
    row: "any other bounce: forged",
    senders: NULL_OR_DAEMON,
    // Unnecessary quotes do not change the mailbox (RFC 5321 section 4.1.2).
    recipients: [GREG, "Greg@Example.ORG", '"greg"@example.org', '"GREG"@example.org'],
    mails: [BOUNCE, RETURNING, NAMING, CARRIER_NOTICE],
    expect: ["forged", "spam", true],
  },
  {
    row: "any other bounce, forged = mark",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [BOUNCE],
    context: whenForged("mark"),
    expect: ["suspect", "deliver", true],
  },
  {
    row: "any other bounce, during the grace period",
    senders: NULL_OR_DAEMON,
    recipients: [GREG],
    mails: [BOUNCE],
    context: context("", "since = 2026-11-20"),
    expect: ["suspect", "deliver", true],
  },
  {
    row: "to any other address: delivered",
    senders: NULL_OR_DAEMON,
    recipients: ["ann@example.org", "postmaster@example.org", "greg@example.net"],
    mails: [BOUNCE, TAGGED],
    expect: ["other", "deliver", false],
  },
  {
    row: "a person to an identity: delivered, untouched",
    senders: ["kay@example.net", "no-mailer-daemon@example.net"],
    recipients: [GREG],
    mails: [LETTER, BOUNCE, VACATION],
    expect: ["other", "deliver", false],
  },
];

for (const { row, senders, recipients, mails, context: given = context(), whole = true, expect } of TABLE) {
  Deno.test(row, { permissions: "none" }, async () => {
    for (const sender of senders) {
      for (const recipient of recipients) {
        for (const mail of mails) {
          const { verdict, steps } = await decide(delivery(sender, recipient, mail, whole), given);
          const { result, action, mark = false, check, reason } = verdict;
          assert.deepEqual([result, action, mark], expect, `${sender} to ${recipient}: ${reason}\n${mail}`);
          assert.deepEqual(
            [steps.at(-1)?.check, steps.at(-1)?.found],
            [check, reason],
            "the last step gives the verdict",
          );
        }
      }
    }
  });
}

Deno.test("if no key can verify, mail is deferred (a key dated in the future) or unjudged (all keys too old), never forged", async () => {
  const aged = (days: number) => ({ ...greg, keys: greg.keys.map((key) => ({ ...key, created: dayOf(day(days)) })) });
  for (const recipient of [GREG, validAddresses[0]!]) {
    const old = context("", "", [aged(-901), chair]);
    const { verdict } = await decide(delivery(null, recipient, BOUNCE), old);
    assert.deepEqual([verdict.result, verdict.action, verdict.mark], ["unjudged", "deliver", true], recipient);
    const ahead = context("", "", [aged(3), chair]);
    await assert.rejects(decide(delivery(null, recipient, BOUNCE), ahead), { kind: "temporary" }, recipient);
  }
});

Deno.test("a message remembered for one identity is not known to another", async () => {
  const { verdict } = await decide(delivery(null, canonicalAddress(chair), VACATION), withSent(true));
  assert.equal(verdict.result, "unsolicited");
});

Deno.test("mail is deferred if the index of sent mail cannot be read", async () => {
  const broken: DecideContext = { ...context(), sent: () => Promise.reject(new Error("no permission")) };
  await assert.rejects(decide(delivery(null, GREG, VACATION), broken), /no permission/);
});
