/** docs/mutt-postfix.md in its order, for a user with an empty home on a machine with the real Postfix and mutt. */
import assert from "node:assert/strict";
import { Page } from "../page.ts";
import { fileForgeries, muttrcOf, nothingFound, spamFolder } from "./mutt_page.ts";
import { fieldOf } from "../rig.ts";
import { OwnMachine } from "./own_machine.ts";
import { freePort, needPostfix, smtp, until } from "./postfix.ts";
import { MAIN } from "./site.ts";
import { startFar } from "./two_servers.ts";

const test = await needPostfix("mutt");
const page = new Page("docs/mutt-postfix.md");

test("docs/mutt-postfix.md, from an empty home to a filed forgery", async (t) => {
  const port = freePort();
  await using far = await startFar(port);
  await using machine = await OwnMachine.start(`${MAIN}relayhost = [127.0.0.1]:${far.port}\n`, port);
  const { home, postfix } = machine;
  const inbox = () => home.mails("Maildir");
  const spam = () => home.mails(spamFolder(page));
  const trouble = () => `near ${postfix.log}\nfar ${far.log}\nhook ${home.read(".local/state/countersign/log")}`;
  const [init, doctor, log, ...more] = page.blocks("sh") as [string, string, string];
  assert.deepEqual(more, []);

  await t.step("set it up", async () => {
    const printed = await machine.shell(init);
    const [muttrc, forward] = [muttrcOf(page), page.block(/^"\|/)];
    // "It also prints the lines for the next steps, filled in for this machine."
    for (const lines of [page.block(/^set sendmail/), forward]) {
      assert.ok(printed.includes(machine.placed(lines)), `${lines}${printed}`);
    }
    machine.write(".muttrc", `${machine.placed(muttrc)}${page.code("`spoolfile` to the maildir:")}\n`);
    machine.configure("main.cf", page.block(/^relay_domains/));
    machine.configure("master.cf", page.block(/^countersign unix/));
    assert.equal((await machine.asRoot(page.code("then run").split(" "))).code, 0);
    machine.write(".forward", machine.placed(forward));
  });

  const mutt = async (to: string) => {
    const ran = await machine.asGreg(["mutt", "-n", "-s", "Lunch?", "--", to], "At one?\n");
    assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" }, trouble());
  };

  await t.step("try it: bounces of this Postfix and of another server reach the inbox", async () => {
    nothingFound(page, await machine.shell(doctor));
    for (const [nth, to] of ["nobody@far.example", "late@far.example"].entries()) {
      await mutt(to);
      await until(`the bounce of ${to}`, () => inbox().length === nth + 1, trouble);
    }
    for (const mail of inbox()) {
      assert.match(fieldOf(mail, "X-Original-To"), /^SRS0=[\w-]{8}=..=example\.org=greg@srs\.example\.org$/);
      assert.match(fieldOf(mail, "X-Countersign"), /^genuine;/);
      assert.match(mail, /^Action: failed$/m);
    }
    // The hook writes its line after it has delivered.
    await until("the line of the last bounce", () => trouble().match(/ outcome=delivered /g)?.length === 2, trouble);
    const printed = await machine.shell(log);
    // doctor has tested the hook, too.
    for (const what of [/ direction=out .* result=sent/g, / direction=in .* outcome=delivered /g]) {
      assert.equal(printed.match(what)?.length, 2, printed);
    }
  });

  /** A stranger's mail with greg's address bounces. */
  const forge = async () => {
    const mail = "From: greg@example.org\nMessage-ID: <lie@spam.example>\nSubject: Pills\n\nBuy!\n";
    assert.match(await smtp(far.port, "greg@example.org", "late@far.example", mail), /^250 /);
  };

  await t.step("forged bounces are only marked at first; with grace = 0 they are filed", async () => {
    await forge();
    await until("the marked bounce", () => inbox().length === 3, trouble);
    const [marked] = inbox().filter((mail) => /^suspect;/.test(fieldOf(mail, "X-Countersign")));
    machine.write("forged.eml", marked!);

    await fileForgeries(page, home, (line) => machine.shell(line), "forged.eml");

    await forge();
    await until("the filed bounce", () => spam().length === 1, trouble);
    assert.match(fieldOf(spam()[0]!, "X-Countersign"), /^forged;/);
    await mutt("nobody@far.example");
    await until("another genuine bounce", () => inbox().length === 4, trouble);
    nothingFound(page, await machine.shell(doctor));
  });
});
