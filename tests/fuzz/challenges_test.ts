/** Real challenges with much done to them: none is answered whose tag or entry is not the right one. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { recognize } from "../../incoming/challenge/forms.ts";
import { decide } from "../../io/state/lookups.ts";
import { quotedMessages } from "../../incoming/challenge/quoted.ts";
import { parseAddress } from "../../lib/address.ts";
import { encodeLatin1, utf8 } from "../../lib/bytes.ts";
import { COMPARED_FIELDS } from "../../lib/compared.ts";
import { dayOf } from "../../lib/date.ts";
import type { Entry, State } from "../../lib/entry.ts";
import { sealedEntry } from "../../io/state/seal.ts";
import { field, parseHead } from "../../lib/message.ts";
import {
  answerOf,
  chair,
  type Challenge,
  context,
  delivery,
  genuine,
  joe,
  Memory,
  now,
  PLACEHOLDER,
  SAMPLES,
  settings,
} from "../challenges.ts";
import { fuzz } from "./fuzz.ts";
import { corpus, mutated, mutations } from "./mutate.ts";
import { anyText, piecesOf } from "./texts.ts";

const EVERYTHING = settings("answer = true\nrequests = true");
const answerable: { name: string; challenge: Challenge; answer: Record<string, unknown> }[] = [];
const others: string[] = [...SAMPLES.values(), ...corpus];
for (const [name, sample] of SAMPLES) {
  if (!sample.includes(PLACEHOLDER) || name.startsWith("attack")) continue;
  const challenge = await genuine(name);
  const { verdict } = await decide(delivery(challenge.mail), context(challenge.sent.entries, EVERYTHING));
  const answer = answerOf(verdict);
  if (answer !== undefined) answerable.push({ name, challenge, answer });
}

Deno.test("There are challenges to be changed", () => assert.ok(answerable.length > 5));

const number = fc.nat(10_000);
const pick = <T>(all: readonly T[], at: number): T => all[at % all.length]!;
const arrived = (mail: string) => ({ ...delivery(mail), sender: null, recipients: ["joe@example.net"] });
/** The text before the cookie. */
const front = (address: unknown) =>
  String(address).replace(/[0-9a-z.]+(?:-joe=example\.net)?@[^@]*$/s, "").toLowerCase();
const host = (address: unknown) => String(address).replace(/^.*@/s, "").toLowerCase();

fuzz(
  "a challenge is answered with the one entry that it is about, or not at all",
  fc.tuple(number, number, mutations),
  async ([at, beside, all]) => {
    const { challenge, answer } = pick(answerable, at);
    const mail = mutated(challenge.mail, all, pick(others, beside));
    const { verdict } = await decide(arrived(mail), context(challenge.sent.entries, EVERYTHING));
    assert.doesNotMatch(verdict.reason, /[\r\n\0]/);
    const given = answerOf(verdict);
    if (given === undefined) return;
    assert.equal(given.from, answer.from);
    assert.equal(given.entry, answer.entry);
    // Of the address only the cookie is the sender's own word, and of the Subject too.
    assert.equal(front(given.to), front(answer.to));
    assert.equal(host(given.to), host(answer.to));
    assert.match(String(given.subject), /^(?:Confirmation|CONFIRM [0-9a-f]{8,64})$/);
    for (const one of [given.to, given.subject, verdict.answer?.inReplyTo ?? ""]) {
      assert.doesNotMatch(field("X", String(one)).raw, /[\r\n\0]/);
    }
    parseAddress(String(given.to));
  },
  50,
);

const SUBJECT_AT = COMPARED_FIELDS.indexOf("Subject");

/** Ledgers in which nothing is open that a challenge may spend. */
const CLOSED: Record<string, (entry: Entry) => [Entry, State][]> = {
  "nothing was sent": () => [],
  "spent": (entry) => [[entry, "spent"]],
  "claimed": (entry) => [[entry, "claimed"]],
  "expired": (entry) => [[{ ...entry, expires: dayOf(now) - 1 }, "issued"]],
  "to another list": (entry) => [[{ ...entry, list: `x${entry.list}x` }, "issued"]],
  "another message": (entry) => [[{ ...entry, messageId: `x${entry.messageId}` }, "issued"]],
  "of another identity": (entry) => [[{ ...entry, from: "chair@club.example" }, "issued"]],
  "another subject": (entry) => [[{ ...entry, fields: entry.fields.with(SUBJECT_AT, entry.fields[0]!) }, "issued"]],
  "another body": (entry) => [[{ ...entry, body: { ...entry.body, sealed: "" } }, "issued"]],
};

