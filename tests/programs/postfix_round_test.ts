/** The round trip with real programs: mutt, the shim, Postfix, another Postfix that rejects, its DSN, the hook. */
import assert from "node:assert/strict";
import { fieldOf } from "../rig.ts";
import { needPostfix, smtp, until } from "./postfix.ts";
import { GREG, LETTER, returning, srs } from "./site.ts";
import { TwoServers } from "./two_servers.ts";

const test = await needPostfix("mutt");

const resultOf = (mail: string) => fieldOf(mail, "X-Countersign").split(";")[0];

test("the round trip: rejected, delayed, forged and answered mail", async (t) => {
  await using servers = await TwoServers.start();

  await t.step("a message from mutt is rejected by another server: the DSN is delivered", async () => {
    await servers.mutt("nobody@far.example");
    await until("the DSN", () => servers.inbox().length === 1, servers.trouble);
    const [dsn] = servers.inbox() as [string];
    assert.equal(resultOf(dsn), "genuine");
    assert.match(
      fieldOf(dsn, "X-Original-To"),
      new RegExp(`^SRS0=[\\w-]{8}=..=example\\.org=${GREG}@srs\\.example\\.org$`),
    );
    assert.match(dsn, /^Action: failed$/m);
    assert.match(servers.near.log, /from=<SRS0=/, "it was sent with this sender");

    await servers.mutt("late@far.example");
    await until("the DSN of the other server", () => servers.inbox().length === 2, servers.trouble);
    assert.match(servers.far.log, /from=<SRS0=/);
  });

  await t.step("a server that does not answer: the delay warning is delivered", async () => {
    const before = servers.inbox().length;
    await servers.mutt("friend@slow.example");
    await until("the warning", () => servers.inbox().length === before + 1, servers.trouble);
    const warning = servers.inbox().find((mail) => /^Action: delayed$/m.test(mail));
    assert.equal(resultOf(warning!), "genuine");
  });

  await t.step("a stranger sends mail with greg's address: the DSN is filed", async () => {
    const before = servers.inbox().length;
    const forged = `From: ${GREG}@example.org\nMessage-ID: <lie@spam.example>\nSubject: Pills\n\nBuy!\n`;
    assert.match(await smtp(servers.far.port, `${GREG}@example.org`, "late@far.example", forged), /^250/);
    await until("the backscatter", () => servers.spam().length === 1, servers.trouble);
    assert.equal(resultOf(servers.spam()[0]!), "forged");
    assert.match(servers.spam()[0]!, /^Action: failed$/m);
    assert.equal(servers.inbox().length, before);
  });

  await t.step("a vacation reply and a read receipt are delivered and marked", async () => {
    const to = `${GREG}@example.org`;
    const before = servers.inbox().length;
    const vacation = "From: Jo <jo@far.example>\nSubject: Out of office\nAuto-Submitted: auto-replied\n\nAway.\n";
    const receipt = "From: Jo <jo@far.example>\nSubject: Read: Lunch?\n" +
      "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nread\n--b--\n";
    for (const mail of [vacation, receipt]) await smtp(servers.near.port, "", to, mail);
    await until("both", () => servers.inbox().length === before + 2, servers.trouble);
    const results = servers.inbox().map(resultOf);
    assert.equal(results.filter((result) => result === "unsolicited").length, 2);
    // Most vacation programs reply to the signed address. These replies need no mark.
    await smtp(servers.near.port, "", srs(GREG), vacation);
    await until("the reply to the signed address", () => servers.inbox().length === before + 3, servers.trouble);
  });

  await t.step(
    "mail to an expired address is marked as late, to a tampered one filed, and nothing is bounced",
    async () => {
      const before = servers.inbox().length;
      await smtp(servers.near.port, "", srs(GREG, new Date(Date.now() - 40 * 86_400_000)), returning(GREG));
      await until("the late bounce", () => servers.inbox().length === before + 1, servers.trouble);
      assert.equal(servers.inbox().filter((mail) => resultOf(mail) === "late").length, 1);

      servers.site.settings(GREG, 'forged = "refuse"');
      const tampered = srs(GREG).replace(
        /^(SRS0=.{7})./,
        (all, front) => front + (all.endsWith("A") ? "B" : "A"),
      );
      const spam = servers.spam().length;
      await smtp(servers.near.port, "", tampered, returning(GREG));
      await until("the bounce to the tampered address", () => servers.spam().length === spam + 1, servers.trouble);
      // Mail from a person is filed too: only the door rejects.
      await smtp(servers.near.port, "jo@far.example", tampered, LETTER);
      await until("the mail from a person", () => servers.spam().length === spam + 2, servers.trouble);
      assert.doesNotMatch(servers.near.log, /relay=countersign.*status=bounced/);
    },
  );
});
