/** Shared by the tests of programs that fetch mail from a server. */
import assert from "node:assert/strict";
import { fieldOf, ROOT } from "../rig.ts";
import { Laptop } from "../admin/sweep.ts";
import { COUNTERSIGN } from "../admin/run.ts";
import { PASSWORD } from "./dovecot.ts";
import { deliverThree, MailHost } from "./mailhost.ts";
import { snippet } from "./letters.ts";

/** A file of contrib/ with the server, the login and the paths of the test. */
export function configured(name: string, home: Laptop, more: Record<string, string>): string {
  const countersign = home.write(
    "bin/countersign",
    `#!/bin/sh\nexec ${COUNTERSIGN.map((word) => `'${word}'`).join(" ")} "$@"\n`,
    0o755,
  );
  const places = { "/usr/local/bin/countersign": countersign, "/home/greg": home.path };
  const text = more["hook"] === undefined ? snippet(name, places) : snippet(name, { ...places, [HOOK]: more["hook"] });
  const { hook: _, ...changes } = more;
  return changed(name, text, changes);
}

/** The text of a file of contrib/ with these replacements. */
function changed(name: string, text: string, changes: Record<string, string>): string {
  return Object.entries(changes).reduce((text, [from, to]) => {
    assert.ok(text.includes(from), `${name} does not contain ${from}`);
    return text.replaceAll(from, to);
  }, text);
}

/** A home with contrib/mbsync for this server. */
export function mbsyncHome(host: MailHost, more: Record<string, string> = {}): Laptop {
  const home = new Laptop();
  const server = `Host 127.0.0.1\nPort ${host.ports.imap}\nAuthMechs LOGIN`;
  const changes = { "Host imap.example.org": server, "SSLType IMAPS": "SSLType None", ...more };
  home.write(".config/countersign/password", `${PASSWORD}\n`, 0o600);
  const rc = Deno.readTextFileSync(`${ROOT}/contrib/mbsync/mbsyncrc`);
  home.write(".mbsyncrc", changed("mbsync/mbsyncrc", rc, changes), 0o600);
  home.write("bin/fetch", configured("mbsync/fetch", home, {}), 0o755);
  return home;
}

const HOOK = "/usr/local/lib/countersign/hooks/incoming";

/** Runs the program that fetches. @param hook another hook */
export type Fetch = (home: Laptop, host: MailHost, hook?: string) => Promise<{ code: number; stderr: string }>;

/** Tests a program that passes each message to the hook, which delivers it. */
export async function testFetch(t: Deno.TestContext, fetch: Fetch): Promise<void> {
  await using host = await MailHost.start();
  await t.step("a genuine bounce, a forged one and a letter", async () => {
    using home = new Laptop();
    home.maildir("Maildir");
    deliverThree(host, await home.bounce());
    const ran = await fetch(home, host);
    assert.equal(ran.code, 0, ran.stderr);
    const inbox = home.mails("Maildir");
    assert.equal(inbox.length, 2, inbox.join("\n\n"));
    assert.ok(inbox.some((mail) => mail.includes("X-Msgauth:")) && inbox.some((mail) => /^Hi\.$/m.test(mail)));
    const [spam, ...more] = home.mails("Mail/Spam");
    assert.deepEqual(more, []);
    assert.match(fieldOf(spam!, "X-Countersign"), /^forged; /);
    assert.match(spam!, /Buy!/);
    assert.deepEqual(host.mails(), []);
  });
  await t.step("mail stays on the server while the hook cannot run, and is delivered later", async () => {
    using home = new Laptop();
    home.maildir("Maildir");
    deliverThree(host, await home.bounce());
    const good = home.read(".config/countersign/config.toml");
    home.write(".config/countersign/config.toml", "nonsense = [");
    await fetch(home, host);
    assert.deepEqual([host.mails().length, home.names("Maildir"), home.names("Mail/Spam")], [3, [], []]);
    await fetch(home, host, home.write("bin/killed", "#!/bin/sh\nhead -c 10\nkill -9 $$\n", 0o755));
    await fetch(home, host, "/nowhere/incoming");
    assert.equal(host.mails().length, 3);
    home.write(".config/countersign/config.toml", good);
    await fetch(home, host, `${ROOT}/hooks/incoming`);
    assert.deepEqual([host.mails().length, home.mails("Maildir").length, home.mails("Mail/Spam").length], [0, 2, 1]);
  });
}
