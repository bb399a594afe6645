/** The door at RCPT: addresses that have moved or expired, keys that cannot be read, and `refuse_unsigned`. */
import assert from "node:assert/strict";
import { noteForgotten } from "../../io/state/forgotten.ts";
import { prvsSign } from "../../lib/prvs.ts";
import { CREATED, qsbmf, SECRET } from "../rig.ts";
import { EngineHome } from "./engine.ts";
import { DAY_MS, FORGED, lastResponse, LIE, PLAIN, srs, unreadable } from "./at_door.ts";

Deno.test("with an unreadable key file only mail to its identity and SRS domain cannot be judged", async () => {
  using home = unreadable("greg");
  const rows: [string, string, boolean][] = [
    ["", srs("greg", "mallory"), false],
    ["jo@b.example", srs("ann", "mallory"), false],
    ["jo@b.example", "info@srs.example.org", false],
    ["", "info@srs.example.net", true],
  ];
  for (const [sender, recipient, refused] of rows) {
    assert.equal((await lastResponse(home, sender, [recipient])).startsWith("y550"), refused, recipient);
  }
  const passed = home.log().filter((line) => / outcome=passed /.test(line));
  assert.equal(passed.length, 3);
  for (const line of passed) {
    assert.match(line, / at=rcpt .*identity=greg@example\.org .* error=".*Key file is readable/);
  }
  assert.equal(await lastResponse(home, "", [PLAIN], FORGED), "a");
  assert.match(await lastResponse(home, "", ["ann@example.org"], qsbmf("ann@example.org", LIE)), /^y550 5\.7\.1 /);
  assert.match(await lastResponse(home, "", ["jo@example.net"], qsbmf("jo@example.net", LIE)), /^y550 5\.7\.1 /);
});

Deno.test("mail to a moved address is rejected with the new address", async (t) => {
  const contact = 'moved = "moved"\ncontact = "https://example.org/mail"';
  using home = new EngineHome();
  home.write(
    "moved",
    "Old@example.org new@example.net\nann@example.org Ann.100%@example.net\nabuse@example.org x@example.net\n",
  );
  home.configure(contact, { forged: "spam" });
  assert.equal(home.engine.reload(), undefined);
  const moved = (to: string) =>
    `y551-5.1.6 The address has changed, please write to <${to}>\r\n551 5.1.6 Contact: https://example.org/mail\0`;
  const rows: [string, string, string, string][] = [
    ["from a person", "jo@b.example", "old@example.org", moved("new@example.net")],
    ["in any case", "jo@b.example", "OLD@Example.Org", moved("new@example.net")],
    ["the null sender, to an address that is not an identity", "", "old@example.org", moved("new@example.net")],
    [
      "an identity, from a person; percent signs are doubled",
      "jo@b.example",
      "ann@example.org",
      moved("Ann.100%%@example.net"),
    ],
    ["an identity, from the null sender: it is judged", "", "ann@example.org", "c"],
    ["abuse always passes", "jo@b.example", "abuse@example.org", "c"],
    ["other addresses", "jo@b.example", PLAIN, "c"],
  ];
  for (const [what, sender, recipient, expected] of rows) {
    await t.step(what, async () => assert.equal(await lastResponse(home, sender, [recipient]), expected));
  }
  const [passed, ...more] = home.log().filter((line) => / outcome=passed /.test(line));
  assert.match(passed!, / identity=ann@example\.org outcome=passed why="incoming\.forged is /);
  assert.deepEqual(more, []);
  const refused = home.log().filter((line) => line !== passed);
  assert.equal(refused.length, 4);
  for (const line of refused) assert.match(line, /^direction=in at=rcpt .*check=moved outcome=refused /);
});

Deno.test("mail from a person to an expired address is rejected with the plain one, a bounce is not", async (t) => {
  using home = new EngineHome('moved = "moved"', { prvs: true });
  home.write("moved", "ann@example.org ann@example.net\n");
  assert.equal(home.engine.reload(), undefined);
  const person = "jo@b.example";
  const key = { secret: `greg ${SECRET}`, keyNumber: 1, lifetime: 14 };
  const prvs = (days: number, secret = key.secret) =>
    prvsSign(PLAIN, { ...key, secret, now: new Date(Date.now() - days * DAY_MS) });
  const expiredReply = (plain = PLAIN) => `y551 5.1.6 The address has expired, please write to <${plain}>\0`;
  const none = "y550 5.1.1 No such address\0";
  const rows: [string, string, string, string][] = [
    ["expired", person, srs("greg", `greg ${SECRET}`, 40), expiredReply()],
    ["expired long ago", person, srs("greg", `greg ${SECRET}`, 200), expiredReply()],
    ["expired, of a user who has moved", person, srs("ann", `ann ${SECRET}`, 40), expiredReply("ann@example.net")],
    ["valid", person, srs(), "c"],
    ["expired, and a wrong hash", person, srs("greg", "mallory", 40), none],
    ["expired, null sender: accepted, and marked by the hook", "", srs("greg", `greg ${SECRET}`, 40), "c"],
    ["expired long ago, null sender", "", srs("greg", `greg ${SECRET}`, 200), none],
    ["expired, a daemon", "MAILER-DAEMON@b.example", srs("greg", `greg ${SECRET}`, 40), "c"],
    ["prvs, valid", person, prvs(3), "c"],
    ["prvs, expired", person, prvs(20), expiredReply()],
    ["prvs, expired long ago", person, prvs(200), expiredReply()],
    ["prvs, a wrong signature", person, prvs(20, "mallory"), none],
    ["prvs, expired, null sender", "", prvs(20), "c"],
  ];
  for (const [what, sender, recipient, expected] of rows) {
    await t.step(what, async () => {
      assert.equal(await lastResponse(home, sender, [recipient]), expected);
      assert.match(home.log().at(-1)!, expected === "c" ? / outcome=passed / : / outcome=refused /);
    });
  }
  await t.step("not unless forged = refuse", async () => {
    home.configure('moved = "moved"', { forged: "spam", prvs: true });
    assert.equal(home.engine.reload(), undefined);
    assert.equal(await lastResponse(home, person, [srs("greg", `greg ${SECRET}`, 40)]), "c");
  });
});

Deno.test("refuse_unsigned rejects mail from the null sender to the plain address at RCPT", async (t) => {
  const refusing = (home: EngineHome, top = "") => {
    const text = home.read("site.toml").replace('logins = ["greg"]', 'logins = ["greg"]\nrefuse_unsigned = true');
    home.write("site.toml", top + text);
    assert.equal(home.engine.reload(), undefined);
    return home;
  };
  using home = refusing(new EngineHome("", { shared: false, forged: "spam" }));
  const no = "y550 5.7.1 This address is not used as an envelope sender and accepts no bounces\0";
  const rows: [string, string, string, string][] = [
    ["the null sender", "", PLAIN, no],
    ["a daemon", "mailer-daemon@b.example", PLAIN, "c"],
    ["a person", "jo@b.example", PLAIN, "c"],
    ["the signed address", "", srs(), "c"],
    ["an identity without it", "", "ann@example.org", "c"],
    ["postmaster", "", "postmaster@example.org", "c"],
  ];
  for (const [what, sender, recipient, expected] of rows) {
    await t.step(what, async () => assert.equal(await lastResponse(home, sender, [recipient]), expected));
  }
  assert.match(
    home.log()[0]!,
    /^direction=in at=rcpt sender=<> identity=greg@example\.org check=refuse-unsigned outcome=refused /,
  );
  await t.step("not during the grace period", async () => {
    using home = refusing(new EngineHome(), `since = "${new Date().toISOString().slice(0, 10)}"\n`);
    assert.equal(await lastResponse(home, "", [PLAIN]), "c");
  });
  await t.step("not without a key that can sign, because mail is then sent unsigned", async () => {
    using home = new EngineHome();
    const old = new Date(Date.now() - 800 * DAY_MS).toISOString().slice(0, 10);
    home.write("keys/greg", `k1 ${old} greg ${SECRET}\n`, 0o600);
    refusing(home);
    assert.equal(await lastResponse(home, "", [PLAIN]), "c");
  });
  await t.step("not signed addresses that a pattern in `also` matches", async () => {
    using home = refusing(new EngineHome("", { prvs: true }));
    const text = home.read("site.toml").replace('logins = ["greg"]', 'logins = ["greg"]\nalso = ["*@*example.org"]');
    home.write("site.toml", text);
    assert.equal(home.engine.reload(), undefined);
    const prvs = prvsSign(PLAIN, { secret: `greg ${SECRET}`, keyNumber: 1, now: new Date() });
    for (const signed of [srs(), srs().toLowerCase(), prvs]) {
      assert.equal(await lastResponse(home, "", [signed]), "c", signed);
    }
    assert.equal(await lastResponse(home, "", ["greg+x@example.org"]), no);
    assert.match(await lastResponse(home, "", [srs("greg", "mallory")]), /^y550 5\.1\.1 /);
  });
  await t.step("not where the signed address would be too long, because mail is then sent unsigned", async () => {
    using home = refusing(new EngineHome());
    const long = `${"gregory-".repeat(6)}@example.org`;
    home.write("site.toml", home.read("site.toml").replace(PLAIN, long));
    assert.equal(home.engine.reload(), undefined);
    assert.equal(await lastResponse(home, "", [long]), "c");
  });
  await t.step("not with an unreadable key file", async () => {
    using home = new EngineHome();
    home.write("keys/greg", `k1 ${CREATED} greg ${SECRET}\n`, 0o644);
    refusing(home);
    assert.equal(await lastResponse(home, "", [PLAIN]), "c");
  });
});

Deno.test("after a message was not remembered, bounces are accepted until those of that message can no longer arrive", async () => {
  using home = new EngineHome();
  noteForgotten(`${home.path}/state`, new Date(Date.now() - 31 * DAY_MS));
  assert.match(await lastResponse(home, "", [PLAIN], FORGED), /^y550 5\.7\.1 /);
  Deno.utimeSync(`${home.path}/state/forgotten`, new Date(), new Date(Date.now() - 29 * DAY_MS));
  assert.equal(await lastResponse(home, "", [PLAIN], FORGED), "a", "another process has noted it");
  assert.match(
    await lastResponse(home, "", [srs("greg", "mallory")]),
    /^y550 5\.1\.1 /,
    "no evidence of a message is needed",
  );
});
