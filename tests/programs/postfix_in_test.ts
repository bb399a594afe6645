/** Incoming mail with the real Postfix and the files of contrib/postfix: pipe(8), local(8), and a site. */
import assert from "node:assert/strict";
import { fieldOf, qsbmf, SECRET, textsByAge } from "../rig.ts";
import { snippet, withHook } from "./letters.ts";
import { lacking } from "./need.ts";
import { Installed } from "./installation.ts";
import { needPostfix, Postfix, smtp, until } from "./postfix.ts";
import { ANN, chown, GREG, LETTER, LIE, MAIN, plainSnippet, returning, SITE, Site, siteSnippet, srs } from "./site.ts";

const test = await needPostfix();
const lacksDotlockfile = await lacking("dotlockfile", "liblockfile-bin");
const testWithMsmtp = await needPostfix("msmtp");

test("pipe(8): the SRS domain goes to the hook, with the snippets of contrib/postfix/pipe", async () => {
  using installed = await Installed.make();
  using site = new Site();
  const master = siteSnippet("pipe/master.cf", site, installed.hook);
  // The same service without null_sender, as in many configurations.
  const careless = master.replace(/^countersign /m, "careless ").replace(" null_sender=", "");
  const main = plainSnippet("pipe/main.cf").replace("countersign: }", "countersign:, careless.example=careless: }")
    .replace(/^relay_domains = .*/m, "$&, careless.example");
  await using postfix = await Postfix.start({ main: MAIN + main, master: `${master}\n${careless}` });
  const inbox = () => site.mails(GREG);
  const spam = () => site.mails(GREG, "Maildir/.Spam");
  const logs = () => postfix.log + site.log(GREG);

  const address = srs(GREG);
  await smtp(postfix.port, "", address, returning(GREG));
  await until("the genuine bounce", () => inbox().length === 1, logs);
  assert.equal(fieldOf(inbox()[0]!, "X-Original-To"), address, "flags=O keeps the case");
  assert.match(fieldOf(inbox()[0]!, "X-Countersign"), /^genuine; check=signed-recipient;/);
  await until("the log", () => / sender=<> /.test(site.log(GREG)), logs); // an empty argument is the null sender

  await smtp(postfix.port, "", srs(GREG, new Date(), "mallory"), qsbmf("x", LIE));
  await until("the forged bounce", () => spam().length === 1, logs);
  await smtp(postfix.port, "jo@b.example", address, LETTER);
  await until("a letter from a person", () => inbox().length === 2, logs);
  const old = new Date(Date.now() - 30 * 86_400_000);
  await smtp(postfix.port, "", srs(GREG, old), qsbmf("x", LIE));
  await until("the late bounce", () => inbox().length === 3, logs);
  assert.equal(inbox().filter((mail) => fieldOf(mail, "X-Countersign").startsWith("late;")).length, 1);

  // A bare MAILER-DAEMON counts as the null sender. Otherwise this forged bounce would count as mail from a person.
  await smtp(postfix.port, "", address.replace("@srs.example.org", "@careless.example"), qsbmf("x", LIE));
  await until("the careless service", () => site.log(GREG).split("\n").length === 6, logs);
  assert.match(site.log(GREG).split("\n")[4]!, / sender=<> /);
});

test("pipe(8): invalid settings defer, and forged mail is filed and never bounced", async () => {
  using installed = await Installed.make();
  using site = new Site();
  const master = siteSnippet("pipe/master.cf", site, installed.hook);
  await using postfix = await Postfix.start({ main: MAIN + plainSnippet("pipe/main.cf"), master });
  const logs = () => postfix.log + site.log(GREG);

  const config = `${site.folder}/${GREG}/.config/countersign/config.toml`;
  const good = Deno.readTextFileSync(config);
  Deno.writeTextFileSync(config, `${good}\nnonsense = 1\n`);
  await smtp(postfix.port, "", srs(GREG), returning(GREG));
  await until("a deferral", () => postfix.log.includes("status=deferred"), logs);
  assert.match(postfix.log, /incoming: \S+config\.toml:\d+: Unknown setting/, "the log has file and line");
  await until("the message in the queue", async () => await postfix.queued() === 1, logs);
  site.settings(GREG, 'forged = "refuse"');
  await postfix.flush();
  await until("the deferred bounce", () => site.mails(GREG).length === 1, logs);

  const forged = srs(GREG).replace(/=[^=]+=([^=]+)=/, "=AAAAAAAA=$1=");
  await smtp(postfix.port, "", forged, qsbmf("x", LIE));
  await until("spam instead of a double bounce", () => site.mails(GREG, "Maildir/.Spam").length === 1, logs);
  assert.doesNotMatch(postfix.log, /status=bounced/);
  await smtp(postfix.port, "jo@b.example", forged, LETTER);
  await until("spam instead of a bounce", () => site.mails(GREG, "Maildir/.Spam").length === 2, logs);
  assert.doesNotMatch(postfix.log, /status=bounced/);
});

