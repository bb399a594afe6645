/**
 * Genuine challenges with one change: a difference in form gets the same
 * answer, any other change gets none.
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

/** The message with more fields and body lines to change. */
function extended(message: string): string {
  const [head, body] = [message.slice(0, message.indexOf("\n\n")), message.slice(message.indexOf("\n\n") + 2)];
  const otherFields = head.split("\n").filter((line) => !/^(?:Subject|Date):/.test(line)).join("\n");
  return `${otherFields}\nSubject: ${utf8ToLatin1(SUBJECT)}\nDate: Fri, 20 Nov 2026 05:59:57 +0100\n` +
    `Reply-To: joe@example.net\nCc: ann@example.net\nContent-Type: text/plain; charset=utf-8\n\n` +
    `${body.trim() || "subscribe me"}\nsecond line\n`;
}

const GENUINE = new Map<string, Challenge & { answer: Record<string, unknown> }>();
for (const name of NAMES) {
  const challenge = await genuine(name, extended);
  const { verdict } = await decide(delivery(challenge.mail), context(challenge.sent.entries));
  GENUINE.set(name, { ...challenge, answer: answerOf(verdict)! });
}

/** Checks a property. The message of a failure contains its seed. */
async function property<T>(
  arbitrary: fc.Arbitrary<T>,
  test: (value: T) => Promise<void>,
  numRuns = 300,
): Promise<void> {
  await fc.assert(fc.asyncProperty(arbitrary, test), { numRuns });
}

async function answerTo(mail: string, challenge: Challenge) {
  const received = { ...delivery(mail), recipients: ["joe@example.net"] };
  const { verdict } = await decide(received, context(challenge.sent.entries));
  if (verdict.action !== "answer") assert.equal(verdict.action === "deliver" || verdict.action === "spam", true);
  return answerOf(verdict);
}

/** The value of a field, without surrounding blanks, and its offset. */
function fieldIn(text: string, name: string): { at: number; value: string } {
  const match = new RegExp(`^${name}:[ ]*(.*)$`, "m").exec(text);
  if (match === null) throw new Error(`no ${name} in ${text}`);
  return { at: match.index + match[0].length - match[1]!.length, value: match[1]! };
}

/** One byte replaced, inserted or deleted; the new byte is never white space. */
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

/** Applies the edit; the result always differs. */
function edited(value: string, { kind, at, byte }: Edit): string {
  const offset = at % value.length;
  const old = value.charCodeAt(offset);
  const other = String.fromCharCode(byte === old ? (byte === 0x7e ? 0x21 : byte + 1) : byte);
  const out = value.slice(0, offset) + (kind === "delete" ? "" : other) +
    value.slice(kind === "insert" ? offset : offset + 1);
  assert.notEqual(out, value);
  return out;
}

const splice = (text: string, at: number, old: string, replacement: string): string =>
  text.slice(0, at) + replacement + text.slice(at + old.length);

const collapseSpace = (text: string): string => text.replace(/\s+/g, " ").trim();

/** Parts of the quoted message that must equal what was sent. */
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

/** The address in a field, without display name and angle brackets, and its offset. */
function addressIn(mail: string, name: string): { at: number; value: string } {
  const { at, value } = fieldIn(mail, name);
  const found = /[^<>\s]+@[^<>\s]+/.exec(value)!;
  return { at: at + found.index, value: found[0] };
}

/** Whether a field contains the same addresses in both messages. */
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

Deno.test("A changed byte in the quoted message prevents an answer", async () => {
  const inputs = fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...Object.keys(PARTS)), edits);
  await property(inputs, async ([name, part, edit]) => {
    const challenge = GENUINE.get(name)!;
    const { at, value } = PARTS[part]!(challenge.sent.mail);
    const quoted = splice(challenge.sent.mail, at, value, edited(value, edit));
    const answer = await answerTo(challenge.frame + quoted + challenge.rest, challenge);
    const field = ADDRESSES[part];
    if (field !== undefined && sameAddresses(quoted, challenge.sent.mail, field)) {
      assert.deepEqual(answer, challenge.answer); // Only the case changed, or a comma was added.
    } else if (part === "type" && /^text\/plain;+ ?charset=utf-8;*$/i.test(fieldIn(quoted, "Content-Type").value)) {
      return;
    } else if (part === "id" && sameId(quoted, challenge)) {
      assert.deepEqual(answer, challenge.answer); // An angle bracket was added.
    } else if (
      part !== "subject" || collapseSpace(fieldIn(quoted, "Subject").value) !== collapseSpace(utf8ToLatin1(SUBJECT))
    ) {
      assert.equal(answer, undefined, quoted);
    }
  }, 600);
});

