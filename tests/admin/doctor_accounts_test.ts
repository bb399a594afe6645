/** doctor and the submission servers: files, login, and the senders that they accept. Nothing is sent. */
import assert from "node:assert/strict";
import { writeExecutable } from "../../build/rig/executable.ts";
import { checkAccounts } from "../../admin/doctor/accounts.ts";
import { parseAddress } from "../../lib/address.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { Authority } from "../certificates.ts";
import { need } from "../programs/need.ts";
import { deadPort, Sink } from "../smtp_sink.ts";

const test = await need("openssl");

const FILE = "/home/greg/.config/countersign/config.toml";
const HEAD = '[[identity]]\naddress = "greg@example.org"\n\n[transport]\n';

const KEYS = [{ id: "1", created: 20785, secret: new Uint8Array(32).fill(7) }];
const NOW = new Date("2026-11-28T12:00:00Z");

/** The identity that the settings name, with a key. */
const identityOf = (address: string) => ({ address: parseAddress(address), srsDomain: "srs.example.org", keys: KEYS });

/** Returns the findings, as file and line, then what; and the notes. */
async function examined(transport: string, ...identities: ReturnType<typeof identityOf>[]): Promise<string[]> {
  const text = `${HEAD}${transport}\n`;
  const settings = parseConfig(text, { file: FILE, home: "/home/greg" });
  const { findings, notes } = await checkAccounts({ file: FILE, text }, settings, identities, NOW);
  const found = findings.map(({ what, where, why, fix }) => {
    assert.ok(fix !== "" && why !== "");
    return `${where.file}${where.line === undefined ? "" : `:${where.line}`} ${what} | ${fix}`;
  });
  return [...found, ...notes];
}

const line = `${FILE}:${(HEAD + "via\nhost").split("\n").length}`;
const smtp = (port: number, more = 'security = "none"') => `via = "smtp"\nhost = "127.0.0.1"\nport = ${port}\n${more}`;

Deno.test("a server that answers, one that does not, and one that is not contacted", async () => {
  assert.deepEqual(await examined('preset = "exim"'), []);
  await using sink = new Sink();
  assert.deepEqual(await examined(smtp(sink.port)), []);
  assert.deepEqual(sink.lines, ["EHLO [127.0.0.1]", "QUIT"], "nothing is sent");
  sink.answers = { greeting: "554 No" };
  const fix = "Check transport.host, port, security and ca, and whether the server is reachable";
  assert.deepEqual(await examined(smtp(sink.port)), [
    `${line} 127.0.0.1:${sink.port} cannot be used: "554 No" | ${fix}`,
  ]);
  const dead = deadPort();
  const [found] = await examined(smtp(dead));
  assert.ok(found!.startsWith(`${line} 127.0.0.1:${dead} cannot be used: connection refused`), found);
});

Deno.test({
  name: "without network permission there is a note",
  permissions: { read: true, env: true, net: false, sys: ["uid"] },
  async fn() {
    const note = "127.0.0.1:25 was not checked: this program has no permission to connect to it";
    assert.deepEqual(await examined(smtp(25)), [note]);
  },
});

test("a wrong password, and problems with its file", async () => {
  using authority = await Authority.make();
  const leaf = await authority.leaf("IP:127.0.0.1");
  await using sink = new Sink({ extensions: ["AUTH PLAIN"] }, leaf);
  const secret = `${authority.folder}/password`;
  Deno.writeTextFileSync(secret, "correct horse\n", { mode: 0o600 });
  const transport = smtp(sink.port, `ca = "${authority.ca}"\nuser = "greg"\npassword_file = "${secret}"`);
  assert.deepEqual(await examined(transport), []);
  assert.ok(sink.lines.some((one) => one.startsWith("AUTH")), "it logged in");
  assert.ok(!sink.lines.some((one) => one.startsWith("MAIL")));

  sink.answers.auth = "535 5.7.8 Bad password";
  assert.deepEqual(await examined(transport), [
    `${FILE}:9 127.0.0.1:${sink.port} rejected the login of "greg": "535 5.7.8 Bad password" | ` +
    `Check transport.user and the password in ${secret}`,
  ]);

  const before = sink.lines.length;
  Deno.chmodSync(secret, 0o644);
  const mode = "Password file is readable by others (mode 0644)";
  assert.deepEqual(await examined(transport), [`${secret} ${mode} | chmod 600 ${secret}`]);
  Deno.chmodSync(authority.ca, 0o666);
  assert.equal((await examined(transport)).length, 2, "both are reported");
  Deno.chmodSync(authority.ca, 0o644);
  Deno.removeSync(secret);
  const [missing] = await examined(transport);
  assert.equal(missing, `${secret} Password file does not exist | write the password to it, on a single line`);
  assert.equal(sink.lines.length, before, "the server was not contacted");
});

