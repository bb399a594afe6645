/** The real notmuch with the hooks of contrib/notmuch: it indexes each message in its final place. */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
import { forged, Laptop, letter } from "../admin/sweep.ts";
import { configured, mbsyncHome } from "./fetching.ts";
import { deliverThree, MailHost, needMailHost } from "./mailhost.ts";
import { need } from "./need.ts";

const test = await need("notmuch");
const README = Deno.readTextFileSync(`${ROOT}/contrib/notmuch/README.md`);
const testWithServer = await needMailHost(["notmuch", "notmuch"], ["mbsync", "isync"]);

/** A home with a database of notmuch for ~/Mail, in which this hook is installed, and a program instead of mbsync. */
function indexed(hook: string): Laptop {
  const home = new Laptop();
  // As mbsync does, it fetches a message.
  home.write("bin/mbsync", `#!/bin/sh\nmv ${home.path}/fetched/* ${home.path}/Mail/Inbox/new/ 2>/dev/null\n`, 0o755);
  install(home, hook);
  return home;
}

/** Configures notmuch for ~/Mail, and installs a hook of contrib/notmuch. */
function install(home: Laptop, hook: string): void {
  home.write(
    ".notmuch-config",
    `[database]\npath=${home.path}/Mail\n[user]\nname=Greg\nprimary_email=greg@example.org\n[new]\ntags=unread;inbox;\n`,
  );
  home.write(`Mail/.notmuch/hooks/${hook}`, configured(`notmuch/${hook}`, home, {}), 0o755);
}

async function notmuch(home: Laptop, ...args: string[]): Promise<string> {
  const ran = await home.run(["notmuch", ...args]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stderr.replace(/^\*{3} IMAP Warning.*\n/gm, ""), "");
  return ran.stdout;
}

/** The files of the messages that match. */
const found = async (home: Laptop, query: string): Promise<string[]> =>
  (await notmuch(home, "search", "--output=files", query)).split("\n").filter((line) => line !== "")
    .map((path) => path.slice(`${home.path}/Mail/`.length)).sort();

for (const hook of ["pre-new", "post-new"]) {
  test(`notmuch/${hook}`, async () => {
    using home = indexed(hook);
    const folder = hook === "pre-new" ? "fetched" : "Mail/Inbox/new";
    home.write(`${folder}/1.x`, forged());
    home.write(`${folder}/2.x`, await home.bounce());
    home.write(`${folder}/3.x`, letter());
    await notmuch(home, "new", "--quiet");
    assert.deepEqual(await found(home, "*"), ["Inbox/new/2.x", "Inbox/new/3.x", "Spam/new/1.x"]);
    assert.deepEqual(await found(home, "folder:Spam"), ["Spam/new/1.x"]);
    if (hook === "post-new") {
      assert.deepEqual(await found(home, "tag:inbox"), ["Inbox/new/2.x", "Inbox/new/3.x"]);
      assert.deepEqual(await found(home, "tag:spam"), ["Spam/new/1.x"]);
    }
    await notmuch(home, "new", "--quiet");
    assert.equal((await found(home, "*")).length, 3);
  });

  test(`notmuch/${hook} does not stop notmuch when sweep fails`, async () => {
    using home = indexed(hook);
    home.put("new/3.x", letter());
    home.write(".config/countersign/config.toml", "nonsense = [");
    const ran = await home.run(["notmuch", "new", "--quiet"]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stderr, /config\.toml/);
    assert.deepEqual(await found(home, "*"), ["Inbox/new/3.x"]);
  });
}

testWithServer("notmuch/pre-new with the real mbsync: mail of a Dovecot, and flags that notmuch sets", async () => {
  await using host = await MailHost.start();
  using home = mbsyncHome(host);
  install(home, "pre-new");
  const [, ignore] = /`notmuch (config set new\.ignore [^`]*)`/.exec(README)!;
  await notmuch(home, ...ignore!.split(" "));
  deliverThree(host, await home.bounce());
  await notmuch(home, "new", "--quiet");
  assert.equal((await found(home, "tag:inbox and folder:Inbox")).length, 2);
  assert.equal((await found(home, "folder:Spam")).length, 1);
  // notmuch renames the files, and mbsync sets the flags on the server and names the moved message anew.
  await notmuch(home, "tag", "-unread", "--", "*");
  for (let times = 0; times < 2; times++) await notmuch(home, "new", "--quiet");
  assert.deepEqual([host.mails().length, host.mails(".Spam").length], [2, 1]);
  assert.equal((await found(home, "*")).length, 3);
  for (const path of await found(home, "*")) assert.match(path, /^(?:Inbox|Spam)\/cur\/.*,U=\d+:2,S$/);
  assert.match((await home.sweep()).stdout, /^0 messages judged\n$/);
});