test("local(8): .forward and mailbox_command, with the snippets of contrib/postfix/local", async () => {
  using installed = await Installed.make();
  using site = new Site();
  // The homes of these users belong to the system, so settings and maildirs are elsewhere.
  const hookWithConfig = (user: string) =>
    `${installed.hook} --config ${site.folder}/${user}/.config/countersign/config.toml`;
  const forward = `${site.folder}/${GREG}/.forward`;
  Deno.writeTextFileSync(forward, siteSnippet("local/forward", site, hookWithConfig(GREG)));
  chown(GREG, forward);
  const command = siteSnippet("local/main.cf", site, hookWithConfig(ANN), { "$HOME": `${site.folder}/${ANN}` });
  const main = `${MAIN}forward_path = ${site.folder}/$user/.forward\n${command}\n` +
    `virtual_alias_maps = inline:{ team@example.org=${GREG}@example.org }\n`;
  await using postfix = await Postfix.start({ main });

  for (const user of [GREG, ANN]) {
    const logs = () => postfix.log + site.log(user);
    const to = `${user}@example.org`;
    await smtp(postfix.port, "", to, returning(user));
    await until(`${user}: a bounce that returns the tag`, () => site.mails(user).length === 1, logs);
    assert.match(fieldOf(site.mails(user)[0]!, "X-Countersign"), /^genuine; check=returned-header;/);
    await smtp(postfix.port, "", to, qsbmf(to, LIE));
    await until(`${user}: a forged bounce`, () => site.mails(user, "Maildir/.Spam").length === 1, logs);
    await smtp(postfix.port, "jo@b.example", to, LETTER);
    await until(`${user}: a letter`, () => site.mails(user).length === 2, logs);
  }
  // team@ is not an identity, so a bounce to it is not judged, although greg gets it.
  await smtp(postfix.port, "", "team@example.org", qsbmf("team@example.org", LIE));
  await until("a bounce to a role", () => site.mails(GREG).length === 3, () => postfix.log + site.log(GREG));
  assert.equal(site.mails(GREG, "Maildir/.Spam").length, 1);
  const reason = () => /check=addressed .*"the recipient is not an identity"/.test(site.log(GREG));
  await until("the reason", reason, () => site.log(GREG));

  if (lacksDotlockfile !== "") return;
  // The same user with a mailbox in mbox format: contrib/mbox.
  const mbox = `${site.folder}/${GREG}/mbox`;
  const line = snippet("mbox/forward", withHook(hookWithConfig(GREG))).replace("/var/mail/greg", mbox);
  Deno.writeTextFileSync(forward, line);
  await smtp(postfix.port, "", `${GREG}@example.org`, returning(GREG));
  const delivered = () => {
    try {
      return Deno.readTextFileSync(mbox);
    } catch {
      return "";
    }
  };
  await until("a bounce in the mbox", () => delivered().endsWith("\n\n"), () => postfix.log + site.log(GREG));
  assert.match(delivered(), /^From MAILER-DAEMON .*\nX-Countersign: genuine; check=returned-header;/);
});

