/** Requests of other mail servers on the socket `lookup`: the answers are the decisions of the door. */
import assert from "node:assert/strict";
import { noteForgotten } from "../../../io/state/forgotten.ts";
import { rememberSent } from "../../../io/state/sent.ts";
import { qsbmf, SECRET } from "../../rig.ts";
import { FORGED, LETTER, LIE, PLAIN, srs } from "../at_door.ts";
import { EngineHome } from "../engine.ts";
import { LookupServer, request } from "./asking.ts";

/** Asks about one recipient. */
async function judge(
  home: EngineHome,
  sender: string,
  recipient: string,
  message?: string,
  more: object = {},
): Promise<Record<string, unknown>> {
  await using server = await LookupServer.start({ loaded: () => home.engine.loaded, store: undefined });
  const [response, ...others] = await server.say(request({ request: "judge", sender, recipient, ...more }, message));
  assert.deepEqual([others, server.reports], [[], []]);
  const { version, ...answer } = response!;
  assert.equal(version, 1);
  return answer;
}

const CONTACT = "https://example.org/mail";
const refused = (code: string, text: string) => [`${code.replace(" ", "-")} ${text}`, `${code} Contact: ${CONTACT}`];
const NO_ADDRESS = refused("550 5.1.1", "No such address");

Deno.test("judge: the envelope decides, or the message is needed", async (t) => {
  using home = new EngineHome(`contact = "${CONTACT}"`);
  const rows: [what: string, sender: string, recipient: string, expected: Record<string, unknown>][] = [
    ["a bad hash", "", srs("greg", "mallory"), { result: "forged", check: "signed-recipient", reply: NO_ADDRESS }],
    ["no such address", "jo@b.example", "info@srs.example.org", {
      result: "forged",
      check: "signed-recipient",
      reply: NO_ADDRESS,
    }],
    ["valid", "", srs(), { result: "genuine", check: "signed-recipient" }],
    ["expired", "", srs("greg", `greg ${SECRET}`, 40), { result: "late", check: "signed-recipient" }],
    ["postmaster", "", "postmaster@srs.example.org", { result: "other" }],
    ["a person", "jo@b.example", PLAIN, { result: "other" }],
    ["an unrelated address", "", "jo@b.example", { result: "other" }],
    ["a bounce to the plain address", "", PLAIN, { need: "message" }],
  ];
  for (const [what, sender, recipient, expected] of rows) {
    await t.step(what, async () => {
      const { reason, ...answer } = await judge(home, sender, recipient);
      assert.deepEqual(answer, expected);
      assert.equal(typeof reason, answer.check === undefined ? "undefined" : "string");
    });
  }
  assert.match(home.log()[0]!, /^direction=in at=lookup sender=<> .*result=forged .*outcome=refused /);
});

Deno.test("judge: the message decides about a bounce to the plain address", async (t) => {
  using home = new EngineHome(`contact = "${CONTACT}"`);
  rememberSent(`${home.path}/state/sent`, home.identity("greg"), "<known@example.org>", false, new Date());
  const reply = refused("550 5.7.1", "This is a bounce of a message that was not sent from here");
  const known = qsbmf(PLAIN, LIE.replace("lie@spam.example", "known@example.org"));
  const long = `${FORGED.split("\n\n")[0]}\nX-Long: ${"x".repeat(1000)}`;
  const rows: [what: string, message: string, more: object, expected: Record<string, unknown>][] = [
    ["forged", FORGED, {}, { result: "forged", check: "forged", reply }],
    ["with CRLF", FORGED.replaceAll("\n", "\r\n"), {}, { result: "forged", check: "forged", reply }],
    ["of a remembered message", known, {}, { result: "known", check: "reply" }],
    ["a truncated message", FORGED, { whole: false }, { result: "unsure", check: "forged" }],
    ["a header without its end", long, { whole: false }, { result: "unsure", check: "forged" }],
    ["not a bounce", LETTER, {}, { result: "unsolicited", check: "forged" }],
    ["an empty message", "", {}, { result: "unsolicited", check: "forged" }],
  ];
  for (const [what, message, more, expected] of rows) {
    await t.step(what, async () => {
      const { reason: _reason, ...answer } = await judge(home, "", PLAIN, message, more);
      assert.deepEqual(answer, expected);
    });
  }
});

Deno.test("judge: mail that the door would accept is not rejected, and its verdict is returned", async (t) => {
  const forged = { result: "forged", check: "forged" };
  const rows: [what: string, options: { shared?: boolean; forged?: string }, expected: object][] = [
    ["the state is not shared", { shared: false }, forged],
    ["forged mail is filed", { forged: "spam" }, forged],
    ["forged mail is marked", { forged: "mark" }, { result: "suspect", check: "forged" }],
  ];
  for (const [what, options, expected] of rows) {
    await t.step(what, async () => {
      using home = new EngineHome("", options);
      assert.deepEqual(await judge(home, "", PLAIN), { need: "message", rejects: false });
      assert.match(
        home.log().at(-1)!,
        /at=lookup sender=<> identity=greg@example\.org outcome=passed why="(?:incoming\.forged|state\.shared) is /,
      );
      const { reason: _reason, ...answer } = await judge(home, "", PLAIN, FORGED);
      assert.deepEqual(answer, expected);
      assert.match(
        home.log().at(-1)!,
        /outcome=passed why=".*; not rejected, because (?:incoming\.forged|state\.shared) is /,
      );
    });
  }
  await t.step("something was not remembered", async () => {
    using home = new EngineHome();
    noteForgotten(`${home.path}/state`, new Date());
    const { reason: _reason, ...answer } = await judge(home, "", PLAIN, FORGED);
    assert.deepEqual(answer, forged);
  });
});

Deno.test("judge: an unreadable state is a temporary error", async () => {
  using home = new EngineHome();
  home.write("state/sent", "not a folder");
  const named = `${FORGED.split("\n\n")[0]}\nIn-Reply-To: <1@example.org>\n\n${FORGED}`;
  const { error, temporary } = await judge(home, "", PLAIN, named);
  assert.equal(temporary, true);
  assert.match(String(error), /Index of sent mail cannot be read/);
});

Deno.test("judge: mail to an address that has moved is rejected with the new address", async () => {
  using home = new EngineHome('moved = "moved"');
  home.write("moved", "old@example.org new@example.org\n");
  assert.equal(home.engine.reload(), undefined);
  const answer = await judge(home, "jo@b.example", "old@example.org");
  assert.deepEqual(answer, {
    check: "moved",
    reason: "the address has moved",
    reply: ["551 5.1.6 The address has changed, please write to <new@example.org>"],
  });
});
