/** audit: each message of a mailbox of any kind is counted once, with the verdict of the hook. */
import assert from "node:assert/strict";
import { Hashes } from "../../admin/audit/hashes.ts";
import { conforms } from "./json.ts";
import { messagesIn } from "../../admin/audit/mailboxes.ts";
import { auditPage } from "../../admin/audit/page.ts";
import { auditText, number } from "../../admin/audit/report.ts";
import { type Audit, audited, Tally } from "../../admin/audit/tally.ts";
import { RESULTS } from "../../incoming/verdict.ts";
import { srsForward } from "../../mod.ts";
import { bounceOfOurs, quotedPrintable, SAMPLES } from "../bounces.ts";
import { Home, oneLine, qsbmf, ROOT, SECRET } from "../rig.ts";
import { countersign, snapshot } from "./home.ts";

const GREG = "greg@example.org";
/** The fields that an MTA adds at the top. */
const top = (sender: string, recipient = GREG) => `Return-Path: <${sender}>\nDelivered-To: ${recipient}\n`;
const received = (date: string) =>
  `Received: from a.example\n\tby mx.example.org with SMTP; Fri, ${date} 05:32:58 +0000 (UTC)\n`;
const ordinary = (n: number, date = "20 Nov 2026") =>
  `${top("jo@b.example")}${received(date)}From: jo@b.example\nTo: ${GREG}\nMessage-ID: <${n}@b.example>\n\nHi ${n}.\n`;
const returning = (id: string) => `From: ${GREG}\nMessage-ID: <${id}>\nSubject: x\n\nHi.\n`;
const bounce = (id: string, recipient = GREG, host = "mx.example.net") =>
  top("", recipient) + qsbmf(recipient, returning(id), host);
const vacation = (more = "") => `${top("")}${received("3 Oct 2026")}From: ann@c.example\nTo: ${GREG}\n${more}\nAway.\n`;