const GREG = identityOf("greg@example.org");
const JOE = identityOf("joe@work.example");
/** `SRS0=…` without its hash and date. */
const SIGNED = /SRS0=[^=]+=[^=]+=example\.org=greg@srs\.example\.org/g;
const envelopes = (sink: Sink) =>
  sink.lines.filter((line) => !/^(?:EHLO|AUTH|QUIT)/.test(line)).map((line) => line.replace(SIGNED, "SIGNED"));

test("a server without a login, or with one of another kind: what to set", async () => {
  using authority = await Authority.make();
  await using sink = new Sink({ extensions: [] }, await authority.leaf("IP:127.0.0.1"));
  const secret = `${authority.folder}/password`;
  Deno.writeTextFileSync(secret, "correct horse\n", { mode: 0o600 });
  writeExecutable(`${authority.folder}/token`, "#!/bin/sh\necho token\n");
  const found = (credential: string) =>
    examined(smtp(sink.port, `ca = "${authority.ca}"\nuser = "greg"\n${credential}`));
  const password = `password_file = "${secret}"`;
  const server = `${FILE}:9 127.0.0.1:${sink.port}`;
  assert.deepEqual(await found(password), [
    `${server} does not offer AUTH | check host, port and security, or remove user if the server needs no login`,
  ]);
  sink.answers.extensions = ["AUTH XOAUTH2"];
  assert.deepEqual(await found(password), [
    `${server} offers AUTH "XOAUTH2", but not PLAIN, LOGIN, CRAM-MD5 | set oauth2_command`,
  ]);
  sink.answers.extensions = ["AUTH PLAIN"];
  assert.deepEqual(await found(`oauth2_command = ["${authority.folder}/token"]`), [
    `${server} offers AUTH "PLAIN", but not OAUTHBEARER, XOAUTH2 | set password_file or password_command`,
  ]);
  sink.answers.extensions = ["AUTH SCRAM-SHA-256"];
  assert.deepEqual(await found(password), [
    `${server} offers AUTH "SCRAM-SHA-256", but not PLAIN, LOGIN, CRAM-MD5 | ` +
    `Check transport.user and the password in ${secret}`,
  ]);
});

Deno.test("the signed sender is tested, with the identity as the recipient, and nothing is sent", async () => {
  await using sink = new Sink({ extensions: [] });
  assert.deepEqual(await examined(smtp(sink.port), GREG), []);
  assert.deepEqual(envelopes(sink), [
    ...["MAIL FROM:<SIGNED>", "RCPT TO:<greg@example.org>", "RSET"],
    ...["MAIL FROM:<greg@example.org>", "RCPT TO:<greg@example.org>", "RSET"],
  ]);
  assert.deepEqual([sink.accepted, sink.cut], [[], []]);
});

Deno.test("a server that rejects the signed sender: doctor names the scheme that it accepts", async () => {
  await using sink = new Sink();
  const refused = "553 5.7.1 Sender address rejected: not owned by user greg";
  const account = (more = "") =>
    `via = "smtp"\n[[account]]\nname = "isp"\nhost = "127.0.0.1"\nport = ${sink.port}\nsecurity = "none"\n${more}`;
  const what = (does: string) =>
    `The signed sender of greg@example.org is rejected: 127.0.0.1:${sink.port} rejected the ${does}: "${refused}"`;
  const found = async (transport: string) =>
    (await examined(transport, GREG)).map((one) => one.replace(SIGNED, "SIGNED").replace(FILE, "FILE"));
  // Postfix says it in the reply to RCPT.
  for (const step of ['sender "SIGNED"', "recipient"]) {
    let signed = false;
    const answer = (line: string) => {
      if (line.startsWith("MAIL")) signed = /SRS0|prvs/.test(line);
      return signed ? refused : undefined;
    };
    sink.answers = step !== "recipient" ? { from: answer } : { to: () => answer(sink.lines.findLast(isMail)!) };
    assert.deepEqual(await found(smtp(sink.port)), [
      `FILE:4 ${what(step)} | Set sender = "plain" at the top of the settings`,
    ]);
    assert.deepEqual(await found(account()), [
      `FILE:6 ${what(step)} | Set sender = "plain" in this [[account]]`,
    ]);
    assert.deepEqual(await found(account('sender = "plain"\n')), []);
  }
  sink.answers = { from: (line) => line.includes("SRS0") ? refused : undefined };
  assert.deepEqual(await found(`${account()}\n[prvs]\nreceive = true\n`), [
    `FILE:6 ${what('sender "SIGNED"')} | Set sender = "prvs" in this [[account]]`,
  ]);
  sink.answers = { from: () => refused };
  assert.deepEqual(await found(account()), [
    `FILE:6 127.0.0.1:${sink.port} rejected the sender "SIGNED": "${refused}" | ` +
    "Check which addresses this login may send from, or add the address to the account.from of another account",
  ]);
  sink.answers = { from: () => "450 4.7.1 Greylisted" };
  assert.deepEqual(await found(account()), [
    `The sender of greg@example.org was not checked: 127.0.0.1:${sink.port} rejected the sender "SIGNED": ` +
    '"450 4.7.1 Greylisted"',
  ]);
});

