import assert from "node:assert/strict";
import { findOriginals, type Original } from "../../lib/original.ts";
import { parseHead } from "../../lib/message.ts";
import { verifyTag } from "../../lib/tag.ts";
import { apart, bounceOfOurs, quotedPrintable, SAMPLES } from "../bounces.ts";
import { ROOT, SECRET } from "../rig.ts";

const now = new Date("2026-11-20T12:00:00Z");

async function find(mail: string): Promise<Original[]> {
  const bytes = new TextEncoder().encode(mail);
  return await Array.fromAsync(findOriginals(bytes, parseHead(bytes, true)!.bodyStart));
}

/** Ways in which gateways send a body on, and how it is found in each. */
const DRESSES: Record<string, { by: string; dress: (header: string, body: string) => string }> = {
  "as it is": { by: "bytes", dress: (header, body) => header + body },
  "with CRLF": { by: "bytes", dress: (header, body) => (header + body).replaceAll("\n", "\r\n") },
  "quoted with >": { by: "bytes", dress: (header, body) => header + body.replace(/^/gm, "> ") },
  indented: { by: "bytes", dress: (header, body) => header + body.replace(/^/gm, "    ") },
  "with the value folded away": { by: "bytes", dress: (header, body) => header + body.replaceAll(": v1.", ":\n v1.") },
  "with another case": { by: "bytes", dress: (header, body) => header + body.replaceAll("X-Msgauth", "x-msgauth") },
  "as quoted-printable": { by: "quoted-printable", dress: (header, body) => header + quotedPrintable(body) },
  "as base64": { by: "base64", dress: (header, body) => header + wrap(btoa(body)) },
  "as base64 of CRLF": { by: "base64", dress: (header, body) => header + wrap(btoa(body.replaceAll("\n", "\r\n"))) },
};

const wrap = (text: string) => text.replace(/.{76}/g, "$&\n") + "\n";

for (const [name, { by, dress }] of Object.entries(DRESSES)) {
  Deno.test(`our tag is found in real bounces ${name}`, async () => {
    for (const sample of SAMPLES) {
      const { mail, messageId, tag } = await bounceOfOurs(sample, "greg@wooledge.test", now);
      const { header, body } = apart(mail);
      const [found] = await find(dress(header, body));
      // A tag has nothing that quoted-printable would change: the plain scan may find it there, too.
      assert.deepEqual({ tag: found?.tag, messageId: found?.messageId }, { tag, messageId }, `${sample} ${name}`);
      if (by !== "quoted-printable") assert.equal(found?.by, by, `${sample} ${name}`);
      await verifyTag(found!.tag, "greg@wooledge.test", found!.messageId, { secrets: { k1: SECRET }, now });
    }
  });
}

Deno.test("a line that quoted-printable has split is joined before the scan", async () => {
  const { mail, tag } = await bounceOfOurs("postfix-remote-550.eml", "greg@wooledge.test", now);
  const split = mail.replace(tag, `${tag.slice(0, 30)}=\n${tag.slice(30)}`);
  const [found] = await find(split);
  assert.deepEqual([found?.by, found?.tag], ["quoted-printable", tag]);
});

Deno.test("what is nested deeper is found by MIME", async () => {
  const { mail, tag } = await bounceOfOurs("exim4-remote-550.eml", "greg@wooledge.test", now);
  const inner = "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n" +
    quotedPrintable(apart(mail).body).replaceAll(tag, `${tag.slice(0, 30)}=\n${tag.slice(30)}`);
  const outer = 'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: message/rfc822\n' +
    `Content-Transfer-Encoding: base64\n\n${wrap(btoa(inner))}--b--\n`;
  const found = await find(outer);
  assert.deepEqual(found.map((one) => [one.by, one.tag]), [["mime", tag]]);
});

Deno.test("tag and Message-ID must stand in one block; the outer header proves nothing", async () => {
  const tag = `v1.k1.20807.${"a".repeat(8)}.${"b".repeat(26)}`;
  assert.deepEqual(await find(`X-Msgauth: ${tag}\nMessage-ID: <a@b>\n\nbody\n`), []);
  assert.deepEqual(await find(`Subject: x\n\ntext\n\nX-Msgauth: ${tag}\n\nMessage-ID: <a@b>\n`), []);
  assert.deepEqual(await find(`Subject: x\n\ntext\n\nMessage-ID: <a@b>\n\nX-Msgauth: ${tag}\nTo: x\n`), []);
  const [found] = await find(`Subject: x\n\ntext\n\nTo: x\nX-Msgauth: ${tag}\nMessage-ID: <a@b>\n\nbody\n`);
  assert.deepEqual(found, { tag, messageId: "a@b", by: "bytes" });
});

Deno.test("a bounce full of tags costs no more than sixteen looks", async () => {
  const block = (n: number) => `X-Msgauth: v1.k1.${n}.${"a".repeat(8)}.${"b".repeat(26)}\nMessage-ID: <${n}@b>\n\n`;
  const many = await find("Subject: x\n\n" + Array.from({ length: 2000 }, (_, n) => block(n)).join(""));
  assert.equal(many.length, 16);
});

Deno.test("hostile prefixes of 256 KB are read to the end", async () => {
  const head = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: base64\n\n";
  const size = 256 * 1024;
  for (
    const piece of [
      "\n",
      " ",
      "=",
      "A",
      "> ",
      "X-Msgauth:",
      "X-Msgauth:\n ",
      "--b\n",
      "=\n",
      "\nX-Msgauth: v1.",
      "\r",
      "A=\n",
      "X-Msgauth:" + " ".repeat(500),
    ]
  ) {
    assert.deepEqual(await find(head + piece.repeat(Math.ceil(size / piece.length)).slice(0, size)), []);
  }
});

const corpus = `${ROOT}/../shared/corpus`;
const there = (() => {
  try {
    return Deno.statSync(corpus).isDirectory;
  } catch {
    return false;
  }
})();

Deno.test({
  name: "our tag is found where other people's bounces return a header (corpus of other projects)",
  ignore: !there,
  fn: async () => {
    const tag = `v1.k1.20807.${"a".repeat(8)}.${"b".repeat(26)}`;
    const missed: string[] = [];
    let tried = 0;
    for (const entry of JSON.parse(Deno.readTextFileSync(`${corpus}/index.json`))) {
      const mail = new TextDecoder("latin1").decode(Deno.readFileSync(`${corpus}/${entry.file}`));
      const end = /\r?\n\r?\n/.exec(mail)!;
      const at = entry.original_message_id ? mail.lastIndexOf(entry.original_message_id) : -1;
      const line = /[^\n]*$/.exec(mail.slice(0, Math.max(at, 0)))![0];
      if (!entry.is_bounce || at < end.index || !/^[> \t|]*message-id:\s*$/i.test(line)) continue;
      tried++;
      const indent = /^[> \t|]*/.exec(line)![0];
      const start = at - line.length;
      const ours = mail.slice(0, start) + `${indent}X-Msgauth: ${tag}\n` + mail.slice(start);
      const found = await find(ours);
      if (!found.some((one) => one.tag === tag && `<${one.messageId}>` === entry.original_message_id)) {
        missed.push(entry.file);
      }
    }
    assert.ok(tried > 30, `${tried} bounces tried`);
    assert.deepEqual(missed, []);
  },
});
