/** Whom a login may send as, and with whose settings. */
import assert from "node:assert/strict";
import { CREATED, fieldOf, filesBelow, ledgerFiles } from "../rig.ts";
import { nothingSent, stubArguments, stubInput, stubRuns } from "../stub.ts";
import { hashPassword } from "../../submit/backends/scrypt.ts";
import { MAIL, RawSmtp } from "./raw_smtp.ts";
import { SubmitdHome } from "./submitd_home.ts";

const NOT_YOURS = /^550 5\.7\.1 Not sent: "eve@example\.com" is not one of your addresses$/;

for (const check of ["identities", "login", "any"]) {
  Deno.test(`check_sender = "${check}": a foreign MAIL FROM, a foreign From, both`, async () => {
    await using one = await SubmitdHome.start({ submit: `check_sender = "${check}"` });
    using client = await RawSmtp.greg(one.tls, one.ca);
    const foreign = MAIL.replace("From: greg@example.org", "From: eve@example.com");
    const [refused, sent] = check === "any" ? [/^250 /, 4] : [NOT_YOURS, 1];
    assert.match(await client.submit(MAIL), /^250 /);
    assert.match(await client.submit(MAIL, "eve@example.com"), refused);
    assert.match(await client.submit(foreign), refused);
    assert.match(await client.submit(foreign, "eve@example.com"), refused);
    assert.equal(stubRuns(one.home), sent);
    assert.match(await client.submit(MAIL, ""), /^250 /, "receipts");
    assert.match(
      await client.submit(`Sender: eve@example.com\r\n${MAIL}`),
      check === "any" ? /^250 / : /^(?:250|550) /,
    );
  });
}

Deno.test('check_sender = "login": a login with a domain is the address', async () => {
  const more = '[[identity]]\naddress = "bob@example.org"\nlogins = ["bob@example.org"]\nkeys = "bob"\n';
  await using one = await SubmitdHome.start({ submit: 'check_sender = "login"', more });
  const { home } = one;
  home.write(".config/countersign/bob", `k1 ${CREATED} another secret of a test\n`, 0o600);
  home.write("users", `bob@example.org:${await hashPassword("secret")}\n`, 0o600);
  using client = await RawSmtp.tls(one.tls, one.ca);
  await client.say("EHLO x");
  assert.match(await client.logIn("bob@example.org", "secret"), /^235 /);
  const mail = MAIL.replaceAll("greg@example.org", "bob@example.org");
  assert.match(await client.submit(mail, "bob@example.org"), /^250 /);
  assert.match(await client.submit(mail.replace("From: bob@example.org", "From: bob@example.com"), ""), /^550 /);
  assert.match(await client.submit(MAIL), /^550 /);
});

Deno.test("a login without an identity sends nothing", async () => {
  await using one = await SubmitdHome.start({ submit: 'check_sender = "any"' });
  one.home.write("users", `ann:${await hashPassword("secret")}\n`, 0o600);
  using client = await RawSmtp.tls(one.tls, one.ca);
  await client.say("EHLO x");
  assert.match(await client.logIn("ann", "secret"), /^235 /);
  assert.equal(await client.submit(MAIL), "550 5.7.1 This login may not send as any address");
  nothingSent(one.home);
});

Deno.test("unconfigured: with `pass` in settings without identities a login sends unsigned, otherwise not at all", async () => {
  for (
    const [unconfigured, submit, check, reply] of [
      ["pass", 'user_settings = "/etc/countersign/none/{login}.toml"', "identities", /^250 /],
      ["pass", "", "identities", /^250 /],
      ["pass", "", "login", /^550 5\.7\.1 Not sent: "eve@example\.com" is not one of your addresses$/],
      ["fail", 'user_settings = "/etc/countersign/none/{login}.toml"', "identities", /^451 4\.3\.0 /],
    ] as const
  ) {
    await using one = await SubmitdHome.start();
    const { home } = one;
    const config = home.read(".config/countersign/config.toml").replace(/^\[\[identity\]\][^]*?\n\n/, "");
    home.write(
      ".config/countersign/config.toml",
      `unconfigured = "${unconfigured}"\n${config}\n${submit}\ncheck_sender = "${check}"\n`,
    );
    one.server.reload(one.settings());
    using client = await RawSmtp.greg(one.tls, one.ca);
    const mail = MAIL.replace("greg@example.org", "eve@example.com");
    assert.match(await client.submit(mail, "eve@example.com"), reply, one.reports.join("\n"));
    if (!reply.test("250 ")) nothingSent(home);
    else assert.deepEqual([stubArguments(home)[2], fieldOf(stubInput(home), "X-Msgauth")], ["eve@example.com", ""]);
  }
});

