/** Mutated real challenges: none is answered without a valid tag and its own ledger entry. */
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

const ALL_ENABLED = settings("answer = true\nrequests = true");
const answerable: { name: string; challenge: Challenge; answer: Record<string, unknown> }[] = [];
const others: string[] = [...SAMPLES.values(), ...corpus];
for (const [name, sample] of SAMPLES) {
  if (!sample.includes(PLACEHOLDER) || name.startsWith("attack")) continue;
  const challenge = await genuine(name);
  const { verdict } = await decide(delivery(challenge.mail), context(challenge.sent.entries, ALL_ENABLED));
  const answer = answerOf(verdict);
  if (answer !== undefined) answerable.push({ name, challenge, answer });
}

Deno.test("There are challenges to mutate", () => assert.ok(answerable.length > 5));

const number = fc.nat(10_000);
const pick = <T>(all: readonly T[], at: number): T => all[at % all.length]!;
const arrived = (mail: string) => ({ ...delivery(mail), sender: null, recipients: ["joe@example.net"] });
/** The part of an address before the cookie. */
const prefixOf = (address: unknown) =>
  String(address).replace(/[0-9a-z.]+(?:-joe=example\.net)?@[^@]*$/s, "").toLowerCase();
const hostOf = (address: unknown) => String(address).replace(/^.*@/s, "").toLowerCase();

fuzz(
  "a challenge is answered for its own entry or not at all",
  fc.tuple(number, number, mutations),
  async ([at, beside, all]) => {
    const { challenge, answer } = pick(answerable, at);
    const mail = mutated(challenge.mail, all, pick(others, beside));
    const { verdict } = await decide(arrived(mail), context(challenge.sent.entries, ALL_ENABLED));
    assert.doesNotMatch(verdict.reason, /[\r\n\0]/);
    const actual = answerOf(verdict);
    if (actual === undefined) return;
    assert.equal(actual.from, answer.from);
    assert.equal(actual.entry, answer.entry);
    // In the address and the Subject only the cookie comes from the sender.
    assert.equal(prefixOf(actual.to), prefixOf(answer.to));
    assert.equal(hostOf(actual.to), hostOf(answer.to));
    assert.match(String(actual.subject), /^(?:Confirmation|CONFIRM [0-9a-f]{8,64})$/);
    for (const text of [actual.to, actual.subject, verdict.answer?.inReplyTo ?? ""]) {
      assert.doesNotMatch(field("X", String(text)).raw, /[\r\n\0]/);
    }
    parseAddress(String(actual.to));
  },
  50,
);

const SUBJECT_AT = COMPARED_FIELDS.indexOf("Subject");

/** Ledgers without an open entry for the challenge. */
const WITHOUT_ENTRY: Record<string, (entry: Entry) => [Entry, State][]> = {
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
  "no mutation of a challenge is answered if the ledger has no open entry for it",
  fc.tuple(number, number, mutations, fc.constantFrom(...Object.keys(WITHOUT_ENTRY))),
  async ([at, beside, all, why]) => {
    const { challenge } = pick(answerable, at);
    const mail = mutated(challenge.mail, all, pick(others, beside));
    const ledger = new Memory();
    for (const entry of challenge.sent.entries) {
      for (const [changed, state] of WITHOUT_ENTRY[why]!(entry)) ledger.add(changed, state);
    }
    const { verdict } = await decide(arrived(mail), { settings: ALL_ENABLED, identities: [joe, chair], now, ledger });
    assert.notEqual(verdict.action, "answer", why);
  },
  50,
);

fuzz(
  "no mutation of a challenge is answered without its tag, or with other keys",
  fc.tuple(number, number, mutations, fc.boolean()),
  async ([at, beside, all, bare]) => {
    const { challenge } = pick(answerable, at);
    const untagged = challenge.mail.replace(challenge.sent.tagLine, "");
    const mail = mutated(bare ? untagged : challenge.mail, all, pick(others, beside));
    const keys = [{ ...joe.keys[0]!, secret: new TextEncoder().encode("another") }];
    const given = context(challenge.sent.entries, ALL_ENABLED);
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
  "a request is confirmed only to the host it was sent to, and only if it is open",
  fc.tuple(number, number, mutations, fc.boolean()),
  async ([at, beside, all, open]) => {
    const [name, list] = pick(REQUESTS, at);
    const address = parseAddress(open ? list : list.replace("example.org", "example.com"));
    const message = { identity: joe, recipients: [address], header: [], body: utf8("subscribe dev\n"), whole: true };
    const entry = (await sealedEntry(address, message, now))!;
    const mail = mutated(SAMPLES.get(name)!, all, pick(others, beside));
    const { verdict } = await decide(arrived(mail), context([entry], ALL_ENABLED));
    const actual = answerOf(verdict);
    if (actual === undefined) return;
    assert.ok(open);
    assert.equal(hostOf(actual.to), "lists.example.org");
    assert.doesNotMatch(String(actual.to), /[\r\n\0]/);
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

fuzz("any header is accepted, and a recognized form has one valid address for the answer", headers, (text) => {
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
  "any body is accepted, and the fields of quoted messages are well-formed",
  fc.tuple(bodies, anyText),
  ([text, more]) => {
    const prefix = encodeLatin1(`${text}${more}`);
    for (const { header, body } of quotedMessages({ prefix, ...parseHead(prefix, true)! }, "--- Below")) {
      for (const { raw } of header) assert.doesNotMatch(raw, /\n(?![ \t])/);
      assert.ok(body.length <= prefix.length);
    }
  },
);
