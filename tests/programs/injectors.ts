/** What every program behind the shim must do with a message, whatever its name: seen from the server it gives it to. */
import assert from "node:assert/strict";
import { srsReverse, verifyTag } from "../../mod.ts";
import { qmailLocal } from "../qmail.ts";
import { fieldOf, type Home, oneLine, type Ran, SECRET } from "../rig.ts";
import { REFUSED, type Sink, type Taken } from "../smtp_sink.ts";
import { counts, found, gregsHome, snippet } from "./letters.ts";

/** A program under test, ready to send. */
export interface Injector {
  home: Home;
  sink: Sink;
}

/** What the preset says of it, written down here once more: a test must not believe the table that it tests. */
export interface Takes {
  quoted: boolean;
  dash: boolean;
  nullSender: boolean;
  nul: boolean;
  /** What stands behind MAIL FROM and RCPT TO when notifications are asked for. */
  dsn?: { from: RegExp; to: RegExp };
}

const BODY = "Grüße\n.\n..\n.hidden\nFrom here on\nthe end\n";
const letter = (to: string, body = BODY) =>
  `From: Greg <greg@example.org>\nTo: ${to}\nBcc: hidden@mx.example.net\nSubject: Lunch?\n` +
  `MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n${body}`;

/** greg's home with this way out, and contrib/qmail for what comes back. */
export function injectorHome(transport: (home: Home) => string): Home {
  const home = gregsHome();
  home.settings(`${transport(home)}\n[incoming]\nspam = "${home.path}/Maildir/.Spam"\n`);
  for (const name of [".qmail", ".qmail-srs-default"]) home.write(name, snippet(`qmail/greg/${name}`));
  return home;
}

/** greg writes to these. */
export function write(home: Home, ...recipients: string[]): Promise<Ran> {
  return home.shim(["--", ...recipients], letter(recipients.join(", ")));
}

/** Everything that the server took for so many recipients; a program may send each its own copy. */
export async function arrived(sink: Sink, recipients: number): Promise<Taken[]> {
  const count = () => sink.taken.reduce((sum, { to }) => sum + to.length, 0);
  await sink.when(() => count() >= recipients);
  return sink.taken.splice(0);
}

/** The sender as the shim signed it. */
export function signed(home: Home): string {
  return / sender="?([^" ]*)/.exec(home.read(".local/state/countersign/log").trimEnd().split("\n").at(-1)!)?.[1] ?? "";
}

/** A line that came over SMTP ends with CRLF, and no other CR or LF is there. */
function assertLines(data: string): void {
  assert.doesNotMatch(data, /(?:^|[^\r])\n|\r(?!\n)/);
}

export function sent(ran: Ran): void {
  assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
}

