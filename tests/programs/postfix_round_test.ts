/** The whole way with real programs: mutt, the shim, Postfix, another Postfix that refuses, its DSN, the hook. */
import assert from "node:assert/strict";
import { fieldOf } from "../rig.ts";
import { needPostfix, smtp, until } from "./postfix.ts";
import { GREG, LETTER, returning, srs } from "./site.ts";
import { Two } from "./two.ts";

const test = await needPostfix("mutt");

const RESULT = (mail: string) => fieldOf(mail, "X-Countersign").split(";")[0];

test("the whole way: refused, delayed, forged, answered", async (t) => {
  await using two = await Two.start();

  await t.step("mutt, shim, Postfix, refused by another: the DSN comes to the inbox", async () => {
    await two.mutt("nobody@far.example");
    await until("the DSN", () => two.inbox().length === 1, two.trouble);
    const [dsn] = two.inbox() as [string];
    assert.equal(RESULT(dsn), "genuine");
    assert.match(
      fieldOf(dsn, "X-Original-To"),
      new RegExp(`^SRS0=[\\w-]{8}=..=example\\.org=${GREG}@srs\\.example\\.org$`),
    );
    assert.match(dsn, /^Action: failed$/m);
    assert.match(two.near.log, /from=<SRS0=/, "it left with that sender");

    await two.mutt("late@far.example");
    await until("the DSN of the other server", () => two.inbox().length === 2, two.trouble);
    assert.match(two.far.log, /from=<SRS0=/);
  });

  await t.step("mutt, a server that does not answer: the delay warning comes to the inbox", async () => {
    const before = two.inbox().length;
    await two.mutt("friend@slow.example");
    await until("the warning", () => two.inbox().length === before + 1, two.trouble);
    const warning = two.inbox().find((mail) => /^Action: delayed$/m.test(mail));
    assert.equal(RESULT(warning!), "genuine");
  });

  await t.step("a stranger writes in greg's name: the DSN goes to spam", async () => {
    const before = two.inbox().length;
    const lie = `From: ${GREG}@example.org\nMessage-ID: <lie@spam.example>\nSubject: Pills\n\nBuy!\n`;
    assert.match(await smtp(two.far.port, `${GREG}@example.org`, "late@far.example", lie), /^250/);
    await until("the backscatter", () => two.spam().length === 1, two.trouble);
    assert.equal(RESULT(two.spam()[0]!), "forged");
    assert.match(two.spam()[0]!, /^Action: failed$/m);
    assert.equal(two.inbox().length, before);
  });

  await t.step("a vacation reply and a read receipt are delivered, marked", async () => {
    const to = `${GREG}@example.org`;
    const before = two.inbox().length;
    const vacation = "From: Jo <jo@far.example>\nSubject: Out of office\nAuto-Submitted: auto-replied\n\nAway.\n";
    const receipt = "From: Jo <jo@far.example>\nSubject: Read: Lunch?\n" +
      "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nread\n--b--\n";
    for (const mail of [vacation, receipt]) await smtp(two.near.port, "", to, mail);
    await until("both", () => two.inbox().length === before + 2, two.trouble);
    const results = two.inbox().map(RESULT);
    assert.equal(results.filter((result) => result === "unsolicited").length, 2);
    // To the signed address, as most vacation programs answer, they need no mark.
    await smtp(two.near.port, "", srs(GREG), vacation);
    await until("the reply to the signed address", () => two.inbox().length === before + 3, two.trouble);
  });

  await t.step("an expired address is late, a tampered one filed, and nothing is bounced", async () => {
    const before = two.inbox().length;
    await smtp(two.near.port, "", srs(GREG, new Date(Date.now() - 40 * 86_400_000)), returning(GREG));
    await until("the late one", () => two.inbox().length === before + 1, two.trouble);
    assert.equal(two.inbox().filter((mail) => RESULT(mail) === "late").length, 1);

    two.site.settings(GREG, 'forged = "refuse"');
    const tampered = srs(GREG).replace(
      /^(SRS0=.{7})./,
      (all, front) => front + (all.endsWith("A") ? "B" : "A"),
    );
    const spam = two.spam().length;
    await smtp(two.near.port, "", tampered, returning(GREG));
    await until("the tampered one", () => two.spam().length === spam + 1, two.trouble);
    // Also where the sender is a person's: refusing is the door's.
    await smtp(two.near.port, "jo@far.example", tampered, LETTER);
    await until("the person's", () => two.spam().length === spam + 2, two.trouble);
    assert.doesNotMatch(two.near.log, /relay=countersign.*status=bounced/);
  });
});