Deno.test("unconfigured does not let a login send in the name of the identities that are configured", async () => {
  await using one = await SubmitdHome.start();
  one.server.reload({ ...one.settings(), unconfigured: "pass" });
  one.home.write("users", `ann:${await hashPassword("secret")}\n`, 0o600);
  using client = await RawSmtp.tls(one.tls, one.ca);
  await client.say("EHLO x");
  assert.match(await client.logIn("ann", "secret"), /^235 /);
  assert.equal(await client.submit(MAIL), "550 5.7.1 This login may not send as any address");
});

Deno.test("a message that is rejected by policy is logged, with login and reason", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.greg(one.tls, one.ca);
  assert.match(await client.submit(MAIL, "eve@example.com"), /^550 /);
  assert.match(
    one.home.read(".local/state/countersign/log"),
    / direction=out sender=eve@example\.com to=@example\.net recipients=1 login=greg result=failed why="\\"eve@example\.com\\" is not one of your addresses"\n/,
  );
  assert.match(await client.submit(`${MAIL}a\rb\r\n`), /^550 5\.6\.0 /);
  const [policy, content] = one.reports;
  assert.equal(policy, 'greg: The message was rejected: Not sent: "eve@example.com" is not one of your addresses');
  assert.match(content!, /^greg: The message was rejected: .*CR/);
});

Deno.test("virtual users have settings of their own: by user_settings, or by a home in the file of logins", async () => {
  await using one = await SubmitdHome.start();
  const { home } = one;
  for (const [login, where] of [["ann", "users.d/ann"], ["bob", "homes/bob/.config/countersign"]]) {
    home.write(`${where}/keys`, `k${login} ${CREATED} the secret of ${login} in a test\n`, 0o600);
    home.write(
      `${where}/config.toml`,
      `[[identity]]\naddress = "${login}@example.org"\nsrs_domain = "srs.example.org"\n[transport]\npreset = "sendmail"\n` +
        `command = ["${home.path}/stub"]\n[state]\nfolder = "${home.path}/state/${login}"\n[submit]\ncheck_sender = "any"\n` +
        '[[rule]]\nto = ["*@lists.example.net"]\nconfirm = true\n[challenge]\nanswer = true\n',
    );
  }
  const hash = await hashPassword("secret");
  home.write("users", `ann:${hash}\nbob:${hash}:vmail:${home.path}/homes/bob\neve:${hash}\n../ann:${hash}\n`, 0o600);
  const settings = one.settings();
  const user_settings = `${home.path}/users.d/{login}/config.toml`;
  one.server.reload({ ...settings, submit: { ...settings.submit, user_settings } });

  const senders: string[] = [];
  for (const login of ["ann", "bob"]) {
    using client = await RawSmtp.tls(one.tls, one.ca);
    await client.say("EHLO x");
    assert.match(await client.logIn(login, "secret"), /^235 /);
    const mail = MAIL.replaceAll("greg@", `${login}@`).replace("<1@", `<${login}@`);
    assert.match(await client.submit(mail, `${login}@example.org`), /^250 /);
    senders.push(stubArguments(home)[2]!);
    assert.match(fieldOf(stubInput(home), "X-Msgauth"), new RegExp(`^v1\\.k${login}\\.`));
    assert.ok(filesBelow(`${home.path}/state/${login}/sent`).length > 0, "the index of sent mail");
    assert.match(home.read(`state/${login}/log`), new RegExp(`login=${login}`));
    await client.begin(`${login}@example.org`, "ideas@lists.example.net");
    assert.match(await client.say(`${mail.replace(`<${login}@`, `<list-${login}@`)}.`), /^250 /);
    assert.equal(ledgerFiles(`${home.path}/state/${login}/ledger`).issued.length, 1, "the ledger");
    // The setting of the site counts, not the user's.
    assert.match(await client.submit(mail.replace("From: ", "From: x"), `${login}@example.org`), /^550 5\.7\.1 /);
  }
  assert.match(senders.join(" "), /^SRS0=.*=ann@srs\.example\.org SRS0=.*=bob@srs\.example\.org$/);
  for (const login of ["eve", "../ann"]) {
    using client = await RawSmtp.tls(one.tls, one.ca);
    await client.say("EHLO x");
    assert.match(await client.logIn(login, "secret"), /^235 /);
    assert.match(await client.submit(MAIL), /^451 4\.3\.0 /, login);
  }
  assert.match(one.reports.join("\n"), /^eve: .*users\.d\/eve\/config\.toml: Settings file does not exist/m);
  assert.equal(stubRuns(home), 4);
});

