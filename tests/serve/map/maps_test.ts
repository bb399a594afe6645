/** The maps of the socket `map`: what each answers, and what forwarding never says about an identity. */
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/bytes.ts";
import { prvsSign } from "../../../lib/prvs.ts";
import { srsForward } from "../../../lib/srs.ts";
import { mapProtocol, MAPS, replyTo } from "../../../serve/map/maps.ts";
import { MAX_NETSTRING_BYTES, netstring } from "../../../serve/map/netstring.ts";
import { CREATED, SECRET } from "../../rig.ts";
import { DAY_MS, PLAIN, srs, unreadable } from "../at_door.ts";
import { EngineHome } from "../engine.ts";
import { RequestsServer } from "../requests_server.ts";

const FORWARD_SECRET = "a secret for forwarded mail only";
const DOMAIN = "fwd.example.net";
const SETTINGS = `[forwarding]\ndomain = "${DOMAIN}"\nexclude = ["example.org", "*.example.org"]\n`;

/** An engine that forwards. */
function forwarder(more = "", keys = `f1 ${CREATED} ${FORWARD_SECRET}\n`, options = {}): EngineHome {
  const home = new EngineHome(`${more}\n${SETTINGS}`, options);
  home.write("forwarding-keys", keys, 0o640);
  assert.equal(home.engine.reload(), undefined);
  return home;
}

const ask = (home: EngineHome, request: string) => replyTo(request, () => home.engine.loaded);
const OPTIONS = { hashLength: 8, alphabet: "base64url" } as const;
/** A forwarded address, by default with the right secret and of today. */
const forwarded = (sender: string, { secret = FORWARD_SECRET, days = 0, domain = DOMAIN, hashLength = 8 } = {}) =>
  srsForward(sender, domain, { ...OPTIONS, hashLength, secrets: [secret], now: new Date(Date.now() - days * DAY_MS) });

Deno.test("srs-reverse returns the plain address of what the hook would deliver", async (t) => {
  using home = new EngineHome("", { prvs: true });
  const rows: [string, string][] = [
    [srs(), `OK ${PLAIN}`],
    [srs().toUpperCase(), "OK greg@example.org"],
    [`"${srs().replace("@", '"@')}`, `OK ${PLAIN}`],
    [srs("greg", undefined, 40), `OK ${PLAIN}`],
    [srs("greg", undefined, 200), "NOTFOUND "],
    [srs("greg", "mallory"), "NOTFOUND "],
    [srs("ann"), "NOTFOUND "],
    [srs("ann", `ann ${SECRET}`), "OK ann@example.org"],
    [forwarded("jo@b.example", { domain: "srs.example.org" }), "NOTFOUND "],
    ["postmaster@srs.example.org", `OK ${PLAIN}`],
    ["Abuse@SRS.example.org", `OK ${PLAIN}`],
    ["info@srs.example.org", "NOTFOUND "],
    [PLAIN, "NOTFOUND "],
    ["postmaster@example.org", "NOTFOUND "],
    ["jo@b.example", "NOTFOUND "],
    [prvsSign(PLAIN, { secret: `greg ${SECRET}`, keyNumber: 1, lifetime: 14, now: new Date() }), "NOTFOUND "],
    ['""', "NOTFOUND "],
    ["", "NOTFOUND "],
    ["greg", "NOTFOUND "],
    ["@srs.example.org", "NOTFOUND "],
    ["\ufffd@srs.example.org", "NOTFOUND "],
  ];
  for (const [key, expected] of rows) {
    await t.step(`${key} is ${expected}`, () => assert.equal(ask(home, `srs-reverse ${key}`), expected));
  }
  using also = new EngineHome();
  also.write("site.toml", also.read("site.toml").replace("srs_domain", `also = ["greg+*@example.org"]\nsrs_domain`));
  assert.equal(also.engine.reload(), undefined);
  assert.equal(ask(also, `srs-reverse ${srs("greg+list")}`), "OK greg+list@example.org");
  // Without quotes, Postfix would take it for two addresses.
  assert.equal(ask(also, `srs-reverse ${srs("greg+a b")}`), 'OK "greg+a b"@example.org');
});

