import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1, utf8ToLatin1 } from "../../lib/bytes.ts";
import { PREFIX_BYTES } from "../../io/system/input.ts";
import { parseHead } from "../../lib/message.ts";
import { findMessageIds, findOriginals, type Original } from "../../incoming/originals.ts";
import { signTag } from "../../lib/tag.ts";
import { apart, bounceOfOurs, quotedPrintable, SAMPLES } from "../bounces.ts";
import { base64, COMBINED, FORMS } from "../forms.ts";
import { isFile, ROOT, SECRET } from "../rig.ts";
import { randomNonce } from "../random.ts";
import { doesVerify } from "../verified.ts";

const now = new Date("2026-11-20T12:00:00Z");
const ADDRESS = "greg@wooledge.test";

function find(mail: string, tail?: string): Original[] {
  const bytes = encodeLatin1(mail);
  const end = tail === undefined ? undefined : encodeLatin1(tail);
  return [...findOriginals(bytes, parseHead(bytes, true)!.bodyStart, end)];
}

const isValid = ({ tag, messageId }: Pick<Original, "tag" | "messageId">): boolean =>
  doesVerify(tag, ADDRESS, messageId, { secrets: { k1: SECRET }, now });

/** How the first valid tag was found; undefined if there is none. */
function foundBy(mail: string, tail?: string): string | undefined {
  for (const one of find(mail, tail)) if (isValid(one)) return one.by;
  return undefined;
}

/** A returned message with a valid tag in its header. */
function returned(messageId = "<20261120053258.4711@wooledge.test>", between = ""): string {
  const tag = signTag(ADDRESS, messageId, { key: "k1", secret: SECRET, now, nonce: randomNonce() });
  return [
    `From: Greg <${ADDRESS}>`,
    "To: Kay <kay@example.net>,",
    "\tJoe <joe@example.net>",
    "Subject: Notes",
    "Date: Fri, 20 Nov 2026 12:00:00 +0000",
    utf8ToLatin1(`Message-ID: ${messageId}`),
    `${between}X-Msgauth: ${tag}`,
    "Content-Type: text/plain",
    "",
    "Hello Kay,",
    "",
  ].join("\n");
}

const OUTER = "From: MAILER-DAEMON@mx.example\nMessage-ID: <bounce@mx.example>\n\nIt did not go.\n\n";

for (const [name, change] of Object.entries({ ...FORMS, ...COMBINED })) {
  Deno.test(`our tag is found in real bounces: ${name}`, () => {
    for (const sample of SAMPLES) {
      const { header, body } = apart(bounceOfOurs(sample, ADDRESS, now).mail);
      assert.notEqual(foundBy(header + change(body)), undefined, sample);
    }
  });
}

Deno.test("the tag is found in any form, and the result names the encoding", () => {
  const body = returned();
  for (const [name, change] of Object.entries({ ...FORMS, ...COMBINED })) {
    assert.notEqual(foundBy(OUTER + change(body)), undefined, name);
  }
  const by = (name: string) => foundBy(OUTER + ({ ...FORMS, ...COMBINED })[name]!(body));
  for (
    const [name, how] of [
      ["unchanged", "bytes"],
      ["folded before the value", "bytes"],
      ['prefixed with "> "', "bytes"],
      ['wrapped at 40, indented with ""', "wrapped"],
      ["UTF-16LE", "utf-16"],
      ["base64", "base64"],
      ["HTML, addresses as links", "html"],
      ["HTML, <br>, then base64", "base64"],
      ["UTF-16LE with CRLF, then base64 of CRLF", "mime"],
    ]
  ) assert.equal(by(name!), how, name);
  assert.equal(foundBy(OUTER + FORMS["quoted-printable"]!(returned("<a=b@x>"))), "quoted-printable");
});

