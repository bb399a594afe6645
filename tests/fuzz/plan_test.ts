/** The plan for any header: one header with at most one tag, and valid addresses. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { formatAddress } from "../../lib/address.ts";
import { concat, decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";
import { parseHead, printHead, values } from "../../lib/message.ts";
import { bareMessageId, messageIdBody } from "../../lib/message_id.ts";
import { findOriginals } from "../../incoming/originals.ts";
import { TAG_FIELD, verifyTag } from "../../lib/tag.ts";
import { parseFlags } from "../../shim/flags.ts";
import { plan } from "../../outgoing/plan.ts";
import { chair, joe, now, settings } from "../challenges.ts";
import { fuzz } from "./fuzz.ts";
import { addresses, orFail, piecesOf } from "./texts.ts";
import { randomBytes } from "../random.ts";
import { doesVerify } from "../verified.ts";

const pieces = piecesOf(
  [
    "From: ",
    "To: ",
    "Bcc: ",
    "Sender: ",
    "Resent-To: ",
    "Resent-From: ",
    "Resent-Message-ID: <r@x>",
    "Return-Path: <x@y>",
    "Message-ID: ",
    "Subject: ",
    "Date: x",
    "Received: x",
    "X-Msgauth: v1.x",
    "joe@example.net",
    "Joe <JOE@Example.Net>",
    "eve@example.com",
    "<1@x>",
    "=?utf-8?q?<1@x>?=",
    "<<",
    "1@x",
    "(c) ",
    ", ",
    "\n",
    "\n",
    "\n",
    "\n ",
    "\r\n",
    "\r",
    "\0",
  ],
  20,
);
const fronts = fc.constantFrom("", "From: joe@example.net\nTo: a@x\n");
const headers = fc.tuple(fronts, pieces).map(([front, rest]) => front + rest);
const sender = fc.option(fc.constantFrom("joe@example.net", "eve@example.com", "<>"));

fuzz(
  "the plan has valid addresses, no Bcc, and our tag only on our own mail",
  fc.tuple(headers, sender, fc.array(addresses, { maxLength: 3 })),
  ([text, from, to]) => {
    const args = [
      ...(from === null ? [] : ["-f", from]),
      ...(to.length === 0 ? ["-t"] : []),
      "--",
      ...to.map(formatAddress),
    ];
    const invocation = parseFlags("sendmail", args);
    assert.equal(invocation.mode, "send");
    if (invocation.mode !== "send") return;
    const { header } = parseHead(encodeLatin1(text), true)!;
    const planned = orFail(
      () =>
        plan(invocation.request, header, {
          settings: settings(),
          identities: [joe, chair],
          now,
          random: randomBytes(),
        }),
      "usage",
      "data",
      "config",
      "address-invalid",
      "no-at",
    );
    if (planned === undefined) return;
    const { envelope } = planned;
    for (const one of [...envelope.recipients, ...(envelope.sender ? [envelope.sender] : [])]) {
      assert.doesNotMatch(formatAddress(one), /[\r\n\0]/);
    }
    const printed = printHead(planned.header);
    assert.deepEqual(parseHead(printed, true), { header: planned.header, headStart: 0, bodyStart: printed.length });
    assert.ok(!planned.header.some(({ name }) => /^(?:resent-)?bcc$/i.test(name)));
    if (planned.identity === undefined) return;
    assert.notEqual(from, "eve@example.com");
    assert.notEqual(from, "<>");
    const firstOf = (pattern: RegExp) => header.findIndex(({ name }) => pattern.test(name));
    const relayed = firstOf(/^(?:received|delivered-to|return-path)$/i);
    if (firstOf(/^(?:resent-.*|received|delivered-to)$/i) >= 0) {
      // It is resent by an identity, above all fields written by servers, and no tag is added.
      const resent = firstOf(/^resent-from$/i);
      assert.ok(resent >= 0 && (relayed < 0 || resent < relayed), decodeLatin1(printed));
      assert.match(header[resent]!.raw, /joe@example\.net/i);
      assert.deepEqual(values(planned.header, TAG_FIELD), values(header, TAG_FIELD));
      return;
    }
    // It is signed: every author (or the Sender) and the given sender are identities, and the tag is valid.
    const authors = firstOf(/^sender$/i) < 0 ? "From" : "Sender";
    assert.ok(
      !values(planned.header, authors).some((one) => one.includes("eve@example.com") && !/["(]/.test(one)) ||
        (authors === "Sender" && !values(planned.header, "From").some((one) => one.includes("eve@example.com"))),
      decodeLatin1(printed),
    );
    const [tag, ...more] = values(planned.header, TAG_FIELD);
    assert.equal(more.length, 0);
    const address = formatAddress(planned.identity.address);
    const secrets = { k1: planned.identity.keys[0]!.secret };
    const at = planned.header.findIndex(({ name }) => name === TAG_FIELD);
    assert.match(planned.header[at - 1]!.name, /^message-id$/i, "the tag is directly below the Message-ID");
    const id = planned.header[at - 1]!;
    verifyTag(tag!, address, messageIdBody(id), { secrets, now });
    assert.equal(bareMessageId(planned.sent!.messageId), bareMessageId(messageIdBody(id)));
    assert.equal(planned.sent!.signed, true);
    // If returned unchanged, it is recognized, unless a line exceeds the limit of RFC 5322 section 2.1.1.
    if (id.raw.length > 998) return;
    const front = "From: MAILER-DAEMON@example.com\n\n";
    const bounce = concat(encodeLatin1(`${front}Sorry.\n\n`), printed, encodeLatin1("body\n"));
    const recognised = findOriginals(bounce, front.length).some((found) => {
      return doesVerify(found.tag, address, found.messageId, { secrets, now });
    });
    assert.ok(recognised, decodeLatin1(printed));
  },
);
