/** The backends that check passwords: a checkpassword program, Dovecot's protocol, the file of logins. */
import assert from "node:assert/strict";
import { authenticate } from "../../submit/auth/backend.ts";
import { askDovecot } from "../../submit/backends/dovecot.ts";
import { Clients, networkOf } from "../../submit/submitd/clients.ts";
import { Home } from "../rig.ts";
import { MAIL, RawSmtp } from "./raw_smtp.ts";
import { SubmitdHome } from "./submitd_home.ts";

/** Logs in as greg once. @returns the reply */
async function logIn(one: SubmitdHome, user = "greg", password = "secret"): Promise<string> {
  using client = await RawSmtp.tls(one.tls, one.ca);
  await client.say("EHLO x");
  return await client.logIn(user, password);
}

/** A checkpassword program that records what it gets, and ends with `then`. */
async function withProgram(then: string): Promise<SubmitdHome> {
  const one = await SubmitdHome.start();
  const { home } = one;
  const program = home.write(
    "checkpassword",
    `#!/bin/sh\ntr '\\0' '|' <&3 >${home.path}/got\necho "$@" >${home.path}/got.args\n${then}\n`,
    0o755,
  );
  const settings = one.settings();
  one.server.reload({ ...settings, submit: { ...settings.submit, auth: `checkpassword:${program}` } });
  return one;
}

for (
  const [then, reply] of [
    ['exec "$@"', /^235 /],
    ["exit 0", /^235 /],
    ["exit 1", /^535 /],
    ["exit 2", /^535 /],
    ["exit 111", /^454 /],
    ["exit 126", /^454 /],
    ["exit 127", /^454 /],
    ["kill -SEGV $$", /^454 /],
  ] as const
) {
  Deno.test(`checkpassword: ${then}`, async () => {
    await using one = await withProgram(then);
    assert.match(await logIn(one), reply);
    assert.equal(one.home.read("got"), "greg|secret||");
    assert.equal(one.home.read("got.args"), "/bin/true\n");
    assert.equal(one.reports.some((line) => line.startsWith("login failed")), reply.source.includes("535"));
  });
}

Deno.test("checkpassword: a program that does not exist, or reads nothing", async () => {
  await using one = await withProgram("exit 0");
  one.home.write("checkpassword", "#!/bin/sh\nexec 3<&-\nexit 1\n", 0o755);
  assert.match(await logIn(one), /^535 /);
  Deno.removeSync(`${one.home.path}/checkpassword`);
  assert.match(await logIn(one), /^454 /);
});

Deno.test("Dovecot's protocol: right, wrong, later, away; the login that it returns counts", async () => {
  await using one = await SubmitdHome.start();
  const path = `${one.home.path}/auth`;
  const settings = one.settings();
  one.server.reload({ ...settings, submit: { ...settings.submit, auth: `dovecot:${path}` } });
  assert.match(await logIn(one), /^454 /, "away");
  let answer = "";
  let asked = "";
  const listener = Deno.listen({ transport: "unix", path });
  const serving = (async () => {
    for await (const connection of listener) {
      await connection.write(new TextEncoder().encode("VERSION\t1\t2\nMECH\tPLAIN\nDONE\n"));
      const buffer = new Uint8Array(4096);
      for (let count; !asked.endsWith("\n") || !asked.includes("AUTH\t");) {
        if ((count = await connection.read(buffer)) === null) break;
        asked += new TextDecoder().decode(buffer.subarray(0, count));
      }
      await connection.write(new TextEncoder().encode(answer));
      connection.close();
    }
  })().catch(() => {});
  for (
    const [given, reply] of [
      ["OK\t1\tuser=greg\n", /^235 /],
      ["FAIL\t1\tuser=greg\n", /^535 /],
      ["FAIL\t1\tuser=greg\ttemp\n", /^454 /],
      ["", /^454 /],
      ["OK\t1\tuser=root\n", /^535 /],
    ] as const
  ) {
    [answer, asked] = [given, ""];
    assert.match(await logIn(one, "Greg"), reply, given);
    assert.match(asked, /\tservice=smtp\tsecured=tls\tnologin\trip=127\.0\.0\.1\tresp=AEdyZWcAc2VjcmV0\n$/);
  }
  [answer, asked] = ["OK\t1\tuser=greg\n", ""];
  using client = await RawSmtp.tls(one.tls, one.ca);
  await client.say("EHLO x");
  assert.match(await client.logIn("GREG", "secret"), /^235 /);
  assert.match(await client.submit(MAIL), /^250 /, "the identity of greg");
  listener.close();
  await serving;
});

