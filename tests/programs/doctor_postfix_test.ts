/** doctor asks the real Postfix about bounces and senders: what it reports is what Postfix does. */
import assert from "node:assert/strict";
import { checkBounces } from "../../admin/doctor/postfix_bounces.ts";
import { PostfixQueries } from "../../admin/doctor/postfix_queries.ts";
import { checkRunning } from "../../admin/doctor/postfix_running.ts";
import { checkSenders } from "../../admin/doctor/postfix_senders.ts";
import { checkBackscatter, checkRelayedMx, isPublic } from "../../admin/doctor/backscatter.ts";
import { run } from "../../admin/doctor/programs.ts";
import type { Finding } from "../../admin/doctor/finding.ts";
import { assertComplete } from "../admin/findings.ts";
import { Home, ROOT, SECRET } from "../rig.ts";
import { needPostfix, Postfix, until, writeMain } from "./postfix.ts";
import { plainSnippet, srs } from "./site.ts";
import { Client } from "./smtp_session.ts";

const test = await needPostfix();

// The client is a stranger.
const MAIN = "myhostname = mail.example.org\nmynetworks = 192.0.2.1/32\nlocal_recipient_maps = inline:{ greg=x }\n";
const OWN = "mydestination = example.org\n";
const PIPE = plainSnippet("pipe/main.cf");
const MASTER = plainSnippet("pipe/master.cf").replace("user=greg", "user=nobody")
  .replace("/usr/local/lib/countersign/hooks/incoming", `${ROOT}/hooks/incoming`);
const IDENTITY = { address: "greg@example.org", signed: srs("greg") };

/** Asks this Postfix. */
async function ask(folder: string): Promise<PostfixQueries> {
  const queries = await PostfixQueries.of(
    folder,
    ([program, ...args], input) => run([`/usr/sbin/${program}`, ...args], input),
  );
  assert.ok(typeof queries !== "string", String(queries));
  return queries;
}

/** What Postfix replies to a bounce, by default to the signed address. */
async function replyTo(port: number, to = IDENTITY.signed): Promise<string> {
  using client = await Client.open(port);
  await client.say("MAIL FROM:<>");
  return await client.say(`RCPT TO:<${to}>`);
}

/** [what is wrong, main.cf, master.cf, the reply of Postfix, the findings] */
const BOUNCES: [string, string, string, RegExp, Record<string, RegExp>][] = [
  ["nothing, with the lines of contrib/postfix/pipe", OWN + PIPE, MASTER, /^250 /, {}],
  [
    "mydestination does not include subdomains",
    OWN,
    "",
    /^454 .*Relay access denied/,
    { "postfix-srs-domain": /^Postfix does not accept mail for srs\.example\.org$/ },
  ],
  [
    "the SRS domain is misspelt",
    OWN + PIPE.replace(/srs\.example/g, "sr.example"),
    MASTER,
    /^454 .*Relay access denied/,
    { "postfix-srs-domain": /srs\.example\.org/ },
  ],
  [
    "transport_maps is missing",
    OWN + PIPE.replace(/^transport_maps.*$/m, ""),
    MASTER,
    /^250 /,
    { "postfix-transport": /to relay, and not to the service countersign/ },
  ],
  ["the service is missing", OWN + PIPE, "", /^250 /, {
    "postfix-service": /service countersign, .* not in master\.cf/,
  }],
  [
    "the SRS domain is local",
    "mydestination = example.org, srs.example.org\n",
    "",
    /^550 .*User unknown in local recipient table/,
    { "postfix-recipient": /no signed address/ },
  ],
  [
    "the SRS domain has no recipients",
    OWN + PIPE + "relay_recipient_maps = inline:{ ann@srs.example.org=x }\n",
    MASTER,
    /^550 .*User unknown in relay recipient table/,
    { "postfix-recipient": /no signed address/ },
  ],
  [
    "a table was never built",
    OWN + PIPE.replace(/^transport_maps.*$/m, "transport_maps = hash:/etc/no-such-table"),
    MASTER,
    /^451 .*Temporary lookup failure/,
    {
      "postfix-table": /^Table hash:\/etc\/no-such-table of transport_maps: .*No such file/,
    },
  ],
  [
    "nothing, with virtual aliases by a pattern",
    OWN + "virtual_alias_domains = srs.example.org\n" +
    "virtual_alias_maps = regexp:{ { /^SRS0=.*=greg@srs\\.example\\.org$$/ greg@example.org } }\n",
    "",
    /^250 /,
    {},
  ],
];

