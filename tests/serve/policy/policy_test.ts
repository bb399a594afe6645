/** The role `policy`: which action Postfix gets for which request. */
import assert from "node:assert/strict";
import { srsForward } from "../../../lib/srs.ts";
import { EngineHome } from "../engine.ts";
import { DAY_MS, PLAIN, srs, unreadable } from "../at_door.ts";
import { hear, RequestsServer } from "../requests_server.ts";
import { utf8 } from "../../../lib/bytes.ts";
import { actionFor, policyProtocol } from "../../../serve/policy/policy.ts";
import { MAX_POLICY_BYTES, PolicyReader } from "../../../serve/policy/request.ts";

/** A request as Postfix 3.7 sends it at RCPT, with some values changed; undefined removes one. */
function request(sender: string, recipient: string, changes: Record<string, string | undefined> = {}): string {
  const values: Record<string, string | undefined> = {
    request: "smtpd_access_policy",
    protocol_state: "RCPT",
    protocol_name: "ESMTP",
    client_address: "192.0.2.1",
    client_name: "unknown",
    helo_name: "mx.b.example",
    sender,
    recipient,
    recipient_count: "0",
    queue_id: "",
    instance: "7b.66f0a1.2.0",
    size: "0",
    sasl_method: "",
    sasl_username: "",
    ...changes,
  };
  const lines = Object.entries(values).filter(([, value]) => value !== undefined);
  return `${lines.map(([name, value]) => `${name}=${value}\n`).join("")}\n`;
}

const attributes = (text: string) => {
  const reader = new PolicyReader();
  reader.push(utf8(text));
  return reader.next()!;
};
const action = (home: EngineHome, text: string) => actionFor(attributes(text), () => home.engine.loaded);

const contact = 'moved = "moved"\ncontact = "https://example.org/mail"';
const CONTACT = "; Contact: https://example.org/mail";

Deno.test("each request gets the action of the door, on one line", async (t) => {
  using home = new EngineHome(contact, { prvs: true });
  home.write("moved", "old@example.org new@example.net\nann@example.org ann@example.net\n");
  home.write("site.toml", home.read("site.toml").replace("srs_domain", "refuse_unsigned = true\nsrs_domain"));
  assert.equal(home.engine.reload(), undefined);
  const wrong = srs("greg", "mallory");
  const old = srs("greg", undefined, 40);
  const none = `550 5.1.1 No such address${CONTACT}`;
  const moved = (to: string) => `551 5.1.6 The address has changed, please write to <${to}>${CONTACT}`;
  const rows: [what: string, text: string, expected: string][] = [
    ["a wrong hash", request("", wrong), none],
    ["a wrong hash, from a person", request("jo@b.example", wrong), none],
    ["another address in the SRS domain", request("jo@b.example", "info@srs.example.org"), none],
    ["a prvs address with a wrong hash", request("", `prvs=0000abcdef=${PLAIN}`), none],
    ["a valid address", request("", srs()), "DUNNO"],
    ["a late bounce", request("", old), "DUNNO"],
    [
      "an expired address, from a person",
      request("jo@b.example", old),
      `551 5.1.6 The address has expired, please write to <${PLAIN}>${CONTACT}`,
    ],
    [
      "the null sender to an identity",
      request("", PLAIN),
      `550 5.7.1 This address is not used as an envelope sender and accepts no bounces${CONTACT}`,
    ],
    ["a person to an identity", request("jo@b.example", PLAIN), "DUNNO"],
    ["a mailer daemon to an identity", request("MAILER-DAEMON@b.example", PLAIN), "DUNNO"],
    ["an unrelated recipient", request("", "jo@b.example"), "DUNNO"],
    ["an address that has moved", request("jo@b.example", "Old@example.org"), moved("new@example.net")],
    ["an identity that has moved", request("jo@b.example", "ann@example.org"), moved("ann@example.net")],
    ["a bounce to it", request("", "ann@example.org"), "DUNNO"],
    ["postmaster", request("", "postmaster@srs.example.org"), "DUNNO"],
    ["postmaster without a domain", request("", "postmaster"), "DUNNO"],
    ["abuse", request("jo@b.example", "Abuse@srs.example.org"), "DUNNO"],
    ["qmail's double bounce", request("#@[]", wrong), "DUNNO"],
    ["a quoted local part, which Postfix sends without quotes", request("", 'a "b c@srs.example.org'), none],
    // What is not about a recipient.
    ...["CONNECT", "EHLO", "HELO", "MAIL", "DATA", "END-OF-MESSAGE", "VRFY", "ETRN", "rcpt", ""].map((state) =>
      [`in the state ${state}`, request("", wrong, { protocol_state: state }), "DUNNO"] as [string, string, string]
    ),
    ["another kind of request", request("", wrong, { request: "junk" }), "DUNNO"],
    ["no kind of request", request("", wrong, { request: undefined }), "DUNNO"],
    ["no sender", request("", wrong, { sender: undefined }), "DUNNO"],
    ["no recipient", request("", wrong, { recipient: undefined }), "DUNNO"],
    ["an empty recipient", request("", ""), "DUNNO"],
    ["a recipient that is not UTF-8", request("", `${wrong}\ufffd`), "DUNNO"],
    ["an unknown attribute", request("", wrong, { compatibility_level: "3.6", x: "a=b" }), none],
    ["an attribute twice", request("", wrong).replace("\n\n", "\nrecipient=jo@b.example\n\n"), "DUNNO"],
    ["a line without =", request("", wrong).replace("\n\n", "\njunk\n\n"), "DUNNO"],
    ["no attribute", "\n", "DUNNO"],
    ["a name of Object", "constructor=1\n__proto__=2\n\n", "DUNNO"],
  ];
  for (const [what, text, expected] of rows) {
    await t.step(what, () => assert.equal(action(home, text), expected));
  }
  await t.step("access(5) would take a code with a hyphen, or a status alone, for a table", () => {
    for (const [, text] of rows) assert.match(action(home, text), /^(?:DUNNO|55[01] 5\.\d\.\d [A-Z][ -~]+)$/);
  });
  await t.step("nothing is rejected unless incoming.forged is refuse, except what the settings say", () => {
    home.configure(contact, { forged: "spam" });
    assert.equal(home.engine.reload(), undefined);
    assert.equal(action(home, request("", wrong)), "DUNNO");
    assert.equal(action(home, request("jo@b.example", "old@example.org")), moved("new@example.net"));
  });
});

