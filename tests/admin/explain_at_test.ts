/** explain --at: says what the door says, word for word, and changes nothing. */
import assert from "node:assert/strict";
import { noteForgotten } from "../../io/state/forgotten.ts";
import { doorRole } from "../../serve/door.ts";
import { oneLine, SECRET } from "../rig.ts";
import { FORGED, LETTER, PLAIN, srs } from "../serve/at_door.ts";
import { EngineHome } from "../serve/engine.ts";
import { message, talk } from "../serve/mta.ts";
import { conforms } from "./json.ts";
import { countersign, snapshot } from "./home.ts";

const expired = srs("greg", `greg ${SECRET}`, 40);

/** [stage, sender, recipient, message, the code or null, what explains it] */
const rows: ["rcpt" | "data", string, string, string, number | null, RegExp][] = [
  ["rcpt", "", srs("greg", "mallory"), "", 550, /^Reason +signed-recipient \(forged\): SRS address has a wrong hash$/m],
  ["rcpt", "jo@b.example", expired, "", 551, /^Reason +signed-recipient \(other\): expired signed address/m],
  ["rcpt", "jo@b.example", "old@example.org", "", 551, /moved: the address has moved$/m],
  ["rcpt", "", srs(), "", null, /signed-recipient \(genuine\): valid signed address/],
  ["rcpt", "", PLAIN, "", null, /^Reason +the message decides$/m],
  ["rcpt", "jo@b.example", PLAIN, "", null, /not about mail of an identity/],
  ["data", "", PLAIN, FORGED, 550, /^Reason +forged \(forged\): a bounce /m],
  ["data", "", PLAIN, LETTER, null, /^Reason +forged \(unsolicited\): /m],
  ["data", "", srs("greg", "mallory"), FORGED, 550, /^At +RCPT$/m],
  ["data", "jo@b.example", PLAIN, FORGED, null, /not about mail of an identity/],
];

Deno.test("explain --at says what the door says", async (t) => {
  using home = new EngineHome('moved = "moved"\ncontact = "https://example.org/100%"');
  home.write("moved", "old@example.org new@example.net\n");
  assert.equal(home.engine.reload(), undefined);
  for (const [at, sender, recipient, mail, code, why] of rows) {
    await t.step(`${at}, <${sender}>, ${recipient.replace(/=.{8}=/, "=…=")}`, async () => {
      const before = snapshot(home.path);
      const args = ["explain", "--at", at, "--sender", sender === "" ? "<>" : sender, "--recipient", recipient];
      const ran = await countersign(home, [...args, "--json", "--config", home.source.file], mail);
      assert.deepEqual([ran.code, ran.stderr], [0, ""]);
      const told = conforms("explain --at rcpt --json", JSON.parse(ran.stdout));
      assert.equal(told.code, code);
      const words = await countersign(home, [...args, "--config", home.source.file], mail);
      assert.match(words.stdout, why);
      assert.deepEqual(snapshot(home.path), before, "explain changed something");
      const said = await talk(doorRole(home.engine), message(sender, [recipient], mail === "" ? undefined : mail));
      const reply = said.find((one) => one.startsWith("y")) ?? said.at(-1)!;
      if (code === null) return assert.match(reply, /^[ca]$/);
      assert.equal(`y${told.reply.join("\r\n").replaceAll("%", "%%")}\0`, reply);
      for (const line of told.reply) assert.ok(words.stdout.includes(line), words.stdout);
    });
  }
});

Deno.test("explain --at takes the envelope from the message", async () => {
  using home = new EngineHome();
  const args = ["explain", "--at", "data", "--json", "--config", home.source.file];
  const ran = await countersign(home, args, `\n\n${FORGED}`);
  const told = conforms("explain --at rcpt --json", JSON.parse(ran.stdout));
  assert.deepEqual([told.sender, told.recipient, told.code, told.notes.length], [null, PLAIN, 550, 3]);
});

Deno.test("explain --at data says why a message is not judged", async () => {
  const reasons: [EngineHome, RegExp][] = [
    [new EngineHome("", { forged: "spam" }), /incoming\.forged is "spam"/],
    [new EngineHome("", { shared: false }), /state\.shared is not set/],
    [new EngineHome(), /without being remembered/],
  ];
  noteForgotten(`${reasons[2]![0].path}/state`, new Date());
  for (const [made, why] of reasons) {
    using home = made;
    const args = ["explain", "--at", "data", "--sender", "<>", "--recipient", PLAIN, "--config", home.source.file];
    const ran = await countersign(home, args, FORGED);
    assert.match(ran.stdout, why, ran.stderr);
    assert.match(ran.stdout, /^Reply +none; the door accepts it$/m);
  }
});

Deno.test("explain --at: wrong usage", async () => {
  using home = new EngineHome();
  const config = ["--config", home.source.file];
  const wrong: [string[], RegExp][] = [
    [["--at", "mail"], /Option --at is "mail", not rcpt or data/],
    [["--at", "rcpt", "--as", "qmail"], /--as cannot be combined with --at/],
    [["--out", "--at", "rcpt", "--", "x"], /--at cannot be combined with --out/],
    [["--at", "rcpt", "--recipient", PLAIN], /Envelope is unknown: use --sender/],
    [["--at", "data", "--sender", "<>"], /Envelope is unknown: use --recipient/],
  ];
  for (const [args, expected] of wrong) {
    oneLine(await countersign(home, ["explain", ...args, ...config], LETTER), 64, expected);
  }
});
