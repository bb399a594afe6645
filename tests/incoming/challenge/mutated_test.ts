/**
 * Genuine challenges with one thing changed. What is only written in another
 * way gets the very same answer, everything else none.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decide } from "../../../io/state/lookups.ts";
import { parseAddressList } from "../../../lib/address.ts";
import { utf8ToLatin1 } from "../../../lib/bytes.ts";
import { bareMessageId } from "../../../lib/message_id.ts";
import { answerOf, type Challenge, context, delivery, genuine } from "../../challenges.ts";
import { quotedPrintable } from "../../bounces.ts";

// A fixed seed makes failures reproducible; `deno task fuzz` explores new cases.
fc.configureGlobal({ seed: 1 });

const NAMES = [
  "qsecretary-challenge",
  "ezmlm-idx-sub-confirm",
  "ezmlm-idx-sub-confirm-mime",
  "ezmlm-idx-unsub-confirm",
  "ezmlm053-sub-confirm",
  "ezmlm-idx-post-confirm",
  "tmda-confirm",
  "qconfirm-check",
  "sympa-send-auth",
];
const MIME = NAMES.filter((name) => /mime|post|tmda|sympa/.test(name));
const SUBJECT = "Gr\u00fc\u00dfe an  alle, und mehr = noch viel mehr";

/** With a Subject and a body that there is something to change in. */
function richer(message: string): string {
  const [head, body] = [message.slice(0, message.indexOf("\n\n")), message.slice(message.indexOf("\n\n") + 2)];
  const kept = head.split("\n").filter((line) => !/^(?:Subject|Date):/.test(line)).join("\n");
  return `${kept}\nSubject: ${utf8ToLatin1(SUBJECT)}\nDate: Fri, 20 Nov 2026 05:59:57 +0100\n` +
    `Reply-To: joe@example.net\nCc: ann@example.net\nContent-Type: text/plain; charset=utf-8\n\n` +
    `${body.trim() || "subscribe me"}\nsecond line\n`;
}

const GENUINE = new Map<string, Challenge & { answer: Record<string, unknown> }>();
for (const name of NAMES) {
  const challenge = await genuine(name, richer);
  const { verdict } = await decide(delivery(challenge.mail), context(challenge.sent.entries));
  GENUINE.set(name, { ...challenge, answer: answerOf(verdict)! });
}

/** The seed of a failure is in its message. */
async function check<T>(arbitrary: fc.Arbitrary<T>, test: (value: T) => Promise<void>, numRuns = 300): Promise<void> {
  await fc.assert(fc.asyncProperty(arbitrary, test), { numRuns });
}

async function answerTo(mail: string, challenge: Challenge) {
  const given = { ...delivery(mail), recipients: ["joe@example.net"] };
  const { verdict } = await decide(given, context(challenge.sent.entries));
  if (verdict.action !== "answer") assert.equal(verdict.action === "deliver" || verdict.action === "spam", true);
  return answerOf(verdict);
}

/** A place in the quoted message or the outer header: a field's value, without blanks at its ends. */
function fieldIn(text: string, name: string): { at: number; value: string } {
  const match = new RegExp(`^${name}:[ ]*(.*)$`, "m").exec(text);
  if (match === null) throw new Error(`no ${name} in ${text}`);
  return { at: match.index + match[0].length - match[1]!.length, value: match[1]! };
}

/** One byte replaced, inserted or removed; not by white space, and not a line ending. */
interface Edit {
  readonly kind: "replace" | "insert" | "delete";
  readonly at: number;
  readonly byte: number;
}
const edits: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom("replace", "insert", "delete"),
  at: fc.nat(10_000),
  byte: fc.oneof(fc.integer({ min: 0x21, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff })),
});

/** The value with the edit done to it, never the same. */
function edited(value: string, { kind, at, byte }: Edit): string {
  const here = at % value.length;
  const now = value.charCodeAt(here);
  const other = String.fromCharCode(byte === now ? (byte === 0x7e ? 0x21 : byte + 1) : byte);
  const out = value.slice(0, here) + (kind === "delete" ? "" : other) +
    value.slice(kind === "insert" ? here : here + 1);
  assert.notEqual(out, value);
  return out;
}

const splice = (text: string, at: number, old: string, now: string): string =>
  text.slice(0, at) + now + text.slice(at + old.length);