Deno.test("the connection to a Dovecot that does not respond is closed after the time limit", async () => {
  using home = new Home();
  const path = `${home.path}/auth`;
  using listener = Deno.listen({ transport: "unix", path });
  const accepted = listener.accept();
  const asked = askDovecot(path, { user: "greg", password: "secret" }, "192.0.2.1", 50);
  using connection = await accepted;
  await assert.rejects(asked, { kind: "temporary", message: /^Dovecot cannot be reached: no answer within 0\.05 s$/ });
  // The other end is closed: after the request there is end of input.
  const buffer = new Uint8Array(4096);
  const late = setTimeout(() => connection.close(), 10_000); // then the next read fails
  while (await connection.read(buffer) !== null);
  clearTimeout(late);
});

Deno.test("the file of logins: its mode is checked", async () => {
  await using one = await SubmitdHome.start();
  Deno.chmodSync(`${one.home.path}/users`, 0o640);
  assert.match(await logIn(one), /^454 /);
  assert.match(one.reports.join("\n"), /File of logins is readable by others/);
  Deno.chmodSync(`${one.home.path}/users`, 0o600);
  assert.match(await logIn(one), /^235 /, "without a restart");
});

Deno.test("a login that is not UTF-8, or is too long, is never right", async () => {
  const file = { kind: "file", path: "/nonexistent/users" } as const;
  for (const [user, password] of [["gr\ufffdg", "secret"], ["greg", "\ufffd"], ["g".repeat(256), "x"], ["greg", ""]]) {
    assert.equal(await authenticate(file, user!, password!, "192.0.2.1"), undefined);
  }
});

Deno.test("an address whose logins have failed twenty times is refused for ten minutes", () => {
  const clients = new Clients(10, 2);
  for (let count = 1; count < 20; count++) assert.equal(clients.failed("2001:db8::1", 1, 0), true, `${count}`);
  assert.notEqual(clients.open("2001:db8::2", 1), undefined);
  assert.equal(clients.failed("2001:db8:0:0:ffff::1", 1, 0), false);
  assert.equal(clients.open("2001:db8::2", 1), undefined, "the same network");
  assert.notEqual(clients.open("2001:db8:0:1::2", 1), undefined, "another one");
  assert.notEqual(clients.open("2001:db8::2", 600_001), undefined);
});

Deno.test("connections are counted for each network, and together", () => {
  const clients = new Clients(3, 2);
  const closed = [clients.open("192.0.2.1", 0), clients.open("::ffff:192.0.2.1", 0)];
  assert.equal(clients.open("192.0.2.1", 0), undefined);
  assert.notEqual(clients.open("192.0.2.2", 0), undefined);
  assert.equal(clients.open("192.0.2.3", 0), undefined);
  closed[0]!();
  closed[0]!();
  assert.equal(clients.count, 2);
  assert.notEqual(clients.open("192.0.2.3", 0), undefined);
  for (
    const [ip, network] of [["192.0.2.1", "192.0.2.1"], ["2001:db8::1", "2001:db8:0:0"], ["::1", "0:0:0:0"], [
      "2001:0DB8:0001:2:3:4:5:6",
      "2001:db8:1:2",
    ]]
  ) assert.equal(networkOf(ip!), network);
});
