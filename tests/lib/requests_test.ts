/** Commands to list software: which messages certainly contain one. */
import assert from "node:assert/strict";
import { parseAddress } from "../../lib/address.ts";
import { encodeLatin1 } from "../../lib/bytes.ts";
import { parseHead } from "../../lib/message.ts";
import { requestIn } from "../../lib/requests.ts";

const HOST = "lists.example.org";

/** The request: `+` (subscribe) or `-` (unsubscribe), the list, and the subscriber if one is named. */
function requested(to: string, text = "", whole = true): string {
  const bytes = encodeLatin1(text.includes("\n\n") ? text : `${text}\n\n`);
  const { header, bodyStart } = parseHead(bytes, true)!;
  const found = requestIn(parseAddress(to), { header, body: bytes.subarray(bodyStart), whole });
  if (found === undefined) return "nothing";
  const { command, list, subscriber } = found;
  return [`${command === "subscribe" ? "+" : "-"}${list.replace(`@${HOST}`, "")}`, subscriber].filter(Boolean).join(
    " ",
  );
}

/** A recipient, the text sent to it, and the request. */
const ROWS: readonly [to: string, text: string, request: string][] = [
  // The address is the command, whatever the text.
  ["dev-join", "", "+dev"],
  ["dev-subscribe", "Subject: help\n\nhelp\n", "+dev"],
  ["Dev-SUBSCRIBE", "", "+dev"],
  ["dev+subscribe", "", "+dev"],
  ["dev-leave", "", "-dev"],
  ["dev-unsubscribe", "", "-dev"],
  ["dev-subscribe-joe=example.net", "", "+dev joe@example.net"],
  ["dev+unsubscribe+Joe=Example.net", "", "-dev joe@example.net"],
  ["dev-announce-join", "", "+dev-announce"],
  // LIST-request: one command in the Subject or body.
  ["dev-request", "Subject: subscribe\n\n", "+dev"],
  ["dev-request", "Subject: Join\n\n", "+dev"],
  ["dev-request", "\n\nunsubscribe\n", "-dev"],
  ["dev-request", "Subject: please\n\n\n  leave  \n\n", "-dev"],
  ["dev-request", "\n\nsubscribe address=Joe@Example.net\n", "+dev joe@example.net"],
  ["dev-request", "\n\nsubscribe joe@example.net\n", "+dev joe@example.net"],
  ["dev-request", "\n\nsubscribe\nend\nBuy now\n", "+dev"],
  ["dev-request", "\n\nsubscribe\n-- \nJoe\n", "+dev"],
  ["dev-request", "Subject: subscribe\n\nsubscribe\n", "nothing"],
  ["dev-request", "Subject: help\n\nsubscribe\n", "nothing"],
  ["dev-request", "Subject: subscribe\n\nhelp\n", "nothing"],
  ["dev-request", "Subject: help\n\n", "nothing"],
  ["dev-request", "Subject: lists\n\n", "nothing"],
  ["dev-request", "\n\nsubscribe\nunsubscribe\n", "nothing"],
  ["dev-request", "\n\nsubscribe\nsubscribe\n", "nothing"],
  ["dev-request", "\n\nsubscribe digest\n", "nothing"],
  ["dev-request", "\n\nHello,\nsubscribe\n", "nothing"],
  ["dev-request", "\n\n", "nothing"],
  ["dev-request", "\n\nconfirm 0123456789\n", "nothing"],
  ["dev-request", "\n\nsubscribe address=x\n", "nothing"],
  ["dev-request", "\n\nconstructor\n", "nothing"],
  // The command names the list.
  ["majordomo", "\n\nsubscribe dev\n", "+dev"],
  ["Majordomo", "\n\nSUBSCRIBE Dev joe@example.net\n", "+dev joe@example.net"],
  ["majordomo", "\n\nunsubscribe dev\nend\n", "-dev"],
  ["majordomo", `\n\nsubscribe dev@${HOST}\n`, "+dev"],
  ["sympa", "Subject: subscribe dev Joe Example\n\n", "+dev"],
  ["sympa", "Subject: SUB dev\n\n", "+dev"],
  ["sympa", "\n\nsig dev\n", "-dev"],
  ["sympa", "Subject: subscribe dev\n\nsubscribe dev\n", "+dev"],
  ["listserv", "\n\nSIGNOFF dev\n", "-dev"],
  ["sympa", "Subject: subscribe dev\n\nsignoff users\n", "nothing"],
  ["sympa", "Subject: subscribe dev\n\nsubscribe users\n", "nothing"],
  ["sympa", "\n\nsubscribe dev\nsubscribe users\n", "nothing"],
  ["sympa", "\n\nsubscribe\n", "nothing"],
  ["sympa", "\n\nsignoff *\n", "nothing"],
  ["sympa", "\n\nhelp\n", "nothing"],
  ["sympa", "\n\nlists\n", "nothing"],
  ["majordomo", "\n\nwhich\n", "nothing"],
  ["majordomo", "\n\nsubscribe dev@other.example\n", "nothing"],
  ["majordomo", "\n\nsubscribe dev joe@\n", "nothing"],
  ["majordomo", "\n\nsubscribe dev joe@example.net eve@evil.example\n", "nothing"],
  // The program would read something else than these lines.
  ["majordomo", "Content-Type: text/plain; charset=utf-8\n\nsubscribe dev\n", "+dev"],
  ["majordomo", "Content-Transfer-Encoding: Binary\n\nsubscribe dev\n", "+dev"],
  ["majordomo", "Content-Type: text/html\n\nsubscribe dev\n", "nothing"],
  ["majordomo", "Content-Type: multipart/alternative; boundary=b\n\nsubscribe dev\n", "nothing"],
  ["majordomo", "Content-Transfer-Encoding: base64\n\nsubscribe dev\n", "nothing"],
  ["majordomo", "Content-Transfer-Encoding: quoted-printable\n\nsubscribe dev\n", "nothing"],
  ["majordomo", `\n\nsubscribe dev ${"x".repeat(300)}\n`, "nothing"],
  ["majordomo", `\n\nsubscribe dev\n${"\n".repeat(5000)}`, "nothing"],
  // Mail to other addresses is not a request.
  ["dev-help", "\n\nsubscribe dev\n", "nothing"],
  ["dev-owner", "\n\nsubscribe dev\n", "nothing"],
  ["dev-confirm", "\n\nsubscribe dev\n", "nothing"],
  ["dev", "\n\nsubscribe dev\n", "nothing"],
  ["-join", "", "nothing"],
  ["join", "", "nothing"],
  ["mailer-daemon", "\n\nsubscribe dev\n", "nothing"],
];

Deno.test("requestIn finds the command in a message to list software", { permissions: "none" }, () => {
  for (const [to, text, request] of ROWS) {
    assert.equal(requested(`${to}@${HOST}`, text), request, `${to}: ${JSON.stringify(text)}`);
  }
});

Deno.test("A truncated body may contain a second command, so that it is not a request", { permissions: "none" }, () => {
  assert.equal(requested(`majordomo@${HOST}`, "\n\nsubscribe dev\n", false), "nothing");
  assert.equal(requested(`dev-join@${HOST}`, "\n\nsubscribe dev\n", false), "+dev");
});
