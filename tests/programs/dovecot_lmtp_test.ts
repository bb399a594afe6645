/** The real Dovecot with contrib/dovecot: mail that arrives by LMTP is judged in Sieve. */
import assert from "node:assert/strict";
import { fieldOf, qsbmf } from "../rig.ts";
import { Dovecot } from "./dovecot_lmtp.ts";
import { lacking, tests } from "./need.ts";
import { Installed } from "./installation.ts";
import { GREG, LETTER, LIE, returning, Site, srs } from "./site.ts";

const missing = Deno.uid() === 0 ? [] : ["only root can start Dovecot"];
missing.push(await lacking("lmtp", "dovecot-core dovecot-lmtpd"), await lacking("sievec", "dovecot-sieve"));
const test = tests(missing.filter((one) => one !== "").join(", "));

test("LMTP and Sieve, with the files of contrib/dovecot", async (t) => {
  using installed = await Installed.make();
  using site = new Site();
  await using dovecot = await Dovecot.start(site, installed.hook);
  const inbox = () => site.mails(GREG);
  const junk = () => site.mails(GREG, "Maildir/.Junk");
  const plain = `${GREG}@example.org`;
  const person = "jo@b.example";
  const forgedSrs = srs(GREG).replace(/=[^=]+=([^=]+)=/, "=AAAAAAAA=$1=");
  const rows: [what: string, sender: string, recipient: string, message: string, result: RegExp, junk: boolean][] = [
    ["a bounce to the SRS address", "", srs(GREG), qsbmf("x", LIE), /^genuine; check=signed-recipient;/, false],
    ["a bounce that returns the tag", "", plain, returning(GREG), /^genuine; check=returned-header;/, false],
    ["a forged bounce", "", plain, qsbmf(plain, LIE), /^forged; /, true],
    ["one from mailer-daemon", "MAILER-DAEMON@mx.example.net", plain, qsbmf(plain, LIE), /^forged; /, true],
    ["a forged SRS address", "", forgedSrs, qsbmf("x", LIE), /^forged; check=signed-recipient;/, true],
    ["a letter to the SRS address", person, srs(GREG), LETTER, /^other; /, false],
    ["a long bounce", "", srs(GREG), qsbmf("x", LIE) + "a long line of text\n".repeat(50_000), /^genuine; /, false],
  ];
  /** Delivers a message. @returns what this adds to the inbox, or to the folder Junk */
  const delivered = async (sender: string, recipient: string, message: string, isJunk = false): Promise<string> => {
    const before = [inbox(), junk()];
    assert.match(await dovecot.deliver(sender, recipient, message), /^250 2\.0\.0 .* Saved$/, dovecot.log);
    const added = [inbox(), junk()].map((mails, at) => mails.filter((one) => !before[at]!.includes(one)));
    assert.deepEqual(added.map(({ length }) => length), [Number(!isJunk), Number(isJunk)], dovecot.log);
    return added.flat()[0]!;
  };
  for (const [what, sender, recipient, message, result, isJunk] of rows) {
    await t.step(what, async () => {
      const mail = await delivered(sender, recipient, message, isJunk);
      assert.match(fieldOf(mail, "X-Countersign"), result, dovecot.log);
      assert.ok(mail.endsWith(message.slice(message.indexOf("\n\n"))), "the body is unchanged");
    });
  }

  await t.step("a letter to the plain address does not start the hook", async () => {
    const log = site.log(GREG);
    assert.doesNotMatch(await delivered(person, plain, LETTER), /^X-Countersign:/m);
    assert.equal(site.log(GREG), log);
  });

  await t.step("with faulty settings mail is delivered unmarked", async () => {
    const file = `${site.folder}/${GREG}/.config/countersign/config.toml`;
    const good = Deno.readTextFileSync(file);
    Deno.writeTextFileSync(file, "nonsense = [");
    assert.doesNotMatch(await delivered("", plain, qsbmf(plain, LIE)), /^X-Countersign:/m);
    Deno.writeTextFileSync(file, good);
  });

  await t.step("with Dovecot's own vsz_limit the hook cannot start, and mail is delivered unmarked", async () => {
    await dovecot.restart((text) => text.replace("vsz_limit = 0", "vsz_limit = 256M"));
    assert.doesNotMatch(await delivered("", plain, qsbmf(plain, LIE)), /^X-Countersign:/m);
    assert.match(dovecot.log, /the hard limit of address space is \d+ KB, but Deno needs 41000000 KB/);
  });
});