test("bounces that Postfix refuses, or passes to another service than the hook", async (t) => {
  await using postfix = await Postfix.start({ master: "relay unix - - n - - smtp" });
  const files = ["main.cf", "master.cf"].map((name) => `${postfix.config}/${name}`) as [string, string];
  const [main, master] = files.map((file) => Deno.readTextFileSync(file)) as [string, string];
  await t.step("an unknown user is accepted while local_recipient_maps is empty", async () => {
    const host = (await ask(postfix.config)).value("myhostname");
    assert.match(await replyTo(postfix.port, `nobody-here@${host}`), /^250 /);
    expect(await checkBackscatter(await ask(postfix.config)), { "backscatter-local": /./ });
  });
  for (const [name, moreMain, moreMaster, reply, ids] of BOUNCES) {
    await t.step(name, async () => {
      writeMain(postfix.config, `${main.replace(/^local_recipient_maps.*\n/m, "")}${MAIN}${moreMain}`);
      Deno.writeTextFileSync(files[1], `${master}${moreMaster}`);
      const reloaded = await run(["/usr/sbin/postfix", "-c", postfix.config, "reload"]);
      assert.equal(reloaded.code, 0, reloaded.said);
      await until("the reply", async () => reply.test(await replyTo(postfix.port).catch(() => "")), () => postfix.log);
      const queries = await ask(postfix.config);
      const found = await checkBounces({ queries, identities: [IDENTITY] });
      expect(found, ids);
      // A machine that sends only is not expected to accept bounces.
      if (!moreMain.includes(OWN.trim())) return;
      const elsewhere = {
        address: "greg@elsewhere.example",
        signed: srs("greg").replace(/@.*/, "@srs.elsewhere.example"),
      };
      if (moreMaster !== "") return;
      const [none] = await checkBounces({ queries, identities: [elsewhere] });
      assert.equal(none, undefined);
    });
  }
});

test("a Postfix that mail of an identity needs is not running", async () => {
  await using postfix = await Postfix.start({ main: `${MAIN}${OWN}` });
  const check = async (address: string, sends = false) =>
    await checkRunning({ queries: await ask(postfix.config), addresses: [address], sends });
  assert.deepEqual(await check("greg@example.org", true), []);
  assert.equal((await run(["/usr/sbin/postfix", "-c", postfix.config, "stop"])).code, 0);
  expect(await check("greg@example.org"), { "postfix-stopped": /^Postfix is not running$/ });
  expect(await check("greg@elsewhere.example", true), { "postfix-stopped": /./ });
  // A machine whose mail is sent and received elsewhere.
  assert.deepEqual(await check("greg@elsewhere.example"), []);
  assert.equal((await run(["/usr/sbin/postfix", "-c", postfix.config, "start"])).code, 0);
});

/** [a table, the fix] */
const TABLES: [string, string][] = [
  ["transport_maps = hash:/etc/no-such-table", "postmap hash:/etc/no-such-table, or correct transport_maps"],
  ["alias_maps = hash:/etc/no-aliases", "postalias hash:/etc/no-aliases, or correct local_recipient_maps"],
  ["transport_maps = regexp:/etc/no-such-table", "Correct transport_maps"],
  [
    "transport_maps = socketmap:unix:/run/no-such-socket:a",
    "Start the server that it queries, or correct transport_maps",
  ],
];

test("a parameter that is set twice is not taken for a fault of a table", async () => {
  using home = new Home();
  home.write("master.cf", Deno.readTextFileSync("/etc/postfix/master.cf") + MASTER);
  writeMain(home.path, `compatibility_level = 3.6\n${MAIN}${OWN}${PIPE}`);
  Deno.writeTextFileSync(`${home.path}/main.cf`, `${OWN}relay_domains =\n`, { append: true });
  Deno.writeTextFileSync(`${home.path}/main.cf`, PIPE, { append: true });
  assert.deepEqual(await checkBounces({ queries: await ask(home.path), identities: [IDENTITY] }), []);
});