async function run(home: Home, ...args: string[]): Promise<Audit> {
  const ran = await countersign(home, ["audit", "--json", ...args]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  return conforms("audit --json", JSON.parse(ran.stdout));
}

/** The results that were found. */
const found = ({ results }: Audit) => Object.fromEntries(Object.entries(results).filter(([, count]) => count > 0));

/** Ways to keep messages below a home. */
const BOXES: Record<string, (home: Home, mails: readonly string[]) => void> = {
  maildir: (home, mails) => {
    home.write("box/tmp/1", mails[0]!);
    home.write("box/new/.keep", "");
    home.write("box/maildirsize", "1");
    mails.forEach((mail, n) =>
      home.write(`box/${n % 3 === 0 ? "new/" : n % 3 === 1 ? "cur/" : ".a.b/cur/"}${n}.mx:2,S`, mail)
    );
  },
  mbox: (home, mails) => {
    home.write("box", mails.map((mail) => `From x@y.example Fri Nov 20 05:32:58 2026\n${mail}\n`).join(""));
  },
  "mbox with CRLF": (home, mails) => {
    const text = mails.map((mail) => `From x@y.example Fri Nov 20 05:32:58 2026\n${mail}\n`).join("");
    home.write("box", text.replaceAll("\n", "\r\n"));
  },
  ".eml": (home, mails) => {
    mails.forEach((mail, n) => home.write(`box/${n % 2 === 0 ? "" : "deep/er/"}${n}.eml`, mail));
    home.write("box/notes.txt", "not mail");
  },
  MH: (home, mails) => mails.forEach((mail, n) => home.write(`box/inbox/${n}`, mail)),
  all: (home, mails) => {
    mails.slice(0, 2).forEach((mail, n) => home.write(`box/a/cur/${n}`, mail));
    home.write("box/b.mbox", mails.slice(2, 5).map((mail) => `From - Fri Nov 20 05:32:58 2026\n${mail}\n`).join(""));
    mails.slice(5).forEach((mail, n) => home.write(`box/c/${n}.eml`, mail));
  },
};

function mails(): string[] {
  const signed = srsForward(GREG, "srs.example.org", {
    secrets: [SECRET],
    hashLength: 8,
    now: new Date("2026-11-20"),
  });
  return [
    ordinary(1),
    ordinary(2, "2 Oct 2026"),
    `${top("")}${received("20 Nov 2026")}${qsbmf(GREG, returning("never@example.org"), "d.example")}`,
    bounce("sent1@example.org"),
    `${top("", signed)}${received("20 Nov 2026")}${qsbmf(signed, "Nothing.\n")}`,
    `${top("", "SRS0=aaaaaaaa=AA=example.org=greg@srs.example.org")}${qsbmf(GREG, "Nothing.\n", "d.example")}`,
    vacation(),
    vacation("In-Reply-To: <sent1@example.org>\n"),
    bounce("never@example.org", "ann@example.org"),
  ];
}

for (const [kind, write] of Object.entries(BOXES)) {
  Deno.test(`a mailbox as ${kind}`, async () => {
    using home = new Home();
    const all = mails();
    write(home, all);
    home.write("Sent", `From - Fri Nov 20 05:32:58 2026\n${returning("sent1@example.org")}`);
    const before = snapshot(home.path);
    const audit = await run(home, "box", "--sent", "Sent");
    // The SRS domain's bounce with a wrong hash is forged, too; ann is not an identity.
    assert.deepEqual(found(audit), { genuine: 1, known: 2, unsolicited: 1, forged: 2, other: 3 });
    assert.equal(audit.messages, all.length);
    assert.deepEqual(audit.bounces, { total: 4, verified: 1, known: 1, unrecognized: 2 });
    assert.deepEqual(audit.backscatter, [{ domain: "d.example", count: 2 }]);
    assert.deepEqual(audit.rejectable, { count: 1, share: 1 / all.length });
    // The genuine one and a forged one were sent to SRS addresses.
    assert.equal(audit.unsigned, 4);
    assert.equal(audit.sent, 1);
    const months = Object.fromEntries(audit.months.map((one) => [one.month, one.other + one.forged + one.unsolicited]));
    assert.deepEqual(months, { "2026-10": 2, "2026-11": 4 });
    const without = await run(home, "box");
    assert.deepEqual(found(without), { genuine: 1, unsolicited: 2, forged: 3, other: 3 });
    assert.equal(without.sent, null);
    assert.deepEqual(snapshot(home.path), before);
  });
}

Deno.test("real bounces: proved by a tag, known by a Message-ID in the Sent folder, or neither", async () => {
  using home = new Home();
  const now = new Date("2026-11-20T12:00:00Z");
  const bounces: { mail: string; messageId: string }[] = [];
  for (const name of SAMPLES) {
    try {
      bounces.push(bounceOfOurs(name, GREG, now));
    } catch {
      // This sample does not return a header.
    }
  }
  assert.ok(bounces.length >= 10);
  bounces.forEach(({ mail }, n) => home.write(`tagged/${n}.eml`, top("") + mail));
  bounces.forEach(({ mail }, n) =>
    home.write(`old/${n}.eml`, top("") + mail.replace(/X-Msgauth: \S+/g, "X-Nothing: 1"))
  );
  bounces.forEach(({ messageId }, n) => home.write(`Sent/cur/${n}`, returning(messageId)));
  assert.deepEqual((await run(home, "tagged")).bounces, {
    total: bounces.length,
    verified: bounces.length,
    known: 0,
    unrecognized: 0,
  });
  const [unsigned, other] = [await run(home, "old", "--sent", "Sent"), await run(home, "old")];
  assert.equal(unsigned.bounces.known, bounces.length);
  assert.equal(unsigned.results.known, bounces.length);
  assert.equal(other.bounces.unrecognized, bounces.length);
  assert.equal(other.rejectable.count, bounces.length);
});

/** [what, message, kind]; sent1@example.org is the only Message-ID that was sent */
const one: [string, string, string][] = [
  ["no Return-Path, recognized as a bounce by its content", qsbmf(GREG, returning("x@x")), "forged"],
  ["no Return-Path, from a person", `From: jo@b.example\nTo: ${GREG}\n\nHi.\n`, "other"],
  [
    "mbox line of a daemon",
    `From MAILER-DAEMON Fri Nov 20 05:32:58 2026\nFrom: jo@b.example\nTo: ${GREG}\n\n`,
    "unsolicited",
  ],
  ["mbox line of a person", `From jo@b.example Fri Nov 20 05:32:58 2026\n${qsbmf(GREG, "")}`, "other"],
  ["Return-Path of a daemon", `${top("MAILER-DAEMON@d.example")}${qsbmf(GREG, "")}`, "forged"],
  ["qmail's double bounce", `${top("#@[]")}${qsbmf(GREG, "")}`, "other"],
  [
    "Return-Path below a Received field of getmail",
    `Received: by getmail\nReturn-Path: <>\n${qsbmf(GREG, "")}`,
    "forged",
  ],
  [
    "such a Return-Path, not a bounce",
    `Received: by getmail\nReturn-Path: <>\nFrom: ann@c.example\nTo: ${GREG}\n\nAway.\n`,
    "unsolicited",
  ],
  ["the name of a mailbox in Delivered-To", `${top("", "u123@store.example")}${qsbmf(GREG, "")}`, "forged"],
  [
    "Delivered-To of the server, below that of getmail and above those of the sender",
    `Delivered-To: unknown\nReceived: from a by b with POP3 getmail6\n${top("")}X-Original-To: x@b.example\n${
      qsbmf("y@b.example", "")
    }`,
    "forged",
  ],
  ["to an address that is not an identity", `${top("", "ann@example.org")}${qsbmf("ann@example.org", "")}`, "other"],
  [
    "a person writes to a forged signed address",
    `${top("jo@b.example", "SRS0=aaaaaaaa=AA=example.org=greg@srs.example.org")}\n`,
    "forged",
  ],
  [
    "the returned Message-ID is quoted",
    top("") + qsbmf(GREG, "> From: a\n> Message-ID:\n>  <sent1@example.org>\n"),
    "known",
  ],
  [
    "the returned Message-ID is in quoted-printable",
    top("") + qsbmf(GREG, quotedPrintable("Message-ID: <se=nt@example.org>\n")),
    "known",
  ],
  ["the returned Message-ID has no brackets", top("") + qsbmf(GREG, "Message-ID: sent1@example.org\n"), "known"],
  ["the returned Message-ID is in base64", top("") + qsbmf(GREG, `${btoa(returning("sent1@example.org"))}\n`), "known"],
  [
    "the returned Message-ID is in HTML",
    top("") + qsbmf(GREG, "<p>Message-ID: &lt;sent1@example.org&gt;<br>To: x</p>\n"),
    "known",
  ],
  [
    "the sent Message-ID was an encoded word",
    top("") + qsbmf(GREG, "Message-ID: =?utf-8?q?=3Csent3=40x=3E?=\n"),
    "known",
  ],
  [
    "the sent Message-ID was an encoded word, and the returned one is decoded",
    top("") + qsbmf(GREG, "Message-ID: <sent3@x>\n"),
    "known",
  ],
  ["the sent Message-ID was folded", top("") + qsbmf(GREG, "Message-ID: <sent4\n @x>\n"), "known"],
  ["the returned Message-ID is folded in another place", top("") + qsbmf(GREG, "Message-ID: <sent4@\n x>\n"), "known"],
  ["the sent Message-ID had no brackets", top("") + qsbmf(GREG, "Message-ID: <sent 5>\n"), "known"],
  [
    "the Message-ID is in the outer header only",
    `${top("")}Message-ID: <sent1@example.org>\n${qsbmf(GREG, "x")}`,
    "forged",
  ],
  [
    "the returned Message-ID is a substring of a sent one",
    top("") + qsbmf(GREG, "Message-ID: <ent1@example.org>\n"),
    "forged",
  ],
  [
    "a header longer than the first read",
    `${top("")}X-Long: ${"x".repeat(70_000)}\n${qsbmf(GREG, returning("sent1@example.org"))}`,
    "known",
  ],
  [
    "from a person, with a header that is too long",
    `X-Long: ${"x".repeat(70_000)}\n${top("jo@b.example")}${qsbmf(GREG, "")}`,
    "other",
  ],
  [
    "the returned message is far below the top",
    top("") + qsbmf(GREG, `${"y\n".repeat(50_000)}\n${returning("sent1@example.org")}`),
    "known",
  ],
  ["nothing but NUL", "\0".repeat(40_000), "other"],
  ["no line end", "Return-Path: <>", "other"],
];
for (const [what, mail, kind] of one) {
  Deno.test(`one message: ${what}: ${kind}`, async () => {
    using home = new Home();
    home.write("box/1.eml", mail);
    home.write("Sent/1.eml", returning("sent1@example.org"));
    home.write("Sent/2.eml", returning("se=nt@example.org"));
    home.write("Sent/3.eml", "Message-ID: =?utf-8?q?=3Csent3=40x=3E?=\n\n");
    home.write("Sent/4.eml", "Message-ID: <sent4\n @x>\n\n");
    home.write("Sent/5.eml", "Message-ID: sent 5\n\n");
    const audit = await run(home, "box", "--sent", "Sent");
    assert.deepEqual([found(audit), audit.unreadable], [{ [kind]: 1 }, { count: 0, files: [] }]);
  });
}

Deno.test("an mbox is split where messages begin, wherever a read ends", async () => {
  using home = new Home();
  const line = "From MAILER-DAEMON Fri Nov 20 05:32:58 2026\n";
  const body = "\nFrom here on it is text.\n\nFrom now on, too.\nFrom x@y.example Fri Nov 20 05:32:58 2026\n";
  const long = (size: number) => `${line}${ordinary(1)}${body}${`${"F".repeat(70)}\n`.repeat(size)}\n`;
  // Messages of many sizes around that of the window: so that the window ends at every part of a line.
  const sizes = Array.from({ length: 60 }, (_, n) => n % 6 === 0 ? 7200 + n : n % 6 === 3 ? 20_000 + n : n);
  home.write("box", sizes.map(long).join("") + `${line}${bounce("x@x")}`);
  const audit = await run(home, "box");
  assert.deepEqual(found(audit), { forged: 1, other: sizes.length });
});

Deno.test("an mbox with the window ending at every offset", async () => {
  using home = new Home();
  const window = 512 * 1024;
  const [one, two] = [`From a@b.example Fri Nov 20 05:32:58 2026\n${ordinary(1)}`, bounce("x@x")];
  for (let shift = -50; shift <= 5; shift++) {
    const fill = window - one.length - 1 + shift;
    home.write(
      `box/${shift}.mbox`,
      `${one}${"x".repeat(fill - 1)}\n\nFrom MAILER-DAEMON Fri Nov 20 05:32:58 2026\n${two}`,
    );
  }
  const files = 56;
  assert.deepEqual(found(await run(home, "box")), { forged: files, other: files });
});

Deno.test("links and pipes are not followed", async () => {
  using home = new Home();
  home.write("box/1.eml", ordinary(1));
  Deno.symlinkSync("..", `${home.path}/box/circle`);
  Deno.symlinkSync("nowhere", `${home.path}/box/2.eml`);
  assert.equal((await home.run(["mkfifo", "box/pipe.eml"])).code, 0);
  const ran = await countersign(home, ["audit", "box"]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.match(ran.stdout, /^3 files skipped/m);
});

Deno.test("what cannot be read is reported and does not stop the audit", () => {
  using home = new Home();
  home.write("1.eml", ordinary(1));
  const tally = new Tally();
  const evil = "\x1b[31m<b>&\n";
  const paths = [`${home.path}/none/${evil}`, "/dev/null", `${home.path}/1.eml`];
  assert.equal([...messagesIn(paths, tally)].length, 1);
  const audit = audited(tally, ABOUT, 1, null, false);
  assert.deepEqual(audit.unreadable.files.map(({ path }) => path), paths.slice(0, 2));
  const text = auditText(audit);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f]/);
  assert.match(text, /^2 files or folders could not be read:\n {2}".*\\u001b\[31m<b>&\\n": /m);
  assert.match(text, /^ {2}\/dev\/null: neither a file nor a folder$/m);
  assert.ok(!auditPage(audit).includes("<b>"));
});

