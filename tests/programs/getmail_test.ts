/** The real getmail with contrib/getmail, and a Dovecot that gives it mail. */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
import { forged, Laptop } from "../admin/sweep.ts";
import { PASSWORD } from "./dovecot.ts";
import { configured, testFetch } from "./fetching.ts";
import { deliverThree, MailHost, needMailHost } from "./mailhost.ts";

const test = await needMailHost(["getmail", "getmail6"]);

/** Runs getmail with the snippet for this server, and other changes. */
async function getmail(home: Laptop, host: MailHost, hook?: string, more: Record<string, string> = {}) {
  const text = configured("getmail/getmailrc", home, {
    ...more,
    "POP3SSLRetriever": "POP3Retriever",
    "pop.example.org": `127.0.0.1\nport = ${host.ports.pop3}`,
    "= secret": `= ${PASSWORD}`,
    // Only the test runs as root.
    "[destination]": "[destination]\nallow_root_commands = true",
    ...(hook === undefined ? {} : { hook }),
  });
  home.write(".config/getmail/getmailrc", text, 0o600);
  return await home.run(["getmail"]);
}

test("getmail/getmailrc", (t) => testFetch(t, getmail));

test("getmail: a multidrop retriever passes the address on, as in contrib/getmail/README.md", async (t) => {
  const readme = Deno.readTextFileSync(`${ROOT}/contrib/getmail/README.md`).replace(/\s+/g, " ");
  for (const text of ["MultidropPOP3SSLRetriever", "envelope_recipient = delivered-to:1", '"%(recipient)"']) {
    assert.ok(readme.includes(text), text);
  }
  await testFetch(t, (home, host, hook) =>
    getmail(home, host, hook, {
      "SimplePOP3SSLRetriever": "MultidropPOP3SSLRetriever\nenvelope_recipient = delivered-to:1",
      "POP3SSLRetriever": "POP3Retriever",
      '"greg@example.org"': '"%(recipient)"',
    }));
});

/** The snippet for this server, with another destination. */
function withDestination(home: Laptop, host: MailHost, destination: string): void {
  const text = configured("getmail/getmailrc", home, {
    "POP3SSLRetriever": "POP3Retriever",
    "pop.example.org": `127.0.0.1\nport = ${host.ports.pop3}`,
    "= secret": `= ${PASSWORD}`,
  });
  const other = text.replace(/^\[destination\][^[]*/m, `[destination]\n${destination}\n\n`);
  home.write(".config/getmail/getmailrc", other, 0o600);
}

test("getmail with the hook as a filter, as in contrib/getmail/README.md", async () => {
  const readme = Deno.readTextFileSync(`${ROOT}/contrib/getmail/README.md`);
  const [section] = /^ {4}\[filter-[^]*?\n\n/m.exec(readme)!;
  await using host = await MailHost.start();
  using home = new Laptop();
  deliverThree(host, await home.bounce());
  const filter = section.replace(/^ {4}/gm, "").replace("/usr/local/lib/countersign", ROOT);
  // Only the test runs as root, for whom getmail does not deliver to maildirs.
  const inbox = `${home.path}/Mail/Inbox`;
  const deliver = `#!/bin/sh\ncat >${inbox}/tmp/$$ && mv ${inbox}/tmp/$$ ${inbox}/new/$$.x\n`;
  const root = "allow_root_commands = true";
  const destination = `type = MDA_external\npath = ${home.write("bin/deliver", deliver, 0o755)}\n${root}\n`;
  withDestination(home, host, `${destination}${filter.trimEnd()}\n${root}`);
  const good = home.read(".config/countersign/config.toml");
  home.write(".config/countersign/config.toml", "nonsense = [");
  await home.run(["getmail"]);
  assert.deepEqual([host.mails().length, home.names(), home.names("Mail/Spam")], [3, [], []]);
  home.write(".config/countersign/config.toml", good);
  const ran = await home.run(["getmail"]);
  assert.deepEqual([ran.code, host.mails()], [0, []], ran.stderr);
  const mails = home.mails("Mail/Inbox");
  assert.deepEqual([mails.length, home.mails("Mail/Spam").length], [2, 1], ran.stderr);
  assert.ok(mails.some((mail) => mail.includes("X-Msgauth:")) && mails.some((mail) => /^Hi\.$/m.test(mail)));
});

test("getmail delivers to a maildir, which sweep judges, as in contrib/getmail/README.md", async () => {
  const readme = Deno.readTextFileSync(`${ROOT}/contrib/getmail/README.md`).replace(/\s+/g, " ");
  assert.ok(readme.includes("deliver with the type Maildir and run `countersign sweep`"));
  await using host = await MailHost.start();
  using home = new Laptop();
  deliverThree(host, await home.bounce());
  host.deliver(forged(2, new Date(Date.now() - 20 * 86_400_000)));
  withDestination(home, host, `type = Maildir\npath = ${home.path}/Mail/Inbox/`);
  const own = (user: string) => home.run(["chown", "-R", user, home.path]);
  await own("nobody:nogroup");
  const ran = await home.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "getmail"]);
  await own("root:root");
  assert.deepEqual([ran.code, home.names().length, host.mails()], [0, 4, []], ran.stderr);
  const swept = await home.sweep();
  assert.match(swept.stdout, /^4 messages judged: 1 genuine, 2 forged, 1 other\n1 message moved /);
  assert.match(swept.stdout, /^1 message left in place \(arrived too long ago\)$/m);
});
