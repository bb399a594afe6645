/** Refusals of lists and alias services that identify people by the envelope sender. */
import assert from "node:assert/strict";
import { refusalOf } from "../../../admin/explain/refusal.ts";
import { parseHead } from "../../../lib/message.ts";
import { bounceOfOurs, SAMPLES } from "../../bounces.ts";

const OWN = "greg@example.org";
const LIST = "talk@lists.example.org";

function refusal(mail: string) {
  const bytes = new TextEncoder().encode(mail);
  const { header, bodyStart } = parseHead(bytes, true)!;
  return refusalOf(header, bytes, bodyStart, [OWN]);
}

const qmail = (said: string) => `From: MAILER-DAEMON@x.example\n\nHi.\n\n<${LIST}>:\n${said}\n`;

const sl = (code: string, said: string) =>
  `From: MAILER-DAEMON@x.example\n\n<${LIST}>: host mx.x.example said: 550 SL ${code} ${said}\n`;

/** [who, the message, the list] */
const refusals: [string, string, string | undefined][] = [
  ["ezmlm", qmail("Sorry, only subscribers may post. (#5.7.2)"), LIST],
  ["ezmlm, folded", qmail("Sorry, only\nsubscribers may post."), LIST],
  ["Majordomo", `From: talk-owner@lists.example.org\n\nNon-member submission from greg\n`, LIST],
  ["Mailman 2", `From: talk-bounces@lists.example.org\n\nYou are not allowed to post to this mailing list.\n`, LIST],
  ["Mailman 3", `From: talk-owner@lists.example.org\n\nThe message is not from a list member\n`, LIST],
  ["a DSN", `From: d@x.example\n\n550 members only\n\nFinal-Recipient: rfc822; ${LIST}\n`, LIST],
  ["Exim", `X-Failed-Recipients: ${LIST}\nFrom: d@x.example\n\nposting is restricted to list members\n`, LIST],
  ["not our own address", `X-Failed-Recipients: ${OWN}\nFrom: d@x.example\n\nyou are not subscribed\n`, undefined],
  ["SimpleLogin", sl("E505", "unknown sender"), LIST],
  ["SimpleLogin", sl("E509", "unauthorized sender"), LIST],
  [
    "SimpleLogin",
    `From: d@x.example\n\nFinal-Recipient: utf-8; ${LIST}\nDiagnostic-Code: smtp; 550 5.7.1 E509 wrong sender\n`,
    LIST,
  ],
  ["addy.io", qmail("550 Attempted reply/send from unverified email"), LIST],
  ["an alias service", qmail("550 5.7.1 Sender is not authorized to use this alias"), LIST],
  ["Exchange", qmail("550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required"), LIST],
  [
    "mlmmj",
    `From: talk+owner@lists.example.org\n\nunable to be delivered because you are not a list subscriber\n`,
    LIST,
  ],
  [
    "in quoted-printable",
    `From: talk-owner@lists.example.org\n\n${qmail("Sorry, only sub=\nscribers may post.")}`,
    LIST,
  ],
  ["no recognizable list", "From: d@x.example\n\nYou may not have permission to post.\n", undefined],
];
for (const [who, mail, list] of refusals) {
  Deno.test(
    `${who} refuses an unknown sender: ${mail.replace(/\s+/g, " ").slice(-60)}`,
    { permissions: "none" },
    () => {
      const found = refusal(mail);
      assert.notEqual(found, undefined);
      assert.equal(found!.address, list);
      assert.ok(mail.replace(/=\n/g, "").replace(/\s+/g, " ").includes(found!.said), found!.said);
      assert.match(found!.kind.advice(LIST), /countersign plain add talk@lists\.example\.org$/);
      assert.match(found!.kind.plainAlready(LIST), /^mail to talk@lists\.example\.org already has the plain sender: /);
    },
  );
}

Deno.test("words in the returned message are not taken for those of the list", { permissions: "none" }, () => {
  const own = "Only subscribers may post, I hear.";
  for (const before of ["--- Below this line is a copy of the message.", "Content-Type: message/rfc822"]) {
    assert.equal(refusal(`${qmail("No such mailbox.")}\n${before}\n\nSubject: x\n\n${own}\n`), undefined);
    assert.notEqual(refusal(`${qmail(own)}\n${before}\n\nSubject: x\n\nx\n`), undefined);
  }
});

Deno.test("other bounces are not refusals", () => {
  assert.equal(refusal(sl("E502", "Email not exist")), undefined);
  for (const name of SAMPLES) {
    const { mail } = bounceOfOurs(name, OWN, new Date());
    assert.equal(refusal(mail), undefined, name);
  }
  assert.ok(SAMPLES.length > 0);
});

Deno.test("64 KB of partial matches are not a refusal", { permissions: "none" }, () => {
  for (const filler of ["only ", "a@", "-", " ", "\n", "<", "copy of "]) {
    const mail = `From: d@x.example\n\n${filler.repeat(64 * 1024)}`;
    assert.equal(refusal(mail), undefined);
  }
});