Deno.test("compressed files are named, whatever their names are", async () => {
  using home = new Home();
  home.write("box/cur/1", ordinary(1));
  home.write("box/cur/BZh", "BZh: a field of a message\n\n");
  home.write("mbox", `From - Fri Nov 20 05:32:58 2026\n${ordinary(2)}`);
  assert.equal((await home.run(["gzip", "-k", "mbox"])).code, 0);
  Deno.copyFileSync(`${home.path}/mbox.gz`, `${home.path}/box/cur/2:2,SZ`); // as Dovecot compresses
  home.write("box/old.xz", new Uint8Array([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0]));
  const audit = await run(home, "box");
  assert.deepEqual([audit.messages, audit.skipped], [2, 0]);
  assert.deepEqual(audit.compressed, { count: 2, files: ["box/old.xz", "box/cur/2:2,SZ"] });
  const { stdout } = await countersign(home, ["audit", "box"]);
  assert.match(stdout, /^2 compressed files not read: box\/old\.xz, box\/cur\/2:2,SZ\.$/m);
  // If that is all, nothing was audited.
  const alone = await countersign(home, ["audit", "mbox.gz"]);
  assert.deepEqual([alone.code, alone.stderr], [66, "audit: No mailbox could be read\n"]);
  assert.match(alone.stdout, /^1 compressed file not read: mbox\.gz\.$/m);
});

