import assert from "node:assert/strict";
import { quotedMessages } from "../../../incoming/challenge/quoted.ts";
import { decodeLatin1, encodeLatin1 } from "../../../lib/bytes.ts";
import { parseHead } from "../../../lib/message.ts";
import { quotedPrintable } from "../../bounces.ts";

const SEPARATOR = "--- Below this line is the top of your message.";

/** A summary of each quoted message: field names, `/`, body with `|` as line ending; `H` if only a header is quoted. */
function found(mail: string, separator: string | undefined = SEPARATOR): string[] {
  const prefix = encodeLatin1(mail);
  const all = quotedMessages({ prefix, ...parseHead(prefix, true)! }, separator);
  return all.map(({ header, body, headerOnly, ended }) => {
    const text = decodeLatin1(body).replace(/\r?\n/g, "|");
    return `${headerOnly ? "H " : ""}${header.map((field) => field.name).join(",")}/${text}${ended ? "." : ""}`;
  });
}

const text = (quoted: string) => `Subject: s\n\nPlease confirm.\n\n${SEPARATOR}\n\n${quoted}`;
const part = (content: string, type = "message/rfc822", more = "") =>
  `--b\nContent-Type: ${type}\n${more}\n${content}\n`;
const mime = (...parts: string[]) =>
  `Content-Type: multipart/mixed; boundary=b\n\n--b\n\nPlease confirm.\n${parts.join("")}--b--\n`;

Deno.test("After the separator the header and everything to the end are returned", () => {
  const good = (mail: string, expected: string) => assert.deepEqual(found(mail), [expected], JSON.stringify(mail));
  good(text("A: 1\nB: 2\n\none\ntwo\n"), "A,B/one|two|");
  good(text("A: 1\nB: 2\n\none\ntw"), "A,B/one|tw");
  good(text("A: 1\n\n"), "A/");
  good(text("A: 1\n"), "A/");
  good(text("\n \n\t\nA: 1\n\none\n"), "A/one|");
  good(text("A: 1\n 2\nB: 3\n\n\none\n"), "A,B/|one|");
  good(text("A: 1\nB: 2\n\none\n").replaceAll("\n", "\r\n"), "A,B/one|");
  good(`${SEPARATOR}\nA: 1\n\n`.replace(/^/, "Subject: s\n\n"), "A/");
  good(text("A: 1\n\n caf\xe9\xff \n"), "A/ caf\xe9\xff |");
  good(text(`A: 1\n\n${"x\n".repeat(5000)}`), `A/${"x|".repeat(5000)}`);
  // Other lines that begin with dashes are not separators.
  good(text("A: 1\n\none\n").replace("Please", "--- Administrative commands ---\nPlease"), "A/one|");
});

Deno.test("Without exactly one exact separator nothing is returned", () => {
  const bad = (mail: string) => assert.deepEqual(found(mail), [], JSON.stringify(mail));
  bad("Subject: s\n\nA: 1\n\none\n");
  bad(text(""));
  bad(text("no field\nA: 1\n"));
  bad(text("From BUY NOW at evil.example\nA: 1\n\none\n"));
  bad(text(">From BUY NOW at evil.example\nA: 1\n\none\n"));
  bad(mime(part("From BUY NOW at evil.example\nA: 1\n\none\n")));
  bad(text(" fold\nA: 1\n"));
  bad(text(`A: 1\n\n${SEPARATOR}\n`));
  bad(text("A: 1\n\n").replace(SEPARATOR, `${SEPARATOR}\n\n${SEPARATOR}`));
  bad(text("A: 1\n\n").replace(SEPARATOR, SEPARATOR.toUpperCase()));
  bad(text("A: 1\n\n").replace(SEPARATOR, ` ${SEPARATOR}`));
  bad(text("A: 1\n\n").replace(SEPARATOR, `> ${SEPARATOR}`));
  bad(text("A: 1\n\n").replace(SEPARATOR, `${SEPARATOR} `));
  bad(text("A: 1\n\n").replace(SEPARATOR, `${SEPARATOR}.`));
  bad(text("A: 1\n\n").replace(SEPARATOR, SEPARATOR.slice(0, -1)));
  assert.deepEqual(found(text("A: 1\n\none\n"), "--- Another line."), []);
  const prefix = encodeLatin1(text("A: 1\n\none\n"));
  assert.deepEqual(quotedMessages({ prefix, ...parseHead(prefix, true)! }, undefined), []);
});

Deno.test("A separator in the header does not count", () => {
  assert.deepEqual(found(`Subject: s\n ${SEPARATOR}\n\nA: 1\n\n`), []);
});