test("how to fix a table depends on its type", async () => {
  using home = new Home();
  home.write("master.cf", Deno.readTextFileSync("/etc/postfix/master.cf") + MASTER);
  for (const [line, fix] of TABLES) {
    const domains = line.startsWith("alias") ? "mydestination = example.org, srs.example.org\n" : OWN + PIPE;
    const main = MAIN.replace(/^local_recipient_maps.*\n/m, "") + domains.replace(/^transport_maps.*\n/m, "");
    writeMain(home.path, `compatibility_level = 3.6\n${main}${line}\n`);
    const found = await checkBounces({ queries: await ask(home.path), identities: [IDENTITY] });
    assert.deepEqual(found.filter(({ id }) => id === "postfix-table").map((one) => one.fix), [fix]);
  }
});

function expect(found: readonly Finding[], ids: Record<string, RegExp>): void {
  assert.deepEqual(found.map(({ id }) => id).sort(), Object.keys(ids).sort(), JSON.stringify(found, null, 1));
  for (const one of found) {
    assertComplete(one);
    assert.match(one.what, ids[one.id]!);
    assert.ok(!JSON.stringify(one).includes(IDENTITY.signed), "a valid signed address is not shown");
  }
}

/** [main.cf, the findings] */
const SENDERS: [string, Record<string, RegExp>][] = [
  ["", {}],
  ["sender_dependent_relayhost_maps = inline:{ { greg@example.org = [smtp.example.net]:587 } }", {
    "postfix-sender-table":
      /^sender_dependent_relayhost_maps has an entry for greg@example\.org, but not for its signed/,
  }],
  [
    "sender_dependent_relayhost_maps = inline:{ { greg@example.org = [a]:587 }, { @srs.example.org = [a]:587 } }",
    {},
  ],
  ["sender_dependent_default_transport_maps = inline:{ { @example.org = smtp:[a] } }", {
    "postfix-sender-table": /^sender_dependent_default_transport_maps/,
  }],
  ["sender_bcc_maps = inline:{ { greg@example.org = archive@example.org } }", {
    "postfix-sender-table": /^sender_bcc/,
  }],
  [
    "smtp_sender_dependent_authentication = yes\nsmtp_sasl_password_maps = inline:{ { greg@example.org = greg:secret } }",
    { "postfix-sender-table": /^smtp_sasl_password_maps/ },
  ],
  ["smtp_sasl_password_maps = inline:{ { greg@example.org = greg:secret } }", {}],
  ["smtp_generic_maps = regexp:{ { /.*/ greg@example.net } }", { "postfix-sender-replaced": /^smtp_generic_maps/ }],
  ["smtp_generic_maps = inline:{ { @srs.example.org = greg@example.net } }", { "postfix-sender-replaced": /./ }],
  ["sender_canonical_maps = regexp:{ { /.*/ greg@example.net } }", { "postfix-sender-replaced": /^sender_canonical/ }],
  ["sender_canonical_maps = regexp:{ { /.*/ greg@example.net } }\nsender_canonical_classes = header_sender", {}],
];

test("tables that Postfix queries with the sender", async () => {
  using home = new Home();
  home.write("master.cf", Deno.readTextFileSync("/etc/postfix/master.cf"));
  for (const [lines, ids] of SENDERS) {
    writeMain(home.path, `compatibility_level = 3.6\n${MAIN}${OWN}${lines}\n`);
    const found = await checkSenders(await ask(home.path), [IDENTITY]);
    expect(found, ids);
    assert.ok(!JSON.stringify(found).includes("secret"), "passwords are not shown");
  }
});

/** [main.cf, the findings] */
const BACKSCATTER: [string, Record<string, RegExp>][] = [
  [OWN + PIPE, {}],
  [`${OWN}local_recipient_maps =\n`, { "backscatter-local": /local_recipient_maps is empty/ }],
  [`${OWN}local_recipient_maps =\nluser_relay = greg\n`, {}],
  ["virtual_mailbox_domains = example.net\n", { "backscatter-virtual": /virtual_mailbox_maps is empty/ }],
  [`${PIPE}relay_domains = srs.example.org, loyalty.org, inline:{ example.net=x }\n`, {
    "backscatter-relay": /in loyalty\.org, example\.net: relay_recipient_maps is empty$/,
  }],
  ["relay_domains = loyalty.org\nsmtpd_recipient_restrictions = reject_unverified_recipient\n", {}],
  ["relay_domains = loyalty.org\nrelay_recipient_maps = inline:{ seth@loyalty.org=x }\n", {}],
  [`${OWN}virtual_alias_domains = example.net\nvirtual_alias_maps = inline:{ { @example.net = @example.org } }\n`, {
    "backscatter-catch-all": /passes all addresses of example\.net to @example\.org$/,
  }],
  [`${OWN}virtual_alias_maps = inline:{ { @example.org = greg@elsewhere.example } }\n`, {
    "backscatter-catch-all": /to greg@elsewhere\.example$/,
  }],
  [`${OWN}virtual_alias_maps = inline:{ { @example.org = greg@example.org } }\n`, {}],
];