const isMail = (line: string) => line.startsWith("MAIL");

Deno.test("each identity is tested on its own account; one without an account is a finding", async () => {
  await using home = new Sink({ extensions: [] });
  await using work = new Sink({ extensions: [] });
  const account = (name: string, port: number, from: string) =>
    `[[account]]\nname = "${name}"\nhost = "127.0.0.1"\nport = ${port}\nsecurity = "none"\nfrom = ["${from}"]\n`;
  const both = (pattern: string) =>
    'via = "smtp"\n' + account("home", home.port, "*@example.org") + account("work", work.port, pattern);
  assert.deepEqual(await examined(both("*@work.example"), GREG, JOE), []);
  assert.deepEqual(envelopes(home).filter((line) => line.startsWith("RCPT")), [
    "RCPT TO:<greg@example.org>",
    "RCPT TO:<greg@example.org>",
  ]);
  assert.ok(envelopes(work).includes("MAIL FROM:<joe@work.example>"));
  assert.deepEqual(await examined(both("*@other.example"), GREG, JOE), [
    `${FILE}:6 No account sends mail of "joe@work.example" | ` +
    "add the address to account.from, or set account.default = true in one of them",
    'Account "work" does not send mail of any identity, so mail sent through it is not signed',
  ]);
});

test("a program that prints the password", async () => {
  using authority = await Authority.make();
  const leaf = await authority.leaf("IP:127.0.0.1");
  await using sink = new Sink({ extensions: ["AUTH PLAIN XOAUTH2"] }, leaf);
  const found = async (command: string, name = "password_command") => {
    const more = `ca = "${authority.ca}"\nuser = "greg"\n${name} = ["/bin/sh", "-c", "${command}"]`;
    const [note, ...others] = (await examined(smtp(sink.port, more))).toReversed();
    assert.equal(
      note,
      `transport.${name} is /bin/sh, with which the sandbox permits the shim to run any program: name a script instead`,
    );
    return others.map((one) => one.replace(FILE, "FILE"));
  };
  const script = `${authority.folder}/password.sh`;
  writeExecutable(script, "#!/bin/sh\necho secret\n");
  const own = `ca = "${authority.ca}"\nuser = "greg"\npassword_command = ["${script}"]`;
  assert.deepEqual(await examined(smtp(sink.port, own)), []);
  assert.deepEqual(await found("echo secret"), []);
  assert.deepEqual(await found("exit 1"), [
    "FILE:10 transport.password_command exited with status 1 | unlock the keyring, or run the program in a terminal",
  ]);
  assert.deepEqual(await found("echo a; echo b"), [
    "FILE:10 transport.password_command printed 2 lines instead of one line | " +
    "let it print the secret alone, on one line",
  ]);
  sink.answers.auth = "535 5.7.8 secret is wrong";
  assert.deepEqual(await found("echo secret"), [
    `FILE:9 127.0.0.1:${sink.port} rejected the login of "greg": "535 5.7.8 … is wrong" | ` +
    "Check transport.user and what transport.password_command prints",
  ]);
  assert.deepEqual(await found("echo secret", "oauth2_command"), [
    `FILE:9 127.0.0.1:${sink.port} rejected the login of "greg": "535 5.7.8 … is wrong" | ` +
    "Check transport.user and what transport.oauth2_command prints",
  ]);
});