const flat = (text: string): string => text.replace(/\s+/g, " ").trim();

/** Parts of the quoted message that must be as they were sent, and which change is one of form. */
const PARTS: Record<string, (mail: string) => { at: number; value: string }> = {
  tag: (mail) => fieldIn(mail, "X-Msgauth"),
  id: (mail) => {
    const { at, value } = fieldIn(mail, "Message-ID");
    return { at: at + 1, value: value.slice(1, -1) };
  },
  date: (mail) => fieldIn(mail, "Date"),
  subject: (mail) => fieldIn(mail, "Subject"),
  from: (mail) => {
    const { at, value } = fieldIn(mail, "From");
    const angle = value.indexOf("<") + 1;
    return { at: at + angle, value: value.slice(angle, -1) };
  },
  line: (mail) => {
    const at = mail.indexOf("\n\n") + 2;
    return { at, value: mail.slice(at, mail.indexOf("\n", at)) };
  },
  to: (mail) => addressIn(mail, "To"),
  cc: (mail) => addressIn(mail, "Cc"),
  replyTo: (mail) => addressIn(mail, "Reply-To"),
  type: (mail) => fieldIn(mail, "Content-Type"),
  second: (mail) => ({ at: mail.indexOf("second line"), value: "second line" }),
};

/** The address in a field, without name and brackets. */
function addressIn(mail: string, name: string): { at: number; value: string } {
  const { at, value } = fieldIn(mail, name);
  const found = /[^<>\s]+@[^<>\s]+/.exec(value)!;
  return { at: at + found.index, value: found[0] };
}

/** Does a field still name the same addresses, and no other? */
function sameAddresses(mail: string, other: string, name: string): boolean {
  const read = (text: string) =>
    parseAddressList(fieldIn(text, name).value).map(({ address }) =>
      `${address?.local}@${address?.domain}`.toLowerCase()
    );
  try {
    return read(mail).join() === read(other).join();
  } catch {
    return false;
  }
}

const ADDRESSES: Record<string, string> = { from: "From", to: "To", cc: "Cc", replyTo: "Reply-To" };

const sameId = (mail: string, { sent }: Challenge): boolean =>
  bareMessageId(fieldIn(mail, "Message-ID").value) === bareMessageId(sent.messageId);

Deno.test("One byte of the quoted message is changed: no answer", async () => {
  const given = fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...Object.keys(PARTS)), edits);
  await check(given, async ([name, part, edit]) => {
    const challenge = GENUINE.get(name)!;
    const { at, value } = PARTS[part]!(challenge.sent.mail);
    const quoted = splice(challenge.sent.mail, at, value, edited(value, edit));
    const answer = await answerTo(challenge.frame + quoted + challenge.rest, challenge);
    const field = ADDRESSES[part];
    if (field !== undefined && sameAddresses(quoted, challenge.sent.mail, field)) {
      assert.deepEqual(answer, challenge.answer); // upper case, or a comma
    } else if (part === "type" && /^text\/plain;+ ?charset=utf-8;*$/i.test(fieldIn(quoted, "Content-Type").value)) {
      return;
    } else if (part === "id" && sameId(quoted, challenge)) assert.deepEqual(answer, challenge.answer); // a second bracket
    else if (part !== "subject" || flat(fieldIn(quoted, "Subject").value) !== flat(utf8ToLatin1(SUBJECT))) {
      assert.equal(answer, undefined, quoted);
    }
  }, 600);
});

Deno.test("One byte anywhere is changed: the same answer or none", async () => {
  await check(fc.tuple(fc.constantFrom(...NAMES), edits), async ([name, edit]) => {
    const challenge = GENUINE.get(name)!;
    const answer = await answerTo(edited(challenge.mail, edit), challenge);
    if (answer === undefined) return;
    // Only the cookie is the sender's own word: in the address, or in the Subject where the program wants it there.
    const { to, subject, ...sure } = challenge.answer;
    const { to: toNow, subject: subjectNow, ...sureNow } = answer;
    assert.deepEqual(sureNow, sure);
    assert.equal(withoutCookie(toNow), withoutCookie(to));
    assert.equal(withoutCookie(subjectNow), withoutCookie(subject));
  }, 800);
});

