/** The whole chain with the real tcpserver, stunnel, swaks and mailfront. */
import assert from "node:assert/strict";
import { Authority } from "../certificates.ts";
import { CREATED, fieldOf } from "../rig.ts";
import { stubArguments, stubInput, stubRuns } from "../stub.ts";
import { plain } from "../submit/talk.ts";
import { ChainHome, RawClient } from "./chain.ts";
import { COMMITTER, patchMail, sendEmail } from "./git_send_email.ts";
import { lacking, lackingPerl, tests } from "./need.ts";
import { freePort } from "./postfix.ts";

const PROGRAMS = [
  ["tcpserver", "ucspi-tcp"],
  ["swaks", "swaks"],
  ["stunnel4", "stunnel4"],
  ["msmtp", "msmtp"],
  ["mutt", "mutt"],
  ["git", "git"],
  ["pop3front-maildir", "mailfront"],
] as const;
const missing: string[] = [];
for (const [program, pack] of PROGRAMS) missing.push(await lacking(program, pack));
missing.push(await lacking("git-send-email", "git-email"));
for (const name of ["Net::SSLeay", "Authen::SASL"] as const) missing.push(await lackingPerl(name));
const test = tests(missing.filter((one) => one !== "").join("; "));

/** What run-filtered starts behind fixsmtpio. */
const SERVER = /env RELAYCLIENT= qmail-smtpd$/m;

/** Sends a message with swaks. @returns its exit status and what it prints */
async function swaks(chain: ChainHome, port: number, ...args: string[]): Promise<[number, string]> {
  const { code, stdout, stderr } = await chain.home.run([
    ...["swaks", "--server", `127.0.0.1:${port}`, "--from", "greg@example.org", "--to", "ann@example.net"],
    ...["--auth-user", "greg", "--auth-password", "secret", ...args],
  ]);
  return [code, stdout + stderr];
}

