/** What a stranger's bounce may cost: MACs are counted, not time. */
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

/** How many MACs are computed while this runs, and over how many bytes. */
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

const bogus = (n: number): string =>
  `v1.${key.id}.20807.${"a".repeat(8)}.${n.toString(16).replace(/[0189]/g, "z").padStart(26, "a")}`;
const many = (line: (n: number) => string): string => {
  let text = "";
  for (let n = 0; text.length < PREFIX_BYTES; n++) text += line(n);
  return OUTER + text;
};

Deno.test("a bounce full of tags costs a bounded number of MACs, whatever is next to them", async () => {
  const hostile: Record<string, (n: number) => string> = {
    "a block for each": (n) => `Message-ID: <${n}@x>\nX-Msgauth: ${bogus(n)}\n\n`,
    "one block": (n) => `Message-ID: <${n}@x>\nX-Msgauth: ${bogus(n)}\n`,
    "one line": (n) => `Message-ID: <${n}@x> X-Msgauth: ${bogus(n)} `,
    "Message-IDs with many readings": (n) => `Message-ID: < ${n}\t&lt;x> <@\n y> <z>\nX-Msgauth: ${bogus(n)}\n`,
    "many References": (n) => `References: <${n}@x> <b@x> <c@x> <d@x>\nX-Msgauth: ${bogus(n)}\n`,
    "long Message-IDs": (n) => `Message-ID: <${n}${"x".repeat(1900)}@x>\nX-Msgauth: ${bogus(n)}\n`,
    "longer ones": (n) => `Message-ID: <${n}${"x\n ".repeat(1000)}@x>\nX-Msgauth: ${bogus(n)}\n`,
    "HTML": (n) => `<p>Message-ID: &lt;${n}@x&gt;<br>X-Msgauth: ${bogus(n)}<br>`,
  };
  for (const [what, line] of Object.entries(hostile)) {
    const { result, count, bytes } = await judged(many(line));
    assert.equal(result, "forged", what);
    // Each key is derived from its secret once.
    assert.ok(count <= MAX_MACS + 2 * (joe.keys.length + chair.keys.length) + 8, `${what}: ${count}`);
    assert.ok(bytes <= MAX_MACS * 384, `${what}: ${bytes}`);
  }
  const others = await judged(
    many((n) => `Message-ID: <${n}@x>\nX-Msgauth: ${bogus(n).replace(`.${key.id}.`, ".zz9.")}\n\n`),
  );
  assert.ok(others.count < 8, `a key that is not ours costs no MAC: ${others.count}`);
});

Deno.test("the valid tag is found after a thousand others", async () => {
  const tag = signTag("joe@example.net", "<ours@example.net>", {
    key: key.id,
    secret: key.secret,
    now,
    nonce: randomNonce(),
  });
  for (const separator of ["\n", ""]) {
    let text = "";
    for (let n = 0; n < 1000; n++) text += `Message-ID: <${n}@x>\nX-Msgauth: ${bogus(n)}\n${separator}`;
    if (separator === "") text = text.replace(/(?:.*\n){1900}/, "\n"); // in one block each tag is tried with its neighbours
    const mail = `${OUTER}${text}From: joe@example.net\nMessage-ID: <ours@example.net>\nX-Msgauth: ${tag}\n\nHi\n`;
    assert.equal((await judged(mail)).result, "genuine", JSON.stringify(separator));
  }
});
