/** Hostile text takes at most linear work: twice the length takes at most 2.5 times the work. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { addressIn } from "../../incoming/delivery.ts";
import { whatFollows } from "../../hooks/dotqmail.ts";
import { recognize } from "../../incoming/challenge/forms.ts";
import { decide } from "../../io/state/lookups.ts";
import { quotedMessages } from "../../incoming/challenge/quoted.ts";
import { bounceEvidence } from "../../incoming/bounce.ts";
import { formatMailbox, parseAddress, parseAddressList } from "../../lib/address.ts";
import { encodeLatin1 } from "../../lib/bytes.ts";
import { quote } from "../../lib/fail.ts";
import { PREFIX_BYTES } from "../../io/system/input.ts";
import { comparedFields } from "../../lib/compared.ts";
import { disagreement, parseEntry } from "../../lib/entry.ts";
import { openBody, sealedEntry } from "../../io/state/seal.ts";
import { parseLists } from "../../lib/settings/lists.ts";
import { logLine } from "../../lib/log.ts";
import { parseHead, printHead, valueOf } from "../../lib/message.ts";
import { messageIdReadings, messageIdsIn, signedMessageId } from "../../lib/message_id.ts";
import { findMessageIds, findOriginals } from "../../incoming/originals.ts";
import { prvsVerify } from "../../lib/prvs.ts";
import { requestIn } from "../../lib/requests.ts";
import { srsOpen } from "../../lib/srs.ts";
import { verifyTag } from "../../lib/tag.ts";
import { parseFlags } from "../../shim/flags.ts";
import { plan } from "../../outgoing/plan.ts";
import { isListCommand } from "../../outgoing/rules.ts";
import { chair, context, joe, now, settings } from "../challenges.ts";
import process from "node:process";
import { fuzz, LONG, search, SECONDS, SEED } from "./fuzz.ts";
import { work } from "./work.ts";
import { randomBytes } from "../random.ts";

const head = (text: string) => parseHead(encodeLatin1(text), true)!;
const body = (text: string) => ({ prefix: encodeLatin1(text).subarray(0, PREFIX_BYTES), ...head(text) });
const findIn = (text: string) => Array.fromAsync(findOriginals(encodeLatin1(text), head(text).bodyStart));
const quoted = (text: string) => quotedMessages(body(text), "--- Below");
const ALL_ENABLED = settings("answer = true\nrequests = true");
const arrived = (text: string) => ({ sender: null, recipients: ["joe@example.net"], ...body(text), whole: true });
const judged = async (text: string) => await decide(arrived(text), context([], ALL_ENABLED));

/** Functions that read untrusted text. */
const READERS: Record<string, (text: string) => unknown> = {
  parseAddressList: (text) => parseAddressList(text, { bare: true }),
  parseAddress,
  addressIn,
  formatMailbox: (text) => formatMailbox(text, joe.address),
  parseHead: (text) => head(text).header.map(valueOf),
  printHead: (text) => printHead(head(text).header),
  recognize: (text) => recognize(head(text).header),
  "recognize, Majordomo": (text) =>
    recognize(
      head("From: majordomo@x\nTo: a@x\nSubject: 0123-4567-89AB : CONFIRM from x (subscribe)\n\n").header,
      text,
    ),
  "recognize, after From": (text) =>
    recognize(head(`From: sympa@x\nAuto-Submitted: auto-replied\nSubject: ${text}`).header),
  bounceEvidence: (text) => bounceEvidence(body(text)),
  "bounceEvidence, a report": (text) => bounceEvidence(body(`Content-Type: multipart/report; ${text}`)),
  findOriginals: (text) => [...findOriginals(encodeLatin1(text), 0)],
  "findOriginals, encoded": (text) => [...findOriginals(encodeLatin1(`${MIME}${text}`), 0)],
  "findOriginals, in HTML": (text) => [...findOriginals(encodeLatin1(`<p>X-Msgauth: ${text}`), 0)],
  "findOriginals, in UTF-16": (text) => [...findOriginals(encodeLatin1(`\0${text}`), 0)],
  findMessageIds: (text) => [...findMessageIds(encodeLatin1(text), 0)],
  messageIdsIn,
  messageIdReadings,
  signedMessageId,
  "findOriginals, in To": (text) => findIn(`To: ${text}\n${MIME}QUJD\n`),
  "findOriginals, in Content-Type": (text) => findIn(`Content-Type: ${text}\n${MIME}QUJD\n`),
  "mimeParts, in a part's header": (text) => findIn(`${PARTS.slice(0, -1)}X: ${text}\n${MIME}QUJD\n`),
  "mimeParts, in a part's Content-Type": (text) => findIn(`${PARTS.slice(0, -1)}Content-Type: ${text}\n${MIME}QUJD\n`),
  quotedMessages: quoted,
  "quotedMessages, of parts": (text) => quoted(`${MIME}${text}`),
  "quotedMessages, of plain parts": (text) => quoted(`${PARTS}${text}`),
  judge: judged,
  "judge, a challenge": (text) => judged(`${CHALLENGE}${text}`),
  "judge, a challenge of parts": (text) => judged(`${CHALLENGE}${MIME}${text}`),
  plan: (text) => {
    const call = { sender: undefined, fullName: "", recipientsFrom: "header", recipients: [], dsn: {} } as const;
    return plan(call, head(`From: joe@example.net\nTo: ${text}`).header, {
      settings: ALL_ENABLED,
      identities: [joe, chair],
      now,
      random: randomBytes(),
    });
  },
  parseFlags: (text) => parseFlags("sendmail", ["-f", text, `-${text}`, text]),
  srsOpen: (text) => srsOpen(`SRS0=${text}@x`, { secrets: ["a"], now: new Date() }),
  prvsVerify: (text) => prvsVerify(`${text}prvs=0123abcdef@x`, { secrets: { 0: "a" }, now: new Date() }),
  verifyTag: (text) => verifyTag(text, text, text, { secrets: { k1: "a" }, now: new Date() }),
  parseEntry,
  disagreement: async (text) => {
    const body = encodeLatin1(text);
    const { header } = head(`From: ${text}\nSubject: ${text}`);
    const message = { identity: joe, recipients: [], header, body, whole: true };
    const entry = (await sealedEntry(parseAddress("x@y"), message, now))!;
    return disagreement(entry, await openBody(entry, joe, now), { header, body, ended: true, headerOnly: true });
  },
  "comparedFields, addresses": (text) => comparedFields(head(`To: ${text}`).header),
  "comparedFields, Content-Type": (text) => comparedFields(head(`Content-Type: ${text}`).header),
  requestIn: (text) => {
    const message = { header: head(`Subject: ${text}`).header, body: encodeLatin1(text), whole: true };
    return [requestIn({ local: "majordomo", domain: "x" }, message), requestIn({ local: text, domain: "x" }, message)];
  },
  isListCommand: (text) => isListCommand({ local: text, domain: "x" }),
  logLine: (text) => logLine({ why: text }, now),
  quote,
  parseLists: (text) => parseLists(text, "/lists"),
  whatFollows: (text) => whatFollows(text, () => Promise.resolve(text), () => text),
};