Deno.test("A changed byte anywhere gives the same answer or none", async () => {
  await property(fc.tuple(fc.constantFrom(...NAMES), edits), async ([name, edit]) => {
    const challenge = GENUINE.get(name)!;
    const answer = await answerTo(edited(challenge.mail, edit), challenge);
    if (answer === undefined) return;
    // Only the cookie comes from the sender: in the address or, for some programs, in the Subject.
    const { to, subject, ...others } = challenge.answer;
    const { to: newTo, subject: newSubject, ...newOthers } = answer;
    assert.deepEqual(newOthers, others);
    assert.equal(withoutCookie(newTo), withoutCookie(to));
    assert.equal(withoutCookie(newSubject), withoutCookie(subject));
  }, 800);
});

/** Replaces time, process ID and cookie by a placeholder. */
const withoutCookie = (text: unknown): string =>
  String(text).toLowerCase().replace(/(?<=-confirm-|-qconfirm-|-[su]c\.|^confirm )(?:[0-9a-z]+\.?)+/, "COOKIE");

/** Fields of the challenge itself, and the part of their value that names the list or its host. */
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

Deno.test("A changed byte in the list's name or host prevents an answer", async () => {
  await property(fc.tuple(fc.constantFrom(...FRAMES), edits), async ([[name, field, part], edit]) => {
    const challenge = GENUINE.get(name)!;
    const { at, value } = fieldIn(challenge.mail, field);
    const found = part.exec(value)!;
    const changed = edited(found[0], edit);
    // Names are compared ignoring case.
    fc.pre(changed.toLowerCase() !== found[0].toLowerCase());
    const mail = splice(challenge.mail, at + found.index, found[0], changed);
    const answer = await answerTo(mail, challenge);
    if (answer === undefined) return;
    // The parser does not count the added byte as part of the address, for example a comma at its end.
    assert.deepEqual(answer, challenge.answer, mail);
    assert.match(changed, /^[^a-z0-9]*[a-z.=@0-9-]+[^a-z0-9]*$/i);
  }, 500);
});

Deno.test("Another list's name throughout the challenge prevents an answer", async () => {
  for (const name of NAMES) {
    const challenge = GENUINE.get(name)!;
    const other = (text: string) =>
      text.replaceAll("lists.example.org", "lists.example.com").replaceAll("list.cr.yp.to", "list.cr.yp.so")
        .replaceAll("@example.org", "@example.com");
    assert.notEqual(other(challenge.frame), challenge.frame, name);
    assert.equal(await answerTo(other(challenge.frame) + challenge.sent.mail + challenge.rest, challenge), undefined);
  }
});