/** The answer without time, process id and cookie. */
const withoutCookie = (text: unknown): string =>
  String(text).toLowerCase().replace(/(?<=-confirm-|-qconfirm-|-[su]c\.|^confirm )(?:[0-9a-z]+\.?)+/, "COOKIE");

/** The addresses of the frame: field, and the part of its value that names the list or its host. */
const FRAMES: readonly [name: string, field: string, part: RegExp][] = [
  ["qsecretary-challenge", "From", /list\.cr\.yp\.to/],
  ["qconfirm-check", "From", /ann(?=-qconfirm)/],
  ["qconfirm-check", "From", /example\.org/],
  ["tmda-confirm", "Reply-To", /ann(?=-confirm)/],
  ["tmda-confirm", "Reply-To", /example\.org/],
  ["sympa-send-auth", "From", /sympa/],
  ["sympa-send-auth", "From", /lists\.example\.org/],
  ...["ezmlm-idx-sub-confirm", "ezmlm-idx-sub-confirm-mime", "ezmlm-idx-unsub-confirm", "ezmlm053-sub-confirm"].flatMap(
    (name): [string, string, RegExp][] => [
      [name, "Reply-To", /^.+(?=-[su]c\.)/],
      [name, "Reply-To", /lists\.example\.org$/],
      [name, "Reply-To", /joe=example\.net/],
      [name, "From", /^.*$/],
      [name, "Mailing-List", /(?<=contact ).*(?=;)/],
      [name, "Delivered-To", /(?<=for ).*$/],
    ],
  ),
  ["ezmlm-idx-post-confirm", "Reply-To", /^test/],
  ["ezmlm-idx-post-confirm", "Reply-To", /lists\.example\.org/],
  ["ezmlm-idx-post-confirm", "From", /^.*$/],
  ["ezmlm-idx-post-confirm", "Mailing-List", /(?<=contact ).*(?=;)/],
  ["ezmlm-idx-post-confirm", "Subject", /(?<=post to ).*$/],
];

Deno.test("One byte of the list's name or host in the frame is changed: no answer", async () => {
  await check(fc.tuple(fc.constantFrom(...FRAMES), edits), async ([[name, field, part], edit]) => {
    const challenge = GENUINE.get(name)!;
    const { at, value } = fieldIn(challenge.mail, field);
    const found = part.exec(value)!;
    const changed = edited(found[0], edit);
    // Hosts are the same in upper case, and programs spell their own names so.
    fc.pre(changed.toLowerCase() !== found[0].toLowerCase());
    const mail = splice(challenge.mail, at + found.index, found[0], changed);
    const answer = await answerTo(mail, challenge);
    if (answer === undefined) return;
    // A byte that a parser does not take as part of the address, such as a comma at its end.
    assert.deepEqual(answer, challenge.answer, mail);
    assert.match(changed, /^[^a-z0-9]*[a-z.=@0-9-]+[^a-z0-9]*$/i);
  }, 500);
});

Deno.test("The list's name is changed everywhere in the frame: no answer", async () => {
  for (const name of NAMES) {
    const challenge = GENUINE.get(name)!;
    const other = (text: string) =>
      text.replaceAll("lists.example.org", "lists.example.com").replaceAll("list.cr.yp.to", "list.cr.yp.so")
        .replaceAll("@example.org", "@example.com");
    assert.notEqual(other(challenge.frame), challenge.frame, name);
    assert.equal(await answerTo(other(challenge.frame) + challenge.sent.mail + challenge.rest, challenge), undefined);
  }
});