/** Sends each kind of message and looks at what the server got. */
export async function carries(t: Deno.TestContext, { home, sink }: Injector, takes: Takes): Promise<void> {
  const to = "nobody@mx.example.net";
  const one = async () => {
    const all = await arrived(sink, 1);
    assert.deepEqual(all.map((taken) => taken.to), [[to]]);
    return all[0]!;
  };

  await t.step("the signed sender, the tag, the body", async () => {
    sent(await home.shim(["--", to], letter(to)));
    const { from, data, mail } = await one();
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
    sent(await home.shim(["--", to], letter(to).replaceAll("\n", "\r\n")));
    const { data, mail } = await one();
    assertLines(data);
    assert.equal(mail.slice(mail.indexOf("\n\n") + 2), BODY);
  });
  await t.step("a body without a last newline, and none", async () => {
    for (const body of ["the end", ""]) {
      sent(await home.shim(["--", to], letter(to, body)));
      const { data, mail } = await one();
      assertLines(data);
      assert.equal(mail.slice(mail.indexOf("\n\n") + 2).trimEnd(), body);
    }
  });
  await t.step("twenty recipients", async () => {
    const all = Array.from({ length: 20 }, (_, i) => `r${i}@mx${i % 3}.example.net`);
    sent(await home.shim(["--", ...all], letter(to)));
    const got = await arrived(sink, all.length);
    assert.deepEqual(got.flatMap((taken) => taken.to).sort(), all.sort());
    for (const { from } of got) assert.equal(from, signed(home));
  });
  await t.step("-t: To, Cc and Bcc, and an argument", async () => {
    const text = `From: greg@example.org\nTo: Somebody <to@mx.example.net>,\n  more@mx.example.net\n` +
      `Cc: copy@mx.example.net\nBcc: hidden@mx.example.net\n\nAt one?\n`;
    sent(await home.shim(["-t", "to@mx.example.net", "extra@mx.example.net"], text));
    const all = ["copy", "extra", "hidden", "more", "to"].map((name) => `${name}@mx.example.net`);
    const got = await arrived(sink, all.length);
    assert.deepEqual(got.flatMap((taken) => taken.to).sort(), all);
    for (const { data } of got) assert.doesNotMatch(data, /hidden/);
  });

  const special: [what: string, recipient: string, taken: boolean][] = [
    ["a recipient with a dash", "-x@mx.example.net", takes.dash],
    ["a recipient like an option", "-oQ/tmp@mx.example.net", takes.dash],
    ["a quoted local part", '"a b"@mx.example.net', takes.quoted],
    ["a quoted local part with a comma", '"a,b"@mx.example.net', takes.quoted],
    ["a quoted local part with quotes", '"a\\"b"@mx.example.net', takes.quoted],
  ];
  for (const [what, recipient, taken] of special) {
    await t.step(`${what}: ${taken ? "arrives" : "is refused"}`, async () => {
      const ran = await home.shim(["--", recipient, to], letter(to));
      if (!taken) return oneLine(ran, 69, /cannot take/);
      sent(ran);
      const got = await arrived(sink, 2);
      assert.deepEqual(got.flatMap((each) => each.to).sort(), [recipient, to].sort());
    });
  }

  // A quoted local part is lost in recipients only, by those that lose it.
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
      sent(await home.shim([`-f${sender}`, "--", to], letter(to)));
      assert.equal((await one()).from, sender);
    });
  }

  await t.step(`the null sender ${takes.nullSender ? "arrives" : "is refused"}`, async () => {
    const ran = await home.shim(["-f", "<>", "--", to], letter(to));
    if (!takes.nullSender) return oneLine(ran, 69, /cannot take the null sender/);
    sent(ran);
    assert.equal((await one()).from, "");
  });
  await t.step(`a NUL ${takes.nul ? "arrives" : "is refused"}`, async () => {
    const ran = await home.shim(["--", to], letter(to, "a\0b\nc\n"));
    if (!takes.nul) return oneLine(ran, 65, /NUL/);
    sent(ran);
    const { data } = await one();
    assert.ok(data.endsWith("\r\n\r\na\0b\r\nc\r\n"), data);
  });
  await t.step(`notifications ${takes.dsn ? "are asked for" : "are dropped"}`, async () => {
    sent(await home.shim(["-N", "failure,delay", "-R", "hdrs", "-V", "id42", "--", to], letter(to)));
    const { fromParameters, toParameters } = await one();
    if (takes.dsn) {
      assert.match(fromParameters, takes.dsn.from);
      assert.match(toParameters.join(), takes.dsn.to);
    } else assert.doesNotMatch(fromParameters + toParameters, /RET|ENVID|NOTIFY/i);
  });
  await t.step("nothing else was sent", () => assert.deepEqual(sink.taken, []));
}

/** A program with a queue says yes, is refused later, and writes a bounce: it goes to the signed sender and is known. */
export async function comesHome(t: Deno.TestContext, { home, sink }: Injector): Promise<void> {
  sink.answers = { to: (recipient) => recipient.startsWith("nobody@") ? REFUSED : undefined };
  sent(await write(home, "nobody@mx.example.net"));
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
    ["with another tag, known by the Message-ID", "", "example.org", untagged, 3, 0],
    [
      "of what greg did not write",
      "",
      "example.org",
      untagged.replace(/^(?:Message-ID|References): </gim, "$&x"),
      3,
      1,
    ],
  ];
  for (const [what, ext, host, message, inbox, spam] of table) {
    await t.step(`the hook gets it ${what}`, async () => {
      const { end } = await qmailLocal(home, { sender: "", ext, host }, message);
      assert.equal(end, "success");
      counts(home, inbox, spam, found(home).spam[0]);
    });
  }
}
