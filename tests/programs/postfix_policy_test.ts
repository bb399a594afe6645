/** A real Postfix without a milter, with contrib/postfix/policy: what is rejected, and what reaches the hook. */
import assert from "node:assert/strict";
import { prvsSign } from "../../mod.ts";
import { Page } from "../page.ts";
import { fieldOf, qsbmf, SECRET } from "../rig.ts";
import { Sink } from "../smtp_sink.ts";
import { needPostfix, smtp, until, writeMain } from "./postfix.ts";
import { MapsHost, replaced } from "./postfix_maps.ts";
import { installOnce } from "./postfix_milter.ts";
import { Client } from "./smtp_session.ts";
import { ANN, chown, GREG, LETTER, LIE, MAIN, plainSnippet, returning, Site, siteSnippet, srs } from "./site.ts";

const test = await needPostfix();
const plain = `${GREG}@example.org`;
const DAY_MS = 86_400_000;
/** The clients of the tests are not in the network of the site. */
const STRANGERS = "mynetworks = 127.0.0.9/32\n";
const refused = (address: string, code: string, text: string) =>
  `${code} <${address}>: Recipient address rejected: ${text}; Contact: https://example.org/mail\r\n`;

/** A site whose users' mail is delivered by local(8) to the hook. */
async function siteWithHook(): Promise<{ site: Site; main: string }> {
  const installed = await installOnce();
  const site = new Site();
  for (const user of [GREG, ANN]) {
    const forward = `${site.folder}/${user}/.forward`;
    const hook = `${installed.hook} --config ${site.folder}/${user}/.config/countersign/config.toml`;
    const here = { "/home/greg": `${site.folder}/${user}` };
    Deno.writeTextFileSync(forward, siteSnippet("local/forward", site, hook, here));
    chown(user, forward);
  }
  return { site, main: `${MAIN}forward_path = ${site.folder}/$user/.forward\n` };
}