Deno.test("what would be refused is mentioned only if the settings refuse something", () => {
  const all = { forged: true, unsigned: true };
  const text = (refuses: typeof all) => auditText({ ...hostile(), unsigned: 3, refuses });
  assert.doesNotMatch(text({ forged: false, unsigned: false }), /refuse|reject/i);
  assert.match(text({ ...all, unsigned: false }), /^The door would reject 28 during the SMTP session, 0\.9 % of/m);
  assert.match(text({ ...all, forged: false }), /^identity\.refuse_unsigned would reject 3: /m);
  assert.doesNotMatch(text({ ...all, forged: false }), /The door/);
});

Deno.test("--html does not replace a file unless --overwrite is given", async () => {
  using home = new Home();
  home.write("box/1.eml", ordinary(1));
  const args = ["audit", "box", "--html", "page.html"];
  assert.equal((await countersign(home, args)).code, 0);
  home.write("page.html", "mine");
  oneLine(
    await countersign(home, args),
    64,
    /^audit: page\.html: Page already exists: add --overwrite to replace it$/m,
  );
  assert.equal(home.read("page.html"), "mine");
  assert.equal((await countersign(home, [...args, "--overwrite"])).code, 0);
  assert.match(home.read("page.html"), /^<\?xml/);
});

Deno.test("sent mail within the mailbox is not judged", async () => {
  using home = new Home();
  home.write("box/cur/1", ordinary(1));
  home.write("box/.Sent/cur/1", returning("sent1@example.org"));
  home.write("box/old.mbox", `From - Fri Nov 20 05:32:58 2026\n${returning("sent2@example.org")}`);
  Deno.symlinkSync(`${home.path}/box/.Sent`, `${home.path}/link`);
  assert.equal((await run(home, "box")).messages, 3);
  const audit = await run(home, `${home.path}/box/`, "--sent", "link", "--sent=box/old.mbox");
  assert.deepEqual([audit.messages, audit.sent], [1, 2]);
});