/** The quoted message with a change of contents: never answered. */
const WRONG: Record<string, (challenge: Challenge) => string | undefined> = {
  "tag twice": ({ sent }) => sent.mail.replace(sent.tagLine, sent.tagLine + sent.tagLine),
  "another tag in front": ({ sent }) => sent.tagLine.replace(/.\n/, "\n") + sent.mail,
  "no tag": ({ sent }) => sent.mail.replace(sent.tagLine, ""),
  "tag in the body alone": ({ sent }) => sent.mail.replace(sent.tagLine, "").replace("\n\n", `\n\n${sent.tagLine}`),
  "upper-case tag": ({ sent }) =>
    sent.mail.replace(sent.tagLine, sent.tagLine.replace(/v1.*/, (tag) => tag.toUpperCase())),
  "Message-ID twice": ({ sent }) => `Message-ID: ${sent.messageId}\n${sent.mail}`,
  "another Message-ID in front": ({ sent }) => `Message-ID: <x@example.net>\n${sent.mail}`,
  "no Message-ID": ({ sent }) => sent.mail.replace(/^Message-ID: .*\n/m, ""),
  "From twice": ({ sent }) => `From: Joe <joe@example.net>\n${sent.mail}`,
  "a stranger's From behind": ({ sent }) => sent.mail.replace("\n\n", "\nFrom: eve@evil.example\n\n"),
  "a stranger's From": ({ sent }) => sent.mail.replace("joe@example.net>", "eve@evil.example>"),
  "two in one From": ({ sent }) => sent.mail.replace("joe@example.net>", "joe@example.net>, eve@evil.example"),
  "the other identity's From": ({ sent }) => sent.mail.replace("joe@example.net>", "chair@club.example>"),
  "no From": ({ sent }) => sent.mail.replace(/^From: .*\n/m, ""),
  "Subject twice": ({ sent }) => sent.mail.replace("\n\n", "\nSubject: BUY NOW\n\n"),
  "no Subject": ({ sent }) => sent.mail.replace(/^Subject: .*\n/m, ""),
  "Date twice": ({ sent }) => sent.mail.replace("\n\n", "\nDate: Sat, 21 Nov 2026 05:59:57 +0100\n\n"),
  "no Date": ({ sent }) => sent.mail.replace(/^Date: .*\n/m, ""),
  "another To": ({ sent }) => sent.mail.replace(/^To: .*$/m, "To: eve@evil.example"),
  "one more To": ({ sent }) => sent.mail.replace(/^To: .*$/m, "$&, eve@evil.example"),
  "To twice": ({ sent }) => sent.mail.replace(/^To: .*$/m, "$&\n$&"),
  "no To": ({ sent }) => sent.mail.replace(/^To: .*\n/m, ""),
  "To and Cc exchanged": ({ sent }) => sent.mail.replace(/^To:/m, "X:").replace(/^Cc:/m, "To:").replace(/^X:/m, "Cc:"),
  "no Cc": ({ sent }) => sent.mail.replace(/^Cc: .*\n/m, ""),
  "another Reply-To": ({ sent }) => sent.mail.replace(/^Reply-To: .*$/m, "Reply-To: eve@evil.example"),
  "one more Reply-To": ({ sent }) => sent.mail.replace(/^Reply-To: .*$/m, "$&, eve@evil.example"),
  "Reply-To twice": ({ sent }) => sent.mail.replace("\n\n", "\nReply-To: eve@evil.example\n\n"),
  "no Reply-To": ({ sent }) => sent.mail.replace(/^Reply-To: .*\n/m, ""),
  "Mail-Followup-To": ({ sent }) => sent.mail.replace("\n\n", "\nMail-Followup-To: eve@evil.example\n\n"),
  "a mailbox line in front": ({ sent }) => `From BUY NOW at evil.example\n${sent.mail}`,
  "a comment": ({ sent }) => sent.mail.replace("\n\n", "\nComments: BUY NOW\n\n"),
  "in another thread": ({ sent }) => sent.mail.replace("\n\n", "\nReferences: <eve@evil.example>\n\n"),
  "another Content-Type": ({ sent }) =>
    sent.mail.replace(/^Content-Type: .*$/m, "Content-Type: text/html; charset=utf-8"),
  "another charset": ({ sent }) => sent.mail.replace("charset=utf-8", "charset=utf-7"),
  "Content-Type twice": ({ sent }) => sent.mail.replace("\n\n", "\nContent-Type: text/html\n\n"),
  "no Content-Type": ({ sent }) => sent.mail.replace(/^Content-Type: .*\n/m, ""),
  "it is said to be base64": ({ sent }) => sent.mail.replace("\n\n", "\nContent-Transfer-Encoding: base64\n\n"),
  "the last line another": ({ sent }) => sent.mail.replace("second line\n", "second lie\n"),
  "the last line another, and not ended": ({ sent }) => sent.mail.replace("second line\n", "second lie"),
  "a line behind, not ended": ({ sent }) => `${sent.mail}BUY NOW`,
  "a line behind empty ones": ({ sent }) => `${sent.mail}${"\n".repeat(200)}BUY NOW\n`,
  "white space at a line's end": ({ sent }) => sent.mail.replace("second line\n", "second line \n"),
  "the lines turned round": ({ sent }) => sent.mail.replace(/\n\n(.*)\n(.*)\n/, "\n\n$2\n$1\n"),
  "a line between": ({ sent }) => sent.mail.replace("second line", "BUY NOW\nsecond line"),
  "a line in front": ({ sent }) => sent.mail.replace("\n\n", "\n\nBUY NOW\n"),
  "a line behind": ({ sent }) => `${sent.mail}BUY NOW\n`,
  "an empty line in front of the header's end": ({ sent }) => sent.mail.replace("\nX-Msgauth", "\n\nX-Msgauth"),
  "quoted with >": ({ sent }) => sent.mail.replace(/^/gm, "> "),
  "indented": ({ sent }) => sent.mail.replace(/^/gm, "  "),
};

