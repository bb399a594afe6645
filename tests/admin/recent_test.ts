/** audit --sent and doctor --sent: how much of the mail of the last 30 days passed the shim. */
import assert from "node:assert/strict";
import { rfc5322Date } from "../../lib/date.ts";
import { Home } from "../rig.ts";
import { countersign, snapshot } from "./home.ts";
import { conforms } from "./json.ts";

const OUT = `[transport]\nvia = "maildir"\nmaildir = "~/out"\n`;
const dated = (days: number) => rfc5322Date(new Date(Date.now() + days * 86_400_000));
const letter = (id: string, days = 0, from = "greg@example.org") =>
  `From: ${from}\nTo: ann@example.net\nDate: ${dated(days)}\nMessage-ID: <${id}@example.org>\nSubject: x\n\nHi.\n`;

/** A mailbox of sent mail: the copy of mutt is the message before the shim, without a tag. */
async function sentMail(): Promise<Home> {
  const home = new Home();
  home.settings(OUT);
  home.write("Sent/cur/phone1", letter("phone1", -1));
  home.write("Sent/cur/phone2", letter("phone2", -29));
  home.write("Sent/cur/old", letter("old", -31));
  home.write("Sent/cur/joe", letter("joe", 0, "joe@example.net"));
  home.write("Sent/cur/dateless", letter("dateless").replace(/^Date: .*\n/m, ""));
  for (const id of ["fcc", "tagged"]) {
    assert.equal((await home.shim(["ann@example.net"], letter(id))).code, 0);
    home.write(`Sent/cur/${id}`, letter(id));
  }
  // The copy on a server has the tag, so that the index is not needed.
  const tagged = home.mails("out").find((mail) => mail.includes("<tagged@"))!;
  home.write("Sent/cur/tagged", tagged.replaceAll("Message-ID: <tagged@", "Message-ID:  <tagged@"));
  home.settings(`${OUT}[tag]\nsign = false\n`);
  assert.equal((await home.shim(["ann@example.net"], letter("untagged", -2))).code, 0);
  home.write("Sent/cur/untagged", letter("untagged", -2));
  home.settings(OUT);
  home.write("box/new/1", "Return-Path: <jo@b.example>\nFrom: jo@b.example\n\nHi.\n");
  return home;
}

const COUNTS = { total: 5, signed: 2, unsigned: 1, unknown: 2 };
const SENTENCE =
  "Of 5 messages that you sent in the last 30 days, 2 left with a tag, 1 without one, and 2 were not sent through the shim.";

Deno.test("audit --sent counts mail that was not sent through the shim", async () => {
  using home = await sentMail();
  const before = snapshot(home.path);
  const json = await countersign(home, ["audit", "--json", "--sent", "Sent", "box"]);
  assert.deepEqual([json.code, json.stderr], [0, ""]);
  assert.deepEqual(conforms("audit --json", JSON.parse(json.stdout)).recentlySent, COUNTS);
  const text = await countersign(home, ["audit", "--sent", "Sent", "box"]);
  assert.ok(text.stdout.includes(`\n${SENTENCE}\n`), text.stdout);
  assert.deepEqual(snapshot(home.path), before);
  // Without settings or sent mail nothing is counted.
  for (const args of [["box"], ["--sent", "Sent", "--address", "greg@example.org", "box"]]) {
    const ran = await countersign(home, ["audit", "--json", ...args]);
    assert.equal(JSON.parse(ran.stdout).recentlySent, undefined);
  }
});

Deno.test("doctor --sent counts it too, and reports it only then", async () => {
  using home = await sentMail();
  const ask = async (...args: string[]) => {
    const { findings, notes } = JSON.parse((await countersign(home, ["doctor", "--json", ...args])).stdout);
    const about = (list: string[]) => list.filter((text) => text.includes("shim.") || text.includes("not counted"));
    return [about(findings.map(({ what }: { what: string }) => what)), about(notes)];
  };
  assert.deepEqual(await ask("--sent", "Sent"), [[SENTENCE], []]);
  assert.deepEqual(await ask(), [[], []]);
  for (const name of ["phone1", "phone2"]) Deno.removeSync(`${home.path}/Sent/cur/${name}`);
  const clean = SENTENCE.replace("5", "3").replace("2 were", "0 were");
  assert.deepEqual(await ask("--sent", "Sent"), [[], [clean]]);
  const [, [note = ""]] = await ask("--sent", "nowhere") as [string[], string[]];
  assert.match(note, /^nowhere is not counted: /);
});

Deno.test("mail is not counted where countersign serve remembers what left", async () => {
  using home = await sentMail();
  home.settings(`${OUT}[state]\nlookup = "/run/countersign/lookup"\n`);
  const audit = await countersign(home, ["audit", "--json", "box", "--sent", "Sent"]);
  const { recentlySent, notCounted } = conforms("audit --json", JSON.parse(audit.stdout));
  assert.deepEqual([recentlySent, notCounted?.slice(0, 30)], [undefined, "The sent mail is not counted, "]);
  const text = await countersign(home, ["audit", "box", "--sent", "Sent"]);
  assert.match(
    text.stdout,
    /^The sent mail is not counted, because what left is remembered by countersign serve\. Bounces /m,
  );
  const doctor = await countersign(home, ["doctor", "--sent", "Sent"]);
  assert.match(doctor.stdout, /The sent mail is not counted, because what left is remembered by countersign serve/);
  assert.doesNotMatch(doctor.stdout, /was not sent through the shim/);
});

Deno.test("mail is not counted where the index cannot be read", async () => {
  using home = await sentMail();
  const state = `${home.path}/.local/state/countersign`;
  Deno.removeSync(`${state}/sent`, { recursive: true });
  Deno.writeTextFileSync(`${state}/sent`, "not a folder");
  const audit = await countersign(home, ["audit", "--json", "box", "--sent", "Sent"]);
  assert.deepEqual([audit.code, audit.stderr], [0, ""]);
  const { recentlySent, notCounted } = conforms("audit --json", JSON.parse(audit.stdout));
  assert.equal(recentlySent, undefined);
  assert.match(notCounted, /^The sent mail is not counted: .*\/sent: Index of sent mail cannot be read: /);
  const doctor = await countersign(home, ["doctor", "--sent", "Sent"]);
  assert.match(doctor.stdout, /^Note: The sent mail is not counted: /m);
  assert.doesNotMatch(doctor.stdout, /was not sent through the shim/);
});
