/** The way out: whatever header the shim is given, what leaves is one header with one tag, and clean addresses. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { formatAddress } from "../../lib/address.ts";
import { binary, unbinary } from "../../lib/bytes.ts";
import { parseHead, printHead, value, values } from "../../lib/message.ts";
import { TAG_FIELD, verifyTag } from "../../lib/tag.ts";
import { parseFlags } from "../../shim/flags.ts";
import { plan } from "../../shim/plan.ts";
import { chair, joe, now, settings } from "../challenges.ts";
import { fuzz } from "./fuzz.ts";
import { addresses, orFail, piecesOf } from "./texts.ts";

const pieces = piecesOf(
  [
    "From: ",
    "To: ",
    "Bcc: ",
    "Resent-To: ",
    "Message-ID: ",
    "Subject: ",
    "Date: x",
    "Received: x",
    "X-Msgauth: v1.x",
    "joe@example.net",
    "Joe <JOE@Example.Net>",
    "eve@example.com",
    "<1@x>",
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
  "what leaves has clean addresses, no Bcc, and our tag only on our own mail",
  fc.tuple(headers, sender, fc.array(addresses, { maxLength: 3 })),
  async ([text, from, to]) => {
    const args = [
      ...(from === null ? [] : ["-f", from]),
      ...(to.length === 0 ? ["-t"] : []),
      "--",
      ...to.map(formatAddress),
    ];
    const invocation = parseFlags("sendmail", args);
    assert.equal(invocation.mode, "send");
    if (invocation.mode !== "send") return;
    const { header } = parseHead(unbinary(text), true)!;
    const planned = await orFail(
      () => plan(invocation.call, header, { settings: settings(), identities: [joe, chair], now }),
      "usage",
      "data",
      "config",
      "address-invalid",
      "no-at",
    );
    if (planned === undefined) return;
    const { handover } = planned;
    for (const one of [...handover.recipients, ...(handover.sender ? [handover.sender] : [])]) {
      assert.doesNotMatch(formatAddress(one), /[\r\n\0]/);
    }
    const printed = printHead(planned.header);
    assert.deepEqual(parseHead(printed, true), { header: planned.header, headStart: 0, bodyStart: printed.length });
    assert.ok(!planned.header.some(({ name }) => /^(?:resent-)?bcc$/i.test(name)));
    if (planned.identity === undefined) return;
    // It is signed: then every author and the given sender is ours, and the tag is right.
    assert.notEqual(from, "eve@example.com");
    assert.notEqual(from, "<>");
    assert.ok(
      !values(planned.header, "From").some((one) => one.includes("eve@example.com") && !one.includes('"')),
      binary(printed),
    );
    const [tag, ...more] = values(planned.header, TAG_FIELD);
    assert.equal(more.length, 0);
    const address = formatAddress(planned.identity.address);
    const secrets = { k1: planned.identity.keys[0]!.secret };
    await verifyTag(tag!, address, value(planned.header, "Message-ID")!, { secrets, now });
  },
);
