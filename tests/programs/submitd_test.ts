/** The installed submitd with swaks, msmtp, mutt and git send-email. */
import assert from "node:assert/strict";
import { fieldOf } from "../rig.ts";
import { stubArguments, stubEnvironment, stubInput, stubRuns } from "../stub.ts";
import { MAIL, RawSmtp } from "../submit/raw_smtp.ts";
import { QUICK_LOGIN } from "../submit/submitd_home.ts";
import { COMMITTER, patchMail, sendEmail } from "./git_send_email.ts";
import { lacking, lackingPerl, tests } from "./need.ts";
import { freePort, until } from "./postfix.ts";
import { SubmitdSite, USER } from "./submitd_site.ts";

const missing: string[] = [];
for (const program of ["swaks", "msmtp", "mutt", "git"]) missing.push(await lacking(program));
missing.push(await lacking("git-send-email", "git-email"));
for (const name of ["Net::SSLeay", "Mail::Address", "Authen::SASL"] as const) missing.push(await lackingPerl(name));
const test = tests(missing.filter((one) => one !== "").join("; "));

test("submitd with real clients, as a user without privileges, in its sandbox", async (t) => {
  await using site = await SubmitdSite.make();
  const { home } = site;
  await site.start();

  const sentBy = async (argv: string[], input = "", env: Record<string, string> = {}) => {
    const before = stubRuns(home);
    const ran = await home.run(argv, input, env);
    assert.equal(ran.code, 0, `${ran.stdout}${ran.stderr}${site.stderr}`);
    assert.equal(stubRuns(home), before + 1, `${ran.stdout}${ran.stderr}`);
    assert.match(stubArguments(home)[2]!, /^SRS0=.*@srs\.example\.org$/);
    assert.match(fieldOf(stubInput(home), "X-Msgauth"), /^v1\.k1\./);
    return ran.stdout;
  };

  const swaks = ["swaks", "--from", "greg@example.org", "--to", "ann@example.net", "--auth-user", "greg"];
  for (const mechanism of ["PLAIN", "LOGIN"]) {
    await t.step(`swaks: ${mechanism} over STARTTLS and TLS`, async () => {
      const auth = ["--auth-password", "secret", "--auth", mechanism];
      const text = await sentBy([...swaks, ...auth, "--server", `localhost:${site.port}`, "--tls"]);
      assert.match(text, /<- {2}250-STARTTLS\n(?:<- .*\n)* -> STARTTLS\n/);
      assert.doesNotMatch(text, /^<- .*AUTH/m);
      assert.match(text, /^<~ {2}250-AUTH PLAIN LOGIN\n/m);
      await sentBy([...swaks, ...auth, "--server", `localhost:${site.tls}`, "--tls-on-connect"]);
    });
  }

  await t.step("the launcher limits what the allocator keeps, and the program that sends does not inherit this", () => {
    const [server] = Deno.readTextFileSync(`/proc/${site.pid}/task/${site.pid}/children`).split(" ");
    const allocator = Deno.readTextFileSync(`/proc/${server}/environ`).split("\0").filter((one) =>
      one.startsWith("MALLOC_")
    );
    assert.deepEqual(allocator.sort(), ["MALLOC_ARENA_MAX=1", "MALLOC_MMAP_THRESHOLD_=1000000"]);
    assert.deepEqual(Object.keys(stubEnvironment(home)).filter((one) => one.startsWith("MALLOC_")), []);
  });

  await t.step("swaks without TLS, and with a wrong password", async () => {
    const server = ["--server", `localhost:${site.port}`];
    const plain = await home.run([...swaks, "--auth-password", "secret", ...server]);
    assert.notEqual(plain.code, 0);
    assert.match(plain.stdout + plain.stderr, /Host did not advertise authentication/);
    const wrong = await home.run([...swaks, "--auth-password", "wrong", ...server, "--tls", "--auth", "PLAIN"]);
    assert.match(wrong.stdout, /<~\* 535 5\.7\.8 Login or password is wrong/);
    assert.match(site.stderr, /\nsubmitd: login failed from 127\.0\.0\.1: user="greg" tries=1\n/);
  });

  for (const [how, starttls] of [["STARTTLS", "on"], ["TLS", "off"]] as const) {
    await t.step(`msmtp over ${how}`, async () => {
      const port = starttls === "on" ? site.port : site.tls;
      const tls = ["--tls=on", `--tls-starttls=${starttls}`, `--tls-trust-file=${site.ca}`];
      const login = ["--auth=login", "--user=greg", "--passwordeval=echo secret", "--from=greg@example.org"];
      await sentBy(
        ["msmtp", "--host=localhost", `--port=${port}`, ...tls, ...login, "--", "ann@example.net", "bob@example.net"],
        "From: greg@example.org\nTo: ann@example.net\nSubject: Hi\n\n.\n..\nBye.\n",
      );
      assert.deepEqual(stubArguments(home).slice(-2), ["ann@example.net", "bob@example.net"]);
      assert.ok(stubInput(home).endsWith("\n\n.\n..\nBye.\n"));
    });

    await t.step(`mutt's smtp_url over ${how}`, async () => {
      const url = starttls === "on" ? `smtp://greg@localhost:${site.port}/` : `smtps://greg@localhost:${site.tls}/`;
      const settings = [
        `set smtp_url="${url}" smtp_pass="secret" smtp_authenticators="plain"`,
        `set ssl_ca_certificates_file="${site.ca}" ssl_force_tls=yes ssl_starttls=yes`,
        'set from="greg@example.org" copy=no use_envelope_from=yes envelope_from_address="greg@example.org"',
      ];
      const rc = home.write("muttrc", `${settings.join("\n")}\n`);
      await sentBy(["mutt", "-n", "-F", rc, "-s", "Hi", "ann@example.net"], "Hello.\n", { TERM: "dumb" });
    });

    await t.step(`git send-email over ${how}`, async () => {
      const file = home.write("0001-one.patch", patchMail());
      const [port, encryption] = starttls === "on" ? [site.port, "tls" as const] : [site.tls, "ssl" as const];
      await sentBy(sendEmail(port, encryption, site.ca, file), "", COMMITTER);
    });
  }

  await t.step("SIGHUP reloads, SIGTERM ends it after the message in transit", async () => {
    Deno.kill(site.pid, "SIGHUP");
    await until("the reload", () => /were reloaded/.test(site.stderr), () => site.stderr);
    using client = await RawSmtp.greg(site.tls, site.ca);
    await client.begin();
    await client.send(MAIL);
    const before = stubRuns(home);
    const stopped = site.stop();
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.match(await client.say("."), /^250 /);
    assert.match(await client.reply(), /^421 |\(closed\)$/);
    assert.equal(await stopped, 0);
    assert.equal(stubRuns(home), before + 1);
  });

  if (USER !== "") assert.notEqual(Deno.statSync(`${home.path}/.local/state/countersign/log`).uid, 0);
});

