/** The door: what it rejects at RCPT and at the end of the data, and what it never rejects. */
import assert from "node:assert/strict";
import { noteForgotten } from "../../io/state/forgotten.ts";
import { rememberSent } from "../../io/state/sent.ts";
import { doorRole } from "../../serve/door.ts";
import { qsbmf, SECRET } from "../rig.ts";
import { EngineHome } from "./engine.ts";
import { FORGED, lastResponse, LETTER, LIE, PLAIN, srs, tagged, unreadable } from "./at_door.ts";
import { message, talk } from "./mta.ts";

Deno.test("at RCPT: invalid signed addresses are rejected, all others accepted", async (t) => {
  using home = new EngineHome('contact = "https://example.org/mail"');
  const bad = srs("greg", "mallory");
  const rows: [string, string, string, boolean][] = [
    ["a bad hash, null sender", "", bad, true],
    ["a bad hash, a person", "jo@b.example", bad, true],
    ["no such address in the SRS domain", "jo@b.example", "info@srs.example.org", true],
    ["signed with the key of another identity", "", srs("greg", `ann ${SECRET}`), true],
    ["signed more than 180 days ago", "", srs("greg", `greg ${SECRET}`, 200), true],
    ["the double bounce of qmail", "#@[]", bad, false],
    ["valid", "", srs(), false],
    ["valid, of another user of the domain", "", srs("ann", `ann ${SECRET}`), false],
    ["expired", "", srs("greg", `greg ${SECRET}`, 40), false],
    ["postmaster", "", "postmaster@srs.example.org", false],
    ["abuse, in capitals", "", "ABUSE@SRS.example.org", false],
    ["postmaster without a domain", "", "postmaster", false],
    ["the plain address", "", PLAIN, false],
    ["an unrelated address", "", "jo@b.example", false],
    ["an unrelated SRS address", "", "SRS0=abcd=ab=b.example=jo@srs.b.example", false],
    ["quoted", "", srs().replace(/(.*)@/, '"$1"@'), false],
    ["quoted, with a bad hash", "", bad.replace(/(.*)@/, '"$1"@'), true],
    ["with a source route", "", `@relay.example:${srs()}`, false],
    ["with a source route and a bad hash", "", `@relay.example:${bad}`, true],
    ["of an identity, signed by another program for its own domain", "", bad.replace(/@.*/, "@fwd.example.net"), false],
    ["the same in the plain domain", "", bad.replace(/@.*/, "@example.org"), false],
    ["bytes that are not UTF-8", "", "\xff\xfe@srs.example.org", false],
    ["an empty recipient", "", "", false],
  ];
  for (const [what, sender, recipient, refused] of rows) {
    await t.step(what, async () => {
      const response = await lastResponse(home, sender, [recipient]);
      if (!refused) return assert.equal(response, "c");
      assert.equal(response, "y550-5.1.1 No such address\r\n550 5.1.1 Contact: https://example.org/mail\0");
      assert.match(home.log().at(-1)!, /^direction=in at=rcpt .* result=forged .* outcome=refused /);
    });
  }
});

Deno.test("at the end of the data: only certainly forged bounces are rejected", async (t) => {
  using home = new EngineHome();
  const state = `${home.path}/state`;
  rememberSent(`${state}/sent`, home.identity("greg"), "<known@example.org>", false, new Date());
  const receipt = "From: Jo <jo@b.example>\nSubject: Out of office\nAuto-Submitted: auto-replied\n\nAway.\n";
  const rows: [string, string, string, string, boolean][] = [
    ["forged", "", PLAIN, FORGED, true],
    ["forged, with a source route", "", `@relay.example,@b.example:${PLAIN}`, FORGED, true],
    ["with a source route and a valid tag", "", `@relay.example:${PLAIN}`, tagged(), false],
    ["forged, from a daemon", "mailer-daemon@b.example", PLAIN, FORGED, true],
    [
      "forged, from a daemon in quotation marks, with a route",
      '@x.example:"MAILER-DAEMON"@b.example',
      PLAIN,
      FORGED,
      true,
    ],
    ["from a person whose name contains it", "jo:mailer-daemon@b.example", PLAIN, FORGED, false],
    ["with a valid tag", "", PLAIN, tagged(), false],
    ["of a remembered message", "", PLAIN, qsbmf(PLAIN, LIE.replace("lie@spam.example", "known@example.org")), false],
    ["a receipt", "", PLAIN, receipt, false],
    ["from a person", "jo@b.example", PLAIN, FORGED, false],
    ["to an unrelated address", "", "jo@b.example", FORGED, false],
    ["to the signed address", "", srs(), FORGED, false],
    ["longer than the inspected part", "", PLAIN, FORGED + "x".repeat(70).concat("\n").repeat(8000), false],
    ["with a header longer than the inspected part", "", PLAIN, `X: ${"x".repeat(300_000)}\n${FORGED}`, false],
  ];
  for (const [what, sender, recipient, mail, refused] of rows) {
    await t.step(what, async () => {
      const response = await lastResponse(home, sender, [recipient], mail);
      assert.match(
        response,
        refused ? /^y550 5\.7\.1 This is a bounce of a message that was not sent from here\0$/ : /^a$/,
      );
      if (refused) assert.match(home.log().at(-1)!, /^direction=in at=data .* result=forged .* outcome=refused /);
    });
  }
  await t.step("mail from a person is accepted before its body is sent", async () => {
    assert.deepEqual(await talk(doorRole(home.engine), message("jo@b.example", [PLAIN], LETTER)), ["c", "a"]);
  });
});