Deno.test("--address works without settings", async () => {
  using home = new Home();
  home.settings("nonsense = [");
  home.write("box/1.eml", bounce("x@x", "jo@b.example"));
  home.write("box/2.eml", bounce("x@x", "ann@b.example"));
  const audit = await run(home, "box", "--address", "Jo@B.example", "--address", GREG);
  assert.deepEqual(found(audit), { forged: 1, other: 1 });
});

Deno.test("--address: bounces to signed addresses, which cannot be verified without keys, are judged by their content", async () => {
  using home = new Home();
  const [srs, prvs] = ["SRS0=abcdEFGH=JR=example.org=greg@srs.example.org", `prvs=1234abcdef=${GREG}`];
  home.write("Sent/1.eml", returning("sent1@example.org"));
  home.write("box/1.eml", bounce("sent1@example.org", srs));
  home.write("box/2.eml", bounce("sent1@example.org", prvs));
  home.write("box/3.eml", bounce("lie@spam.example", srs));
  home.write("box/4.eml", bounce("x@x", srs.replace("greg", "ann")));
  home.write("box/5.eml", `Delivered-To: greg\n${bounce("sent1@example.org", srs)}`);
  const audit = await run(home, "box", "--sent", "Sent", "--address", GREG);
  assert.deepEqual(found(audit), { known: 3, forged: 1, other: 1 });
  // A signed address is not a plain one.
  assert.deepEqual([audit.rejectable.count, audit.unsigned], [0, 0]);
});

