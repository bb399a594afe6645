/** Challenges from end to end: greg posts by the shim, a small qsecretary asks, the hook answers or does not. */
import assert from "node:assert/strict";
import type { Challenge } from "../qsecretary.ts";
import { fieldOf } from "../rig.ts";
import { snippet, withEnvelope } from "./letters.ts";
import { challenges, GO_ON, LIST, MARKS, Member, PLAIN } from "./member.ts";
import { need, type Test } from "./need.ts";

/** A way in: it delivers a challenge to greg. `marks`: the hook delivers, so its mark is in the message. */
interface Way {
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

/** Why a challenge of which the hook knows nothing is delivered: it goes where the post came from. */
const VALID = /valid signed address of greg@example\.org/;

/** As Postfix's local(8) or preline runs it: the header tells the envelope. */
async function byProcmail(home: Member, { to, mail }: Challenge): Promise<void> {
  const top = `HOME=${home.path}
PATH=${home.path}/bin:/usr/bin:/bin
DENO_DIR=${home.env["DENO_DIR"]}
DEFAULT=${home.path}/Maildir/
LOGFILE=${home.path}/procmail.log
SENDMAIL=/bin/false
`;
  const rcfile = home.write(".procmailrc", top + snippet("procmail/procmailrc"), 0o600);
  const ran = await home.run(["procmail", "-m", rcfile], withEnvelope(mail, "", to));
  assert.equal(ran.code, 0, home.read("procmail.log"));
}

const qmail: Test = (name, run) => Deno.test(name, run);
const WAYS: Way[] = [
  { name: "qmail", marks: false, test: qmail, deliver: (home, one) => byQmail(home, one, GO_ON) },
  { name: "qmail, the hook delivers", marks: true, test: qmail, deliver: (home, one) => byQmail(home, one, MARKS) },
  { name: "procmail", marks: false, test: await need("procmail"), deliver: byProcmail },
];

for (const { name, marks, test, deliver } of WAYS) {
  /** It was answered, once, to the right address; and kept. */
  const answered = async (home: Member, challenge: Challenge) => {
    home.empty();
    const before = home.released.length;
    await deliver(home, challenge);
    const { left } = home.carry();
    assert.deepEqual(left.map(({ argv }) => argv), [["-i", "-f", PLAIN, "--", challenge.confirm]], home.logged);
    assert.equal(home.released.length, before + 1);
    assert.deepEqual(home.inbox(), []);
    return left[0]!.mail;
  };
  /** It is in the inbox, and nobody was written to. */
  const delivered = async (home: Member, challenge: Challenge, why: RegExp) => {
    home.empty();
    const before = home.released.length;
    await deliver(home, challenge);
    assert.deepEqual(home.carry().left, [], "nothing left");
    assert.equal(home.released.length, before);
    assert.deepEqual([home.inbox().length, home.kept().length], [1, 0]);
    const [got] = home.inbox();
    assert.ok(got!.includes(challenge.mail.slice(challenge.mail.indexOf("\n\n"))), "as it was");
    assert.match(home.logged, why);
    if (marks) assert.match(fieldOf(got!, "X-Countersign"), why);
  };

  test(`${name}: our post is confirmed once`, async (t) => {
    using home = new Member();
    const [challenge] = await home.post("A patch");
    await t.step("answered", async () => {
      const answer = await answered(home, challenge!);
      assert.equal(fieldOf(answer, "Subject"), "Confirmation");
      assert.equal(fieldOf(answer, "To"), challenge!.confirm);
      assert.equal(fieldOf(answer, "From"), PLAIN);
      assert.equal(fieldOf(answer, "In-Reply-To"), fieldOf(challenge!.mail, "Message-ID"));
      assert.equal(fieldOf(answer, "Auto-Submitted"), "auto-replied");
      assert.doesNotMatch(answer, /^(?:Precedence|X-Msgauth|Received|Resent-.*|Delivered-To|Mailing-List):/im);
      assert.match(home.released[0]!, /^Subject: A patch$/m);
    });
    await t.step("the challenge is kept", () => {
      const [kept, ...more] = home.kept();
      assert.deepEqual(more, []);
      assert.match(fieldOf(kept!, "X-Countersign"), /^challenge; check=challenge; /);
      assert.ok(kept!.endsWith(challenge!.mail.slice(challenge!.mail.indexOf("\n\n"))), "as it was");
    });
    await t.step("what comes back about the answer is about mail of ours", async () => {
      const id = fieldOf(home.injected().at(-1)!.mail, "Message-ID");
      for (const [named, result] of [[id, "known"], ["<x@example.org>", "unsolicited"]] as const) {
        const mail =
          `Received: by mx\nFrom: ann@example.org\nTo: ${PLAIN}\nSubject: Away\nIn-Reply-To: ${named}\n\nBack on Monday.\n`;
        await deliver(home, { ...challenge!, to: PLAIN, mail });
        assert.match(home.logged, new RegExp(`\\bresult=${result}\\b`));
      }
    });
    await t.step(
      "the same again is delivered",
      () => delivered(home, challenge!, /already answered: check it yourself/),
    );
    await t.step("and about the same message, from another address", async () => {
      const again = home.secretaries[0]!.take(challenge!.to, home.released[0]!);
      await delivered(home, again, /already answered: check it yourself/);
    });
    await t.step("the next post is another matter", async () => {
      const [next] = await home.post("Another patch");
      await answered(home, next!);
      assert.match(home.released[1]!, /^Subject: Another patch$/m);
    });
    assert.deepEqual(home.secretaries[0]!.strays, []);
  });

  test(`${name}: a forgery is not`, async (t) => {
    using home = new Member();
    const [challenge] = await home.post("A patch");
    const { mail } = home.injected()[0]!;
    // The forger has seen greg's post, in an archive.
    const returned = /returns a message from greg@example\.org/;
    const table: [what: string, mail: string, why: RegExp][] = [
      [
        "in his name",
        `From: Greg <${PLAIN}>\nTo: ${LIST}\nMessage-ID: <lie@spam.example>\nSubject: Pills\n\nBuy!\n`,
        /\bunsolicited\b/,
      ],
      ["with his tag", mail.replace(/^Message-ID: .*$/m, "Message-ID: <lie@spam.example>"), /\bunsolicited\b/],
      ["his message, another tag", mail.replace(/^(X-Msgauth: .*)\n/m, "$1x\n"), /\bknown\b/],
      ["his message, no tag", mail.replace(/^X-Msgauth: .*\n/m, ""), /\bknown\b/],
      ["with his header", `${mail.slice(0, mail.indexOf("\n\n"))}\n\nBuy our pills, they are good.\nBuy!\n`, returned],
      ["with his header, another subject", mail.replace(/^Subject: .*$/m, "Subject: Pills"), returned],
    ];
    for (const [what, forged, why] of table) {
      assert.notEqual(forged, mail);
      for (const to of [PLAIN, challenge!.to]) {
        await t.step(`${what}, to ${to === PLAIN ? "his address" : "a signed address"}`, async () => {
          await delivered(home, home.secretaries[0]!.take(to, forged), to === PLAIN ? why : VALID);
          assert.deepEqual(home.ledger(), { issued: 1, claimed: 0, spent: 0 });
        });
      }
    }
    await t.step("then his own is answered all the same", async () => void await answered(home, challenge!));
  });

  test(`${name}: a challenge about this post, but not of this list`, async (t) => {
    using home = new Member();
    const [challenge] = await home.post("A patch");
    const { mail } = challenge!;
    const cut = mail.trimEnd().slice(0, -1);
    const table: [what: string, mail: string][] = [
      [
        "another mailbox there",
        mail.replace(/^From: .*$/m, `From: "The qsecretary program" <webmaster@list.cr.yp.to>`),
      ],
      ["another list there", mail.replace(/^(From: .*)<qmail-/m, "$1<dns-")],
      ["another host", mail.replace(/^(From: .*)@list\.cr\.yp\.to/m, "$1@list.evil.example")],
      ["the end is another", `${cut}!`],
      ["more behind the end", `${mail}!`],
      ["another To", mail.replace(/^To: qmail@.*$/m, "To: eve@evil.example")],
      ["a Reply-To", mail.replace(/^(To: qmail@.*)$/m, "$1\nReply-To: eve@evil.example")],
      ["a Content-Type", mail.replace(/^(To: qmail@.*)$/m, "$1\nContent-Type: text/html")],
    ];
    for (const [what, forged] of table) {
      assert.notEqual(forged, mail, what);
      await t.step(what, async () => {
        await delivered(home, { ...challenge!, mail: forged }, VALID);
        assert.deepEqual(home.ledger(), { issued: 1, claimed: 0, spent: 0 });
      });
    }
    await t.step("then the genuine one is answered all the same", async () => void await answered(home, challenge!));
  });

  test(`${name}: as the settings say`, async (t) => {
    const other = "club@lists.example.net";
    await t.step('answered = "": none is kept', async () => {
      using home = new Member(challenges(`answered = ""`));
      await answered(home, (await home.post("A patch"))[0]!);
      assert.deepEqual(home.kept(), []);
      assert.deepEqual([...Deno.readDirSync(`${home.path}/Maildir`)].map((entry) => entry.name).sort(), [
        "cur",
        "new",
        "tmp",
      ]);
    });
    await t.step("answer = false: delivered", async () => {
      using home = new Member(challenges("", false));
      await delivered(home, (await home.post("A patch"))[0]!, VALID);
      assert.deepEqual(home.ledger(), { issued: 0, claimed: 0, spent: 0 });
    });
    await t.step("answer = false since then: delivered", async () => {
      using home = new Member();
      const [challenge] = await home.post("A patch");
      home.fix(challenges("", false));
      await delivered(home, challenge!, VALID);
      assert.deepEqual(home.ledger(), { issued: 1, claimed: 0, spent: 0 });
    });
    await t.step("a list that is not named: delivered", async () => {
      using home = new Member(challenges(), [other]);
      await delivered(home, (await home.post("A patch"))[0]!, VALID);
    });
    await t.step("a list that a rule names: answered", async () => {
      using home = new Member(`[[rule]]\nto = ["*@lists.example.net"]\nconfirm = true\n${challenges()}`, [other]);
      await answered(home, (await home.post("A patch"))[0]!);
    });
    await t.step("two lists: each is answered once", async () => {
      using home = new Member(challenges(`lists = ["${LIST}", "${other}"]`), [LIST, other]);
      const both = await home.post("A patch");
      for (const one of both) await answered(home, one);
      for (const one of both) await delivered(home, one, /already answered: check it yourself/);
    });
  });
}

Deno.test("a hook behind a wrapper that says where to deliver: no challenge to a signed address is lost", async () => {
  using home = new Member();
  const [challenge] = await home.post("A patch");
  // A wrapper has to deliver what the hook leaves to it; this one leaves it to the hook.
  const hook = MARKS.split("\n").find((line) => line.startsWith("|"))!.slice(1);
  const wrapper = home.write("bin/wrapped", `#!/bin/sh\nexec ${hook}\n`, 0o755);
  home.qmail(`|${wrapper}\n`);
  for (const inbox of [0, 1, 2]) {
    assert.equal((await home.deliver(challenge!)).end, "success");
    assert.deepEqual([home.inbox().length, home.carry().left.length], [inbox, inbox === 0 ? 1 : 0]);
  }
});

Deno.test("--forward at his own address is wrong, also for a challenge that could be answered", async () => {
  using home = new Member();
  const [challenge] = await home.post("A patch");
  home.qmail(GO_ON.replace("/incoming\n", "/incoming --forward\n"));
  const { end, runs } = await home.deliver({ ...challenge!, to: PLAIN });
  assert.deepEqual([end, runs[0]!.code, home.carry().left], ["defer", 75, []]);
  assert.match(runs[0]!.stdout, /use --forward for the SRS domain only/);
});
