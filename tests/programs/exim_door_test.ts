/** The real Exim with contrib/exim/door, which asks the sockets `lookup` and `map`. */
import assert from "node:assert/strict";
import { writeExecutable } from "../../build/rig/executable.ts";
import { Page } from "../page.ts";
import { qsbmf, ROOT } from "../rig.ts";
import { FORGED, LETTER, LIE, PLAIN, srs, tagged } from "../serve/at_door.ts";
import { Sink } from "../smtp_sink.ts";
import { LookupEngine, sendDuringRestarts } from "./at_lookup.ts";
import { doorParts, listening, prepareExim, toSmarthost } from "./exim.ts";
import { freePort, smtp, until } from "./postfix.ts";
import { Client, dotted } from "./smtp_session.ts";
import { type Root, unpacked } from "./unpacked.ts";

const { test, unpack } = await unpacked("exim4-daemon-light");
const CONTACT = 'joe ("postmaster"), joe@example.org';
/** The group of Exim. */
const EXIM = 8;

const refused = (code: string, status: string, text: string) =>
  `${code}-${status} ${text}\r\n${code} ${status} Contact: ${CONTACT}\r\n`;
const forged = refused("550", "5.7.1", "This is a bounce of a message that was not sent from here");
const noAddress = refused("550", "5.1.1", "No such address");
const known = qsbmf(PLAIN, LIE.replace("lie@spam.example", "known@example.org"));
const crlf = (mail: string) => mail.replaceAll("\n", "\r\n");

/** Writes exim.conf with the snippet: greg's mail goes to a mailbox, all other mail to the sink. Starts Exim. */
function startExim(root: Root, port: number, sink: Sink): void {
  prepareExim(root);
  root.folder("var/mail", EXIM);
  writeExecutable(`${root.path}/bin/sh`, Deno.readFileSync("/bin/sh"));
  const parts = Deno.readTextFileSync(`${ROOT}/contrib/exim/door/exim.conf`);
  const { main, rcpt, data, routers, transport } = doorParts(parts);
  const [environment] = /environment = .*/.exec(transport)!;
  const [ours, transports] = toSmarthost(sink.port).replace("begin routers\n", "").split("begin transports\n");
  root.write(
    "etc/exim4/exim4.conf",
    `${listening(port, main)}smtp_accept_max = 100
smtp_connect_backlog = 100
queue_only_load = 1000
begin acl
rcpt:
${rcpt}  deny condition = \${if and{{eq{$domain}{example.org}}{eq{$sender_helo_name}{later.example}}}}
  require verify = recipient
  accept
data:
${data}  accept
begin routers
${routers}hook:
  driver = accept
  unseen
  domains = example.org
  local_parts = greg
  transport = hook
mailbox:
  driver = accept
  domains = example.org
  local_parts = greg
  transport = mailbox
${ours}begin transports
hook:
  driver = pipe
  command = /bin/sh -c "export -p >>/var/mail/environment"
  user = Debian-exim
  log_output
  ${environment}
mailbox:
  driver = appendfile
  file = /var/mail/greg
  user = Debian-exim
  envelope_to_add
  return_path_add
  headers_add = X-Expanded: $original_local_part@$original_domain
${transports}`,
  );
  root.start(["/usr/sbin/exim4", "-bdf", "-q2s"]);
}