fuzz(
  "a challenge is not answered when the ledger does not hold its entry, whatever is done to it",
  fc.tuple(number, number, mutations, fc.constantFrom(...Object.keys(CLOSED))),
  async ([at, beside, all, why]) => {
    const { challenge } = pick(answerable, at);
    const mail = mutated(challenge.mail, all, pick(others, beside));
    const ledger = new Memory();
    for (const entry of challenge.sent.entries) {
      for (const [one, state] of CLOSED[why]!(entry)) ledger.add(one, state);
    }
    const { verdict } = await decide(arrived(mail), { settings: EVERYTHING, identities: [joe, chair], now, ledger });
    assert.notEqual(verdict.action, "answer", why);
  },
  50,
);

fuzz(
  "a challenge is not answered without its tag, or by keys of another",
  fc.tuple(number, number, mutations, fc.boolean()),
  async ([at, beside, all, bare]) => {
    const { challenge } = pick(answerable, at);
    const untagged = challenge.mail.replace(challenge.sent.tagLine, "");
    const mail = mutated(bare ? untagged : challenge.mail, all, pick(others, beside));
    const keys = [{ ...joe.keys[0]!, secret: new TextEncoder().encode("another") }];
    const given = context(challenge.sent.entries, EVERYTHING);
    const { verdict } = await decide(arrived(mail), bare ? given : { ...given, identities: [{ ...joe, keys }, chair] });
    assert.notEqual(verdict.action, "answer");
  },
  50,
);

const REQUESTS: [string, string][] = [
  ["mailman3-subscribe", "dev-join@lists.example.org"],
  ["sympa-auth", "sympa@lists.example.org"],
  ["majordomo2-confirm", "majordomo@lists.example.org"],
];

fuzz(
  "a request is confirmed only to the host that was asked, and only when one is open",
  fc.tuple(number, number, mutations, fc.boolean()),
  async ([at, beside, all, open]) => {
    const [name, list] = pick(REQUESTS, at);
    const address = parseAddress(open ? list : list.replace("example.org", "example.com"));
    const message = { identity: joe, recipients: [address], header: [], body: utf8("subscribe dev\n"), whole: true };
    const entry = (await sealedEntry(address, message, now))!;
    const mail = mutated(SAMPLES.get(name)!, all, pick(others, beside));
    const { verdict } = await decide(arrived(mail), context([entry], EVERYTHING));
    const given = answerOf(verdict);
    if (given === undefined) return;
    assert.ok(open);
    assert.equal(host(given.to), "lists.example.org");
    assert.doesNotMatch(String(given.to), /[\r\n\0]/);
  },
  50,
);

const headers = piecesOf(
  [
    "From: ",
    "The qsecretary program <",
    "a-qconfirm-1.2.3@x",
    ">",
    "\n",
    "Reply-To: ",
    `l-sc.1.${"a".repeat(20)}-u=h@x`,
    "Subject: ",
    "CONFIRM 12345678",
    "sympa@x",
    "Auto-Submitted: auto-replied",
    "\n ",
    "Mailing-List: contact l-help@x; run by ezmlm",
    `l-confirm+${"0".repeat(40)}@x`,
  ],
  14,
);

fuzz("a form is read from any header, with one address to answer", headers, (text) => {
  const form = recognize(parseHead(encodeLatin1(text), true)!.header);
  if (form === undefined) return;
  assert.doesNotMatch(form.answerTo, /[\r\n\0]/);
  parseAddress(form.answerTo);
  assert.ok(form.lists.length > 0);
});

const bodies = piecesOf(
  [
    "--- Below",
    "\n",
    "\r\n",
    "--b",
    "--b--",
    "Content-Type: message/rfc822",
    "Content-Type: multipart/mixed; boundary=b",
    "From: a@x",
    "\n\n",
  ],
  14,
);

fuzz(
  "what is quoted is found in any body, and its fields are fields",
  fc.tuple(bodies, anyText),
  ([text, more]) => {
    const prefix = encodeLatin1(`${text}${more}`);
    for (const { header, body } of quotedMessages({ prefix, ...parseHead(prefix, true)! }, "--- Below")) {
      for (const { raw } of header) assert.doesNotMatch(raw, /\n(?![ \t])/);
      assert.ok(body.length <= prefix.length);
    }
  },
);
