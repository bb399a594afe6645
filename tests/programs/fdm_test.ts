/** The real fdm with contrib/fdm, and a Dovecot that gives it mail. */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
import { forged, Laptop } from "../admin/sweep.ts";
import { PASSWORD } from "./dovecot.ts";
import { configured, testFetch } from "./fetching.ts";
import { deliverThree, MailHost, needMailHost } from "./mailhost.ts";

const test = await needMailHost(["fdm", "fdm"]);

/** The snippet for this server, and for root, because only the test runs as root. */
function config(home: Laptop, host: MailHost, hook?: string): string {
  const text = configured("fdm/fdm.conf", home, {
    'pop3s server "pop.example.org"': `pop3 server "127.0.0.1" port ${host.ports.pop3}`,
    'pass "secret"': `pass "${PASSWORD}" no-verify`,
    ...(hook === undefined ? {} : { hook }),
  });
  return `set default-user "root"\n${text}`;
}

async function fdm(home: Laptop, text: string) {
  home.write(".fdm.conf", text, 0o600);
  return await home.run(["fdm", "-f", `${home.path}/.fdm.conf`, "fetch"]);
}

test("fdm/fdm.conf", (t) => testFetch(t, (home, host, hook) => fdm(home, config(home, host, hook))));

test("fdm: the hook as a condition, as in contrib/fdm/README.md", async () => {
  const readme = Deno.readTextFileSync(`${ROOT}/contrib/fdm/README.md`);
  const lines = [...readme.matchAll(/^ {4}(match .*)$/gm)].map(([, line]) => line!);
  assert.equal(lines.length, 3);
  await using host = await MailHost.start();
  using home = new Laptop();
  deliverThree(host, await home.bounce());
  const text = config(home, host).replace(/^action[^]*/m, "") +
    `action "inbox" maildir "${home.path}/Maildir"\n` +
    `${lines.join("\n").replaceAll("/usr/local/lib/countersign/hooks/incoming", `${ROOT}/hooks/incoming`)}\n`;
  const good = home.read(".config/countersign/config.toml");
  home.write(".config/countersign/config.toml", "nonsense = [");
  await fdm(home, text);
  assert.deepEqual([host.mails().length, home.names("Maildir")], [3, []]);
  home.write(".config/countersign/config.toml", good);
  const ran = await fdm(home, text);
  assert.deepEqual([ran.code, host.mails().length], [0, 0], ran.stderr);
  assert.deepEqual([home.mails("Maildir").length, home.mails("Mail/Spam").length], [2, 1]);
});

test("fdm delivers to a maildir: sweep knows when a server received a message, also below fdm's Received field", async () => {
  await using host = await MailHost.start();
  using home = new Laptop();
  host.deliver(forged(1, new Date(Date.now() - 20 * 86_400_000)));
  host.deliver(forged(2));
  const inbox = `action "hook" maildir "${home.path}/Mail/Inbox"`;
  const ran = await fdm(home, config(home, host).replace("set no-received", "").replace(/^action .*$/m, inbox));
  assert.deepEqual([ran.code, home.names().length], [0, 2], ran.stderr);
  assert.ok(home.mails("Mail/Inbox").every((mail) => /^Received: by .*\(fdm /m.test(mail)));
  assert.match((await home.sweep()).stdout, /^1 message moved [^]*^1 message left in place \(arrived too long ago\)$/m);
});