Deno.test("A message/rfc822 or text/rfc822-headers part is returned, in any encoding", () => {
  const inner = `A: 1\nB: 2\n\ncaf\xe9 = ${"long ".repeat(30)}end\n.\n`;
  const body = `caf\xe9 = ${"long ".repeat(30)}end|.|`;
  // Without an encoding the part may end with an additional empty line, which the comparison with the ledger allows.
  const good = (mail: string, expected: string) => {
    const all = found(mail);
    assert.deepEqual(all.map((summary) => summary.replace(/\|{2}\.$/, "|.")), [expected], mail);
  };
  const base64 = btoa(inner).replace(/.{76}/g, "$&\n");
  good(mime(part(inner)), `A,B/${body}.`);
  good(mime(part(inner, "MESSAGE/RFC822")), `A,B/${body}.`);
  good(mime(part(inner, 'message/rfc822; name="x"', "Content-Disposition: inline\n")), `A,B/${body}.`);
  good(mime(part(inner, "message/rfc822", "Content-Transfer-Encoding: 8bit\n")), `A,B/${body}.`);
  const encoded = quotedPrintable(inner);
  good(mime(part(encoded, "message/rfc822", "Content-Transfer-Encoding: quoted-printable\n")), `A,B/${body}.`);
  good(mime(part(base64, "message/rfc822", "Content-Transfer-Encoding: base64\n")), `A,B/${body}.`);
  good(mime(part("A: 1\nB: 2\n", "text/rfc822-headers")), "H A,B/.");
  good(mime(part(inner)).replaceAll("\n", "\r\n"), `A,B/${body}.`);
  good(mime(part(inner)).replace("mixed", "report"), `A,B/${body}.`);
  // A part takes precedence over a separator in the text.
  good(mime(part(inner)).replace("Please confirm.", `${SEPARATOR}\n\nC: 3\n`), `A,B/${body}.`);
});

Deno.test("All quoted messages are returned, and none if the multipart contains none", () => {
  assert.equal((found(mime(part("A: 1\n\n"), part("B: 2\n\n")))).length, 2);
  assert.equal((found(mime(part("A: 1\n\n"), part("B: 2\n", "text/rfc822-headers")))).length, 2);
  assert.deepEqual(found(mime()), []);
  assert.deepEqual(found(mime(part("A: 1\n\n", "text/plain"))), []);
  assert.deepEqual(found(mime(part("A: 1\n\n", "application/octet-stream"))), []);
  const attached = "Content-Type: message/rfc822\n\nA: 1\n\none\n"; // not a multipart
  assert.deepEqual(found(attached), []);
});

Deno.test("In a multipart message the text is not searched for a separator", () => {
  const hidden = mime(part("A: 1\n\none\n", "text/plain")).replace("Please confirm.", `${SEPARATOR}\n\nC: 3\n\none\n`);
  assert.deepEqual(found(hidden), []);
  const many = "--b\nContent-Type: message/rfc822\n\nA: 1\n\n".repeat(2000);
  assert.deepEqual(
    found(mime(many).replace("--b--", `--b--\n${SEPARATOR}\n\nC: 3\n\none\n`)),
    [],
    "more parts than the limit",
  );
});

Deno.test("A quoted message followed by another part or by text is not returned", () => {
  const mail = mime(part("A: 1\n\none\n"));
  assert.deepEqual(found(mail).length, 1);
  assert.deepEqual(found(`${mail}\n \n`).length, 1);
  assert.deepEqual(found(`${mail}I agree to pay.\n`), []);
  assert.deepEqual(found(mime(part("A: 1\n\none\n"), part("I agree to pay.\n", "text/plain"))), []);
  assert.deepEqual(found(mail.replace("--b--", "--b--\nI agree to pay.\n\n--b--")), []);
});

Deno.test("Broken or too deeply nested messages return nothing and cause no error", () => {
  let deep = "A: 1\n\none\n";
  for (let nth = 0; nth < 40; nth++) {
    deep = `Content-Type: multipart/mixed; boundary=b${nth}\n\n--b${nth}\n${deep}\n--b${nth}--\n`;
  }
  assert.deepEqual(found(deep), []);
  assert.deepEqual(found("Content-Type: multipart/mixed\n\nA: 1\n\n"), []);
  assert.deepEqual(found("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822"), []);
});

Deno.test("The line ending before a delimiter is not part of the message", () => {
  const mail = mime(part("A: 1\n\none"));
  assert.deepEqual(found(mail), ["A/one."], "the last line is complete");
  assert.deepEqual(found(mail.replace("--b--\n", "")), ["A/one|."]);
  assert.deepEqual(found(mail.replace("\n--b--\n", "")), ["A/one."]);
});
