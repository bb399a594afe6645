/** `countersign init --submit`: from a user's settings to a submitd that accepts mail. */
import assert from "node:assert/strict";
import { readArguments } from "../../admin/arguments.ts";
import { submitAnswers, type SubmitTarget } from "../../admin/init_submit_questions.ts";
import { SUBMIT_VALUES } from "../../admin/init_submit_options.ts";
import type { SubmitMachine } from "../../admin/submit_machine.ts";
import { withSubmit } from "../../admin/submit_settings_text.ts";
import { hashPassword } from "../../submit/backends/scrypt.ts";
import { Submitd } from "../../submit/submitd/server.ts";
import { loadSettings } from "../../io/system/load.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { needOnTerminal, Terminal } from "../programs/terminal.ts";
import { fieldOf, Home, oneLine } from "../rig.ts";
import { MAIL, RawSmtp } from "../submit/raw_smtp.ts";
import { certificate } from "../submit/submitd_home.ts";
import { COUNTERSIGN } from "./run.ts";

const CONFIG = ".config/countersign/config.toml";
const sourceOf = (home: Home) => ({ file: `${home.path}/${CONFIG}`, home: home.path });

/** A user's home with settings, a key, and a certificate with its key beside it. */
async function user(): Promise<{ home: Home; ca: string }> {
  const home = new Home();
  const { cert, key, ca } = await certificate();
  home.write("tls/fullchain.pem", cert);
  home.write("tls/privkey.pem", key, 0o600);
  return { home, ca: home.write("ca.pem", ca) };
}

/** Runs the command as the user greg. */
const init = (home: Home, ...args: readonly string[]) =>
  home.run([...COUNTERSIGN, "init", ...args], "", { USER: "greg" });

Deno.test("init --submit: what it writes works, and keeps the rest of the file", async () => {
  const { home: made, ca } = await user();
  using home = made;
  const before = home.read(CONFIG);
  const args = ["--certificate", "~/tls/fullchain.pem", "--auth", "file:~/users", "--max-message", "1000000"];
  const { code, stdout, stderr } = await init(home, "--submit", "--yes", ...args);
  assert.deepEqual([code, stderr], [0, ""]);
  const text = home.read(CONFIG);
  assert.ok(text.startsWith(before.replace('address = "greg@example.org"\n', '$&logins = [ "greg" ]\n')), text);
  const { submit, identity } = loadSettings(sourceOf(home));
  assert.deepEqual([submit.name, submit.key, submit.max_message, submit.auth, identity[0]!.logins], [
    "localhost",
    `${home.path}/tls/privkey.pem`,
    1_000_000,
    `file:${home.path}/users`,
    ["greg"],
  ]);
  assert.match(home.read(".config/countersign/config.sandbox"), /^submitd --allow-read=.*\/tls\/privkey\.pem$/m);
  for (const words of ["1. Set the password", `passwd add greg --file ${home.path}/users`, "login greg", "doctor"]) {
    assert.ok(stdout.includes(words), `${words}:\n${stdout}`);
  }

  const again = await init(home, "--submit", "--yes", ...args);
  oneLine(again, 78, /config\.toml:\d+: submitd is configured already/);
  assert.equal(home.read(CONFIG), text);

  home.write("users", `greg:${await hashPassword("secret")}\n`, 0o600);
  const server = new Submitd(loadSettings(sourceOf(home)), () => {});
  const port = await server.listen({ where: { host: "127.0.0.1", port: 0 }, tls: true });
  try {
    using client = await RawSmtp.greg(port, ca);
    assert.match(await client.submit(MAIL), /^250 /);
  } finally {
    await server.close(1000);
  }
  assert.match(fieldOf(home.mails("out")[0]!, "X-Msgauth"), /^v1\./);
});

