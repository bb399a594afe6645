/**
 * The real mbsync with contrib/mbsync, and a Dovecot from which it fetches mail: what sweep moves is moved there, too.
 */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
import { forged, type Laptop } from "../admin/sweep.ts";
import { mbsyncHome } from "./fetching.ts";
import { deliverThree, MailHost, needMailHost } from "./mailhost.ts";
import { need } from "./need.ts";

const test = await needMailHost(["mbsync", "isync"]);
const systemd = await need("systemd-analyze", "systemd");

/** Runs contrib/mbsync/fetch. */
async function fetch(home: Laptop): Promise<void> {
  const ran = await home.run([`${home.path}/bin/fetch`]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stderr.replace(/^.*IMAP Warning.*\n/gm, ""), "");
}

test("mbsync and sweep: a forged bounce is moved here and on the server, a genuine one is left", async () => {
  await using host = await MailHost.start();
  using home = mbsyncHome(host);
  deliverThree(host, await home.bounce());
  await fetch(home);
  assert.equal(home.names().length, 2);
  const [moved, ...more] = home.names("Mail/Spam");
  assert.deepEqual(more, []);
  assert.match(moved!, /^new\/[^,]*:2,$/, "without the UID of the inbox");
  await fetch(home);
  assert.deepEqual([host.mails().length, host.mails(".Spam").length], [2, 1]);
  assert.match(host.mails(".Spam")[0]!, /Buy!/);
  assert.ok(host.mails().some((mail) => mail.includes("X-Msgauth:")));
  assert.deepEqual([home.names().length, home.names("Mail/Spam").length], [2, 1]);
  assert.match(home.names("Mail/Spam")[0]!, /,U=1/, "mbsync has given it a UID of this folder");
});

test("mbsync and sweep: a message that is moved back, here or on the server, is left", async (t) => {
  for (const where of ["here", "on the server"]) {
    await t.step(where, async () => {
      await using host = await MailHost.start();
      using home = mbsyncHome(host);
      host.deliver(forged());
      await fetch(home);
      await fetch(home);
      assert.deepEqual([host.mails().length, host.mails(".Spam").length], [0, 1]);
      if (where === "here") {
        const [name] = home.names("Mail/Spam");
        // As mutt does: with a new name.
        Deno.renameSync(`${home.path}/Mail/Spam/${name}`, `${home.path}/Mail/Inbox/cur/99.R7.laptop:2,S`);
      } else {
        const mail = host.mails(".Spam")[0]!;
        Deno.removeSync(`${host.folder}/home/Maildir/.Spam`, { recursive: true });
        host.deliver(mail);
        Deno.removeSync(`${home.path}/Mail/Spam`, { recursive: true });
      }
      for (let times = 0; times < 3; times++) await fetch(home);
      assert.equal(home.names().length, 1);
      assert.deepEqual([host.mails().length, host.mails(".Spam").length], [1, 0]);
    });
  }
});

test("mbsync and sweep: flags from the server do not make a message new, also with AltMap", async (t) => {
  for (const map of ["", "\nAltMap yes"]) {
    await t.step(map === "" ? "native" : map.trim(), async () => {
      await using host = await MailHost.start();
      using home = mbsyncHome(host, { "Inbox ~/Mail/Inbox": `Inbox ~/Mail/Inbox${map}` });
      deliverThree(host, await home.bounce());
      await fetch(home);
      await fetch(home);
      host.flag("FS");
      await fetch(home);
      const flagged = home.names().filter((name) => /^cur\/.*:2,FS$/.test(name));
      assert.equal(flagged.length, 2, home.names().join(" "));
      assert.match((await home.sweep()).stdout, /^0 messages judged\n$/);
      assert.deepEqual([host.mails().length, host.mails(".Spam").length], [2, 1]);
    });
  }
});

test("an error of mbsync is reported, and what it fetched before is judged", async () => {
  await using host = await MailHost.start();
  using home = mbsyncHome(host);
  home.put("new/1.x", forged());
  home.write(".config/countersign/password", "wrong\n", 0o600);
  const ran = await home.run([`${home.path}/bin/fetch`]);
  assert.notEqual(ran.code, 0);
  assert.deepEqual([home.names(), home.names("Mail/Spam")], [[], ["new/1.x"]]);
});

systemd("contrib/mbsync: systemd accepts the units of a user", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-units-" });
  try {
    const names = [...Deno.readDirSync(`${ROOT}/contrib/mbsync`)].map(({ name }) => name)
      .filter((name) => /\.(?:service|timer)$/.test(name)).sort();
    assert.deepEqual(names, ["countersign-fetch.service", "countersign-fetch.timer", "countersign-sweep.service"]);
    for (const name of names) {
      const text = Deno.readTextFileSync(`${ROOT}/contrib/mbsync/${name}`)
        .replaceAll(/\/usr\/(?:local\/)?bin\/(?:countersign|mbsync)/g, "/bin/true");
      Deno.writeTextFileSync(`${folder}/${name}`, text);
    }
    for (const name of names) {
      const { stdout, stderr } = await new Deno.Command("systemd-analyze", {
        args: ["verify", "--user", "--man=no", `${folder}/${name}`],
        env: { XDG_RUNTIME_DIR: folder },
      }).output();
      const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      assert.ok(!text.includes(name), text);
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