Deno.test("what cannot be judged passes, and the log says why", () => {
  using home = unreadable("greg");
  assert.equal(action(home, request("", srs("greg", "mallory"))), "DUNNO");
  assert.match(home.log().at(-1)!, / at=policy sender=<> identity=greg@example\.org outcome=passed error=/);
  using ahead = new EngineHome();
  ahead.write("keys/greg", `k1 2999-01-01 a secret of the future, for tests\n`, 0o600);
  assert.equal(ahead.engine.reload(), undefined);
  assert.equal(action(ahead, request("", srs("greg", "mallory"))), "DUNNO");
});

Deno.test("the grace period applies to refuse_unsigned, as at the door", () => {
  using home = new EngineHome();
  const text = home.read("site.toml").replace("srs_domain", "refuse_unsigned = true\nsrs_domain");
  const since = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);
  for (const [days, expected] of [[3, /^DUNNO$/], [30, /^550 5\.7\.1 /]] as const) {
    home.write("site.toml", `since = ${since(days)}\n${text}`);
    assert.equal(home.engine.reload(), undefined);
    assert.match(action(home, request("", PLAIN)), expected);
  }
});

Deno.test("in an SRS domain that is also that of forwarded mail, addresses of others must be forwarded ones", async (t) => {
  const secret = "a secret for forwarded mail only";
  const none = "550 5.1.1 No such address";
  const forwarded = (sender: string, { by = secret, days = 0 } = {}) =>
    srsForward(sender, "srs.example.org", {
      secrets: [by],
      hashLength: 8,
      alphabet: "base64url",
      now: new Date(Date.now() - days * DAY_MS),
    });
  const start = (more = "", forged = "refuse") => {
    const home = new EngineHome(`[forwarding]\ndomain = "SRS.example.org"\n${more}`, { forged });
    home.write("forwarding-keys", `f1 2026-11-01 ${secret}\n`, 0o600);
    assert.equal(home.engine.reload(), undefined);
    return home;
  };
  const wrong = forwarded("jo@b.example", { by: "mallory" });
  await t.step("addresses", () => {
    using home = start();
    const rows: [recipient: string, expected: string][] = [
      [forwarded("jo@b.example"), "DUNNO"],
      [forwarded("SRS0=abcd=KA=c.example=jo@b.example"), "DUNNO"],
      [wrong, none],
      [forwarded("jo@b.example", { days: 22 }), none],
      [forwarded("SRS0=abcd=KA=c.example=jo@b.example", { by: "mallory" }), none],
      ["SRS0=abcd=KA=example.org=greg@srs.example.org", none],
      ["SRS0=abcd=KA=jo@srs.example.org", none],
      ["jo@srs.example.org", none],
      [srs(), "DUNNO"],
      [srs("greg", secret), none],
    ];
    for (const [recipient, expected] of rows) assert.equal(action(home, request("", recipient)), expected, recipient);
    const [line] = home.log().filter((one) => one.includes("not a forwarded address"));
    assert.match(
      line!,
      / result=forged check=signed-recipient outcome=refused why="not a forwarded address: wrong hash"$/,
    );
  });
  await t.step("a pattern in `also` does not match them", () => {
    using home = start();
    const site = home.read("site.toml").replace("SRS.example.org", "example.org");
    home.write("site.toml", site.replace("srs_domain", 'also = ["*@example.org"]\nrefuse_unsigned = true\nsrs_domain'));
    assert.equal(home.engine.reload(), undefined);
    const bounce = (address: string) => action(home, request("", address.replace(/@.*/, "@example.org")));
    assert.equal(bounce(forwarded("jo@b.example")), "DUNNO");
    assert.match(bounce(wrong), /^550 /);
    assert.match(bounce("jo@"), /^550 /);
  });
  await t.step("a wrong one passes if other programs sign in the domain, or nothing is rejected", () => {
    for (const home of [start(`[srs]\nothers = "pass"\n`), start("", "mark")]) {
      assert.equal(action(home, request("", wrong)), "DUNNO");
      home[Symbol.dispose]();
    }
  });
  await t.step("a key that cannot be read, or is dated in the future, rejects nothing", () => {
    using home = start();
    home.write("forwarding-keys", `f1 2999-01-01 ${secret}\n`, 0o600);
    assert.equal(home.engine.reload(), undefined);
    assert.equal(action(home, request("", wrong)), "DUNNO");
    Deno.chmodSync(`${home.path}/forwarding-keys`, 0o644);
    assert.equal(home.engine.reload(), undefined);
    assert.equal(action(home, request("", wrong)), "DUNNO");
  });
});

