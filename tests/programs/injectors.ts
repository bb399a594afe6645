/** What every transport program must do with the shim's messages, as seen by the server that it sends them to. */
import assert from "node:assert/strict";
import { srsReverse, verifyTag } from "../../mod.ts";
import { qmailLocal } from "../../build/rig/qmail.ts";
import { fieldOf, type Home, oneLine, type Ran, SECRET } from "../rig.ts";
import { type AcceptedMail, REFUSED, type Sink } from "../smtp_sink.ts";
import { assertCounts, gregsHome, mailsIn, snippet } from "./letters.ts";

/** A program under test, and the server that it sends to. */
export interface Injector {
  home: Home;
  sink: Sink;
}

/** What the program supports. Deliberately not read from the presets, which are under test. */
export interface Features {
  quoted: boolean;
  dash: boolean;
  nullSender: boolean;
  nul: boolean;
  /** The parameters of MAIL FROM and RCPT TO when notifications are requested. */
  dsn?: { from: RegExp; to: RegExp };
}

const BODY = "Grüße\n.\n..\n.hidden\nFrom here on\nthe end\n";
const letter = (to: string, body = BODY) =>
  `From: Greg <greg@example.org>\nTo: ${to}\nBcc: hidden@mx.example.net\nSubject: Lunch?\n` +
  `MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n${body}`;

/** greg's home with this transport, and contrib/qmail for bounces. */
export function injectorHome(transport: (home: Home) => string): Home {
  const home = gregsHome();
  home.settings(`${transport(home)}\n[incoming]\nspam = "${home.path}/Maildir/.Spam"\n`);
  for (const name of [".qmail", ".qmail-srs-default"]) home.write(name, snippet(`qmail/greg/${name}`));
  return home;
}

/** Sends a letter to these recipients. */
export function sendLetter(home: Home, ...recipients: string[]): Promise<Ran> {
  return home.shim(["--", ...recipients], letter(recipients.join(", ")));
}

/** Waits until so many recipients were served. @returns the messages; a program may send one copy per recipient */
export async function arrived(sink: Sink, recipients: number): Promise<AcceptedMail[]> {
  const count = () => sink.accepted.reduce((sum, { to }) => sum + to.length, 0);
  await sink.when(() => count() >= recipients);
  return sink.accepted.splice(0);
}

/** The signed sender of the last message. */
export function signed(home: Home): string {
  return / sender="?([^" ]*)/.exec(home.read(".local/state/countersign/log").trimEnd().split("\n").at(-1)!)?.[1] ?? "";
}

/** Asserts that every line ends with CRLF, and that there is no other CR or LF. */
function assertLines(data: string): void {
  assert.doesNotMatch(data, /(?:^|[^\r])\n|\r(?!\n)/);
}

export function assertSucceeded(ran: Ran): void {
  assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
}

