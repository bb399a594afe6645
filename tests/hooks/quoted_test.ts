import assert from "node:assert/strict";
import { quotedMessages } from "../../hooks/quoted.ts";
import { binary, unbinary } from "../../lib/bytes.ts";
import { LINES } from "../../lib/ledger.ts";
import { parseHead } from "../../lib/message.ts";
import { quotedPrintable } from "../bounces.ts";

const SEPARATOR = "--- Below this line is the top of your message.";

/** What is found, in short: names of fields, `/`, body lines; H for a header that came alone. */
async function found(mail: string, whole = true, separator: string | undefined = SEPARATOR): Promise<string[]> {
  const bytes = unbinary(mail);
  const all = await quotedMessages(bytes, parseHead(bytes, true)!.bodyStart, whole, separator);
  return all.map(({ header, body, headerOnly }) =>
    `${headerOnly ? "H " : ""}${header.map((one) => one.name).join(",")}/${body.map(binary).join("|")}`
  );
}

const text = (quoted: string) => `Subject: s\n\nPlease confirm.\n\n${SEPARATOR}\n\n${quoted}`;
const part = (content: string, type = "message/rfc822", more = "") =>
  `--b\nContent-Type: ${type}\n${more}\n${content}\n`;
const mime = (...parts: string[]) =>
  `Content-Type: multipart/mixed; boundary=b\n\n--b\n\nPlease confirm.\n${parts.join("")}--b--\n`;

Deno.test("Behind the separator: header, and lines that are ended", async () => {
  const good = async (mail: string, expected: string, whole = true) =>
    assert.deepEqual(await found(mail, whole), [expected], JSON.stringify(mail));
  await good(text("A: 1\nB: 2\n\none\ntwo\n"), "A,B/one|two");
  await good(text("A: 1\nB: 2\n\none\ntw"), "A,B/one");
  await good(text("A: 1\n\n"), "A/");
  await good(text("A: 1\n"), "A/");
  await good(text("\n \n\t\nA: 1\n\none\n"), "A/one");
  await good(text("A: 1\n 2\nB: 3\n\n\none\n"), "A,B/|one");
  await good(text("A: 1\nB: 2\n\none\n").replaceAll("\n", "\r\n"), "A,B/one");
  await good(`${SEPARATOR}\nA: 1\n\n`.replace(/^/, "Subject: s\n\n"), "A/");
  await good(text("A: 1\n\n caf\xe9\xff \n"), "A/ caf\xe9\xff ");
  await good(text(`A: 1\n\n${"x\n".repeat(LINES + 10)}`), `A/${Array(LINES + 1).fill("x").join("|")}`);
  await good(text("A: 1\n\none\ntw"), "A/one", false);
  // Other lines of dashes are the program's own.
  await good(text("A: 1\n\none\n").replace("Please", "--- Administrative commands ---\nPlease"), "A/one");
});

Deno.test("No separator, two, or one that is not to the letter: nothing", async () => {
  const bad = async (mail: string, whole = true) =>
    assert.deepEqual(await found(mail, whole), [], JSON.stringify(mail));
  await bad("Subject: s\n\nA: 1\n\none\n");
  await bad(text(""));
  await bad(text("no field\nA: 1\n"));
  await bad(text(" fold\nA: 1\n"));
  await bad(text(`A: 1\n\n${SEPARATOR}\n`));
  await bad(text("A: 1\n\n").replace(SEPARATOR, `${SEPARATOR}\n\n${SEPARATOR}`));
  await bad(text("A: 1\n\n").replace(SEPARATOR, SEPARATOR.toUpperCase()));
  await bad(text("A: 1\n\n").replace(SEPARATOR, ` ${SEPARATOR}`));
  await bad(text("A: 1\n\n").replace(SEPARATOR, `> ${SEPARATOR}`));
  await bad(text("A: 1\n\n").replace(SEPARATOR, `${SEPARATOR} `));
  await bad(text("A: 1\n\n").replace(SEPARATOR, `${SEPARATOR}.`));
  await bad(text("A: 1\n\n").replace(SEPARATOR, SEPARATOR.slice(0, -1)));
  // Cut within its header: what is missing could be another tag.
  await bad(text("A: 1\nB: 2"), false);
  await bad(text("A: 1\nB: 2\n"), false);
  assert.deepEqual(await found(text("A: 1\n\none\n"), true, "--- Another line."), []);
  const bytes = unbinary(text("A: 1\n\none\n"));
  assert.deepEqual(await quotedMessages(bytes, parseHead(bytes, true)!.bodyStart, true, undefined), []);
});

