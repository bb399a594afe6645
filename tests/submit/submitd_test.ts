/** submitd: what a client that has logged in sends leaves like a message from mutt. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { Clients } from "../../submit/submitd/clients.ts";
import { Door } from "../../submit/submitd/listen.ts";
import { Authority } from "../certificates.ts";
import { fieldOf } from "../rig.ts";
import { nothingSent, stubArguments, stubInput, stubRuns } from "../stub.ts";
import { MAIL, RawSmtp } from "./raw_smtp.ts";
import { SubmitdHome } from "./submitd_home.ts";

Deno.test("a submitted message is signed, and has a Received field above", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.tls(one.tls, one.ca);
  assert.match(await client.say("EHLO phone.example"), /250-AUTH PLAIN LOGIN\n250 SIZE 50000000$/);
  assert.match(await client.logIn("greg", "secret"), /^235 /);
  assert.equal(await client.submit(MAIL), "250 2.0.0 Ok");
  assert.match(await client.say("QUIT"), /^221 /);
  assert.match(stubArguments(one.home)[2]!, /^SRS0=.*=example\.org=greg@srs\.example\.org$/);
  const sent = stubInput(one.home);
  assert.match(
    sent,
    /^Received: from \[127\.0\.0\.1\] by mx\.example\.org with ESMTPSA; .*\nFrom: greg@example\.org\n/,
  );
  assert.match(fieldOf(sent, "X-Msgauth"), /^v1\.k1\./);
  assert.ok(sent.endsWith("\n\nHello.\n"), sent);
  assert.match(one.home.read(".local/state/countersign/log"), /login=greg .*result=sent/);
  assert.deepEqual(one.reports, []);
});

Deno.test("STARTTLS: AUTH is offered after it only", async () => {
  await using one = await SubmitdHome.start();
  using client = await RawSmtp.open(one.port, one.ca);
  const before = await client.say("EHLO phone.example");
  assert.match(before, /250-STARTTLS/);
  assert.doesNotMatch(before, /AUTH/);
  await client.startTls();
  const after = await client.say("EHLO phone.example");
  assert.match(after, /AUTH PLAIN LOGIN/);
  assert.doesNotMatch(after, /STARTTLS/);
  assert.match(await client.logIn("greg", "secret"), /^235 /);
  assert.equal(await client.submit(MAIL), "250 2.0.0 Ok");
  assert.equal(stubRuns(one.home), 1);
});

Deno.test("a client that disconnects before the final dot has sent nothing", async () => {
  await using one = await SubmitdHome.start();
  {
    using client = await RawSmtp.greg(one.tls, one.ca);
    await client.begin();
    await client.send(MAIL);
  }
  using other = await RawSmtp.greg(one.tls, one.ca);
  assert.match(await other.say("NOOP"), /^250 /);
  nothingSent(one.home);
});

Deno.test("an IPv6 address that is in use is named as in the settings", async () => {
  using other = Deno.listen({ hostname: "::1", port: 0 });
  const { port } = other.addr as Deno.NetAddr;
  const door = new Door(new Clients(1, 1));
  await assert.rejects(door.listen({ host: "::1", port }, createServer()), {
    message: new RegExp(`^\\[::1\\]:${port} `),
  });
});

Deno.test("a key that does not match the certificate is refused, and the previous pair stays in use", async () => {
  await using one = await SubmitdHome.start();
  using authority = await Authority.make();
  const { cert, key } = await authority.leaf("IP:127.0.0.1");
  one.home.write("cert.pem", cert); // a renewal that has not written the key yet
  assert.throws(() => one.server.reload(one.settings()), {
    kind: "config",
    message: "Key does not match the certificate",
  });
  (await RawSmtp.tls(one.tls, one.ca))[Symbol.dispose]();
  one.home.write("key.pem", key, 0o600);
  one.server.reload(one.settings());
  (await RawSmtp.tls(one.tls, authority.ca))[Symbol.dispose]();
});
