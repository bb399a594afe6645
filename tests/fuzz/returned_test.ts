/** A signed message is recognized in any returned form, and nothing else is. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeLatin1, encodeLatin1, utf8, utf8ToLatin1 } from "../../lib/bytes.ts";
import { parseHead, printHead } from "../../lib/message.ts";
import { messageIdOf, messageIdReadings } from "../../lib/message_id.ts";
import { findOriginals } from "../../incoming/originals.ts";
import { doesVerify } from "../verified.ts";
import { plan } from "../../outgoing/plan.ts";
import { joe, now, settings } from "../challenges.ts";
import { FORMS } from "../forms.ts";
import { fuzz } from "./fuzz.ts";
import { randomBytes } from "../random.ts";

/** Forms that can be undone for any Message-ID. Hard wrapping cannot; it is in PLAIN only. */
const ANY = [
  ...[
    "unchanged",
    "with CRLF",
    "with field names in upper case",
    "with a space before the colon",
    'prefixed with "> "',
    'prefixed with "* "',
  ],
  ...[
    'prefixed with "# "',
    'prefixed with ": "',
    'prefixed with "| "',
    `prefixed with ${JSON.stringify(" ".repeat(200))}`,
    "HTML, <br>",
  ],
  ...["with an empty line after every line", "with CR CR LF", "HTML, <pre>", "HTML, <p> per line", "HTML, <br/>"],
  ...["HTML, <div> per line", "UTF-16LE", "UTF-16BE", "UTF-16LE with a byte order mark", "base64", "base64 of CRLF"],
];
const PLAIN = Object.keys(FORMS);

const part = fc.array(fc.constantFrom(..."abcXYZ019.-_+=$%", "20261127", "example"), { minLength: 1, maxLength: 6 })
  .map((pieces) => pieces.join(""));
const plainIds = fc.tuple(part, part).map(([left, right]) => `<${left}@${right}>`);
const anyIds = fc.oneof(
  plainIds,
  plainIds.map((id) => id.slice(1, -1)),
  plainIds.map((id) => `${id} (a comment)`),
  plainIds.map((id) => id.replace("@", "\n @")),
  plainIds.map((id) => id.replace("@", "\n\t@")),
  plainIds.map((id) => `<${id}>`),
  plainIds.map((id) => id.slice(0, -1)),
  plainIds.map((id) => `=?utf-8?q?${id.replace(/[<>@=_]/g, (char) => `=${char.charCodeAt(0).toString(16)}`)}?=`),
  part.map((text) => `<"${text} ü"@example.net>`),
  fc.tuple(part, part).map(([left, right]) => `${left} ${right}`),
);
const number = fc.nat(10_000);

/** The header of a signed message, as a binary string. */
function signed(id: string): string {
  const mail =
    `From: joe@example.net\nTo: a@b.example\nSubject: x\nDate: Thu, 1 Jan 2026 00:00:00 +0000\nMessage-ID: ${id}\n\n`;
  const call = { sender: undefined, fullName: "", recipientsFrom: "header", recipients: [], dsn: {} } as const;
  const { header } = plan(call, parseHead(utf8(mail), true)!.header, {
    settings: settings(),
    identities: [joe],
    now,
    random: randomBytes(),
  });
  return decodeLatin1(printHead(header));
}

const OUTER = "From: MAILER-DAEMON@mx.example\n\nIt did not go.\n\n";
const secrets = Object.fromEntries(joe.keys.map((key) => [key.id, key.secret]));

/** Whether the body contains a valid tag. */
function recognised(body: string): boolean {
  for (const { tag, messageId } of findOriginals(encodeLatin1(OUTER + body), OUTER.length)) {
    if (doesVerify(tag, "joe@example.net", messageId, { secrets, now })) return true;
  }
  return false;
}

fuzz(
  "a signed message is recognized in any form",
  fc.tuple(fc.oneof(fc.tuple(anyIds, fc.constant(ANY)), fc.tuple(plainIds, fc.constant(PLAIN))), number),
  ([[id, forms], at]) => {
    const form = forms[at % forms.length]!;
    assert.ok(recognised(FORMS[form]!(signed(id) + "Hello\n")), form);
  },
  60,
);

fuzz(
  "with another Message-ID it is not recognized in any form",
  fc.tuple(anyIds, anyIds, number),
  ([id, other, at]) => {
    const head = signed(id);
    const [before, after] = [id, other].map((one) => utf8ToLatin1(`Message-ID: ${one}\n`));
    const { header } = parseHead(encodeLatin1(head), true)!;
    if (messageIdReadings(other).includes(messageIdOf(header))) return;
    const form = PLAIN[at % PLAIN.length]!;
    assert.ok(!recognised(FORMS[form]!(head.replace(before!, () => after!) + "Hello\n")), form);
  },
  60,
);