test("killed with SIGKILL before the reply: the message was either sent, or no reply was sent", async () => {
  await using site = await SubmitdSite.make();
  const { home } = site;
  home.write("stub", home.read("stub").replace("exit 0", "sleep 1; echo done >>$HOME/stub.done"), 0o755);
  await site.start();
  using client = await RawSmtp.greg(site.tls, site.ca);
  await client.begin();
  await client.send(`${MAIL}.\r\n`);
  await until("the stub", () => stubRuns(home) === 1);
  await site.kill();
  assert.doesNotMatch(await client.reply(), /^250 /);
});

test("killed under load: every message with a reply 250 was delivered", async () => {
  await using site = await SubmitdSite.make("", '[transport]\nvia = "maildir"\nmaildir = "~/out"');
  for (let round = 0; round < 3; round++) {
    await site.start();
    const accepted: string[] = [];
    const send = async (client: number) => {
      using one = await RawSmtp.greg(site.tls, site.ca);
      for (let n = 0; n < 200; n++) {
        const id = `<${round}.${client}.${n}@example.org>`;
        if (!/^250 /.test(await one.submit(MAIL.replace("<1@example.org>", id)))) return;
        accepted.push(id);
      }
    };
    // A client whose connection is cut gives up.
    const sending = [0, 1, 2, 3].map((client) => send(client).catch(() => {}));
    await until("messages", () => accepted.length > 40);
    await site.kill();
    await Promise.all(sending);
    await site.stop();
    const mails = site.home.mails("out").join("");
    for (const id of accepted) assert.ok(mails.includes(id), id);
  }
});

test("200 sessions are held; when submitd is killed in a burst of messages, none that got a reply 250 is lost", async () => {
  await using site = await SubmitdSite.make("max_per_address = 200", '[transport]\nvia = "maildir"\nmaildir = "~/out"');
  Deno.writeTextFileSync(`${site.home.path}/users`, QUICK_LOGIN);
  await site.start();
  const clients: RawSmtp[] = [];
  try {
    while (clients.length < 200) {
      clients.push(...await Promise.all(Array.from({ length: 20 }, () => RawSmtp.greg(site.tls, site.ca))));
    }
    const accepted: string[] = [];
    const bursts = clients.map(async (client, at) => {
      const id = `<burst.${at}@example.org>`;
      if (/^250 /.test(await client.submit(MAIL.replace("<1@example.org>", id)))) accepted.push(id);
    });
    // A client whose connection is cut fails, because its last command has no reply.
    const all = Promise.allSettled(bursts);
    await until("messages", () => accepted.length >= 20);
    await site.kill();
    await all;
    await site.stop();
    const mails = site.home.mails("out").join("");
    for (const id of accepted) assert.ok(mails.includes(id), id);
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
});

test("sockets of systemd, as a user who could not open the ports", async () => {
  await using site = await SubmitdSite.make();
  const { home } = site;
  const [port, tls] = [freePort(), freePort()];
  await site.start([
    "systemd-socket-activate",
    `--listen=127.0.0.1:${port}`,
    `--listen=127.0.0.1:${tls}`,
    "--fdname=submission:submissions",
    `--setenv=HOME=${home.path}`,
    "--setenv=PATH=/usr/sbin:/usr/bin:/bin",
  ]);
  const opens = () =>
    Deno.connect({ hostname: "127.0.0.1", port }).then((one) => {
      one.close();
      return true;
    }, () => false);
  await until("the socket", opens);
  await until("submitd", () => /Listening on port/.test(site.stderr), () => site.stderr);
  using client = await RawSmtp.greg(tls, site.ca);
  assert.match(await client.submit(MAIL), /^250 /, site.stderr);
  using starttls = await RawSmtp.open(port, site.ca);
  await starttls.say("EHLO x");
  await starttls.startTls();
  assert.equal(stubRuns(home), 1);
});