/** The quoted message with other contents: never answered. */
const WRONG: Record<string, (challenge: Challenge) => string | undefined> = {
  "two tags": ({ sent }) => sent.mail.replace(sent.tagLine, sent.tagLine + sent.tagLine),
  "another tag before it": ({ sent }) => sent.tagLine.replace(/.\n/, "\n") + sent.mail,
  "no tag": ({ sent }) => sent.mail.replace(sent.tagLine, ""),
  "the tag only in the body": ({ sent }) => sent.mail.replace(sent.tagLine, "").replace("\n\n", `\n\n${sent.tagLine}`),
  "the tag in upper case": ({ sent }) =>
    sent.mail.replace(sent.tagLine, sent.tagLine.replace(/v1.*/, (tag) => tag.toUpperCase())),
  "two Message-ID fields": ({ sent }) => `Message-ID: ${sent.messageId}\n${sent.mail}`,
  "another Message-ID before it": ({ sent }) => `Message-ID: <x@example.net>\n${sent.mail}`,
  "no Message-ID": ({ sent }) => sent.mail.replace(/^Message-ID: .*\n/m, ""),
  "two From fields": ({ sent }) => `From: Joe <joe@example.net>\n${sent.mail}`,
  "a second From with another address": ({ sent }) => sent.mail.replace("\n\n", "\nFrom: eve@evil.example\n\n"),
  "another address in From": ({ sent }) => sent.mail.replace("joe@example.net>", "eve@evil.example>"),
  "two addresses in From": ({ sent }) => sent.mail.replace("joe@example.net>", "joe@example.net>, eve@evil.example"),
  "another identity's address in From": ({ sent }) => sent.mail.replace("joe@example.net>", "chair@club.example>"),
  "no From": ({ sent }) => sent.mail.replace(/^From: .*\n/m, ""),
  "two Subject fields": ({ sent }) => sent.mail.replace("\n\n", "\nSubject: BUY NOW\n\n"),
  "no Subject": ({ sent }) => sent.mail.replace(/^Subject: .*\n/m, ""),
  "two Date fields": ({ sent }) => sent.mail.replace("\n\n", "\nDate: Sat, 21 Nov 2026 05:59:57 +0100\n\n"),
  "no Date": ({ sent }) => sent.mail.replace(/^Date: .*\n/m, ""),
  "another To": ({ sent }) => sent.mail.replace(/^To: .*$/m, "To: eve@evil.example"),
  "an added address in To": ({ sent }) => sent.mail.replace(/^To: .*$/m, "$&, eve@evil.example"),
  "two To fields": ({ sent }) => sent.mail.replace(/^To: .*$/m, "$&\n$&"),
  "no To": ({ sent }) => sent.mail.replace(/^To: .*\n/m, ""),
  "To and Cc exchanged": ({ sent }) => sent.mail.replace(/^To:/m, "X:").replace(/^Cc:/m, "To:").replace(/^X:/m, "Cc:"),
  "no Cc": ({ sent }) => sent.mail.replace(/^Cc: .*\n/m, ""),
  "another Reply-To": ({ sent }) => sent.mail.replace(/^Reply-To: .*$/m, "Reply-To: eve@evil.example"),
  "an added address in Reply-To": ({ sent }) => sent.mail.replace(/^Reply-To: .*$/m, "$&, eve@evil.example"),
  "two Reply-To fields": ({ sent }) => sent.mail.replace("\n\n", "\nReply-To: eve@evil.example\n\n"),
  "no Reply-To": ({ sent }) => sent.mail.replace(/^Reply-To: .*\n/m, ""),
  "an added Mail-Followup-To": ({ sent }) => sent.mail.replace("\n\n", "\nMail-Followup-To: eve@evil.example\n\n"),
  "an mbox line before it": ({ sent }) => `From BUY NOW at evil.example\n${sent.mail}`,
  "an added Comments field": ({ sent }) => sent.mail.replace("\n\n", "\nComments: BUY NOW\n\n"),
  "an added References field": ({ sent }) => sent.mail.replace("\n\n", "\nReferences: <eve@evil.example>\n\n"),
  "another Content-Type": ({ sent }) =>
    sent.mail.replace(/^Content-Type: .*$/m, "Content-Type: text/html; charset=utf-8"),
  "another charset": ({ sent }) => sent.mail.replace("charset=utf-8", "charset=utf-7"),
  "two Content-Type fields": ({ sent }) => sent.mail.replace("\n\n", "\nContent-Type: text/html\n\n"),
  "no Content-Type": ({ sent }) => sent.mail.replace(/^Content-Type: .*\n/m, ""),
  "an added Content-Transfer-Encoding": ({ sent }) =>
    sent.mail.replace("\n\n", "\nContent-Transfer-Encoding: base64\n\n"),
  "another last line": ({ sent }) => sent.mail.replace("second line\n", "second lie\n"),
  "another last line, truncated": ({ sent }) => sent.mail.replace("second line\n", "second lie"),
  "an added last line without a line ending": ({ sent }) => `${sent.mail}BUY NOW`,
  "a line added after empty lines": ({ sent }) => `${sent.mail}${"\n".repeat(200)}BUY NOW\n`,
  "trailing white space": ({ sent }) => sent.mail.replace("second line\n", "second line \n"),
  "the lines in reverse order": ({ sent }) => sent.mail.replace(/\n\n(.*)\n(.*)\n/, "\n\n$2\n$1\n"),
  "a line inserted between": ({ sent }) => sent.mail.replace("second line", "BUY NOW\nsecond line"),
  "a line inserted at the beginning": ({ sent }) => sent.mail.replace("\n\n", "\n\nBUY NOW\n"),
  "a line appended": ({ sent }) => `${sent.mail}BUY NOW\n`,
  "an empty line within the header": ({ sent }) => sent.mail.replace("\nX-Msgauth", "\n\nX-Msgauth"),
  "quoted with >": ({ sent }) => sent.mail.replace(/^/gm, "> "),
  "indented": ({ sent }) => sent.mail.replace(/^/gm, "  "),
};