Deno.test("messages are judged as of the day of arrival, and according to the settings", async () => {
  using home = new Home();
  const options = { secrets: [SECRET], hashLength: 8 };
  // The key is newer than the last message, as an imported key may be.
  const dates = [["2026-08-01", "20 Nov 2026"], ["2026-11-19", "20 Nov 2026"], ["2025-01-01", "20 Nov 2026"]];
  for (const [n, [made, came]] of [...dates, ["2025-06-01", "2 Jun 2025"]].entries()) {
    const signed = srsForward(GREG, "srs.example.org", { ...options, now: new Date(made!) });
    home.write(`box/${n}.eml`, `${top("", signed)}${received(came!)}${qsbmf(signed, "Nothing.\n")}`);
  }
  assert.deepEqual(found(await run(home, "box")), { genuine: 2, late: 1, forged: 1 });
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nforged = "mark"\n`);
  const marked = await run(home, "box");
  assert.deepEqual(found(marked), { genuine: 2, late: 1, suspect: 1 });
  assert.deepEqual(marked.bounces, { total: 4, verified: 3, known: 0, unrecognized: 1 });
  // An invalid signed address is not a plain one.
  assert.equal(marked.rejectable.count, 0);
});

Deno.test("a header that is longer than the first read is read completely", async () => {
  using home = new Home();
  const long = `X-Long: ${"x".repeat(70_000)}\n`;
  home.write("Sent/1.eml", long + returning("sent1@example.org"));
  home.write("box/1.eml", bounce("sent1@example.org"));
  home.write("box/2.eml", `Return-Path: <jo@b.example>\n${long}${received("2 Oct 2026")}\nHi.\n`);
  const audit = await run(home, "box", "--sent", "Sent");
  assert.deepEqual(found(audit), { known: 1, other: 1 });
  assert.ok(audit.months.some((one) => one.month === "2026-10" && one.other === 1));
});

Deno.test("a set of hashes contains what was added, and nothing else", () => {
  const set = new Hashes();
  const count = 50_000;
  for (let n = 0; n < count; n++) set.add(`${n}@example.org`);
  for (let n = 0; n < count; n++) set.add(new TextEncoder().encode(`${n}@example.org`));
  assert.equal(set.size, count);
  const wrong = Array.from({ length: count }, (_, n) => n).filter((n) => {
    return !set.has(`${n}@example.org`) || set.has(`${n}@example.net`) || set.has(`${n + count}@example.org`);
  });
  assert.deepEqual(wrong, []);
  assert.ok(!new Hashes().has(""));
});

Deno.test("JSON of an audit of one message", async () => {
  using home = new Home();
  home.write("box/1.eml", ordinary(1));
  const { seconds, rate, date, ...rest } = await run(home, "box");
  assert.ok(seconds > 0 && rate > 0, `${seconds} ${rate}`);
  assert.match(date, /^\d{4}-\d\d-\d\d$/);
  const results = Object.fromEntries(RESULTS.map((result) => [result, result === "other" ? 1 : 0]));
  assert.deepEqual(rest, {
    version: 1,
    mailboxes: ["box"],
    refuses: { forged: false, unsigned: false },
    interrupted: false,
    messages: 1,
    results,
    months: [{ month: "2026-11", ...results }],
    bounces: { total: 0, verified: 0, known: 0, unrecognized: 0 },
    sent: null,
    backscatter: [],
    backscatterTruncated: false,
    rejectable: { count: 0, share: 0 },
    unsigned: 0,
    unreadable: { count: 0, files: [] },
    compressed: { count: 0, files: [] },
    skipped: 0,
  });
});

const ABOUT = { mailboxes: ["box"], date: "2026-11-20", refuses: { forged: false, unsigned: false } };

/** A tally with text as messages may contain it. */
function hostile(): Audit {
  const tally = new Tally();
  const domains = [
    "<script>alert(1)</script>",
    "\"><img src='x'>",
    "&lt;",
    "]]>",
    "\0\x1b[2J\x9b\ud800\uffff",
    "-->",
    "",
  ];
  for (const [n, domain] of domains.entries()) {
    for (let i = 0; i <= n; i++) {
      tally.add({
        result: n % 2 ? "forged" : "suspect",
        month: 24_322 + n * 7,
        bounce: "unrecognized",
        domain,
        rejectable: true,
      });
    }
  }
  for (let n = 0; n < 3000; n++) tally.count(-1, "other");
  tally.unreadable("</td><svg onload=x>", '<why> & "how"');
  tally.compressed("<a>.gz");
  return audited(tally, { ...ABOUT, mailboxes: ["<b>&"] }, 2, 0, true);
}

Deno.test("the page is well-formed, whatever text messages contain", async () => {
  using home = new Home();
  for (const audit of [hostile(), audited(new Tally(), ABOUT, 0, null, false)]) {
    const page = auditPage(audit);
    const file = home.write("page.html", page);
    wellFormed(page);
    if (await installed("xmllint")) {
      const ran = await home.run(["xmllint", "--noout", "--nonet", file]);
      assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    }
    for (const word of ["<script", "<img", "onload=x>", "<why"]) assert.ok(!page.includes(word), word);
    assert.doesNotMatch(page, /<[^>]* (?:src|href|on\w+)=|url\(|@import/i);
  }
  const page = auditPage(hostile());
  assert.ok(page.includes("&lt;script&gt;alert(1)&lt;/script&gt;"));
  assert.ok(page.includes("&amp;lt;"));
  assert.equal(page.match(/<rect [^>]*><title>/g)!.length, hostile().months.filter((one) => one.month !== null).length);
});

Deno.test("the table and the bars on a terminal", () => {
  const text = auditText(hostile());
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  assert.match(text, /^Interrupted/m);
  assert.match(text, /^unknown +0 +0 +3,000 +3,000$/m);
  const bars = [...text.matchAll(/^(\d{4}-\d\d) +(#+) (\d+)$/gm)].map((
    [, , bar, count],
  ) => [bar!.length, Number(count)]);
  assert.deepEqual(bars.map(([, count]) => count), [1, 2, 3, 4, 5, 6, 7]);
  for (const [length, count] of bars) assert.equal(length, Math.ceil(count! / 7 * 50));
  assert.deepEqual([0, 999, 1000, 1234567].map(number), ["0", "999", "1,000", "1,234,567"]);
});

Deno.test("rare domains are dropped when there are too many", () => {
  const tally = new Tally();
  const add = (domain: string) => tally.add({ result: "forged", month: 0, bounce: "unrecognized", domain });
  for (let n = 0; n < 50_000; n++) {
    add(`d${n}.example`);
    if (n % 2 === 0) add("most.example");
  }
  assert.ok(tally.domains.size <= 8192 && tally.dropped);
  assert.deepEqual(audited(tally, ABOUT, 1, null, false).backscatter[0], { domain: "most.example", count: 25_000 });
});

const interrupted = "interrupted, it prints what it has, and ends with 0";
Deno.test({ name: interrupted, ignore: Deno.build.os !== "linux" }, async () => {
  using home = new Home();
  const count = 500;
  for (let n = 0; n < count; n++) home.write(`box/${n}.eml`, ordinary(n));
  // The same mailbox is listed so often that the audit cannot finish before the signal.
  const boxes = Array<string>(20_000).fill("box");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`, "audit", "--json", ...boxes],
    cwd: home.path,
    env: { ...home.env, HOME: home.path },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  // Before it listens, the signal would only kill it. Deno itself catches some; this is the last that
  // io/system/signals.ts adds.
  const LAST = 1 << (26 - 1); // SIGVTALRM
  const caught = () => Number.parseInt(/^SigCgt:\s*([0-9a-f]+)/m.exec(status(child.pid))?.[1]?.slice(-8) ?? "0", 16);
  while ((caught() & LAST) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill("SIGINT");
  const { code, stdout, stderr } = await output;
  assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
  const audit: Audit = JSON.parse(new TextDecoder().decode(stdout));
  assert.ok(audit.interrupted && audit.messages < boxes.length * count);
  assert.equal(audit.results.other, audit.messages);
});