test("a Postfix without a milter rejects forged and moved addresses at RCPT", async (t) => {
  const { site, main } = await siteWithHook();
  using _site = site;
  await using host = await MapsHost.start({
    main: `${main}${plainSnippet("policy/main.cf")}${STRANGERS}`,
    config: `contact = "https://example.org/mail"\nmoved = "moved"\n`,
    chroot: true,
    files: { moved: "old@example.org new@example.net\n" },
  });
  const { port } = host.postfix;
  const trouble = () => host.trouble() + site.log(GREG);
  let count = 0;
  const arrives = async (): Promise<string> => {
    await until("the message", () => site.mails(GREG).length === count + 1, trouble);
    count++;
    return site.mails(GREG).find((mail) => !seen.has(mail) && seen.add(mail))!;
  };
  const seen = new Set<string>();

  await t.step("an SRS address with a bad hash, with our reply text", async () => {
    const wrong = srs(GREG, new Date(), "mallory");
    for (const sender of ["", "jo@b.example"]) {
      assert.equal(await smtp(port, sender, wrong, LETTER), refused(wrong, "550 5.1.1", "No such address"));
    }
    assert.match(host.log, / direction=in at=policy sender=<> result=forged check=signed-recipient outcome=refused /);
  });

  await t.step("docs/postfix-policy.md: the reply to a wrong address, and what the map returns", async () => {
    const page = new Page("docs/postfix-policy.md");
    using client = await Client.open(port);
    const replies = [];
    for (const line of page.session()) replies.push(await client.say(line));
    assert.match(replies[2]!, page.reply("The reply to RCPT is"));
    const [, , query] = page.block(/postmap -q/).split("\n");
    const line = replaced(query!, "/var/spool/postfix/countersign", host.sockets)
      .replace(/"\$\(.*?\)"/, `'${srs(GREG)}'`);
    const shown = await host.home.run(["/bin/sh", "-c", line], "", { MAIL_CONFIG: host.postfix.config });
    assert.equal(shown.stdout, `${plain}\n`, shown.stderr);
    assert.equal(page.code("The third command prints"), "greg@example.org");
  });

  await t.step("a bounce to a valid signed address reaches the mailbox, and the hook finds it genuine", async () => {
    const address = srs(GREG);
    assert.match(await smtp(port, "", address, qsbmf("x", LIE)), /^250/, trouble());
    const mail = await arrives();
    assert.equal(fieldOf(mail, "X-Original-To"), address);
    assert.match(fieldOf(mail, "X-Countersign"), /^genuine; check=signed-recipient;/);
    assert.match(await smtp(port, "", srs(GREG, new Date(Date.now() - 40 * DAY_MS)), qsbmf("x", LIE)), /^250/);
    assert.match(fieldOf(await arrives(), "X-Countersign"), /^late;/);
  });

  await t.step("an expired address and one that has moved name the address to use", async () => {
    const expired = srs(GREG, new Date(Date.now() - 40 * DAY_MS));
    const write = (address: string) => `please write to <${address}>`;
    assert.equal(
      await smtp(port, "jo@b.example", expired, LETTER),
      refused(expired, "551 5.1.6", `The address has expired, ${write(plain)}`),
    );
    assert.equal(
      await smtp(port, "jo@b.example", "OLD@example.org", LETTER),
      refused("OLD@example.org", "551 5.1.6", `The address has changed, ${write("new@example.net")}`),
    );
  });

  await t.step("people, other recipients, postmaster and abuse pass", async () => {
    assert.match(await smtp(port, "jo@b.example", plain, LETTER), /^250/);
    await arrives();
    for (const role of ["postmaster", "Abuse"]) {
      assert.match(await smtp(port, "", `${role}@srs.example.org`, LETTER), /^250/);
      await arrives();
    }
    assert.match(await smtp(port, "jo@b.example", `${ANN}@example.org`, LETTER), /^250/);
  });

  await t.step("a bounce to the plain address that returns a valid tag is genuine", async () => {
    assert.match(await smtp(port, "", plain, returning(GREG)), /^250/);
    assert.match(fieldOf(await arrives(), "X-Countersign"), /^genuine; check=returned-header;/);
  });

  await t.step("a forged bounce to the plain address is left to the hook", async () => {
    assert.match(await smtp(port, "", plain, qsbmf(plain, LIE)), /^250/);
    await until("the spam", () => site.mails(GREG, "Maildir/.Spam").length === 1, trouble);
  });

  await t.step("doctor finds nothing about the sockets and their use", async () => {
    assert.deepEqual(await host.doctor(), []);
  });

  await t.step("with refuse_unsigned the null sender may only write to the signed address", async () => {
    await host.change((text) => text.replace("srs_domain", "refuse_unsigned = true\nsrs_domain"));
    const text = "This address is not used as an envelope sender and accepts no bounces";
    assert.equal(await smtp(port, "", plain, LETTER), refused(plain, "550 5.7.1", text));
    assert.match(await smtp(port, "", srs(GREG), LETTER), /^250/);
    await arrives();
  });

  await t.step("the engine stops in mid-session: mail passes, and only signed addresses are deferred", async () => {
    using client = await Client.open(port);
    await client.say("MAIL FROM:<jo@b.example>");
    assert.match(await client.say(`RCPT TO:<${ANN}@example.org>`), /^250/);
    await host.stopEngine();
    assert.match(await client.say(`RCPT TO:<${plain}>`), /^250/, trouble());
    assert.match(await client.say(`RCPT TO:<${srs(GREG)}>`), /^451/);
    assert.match(await client.say("DATA"), /^354/);
    assert.match(await client.say(`${LETTER.replaceAll("\n", "\r\n")}.`), /^250/);
    await arrives();
    await host.startEngine();
    assert.match(await smtp(port, "", srs(GREG), LETTER), /^250/, trouble());
    await arrives();
    await until("the end", async () => await host.postfix.queued() === 0, trouble);
  });

  await t.step("docs/site.md: what a secondary MX has accepted is not rejected", async () => {
    assert.match(await smtp(port, "", plain, LETTER), /^550 /, "refuse_unsigned");
    const exempt = new Page("docs/site.md").code("With the policy service:").replace("192.0.2.2", "127.0.0.1");
    const config = Deno.readTextFileSync(`${host.postfix.config}/main.cf`);
    writeMain(host.postfix.config, replaced(config, "check_policy_service", `${exempt}, check_policy_service`));
    await host.home.run(["/usr/sbin/postfix", "-c", host.postfix.config, "reload"]);
    await until("a reply", async () => (await smtp(port, "", plain, LETTER)).startsWith("250 "), trouble);
  });
});

test("mail of the site's own network is relayed, and not judged", async () => {
  await using sink = new Sink();
  await using host = await MapsHost.start({
    main: `${MAIN}${
      plainSnippet("policy/main.cf")
    }transport_maps = inline:{ far.example=smtp:[127.0.0.1]:${sink.port} }\n`,
  });
  assert.match(await smtp(host.postfix.port, plain, "jo@far.example", LETTER), /^250/);
  await until("delivery", () => sink.accepted.length === 1, host.trouble);
  assert.deepEqual([sink.accepted[0]!.from, host.log], [plain, ""]);
});

test("the map prvs, and moved addresses by relocated_maps alone", async () => {
  await using sink = new Sink();
  await using host = await MapsHost.start({
    main: `${MAIN}virtual_alias_maps = socketmap:unix:countersign/map:prvs
relocated_maps = socketmap:unix:countersign/map:moved
local_transport = smtp:[127.0.0.1]:${sink.port}
`,
    config: `moved = "moved"\n[prvs]\nreceive = true\n`,
    files: { moved: `old@example.org new@example.net\n${plain} new@example.net\n` },
  });
  const { port } = host.postfix;
  const signed = prvsSign(plain, { secret: `${GREG} ${SECRET}`, keyNumber: 1, lifetime: 14, now: new Date() });
  assert.match(await smtp(port, "", signed, LETTER), /^250/);
  await until("delivery", () => sink.accepted.length === 1, host.trouble);
  assert.deepEqual(sink.accepted[0]!.to, [plain]);
  assert.match(
    await smtp(port, "jo@b.example", "old@example.org", LETTER),
    /^550 5\.1\.6 .* has moved to new@example\.net/,
  );
  assert.match(await smtp(port, "jo@b.example", plain, LETTER), /^250/, "a map cannot see who bounces to an identity");
});
