/** submitd between the real Dovecot, which checks passwords, and the real Postfix, which delivers. */
import assert from "node:assert/strict";
import { fieldOf, ROOT } from "../rig.ts";
import { MAIL, RawSmtp } from "../submit/raw_smtp.ts";
import { SubmitdHome } from "../submit/submitd_home.ts";
import { DovecotAuth } from "./dovecot_auth.ts";
import { needPostfix, Postfix, until } from "./postfix.ts";

const test = await needPostfix("dovecot");

/** Logs in. @returns the client and the reply */
async function logIn(one: SubmitdHome, user: string, password: string): Promise<[RawSmtp, string]> {
  const client = await RawSmtp.tls(one.tls, one.ca);
  await client.say("EHLO x");
  return [client, await client.logIn(user, password)];
}

test("Dovecot: right, wrong, unknown, many at once, away", async () => {
  await using one = await SubmitdHome.start();
  const socket = `${one.home.path}/auth`;
  Deno.chmodSync(one.home.path, 0o755);
  const settings = one.settings();
  one.server.reload({ ...settings, submit: { ...settings.submit, auth: `dovecot:${socket}` } });
  const contrib = (name: string) => Deno.readTextFileSync(`${ROOT}/contrib/submitd/${name}`);
  const [, name] = /^auth = "dovecot:\/run\/dovecot\/(.*)"$/m.exec(contrib("config.toml"))!;
  // Dovecot does not start if there is no such group.
  const service = contrib("dovecot.conf").replace(` ${name} `, ` ${socket} `).replace(/^ *group = .*\n/m, "");
  assert.ok(service.includes(socket), "both files of contrib name the same socket");
  {
    await using _ = await DovecotAuth.start(socket, { greg: "secret", root: "secret" }, service);
    const rows = [["greg", "secret", /^235 /], ["greg", "wrong", /^535 /], ["nobody", "secret", /^535 /]] as const;
    const all = [...rows, ["root", "secret", /^535 /] as const, ...rows, rows[0], rows[0], rows[0]];
    await Promise.all(all.map(async ([user, password, reply]) => {
      const [client, text] = await logIn(one, user, password);
      using _ = client;
      assert.match(text, reply, `${user} ${password}: ${one.reports.join("\n")}`);
    }));
    const [client] = await logIn(one, "greg", "secret");
    using _client = client;
    assert.match(await client.submit(MAIL), /^250 /);
  }
  const [client, text] = await logIn(one, "greg", "secret");
  using _ = client;
  assert.match(text, /^454 /, "away");
});

/** Ends of a message that are not CRLF.CRLF, and whether the message is accepted with them as text. */
const ENDS: [end: string, accepted: boolean][] = [
  ["\n.\n", true],
  ["\n.\r\n", true],
  ["\r\n.\n", true],
  ["\r.\r\n", false],
  ["\r\n.\r", false],
  ["\r.\r", false],
];

test("what some servers take for the end of a message reaches Postfix as one message, or not at all", async () => {
  await using one = await SubmitdHome.start();
  const { home } = one;
  Deno.chmodSync(home.path, 0o755);
  Deno.mkdirSync(`${home.path}/box`);
  Deno.chownSync(`${home.path}/box`, 65534, 65534);
  await using postfix = await Postfix.start({
    main: `virtual_mailbox_domains = example.net
virtual_mailbox_base = ${home.path}
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
`,
  });
  const settings = one.settings();
  const transport = {
    ...settings.transport,
    via: "smtp" as const,
    host: "127.0.0.1",
    port: postfix.port,
    security: "none" as const,
  };
  one.server.reload({ ...settings, transport });
  using client = await RawSmtp.greg(one.tls, one.ca);
  const inner =
    "MAIL FROM:<eve@example.com>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\nFrom: ceo@example.org\r\n\r\nPay.\r\n";
  let sent = 0;
  for (const [end, accepted] of ENDS) {
    const answer = await client.submit(`${MAIL.slice(0, -2)}${end}${inner}`);
    assert.match(answer, accepted ? /^250 / : /^550 /, `${JSON.stringify(end)}: ${one.reports.join("\n")}`);
    if (accepted) sent++;
  }
  await until("the delivery", () => home.mails("box").length >= sent, () => postfix.log);
  assert.equal(await postfix.queued(), 0);
  const mails = home.mails("box");
  assert.equal(mails.length, sent);
  for (const mail of mails) {
    assert.match(mail, /\nHello\.\n\.\nMAIL FROM:<eve@example\.com>\n[^]*Pay\.\n$/);
    assert.match(fieldOf(mail, "Return-Path"), /^<SRS0=.*@srs\.example\.org>$/);
    assert.match(fieldOf(mail, "X-Msgauth"), /^v1\.k1\./);
  }
});