Deno.test("The separator in the header is none", async () => {
  assert.deepEqual(await found(`Subject: s\n ${SEPARATOR}\n\nA: 1\n\n`), []);
});

Deno.test("A part: message/rfc822, or the header alone; in any encoding", async () => {
  const inner = `A: 1\nB: 2\n\ncaf\xe9 = ${"long ".repeat(30)}end\n.\n`;
  const body = `caf\xe9 = ${"long ".repeat(30)}end|.`;
  // Plain, postal-mime leaves the boundary's line end in front of it: an empty line more, which the ledger knows.
  const good = async (mail: string, expected: string) => {
    const all = await found(mail);
    assert.deepEqual(all.map((one) => one.replace(/\|$/, "")), [expected], mail);
  };
  const base64 = btoa(inner).replace(/.{76}/g, "$&\n");
  await good(mime(part(inner)), `A,B/${body}`);
  await good(mime(part(inner, "MESSAGE/RFC822")), `A,B/${body}`);
  await good(mime(part(inner, 'message/rfc822; name="x"', "Content-Disposition: inline\n")), `A,B/${body}`);
  await good(mime(part(inner, "message/rfc822", "Content-Transfer-Encoding: 8bit\n")), `A,B/${body}`);
  const encoded = quotedPrintable(inner);
  await good(mime(part(encoded, "message/rfc822", "Content-Transfer-Encoding: quoted-printable\n")), `A,B/${body}`);
  await good(mime(part(base64, "message/rfc822", "Content-Transfer-Encoding: base64\n")), `A,B/${body}`);
  await good(mime(part("A: 1\nB: 2\n", "text/rfc822-headers")), "H A,B/");
  await good(mime(part(inner)).replaceAll("\n", "\r\n"), `A,B/${body}`);
  await good(mime(part(inner)).replace("mixed", "report"), `A,B/${body}`);
  // The part comes before a separator in the text.
  await good(mime(part(inner)).replace("Please confirm.", `${SEPARATOR}\n\nC: 3\n`), `A,B/${body}`);
});

Deno.test("Several parts are all told; none falls back to the separator", async () => {
  assert.equal((await found(mime(part("A: 1\n\n"), part("B: 2\n\n")))).length, 2);
  assert.equal((await found(mime(part("A: 1\n\n"), part("B: 2\n", "text/rfc822-headers")))).length, 2);
  assert.deepEqual(await found(mime()), []);
  assert.deepEqual(await found(mime(part("A: 1\n\n", "text/plain"))), []);
  assert.deepEqual(await found(mime(part("A: 1\n\n", "application/octet-stream"))), []);
  const attached = "Content-Type: message/rfc822\n\nA: 1\n\none\n"; // no multipart: nobody's form
  assert.deepEqual(await found(attached), []);
});

Deno.test("What is nested too deep, or broken, is nothing and no error", async () => {
  let deep = "A: 1\n\none\n";
  for (let nth = 0; nth < 40; nth++) {
    deep = `Content-Type: multipart/mixed; boundary=b${nth}\n\n--b${nth}\n${deep}\n--b${nth}--\n`;
  }
  assert.deepEqual(await found(deep), []);
  assert.deepEqual(await found("Content-Type: multipart/mixed\n\nA: 1\n\n"), []);
  assert.deepEqual(await found("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822"), []);
});

Deno.test("A message cut within a part: its last line counts only when it is ended", async () => {
  const mail = mime(part("A: 1\n\none\ntwo\n"));
  const at = mail.indexOf("two") + 2;
  assert.deepEqual(await found(mail.slice(0, at), false), ["A/one"]);
  assert.deepEqual(await found(mail.slice(0, at), true), ["A/one|tw"], "when that is all there is");
  // Cut within its header: what is missing could be another tag.
  assert.deepEqual(await found(mail.slice(0, mail.indexOf("A: 1") + "A: 1\n".length), false), []);
});

Deno.test("A part ends with its delimiter, whose line end is not the message's", async () => {
  const mail = mime(part("A: 1\n\none"));
  assert.deepEqual(await found(mail, false), ["A/one"], "its last line is whole");
  assert.deepEqual(await found(mail.replace("--b--\n", ""), false), ["A/one"]);
  assert.deepEqual(await found(mail.replace("\n--b--\n", ""), false), ["A/"]);
});
