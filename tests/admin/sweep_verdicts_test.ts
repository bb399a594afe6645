/** sweep gives a fetched message the verdict that the hook gives it when it is delivered. */
import assert from "node:assert/strict";
import { judgeFile } from "../../admin/sweep/judged.ts";
import { fields } from "../../admin/log/line.ts";
import { loadIdentities, loadSettings } from "../../io/system/load.ts";
import { bounceOfOurs, SAMPLES } from "../bounces.ts";
import { makeProof } from "../../incoming/proof.ts";
import { parseHead } from "../../lib/message.ts";
import { srsForward } from "../../lib/srs.ts";
import { utf8 } from "../../lib/bytes.ts";
import { fieldOf, ROOT, SECRET } from "../rig.ts";
import { drive } from "../faults/home.ts";
import { fetched, forged, Laptop } from "./sweep.ts";

const ADDRESS = "greg@example.org";

/** The message without the fields of the server that received it. */
const bare = (mail: string) => mail.replace(/^(?:.*\n){3}/, "");

/** The messages: those of tests/cases and tests/samples, and the samples with a tag of ours. */
function messages(now: Date): [name: string, mail: string][] {
  const found: [string, string][] = [];
  for (const folder of ["tests/cases", "tests/samples/bounces", "tests/samples/challenges"]) {
    for (const { name } of Deno.readDirSync(`${ROOT}/${folder}`)) {
      if (name.endsWith(".eml")) found.push([name, Deno.readTextFileSync(`${ROOT}/${folder}/${name}`)]);
    }
  }
  for (const name of SAMPLES) {
    try {
      found.push([`${name}, tagged`, bounceOfOurs(name, ADDRESS, now).mail]);
    } catch {
      // This sample does not return a header.
    }
  }
  // Their first lines may be those of an mbox.
  return found.map(([name, mail]) => [name, mail.replace(/^From .*\n/, "")]);
}

Deno.test("sweep and the hook give the same verdict", async () => {
  using home = new Laptop();
  home.write(
    ".config/countersign/config.toml",
    home.read(".config/countersign/config.toml").replace(
      `"${ADDRESS}"`,
      `"${ADDRESS}"\nsrs_domain = "srs.example.org"`,
    ),
  );
  const now = new Date();
  const options = { secrets: [SECRET], hashLength: 8, alphabet: "base64url" as const, now };
  const signed = srsForward(ADDRESS, "srs.example.org", options);
  const source = { file: `${home.path}/.config/countersign/config.toml`, home: home.path };
  const settings = loadSettings(source);
  const context = { settings, identities: loadIdentities(settings), now };
  // For any other recipient sweep looks into the To field, because Delivered-To may have the name of a mailbox.
  const envelopes: [sender: string, recipient: string][] = [
    ["", ADDRESS],
    ["", signed],
    ["MAILER-DAEMON@b.example", ADDRESS],
    ["kay@example.net", ADDRESS],
    ["", "SRS0=AAAAAAAA=AA=example.org=greg@srs.example.org"],
  ];
  const all = messages(now);
  assert.ok(all.length > 60);
  // A bounce that another hook has forwarded with its proof, and one of a message that was sent, without its tag.
  const header = parseHead(utf8(forged()), true)!.header;
  all.push(["forwarded", `X-Countersign: ${makeProof(context.identities[0]!, header, now)}\n${bare(forged())}`]);
  const sent = fieldOf(await home.sent(), "Message-ID");
  all.push(["remembered", bare(forged()).replace("<lie1@spam.example>", sent)]);
  // Every message as a bounce, and with one other envelope.
  const rows = all.flatMap(([name, mail], at) =>
    [envelopes[0]!, envelopes[1 + at % (envelopes.length - 1)]!].map(([sender, recipient]) => {
      const delivered = fetched(mail, sender, recipient, now);
      return { what: `${name}, from <${sender}> to ${recipient}`, sender, recipient, delivered };
    })
  );
  // One process runs the hook for all of them.
  const { results } = await drive(
    home,
    rows.map(({ sender, recipient, delivered }) => {
      const env = { SENDER: sender, RECIPIENT: recipient };
      return { program: "incoming", args: ["--as", "maildrop"], input: delivered, env };
    }),
  );
  const log = home.read(".local/state/countersign/log").trimEnd().split("\n").map(fields)
    .filter(({ direction }) => direction === "in");
  assert.deepEqual([results.length, log.length], [rows.length, rows.length]);
  const counts = new Map<string, number>();
  const checks = new Set<string>();
  for (const [at, { what, delivered }] of rows.entries()) {
    const [{ status }, last] = [results[at]!, log[at]!];
    assert.ok([0, 99].includes(status), `${what}: ${status}`);
    const { verdict } = await judgeFile(home.put(`new/${at}.x`, delivered), context);
    assert.deepEqual([verdict.result, verdict.check], [last.result, last.check], what);
    assert.equal(verdict.action === "spam", status === 99, what);
    checks.add(verdict.check);
    counts.set(verdict.result, (counts.get(verdict.result) ?? 0) + 1);
  }
  for (const result of ["genuine", "forged", "unsolicited", "other"]) {
    assert.ok((counts.get(result) ?? 0) > 1, `${result}: ${JSON.stringify([...counts])}`);
  }
  assert.equal(counts.get("known"), 1);
  assert.ok(checks.has("proof"), [...checks].join(" "));
});

Deno.test("a bounce longer than what is inspected is unsure, and one whose end returns the tag is genuine", async () => {
  using home = new Laptop();
  const filler = `${"x".repeat(75)}\n`.repeat(8000);
  const bounce = await home.bounce();
  const separator = "--- Below this line is a copy of the message.\n\n";
  home.put("new/1.x", bounce.replace(separator, `${separator}From: x@example.net\n\n${filler}`));
  home.put("new/2.x", `${bounce.slice(0, bounce.indexOf(separator))}${filler.repeat(2)}`);
  const settings = loadSettings({ file: `${home.path}/.config/countersign/config.toml`, home: home.path });
  const context = { settings, identities: loadIdentities(settings), now: new Date() };
  const judged = async (name: string) =>
    (await judgeFile(`${home.path}/Mail/Inbox/new/${name}`, context)).verdict.result;
  assert.deepEqual([await judged("1.x"), await judged("2.x")], ["genuine", "unsure"]);
  assert.match((await home.sweep()).stdout, /^2 messages judged: 1 genuine, 1 unsure\n1 message moved/);
  assert.equal(utf8(home.read("Mail/Spam/new/2.x")).length > 1_000_000, true);
});