Deno.test("init --submit: errors, and --print, write nothing", async () => {
  const { home: made } = await user();
  using home = made;
  const before = home.read(CONFIG);
  const cert = ["--certificate", "~/tls/fullchain.pem"];
  for (
    const [args, code, message] of [
      [["--submit", "--yes", "--via", "smtp"], 64, /^init: Option --via cannot be combined with --submit\n$/],
      [["--yes", "--certificate", "x"], 64, /^init: Option --certificate needs --submit\n$/],
      [["--submit", ...cert], 64, /^init: Standard input is not a terminal: give --yes or --print\n$/],
      [["--submit", "--yes", ...cert, "--auth", "pam"], 64, /^init: "pam" is not file:PATH, dovecot:SOCKET or/],
      [
        ["--submit", "--yes", ...cert, "--listen", "587"],
        64,
        /^init: Option --listen is "587", not an address and port/,
      ],
      [["--submit", "--yes", ...cert, "--max-message", "1"], 78, /max_message/],
      [["--submit", "--yes", "--config", "~/none.toml"], 78, /Settings file does not exist: countersign init\n$/],
    ] as const
  ) {
    const ran = await init(home, ...args);
    assert.equal(ran.stdout, "");
    oneLine(ran, code, message);
  }
  const { code, stdout } = await init(home, "--submit", "--print", ...cert, "--auth", "file:/u");
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^logins = \[ "greg" \]\n\n\[submit\]\nauth = "file:\/u"\ncertificate = "~\/tls\/fullchain\.pem"\n/m,
  );
  assert.equal(home.read(CONFIG), before);
});