Deno.test("What is quoted is put together anew: no answer", async () => {
  for (const [what, change] of Object.entries(WRONG)) {
    for (const name of NAMES) {
      const challenge = GENUINE.get(name)!;
      const quoted = change(challenge);
      assert.notEqual(quoted, challenge.sent.mail, what);
      assert.equal(await answerTo(challenge.frame + quoted + challenge.rest, challenge), undefined, `${name}: ${what}`);
    }
  }
});

const SEPARATOR = /^--- (?:Below this line|Enclosed).*\n/m;

Deno.test("The frame is put together anew: no answer", async () => {
  for (const name of NAMES) {
    const challenge = GENUINE.get(name)!;
    const { frame, sent, rest, mail } = challenge;
    const bad = async (what: string, changed: string) => {
      assert.notEqual(changed, mail, what);
      assert.equal(await answerTo(changed, challenge), undefined, `${name}: ${what}`);
    };
    const answering = fieldIn(mail, /^qs|^qc|^sympa/.test(name) ? "From" : "Reply-To").value;
    await bad("From twice", `From: ${fieldIn(mail, "From").value}\n${mail}`);
    await bad("a stranger's From in front", `From: eve@evil.example\n${mail}`);
    await bad("Subject twice", `Subject: ${fieldIn(mail, "Subject").value}\n${mail}`);
    await bad("Reply-To twice", `Reply-To: ${answering}\nReply-To: eve@evil.example\n${mail}`);
    await bad("its header in the body", `From: eve@evil.example\nSubject: fwd\n\n${mail}`);
    if (MIME.includes(name)) {
      const boundary = /\n(--[^\n]+)--\n?$/.exec(rest)![1]!;
      const part = `\n${boundary}\nContent-Type: message/rfc822\n\n${sent.mail}`;
      await bad("two messages", frame + sent.mail + part + rest);
      await bad("as text", mail.replace(/^Content-Type: message\/rfc822$/m, "Content-Type: text/plain"));
      await bad("as something else", mail.replace(/^Content-Type: message\/rfc822$/m, "Content-Type: application/x"));
    } else {
      const separator = SEPARATOR.exec(frame)![0];
      await bad("separator twice", frame.replace(separator, separator + separator) + sent.mail);
      await bad("separator again in the message", `${frame}${sent.mail}${separator}`);
      await bad("no separator", frame.replace(separator, "") + sent.mail);
      await bad("another separator", frame.replace(separator, separator.toUpperCase()) + sent.mail);
      await bad("indented separator", frame.replace(separator, ` ${separator}`) + sent.mail);
    }
  }
});

/** Blanks at which a field may be folded, those in a display name too. */
function folded(text: string, name: string, folds: readonly string[]): string {
  const { at, value } = fieldIn(text, name);
  let nth = 0;
  return splice(text, at - 1, ` ${value}`, ` ${value}`.replace(/ /g, (blank) => folds[nth++ % folds.length] + blank));
}

