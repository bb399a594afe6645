/** A list's "only subscribers may post", in the words of several list programs. */
import assert from "node:assert/strict";
import { subscriberOnly } from "../../admin/subscribers.ts";
import { parseHead } from "../../lib/message.ts";
import { bounceOfOurs, SAMPLES } from "../bounces.ts";

const OWN = "greg@example.org";
const LIST = "talk@lists.example.org";

function look(mail: string) {
  const bytes = new TextEncoder().encode(mail);
  const { header, bodyStart } = parseHead(bytes, true)!;
  return subscriberOnly(header, bytes, bodyStart, [OWN]);
}

const qmail = (said: string) => `From: MAILER-DAEMON@x.example\n\nHi.\n\n<${LIST}>:\n${said}\n`;

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
  ["no list to be seen", "From: d@x.example\n\nYou may not have permission to post.\n", undefined],
];
for (const [who, mail, list] of refusals) {
  Deno.test(`${who} refuses what no subscriber sent`, { permissions: "none" }, () => {
    const found = look(mail);
    assert.notEqual(found, undefined);
    assert.equal(found!.list, list);
    assert.ok(mail.replace(/\s+/g, " ").includes(found!.said), found!.said);
  });
}

Deno.test("words of the user's own that come back are not the list's", { permissions: "none" }, () => {
  const own = "Only subscribers may post, I hear.";
  for (const before of ["--- Below this line is a copy of the message.", "Content-Type: message/rfc822"]) {
    assert.equal(look(`${qmail("No such mailbox.")}\n${before}\n\nSubject: x\n\n${own}\n`), undefined);
    assert.notEqual(look(`${qmail(own)}\n${before}\n\nSubject: x\n\nx\n`), undefined);
  }
});

Deno.test("other bounces are none", async () => {
  for (const name of SAMPLES) {
    const { mail } = await bounceOfOurs(name, OWN, new Date());
    assert.equal(look(mail), undefined, name);
  }
  assert.ok(SAMPLES.length > 0);
});

Deno.test("64 KB of beginnings of what is looked for are no refusal", { permissions: "none" }, () => {
  for (const filler of ["only ", "a@", "-", " ", "\n", "<", "copy of "]) {
    const mail = `From: d@x.example\n\n${filler.repeat(64 * 1024)}`;
    assert.equal(look(mail), undefined);
  }
});