/** How many times a reader reads the text, if more than once: `disagreement` makes the entry as well. */
const TIMES: Record<string, number> = { disagreement: 2 };

const CHALLENGE = `From: The qsecretary program <qmail-confirm-${"a".repeat(20)}@list.cr.yp.to>\n`;
const MIME = 'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Transfer-Encoding: base64\n\n';
const PARTS = 'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\n';
const PIECES = [
  ...'()<>[]:;@\\,". \t\r\n\0=-+a>|{*/?_',
  "\r\n",
  "--b\n",
  "--b\nContent-Type: message/rfc822\n\n",
  "From: a@x\n",
  "a@x,",
  "<@a,",
  "g:",
  '\\"',
  "(\\",
  "=?UTF-8?Q?a?=",
  "=\n",
  "A=\n",
  "=3D",
  "X-Msgauth: ",
  "X-Msgauth:\n ",
  `X-Msgauth: v1.k1.20807.${"a".repeat(8)}.${"b".repeat(26)}\n`,
  "Message-ID: <1@x>\n",
  "Message-ID: <1@x ",
  "References: ",
  `text X-Msgauth: v1.k1.20807.${"a".repeat(8)}.${"b".repeat(26)}\n\n`,
  "<br>",
  "<p>",
  "<p ",
  "&lt;",
  "&amp;lt;",
  "--- Below\n",
  `${"QUJD".repeat(19)}\n`,
  "Content-Type: multipart/mixed; boundary=b\n",
  "-subscribe",
  "prvs=0123abcdef",
  "a\n ",
];
const repeated = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 3 }).map((all) => all.join(""));
const ends = fc.array(fc.constantFrom(...PIECES), { maxLength: 2 }).map((all) => all.join(""));
const shapes = fc.tuple(fc.constantFrom(...Object.keys(READERS)), ends, repeated, ends);