function status(pid: number): string {
  return Deno.readTextFileSync(`/proc/${pid}/status`);
}

/** [arguments, status, error message] */
const wrong: [string[], number, RegExp][] = [
  [[], 64, /^audit: No mailbox given: countersign audit/],
  [["box", "--htlm", "x"], 64, /Unknown option "--htlm": did you mean --html\?/],
  [["box", "--address", "greg"], 64, /has no @/],
  [["box", "--address", GREG, "--config", "x"], 64, /--address cannot be combined with --config/],
  [["box", "--html", "none/page.html"], 74, /^audit: none\/page\.html: Page cannot be written: /],
  [["box", "--sent", "none"], 66, /^audit: none: Sent mail cannot be read: No such file/],
  [["none"], 66, /^audit: none: Mailbox cannot be read: No such file/],
  [["box", "none"], 66, /^audit: none: Mailbox cannot be read: No such file/],
  [
    ["box", "\x1b[31m\n"],
    66,
    /^audit: "\\u001b\[31m\\n": Mailbox cannot be read: No such file[ -~]*\ufffd\[31m[ -~]*\n$/,
  ],
  [["box", "/dev/null"], 66, /^audit: \/dev\/null: Mailbox cannot be read: it is neither a file nor a folder$/m],
  [["box", "--config", "none.toml"], 78, /none\.toml: Settings file does not exist/],
];
for (const [args, code, says] of wrong) {
  Deno.test(`audit ${args.join(" ")} is rejected`, async () => {
    using home = new Home();
    home.write("box/1.eml", ordinary(1));
    const ran = await countersign(home, ["audit", ...args]);
    oneLine(ran, code, says);
    assert.equal(ran.stdout, "");
  });
}

Deno.test("audit --help", async () => {
  using home = new Home();
  home.settings("nonsense = [");
  const ran = await countersign(home, ["audit", "--help"]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.match(ran.stdout, /^Usage: countersign audit MAILBOX[^]*^Example: countersign audit /m);
  for (const line of ran.stdout.split("\n")) assert.ok(line.length <= 120, line);
  assert.ok((await countersign(home, ["help"])).stdout.includes("\n  audit "));
});

async function installed(program: string): Promise<boolean> {
  const { success } = await new Deno.Command("/bin/sh", { args: ["-c", `command -v ${program}`], stdout: "null" })
    .output();
  return success;
}

/** Every element is closed in order, every `&` is an entity, no control characters. */
function wellFormed(page: string): void {
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(page, /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]/);
  assert.doesNotMatch(page, /&(?!(?:lt|gt|amp|quot|#39);)/);
  const open: string[] = [];
  const TAG = /<(?:\?xml[^>]*\?|!DOCTYPE html|(\/)?([a-z0-9]+)((?: [\w:-]+="[^"<]*")*)(\/)?)>|</gi;
  for (const [tag, end, name, , empty] of page.matchAll(TAG)) {
    assert.notEqual(tag, "<", "a < that begins nothing");
    if (name === undefined || empty !== undefined) continue;
    if (end === undefined) open.push(name);
    else assert.equal(open.pop(), name);
  }
  assert.deepEqual(open, []);
}
