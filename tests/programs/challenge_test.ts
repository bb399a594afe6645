/** Challenges from end to end: greg posts through the shim, a small qsecretary challenges, the hook may answer. */
import assert from "node:assert/strict";
import type { Challenge } from "../qsecretary.ts";
import { fieldOf } from "../rig.ts";
import { procmailrc, snippet, withEnvelope } from "./letters.ts";
import { challenges, GO_ON, LIST, MARKS, Member, PLAIN } from "./member.ts";
import { need, type Test } from "./need.ts";

/** A method of delivery. `marks`: the hook delivers, so the message has its result field. */
interface DeliveryMethod {
  name: string;
  marks: boolean;
  test: Test;
  deliver: (home: Member, challenge: Challenge) => Promise<void>;
}

async function byQmail(home: Member, challenge: Challenge, file: string): Promise<void> {
  home.qmail(file);
  const { end, runs } = await home.deliver(challenge);
  assert.equal(end, "success", runs.map(({ stdout }) => stdout).join());
}

/** The reason why an unknown challenge is delivered: it was sent to the signed sender of the post. */
const VALID = /valid signed address of greg@example\.org/;

/** As Postfix's local(8) or preline runs procmail: the header contains the envelope. */
async function byProcmail(home: Member, { to, mail }: Challenge): Promise<void> {
  const rcfile = procmailrc(home, snippet("procmail/procmailrc"));
  const ran = await home.run(["procmail", "-m", rcfile], withEnvelope(mail, "", to));
  assert.equal(ran.code, 0, home.read("procmail.log"));
}

const qmail: Test = (name, run) => Deno.test(name, run);
const METHODS: DeliveryMethod[] = [
  { name: "qmail", marks: false, test: qmail, deliver: (home, challenge) => byQmail(home, challenge, GO_ON) },
  {
    name: "qmail, the hook delivers",
    marks: true,
    test: qmail,
    deliver: (home, challenge) => byQmail(home, challenge, MARKS),
  },
  { name: "procmail", marks: false, test: await need("procmail"), deliver: byProcmail },
];