const word = (text: string, b64: boolean): string =>
  b64 ? `=?UTF-8?B?${btoa(utf8ToLatin1(text))}?=` : `=?utf-8?q?${
    utf8ToLatin1(text).replace(
      /[^A-Za-z0-9]/g,
      (c) => `=${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
    )
  }?=`;

interface Shape {
  readonly name: string;
  readonly folds: readonly string[];
  readonly upper: boolean;
  readonly cut: number;
  readonly b64: boolean;
  readonly encoded: boolean;
  readonly blanks: string;
  readonly encoding: "quoted-printable" | "base64" | "";
  readonly crlf: boolean;
}
const shapes: fc.Arbitrary<Shape> = fc.record({
  name: fc.constantFrom(...NAMES),
  folds: fc.array(fc.constantFrom("", "\n"), { minLength: 1, maxLength: 5 }),
  upper: fc.boolean(),
  cut: fc.nat(SUBJECT.length),
  b64: fc.boolean(),
  encoded: fc.boolean(),
  blanks: fc.constantFrom(" ", "  ", "\t", " \t "),
  encoding: fc.constantFrom("", "quoted-printable", "base64"),
  crlf: fc.boolean(),
});

Deno.test("Differences in form only get the same answer", async () => {
  await check(shapes, async (shape) => {
    const challenge = GENUINE.get(shape.name)!;
    let { mail: quoted } = challenge.sent;
    if (shape.encoded) {
      // RFC 2047: white space between two encoded words is nothing.
      const [front, back] = [SUBJECT.slice(0, shape.cut), SUBJECT.slice(shape.cut)];
      const words = [front, back].filter((part) => part !== "").map((part) => word(part, shape.b64)).join(" ");
      quoted = quoted.replace(/^Subject: .*$/m, () => `Subject: ${words}`);
    }
    quoted = quoted.replace(/^Date: .*$/m, (line) => line.replace(/(?<!:) /g, shape.blanks));
    for (const name of ["Subject", "Date", "From", "X-Msgauth", "Message-ID"]) {
      quoted = folded(quoted, name, shape.folds);
    }
    if (shape.upper) {
      quoted = quoted.replace(/^(?:From|Subject|Date|X-Msgauth|Message-ID|To):/gm, (name) => name.toUpperCase());
    }
    let { frame } = challenge;
    if (shape.encoding !== "" && MIME.includes(shape.name)) {
      const part = frame.lastIndexOf("\n\n");
      const inside = frame.slice(part + 2) + quoted;
      const head = frame.slice(0, part).replace(/(Content-Type: message\/rfc822)\nContent-Transfer-Encoding: .*/, "$1");
      frame = `${head}\nContent-Transfer-Encoding: ${shape.encoding}\n\n`;
      quoted = shape.encoding === "base64" ? btoa(inside).replace(/.{76}/g, "$&\n") : quotedPrintable(inside);
    }
    const mail = frame + quoted + challenge.rest;
    const sent = shape.crlf ? mail.replaceAll("\n", "\r\n") : mail;
    assert.deepEqual(await answerTo(sent, challenge), challenge.answer, mail);
  }, 400);
});

Deno.test("The frame's own header may be folded and its names in upper case", async () => {
  for (const name of NAMES) {
    const challenge = GENUINE.get(name)!;
    const head = challenge.mail.slice(0, challenge.mail.indexOf("\n\n"));
    const changed = head.replace(/^([\w-]+):/gm, (field) => field.toUpperCase());
    const long = folded(folded(changed, "SUBJECT", ["\n", ""]), "FROM", ["\n"]);
    // The Subject of an answer is that of the challenge, unfolded.
    const answer = await answerTo(long + challenge.mail.slice(head.length), challenge);
    assert.deepEqual(answer, challenge.answer, name);
  }
});

Deno.test("A challenge that is truncated anywhere: the same answer or none", async () => {
  const given = fc.tuple(fc.constantFrom(...NAMES), fc.nat(10_000), fc.boolean());
  await check(given, async ([name, at, whole]) => {
    const challenge = GENUINE.get(name)!;
    const mail = challenge.mail.slice(0, at % challenge.mail.length);
    fc.pre(mail.includes("\n\n"));
    const { verdict } = await decide({ ...delivery(mail), whole }, context(challenge.sent.entries));
    const answer = answerOf(verdict);
    if (answer === undefined) return;
    assert.deepEqual(answer, challenge.answer);
    const quoted = mail.slice(challenge.frame.length);
    for (const part of ["tag", "id", "date", "subject", "from"]) {
      const { at, value } = PARTS[part]!(challenge.sent.mail);
      assert.equal(quoted.slice(at, at + value.length), value, part);
    }
  }, 600);
});