/** Answers of a machine with these files. */
function answered(files: Record<string, string>, args: readonly string[], more: Partial<SubmitTarget> = {}) {
  const machine: SubmitMachine = {
    exists: (path) => path in files,
    read: (path) => files[path],
    folder(path) {
      const below = Object.keys(files).filter((one) => one.startsWith(`${path}/`));
      return [...new Set(below.map((one) => one.slice(path.length + 1).split("/")[0]!))];
    },
  };
  const text = '[[identity]]\naddress = "ann@example.org"\n[transport]\npreset = "postfix"\n';
  const settings = parseConfig(text, { file: "/etc/countersign/submit.toml", home: "/h" });
  const asked: string[] = [];
  const answers = submitAnswers(
    readArguments(args, { values: SUBMIT_VALUES }),
    machine,
    {
      ...{ settings, home: "/h", folder: "/etc/countersign", single: false, user: "root", ports: true },
      names: () => [],
      ...more,
    },
    (question, fallback, check) => {
      asked.push(question);
      const answer = fallback || { C: "/c.pem", P: "/k.pem", H: "mx.example.org" }[question[0]!] || "";
      check(answer);
      return answer;
    },
  );
  return { ...answers, asked: asked.map((question) => question.split(/[,(]/)[0]!.trim()) };
}

const LIVE = "/etc/letsencrypt/live/mx.example.org";

Deno.test("init --submit asks at most five questions, and takes their defaults from the machine", () => {
  const nothing = answered({}, []);
  assert.deepEqual(nothing.asked, [
    "Certificate",
    "Private key of the certificate",
    "Host name of the server",
    "How passwords are checked",
    "Login that sends as ann@example.org",
  ]);
  assert.deepEqual([nothing.submit, nothing.login], [
    { auth: "file:/etc/countersign/users", certificate: "/c.pem", key: "/k.pem", name: "mx.example.org" },
    "ann",
  ]);

  const acme = answered(
    { [`${LIVE}/fullchain.pem`]: "", [`${LIVE}/privkey.pem`]: "", "/etc/dovecot/dovecot.conf": "" },
    [],
    { names: () => ["*.example.org", "imap.example.org"] },
  );
  assert.equal(acme.asked.length, 3);
  assert.deepEqual(acme.submit, {
    auth: "dovecot:/run/dovecot/auth-countersign",
    certificate: `${LIVE}/fullchain.pem`,
    key: `${LIVE}/privkey.pem`,
    name: "imap.example.org",
  });

  const main = (path: string) => `smtpd_tls_cert_file = ${path}.pem\nsmtpd_tls_key_file=${path}.key\n`;
  const postfix = answered({ "/etc/postfix/main.cf": main("/etc/ssl/mx"), "/etc/ssl/mx.pem": "" }, ["--name", "mx"]);
  assert.deepEqual([postfix.submit.certificate, postfix.submit.key], ["/etc/ssl/mx.pem", "/etc/ssl/mx.key"]);
  const snakeoil = "/etc/ssl/certs/ssl-cert-snakeoil";
  assert.equal(
    answered({ "/etc/postfix/main.cf": main(snakeoil), [`${snakeoil}.pem`]: "" }, []).submit.certificate,
    "/c.pem",
  );
  const dovecot = "ssl_cert = </etc/dovecot/cert.pem\nssl_key = </etc/dovecot/key.pem\n";
  assert.equal(
    answered({ "/etc/dovecot/conf.d/10-ssl.conf": dovecot, "/etc/dovecot/cert.pem": "" }, []).submit.key,
    "/etc/dovecot/key.pem",
  );
});

Deno.test("init --submit: other ports for a user who may not open the usual ones", () => {
  const single = { single: true, ports: false, user: "greg", folder: "/h/.config/countersign" };
  const { submit, login } = answered({}, ["--listen", "192.0.2.1:587"], single);
  assert.deepEqual([submit.listen, submit.listen_tls, login], [["192.0.2.1:587"], undefined, "greg"]);
  const { submit: own } = answered({}, [], single);
  assert.deepEqual([own.listen, own.listen_tls, own.auth], [
    ["[::]:2587"],
    ["[::]:2465"],
    "file:/h/.config/countersign/users",
  ]);
});

const FILES: [name: string, text: string, added: boolean][] = [
  ["a table [submit] with another setting", '[submit]\ncheck_sender = "login"\n', true],
  ["a dotted name", "", false],
];
for (const [name, more, added] of FILES) {
  Deno.test(`init --submit and settings with ${name}`, () => {
    const dotted = added ? "" : 'submit.check_sender = "login"\n';
    const text = `${dotted}${more}[[identity]]\naddress = "a@example.org"\nlogins = ["x"]\n\n[[identity]]\n` +
      'keys = "b"\naddress = "b@example.org"\n[transport]\npreset = "postfix"\n';
    const source = { file: "/h/c.toml", home: "/h" };
    const submit = { auth: "file:/u", certificate: "/h/c.pem", key: "/k.pem", name: "mx" };
    const change = () => withSubmit(text, parseConfig(text, source), { submit, login: "ann" }, source);
    if (!added) {
      assert.throws(change, { kind: "config", message: "The settings cannot be added to this file" });
      return;
    }
    const after = parseConfig(change(), source);
    assert.deepEqual(after.identity.map((one) => one.logins), [["x"], ["ann"]]);
    assert.deepEqual([after.submit.check_sender, after.submit.certificate], ["login", "/h/c.pem"]);
  });
}

const onTerminal = await needOnTerminal("sed");
onTerminal("on a terminal init --submit asks, and writes after the last Enter", async () => {
  const { home: made } = await user();
  using home = made;
  await using terminal = await Terminal.open(home, [...COUNTERSIGN, "init", "--submit"]);
  await terminal.shows(/Certificate, with all intermediate certificates:/);
  await terminal.press("C-u");
  await terminal.type(`${home.path}/tls/fullchain.pem`);
  await terminal.press("Enter");
  await terminal.shows(/How passwords are checked .*:/);
  await terminal.press("C-u");
  await terminal.type(`file:${home.path}/users`);
  await terminal.press("Enter");
  await terminal.shows(/Login that sends as greg@example\.org .*:/);
  await terminal.press("C-u");
  await terminal.type("greg");
  await terminal.press("Enter");
  await terminal.shows(/^Add this to .*config\.toml \(Y\/n\):/m);
  assert.doesNotMatch(home.read(CONFIG), /\[submit\]/);
  await terminal.press("Enter");
  assert.equal(await terminal.ended(), 0);
  assert.deepEqual(loadSettings(sourceOf(home)).submit.auth, `file:${home.path}/users`);
});