Deno.test("the tag is found whatever Message-ID was signed", () => {
  const ids = [
    "=?utf-8?q?=3Ccase40=40example=2Eorg=3E?=",
    "=?utf-8?q?=3Ccase40=40exam?=\n =?utf-8?q?ple=2Eorg=3E?=",
    "<20261120053258.4711\n @wooledge.test>",
    "<20261120053258.4711@\n\twooledge.test>",
    "\n <1@x>",
    "<1@x> (made by a program)",
    "(c) <1@x>",
    "<1@x",
    "1@x>",
    "<<1@x>>",
    "1@x",
    "case41 13",
    "<bücher@x>",
    '<"a b"@x>',
    "<a&b;c@x>",
    "<a&amp;b@x>",
    "<a&lt;b@x>",
    "<a&#60;b&amp;lt;c@x>",
    "Message-ID: <1@x>",
    "<Message-ID:1@x>",
    "In-Reply-To: <1@x>",
  ];
  const forms = [
    ...[
      "unchanged",
      "with CRLF",
      'prefixed with "> "',
      'prefixed with "* "',
      "with an empty line after every line",
      "base64",
    ],
    ...["HTML, <br>", "HTML, <p> per line", "UTF-16LE", "quoted-printable", "with a space before the colon"],
  ];
  for (const id of ids) {
    for (const form of forms) {
      assert.notEqual(foundBy(OUTER + FORMS[form]!(returned(id))), undefined, `${id}, ${form}`);
    }
  }
  for (const column of [60, 70, 76]) {
    const body = FORMS['wrapped at 60, indented with ""']!(returned("case41 13"));
    assert.notEqual(foundBy(OUTER + body), undefined, `${column}`);
  }
});

Deno.test("the tag is found in a header wrapped at any column", () => {
  const body = returned();
  for (let column = 8; column <= 80; column++) {
    for (const indent of ["", " ", "> ", "\t"]) {
      const wrapped = body.replace(
        /[^\n]+/g,
        (line) => line.match(new RegExp(`.{1,${column}}`, "g"))!.join(`\n${indent}`),
      );
      assert.notEqual(foundBy(OUTER + wrapped), undefined, `${column} ${JSON.stringify(indent)}`);
    }
  }
});

Deno.test("each Message-ID in the header is tried, whatever a relay added", () => {
  const body = returned("<1@wooledge.test>");
  const original = "Message-ID: <1@wooledge.test>";
  const added = "Message-ID: <0100018d-0@relay.example>";
  for (
    const block of [
      body.replace(/^/, `${added}\n`),
      body.replace(original, `${added}\n${original}`),
      body.replace(original, `${original}\n${added}`),
      body.replace(original, added).replace("\nTo:", `\n${original}\nTo:`),
      body.replace(original, `${added}\nReferences: <1@wooledge.test>`),
      body.replace(original, `${added}\nReferences: <0@a>\n <2@b>\n <1@wooledge.test>`),
      body.replace(original, `${added}\nReferences: ${"<0@a> ".repeat(300)}\n <1@wooledge.test>`),
      body.replace(original, `${added}\nIn-Reply-To: 1@wooledge.test`),
      ...["X-Original-Message-ID", "X-Google-Original-Message-ID", "Original-Message-Id", "X-SES-Message-ID"].map(
        (name) => body.replace(original, `${added}\n${name}: <1@wooledge.test>`),
      ),
      body.replace(original, "Message-ID: <0100018d-0@relay.example> <1@wooledge.test>"),
    ]
  ) assert.notEqual(foundBy(OUTER + block), undefined, block);
});

Deno.test("the tag is found after invalid ones, and far from its Message-ID", () => {
  const invalid = (n: number) =>
    `Message-ID: <${n}@spam.example>\nX-Msgauth: v1.k1.20807.${"a".repeat(8)}.${
      String(n).replace(/\D/g, "").padStart(26, "a").replace(/[0189]/g, "b")
    }\n\n`;
  for (const count of [16, 17, 100, 1500]) {
    const others = Array.from({ length: count }, (_, n) => invalid(n + 1000)).join("");
    assert.equal(foundBy(OUTER + others + returned()), "bytes", `${count}`);
  }
  const long = returned(undefined, `X-Filler: ${"x".repeat(60)}\n`.repeat(1000));
  assert.ok(long.length > 70_000);
  assert.equal(foundBy(OUTER + long), "bytes");
  assert.equal(foundBy(OUTER + returned(undefined, `X-Filler: ${"x".repeat(70_000)}\n`)), "bytes");
});

Deno.test("our tag is found at the end of a long message", () => {
  const filler = `${"An attachment comes first. ".repeat(3)}\n`.repeat(PREFIX_BYTES / 80);
  const mail = (OUTER + filler).slice(0, PREFIX_BYTES);
  for (const change of [FORMS["unchanged"]!, FORMS["base64"]!, FORMS["HTML, <br>"]!]) {
    assert.equal(foundBy(mail), undefined);
    assert.notEqual(foundBy(mail, `the end of a line\n\n${change(returned())}`), undefined);
  }
});