Deno.test("no bounce is rejected where a condition for rejecting is missing", async (t) => {
  const today = new Date().toISOString().slice(0, 10);
  const bad = srs("greg", "mallory");
  const rows: [string, () => EngineHome, boolean, RegExp][] = [
    ["forged = spam", () => new EngineHome("", { forged: "spam" }), false, /why="incoming.forged is \\"spam\\""/],
    ["forged = mark", () => new EngineHome("", { forged: "mark" }), false, /why="incoming.forged is \\"mark\\""/],
    ["the state is not shared", () => new EngineHome("", { shared: false }), true, /why="state.shared is not set/],
    [
      "during the grace period",
      () => {
        const home = new EngineHome();
        home.write("site.toml", `since = "${today}"\n${home.read("site.toml")}`);
        assert.equal(home.engine.reload(), undefined);
        return home;
      },
      true,
      /only marked during the first 14 days/,
    ],
    [
      "a message was not remembered",
      () => {
        const home = new EngineHome();
        noteForgotten(`${home.path}/state`, new Date());
        return home;
      },
      true,
      /why="a message was sent within the last 30 days without being remembered"/,
    ],
    [
      "the index cannot be read",
      () => {
        const home = new EngineHome();
        home.write("state/sent", "not a folder");
        return home;
      },
      true,
      / error=/,
    ],
    [
      "all keys are expired",
      () => {
        const home = new EngineHome();
        for (const user of ["greg", "ann"]) home.write(`keys/${user}`, `k1 2020-01-01 ${user} ${SECRET}\n`, 0o600);
        assert.equal(home.engine.reload(), undefined);
        return home;
      },
      false,
      /result=unjudged/,
    ],
    [
      "a key is dated in the future",
      () => {
        const home = new EngineHome();
        home.write("keys/greg", `k1 2999-01-01 greg ${SECRET}\n`, 0o600);
        assert.equal(home.engine.reload(), undefined);
        return home;
      },
      false,
      / error=/,
    ],
    ["the key of this identity cannot be read", () => unreadable("greg"), false, / error=/],
  ];
  for (const [what, make, address, logged] of rows) {
    await t.step(what, async () => {
      using home = make();
      assert.equal(await lastResponse(home, "", [PLAIN], FORGED), "a");
      assert.equal(home.log().length, 1);
      assert.match(home.log()[0]!, /^direction=in at=(?:rcpt|data) sender=<> .*outcome=passed /);
      assert.match(home.log()[0]!, logged);
      assert.equal((await lastResponse(home, "", [bad])).startsWith("y550"), address);
    });
  }
});

Deno.test("a second recipient of a bounce is deferred if one of the two is an identity and rejection is possible", async () => {
  const [later, other] = ["y452 4.5.3 Bounces are accepted for one recipient at a time\0", "jo@b.example"];
  const rows: [boolean, string, string[], string[]][] = [
    [true, "", [PLAIN, "ann@example.org"], ["c", later]],
    [true, "", [PLAIN, other], ["c", later]],
    [true, "", [other, PLAIN], ["c", later]],
    [true, "", [other, "al@b.example"], ["c", "c"]],
    [true, other, [PLAIN, "ann@example.org"], ["c", "c"]],
    [false, "", [PLAIN, "ann@example.org"], ["c", "c"]],
  ];
  for (const [shared, sender, recipients, expected] of rows) {
    using home = new EngineHome("", { shared });
    const response = await talk(doorRole(home.engine), message(sender, recipients));
    assert.deepEqual(response, expected, `${sender} ${recipients}`);
    const logged = expected.includes(later)
      ? [/^direction=in at=rcpt sender=<> outcome=deferred why="Bounces are accepted /]
      : shared
      ? []
      : ["greg", "ann"].map((user) =>
        new RegExp(
          `^direction=in at=rcpt sender=<> identity=${user}@example\\.org outcome=passed why="state\\.shared is not set`,
        )
      );
    assert.equal(home.log().length, logged.length);
    logged.forEach((line, nth) => assert.match(home.log()[nth]!, line));
  }
});

Deno.test("at most three recipients are deferred and the others accepted, so that a client makes progress", async () => {
  using home = new EngineHome();
  let left = Array.from({ length: 40 }, (_, nth) => nth === 0 ? "jo@b.example" : PLAIN);
  let attempts = 0;
  for (; left.length > 0; attempts++) {
    const responses = await talk(doorRole(home.engine), message("", left));
    assert.ok(responses.filter((one) => one.startsWith("y452")).length <= 3);
    left = left.filter((_, nth) => responses[nth] !== "c");
  }
  assert.equal(attempts, 4);
  assert.equal(await lastResponse(home, "", Array.from({ length: 5 }, () => PLAIN), FORGED), "a", "left to the hook");
});

Deno.test("a bounce with a signed and a plain recipient is not rejected", async () => {
  using home = new EngineHome();
  for (const recipients of [[PLAIN, srs()], [PLAIN, "postmaster@srs.example.org"]]) {
    assert.equal(await lastResponse(home, "", recipients, FORGED), "a");
    assert.match(
      home.log().at(-1)!,
      / at=data .* identity=greg@example\.org outcome=passed why="the message has several /,
    );
  }
});

Deno.test("the door never changes a message", () => {
  using home = new EngineHome();
  assert.equal(doorRole(home.engine).actions, 0);
});
