/** Rules of fixsmtpio: what is wrong with them, and how to write them. */
import assert from "node:assert/strict";
import { Fail, placed } from "../../lib/fail.ts";
import { parseRules, problems } from "../../submit/fixsmtpio_rules.ts";
import { fnmatch } from "../../submit/fnmatch.ts";
import { Home, ROOT } from "../rig.ts";
import { CHAIN, Talk } from "./talk.ts";

/**
 * Rules that acceptutils refuses without a reason, or that never apply, and what we say. The first three are seed
 * 003's.
 */
const WRONG: [rule: string, message: RegExp][] = [
  ["AUTHUP_USER:clienteof::*:0", /5 fields instead of 6, separated by colons: write AUTHUP_USER:clienteof::\*:0:$/],
  [
    ":greeting::2*::&fixsmtpio",
    /"&fixsmtpio" is neither &fixsmtpio_fixup nor &fixsmtpio_noop: write :greeting::2\*::&fixsmtpio_fixup$/,
  ],
  [
    "AUTHUP_USER:ehlo::250?STARTTLS::",
    /never matches, because each line ends with CRLF: write AUTHUP_USER:ehlo::250\?STARTTLS\*::$/,
  ],
  [":noop", /2 fields instead of 6/],
  ["  # comment", /comment must begin in the first column/],
  ["::NOOP :*::", /no event/],
  [":noop::::", /no pattern .*write :noop::\*::$/],
  [":noop::2*:256:", /"256" is not a number from 0 to 255/],
  [":noop::2*:x:", /"x" is not a number/],
  [":clienteof::*:0:bye", /Nobody reads a response to clienteof: write :clienteof::\*:0:$/],
  [":noop::*::&fixsmtpio_fixup", /only for greeting, ehlo, helo, help, quit/],
];
for (const [rule, message] of WRONG) {
  Deno.test(`rule ${rule}`, () => {
    const [found] = problems(`# a comment\n\n${rule}\n`, "control/fixsmtpio");
    assert.match(placed(found!.message, found!), message);
    assert.equal(found!.line, 3);
    assert.throws(() => parseRules(rule, "control/fixsmtpio"), Fail);
  });
}

const PATTERNS: [pattern: string, text: string, matches: boolean][] = [
  ["*", "", true],
  ["250?AUTH*", "250-AUTH LOGIN\r\n", true],
  ["250?AUTH*", "250-SAUTH\r\n", false],
  ["2*k??", "250 ok\r\n", true],
  ["2*k", "250 ok\r\n", false],
  ["[23]*", "354 go", true],
  ["[!23]*", "354 go", false],
  ["[a-c]x", "bx", true],
  ["[]a]", "]", true],
  ["[a", "[a", true],
  ["\\*x", "*x", true],
  ["\\*x", "ax", false],
  ["*a*b*", "xxaxxbxx", true],
  ["*a*b", "xxaxxbx", false],
];
for (const [pattern, text, matches] of PATTERNS) {
  Deno.test(`pattern ${pattern} and ${JSON.stringify(text)}`, () => assert.equal(fnmatch(pattern, text), matches));
}

Deno.test("a pattern of many stars takes no longer than pattern times text", () => {
  const begun = performance.now();
  assert.equal(fnmatch("*a".repeat(200) + "b", "a".repeat(5000)), false);
  assert.ok(performance.now() - begun < 2000);
});

Deno.test("fixsmtpio --check lists every mistake, and the greeting that a client would take for a failed login", async () => {
  using home = new Home();
  const check = async (rules: string) => {
    home.write("control/fixsmtpio", rules);
    const env = { COUNTERSIGN_CONTROL: `${home.path}/control` };
    const { code, stdout, stderr } = await home.run([`${CHAIN}/fixsmtpio`, "--check"], "", env);
    return [code, stdout, stderr] as const;
  };
  const [code, , stderr] = await check(WRONG.slice(0, 3).map(([rule]) => rule).join("\n"));
  assert.equal(code, 1);
  assert.deepEqual(stderr.match(/control\/fixsmtpio:\d: /g)?.map((one) => one.at(-3)), ["1", "2", "3"]);

  const general = ":greeting::2*::&fixsmtpio_fixup\n";
  const [without, , advice] = await check(general);
  assert.equal(without, 1);
  assert.match(advice, /gets "220 localhost ESMTP" where it expects 235: add AUTHUP_USER:greeting::2\*::235 ok/);
  const [good, stdout] = await check(`${general}AUTHUP_USER:greeting::2*::235 ok, go ahead (#2.0.0)\n`);
  assert.equal(good, 0);
  assert.match(stdout, /control\/fixsmtpio: 2 rules\n$/);
});