test("the chain under tcpserver and stunnel", async (t) => {
  await using chain = await ChainHome.make();
  const { home } = chain;
  const sentBySwaks = async (port: number, ...args: string[]) => {
    const before = stubRuns(home);
    const [code, text] = await swaks(chain, port, ...args);
    assert.equal(code, 0, text);
    assert.equal(stubRuns(home), before + 1, text);
    assert.match(stubArguments(home)[2]!, /^SRS0=.*@srs\.example\.org$/);
    assert.match(fieldOf(stubInput(home), "X-Msgauth"), /^v1\.k1\./);
    return text;
  };

  await t.step("run: PLAIN and LOGIN", async () => {
    const port = await chain.serve("run");
    assert.match(await sentBySwaks(port, "--auth", "PLAIN"), /<- {2}235 ok, go ahead/);
    await sentBySwaks(port, "--auth", "LOGIN");
    assert.match(stubInput(home), /^Received: \(ofmipd 127\.0\.0\.1\); /);
    if (Deno.uid() === 0) assert.equal(Deno.statSync(`${home.path}/.local/state/countersign/log`).uid, 65534);
    assert.match(home.read("run.log"), /succeeded, child completed/);
  });

  await t.step(
    "run: a virtual user, who shares the user of the system, has their own identity, key and state",
    async () => {
      const [, hash, user] = home.read("users").trim().split(":");
      const ann = "ann/.config/countersign";
      home.write(`${ann}/keys`, `a1 ${CREATED} another secret, for tests only\n`, 0o600);
      const identity = '[[identity]]\naddress = "ann@example.com"\nsrs_domain = "srs.example.com"\n';
      home.write(`${ann}/config.toml`, `${identity}[transport]\nvia = "maildir"\nmaildir = "~/out"\n`);
      Deno.removeSync(`${home.path}/${ann}/config.sandbox`); // the rig has written it for another home
      home.write("users", `${home.read("users")}ann@example.com:${hash}:${user}:${home.path}/ann\n`, 0o600);
      chain.own("ann");
      const port = await chain.serve("run");
      const as = ["--auth-user", "ann@example.com", "--auth", "PLAIN"];
      const [foreign, refused] = await swaks(chain, port, ...as);
      assert.notEqual(foreign, 0);
      assert.match(refused, /<\*\* 550 5\.7\.1 Not sent: "greg@example\.org" is not one of your addresses/);
      const [code, text] = await swaks(chain, port, ...as, "--from", "ann@example.com");
      assert.equal(code, 0, text);
      const [mail] = home.mails("ann/out");
      assert.match(fieldOf(mail!, "Return-Path"), /=ann@srs\.example\.com>$/);
      assert.match(fieldOf(mail!, "X-Msgauth"), /^v1\.a1\./);
      assert.match(home.read("ann/.local/state/countersign/log"), /login=ann@example\.com/);
    },
  );

  await t.step("run: a wrong password, an unknown login and root's right password take equally long", async () => {
    const [, hash] = home.read("users").split(":");
    home.write("users", `${home.read("users")}root:${hash}:root\n`, 0o600);
    const port = await chain.serve("run");
    for (const [user, password] of [["greg", "wrong"], ["nobody", "secret"], ["root", "secret"], ["0", "secret"]]) {
      using client = await RawClient.open(port);
      await client.until(/^220 /);
      const begun = Date.now();
      assert.match(await client.say(`AUTH PLAIN ${plain(user!, password!)}`), /^535 /);
      const took = Date.now() - begun;
      assert.ok(took >= 1000, `${user}: ${took} ms`);
    }
    assert.match(home.read("run.log"), /login failed from 127\.0\.0\.1: user="root" tries=1/);
  });

  await t.step("run-reup: five attempts, whichever run of authup gets them", async () => {
    const port = await chain.serve("run-reup");
    using client = await RawClient.open(port);
    await client.until(/^220 /);
    for (let n = 1; n <= 5; n++) assert.match(await client.say(`AUTH PLAIN ${plain("greg", "no")}`), /^535 /, `${n}`);
    assert.equal(await client.until(/./), "(closed)");
    await sentBySwaks(port, "--auth", "PLAIN");
  });

  await t.step("run-filtered: fixsmtpio in front of ofmipd", async () => {
    const port = await chain.serve("run-filtered", (text) => text.replace(SERVER, "ofmipd"));
    const text = await sentBySwaks(port, "--auth", "PLAIN");
    assert.match(text, /<- {2}235 ok, go ahead \(#2\.0\.0\)\n[^]*<- {2}221 mx\.example\.org/);
  });

  await t.step(
    "run-filtered: fixsmtpio in front of mailfront, which greets with 220 and knows nothing of authup",
    async () => {
      const port = await chain.serve(
        "run-filtered",
        (text) => text.replace(SERVER, "mailfront smtp echo accept"),
      );
      const [code, text] = await swaks(chain, port, "--auth", "LOGIN");
      assert.equal(code, 0, text);
      assert.match(text, /<- {2}235 ok, go ahead \(#2\.0\.0\)\n[^]*<- {2}250 .*\n -> QUIT\n<- {2}221 mx\.example\.org/);
      using client = await RawClient.open(port);
      await client.until(/^220 /);
      assert.match(await client.say(`AUTH PLAIN ${plain("greg", "secret")}`), /^235 /);
      const offered = await client.say("EHLO me");
      assert.match(offered, /^250-mx\.example\.org\r\n/);
      assert.doesNotMatch(offered, /AUTH|STARTTLS/);
      assert.match(await client.say(`AUTH PLAIN ${plain("greg", "secret")}`), /^502 /);
      assert.match(await client.say("STARTTLS"), /^502 /);
    },
  );

  await t.step("stunnel starts the chain; before STARTTLS no AUTH is offered", async () => {
    using authority = await Authority.make();
    const { cert, key } = await authority.leaf("DNS:localhost,IP:127.0.0.1");
    const [port, tlsPort] = [freePort(), freePort()];
    const plainPort = await chain.serve("run");
    const text = Deno.readTextFileSync(new URL("../../contrib/acceptutils/stunnel.conf", import.meta.url))
      .split("\n[pop3s]")[0]!
      .replaceAll("/usr/local/lib/countersign/submit", chain.submit)
      .replace("smtp " + `${chain.submit}/checkpassword`, `smtp ${chain.submit}/checkpassword -a file:${chain.users}`)
      .replace("/etc/ssl/private/mail.pem", home.write("mail.pem", cert + key, 0o600))
      .replace("accept = 587", `accept = 127.0.0.1:${port}`)
      .replace("accept = 465", `accept = 127.0.0.1:${tlsPort}`)
      .replace("connect = 127.0.0.1:26", `connect = 127.0.0.1:${plainPort}`);
    chain.start(["stunnel4", home.write("stunnel.conf", `foreground = yes\npid =\n${text}`)], "null");
    for (let left = 100;; left--) {
      const opened = await RawClient.open(port).catch(() => undefined);
      if (opened !== undefined) {
        using client = opened;
        await client.until(/^220 /m);
        const offered = await client.say("EHLO me");
        assert.match(offered, /STARTTLS/);
        assert.doesNotMatch(offered, /AUTH/);
        break;
      }
      assert.ok(left > 0, "stunnel does not listen");
      await new Promise((done) => setTimeout(done, 50));
    }
    assert.match(await sentBySwaks(port, "--tls", "--auth", "PLAIN"), /<~ {2}235 ok/);
    assert.match(stubInput(home), /^Received: \(ofmipd 127\.0\.0\.1\); /);

    const before = stubRuns(home);
    const tls = ["--tls=on", "--tls-starttls=on", `--tls-trust-file=${authority.ca}`];
    const login = ["--auth=login", "--user=greg", "--passwordeval=echo secret", "--from=greg@example.org"];
    const ran = await home.run(
      ["msmtp", "--host=localhost", `--port=${port}`, ...tls, ...login, "--", "ann@example.net", "bob@example.net"],
      "From: greg@example.org\nTo: ann@example.net\nSubject: Hi\n\n.\n..\nBye.\n",
    );
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    assert.equal(stubRuns(home), before + 1);
    assert.deepEqual(stubArguments(home).slice(-2), ["ann@example.net", "bob@example.net"]);
    assert.ok(stubInput(home).endsWith("\n\n.\n..\nBye.\n"));

    // mutt with TLS from the beginning, and with STARTTLS.
    for (const [scheme, at] of [["smtps", tlsPort], ["smtp", port]] as const) {
      const settings = [
        `set smtp_url="${scheme}://greg@localhost:${at}/" smtp_pass="secret" smtp_authenticators="plain"`,
        `set ssl_ca_certificates_file="${authority.ca}" ssl_force_tls=yes ssl_starttls=yes`,
        'set from="greg@example.org" copy=no use_envelope_from=yes envelope_from_address="greg@example.org"',
      ];
      const rc = home.write("muttrc", `${settings.join("\n")}\n`);
      const count = stubRuns(home);
      const sent = await home.run(["mutt", "-n", "-F", rc, "-s", "Hi", "ann@example.net"], "Hello.\n", {
        TERM: "dumb",
      });
      assert.equal(sent.code, 0, sent.stderr + sent.stdout);
      assert.equal(stubRuns(home), count + 1);
      assert.match(stubArguments(home)[2]!, /^SRS0=.*@srs\.example\.org$/);
      assert.notEqual(fieldOf(stubInput(home), "X-Msgauth"), "");
    }

    const patch = home.write("0001-one.patch", patchMail());
    for (const [encryption, at] of [["tls", port], ["ssl", tlsPort]] as const) {
      const count = stubRuns(home);
      const sent = await home.run(sendEmail(at, encryption, authority.ca, patch), "", COMMITTER);
      assert.equal(sent.code, 0, sent.stderr + sent.stdout);
      assert.equal(stubRuns(home), count + 1);
      assert.match(stubArguments(home)[2]!, /^SRS0=.*@srs\.example\.org$/);
      assert.equal(fieldOf(stubInput(home), "Subject"), "[PATCH] One");
      assert.match(fieldOf(stubInput(home), "X-Msgauth"), /^v1\.k1\./);
    }
  });

  await t.step("run-pop3: mailfront reads the user's maildir", async () => {
    const port = await chain.serve("run-pop3");
    using client = await RawClient.open(port);
    assert.match(await client.until(/\n/), /^\+OK <\d+\.\d+@mx\.example\.org>/);
    assert.match(await client.say("USER greg"), /^\+OK/);
    assert.match(await client.say("PASS secret"), /^\+OK/);
    assert.match(await client.say("STAT"), /^\+OK 1 /);
    assert.match(await client.say("RETR 1", /\r\n\.\r\n/), /Subject: For Greg/);
    assert.match(await client.say("QUIT"), /^\+OK/);
  });
});