Deno.test("several requests on one connection, split anywhere, are answered in their order", async () => {
  using home = new EngineHome();
  await using server = await RequestsServer.start(policyProtocol(() => home.engine.loaded));
  const text = request("", srs("greg", "mallory")) + request("jo@b.example", PLAIN) + "\n" +
    request("", "info@srs.example.org");
  const refused = "action=550 5.1.1 No such address\n\n";
  const expected = `${refused}action=DUNNO\n\naction=DUNNO\n\n${refused}`;
  assert.equal(await server.say(text), expected);
  assert.equal(await server.say(...utf8(text).values().map((byte) => Uint8Array.of(byte))), expected);
  assert.deepEqual(server.reports, []);
});

Deno.test("a request that is too long passes, and its connection is closed", async () => {
  using home = new EngineHome();
  await using server = await RequestsServer.start(policyProtocol(() => home.engine.loaded));
  const long = `x=${"y".repeat(MAX_POLICY_BYTES)}`;
  for (const text of [long, `${long}\n\n${request("", PLAIN)}`]) {
    assert.equal(await server.say(text), "action=DUNNO\n\n");
    assert.match(server.reports.pop()!, /Policy request is longer than 65536 bytes/);
  }
  for (let nth = 0; nth < 100; nth++) {
    const bytes = crypto.getRandomValues(new Uint8Array(nth * 11));
    assert.match(await server.say(bytes), /^(?:action=DUNNO\n\n)*$/);
  }
  assert.deepEqual(server.reports, []);
});

Deno.test("1,000 peers that stop in the middle of a request do not delay another", async () => {
  using home = new EngineHome();
  await using server = await RequestsServer.start(policyProtocol(() => home.engine.loaded));
  const peers: Deno.Conn[] = [];
  while (peers.length < 1000) peers.push(await server.connect());
  const part = utf8(`request=smtpd_access_policy\nhelo_name=${"x".repeat(4000)}`);
  for (const peer of peers) await peer.write(part);
  const start = performance.now();
  assert.equal(await server.say(request("", "info@srs.example.org")), "action=550 5.1.1 No such address\n\n");
  assert.ok(performance.now() - start < 5000);
  assert.equal(server.connections, 1000);
  for (const peer of peers) peer.close();
});

Deno.test("a peer that is slow, idle or does not read is disconnected; one that is idle without a report", async () => {
  using home = new EngineHome();
  const limits = { idle: 100, request: 100 };
  await using server = await RequestsServer.start(policyProtocol(() => home.engine.loaded), limits);
  {
    using connection = await server.connect();
    assert.equal(await hear(connection), "");
    assert.deepEqual(server.reports, []);
  }
  {
    using connection = await server.connect();
    await connection.write(utf8("request=smtpd"));
    assert.equal(await hear(connection), "");
    assert.deepEqual(server.reports.splice(0), ["Request timed out"]);
  }
  {
    using connection = await server.connect();
    const text = utf8(request("", "info@srs.example.org").repeat(200));
    for (let tries = 0; tries < 1000 && server.reports.length === 0; tries++) {
      const written = connection.write(text).catch(() => 0);
      await Promise.race([written, new Promise((next) => setTimeout(next, 5))]);
    }
    assert.deepEqual(server.reports.splice(0), ["Request timed out"]);
  }
  using connection = await server.connect();
  await connection.write(utf8(request("", PLAIN)));
  assert.ok(await connection.read(new Uint8Array(100)));
  await server.stop();
  assert.equal(await hear(connection), "", "an idle connection does not delay the end");
});