Deno.test("a Message-ID in a body is found in any form", () => {
  const id = "20261120053258.4711@wooledge.test";
  for (const [name, change] of Object.entries({ ...FORMS, ...COMBINED })) {
    const mail = encodeLatin1(OUTER + change(returned()));
    const found = [...findMessageIds(mail, OUTER.indexOf("\n\n") + 2)];
    assert.ok(found.includes(id), `${name}: ${found.join(" ")}`);
  }
  // Escaped twice, without other markup.
  const twice = returned().replaceAll("<", "&amp;lt;").replaceAll(">", "&amp;gt;");
  assert.ok([...findMessageIds(encodeLatin1(OUTER + twice), OUTER.indexOf("\n\n") + 2)].includes(id));
});

Deno.test("a line split by quoted-printable is joined before the scan", () => {
  const { mail, tag } = bounceOfOurs("postfix-remote-550.eml", "greg@wooledge.test", now);
  const split = mail.replace(tag, `${tag.slice(0, 30)}=\n${tag.slice(30)}`);
  const [found] = find(split);
  assert.deepEqual([found?.by, found?.tag], ["quoted-printable", tag]);
});

Deno.test("a tag in a nested encoding is found by the MIME parser", () => {
  const { mail, tag } = bounceOfOurs("exim4-remote-550.eml", "greg@wooledge.test", now);
  const inner = "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n" +
    quotedPrintable(apart(mail).body).replaceAll(tag, `${tag.slice(0, 30)}=\n${tag.slice(30)}`);
  const outer = 'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: message/rfc822\n' +
    `Content-Transfer-Encoding: base64\n\n${base64(inner)}--b--\n`;
  const found = find(outer);
  assert.deepEqual(found.map((one) => [one.by, one.tag]), [["mime", tag]]);
});

Deno.test("tag and Message-ID must be in the same header, and not in the outer one", () => {
  const tag = `v1.k1.20807.${"a".repeat(8)}.${"b".repeat(26)}`;
  assert.deepEqual(find(`X-Msgauth: ${tag}\nMessage-ID: <a@b>\n\nbody\n`), []);
  assert.deepEqual(find(`Subject: x\n\ntext\n\nX-Msgauth: ${tag}\n\nMessage-ID: <a@b>\n`), []);
  assert.deepEqual(find(`Subject: x\n\ntext\n\nMessage-ID: <a@b>\n\nX-Msgauth: ${tag}\nTo: x\n`), []);
  const [found] = find(`Subject: x\n\ntext\n\nTo: x\nX-Msgauth: ${tag}\nMessage-ID: <a@b>\n\nbody\n`);
  assert.deepEqual(found, { tag, messageId: "a@b", by: "bytes" });
});

Deno.test("hostile prefixes of 256 KB are searched without an error", () => {
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
    assert.deepEqual(find(head + piece.repeat(Math.ceil(size / piece.length)).slice(0, size)), []);
  }
});

const corpus = `${ROOT}/../shared/corpus`;

Deno.test({
  name: "our tag is found in returned headers of other projects' bounces, in any form",
  ignore: !isFile(`${corpus}/index.json`),
  fn: () => {
    const missed: string[] = [];
    let tried = 0;
    for (const entry of JSON.parse(Deno.readTextFileSync(`${corpus}/index.json`))) {
      const mail = decodeLatin1(Deno.readFileSync(`${corpus}/${entry.file}`));
      const end = /\r?\n\r?\n/.exec(mail)!;
      const at = entry.original_message_id ? mail.lastIndexOf(entry.original_message_id) : -1;
      const line = /[^\n]*$/.exec(mail.slice(0, Math.max(at, 0)))![0];
      if (!entry.is_bounce || at < end.index || !/^[> \t|]*message-id:\s*$/i.test(line)) continue;
      tried++;
      const indent = /^[> \t|]*/.exec(line)![0];
      const start = at - line.length;
      const tag = signTag(ADDRESS, entry.original_message_id, { key: "k1", secret: SECRET, now, nonce: randomNonce() });
      const withTag = mail.slice(0, start) + `${indent}X-Msgauth: ${tag}\n` + mail.slice(start);
      const { header, body } = apart(withTag);
      for (const [name, change] of Object.entries({ ...FORMS, ...COMBINED })) {
        const changed = header + change(body.replaceAll("\r\n", "\n"));
        if (foundBy(changed) === undefined) missed.push(`${entry.file}: ${name}`);
      }
    }
    assert.ok(tried > 30, `${tried} bounces tried`);
    assert.deepEqual(missed, []);
  },
});