for (const { name, marks, test, deliver } of METHODS) {
  /** Delivers a challenge, and asserts that it is answered once, to the right address. @returns the answer */
  const assertAnswered = async (home: Member, challenge: Challenge) => {
    home.empty();
    const before = home.released.length;
    await deliver(home, challenge);
    const { sent } = home.transport();
    assert.deepEqual(sent.map(({ argv }) => argv), [["-i", "-f", PLAIN, "--", challenge.confirm]], home.logged);
    assert.equal(home.released.length, before + 1);
    assert.deepEqual(home.inbox(), []);
    return sent[0]!.mail;
  };
  /** Delivers a challenge, and asserts that it is in the inbox and was not answered. */
  const assertDelivered = async (home: Member, challenge: Challenge, why: RegExp) => {
    home.empty();
    const before = home.released.length;
    await deliver(home, challenge);
    assert.deepEqual(home.transport().sent, [], "nothing is sent");
    assert.equal(home.released.length, before);
    assert.deepEqual([home.inbox().length, home.kept().length], [1, 0]);
    const [got] = home.inbox();
    assert.ok(got!.includes(challenge.mail.slice(challenge.mail.indexOf("\n\n"))), "the body is unchanged");
    assert.match(home.logged, why);
    if (marks) assert.match(fieldOf(got!, "X-Countersign"), why);
  };

  test(`${name}: the user's own post is confirmed once`, async (t) => {
    using home = new Member();
    const [challenge] = await home.post("A patch");
    await t.step("answered", async () => {
      const answer = await assertAnswered(home, challenge!);
      assert.equal(fieldOf(answer, "Subject"), "Confirmation");
      assert.equal(fieldOf(answer, "To"), challenge!.confirm);
      assert.equal(fieldOf(answer, "From"), PLAIN);
      assert.equal(fieldOf(answer, "In-Reply-To"), fieldOf(challenge!.mail, "Message-ID"));
      assert.equal(fieldOf(answer, "Auto-Submitted"), "auto-replied");
      assert.doesNotMatch(answer, /^(?:Precedence|X-Msgauth|Received|Resent-.*|Delivered-To|Mailing-List):/im);
      assert.match(home.released[0]!, /^Subject: A patch$/m);
    });
    await t.step("the challenge is filed", () => {
      const [kept, ...more] = home.kept();
      assert.deepEqual(more, []);
      assert.match(fieldOf(kept!, "X-Countersign"), /^challenge; check=challenge; /);
      assert.ok(kept!.endsWith(challenge!.mail.slice(challenge!.mail.indexOf("\n\n"))), "the body is unchanged");
    });
    await t.step("a reply to the answer is a reply to a known message", async () => {
      const id = fieldOf(home.injected().at(-1)!.mail, "Message-ID");
      for (const [named, result] of [[id, "known"], ["<x@example.org>", "unsolicited"]] as const) {
        const mail =
          `Received: by mx\nFrom: ann@example.org\nTo: ${PLAIN}\nSubject: Away\nIn-Reply-To: ${named}\n\nBack on Monday.\n`;
        await deliver(home, { ...challenge!, to: PLAIN, mail });
        assert.match(home.logged, new RegExp(`\\bresult=${result}\\b`));
      }
    });
    await t.step(
      "the same challenge is delivered the second time",
      () => assertDelivered(home, challenge!, /already answered: check it yourself/),
    );
    await t.step("so is another challenge about the same message", async () => {
      const again = home.secretaries[0]!.take(challenge!.to, home.released[0]!);
      await assertDelivered(home, again, /already answered: check it yourself/);
    });
    await t.step("a challenge about the next post is answered", async () => {
      const [next] = await home.post("Another patch");
      await assertAnswered(home, next!);
      assert.match(home.released[1]!, /^Subject: Another patch$/m);
    });
    assert.deepEqual(home.secretaries[0]!.strays, []);
  });

  test(`${name}: a challenge about a forged post is delivered`, async (t) => {
    using home = new Member();
    const [challenge] = await home.post("A patch");
    const { mail } = home.injected()[0]!;
    // The forger has seen greg's post in an archive.
    const returned = /returns a message from greg@example\.org/;
    const table: [what: string, mail: string, why: RegExp][] = [
      [
        "with greg's address",
        `From: Greg <${PLAIN}>\nTo: ${LIST}\nMessage-ID: <lie@spam.example>\nSubject: Pills\n\nBuy!\n`,
        /\bunsolicited\b/,
      ],
      ["with greg's tag", mail.replace(/^Message-ID: .*$/m, "Message-ID: <lie@spam.example>"), /\bunsolicited\b/],
      ["greg's message, another tag", mail.replace(/^(X-Msgauth: .*)\n/m, "$1x\n"), /\bknown\b/],
      ["greg's message, no tag", mail.replace(/^X-Msgauth: .*\n/m, ""), /\bknown\b/],
      [
        "greg's header, another body",
        `${mail.slice(0, mail.indexOf("\n\n"))}\n\nBuy our pills, they are good.\nBuy!\n`,
        returned,
      ],
      ["greg's header, another subject", mail.replace(/^Subject: .*$/m, "Subject: Pills"), returned],
    ];
    for (const [what, forged, why] of table) {
      assert.notEqual(forged, mail);
      for (const to of [PLAIN, challenge!.to]) {
        await t.step(`${what}, to ${to === PLAIN ? "the plain address" : "a signed address"}`, async () => {
          await assertDelivered(home, home.secretaries[0]!.take(to, forged), to === PLAIN ? why : VALID);
          assert.deepEqual(home.ledger(), { issued: 1, claimed: 0, spent: 0 });
        });
      }
    }
    await t.step(
      "the challenge about the genuine post is still answered",
      async () => void await assertAnswered(home, challenge!),
    );
  });

  test(`${name}: a forged challenge about a genuine post is delivered`, async (t) => {
    using home = new Member();
    const [challenge] = await home.post("A patch");
    const { mail } = challenge!;
    const cut = mail.trimEnd().slice(0, -1);
    const table: [what: string, mail: string][] = [
      [
        "from another mailbox of the host",
        mail.replace(/^From: .*$/m, `From: "The qsecretary program" <webmaster@list.cr.yp.to>`),
      ],
      ["from another list of the host", mail.replace(/^(From: .*)<qmail-/m, "$1<dns-")],
      ["from another host", mail.replace(/^(From: .*)@list\.cr\.yp\.to/m, "$1@list.evil.example")],
      ["with another end", `${cut}!`],
      ["with additional text at the end", `${mail}!`],
      ["with another To", mail.replace(/^To: qmail@.*$/m, "To: eve@evil.example")],
      ["with a Reply-To", mail.replace(/^(To: qmail@.*)$/m, "$1\nReply-To: eve@evil.example")],
      ["with a Content-Type", mail.replace(/^(To: qmail@.*)$/m, "$1\nContent-Type: text/html")],
    ];
    for (const [what, forged] of table) {
      assert.notEqual(forged, mail, what);
      await t.step(what, async () => {
        await assertDelivered(home, { ...challenge!, mail: forged }, VALID);
        assert.deepEqual(home.ledger(), { issued: 1, claimed: 0, spent: 0 });
      });
    }
    await t.step("the genuine challenge is still answered", async () => void await assertAnswered(home, challenge!));
  });

  test(`${name}: settings`, async (t) => {
    const other = "club@lists.example.net";
    await t.step('answered = "": the challenge is not filed', async () => {
      using home = new Member(challenges(`answered = ""`));
      await assertAnswered(home, (await home.post("A patch"))[0]!);
      assert.deepEqual(home.kept(), []);
      assert.deepEqual([...Deno.readDirSync(`${home.path}/Maildir`)].map((entry) => entry.name).sort(), [
        "cur",
        "new",
        "tmp",
      ]);
    });
    await t.step("answer = false: delivered", async () => {
      using home = new Member(challenges("", false));
      await assertDelivered(home, (await home.post("A patch"))[0]!, VALID);
      assert.deepEqual(home.ledger(), { issued: 0, claimed: 0, spent: 0 });
    });
    await t.step("answer = false was set after the post: delivered", async () => {
      using home = new Member();
      const [challenge] = await home.post("A patch");
      home.fix(challenges("", false));
      await assertDelivered(home, challenge!, VALID);
      assert.deepEqual(home.ledger(), { issued: 1, claimed: 0, spent: 0 });
    });
    await t.step("a list that is not configured: delivered", async () => {
      using home = new Member(challenges(), [other]);
      await assertDelivered(home, (await home.post("A patch"))[0]!, VALID);
    });
    await t.step("a list of a rule: answered", async () => {
      using home = new Member(`[[rule]]\nto = ["*@lists.example.net"]\nconfirm = true\n${challenges()}`, [other]);
      await assertAnswered(home, (await home.post("A patch"))[0]!);
    });
    await t.step("two lists: each is answered once", async () => {
      using home = new Member(challenges(`lists = ["${LIST}", "${other}"]`), [LIST, other]);
      const both = await home.post("A patch");
      for (const challenge of both) await assertAnswered(home, challenge);
      for (const challenge of both) await assertDelivered(home, challenge, /already answered: check it yourself/);
    });
  });
}

