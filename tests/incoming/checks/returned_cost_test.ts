/** The cost of a hostile bounce, counted in MACs rather than time. */
import assert from "node:assert/strict";
import { HmacKey } from "../../../lib/hmac.ts";
import { decide } from "../../../io/state/lookups.ts";
import { MAX_MACS } from "../../../incoming/checks/returned_header.ts";
import { encodeLatin1 } from "../../../lib/bytes.ts";
import { PREFIX_BYTES } from "../../../io/system/input.ts";
import { parseHead } from "../../../lib/message.ts";
import { signTag } from "../../../lib/tag.ts";
import { chair, context, joe, now, settings } from "../../challenges.ts";
import { randomNonce } from "../../random.ts";

const OUTER = "From: MAILER-DAEMON@mx.example\nSubject: failure notice\n\nHi. This is the qmail-send program.\n\n";
const key = joe.keys[0]!;

/** Counts the MACs that `run` computes, and the bytes they cover. */
async function macs(run: () => Promise<unknown>): Promise<{ count: number; bytes: number }> {
  const { sign } = HmacKey.prototype;
  let [count, bytes] = [0, 0];
  HmacKey.prototype.sign = function (data: Uint8Array) {
    count++;
    bytes += data.length;
    return sign.call(this, data);
  };
  try {
    await run();
  } finally {
    HmacKey.prototype.sign = sign;
  }
  return { count, bytes };
}

async function judged(mail: string): Promise<{ result: string; count: number; bytes: number }> {
  const prefix = encodeLatin1(mail).subarray(0, PREFIX_BYTES);
  const delivery = { sender: null, recipients: ["joe@example.net"], prefix, ...parseHead(prefix, true)!, whole: true };
  const given = { ...context([], settings()), identities: [joe, chair] };
  let result = "";
  const work = await macs(async () => void ({ verdict: { result } } = await decide(delivery, given)));
  return { result, ...work };
}

const invalidTag = (n: number): string =>
  `v1.${key.id}.20807.${"a".repeat(8)}.${n.toString(16).replace(/[0189]/g, "z").padStart(26, "a")}`;
const fillPrefix = (line: (n: number) => string): string => {
  let text = "";
  for (let n = 0; text.length < PREFIX_BYTES; n++) text += line(n);
  return OUTER + text;
};

Deno.test("a bounce full of tags costs a bounded number of MACs, whatever surrounds them", async () => {
  const hostile: Record<string, (n: number) => string> = {
    "a block for each": (n) => `Message-ID: <${n}@x>\nX-Msgauth: ${invalidTag(n)}\n\n`,
    "one block": (n) => `Message-ID: <${n}@x>\nX-Msgauth: ${invalidTag(n)}\n`,
    "one line": (n) => `Message-ID: <${n}@x> X-Msgauth: ${invalidTag(n)} `,
    "Message-IDs with many readings": (n) => `Message-ID: < ${n}\t&lt;x> <@\n y> <z>\nX-Msgauth: ${invalidTag(n)}\n`,
    "many References": (n) => `References: <${n}@x> <b@x> <c@x> <d@x>\nX-Msgauth: ${invalidTag(n)}\n`,
    "long Message-IDs": (n) => `Message-ID: <${n}${"x".repeat(1900)}@x>\nX-Msgauth: ${invalidTag(n)}\n`,
    "longer Message-IDs in many lines": (n) =>
      `Message-ID: <${n}${"x\n ".repeat(1000)}@x>\nX-Msgauth: ${invalidTag(n)}\n`,
    "HTML": (n) => `<p>Message-ID: &lt;${n}@x&gt;<br>X-Msgauth: ${invalidTag(n)}<br>`,
  };
  for (const [what, line] of Object.entries(hostile)) {
    const { result, count, bytes } = await judged(fillPrefix(line));
    assert.equal(result, "forged", what);
    // Each key is derived from its secret once.
    assert.ok(count <= MAX_MACS + 2 * (joe.keys.length + chair.keys.length) + 8, `${what}: ${count}`);
    assert.ok(bytes <= MAX_MACS * 384, `${what}: ${bytes}`);
  }
  const unknownKey = await judged(
    fillPrefix((n) => `Message-ID: <${n}@x>\nX-Msgauth: ${invalidTag(n).replace(`.${key.id}.`, ".zz9.")}\n\n`),
  );
  assert.ok(unknownKey.count < 8, `an unknown key costs no MAC: ${unknownKey.count}`);
});

Deno.test("a valid tag is found after a thousand invalid ones", async () => {
  const tag = signTag("joe@example.net", "<sent@example.net>", {
    key: key.id,
    secret: key.secret,
    now,
    nonce: randomNonce(),
  });
  for (const separator of ["\n", ""]) {
    let text = "";
    for (let n = 0; n < 1000; n++) text += `Message-ID: <${n}@x>\nX-Msgauth: ${invalidTag(n)}\n${separator}`;
    // Within one block each tag is tried with the Message-IDs nearby, so that fewer fit.
    if (separator === "") text = text.replace(/(?:.*\n){1900}/, "\n");
    const mail = `${OUTER}${text}From: joe@example.net\nMessage-ID: <sent@example.net>\nX-Msgauth: ${tag}\n\nHi\n`;
    assert.equal((await judged(mail)).result, "genuine", JSON.stringify(separator));
  }
});