const SERVER = `${ROOT}/tests/submit/chain/server`;

Deno.test("NOFIXSMTPIO runs the server and changes nothing", async () => {
  using home = new Home();
  home.write("control/fixsmtpio", ":greeting::2*::235 ok\n");
  await using talk = new Talk(home, [`${CHAIN}/fixsmtpio`, SERVER], {
    LOG: `${home.path}/log`,
    NOFIXSMTPIO: "1",
    STATUS: "9",
  });
  assert.equal(await talk.reply(), "220 inner.example ESMTP");
  await talk.say("QUIT");
  assert.equal((await talk.end()).code, 9);
});

Deno.test("FIXSMTPIODEBUG traces commands, replies and content, before and after", async () => {
  using home = new Home();
  home.write("control/fixsmtpio", ":auth:NOOP :*::502 no\n");
  await using talk = new Talk(home, [`${CHAIN}/fixsmtpio`, SERVER], { LOG: `${home.path}/log`, FIXSMTPIODEBUG: "1" });
  await talk.reply();
  for (const line of ["AUTH x", "DATA", "a\r\n.", "QUIT"]) await talk.say(line);
  const { stderr } = await talk.end();
  const traced = stderr.trim().split("\n").map((line) => line.replace(/^fixsmtpio \d+ \S+server \d+ /, ""));
  assert.deepEqual(traced.slice(2, 6), [
    '1: "AUTH x\\r\\n"',
    '2: "NOOP AUTH x\\r\\n"',
    '3: "250 ok NOOP AUTH x\\r\\n"',
    '4: "502 no\\r\\n"',
  ]);
  assert.ok(traced.includes('D: "a\\r\\n.\\r\\n"'));
});

/** Content in pieces, and whether fixsmtpio lets the message pass. */
const CONTENTS: [name: string, pieces: string[], passes: boolean][] = [
  ["byte by byte", [..."a.\r\n..\r\nb\r\n.\r\n"], true],
  ["a CR at the end of a packet", ["a\r", "\n.\r", "\n"], true],
  ["a dot at the beginning of a packet in mid-line", ["foo", ".\r\n", ".\r\n"], true],
  ["\\n.\\n", ["a\n.\n"], false],
  ["\\n.\\r\\n", ["a\n.\r\n"], false],
  ["\\r\\n.\\n", ["a\r\n.\n"], false],
  ["\\r\\n.\\n in pieces", ["a\r\n.", "\n"], false],
  ["\\n.\\r\\n in pieces", ["a\n", ".\r", "\n"], false],
  ["\\r.\\r\\n is text", ["a\r.\r\nb\r\n.\r\n"], true],
];
for (const [name, pieces, passes] of CONTENTS) {
  Deno.test(`the content of a message: ${name}`, async () => {
    using home = new Home();
    await using talk = new Talk(home, [`${CHAIN}/fixsmtpio`, SERVER], { LOG: `${home.path}/log` });
    await talk.reply();
    assert.match(await talk.say("DATA"), /^354 /);
    for (const piece of pieces) {
      await talk.send(piece);
      await new Promise((done) => setTimeout(done, 5));
    }
    assert.match(await talk.reply(), passes ? /^250 / : /^451 /);
    if (!passes) {
      return assert.deepEqual([(await talk.end()).code, home.read("log").includes("data: .\n")], [75, false]);
    }
    assert.match(await talk.say("QUIT"), /^221 /);
  });
}
