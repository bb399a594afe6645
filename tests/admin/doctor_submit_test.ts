/** doctor and submitd: certificate, passwords, logins. */
import assert from "node:assert/strict";
import { Authority } from "../certificates.ts";
import { Home } from "../rig.ts";
import { countersign } from "./run.ts";

/** The findings whose place is this file, or all about submitd. */
async function whats(home: Home): Promise<string[]> {
  const { stdout } = await countersign(home, ["doctor", "--json"]);
  const all: { what: string; why: string }[] = JSON.parse(stdout).findings;
  return all.filter(({ why }) => /submitd|root cannot|Clients/.test(why)).map(({ what }) => what);
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
        'certificate = "~/cert.pem"\nkey = "~/key.pem"\n',
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
