/** A server that rejects the signed sender: the error suggests the plain one, and no other error does. */
import assert from "node:assert/strict";
import { Failures } from "../../../io/transport/smtp/failure.ts";
import type { Reply } from "../../../io/transport/smtp/reply.ts";

const SRS = "SRS0=G70XY4sU=JR=example.org=greg@srs.example.org";
const reply = (code: number, text: string): Reply => ({ code, lines: [text] });
const NOT_OWNED = reply(553, `5.7.1 <${SRS}>: Sender address rejected: not owned by user greg`);
const NOBODY = reply(550, "5.1.1 <ann@example.net>: No such user here");
const LATER = reply(450, `4.7.1 <${SRS}>: Sender address rejected: greylisted`);

const rows: [what: string, sender: string, MAIL: Reply | undefined, RCPT: Reply[], suggests: boolean][] = [
  ["MAIL", SRS, NOT_OWNED, [], true],
  ["MAIL, in other words", SRS, reply(550, "No permission to send as this sender"), [], true],
  ["MAIL, prvs", "prvs=4321abcdef=greg@example.org", reply(550, "Not yours"), [], true],
  ["MAIL, temporary", SRS, LATER, [], false],
  ["MAIL, a login is required", SRS, reply(530, "5.7.0 Authentication required"), [], false],
  ["MAIL, the plain sender", "greg@example.org", NOT_OWNED, [], false],
  ["MAIL, the null sender", "", reply(550, "No"), [], false],
  ["RCPT, as Postfix does", SRS, undefined, [NOT_OWNED], true],
  ["RCPT, one of two", SRS, undefined, [NOBODY, NOT_OWNED], true],
  ["RCPT, about the recipient", SRS, undefined, [NOBODY], false],
  ["RCPT, temporary", SRS, undefined, [LATER], false],
  ["RCPT, the null sender", "", undefined, [NOBODY], false],
];
for (const [what, sender, mail, rcpt, suggests] of rows) {
  Deno.test(`${what}: ${suggests ? "the plain sender is suggested" : "nothing is suggested"}`, () => {
    const failures = new Failures("mx.example.net:465", "greg");
    failures.sender = sender;
    const { fix } = mail === undefined
      ? failures.refusedRecipients(rcpt.map((one) => ({ recipient: "ann@example.net", reply: one })))
      : failures.refused("MAIL", mail);
    assert.equal(fix, suggests ? 'set sender = "plain" if this server accepts only your own address' : undefined);
  });
}