Deno.test("prvs returns the plain address of a valid one", () => {
  const at = (days: number, secret = `greg ${SECRET}`, delimiter = "") =>
    prvsSign(PLAIN, { secret, keyNumber: 1, lifetime: 14, delimiter, now: new Date(Date.now() - days * DAY_MS) });
  const rows: [string, string][] = [
    [at(0), `OK ${PLAIN}`],
    [at(0, undefined, "-"), `OK ${PLAIN}`],
    [at(20), `OK ${PLAIN}`], // late, as the hook delivers it
    [at(200), "NOTFOUND "],
    [at(0, "mallory"), "NOTFOUND "],
    [PLAIN, "NOTFOUND "],
    ["prvs=1000abcdef=jo@b.example", "NOTFOUND "],
    [srs(), "NOTFOUND "],
  ];
  using home = new EngineHome("", { prvs: true });
  for (const [key, expected] of rows) assert.equal(ask(home, `prvs ${key}`), expected, key);
  using off = new EngineHome();
  assert.equal(ask(off, `prvs ${at(0)}`), "NOTFOUND ");
});

Deno.test("moved returns the new address, unless a bounce to it may be about mail of an identity", () => {
  using home = new EngineHome(`moved = "moved"`);
  home.write("moved", "Old@example.org new@example.net\nann@example.org ann@example.net\n");
  assert.equal(home.engine.reload(), undefined);
  const rows: [string, string][] = [
    ["old@example.org", "OK new@example.net"],
    ["OLD@EXAMPLE.ORG", "OK new@example.net"],
    ["ann@example.org", "NOTFOUND "],
    ["new@example.net", "NOTFOUND "],
    ["old", "NOTFOUND "],
    ["@example.org", "NOTFOUND "],
  ];
  for (const [key, expected] of rows) assert.equal(ask(home, `moved ${key}`), expected, key);
});

