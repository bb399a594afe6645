/** Accounts: what accountsIn() returns, and the errors in their settings with line and fix. */
import assert from "node:assert/strict";
import { errorText, Fail } from "../../../lib/fail.ts";
import { accountsIn } from "../../../lib/settings/accounts.ts";
import { parseConfig } from "../../../lib/settings/parse.ts";

const SOURCE = { file: "/c.toml", home: "/home/greg" };
const IDENTITY = '[[identity]]\naddress = "greg@example.org"\n';
const parse = (text: string) => parseConfig(IDENTITY + text, SOURCE);
/** The settings begin on line 3. */
const SMTP = 'transport.via = "smtp"\n';
const settings = (text: string) => parseConfig(SMTP + text + IDENTITY, SOURCE);
const account = (name: string, more = "default = true\n") =>
  `[[account]]\nname = "${name}"\nhost = "${name}.example"\n${more}`;

function bad(text: string, expected: string): void {
  assert.throws(() => parseConfig(text, SOURCE), (error) => {
    assert.ok(error instanceof Fail && error.kind === "config", `${error}`);
    assert.equal(errorText(error).replace("/c.toml:", ""), expected, text);
    return true;
  });
}

Deno.test("via other than smtp has no accounts", () => {
  assert.deepEqual(accountsIn(parse('[transport]\npreset = "sendmail"\n')), []);
  assert.deepEqual(accountsIn(parse('[transport]\nvia = "maildir"\nmaildir = "/m"\nhost = "h"\n')), []);
});

Deno.test("the server of [transport] is the one account, and the default", () => {
  const more = 'port = 2525\nca = "/ca"\nuser = "u"\npassword_file = "/p"\ntimeout = 7\nhelo = "h"\n';
  const [one, ...others] = accountsIn(parse(`[transport]\nvia = "smtp"\nhost = "smtp.example.org"\n${more}`));
  assert.deepEqual(others, []);
  const { name, table, host, port, ca, user, password_file, timeout, helo, sender, from } = one!;
  assert.deepEqual([name, table, host, port, ca, user], ["", "transport", "smtp.example.org", 2525, "/ca", "u"]);
  assert.deepEqual([password_file, timeout, helo, sender, from, one!.default], ["/p", 7, "h", "", [], true]);
});

Deno.test("accounts keep their order, and share the timeout and EHLO name of [transport]", () => {
  const text = account("a", 'from = ["Greg@Example.org"]\nsender = "prvs"\n') + account("b");
  const list = accountsIn(settings(`transport.timeout = 9\ntransport.helo = "laptop"\n${text}`));
  assert.deepEqual(list.map((one) => [one.name, one.table, one.host, one.default, one.sender, one.timeout, one.helo]), [
    ["a", "account", "a.example", false, "prvs", 9, "laptop"],
    ["b", "account", "b.example", true, "", 9, "laptop"],
  ]);
  assert.deepEqual(list[0]!.from, ["greg@example.org"], "compared in lower case");
  assert.equal(accountsIn(settings(account("a", "")))[0]!.default, true, "a single account is the default");
});

Deno.test("mail in the clear goes to this machine only", () => {
  const clear = (host: string) => `[[account]]\nname = "a"\nhost = "${host}"\nsecurity = "none"\n`;
  for (const host of ["localhost", "127.0.0.1", "127.255.10.2", "::1"]) {
    assert.equal(accountsIn(settings(clear(host)))[0]!.host, host);
  }
  for (const host of ["xlocalhost", "localhost.x", "127.0.0", "127.0..1", "127.0.0.1000", "1.127.0.0.1", "::12"]) {
    const what = '5: account.security = "none" is allowed for a server on this machine only';
    bad(SMTP + clear(host) + IDENTITY, what);
  }
});

Deno.test("errors name the line and the remedy", () => {
  const inFile = (text: string, expected: string) => bad(SMTP + text + IDENTITY, expected);
  bad(
    `[transport]\npreset = "sendmail"\n${account("a")}${IDENTITY}`,
    '3: [[account]] requires transport.via = "smtp": set transport.via = "smtp"',
  );
  const both = (setting: string) =>
    bad(
      `[transport]\nvia = "smtp"\n${setting}\n${account("a")}${IDENTITY}`,
      `3: transport.${setting.split(" ")[0]} cannot be used with [[account]]: ` +
        "move the settings of the server to an [[account]]",
    );
  both('host = "smtp.example.org"');
  both("port = 25");
  both('security = "starttls"');
  both('ca = "/ca"');
  both('user = "u"');
  both('password_file = "/p"');
  both('password_command = ["/bin/p"]');
  both('oauth2_command = ["/bin/p"]');
  inFile(account("a") + account("a", ""), '7: Account "a" is configured twice');
  inFile(account("a") + account("b"), '9: Account "a" is also the default: set account.default in one of them');
  inFile(
    account("a") + account("b", ""),
    '6: Account "b" is never used: set account.from, or account.default = true',
  );
  inFile(
    account("a", 'from = ["*@example.org"]\n') + account("b", 'from = ["x@example.org", "*@EXAMPLE.org"]\n'),
    '9: Pattern "*@example.org" is also in account "a"',
  );
  inFile(
    account("a", 'security = "none"\n'),
    '5: account.security = "none" is allowed for a server on this machine only',
  );
  inFile(
    account("a", 'user = "u"\n'),
    "5: account.user requires password_file, password_command or oauth2_command",
  );
  inFile(account("a", 'password_command = ["/bin/p"]\n'), "5: account.password_command requires account.user");
  inFile(
    account("a", 'user = "u"\noauth2_command = ["/bin/t"]\npassword_command = ["/bin/p"]\n'),
    "6: account.oauth2_command cannot be used with account.password_command: remove one of them",
  );
  const none = 'host = "127.0.0.1"\nsecurity = "none"\nuser = "u"\npassword_file = "/p"\n';
  inFile(
    `[[account]]\nname = "a"\n${none}`,
    '6: account.user cannot be used with security = "none": passwords are sent over TLS only',
  );
  inFile(account("a b"), '3: account.name: "a b" is not a name of letters, digits and . _ @ + -');
});