Deno.test("a hook in a wrapper, with --maildir, loses no challenge to a signed address", async () => {
  using home = new Member();
  const [challenge] = await home.post("A patch");
  // A wrapper must deliver what the hook leaves to it. With --maildir the hook leaves nothing.
  const hook = MARKS.split("\n").find((line) => line.startsWith("|"))!.slice(1);
  const wrapper = home.write("bin/wrapped", `#!/bin/sh\nexec ${hook}\n`, 0o755);
  home.qmail(`|${wrapper}\n`);
  for (const inbox of [0, 1, 2]) {
    assert.equal((await home.deliver(challenge!)).end, "success");
    assert.deepEqual([home.inbox().length, home.transport().sent.length], [inbox, inbox === 0 ? 1 : 0]);
  }
});

Deno.test("--forward at the identity's own address is an error, even for a challenge that could be answered", async () => {
  using home = new Member();
  const [challenge] = await home.post("A patch");
  home.qmail(GO_ON.replace("/incoming\n", "/incoming --forward\n"));
  const { end, runs } = await home.deliver({ ...challenge!, to: PLAIN });
  assert.deepEqual([end, runs[0]!.code, home.transport().sent], ["defer", 75, []]);
  assert.match(runs[0]!.stdout, /use --forward for the SRS domain only/);
});