/** Sends all kinds of messages and checks what the server got. */
export async function testDelivery(t: Deno.TestContext, { home, sink }: Injector, features: Features): Promise<void> {
  const to = "nobody@mx.example.net";
  const onlyMessage = async () => {
    const all = await arrived(sink, 1);
    assert.deepEqual(all.map((taken) => taken.to), [[to]]);
    return all[0]!;
  };

  await t.step("the signed sender, the tag, the body", async () => {
    assertSucceeded(await home.shim(["--", to], letter(to)));
    const { from, data, mail } = await onlyMessage();
    assert.equal(from, signed(home));
    assert.equal(
      srsReverse(from, { secrets: [SECRET], hashLength: 8, alphabet: "base64url", now: new Date() }),
      "greg@example.org",
    );
    verifyTag(fieldOf(mail, "X-Msgauth"), "greg@example.org", fieldOf(mail, "Message-ID"), {
      secrets: { k1: SECRET },
      now: new Date(),
    });
    assertLines(data);
    assert.equal(mail.slice(mail.indexOf("\n\n") + 2), BODY);
    assert.doesNotMatch(mail, /^(?:Bcc|Sender|Return-Path):/im);
    assert.equal(fieldOf(mail, "From"), "Greg <greg@example.org>");
  });
  await t.step("a message with CRLF", async () => {
    assertSucceeded(await home.shim(["--", to], letter(to).replaceAll("\n", "\r\n")));
    const { data, mail } = await onlyMessage();
    assertLines(data);
    assert.equal(mail.slice(mail.indexOf("\n\n") + 2), BODY);
  });
  await t.step("a body without a final newline, and an empty body", async () => {
    for (const body of ["the end", ""]) {
      assertSucceeded(await home.shim(["--", to], letter(to, body)));
      const { data, mail } = await onlyMessage();
      assertLines(data);
      assert.equal(mail.slice(mail.indexOf("\n\n") + 2).trimEnd(), body);
    }
  });
  await t.step("twenty recipients", async () => {
    const all = Array.from({ length: 20 }, (_, i) => `r${i}@mx${i % 3}.example.net`);
    assertSucceeded(await home.shim(["--", ...all], letter(to)));
    const got = await arrived(sink, all.length);
    assert.deepEqual(got.flatMap((taken) => taken.to).sort(), all.sort());
    for (const { from } of got) assert.equal(from, signed(home));
  });
  await t.step("-t: To, Cc and Bcc, and an argument", async () => {
    const text = `From: greg@example.org\nTo: Somebody <to@mx.example.net>,\n  more@mx.example.net\n` +
      `Cc: copy@mx.example.net\nBcc: hidden@mx.example.net\n\nAt one?\n`;
    assertSucceeded(await home.shim(["-t", "to@mx.example.net", "extra@mx.example.net"], text));
    const all = ["copy", "extra", "hidden", "more", "to"].map((name) => `${name}@mx.example.net`);
    const got = await arrived(sink, all.length);
    assert.deepEqual(got.flatMap((taken) => taken.to).sort(), all);
    for (const { data } of got) assert.doesNotMatch(data, /hidden/);
  });

  const special: [what: string, recipient: string, supported: boolean][] = [
    ["a recipient with a dash", "-x@mx.example.net", features.dash],
    ["a recipient like an option", "-oQ/tmp@mx.example.net", features.dash],
    ["a quoted local part", '"a b"@mx.example.net', features.quoted],
    ["a quoted local part with a comma", '"a,b"@mx.example.net', features.quoted],
    ["a quoted local part with quotes", '"a\\"b"@mx.example.net', features.quoted],
  ];
  for (const [what, recipient, supported] of special) {
    await t.step(`${what}: ${supported ? "arrives" : "is rejected"}`, async () => {
      const ran = await home.shim(["--", recipient, to], letter(to));
      if (!supported) return oneLine(ran, 69, /does not support/);
      assertSucceeded(ran);
      const got = await arrived(sink, 2);
      assert.deepEqual(got.flatMap((each) => each.to).sort(), [recipient, to].sort());
    });
  }

  // Programs that cannot handle a quoted local part fail on recipients only, not on the sender.
  for (
    const sender of [
      "-x@elsewhere.example",
      "o'neil&co=x+y@elsewhere.example",
      '"a b"@elsewhere.example',
      '"a,b"@elsewhere.example',
      '"a\\"b"@elsewhere.example',
    ]
  ) {
    await t.step(`sender ${sender} arrives`, async () => {
      assertSucceeded(await home.shim([`-f${sender}`, "--", to], letter(to)));
      assert.equal((await onlyMessage()).from, sender);
    });
  }

  await t.step(`the null sender ${features.nullSender ? "arrives" : "is rejected"}`, async () => {
    const ran = await home.shim(["-f", "<>", "--", to], letter(to));
    if (!features.nullSender) return oneLine(ran, 69, /does not support the null sender/);
    assertSucceeded(ran);
    assert.equal((await onlyMessage()).from, "");
  });
  await t.step(`a NUL ${features.nul ? "arrives" : "is rejected"}`, async () => {
    const ran = await home.shim(["--", to], letter(to, "a\0b\nc\n"));
    if (!features.nul) return oneLine(ran, 65, /NUL/);
    assertSucceeded(ran);
    const { data } = await onlyMessage();
    assert.ok(data.endsWith("\r\n\r\na\0b\r\nc\r\n"), data);
  });
  await t.step(`notifications ${features.dsn ? "are requested" : "are dropped"}`, async () => {
    assertSucceeded(await home.shim(["-N", "failure,delay", "-R", "hdrs", "-V", "id42", "--", to], letter(to)));
    const { fromParameters, toParameters } = await onlyMessage();
    if (features.dsn) {
      assert.match(fromParameters, features.dsn.from);
      assert.match(toParameters.join(), features.dsn.to);
    } else assert.doesNotMatch(fromParameters + toParameters, /RET|ENVID|NOTIFY/i);
  });
  await t.step("nothing else was sent", () => assert.deepEqual(sink.accepted, []));
}

/** A program with a queue accepts a message that the server then rejects: its bounce is recognized as genuine. */
export async function testBounce(t: Deno.TestContext, { home, sink }: Injector): Promise<void> {
  sink.answers = { to: (recipient) => recipient.startsWith("nobody@") ? REFUSED : undefined };
  assertSucceeded(await sendLetter(home, "nobody@mx.example.net"));
  const [bounce, ...more] = await arrived(sink, 1);
  assert.deepEqual(more, []);
  const sender = signed(home);
  await t.step("the bounce goes to the signed sender", () => {
    assert.deepEqual([bounce!.from, bounce!.to], ["", [sender]]);
  });
  const { mail } = bounce!;
  const untagged = mail.replace(/^X-Msgauth: v1.*/m, "X-Msgauth: v1.k1.1.a.a");
  const table: [what: string, ext: string, host: string, mail: string, inbox: number, spam: number][] = [
    ["to the SRS address", `srs-${sender.split("@")[0]}`, "srs.example.org", mail, 1, 0],
    ["to the plain address", "", "example.org", mail, 2, 0],
    ["with an invalid tag, known by the Message-ID", "", "example.org", untagged, 3, 0],
    [
      "of a message that greg did not send",
      "",
      "example.org",
      untagged.replace(/^(?:Message-ID|References): </gim, "$&x"),
      3,
      1,
    ],
  ];
  for (const [what, ext, host, message, inbox, spam] of table) {
    await t.step(`the hook gets the bounce ${what}`, async () => {
      const { end } = await qmailLocal(home, { sender: "", ext, host }, message);
      assert.equal(end, "success");
      assertCounts(home, inbox, spam, mailsIn(home).spam[0]);
    });
  }
}