Deno.test("A quoted message with other contents prevents an answer", async () => {
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

Deno.test("A challenge with another structure is not answered", async () => {
  for (const name of NAMES) {
    const challenge = GENUINE.get(name)!;
    const { frame, sent, rest, mail } = challenge;
    const bad = async (what: string, changed: string) => {
      assert.notEqual(changed, mail, what);
      assert.equal(await answerTo(changed, challenge), undefined, `${name}: ${what}`);
    };
    const confirmAddress = fieldIn(mail, /^qs|^qc|^sympa/.test(name) ? "From" : "Reply-To").value;
    await bad("two From fields", `From: ${fieldIn(mail, "From").value}\n${mail}`);
    await bad("another From before it", `From: eve@evil.example\n${mail}`);
    await bad("two Subject fields", `Subject: ${fieldIn(mail, "Subject").value}\n${mail}`);
    await bad("two Reply-To fields", `Reply-To: ${confirmAddress}\nReply-To: eve@evil.example\n${mail}`);
    await bad("the challenge in the body of another message", `From: eve@evil.example\nSubject: fwd\n\n${mail}`);
    if (MIME.includes(name)) {
      const boundary = /\n(--[^\n]+)--\n?$/.exec(rest)![1]!;
      const part = `\n${boundary}\nContent-Type: message/rfc822\n\n${sent.mail}`;
      await bad("two quoted messages", frame + sent.mail + part + rest);
      await bad(
        "the message as text/plain",
        mail.replace(/^Content-Type: message\/rfc822$/m, "Content-Type: text/plain"),
      );
      await bad(
        "the message as another type",
        mail.replace(/^Content-Type: message\/rfc822$/m, "Content-Type: application/x"),
      );
    } else {
      const separator = SEPARATOR.exec(frame)![0];
      await bad("two separators", frame.replace(separator, separator + separator) + sent.mail);
      await bad("the separator also in the message", `${frame}${sent.mail}${separator}`);
      await bad("no separator", frame.replace(separator, "") + sent.mail);
      await bad("another separator", frame.replace(separator, separator.toUpperCase()) + sent.mail);
      await bad("indented separator", frame.replace(separator, ` ${separator}`) + sent.mail);
    }
  }
});

/** Folds a field at its blanks, including those in a display name. */
function folded(text: string, name: string, folds: readonly string[]): string {
  const { at, value } = fieldIn(text, name);
  let nth = 0;
  return splice(text, at - 1, ` ${value}`, ` ${value}`.replace(/ /g, (blank) => folds[nth++ % folds.length] + blank));
}

const encodedWord = (text: string, b64: boolean): string =>
  b64 ? `=?UTF-8?B?${btoa(utf8ToLatin1(text))}?=` : `=?utf-8?q?${
    utf8ToLatin1(text).replace(
      /[^A-Za-z0-9]/g,
      (c) => `=${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
    )
  }?=`;

interface Form {
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
const forms: fc.Arbitrary<Form> = fc.record({
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
  await property(forms, async (form) => {
    const challenge = GENUINE.get(form.name)!;
    let { mail: quoted } = challenge.sent;
    if (form.encoded) {
      // White space between two encoded words is ignored (RFC 2047 section 6.2).
      const [front, back] = [SUBJECT.slice(0, form.cut), SUBJECT.slice(form.cut)];
      const words = [front, back].filter((part) => part !== "").map((part) => encodedWord(part, form.b64)).join(" ");
      quoted = quoted.replace(/^Subject: .*$/m, () => `Subject: ${words}`);
    }
    quoted = quoted.replace(/^Date: .*$/m, (line) => line.replace(/(?<!:) /g, form.blanks));
    for (const name of ["Subject", "Date", "From", "X-Msgauth", "Message-ID"]) {
      quoted = folded(quoted, name, form.folds);
    }
    if (form.upper) {
      quoted = quoted.replace(/^(?:From|Subject|Date|X-Msgauth|Message-ID|To):/gm, (name) => name.toUpperCase());
    }
    let { frame } = challenge;
    if (form.encoding !== "" && MIME.includes(form.name)) {
      const part = frame.lastIndexOf("\n\n");
      const inside = frame.slice(part + 2) + quoted;
      const head = frame.slice(0, part).replace(/(Content-Type: message\/rfc822)\nContent-Transfer-Encoding: .*/, "$1");
      frame = `${head}\nContent-Transfer-Encoding: ${form.encoding}\n\n`;
      quoted = form.encoding === "base64" ? btoa(inside).replace(/.{76}/g, "$&\n") : quotedPrintable(inside);
    }
    const mail = frame + quoted + challenge.rest;
    const received = form.crlf ? mail.replaceAll("\n", "\r\n") : mail;
    assert.deepEqual(await answerTo(received, challenge), challenge.answer, mail);
  }, 400);
});

Deno.test("The challenge's own header may be folded and have field names in upper case", async () => {
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

Deno.test("A challenge truncated anywhere gives the same answer or none", async () => {
  const inputs = fc.tuple(fc.constantFrom(...NAMES), fc.nat(10_000), fc.boolean());
  await property(inputs, async ([name, at, whole]) => {
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
