/** The real mutt with contrib/mutt sends through the shim, and bounces return. */
import assert from "node:assert/strict";
import { verifyTag } from "../../mod.ts";
import { qmailLocal } from "../../build/rig/qmail.ts";
import { CREATED, fieldOf, type Home, qsbmf, type Ran, ROOT, SECRET } from "../rig.ts";
import { assertCounts, gregsHome, mailsIn, removeMail, settings, snippet } from "./letters.ts";
import { need } from "./need.ts";

const test = await need("mutt");

/** greg's home with contrib/mutt and contrib/qmail. */
function muttHome(transport?: string): Home {
  const home = gregsHome();
  home.write(".config/countersign/keys-lists", `k1 ${CREATED} another ${SECRET}\n`, 0o600);
  const own = Deno.readTextFileSync(`${ROOT}/contrib/mutt/config.toml`);
  home.write(".config/countersign/config.toml", `${own}\n${transport ?? settings(home)}`);
  const more =
    `set from="greg@example.org" realname="Greg" hostname="laptop.example.org" charset="utf-8" send_charset="us-ascii:utf-8"
set copy=yes record="${home.path}/sent" write_bcc=yes
`;
  home.write(".muttrc", more + snippet("mutt/muttrc"));
  for (const name of [".qmail", ".qmail-srs-default"]) home.write(name, snippet(`qmail/greg/${name}`));
  return home;
}

/** Runs mutt in batch mode, with the body on standard input. */
function mutt(home: Home, args: string[], body: string | Uint8Array = "At one?\n"): Promise<Ran> {
  const env = { LC_ALL: "C.UTF-8", USER: "greg" };
  return home.run(["mutt", "-n", "-F", `${home.path}/.muttrc`, "-s", "Lunch?", ...args], body, env);
}

/** Sends a message. @returns the only message that was sent */
async function sendMessage(home: Home, args: string[], body?: string | Uint8Array): Promise<string> {
  const ran = await mutt(home, args, body);
  assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
  const out = home.mails("out");
  assert.equal(out.length, 1);
  return out[0]!;
}

const senderOf = (mail: string) => fieldOf(mail, "Return-Path").replace(/[<>]/g, "");
const recipientsOf = (mail: string) => [...mail.matchAll(/^X-Envelope-To: (.*)$/gm)].map((match) => match[1]);
const SRS = /^SRS0=[\w-]{8}=[A-Z2-7]{2}=example\.org=greg@srs\.example\.org$/;

test("mutt: a message is sent with an SRS sender and a tag", async () => {
  using home = muttHome();
  const out = await sendMessage(home, [
    "-b",
    "hidden@mx.example.net",
    "-c",
    "copy@mx.example.net",
    "--",
    "nobody@mx.example.net",
  ]);
  assert.match(senderOf(out), SRS);
  assert.deepEqual(recipientsOf(out), ["nobody@mx.example.net", "copy@mx.example.net", "hidden@mx.example.net"]);
  assert.equal(fieldOf(out, "Cc"), "copy@mx.example.net");
  assert.doesNotMatch(out, /^Bcc:/im);
  verifyTag(fieldOf(out, "X-Msgauth"), "greg@example.org", fieldOf(out, "Message-ID"), {
    secrets: { k1: SECRET },
    now: new Date(),
  });
  assert.match(home.read("sent"), /^Subject: Lunch\?$/m, "mutt keeps its copy");
});

test("mutt: a message is sent by a command", async () => {
  using home = muttHome();
  const stub = home.write(
    "bin/stub",
    `#!/bin/sh\nfor word; do echo "$word"; done >"$HOME/argv"\ncat >"$HOME/in"\n`,
    0o755,
  );
  using stubHome = muttHome(`[transport]\npreset = "sendmail"\ncommand = ["${stub}"]\n`);
  const ran = await mutt(stubHome, ["--", "nobody@mx.example.net"]);
  assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
  const argv = stubHome.read("argv").trimEnd().split("\n");
  assert.deepEqual([argv.slice(0, 2), argv.slice(3)], [["-i", "-f"], ["--", "nobody@mx.example.net"]]);
  assert.match(argv[2]!, SRS);
  assert.match(stubHome.read("in"), /^X-Msgauth: v1\.k1\./m);
  assert.match(stubHome.read("in"), /\n\nAt one\?\n$/);
});

test("mutt: 8-bit text and attachments are unchanged", async () => {
  using home = muttHome();
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const file = home.write("picture.bin", bytes);
  const out = await sendMessage(home, ["-a", file, "--", "nobody@mx.example.net"], "Grüße\n.\nFrom here on\n");
  assert.ok(out.includes("\n\nGrüße\n.\nFrom here on\n"), out.slice(0, 1500));
  const { default: PostalMime } = await import("postal-mime");
  const [attached] = (await PostalMime.parse(out, { attachmentEncoding: "arraybuffer" })).attachments;
  assert.deepEqual(new Uint8Array(attached!.content as ArrayBuffer), bytes);
});

test("mutt: the envelope sender depends on the recipient", async (t) => {
  const table: [recipient: string, sender: RegExp][] = [
    ["nobody@mx.example.net", SRS],
    ["talk@lists.example.com", /^greg-lists@example\.org$/], // muttrc's send-hook
    ["nobody@plain.example.com", /^greg@example\.org$/], // config.toml's rule
    ["nobody@lists.example.com.example.net", SRS],
  ];
  for (const [recipient, sender] of table) {
    await t.step(recipient, async () => {
      using home = muttHome();
      const out = await sendMessage(home, ["--", recipient]);
      assert.match(senderOf(out), sender);
      assert.equal(fieldOf(out, "From"), "Greg <greg@example.org>");
      const secrets = { k1: SECRET };
      verifyTag(fieldOf(out, "X-Msgauth"), "greg@example.org", fieldOf(out, "Message-ID"), {
        secrets,
        now: new Date(),
      });
    });
  }
});