Deno.test("a message from a phone has the form of one from mutt", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.greg(one.tls, one.ca);
  assert.match(await client.submit(MAIL), /^250 /);
  const [phone, sender] = [stubInput(one.home), stubArguments(one.home)];
  const ran = await one.home.shim(["-f", "greg@example.org", "--", "ann@example.net"], MAIL.replaceAll("\r\n", "\n"));
  assert.equal(ran.code, 0, ran.stderr);
  const [mutt, other] = [stubInput(one.home), stubArguments(one.home)];
  const form = (text: string) =>
    text.replace(/^(?:Received|Date): .*\n/gm, "").replace(/^(X-Msgauth: v1\.k1\.).*/m, "$1");
  assert.equal(form(phone), form(mutt));
  const same = (words: string[]) => words.map((word) => word.replace(/^SRS0=[^=]+=/, "SRS0="));
  assert.deepEqual(same(sender), same(other));
});

Deno.test("errors of the program behind: 4xx for later, 5xx for never, and nothing about this machine", async () => {
  for (
    const [then, reply] of [
      ["echo 'the queue is full' >&2; exit 75", "451 4.3.0 The message cannot be sent now, try again later"],
      ["exit 67", /^554 5\.6\.0 /],
      ["kill -9 $$", "451 4.3.0 The message cannot be sent now, try again later"],
    ] as const
  ) {
    await using one = await SubmitdHome.start({ then });
    using client = await RawSmtp.greg(one.tls, one.ca);
    const answer = await client.submit(MAIL);
    if (typeof reply === "string") assert.equal(answer, reply);
    else assert.match(answer, reply);
    assert.equal(one.reports.length, 1, one.reports.join("\n"));
    assert.match(await client.say("NOOP"), /^250 /);
  }
});

Deno.test("with an outbox, a message is kept when the server behind is away", async () => {
  const more = '[outbox]\nwhen = "failed"\n';
  await using one = await SubmitdHome.start({ more, then: "exit 75" });
  using client = await RawSmtp.greg(one.tls, one.ca);
  assert.match(await client.submit(MAIL), /^250 /, one.reports.join("\n"));
  assert.match(one.home.read(".local/state/countersign/log"), /login=greg .*result=queued entry=/);
});

Deno.test("a message to a list that asks for confirmation is an entry of the ledger", async () => {
  const more = '[[rule]]\nto = ["*@lists.example.net"]\nconfirm = true\n[challenge]\nanswer = true\n';
  await using one = await SubmitdHome.start({ more });
  using client = await RawSmtp.greg(one.tls, one.ca);
  await client.begin("greg@example.org", "ideas@lists.example.net");
  assert.match(await client.say(`${MAIL}.`), /^250 /, one.reports.join("\n"));
  assert.equal(ledgerFiles(`${one.home.path}/.local/state/countersign/ledger`).issued.length, 1);
});