test("Exim rejects what the door would reject, and passes the rest", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  Deno.mkdirSync(`${root.path}/run/countersign`);
  await using engine = new LookupEngine(`${root.path}/run/countersign/lookup`, EXIM, CONTACT);
  await engine.start();
  const port = freePort();
  startExim(root, port, sink);
  const log = () => root.read("var/log/exim4/mainlog") + root.read("var/log/exim4/paniclog");
  const mailbox = () => root.read("var/mail/greg");
  await until("Exim", async () => {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return true;
    } catch {
      return false;
    }
  }, log);

  const rows: [what: string, sender: string, recipient: string, mail: string, expected: string | RegExp][] = [
    ["a bad hash", "", srs("greg", "mallory"), FORGED, noAddress],
    ["a bad hash, from a person", "jo@b.example", srs("greg", "mallory"), LETTER, noAddress],
    ["a forged bounce to the plain address", "", PLAIN, FORGED, forged],
    [
      "with a header of which Exim passes on 64 KB",
      "",
      PLAIN,
      `${`X: ${"x".repeat(900)}\n`.repeat(300)}${FORGED}`,
      forged,
    ],
    ["with bytes outside ASCII", "", PLAIN, `${FORGED}\n\u00ff`, forged],
    [
      "an address that has moved",
      "jo@b.example",
      "ann@example.org",
      LETTER,
      refused("551", "5.1.6", "The address has changed, please write to <ann@example.net>"),
    ],
    ["a valid signed address", "", srs(), FORGED, /^250 /],
    ["a bounce that returns a valid tag", "", PLAIN, tagged(), /^250 /],
    ["a bounce of a remembered message", "", PLAIN, known, /^250 /],
    ["a person", "jo@b.example", PLAIN, LETTER, /^250 /],
    ["a quotation mark in an address", '"a\\"b"@b.example', PLAIN, LETTER, /^250 /],
    ["expansions in a sender", '"}}{${run{/bin/false}}$h_x:"@b.example', PLAIN, LETTER, /^250 /],
    [
      "expansions in a signed address",
      "",
      '"SRS0=}}{${run{/bin/false}}$0%=AA=example.org=greg"@srs.example.org',
      FORGED,
      noAddress,
    ],
    [
      "a backslash in a signed address",
      "",
      '"SRS0=a\\\\b=AA=example.org=greg"@srs.example.org',
      FORGED,
      noAddress,
    ],
    ["JSON in a recipient", "", '"greg\\",\\"recipient\\":\\"greg"@example.org', FORGED, /^(?:550|501|250) /],
    ["a backslash in the address of an identity", "", '"gr\\eg"@example.org', FORGED, forged],
    ["a daemon in quotation marks", '"MAILER-DAEMON"@b.example', PLAIN, FORGED, forged],
    ["a tab in a sender", '"a\tb"@b.example', PLAIN, LETTER, /^250 /],
    ["an unrelated recipient", "", "ann@b.example", FORGED, /^250 /],
  ];
  for (const [what, sender, recipient, mail, expected] of rows) {
    await t.step(what, async () => {
      const reply = await smtp(port, sender, recipient, mail);
      if (typeof expected === "string") assert.equal(reply, expected, log());
      else assert.match(reply, expected, log());
    });
  }

  await t.step("docs/exim.md: what exim4 -bt and -bh show", async () => {
    const page = new Page("docs/exim.md");
    const [, route, session] = page.block(/-bh/).trim().split("\n") as [string, string, string];
    const address = /^exim4 -bt "\$\(countersign sign .* (\S+)\)"$/.exec(route)![1]!;
    const routed = await root.run(engine.home, ["/usr/sbin/exim4", "-bt", srs(address.split("@")[0])]);
    assert.match(routed.stdout, /router = mailbox, transport = mailbox/);
    const rcpt = page.code("`MAIL FROM:<>` and");
    const said = ["HELO x", page.code("In the session that the third command starts,"), rcpt, "QUIT", ""];
    const { stdout } = await root.run(
      engine.home,
      ["/usr/sbin/exim4", ...session.split(" ").slice(1)],
      said.join("\n"),
    );
    const rejected = stdout.split("\r\n").find((line) => line.startsWith("550"));
    assert.match(rejected ?? stdout, page.reply(`\`${rcpt}\` get`));
  });

  await t.step("docs/site.md: a secondary MX is exempt", async () => {
    const page = new Page("docs/site.md");
    const file = "etc/exim4/secondary.conf";
    const before = `set acl_m_countersign = \${readsocket`;
    assert.equal(page.code("- Exim: `!hosts = 192.0.2.2` before"), `${before}…`);
    const text = Deno.readTextFileSync(`${root.path}/etc/exim4/exim4.conf`);
    // The first of these lines is in the ACL for RCPT.
    root.write(file, text.replace(before, (found) => `${page.code("- Exim:")}\n         ${found}`));
    const say = `HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<${PLAIN}>\r\nDATA\r\n${dotted(FORGED)}\r\n.\r\nQUIT\r\n`;
    for (const [client, expected] of [["192.0.2.1", /^550-5\.7\.1 /m], ["192.0.2.2", /^250 OK id=/m]] as const) {
      const { stdout } = await root.run(engine.home, ["/usr/sbin/exim4", "-C", `/${file}`, "-bh", client], say);
      assert.match(stdout, expected, client);
    }
  });

  await t.step("a bounce has one recipient at a time, in whatever order they are named", async () => {
    const [other, wrong] = ["ann@b.example", srs("greg", "mallory")];
    const rows: [sender: string, recipients: string[], expected: string, helo?: string][] = [
      ["", [PLAIN, other], "250 452"],
      ["", [other, PLAIN], "250 452"],
      ["", [other, srs(), other], "250 250 250"],
      ["", [PLAIN, wrong, other], "250 550 452"],
      ["jo@b.example", [PLAIN, other], "250 250"],
      // The ACL rejects the first recipient after our lines.
      ["", [PLAIN, other, other], "550 250 250", "EHLO later.example"],
    ];
    const got = [];
    for (const [sender, recipients, , helo] of rows) {
      using client = await Client.open(port, helo);
      await client.say(`MAIL FROM:<${sender}>`);
      const said = [];
      for (const to of recipients) said.push((await client.say(`RCPT TO:<${to}>`)).slice(0, 3));
      got.push(said.join(" "));
    }
    assert.deepEqual(got, rows.map(([, , expected]) => expected));
  });

  await t.step("where no message may be rejected, no recipient is deferred", async () => {
    engine.share(false);
    using client = await Client.open(port);
    for (const line of ["MAIL FROM:<>", `RCPT TO:<${PLAIN}>`, "RCPT TO:<joe@b.example>"]) {
      assert.match(await client.say(line), /^250 /);
    }
    await client.say("DATA");
    assert.match(await client.say(`${dotted(FORGED)}.`), /^250 /);
    engine.share(true);
    assert.equal(await smtp(port, "", PLAIN, FORGED), forged);
  });

  await t.step("at most three recipients are deferred, and then the message is not judged", async () => {
    using client = await Client.open(port);
    const said = [];
    for (const to of [PLAIN, "a@b.example", "b@b.example", "c@b.example", "d@b.example", "e@b.example"]) {
      if (to === PLAIN) await client.say("MAIL FROM:<>");
      said.push((await client.say(`RCPT TO:<${to}>`)).slice(0, 3));
    }
    assert.equal(said.join(" "), "250 452 452 452 250 250");
    await client.say("DATA");
    assert.match(await client.say(`${dotted(FORGED)}.`), /^250 /);
    for (const line of ["MAIL FROM:<>", `RCPT TO:<${PLAIN}>`, "DATA"]) await client.say(line);
    assert.equal(await client.say(`${dotted(FORGED)}.`), forged, "the next message is judged");
  });

  await t.step(
    "a bounce to a signed address reaches the mailbox, and the address in it is the signed one",
    async () => {
      const mail = `X-Number: reversal\n${FORGED}`;
      assert.match(await smtp(port, "", srs(), mail), /^250 /);
      await until("the bounce", () => mailbox().includes("X-Number: reversal\n"), log);
      assert.ok(mailbox().includes(`Envelope-to: ${srs()}\n`), mailbox());
      // What README.md passes to the hook in ORIGINAL_RECIPIENT.
      assert.ok(mailbox().includes(`X-Expanded: ${srs()}\n`), mailbox());
    },
  );

  await t.step("the hook gets the signed address, whatever is in front of it, and no other variable", async () => {
    // Under qmail the prefix of a virtual domain is in front of a signed address.
    for (const prefix of ["", "x:COUNTERSIGN_CONFIG=y:-", "x;A=b-", "a b-"]) {
      const address = `${prefix}${srs()}`;
      const quoted = prefix === "" ? address : address.replace(/^(.*)@/, '"$1"@');
      assert.match(await smtp(port, "", quoted, FORGED), /^250 /);
      const lines = () => root.read("var/mail/environment").split("\n");
      await until(
        address,
        () => lines().includes(`export ORIGINAL_RECIPIENT='${address}'`),
        () => log() + lines().join("\n"),
      );
      assert.ok(!lines().some((line) => /^export (?:COUNTERSIGN_|A=)/.test(line)));
    }
  });

  await t.step("postmaster of the SRS domain reaches the mailbox", async () => {
    assert.match(await smtp(port, "jo@b.example", "postmaster@srs.example.org", `X-Number: pm\n${LETTER}`), /^250 /);
    await until("the letter", () => mailbox().includes("X-Number: pm\n"), log);
  });

  await t.step("serve stops in the middle of a session: mail passes, and waits where it is needed", async () => {
    using client = await Client.open(port);
    for (const line of ["MAIL FROM:<>", `RCPT TO:<${PLAIN}>`]) assert.match(await client.say(line), /^250 /);
    await engine.stop();
    await client.say("DATA");
    assert.match(await client.say(`${dotted(`X-Number: away\n${FORGED}`)}.`), /^250 /);
    await until("the message", () => mailbox().includes("X-Number: away\n"), log);
    assert.match(await smtp(port, "", srs(), `X-Number: waits\n${FORGED}`), /^250 /);
    await until("the deferral", () => /defer \(-1\): Countersign cannot be reached/.test(log()), log);
    await engine.start();
    await until("the bounce", async () => {
      // The retry rule would let it wait. The queue runner may have locked the message at this moment.
      await root.run(engine.home, ["/usr/sbin/exim4", "-qff"]);
      return mailbox().includes("X-Number: waits\n");
    }, log);
    assert.equal(await smtp(port, "", PLAIN, FORGED), forged);
  });

  await t.step("serve hangs: mail passes after 5 seconds", async () => {
    await engine.stop();
    engine.hang();
    const start = Date.now();
    assert.match(await smtp(port, "jo@b.example", PLAIN, LETTER), /^250 /);
    const waited = Date.now() - start;
    assert.ok(waited >= 4900 && waited < 12_000, `${waited} ms`);
    await engine.stop();
    await engine.start();
  });

  await t.step(
    "serve stops and starts while 100 messages arrive: none is lost or doubled, and none of a person refused",
    async () => {
      const sent = await sendDuringRestarts(engine, port, "joe@c.example");
      for (const { isForged, reply } of sent) if (!isForged || reply !== forged) assert.match(reply, /^250 /);
      const expected = sent.filter(({ isForged }) => !isForged).map(({ field }) => field);
      const got = () => sink.accepted.flatMap(({ data }) => /^X-Restart: .*(?=\r)/m.exec(data)?.[0] ?? []);
      await until("the messages", () => got().length >= expected.length, log);
      assert.deepEqual(got().sort(), expected.sort());
    },
  );

  await t.step("500 messages in 20 sessions arrive once and byte for byte; forged bounces do not", async () => {
    const expected = new Set<string>();
    const clients: Client[] = [];
    while (clients.length < 20) clients.push(await Client.open(port));
    await Promise.all(clients.map(async (client, session) => {
      for (let number = 25 * session; number < 25 * (session + 1); number++) {
        const isForged = number % 25 === session;
        const mail = `X-Serial: ${number}\n${isForged ? FORGED : LETTER}.\n..two\n${"line\n".repeat(number)}`;
        const commands = [`MAIL FROM:<${isForged ? "" : `jo${number}@b.example`}>`, "RCPT TO:<joe@c.example>", "DATA"];
        if (isForged) commands[1] = `RCPT TO:<${PLAIN}>`;
        for (const line of commands) assert.match(await client.say(line), /^[23]/);
        const reply = await client.say(`${dotted(mail)}.`);
        if (isForged) assert.equal(reply, forged);
        else {
          assert.match(reply, /^250 /);
          expected.add(crlf(mail));
        }
      }
      client[Symbol.dispose]();
    }));
    assert.equal(expected.size, 480);
    const got = () =>
      sink.accepted.map(({ data }) => data.replace(/^Received:.*\r\n(?:[ \t].*\r\n)*/, "")).filter((data) =>
        data.startsWith("X-Serial: ")
      );
    for (const most of [120, 240, 360, 480]) await until(`${most} messages`, () => got().length >= most, log);
    assert.deepEqual(new Set(got()), expected);
    assert.equal(got().length, 480);
  });

  await t.step("without serve, mail is accepted", async () => {
    await engine.stop();
    assert.match(await smtp(port, "", PLAIN, FORGED), /^250 /);
    assert.deepEqual(engine.reports, []);
  });
});