test("a site whose users have their own keys: virtual maps split the SRS domain; canonical maps do no harm", async () => {
  using installed = await Installed.make();
  using site = new Site();
  for (const user of [GREG, ANN]) {
    const hookWithConfig = `${installed.hook} --config ${site.folder}/${user}/.config/countersign/config.toml`;
    const forward = `${site.folder}/${user}/.forward`;
    Deno.writeTextFileSync(
      forward,
      siteSnippet("local/forward", site, hookWithConfig, { "/home/greg": `${site.folder}/${user}` }),
    );
    chown(user, forward);
  }
  const maps = `${site.folder}/countersign.regexp`;
  Deno.writeTextFileSync(maps, plainSnippet("site/countersign.regexp"));
  const split = plainSnippet("site/main.cf").replace("/etc/postfix/countersign.regexp", maps);
  assert.match(split, new RegExp(maps), "the snippet names the map");
  const forwards = `forward_path = ${site.folder}/$user/.forward\n`;
  const canonical = `recipient_canonical_maps = regexp:${maps}\n`;
  for (const [nth, main] of [split, canonical].entries()) {
    await using postfix = await Postfix.start({ main: MAIN + forwards + main });
    for (const user of [GREG, ANN]) {
      const logs = () => postfix.log + site.log(user);
      // It returns no genuine message, so only the address before rewriting shows that it is genuine.
      await smtp(postfix.port, "", srs(user), qsbmf("x", LIE));
      await until(`${user}: genuine`, () => site.mails(user).length === nth + 1, logs);
      const other = user === GREG ? ANN : GREG;
      await smtp(postfix.port, "", srs(user, new Date(), `${other} ${SECRET}`), qsbmf("x", LIE));
      await until(`${user}: signed by another`, () => site.mails(user, "Maildir/.Spam").length === nth + 1, logs);
    }
  }
});

testWithMsmtp(
  "a site with one hook and group-readable keys: it forwards with a proof that the user's own hook accepts",
  async () => {
    using installed = await Installed.make();
    using site = new Site();
    for (const user of [GREG, ANN]) {
      // The group of the site's hook may read each user's folder and key.
      const { code } = new Deno.Command("chgrp", { args: ["-R", SITE, `${site.folder}/${user}/.config`] }).outputSync();
      assert.equal(code, 0);
      Deno.chmodSync(`${site.folder}/${user}/.config/countersign/keys`, 0o640);
      site.settings(user);
      const config = `${site.folder}/${user}/.config/countersign/config.toml`;
      Deno.writeTextFileSync(config, Deno.readTextFileSync(config).replace("srs_domain", "group = true\nsrs_domain"));
      const forward = `${site.folder}/${user}/.forward`;
      const hookWithConfig = `${installed.hook} --config ${config}`;
      Deno.writeTextFileSync(
        forward,
        siteSnippet("local/forward", site, hookWithConfig, { "/home/greg": `${site.folder}/${user}` }),
      );
      chown(user, forward);
    }
    const state = `${site.folder}/state`;
    Deno.mkdirSync(state);
    chown(SITE, state);
    const config = `${site.folder}/config.toml`;
    const master = siteSnippet("pipe/master.cf", site, installed.hook)
      .replace(`user=${GREG}`, `user=${SITE}`).replace(/--config \S+ --maildir \S+/, `--config ${config} --forward`);
    const forwards = `forward_path = ${site.folder}/$user/.forward\n`;
    await using postfix = await Postfix.start({ main: MAIN + forwards + plainSnippet("pipe/main.cf"), master });
    const homes = Object.fromEntries([["greg", GREG], ["ann", ANN]].flatMap(([name, user]) => [
      [`/home/${name}`, `${site.folder}/${user}`],
      [`${name}@example.org`, `${user}@example.org`],
    ]));
    let text = plainSnippet("site/config.toml");
    for (const [from, to] of Object.entries({ ...homes, "/var/lib/countersign": state })) {
      text = text.replaceAll(
        from,
        to,
      );
    }
    // Only root may run Postfix's sendmail with another configuration, so mail is sent with msmtp.
    const msmtp = ["/usr/bin/msmtp", "-C", "/dev/null", "--host=127.0.0.1", `--port=${postfix.port}`];
    text = text.replace('preset = "postfix"', `preset = "msmtp"\ncommand = ${JSON.stringify(msmtp)}`);
    Deno.writeTextFileSync(config, text);

    for (const user of [GREG, ANN]) {
      const siteLog = () => {
        try {
          return Deno.readTextFileSync(`${state}/log`);
        } catch {
          return "";
        }
      };
      const logs = () => postfix.log + siteLog() + site.log(user);
      await smtp(postfix.port, "", srs(user), qsbmf("x", LIE));
      await until(`${user}: genuine, in two steps`, () => site.mails(user).length === 1, logs);
      assert.match(fieldOf(site.mails(user)[0]!, "X-Countersign"), /^genuine; check=proof;/);
      await smtp(postfix.port, "", `${user}@example.org`, qsbmf("x", LIE));
      await until(`${user}: forged`, () => site.mails(user, "Maildir/.Spam").length === 1, logs);
    }
    await smtp(postfix.port, "", srs(GREG, new Date(), "mallory"), qsbmf("x", LIE));
    await until("the site's spam", () => textsByAge(`${state}/Spam/new`).length === 1, () => postfix.log);
  },
);
