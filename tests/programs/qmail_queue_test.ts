/** hooks/queue as QMAILQUEUE, with a driver for qmail-smtpd, and the socket `lookup` of an engine. */
import assert from "node:assert/strict";
import { parseConfig } from "../../lib/settings/parse.ts";
import { asksLookup } from "../../lib/settings/lookup.ts";
import { Page } from "../page.ts";
import { Home, isFile, qsbmf, ROOT } from "../rig.ts";
import { FORGED, LETTER, LIE, PLAIN, srs, tagged } from "../serve/at_door.ts";
import { QueueSite, RAW } from "./qmail_site.ts";
import { qmailSmtpd, queued, type QueuedMail, queueStub } from "./qmail_smtpd.ts";

const CONTACT = "Contact: joe@example.org";

Deno.test("hooks/queue rejects what the door would reject", async (t) => {
  await using site = await QueueSite.start();
  const forged = `554 This is a bounce of a message that was not sent from here. ${CONTACT} (#5.7.1)`;
  const noAddress = `554 No such address. ${CONTACT} (#5.1.1)`;
  const known = qsbmf(PLAIN, LIE.replace("lie@spam.example", "known@example.org"));
  const rows: [what: string, sender: string, recipients: string[], mail: string, reply: string][] = [
    ["a bad hash", "", [srs("greg", "mallory")], FORGED, noAddress],
    ["a bad hash, from a person", "jo@b.example", [srs("greg", "mallory")], LETTER, noAddress],
    ["a forged bounce to the plain address", "", [PLAIN], FORGED, forged],
    [
      "an address that has moved",
      "jo@b.example",
      ["ann@example.org"],
      LETTER,
      `554 The address has changed, please write to <ann@example.net>. ${CONTACT} (#5.1.6)`,
    ],
    ["two recipients that do not exist", "", [srs("greg", "mallory"), srs("ann", "mallory")], FORGED, noAddress],
    ["a valid signed address", "", [srs()], FORGED, "250 ok"],
    ["a bounce that returns a valid tag", "", [PLAIN], tagged(), "250 ok"],
    ["a bounce of a remembered message", "", [PLAIN], known, "250 ok"],
    ["a person", "jo@b.example", [PLAIN], LETTER, "250 ok"],
    ["one recipient of two exists", "", [srs("greg", "mallory"), PLAIN], FORGED, "250 ok"],
    ["an unrelated recipient", "", ["joe@c.example"], FORGED, "250 ok"],
    ["bytes outside ASCII in addresses", "\xff@b.example", ["\xfe@example.org"], LETTER, "250 ok"],
  ];
  for (const [what, sender, recipients, mail, reply] of rows) {
    await t.step(what, async () => {
      const before = queued(site.home).length;
      const sent = await site.send(sender, recipients, mail);
      assert.equal(sent.reply, reply, sent.stderr);
      assert.equal(queued(site.home).length - before, reply === "250 ok" ? 1 : 0);
      const netqmail = await site.send(sender, recipients, mail, { notqmail: false });
      const plain = "554 mail server permanently rejected message (#5.3.0)";
      assert.equal(netqmail.reply, reply === "250 ok" ? reply : plain, netqmail.stderr);
    });
  }
});