Deno.test("srs-forward rewrites foreign senders, and srs-back returns each of them", async (t) => {
  using home = forwarder();
  const rows: [sender: string, back?: string][] = [
    ["jo@b.example"],
    ["Jo.Public@B.Example"],
    ["jo+x=y@b.example"],
    ['"a b"@b.example'],
    ['"a\\"b\\\\c"@b.example'],
    ['"jo"@b.example', "jo@b.example"],
    ["jo@[192.0.2.1]"],
    ["jö@b.example"],
    ["prvs=0000abcdef=jo@b.example"],
    ["bounce+0123456789.0123456789.0123456789-greg=example.org@mail.of.a.large.sender.example"],
    ["SRS0=abcd=KA=c.example=jo@b.example"],
    ["srs0+abcd=ka=c.example=jo@b.example", "SRS0+abcd=ka=c.example=jo@b.example"],
    ["SRS0=HHH=JJ=example.org=greg@b.example"], // another site may sign our address; its bounce goes there
    ["SRS1=abcd=c.example==abcd=KA=d.example=jo@b.example", "SRS0=abcd=KA=d.example=jo@c.example"],
  ];
  for (const [sender, back = sender] of rows) {
    await t.step(sender, () => {
      const reply = ask(home, `srs-forward ${sender}`);
      assert.match(reply, /^OK "?SRS[01]=[\w-]{8}=.*@fwd\.example\.net$/s);
      const address = reply.slice(3);
      assert.equal(ask(home, `srs-back ${address}`), `OK ${back}`);
      assert.equal(ask(home, `srs-back ${address.replace(/@fwd.*/, "@FWD.Example.NET")}`), `OK ${back}`);
      assert.equal(ask(home, `srs-forward ${address}`), "NOTFOUND ", "it is not rewritten twice");
      assert.equal(ask(home, `srs-back ${back}`), "NOTFOUND ");
    });
  }
});

Deno.test("mail that was forwarded here twice: its bounce reaches the sender, or the identity", () => {
  using home = forwarder();
  const forward = (sender: string) => ask(home, `srs-forward ${sender}`);
  // b.example forwarded the message in between, and wrote SRS1 because the sender was an SRS0 address.
  const atAnotherHost = (address: string) =>
    srsForward(address, "b.example", { secrets: ["of b.example"], now: new Date() });
  const once = forward("jo@a.example").slice(3);
  const twice = forward(atAnotherHost(once)).slice(3);
  assert.match(twice, /^SRS1=[\w-]{8}=fwd\.example\.net==.*=a\.example=jo@fwd\.example\.net$/);
  assert.equal(ask(home, `srs-back ${twice}`), "OK jo@a.example");
  const third = forward(atAnotherHost(twice)).slice(3);
  assert.equal(ask(home, `srs-back ${third}`), "OK jo@a.example");
  // What is inside must be valid, too: anybody can have an SRS1 address written.
  for (
    const inside of [
      forwarded("jo@a.example", { secret: "mallory" }),
      forwarded("jo@a.example", { days: 22 }),
      forwarded(PLAIN),
    ]
  ) {
    assert.equal(ask(home, `srs-back ${forward(atAnotherHost(inside)).slice(3)}`), "NOTFOUND ");
  }
  // Reversed here, it would be an address in the SRS domain of an identity; b.example reverses its own.
  for (const address of [srs(), srs().replace("srs.example.org", "SRS.Example.ORG")]) {
    assert.equal(forward(atAnotherHost(address)), "NOTFOUND ");
  }
});

Deno.test("what srs-forward leaves as it is", async (t) => {
  using home = forwarder();
  const signed = prvsSign(PLAIN, { secret: `greg ${SECRET}`, keyNumber: 1, now: new Date() });
  const rows: [what: string, key: string][] = [
    ["the null sender, as Postfix writes it", '""'],
    ["nothing", ""],
    ["a local user", "jo"],
    ["a domain", "@b.example"],
    ["qmail's double bounce", "#@[]"],
    ["a mailer daemon, which the hook must recognize", "MAILER-DAEMON@b.example"],
    ["an identity", PLAIN],
    ["an identity in capitals and quotes", '"Greg"@EXAMPLE.org'],
    ["an identity with a dot at the end", `${PLAIN}.`],
    ["with several", `${PLAIN}..`],
    ["a domain with an empty label", "jo@b..example"],
    ["a signed address of an identity", srs()],
    ["a forged one", srs("greg", "mallory")],
    ["anything in an SRS domain", "x@srs.example.org"],
    ["a prvs address of an identity", signed],
    ["the subaddress form", "greg-prvs=1000abcdef@example.org"],
    ["an excluded domain", "jo@Example.ORG"],
    ["a domain that matches a pattern", "jo@a.b.example.org"],
    ["the forwarding domain", `x@${DOMAIN.toUpperCase()}`],
    ["a person whose address looks like SRS1", "srs1-team@b.example"],
    ["SRS1 without an SRS0 address", "SRS1=abcd=c.example=jo@b.example"],
    ["a local part with @", '"a@b"@b.example'],
    ["a domain with =", "jo@b=c.example"],
    ["not an address", "jo b@b.example"],
    ["an address that would be too long", `${"x".repeat(64)}@${"b.".repeat(90)}example`],
    ["not UTF-8", "\ufffd@b.example"],
  ];
  for (const [what, key] of rows) {
    await t.step(what, () => assert.equal(ask(home, `srs-forward ${key}`), "NOTFOUND "));
  }
});

Deno.test("what srs-back does not return", async (t) => {
  using home = forwarder();
  // The hash covers the fields as one text, so a stranger can have `rggreg@example.o` signed and move the border.
  const moved = ask(home, "srs-forward rggreg@example.o").slice(3).replace("=example.o=rggreg@", "=example.org=greg@");
  assert.match(moved, /^SRS0=[\w-]{8}=..=example\.org=greg@fwd\.example\.net$/);
  const rows: [what: string, key: string][] = [
    ["a wrong hash", forwarded("jo@b.example", { secret: "mallory" })],
    ["a hash that is too short", forwarded("jo@b.example", { hashLength: 4 })],
    ["an address that has expired", forwarded("jo@b.example", { days: 22 })],
    ["another domain", forwarded("jo@b.example", { domain: "b.example" })],
    ["an unsigned address", `jo@${DOMAIN}`],
    ["no hash", `SRS0=@${DOMAIN}`],
    ["an address signed with an identity's key", forwarded("jo@b.example", { secret: `greg ${SECRET}` })],
    ["the same, of the identity", forwarded(PLAIN, { secret: `greg ${SECRET}` })],
    ["an identity, signed with the forwarding key", forwarded(PLAIN)],
    ["an identity in capitals", forwarded("GREG@example.ORG")],
    ["an identity with dots at the end", forwarded(`${PLAIN}..`)],
    ["an identity in quotes", forwarded('"greg"@example.org')],
    ["an identity, by moving the border of the hashed fields", moved],
    ["its signed address", forwarded(srs())],
    ["another address in its SRS domain", forwarded("x@srs.example.org")],
    ["its prvs address", forwarded("prvs=1000abcdef=greg@example.org")],
    [
      "an address in the forwarding domain",
      forwarded(`x@${DOMAIN}`, { domain: "x.example" }).replace(/@.*/, `@${DOMAIN}`),
    ],
    ["a mailbox that is not an address", forwarded("@b.example")],
    ["postmaster", `postmaster@${DOMAIN}`],
  ];
  for (const [what, key] of rows) {
    await t.step(what, () => assert.equal(ask(home, `srs-back ${key}`), "NOTFOUND "));
  }
  assert.equal(
    home.log().filter((line) => / at=map check=srs-back outcome=not-found why="wrong hash"/.test(line)).length,
    4,
  );
  assert.match(ask(home, `srs-back ${forwarded("jo@b.example", { days: 21 })}`), /^OK jo@b\.example$/);
});

Deno.test("a signed address of an identity never verifies with a forwarding key, and no secret may be in both files", () => {
  using home = forwarder();
  const withForwardingKey = srs("greg", FORWARD_SECRET);
  assert.equal(ask(home, `srs-reverse ${withForwardingKey}`), "NOTFOUND ");
  home.write("forwarding-keys", `f1 ${CREATED} greg ${SECRET}\n`, 0o600);
  const same = /forwarding-keys: A secret for forwarding is also key k1 of greg@example\.org: countersign keys new /;
  assert.match(home.engine.reload() ?? "", same);
  assert.throws(() => home.start(), /A secret for forwarding is also key k1 of greg@example\.org/);
  assert.match(ask(home, "srs-forward jo@b.example"), /^OK SRS0=/, "the previous settings remain in use");
  home.write("site.toml", home.read("site.toml").replace("[forwarding]", `[forwarding]\nkeys = "keys/ann"`));
  assert.match(home.engine.reload() ?? "", /forwarding\.keys is the key file of ann@example\.org/);
});

Deno.test("in the SRS domain of an identity, its own bounces need no forwarding key and are not logged", () => {
  using home = forwarder();
  home.configure(SETTINGS.replace(DOMAIN, "srs.example.org"));
  assert.equal(home.engine.reload(), undefined);
  for (const address of [srs(), srs("greg", "mallory")]) {
    assert.equal(ask(home, `srs-back ${address}`), "NOTFOUND ");
  }
  const own = forwarded("jo@b.example", { domain: "srs.example.org" });
  assert.equal(ask(home, `srs-back ${own}`), "OK jo@b.example");
  assert.deepEqual(home.log(), []);
});

Deno.test("keys rotate; without one that can sign mail is not rewritten; unreadable ones defer", () => {
  const day = (ago: number) => new Date(Date.now() - ago * DAY_MS).toISOString().slice(0, 10);
  using home = forwarder("", `f1 ${day(100)} ${FORWARD_SECRET}\nf2 ${day(0)} another secret for forwarding\n`);
  const now = forwarded("jo@b.example", { secret: "another secret for forwarding" });
  assert.equal(ask(home, "srs-forward jo@b.example"), `OK ${now}`);
  assert.equal(ask(home, `srs-back ${forwarded("jo@b.example")}`), "OK jo@b.example", "the older key verifies");
  home.write("forwarding-keys", `f1 ${day(800)} ${FORWARD_SECRET}\n`, 0o640);
  assert.equal(home.engine.reload(), undefined);
  assert.equal(ask(home, "srs-forward jo@b.example"), "NOTFOUND ");
  assert.match(home.log().at(-1)!, / at=map check=srs-forward outcome=not-found why="no forwarding key can sign"/);
  assert.equal(ask(home, `srs-back ${forwarded("jo@b.example")}`), "OK jo@b.example");
  Deno.chmodSync(`${home.path}/forwarding-keys`, 0o644);
  home.engine.update();
  assert.match(home.reports.at(-1)!, /^Mail to be forwarded is deferred: .*Key file is readable by others/);
  assert.match(ask(home, "srs-forward jo@b.example"), /^TEMP .*Key file is readable by others/);
  assert.match(ask(home, `srs-back ${forwarded("jo@b.example")}`), /^TEMP /);
  for (const key of ['""', PLAIN, srs(), "MAILER-DAEMON@b.example", "jo@sub.example.org"]) {
    assert.equal(ask(home, `srs-forward ${key}`), "NOTFOUND ", `${key} needs no key`);
  }
  for (const key of [`jo@${DOMAIN}`, forwarded(PLAIN), "jo@b.example"]) {
    assert.equal(ask(home, `srs-back ${key}`), "NOTFOUND ", `${key} needs no key`);
  }
  assert.match(home.log().at(-1)!, / at=map check=srs-back outcome=deferred error=/);
});

Deno.test("forwarding keys that are dated in the future defer, because the clock may be wrong", () => {
  using home = forwarder("", `f1 2999-01-01 ${FORWARD_SECRET}\n`);
  for (const request of ["srs-forward jo@b.example", `srs-back ${forwarded("jo@b.example")}`]) {
    assert.equal(ask(home, request), "TEMP The forwarding keys are dated in the future");
  }
});

Deno.test("an identity whose keys cannot be read defers its SRS domain", () => {
  using home = unreadable("greg");
  assert.match(ask(home, `srs-reverse ${srs()}`), /^TEMP .*Key file is readable by others/);
  assert.match(ask(home, "srs-reverse info@srs.example.org"), /^TEMP /);
  assert.equal(ask(home, "srs-reverse info@srs.example.net"), "NOTFOUND ");
  using ahead = new EngineHome();
  ahead.write("keys/greg", "k1 2999-01-01 a secret of the future, for tests\n", 0o600);
  assert.equal(ahead.engine.reload(), undefined);
  assert.match(ask(ahead, `srs-reverse ${srs()}`), /^TEMP .*dated in the future/);
});

Deno.test("without forwarding its maps know nothing; an unknown map is a permanent error", () => {
  using home = new EngineHome();
  assert.equal(ask(home, "srs-forward jo@b.example"), "NOTFOUND ");
  assert.equal(ask(home, `srs-back ${forwarded("jo@b.example")}`), "NOTFOUND ");
  for (const request of ["", " ", "srs-reverse", "forward jo@b.example", "constructor x@y.example", "SRS-BACK x@y"]) {
    assert.equal(ask(home, request), "PERM no such map", request);
  }
});

Deno.test("requests on a connection are answered in their order, wherever they are split; garbage ends it", async () => {
  using home = forwarder();
  await using server = await RequestsServer.start(mapProtocol(() => home.engine.loaded));
  const requests = [`srs-reverse ${srs()}`, `srs-back ${forwarded("jo@b.example")}`, 'srs-forward ""', "x y"];
  const bytes = requests.map((text) => new TextDecoder().decode(netstring(text))).join("");
  const expected = `19:OK ${PLAIN},15:OK jo@b.example,9:NOTFOUND ,16:PERM no such map,`;
  assert.equal(await server.say(bytes), expected);
  for (let at = 0; at < bytes.length; at += 3) {
    assert.equal(await server.say(bytes.slice(0, at), bytes.slice(at)), expected);
  }
  assert.equal(await server.say(...utf8(bytes).values().map((byte) => Uint8Array.of(byte))), expected);
  assert.deepEqual(server.reports, []);
  const malformed = "22:PERM malformed request,";
  for (const text of ["GET / HTTP/1.1\r\n\r\n", `${MAX_NETSTRING_BYTES + 1}:`, "3:abcd", "request=x\n\n"]) {
    assert.equal(await server.say(text, bytes), malformed);
    assert.match(server.reports.pop()!, /^Request is /);
    assert.equal(await server.say(bytes, text), expected + malformed);
    server.reports.pop();
  }
  for (let nth = 0; nth < 100; nth++) {
    const random = crypto.getRandomValues(new Uint8Array(nth * 5));
    assert.match(await server.say(random), /^(?:22:PERM malformed request,)?$/);
  }
  assert.equal(await server.say(bytes), expected);
});

Deno.test("a key of any length is answered", () => {
  using home = forwarder();
  const size = MAX_NETSTRING_BYTES - 40;
  const keys = [`${"x".repeat(size)}@b.example`, `SRS0=${"=".repeat(size)}@${DOMAIN}`, `${"@".repeat(size)}x.y`];
  for (const name of Object.keys(MAPS)) {
    for (const key of [...keys, `"${'\\"'.repeat(size / 2)}"@b.example`, `SRS1=a=${"=".repeat(size)}@${DOMAIN}`]) {
      assert.equal(ask(home, `${name} ${key}`), "NOTFOUND ");
    }
  }
});