/** Bytes of the shorter text; the longer one has the size that a hook inspects. */
const SIZE = PREFIX_BYTES / 2;
const long = ([, front, piece, back]: [string, string, string, string], size: number): string =>
  front + piece.repeat(Math.ceil((size - front.length - back.length) / piece.length)) + back;

fuzz("twice the text takes at most 2.5 times the work", shapes, async (shape) => {
  const read = READERS[shape[0]]!;
  const [once, twice] = [long(shape, SIZE), long(shape, 2 * SIZE)];
  await work(() => read(once)); // warm up
  const [half, full] = [await work(() => read(once)), await work(() => read(twice))];
  assert.ok(full <= 2.5 * half + 10_000, `${half} for ${once.length} bytes, ${full} for ${twice.length}`);
  // The work per byte is bounded, too.
  assert.ok(full <= 50 * twice.length * (TIMES[shape[0]] ?? 1), `${full} for ${twice.length} bytes`);
}, 4);

/** Work within one match of a pattern is visible to a clock only, so the ratio is generous and measured three times. */
Deno.test({
  name: "twice the text takes at most four times the CPU time",
  ignore: !LONG,
  fn: async () => {
    const cost = async (read: (text: string) => unknown, text: string) => {
      const from = process.cpuUsage().user;
      await Promise.resolve().then(() => read(text)).catch(() => {});
      return (process.cpuUsage().user - from) / 1000;
    };
    const found = await search(shapes, async (shape) => {
      const read = READERS[shape[0]]!;
      const [once, twice] = [long(shape, SIZE), long(shape, 2 * SIZE)];
      for (let left = 3; left > 0; left--) {
        const [less, more] = [await cost(read, once), await cost(read, twice)];
        if (more < 200 || more <= 4 * less) return;
        if (left === 1) assert.fail(`${less} ms for ${once.length} bytes, ${more} ms for ${twice.length}`);
      }
    }, { kept: [], seed: SEED, seconds: SECONDS / 20, batch: 20 });
    assert.equal(found, undefined, found?.report);
  },
});

Deno.test("work() detects quadratic growth, in loops and in built-in functions", async () => {
  const squares: ((text: string) => unknown)[] = [
    (text) => {
      let sum = 0;
      for (let i = 0; i < text.length; i++) for (let j = 0; j < text.length; j++) sum += j;
      return sum;
    },
    (text) => [...text].map(() => text.indexOf("b")),
    (text) => [...text].map(() => /b/.test(text)),
    (text) => [...text].map(() => text.split("a")),
    (text) => [...text].map(() => encodeLatin1(text).indexOf(0)),
  ];
  for (const run of squares) {
    const [less, more] = [await work(() => run("a".repeat(300))), await work(() => run("a".repeat(600)))];
    assert.ok(more > 3 * less, `${less}, ${more}: ${run}`);
  }
  const line = (text: string) => [...text].map((one) => one.charCodeAt(0)).length;
  const [less, more] = [await work(() => line("a".repeat(3000))), await work(() => line("a".repeat(6000)))];
  assert.ok(more > 1.8 * less && more < 2.2 * less, `${less}, ${more}`);
  assert.equal(await work(() => line("a".repeat(3000))), less, "the count is reproducible");
});