Deno.test("docs/qmail.md: the settings, the lines of tcp.smtp, and the reply to a wrong address", async () => {
  const page = new Page("docs/qmail.md");
  const identity = '[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n';
  const settings = parseConfig(`${identity}[transport]\npreset = "qmail-inject"\n${page.block(/socket_folder/)}`, {
    file: "/etc/countersign/config.toml",
    home: "",
  });
  assert.deepEqual([settings.state.shared, settings.incoming.forged], [true, "refuse"]);
  assert.ok(asksLookup(settings), "serve shares its state only with state.lookup");
  // The folder of `sign` is closed to the group of `lookup`, to which qmail-smtpd and users belong.
  const [shared, own] = page.block(/^install -d/).trim().split("\n");
  assert.match(
    shared!,
    new RegExp(`-g countersign-lookup -m 2755 ${settings.state.lookup.slice(0, -"/lookup".length)}$`),
  );
  assert.match(own!, new RegExp(`-g countersign -m 700 ${settings.serve.socket_folder}$`));
  const lines = Deno.readTextFileSync(`${ROOT}/contrib/qmail/tcp.smtp`).replaceAll(/^#.*\n/gm, "");
  assert.equal(page.block(/QMAILQUEUE=/), lines);
  assert.match(lines, /QMAILQUEUE="\/usr\/local\/lib\/countersign\/hooks\/queue"/);

  await using site = await QueueSite.start();
  const said = page.session();
  const path = (command: string) => said.find((line) => line.startsWith(command))!.replace(/^.*<(.*)>$/, "$1");
  const mail = said.slice(said.indexOf("DATA") + 1, said.indexOf(".")).join("\n");
  const { reply } = await site.send(path("MAIL"), [path("RCPT")], mail);
  assert.match(reply, page.reply("The reply to the message is"));
  assert.deepEqual(queued(site.home), []);
});

Deno.test("message and envelope reach qmail-queue unchanged", async (t) => {
  await using site = await QueueSite.start();
  const rows: [what: string, mail: QueuedMail, env?: Record<string, string>][] = [
    ["bytes of all values, longer than what is judged", { sender: "", recipients: [srs()], message: RAW }],
    ["an empty message", { sender: "", recipients: [srs()], message: new Uint8Array() }],
    ["no recipients", { sender: "jo@b.example", recipients: [], message: RAW }],
    ["many recipients", {
      sender: "jo@b.example",
      recipients: Array.from({ length: 5000 }, (_, at) => `user${at}@example.org`),
      message: RAW.subarray(0, 100),
    }],
    ["line feeds and odd bytes in addresses", {
      sender: "a\nTb@c",
      recipients: ["\x01\xff`id`$(id)\n@example.org", ""],
      message: RAW,
    }],
    ["mail of the site's own users, which is not examined", { sender: "", recipients: [PLAIN], message: RAW }, {
      RELAYCLIENT: "",
      COUNTERSIGN_LOOKUP: "nonsense",
    }],
  ];
  for (const [what, { sender, recipients, message }, env] of rows) {
    await t.step(what, async () => {
      const before = queued(site.home);
      const sent = await site.send(sender, [...recipients], message, { env: env ?? {} });
      assert.deepEqual([sent.reply, sent.stderr], ["250 ok", ""]);
      const [one] = queued(site.home).filter(({ name }) => !before.some((other) => other.name === name));
      assert.deepEqual(one!.message, message);
      assert.equal(one!.envelope, `F${sender}\0${recipients.map((to) => `T${to}\0`).join("")}\0`);
    });
  }
});

Deno.test("500 messages, 20 at a time, arrive once and byte for byte; forged bounces do not", async () => {
  await using site = await QueueSite.start();
  site.sandbox();
  const expected = new Set<string>();
  let next = 0;
  const replies = { accepted: 0, rejected: 0 };
  const worker = async () => {
    for (let number; (number = next++) < 500;) {
      const forged = number % 25 === 0;
      const unique = `X-Number: ${number}\n${forged ? FORGED : LETTER}\xe9\0${"line\r\n".repeat(number)}`;
      const message = Uint8Array.from(unique, (c) => c.charCodeAt(0));
      const [sender, recipients] = forged ? ["", [PLAIN]] : [`jo${number}@b.example`, [PLAIN, "ann@c.example"]];
      const { reply, stderr } = await site.send(sender, recipients, message);
      if (forged && reply !== "250 ok") {
        assert.match(reply, /^554 This is a bounce/);
        replies.rejected++;
        continue;
      }
      assert.equal(reply, "250 ok", stderr);
      // On a busy machine serve, which is part of this process, may be late: the mail is then accepted.
      if (forged) assert.match(stderr, /no answer within 5 s; the mail is accepted/);
      replies.accepted++;
      expected.add(`F${sender}\0${recipients.map((to) => `T${to}\0`).join("")}\0${unique}`);
    }
  };
  await Promise.all(Array.from({ length: 20 }, worker));
  assert.equal(replies.accepted + replies.rejected, 500);
  assert.ok(replies.accepted >= 480 && replies.rejected >= 10, JSON.stringify(replies));
  const got = queued(site.home).map(({ message, envelope }) =>
    envelope + Array.from(message, (byte) => String.fromCharCode(byte)).join("")
  );
  assert.equal(got.length, replies.accepted);
  assert.deepEqual(new Set(got), expected);
});

Deno.test("most mail passes without a query", async (t) => {
  await using site = await QueueSite.start();
  const sandbox = site.sandbox();
  using home = new Home();
  queueStub(home);
  for (const name of ["queue", "ordinary.sh"]) {
    home.write(`hooks/${name}`, Deno.readTextFileSync(`${ROOT}/hooks/${name}`), 0o755);
  }
  home.write("hooks/ask", `#!/bin/sh\ncat >/dev/null\necho asked >>"${home.path}/asked"\n`, 0o755);
  const asked = async (sender: string, recipients: string[]) => {
    home.write("asked", "");
    const env = { ...site.env, COUNTERSIGN_QUEUE: `${home.path}/bin/qmail-queue` };
    const message = new TextEncoder().encode(LETTER);
    const sent = await qmailSmtpd(home, `${home.path}/hooks/queue`, { sender, recipients, message }, { env });
    assert.deepEqual([sent.reply, sent.stderr], ["250 ok", ""]);
    return home.read("asked") !== "";
  };
  const rows: [what: string, sender: string, recipients: string[], asks: boolean][] = [
    ["a person, to the plain address", "jo@b.example", [PLAIN], false],
    ["a person, to somebody else", "jo.doe+list=x@b.example", ["joe@c.example"], false],
    ["the first recipient is ordinary, so the message is accepted", "jo@b.example", [PLAIN, srs()], false],
    ["the null sender", "", ["joe@c.example"], true],
    ["a daemon", "Mailer-Daemon@b.example", [PLAIN], true],
    ["the double bounce", "#@[]", [PLAIN], true],
    ["the SRS domain", "jo@b.example", ["postmaster@srs.example.org"], true],
    ["a signed address in another domain", "jo@b.example", ["srs-srs0=x=y=z=greg@example.org"], true],
    ["capitals", "jo@b.example", ["Greg@example.org"], true],
    ["a prvs address", "jo@b.example", ["prvs=1234567890=greg@example.org"], true],
    ["an address that has moved", "jo@b.example", ["ann@example.org"], true],
    ["a quoted recipient", "jo@b.example", ['"greg"@example.org'], true],
    ["no domain", "jo@b.example", ["greg"], true],
    ["no recipient", "jo@b.example", [], true],
  ];
  for (const [what, sender, recipients, asks] of rows) {
    await t.step(`${what}: ${asks ? "asked" : "not asked"}`, async () => {
      assert.equal(await asked(sender, recipients), asks);
    });
  }
  const changes: [what: string, () => void][] = [
    ["the settings are newer", () => Deno.utimeSync(site.engine.source.file, new Date(), new Date(Date.now() + 9000))],
    ["the file of moved addresses is missing", () => {
      site.sandbox();
      Deno.removeSync(`${site.engine.path}/moved`);
    }],
    ["the sandbox file is from an earlier version", () => {
      site.engine.write("moved", "");
      Deno.writeTextFileSync(sandbox, Deno.readTextFileSync(sandbox).replace(/^door .*\n/gm, ""));
    }],
    ["there is no sandbox file", () => Deno.removeSync(sandbox)],
  ];
  for (const [what, change] of changes) {
    await t.step(`${what}: asked`, async () => {
      change();
      assert.equal(await asked("jo@b.example", [PLAIN]), true);
    });
  }
});

Deno.test("hooks/rcptcheck", async (t) => {
  await using site = await QueueSite.start();
  const check = (env: Record<string, string>) =>
    site.home.run([`${ROOT}/hooks/rcptcheck`], "", { ...site.env, ...env });
  const rows: [what: string, env: Record<string, string>, code: number, stderr: RegExp][] = [
    [
      "no such address",
      { SENDER: "", RECIPIENT: srs("greg", "mallory") },
      100,
      /^rcptcheck: rejected: No such address/,
    ],
    ["an address that has moved", { SENDER: "jo@b.example", RECIPIENT: "ann@example.org" }, 100, /ann@example\.net/],
    ["a valid signed address", { SENDER: "", RECIPIENT: srs() }, 0, /^$/],
    ["a bounce that needs its message", { SENDER: "", RECIPIENT: PLAIN }, 0, /^$/],
    ["a person", { SENDER: "jo@b.example", RECIPIENT: PLAIN }, 0, /^$/],
    ["the site's own users", { SENDER: "", RECIPIENT: srs("greg", "mallory"), RELAYCLIENT: "" }, 0, /^$/],
    ["no environment", {}, 0, /^$/],
    ["serve is down", { SENDER: "", RECIPIENT: PLAIN, COUNTERSIGN_LOOKUP: "/nowhere" }, 0, /^ask: .*accepted$/m],
  ];
  for (const [what, env, code, stderr] of rows) {
    await t.step(what, async () => {
      const ran = await check(env);
      assert.deepEqual([ran.code, ran.stdout], [code, ""], ran.stderr);
      assert.match(ran.stderr, stderr);
    });
  }
});

Deno.test("a temporary reply of the door defers, and half a reply of hooks/ask accepts", async () => {
  using home = new Home();
  queueStub(home);
  for (const name of ["queue", "rcptcheck", "ordinary.sh"]) {
    home.write(`hooks/${name}`, Deno.readTextFileSync(`${ROOT}/hooks/${name}`), 0o755);
  }
  const mail = { sender: "", recipients: [srs()], message: new TextEncoder().encode(FORGED) };
  const env = { COUNTERSIGN_QUEUE: `${home.path}/bin/qmail-queue`, SENDER: "", RECIPIENT: srs(), TMPDIR: home.path };
  const rows: [ask: string, notqmail: string, netqmail: number, rcptcheck: number][] = [
    ["echo 'ZLater (#4.3.0)'; exit 100", "451 Later (#4.3.0)", 71, 111],
    ["echo 'DNo such address (#5.1.1)'; exit 100", "554 No such address (#5.1.1)", 31, 100],
    ["exit 100", "250 ok", 0, 0],
    ["echo 'DNo such address (#5.1.1)'; exit 75", "250 ok", 0, 0],
    ["echo 'DNo such address (#5.1.1)'; kill -9 $$", "250 ok", 0, 0],
  ];
  for (const [ask, reply, code, checked] of rows) {
    home.write("hooks/ask", `#!/bin/sh\ncat >/dev/null\n${ask}\n`, 0o755);
    const send = (notqmail: boolean) => qmailSmtpd(home, `${home.path}/hooks/queue`, mail, { env, notqmail });
    assert.equal((await send(true)).reply, reply, ask);
    assert.equal((await send(false)).code, code, ask);
    assert.equal((await home.run([`${home.path}/hooks/rcptcheck`], "", env)).code, checked, ask);
  }
});

for (const shell of [["/bin/dash"], ["/bin/bash", "--posix"], ["/bin/mksh"], ["/bin/busybox", "sh"]]) {
  const ignore = !isFile(shell[0]!);
  Deno.test({ name: `hooks/queue and hooks/rcptcheck under ${shell.join(" ")} and softlimit`, ignore }, async () => {
    await using site = await QueueSite.start();
    const limits = "ulimit -S -v 50000 && ulimit -S -d 50000";
    const script = (name: string) =>
      site.home.write(`bin/${name}`, `#!/bin/sh\n${limits} && exec ${shell.join(" ")} ${ROOT}/hooks/${name}\n`, 0o755);
    const queue = script("queue");
    const send = (sender: string, recipient: string, mail: string, notqmail = true) => {
      const message = new TextEncoder().encode(mail);
      return qmailSmtpd(site.home, queue, { sender, recipients: [recipient], message }, { notqmail, env: site.env });
    };
    assert.match((await send("", PLAIN, FORGED)).reply, /^554 This is a bounce .* \(#5\.7\.1\)$/);
    assert.equal((await send("", PLAIN, FORGED, false)).code, 31);
    assert.equal((await send("", srs(), FORGED)).reply, "250 ok");
    site.sandbox();
    const ordinary = await send("jo@b.example", PLAIN, LETTER);
    assert.deepEqual([ordinary.reply, ordinary.stderr], ["250 ok", ""]);
    assert.deepEqual(queued(site.home).map(({ envelope }) => envelope).sort(), [
      `F\0T${srs()}\0\0`,
      `Fjo@b.example\0T${PLAIN}\0\0`,
    ]);
    const env = { ...site.env, SENDER: "", RECIPIENT: srs("greg", "mallory") };
    assert.equal((await site.home.run([script("rcptcheck")], "", env)).code, 100);
  });
}