test("mutt: when the shim fails, mutt reports it and keeps no copy of the message", async (t) => {
  const failing = (code: number) => `[transport]\npreset = "sendmail"\ncommand = ["/bin/sh", "-c", "exit ${code}"]\n`;
  const table: [what: string, transport: string, message: RegExp][] = [
    ["75", failing(75), /child exited 75 \(Deferred\.\)/],
    ["111, qmail's equivalent of 75", failing(111), /child exited 75 \(Deferred\.\)/],
    ["69", failing(69), /child exited 69 /],
    ["invalid settings: 78", "nonsense = [", /config\.toml:\d+: [^]*child exited 78 \(\)/],
    [
      "settings with a missing program: 71",
      `[transport]\npreset = "sendmail"\ncommand = ["/nowhere/sendmail"]\n`,
      /exited 71/,
    ],
  ];
  for (const [what, transport, message] of table) {
    await t.step(what, async () => {
      using home = muttHome(transport);
      const ran = await mutt(home, ["--", "nobody@mx.example.net"]);
      assert.equal(ran.code, 1);
      assert.match(ran.stderr, message);
      assert.match(ran.stderr, /^shim: \S/m);
      assert.match(ran.stdout, /Could not send the message/);
      assert.equal(home.read("sent"), "");
    });
  }
});

/** Bounces of qmail, Postfix and Exim that return this message in place of the sample's. */
function bounces(out: string): [name: string, bounce: string][] {
  const sender = senderOf(out);
  // The envelope fields that the shim adds for a maildir are not part of the sent message.
  const original = out.replace(/^(?:Return-Path|X-Envelope-To): .*\n/gm, "");
  const all: [string, string][] = [["qsbmf", qsbmf(sender, original)]];
  const folder = `${ROOT}/tests/samples/bounces`;
  for (const { name } of Deno.readDirSync(folder)) {
    if (!/^(?:postfix|exim4)-.*\.eml$/.test(name)) continue;
    const sample = Deno.readTextFileSync(`${folder}/${name}`);
    const [, sampleSender] = /^To: (SRS0\S+)$/m.exec(sample)!;
    const header = original.split("\n\n")[0]!;
    // From the MTA's first line to the end of the original header.
    const block = /^Return-path: <SRS0[^]*?\n\n/im;
    assert.match(sample, block, name);
    const bounce = sample.replace(block, (old) => {
      const received = /^Received: .*\n(?:[ \t].*\n)*/m.exec(old)![0];
      return `${old.split("\n")[0]}\n${received}${header}\n\n`;
    }).replaceAll(sampleSender!, sender);
    all.push([name, bounce]);
  }
  return all;
}

test("mutt: the round trip: a bounce of a message from mutt is delivered", async (t) => {
  using home = muttHome();
  const out = await sendMessage(home, ["--", "nobody@mx.example.net"]);
  const all = bounces(out);
  assert.deepEqual(["qsbmf", "postfix", "exim4"].filter((mta) => !all.some(([name]) => name.startsWith(mta))), []);
  let count = 0;
  for (const [name, bounce] of all) {
    await t.step(`${name}, to the SRS address`, async () => {
      const letter = { sender: "", ext: `srs-${senderOf(out).split("@")[0]}`, host: "srs.example.org" };
      const { end, runs } = await qmailLocal(home, letter, bounce);
      assert.deepEqual([end, runs.map(({ code }) => code)], ["success", [0]]);
      assertCounts(home, ++count, 0);
    });
    await t.step(`${name}, to the plain address: genuine by the returned tag`, async () => {
      const { end, runs } = await qmailLocal(home, { sender: "", ext: "", host: "example.org" }, bounce);
      assert.deepEqual([end, runs.map(({ code }) => code)], ["success", [0]]);
      assertCounts(home, ++count, 0);
    });
    const untagged = bounce.replaceAll(fieldOf(out, "X-Msgauth"), "v1.k1.99999.aaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaa");
    await t.step(`${name}, to the plain address: known by the Message-ID, with an invalid tag`, async () => {
      assert.notEqual(untagged, bounce);
      const { end, runs } = await qmailLocal(home, { sender: "", ext: "", host: "example.org" }, untagged);
      assert.deepEqual([end, runs.map(({ code }) => code)], ["success", [0]]);
      assertCounts(home, ++count, 0);
      assert.match(
        home.read(".local/state/countersign/log").trimEnd().split("\n").at(-1)!,
        / result=known check=reply /,
      );
    });
    await t.step(`${name}, to the plain address, of a message that mutt did not send: filed`, async () => {
      const forged = untagged.replaceAll(fieldOf(out, "Message-ID").slice(1, -1), "another@spam.example");
      assert.notEqual(forged, untagged);
      const { end, runs } = await qmailLocal(home, { sender: "", ext: "", host: "example.org" }, forged);
      assert.deepEqual([end, runs.map(({ code }) => code)], ["success", [99]]);
      const { spam } = mailsIn(home);
      assertCounts(home, count, 1);
      assert.match(fieldOf(spam[0]!, "X-Countersign"), /^forged; /);
      removeMail(home);
      count = 0;
    });
  }
});
