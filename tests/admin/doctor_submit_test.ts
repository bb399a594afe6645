/** doctor and submitd: certificate, passwords, logins. */
import assert from "node:assert/strict";
import { readArguments } from "../../admin/arguments.ts";
import { createContext } from "../../admin/doctor/context.ts";
import { checkSubmit } from "../../admin/doctor/submit.ts";
import { dovecotTrouble } from "../../admin/doctor/submit_live.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { Authority } from "../certificates.ts";
import { Home } from "../rig.ts";
import { countersign } from "./run.ts";

/** The findings about submitd. */
async function whats(home: Home): Promise<string[]> {
  const file = `${home.path}/.config/countersign/config.toml`;
  const context = createContext(readArguments(["--config", file], { values: ["config"] }));
  const settings = parseConfig(home.read(".config/countersign/config.toml"), { file, home: home.path });
  await checkSubmit(context, settings);
  return context.findings.filter(({ id }) => id.startsWith("submit-")).map(({ what }) => what);
}

Deno.test("doctor checks what submitd is configured with", async () => {
  using home = new Home();
  using authority = await Authority.make();
  const { cert, key } = await authority.leaf("DNS:localhost", 100);
  home.write("cert.pem", cert);
  home.write("key.pem", key, 0o600);
  const hash = "$scrypt$ln=14,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  home.write("users", `greg:${hash}\n`, 0o600);
  const configure = (auth: string, logins = '[[identity]]\naddress = "b@example.org"\nkeys = "b"\nlogins = ["b"]\n') =>
    home.settings(
      `${logins}[transport]\nvia = "maildir"\nmaildir = "~/out"\n[submit]\nauth = "${auth}"\n` +
        'certificate = "~/cert.pem"\nkey = "~/key.pem"\nlisten = []\nlisten_tls = []\n',
    );
  configure(`file:${home.path}/users`);
  assert.deepEqual(await whats(home), []);

  home.write("users", `root:${hash}\nx:${hash}:root\n`, 0o600);
  assert.deepEqual(await whats(home), ["root is a login of root", "x is a login of root"]);
  Deno.chmodSync(`${home.path}/users`, 0o644);
  Deno.chmodSync(`${home.path}/key.pem`, 0o644);
  assert.deepEqual(await whats(home), [
    "Key of the certificate is readable by others (mode 0644)",
    "File of logins is readable by others (mode 0644)",
  ]);
  Deno.chmodSync(`${home.path}/users`, 0o600);
  home.write("users", `greg:${hash}\n`, 0o600);
  const other = await authority.leaf("DNS:localhost", 100);
  home.write("key.pem", other.key, 0o600);
  assert.deepEqual(await whats(home), ["Key does not match the certificate"]);
  home.write("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600);
  assert.match((await whats(home)).join("\n"), /^Key of the certificate cannot be used: /);
  const soon = await authority.leaf("DNS:localhost", 10);
  home.write("cert.pem", soon.cert);
  home.write("key.pem", soon.key, 0o600);
  configure("dovecot:/nonexistent/auth", "");
  assert.deepEqual(await whats(home), [
    "The certificate expires in 9 days",
    "/nonexistent/auth does not exist",
    "No identity belongs to a login",
  ]);
  configure("checkpassword:/nonexistent/checkpassword");
  const [, program] = await whats(home);
  assert.match(program!, /^\/nonexistent\/checkpassword /);
});

Deno.test("a socket that is not that of Dovecot's authentication service", async () => {
  using home = new Home();
  const path = `${home.path}/auth`;
  using listener = Deno.listen({ transport: "unix", path });
  for (
    const [greeting, trouble] of [
      ["VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\nDONE\n", undefined],
      ["VERSION\t1\t2\nMECH\tCRAM-MD5\nDONE\n", "does not offer the mechanism PLAIN"],
      ["* OK ready\n", "cannot be used: Dovecot closed the connection"],
    ] as const
  ) {
    const answered = listener.accept().then(async (connection) => {
      using open = connection;
      await open.write(new TextEncoder().encode(greeting));
      await open.read(new Uint8Array(1024)); // or a reset would discard the greeting
    });
    assert.equal(await dovecotTrouble(path), trouble);
    await answered;
  }
});

Deno.test("doctor on a site file with unconfigured = pass has no findings about identities", async () => {
  using home = new Home();
  home.settings("", "");
  home.write(
    ".config/countersign/config.toml",
    'unconfigured = "pass"\n[transport]\nvia = "maildir"\nmaildir = "~/out"\n[submit]\ncheck_sender = "login"\n',
  );
  Deno.mkdirSync(`${home.path}/.local/state/countersign`, { recursive: true, mode: 0o700 });
  const { code, stdout, stderr } = await countersign(home, ["doctor", "--json"]);
  assert.deepEqual([code, JSON.parse(stdout).findings, stderr], [0, [], ""]);
});
