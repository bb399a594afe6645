/** What mail to list software asks, and what asks nothing for certain. */
import assert from "node:assert/strict";
import { parseAddress } from "../../lib/address.ts";
import { encodeLatin1 } from "../../lib/bytes.ts";
import { parseHead } from "../../lib/message.ts";
import { requestIn } from "../../lib/requests.ts";

const H = "lists.example.org";

/** The request in short: `+` for subscribe, `-` for unsubscribe, the list, and the subscriber if one is named. */
function asked(to: string, text = "", whole = true): string {
  const bytes = encodeLatin1(text.includes("\n\n") ? text : `${text}\n\n`);
  const { header, bodyStart } = parseHead(bytes, true)!;
  const found = requestIn(parseAddress(to), { header, body: bytes.subarray(bodyStart), whole });
  if (found === undefined) return "nothing";
  const { command, list, subscriber } = found;
  return [`${command === "subscribe" ? "+" : "-"}${list.replace(`@${H}`, "")}`, subscriber].filter(Boolean).join(" ");
}

/** Mail to these addresses, with this text, asks this. */
const ROWS: readonly [to: string, text: string, asks: string][] = [
  // The address says it; the text does not matter.
  ["dev-join", "", "+dev"],
  ["dev-subscribe", "Subject: help\n\nhelp\n", "+dev"],
  ["Dev-SUBSCRIBE", "", "+dev"],
  ["dev+subscribe", "", "+dev"],
  ["dev-leave", "", "-dev"],
  ["dev-unsubscribe", "", "-dev"],
  ["dev-subscribe-joe=example.net", "", "+dev joe@example.net"],
  ["dev+unsubscribe+Joe=Example.net", "", "-dev joe@example.net"],
  ["dev-announce-join", "", "+dev-announce"],
  // LIST-request: one command, in Subject or body.
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
  // The programs are told the list.
  ["majordomo", "\n\nsubscribe dev\n", "+dev"],
  ["Majordomo", "\n\nSUBSCRIBE Dev joe@example.net\n", "+dev joe@example.net"],
  ["majordomo", "\n\nunsubscribe dev\nend\n", "-dev"],
  ["majordomo", `\n\nsubscribe dev@${H}\n`, "+dev"],
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
  // What a program would not read as these lines.
  ["majordomo", "Content-Type: text/plain; charset=utf-8\n\nsubscribe dev\n", "+dev"],
  ["majordomo", "Content-Transfer-Encoding: Binary\n\nsubscribe dev\n", "+dev"],
  ["majordomo", "Content-Type: text/html\n\nsubscribe dev\n", "nothing"],
  ["majordomo", "Content-Type: multipart/alternative; boundary=b\n\nsubscribe dev\n", "nothing"],
  ["majordomo", "Content-Transfer-Encoding: base64\n\nsubscribe dev\n", "nothing"],
  ["majordomo", "Content-Transfer-Encoding: quoted-printable\n\nsubscribe dev\n", "nothing"],
  ["majordomo", `\n\nsubscribe dev ${"x".repeat(300)}\n`, "nothing"],
  ["majordomo", `\n\nsubscribe dev\n${"\n".repeat(5000)}`, "nothing"],
  // Other addresses ask nothing, whatever they are sent.
  ["dev-help", "\n\nsubscribe dev\n", "nothing"],
  ["dev-owner", "\n\nsubscribe dev\n", "nothing"],
  ["dev-confirm", "\n\nsubscribe dev\n", "nothing"],
  ["dev", "\n\nsubscribe dev\n", "nothing"],
  ["-join", "", "nothing"],
  ["join", "", "nothing"],
  ["mailer-daemon", "\n\nsubscribe dev\n", "nothing"],
];

Deno.test("What a message asks of list software", { permissions: "none" }, () => {
  for (const [to, text, asks] of ROWS) assert.equal(asked(`${to}@${H}`, text), asks, `${to}: ${JSON.stringify(text)}`);
});

Deno.test("A body that goes on may hold a second command", { permissions: "none" }, () => {
  assert.equal(asked(`majordomo@${H}`, "\n\nsubscribe dev\n", false), "nothing");
  assert.equal(asked(`dev-join@${H}`, "\n\nsubscribe dev\n", false), "+dev");
});