test("a host that accepts what it cannot deliver", async () => {
  using home = new Home();
  home.write("master.cf", Deno.readTextFileSync("/etc/postfix/master.cf") + MASTER);
  for (const [lines, ids] of BACKSCATTER) {
    writeMain(home.path, `compatibility_level = 3.6\n${MAIN}mydestination =\n${lines}`);
    const queries = await ask(home.path);
    assert.ok(isPublic(queries));
    expect(await checkBackscatter(queries), ids);
  }
  writeMain(home.path, "compatibility_level = 3.6\ninet_interfaces = loopback-only\n");
  assert.ok(!isPublic(await ask(home.path)));
});

test("a host that relays for a domain whose MX no longer names it", async () => {
  using home = new Home();
  home.write("master.cf", Deno.readTextFileSync("/etc/postfix/master.cf"));
  writeMain(home.path, `compatibility_level = 3.6\n${MAIN}${OWN}relay_domains = loyalty.org, still.example\n`);
  const exchanges: Record<string, string[]> = {
    "loyalty.org": ["loyalty.org", "mx.movealong.org"],
    "still.example": ["mx.still.example", "MAIL.example.org"],
  };
  const hosts: Record<string, string[]> = { "loyalty.org": ["198.51.100.1"], "mail.example.org": ["192.0.2.9"] };
  const dns = {
    mx: (name: string) => Promise.resolve(exchanges[name] ?? []),
    address: (name: string) => Promise.resolve(hosts[name] ?? []),
  };
  const queries = await ask(home.path);
  expect(await checkRelayedMx(queries, [], dns), {
    "backscatter-mx": /for loyalty\.org, whose MX no longer names this host but loyalty\.org, mx\.movealong\.org$/,
  });
  assert.deepEqual(
    await checkRelayedMx(queries, ["198.51.100.1"], dns),
    [],
    "--host names another address of this host",
  );
});

test("doctor itself asks the Postfix of the machine", async () => {
  using home = new Home();
  home.settings(`[transport]\npreset = "sendmail"\ncommand = ["/bin/true"]\n`);
  home.write(".config/countersign/keys", `k1 ${new Date().toISOString().slice(0, 10)} ${SECRET}\n`, 0o600);
  home.write("etc/master.cf", Deno.readTextFileSync("/etc/postfix/master.cf"));
  const deno = [Deno.execPath(), "run", "-q", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`];
  const found = async (): Promise<Finding[]> => {
    const env = { MAIL_CONFIG: `${home.path}/etc` };
    const ran = await home.run([...deno, "countersign", "doctor", "--json", "--hook", "/bin/no"], "", env);
    assert.equal(ran.stderr, "");
    return JSON.parse(ran.stdout).findings.filter(({ id }: Finding) => id.startsWith("postfix"));
  };
  const ids = async () => (await found()).map(({ id }) => id);
  writeMain(`${home.path}/etc`, `compatibility_level = 3.6\n${MAIN}${OWN}`);
  assert.deepEqual(await ids(), ["postfix-srs-domain"]);
  // The name of the host is not a misspelling of the SRS domain.
  writeMain(`${home.path}/etc`, `compatibility_level = 3.6\n${MAIN}mydestination = mail.example.org, example.org\n`);
  assert.match((await found())[0]!.fix, /^relay_domains = srs\.example\.org, and transport_maps, /);
  writeMain(`${home.path}/etc`, `compatibility_level = 3.6\nvirtual_alias_maps = regexp:{ { /a$/ b } }\n`);
  assert.deepEqual(await ids(), ["postfix-configuration"]);
});
