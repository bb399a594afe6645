/** The filter protocol of OpenSMTPD, as smtpd-filters(7) of 6.8 (protocol 0.6) and 7.x (0.7) describes it. */
import assert from "node:assert/strict";
import { decodeLatin1, latin1ToUtf8 } from "../../lib/bytes.ts";
import { PREFIX_BYTES } from "../../io/system/input.ts";
import type { DoorDecision, MessagePrefix } from "../../hooks/door.ts";
import { OpenSmtpdFilter } from "../../hooks/opensmtpd_filter.ts";

const SESSION = "7641df9771b4ed00";
const TOKEN = "1ef1c203cc576e5d";
const NEEDS: DoorDecision = { needsMessage: true };
const REJECTS: DoorDecision = { needsMessage: false, reply: ["550-5.7.1 No", "550 5.7.1 Contact: a|b"] };

/** What the door was asked. */
interface Asked {
  sender: string;
  recipient: string;
  message?: MessagePrefix;
}

/** A filter with a door that gives these decisions, and `say`, which returns the response to a request. */
function filter(...decisions: (DoorDecision | undefined)[]) {
  const asked: Asked[] = [];
  let answered: (line: string) => void = () => {};
  const one = new OpenSmtpdFilter((lines) => answered(lines), (envelope, message) => {
    asked.push({ ...envelope, ...(message && { message }) });
    return Promise.resolve(decisions.shift());
  });
  const say = async (event: string, value = "", session = SESSION, version = "0.6") => {
    const later = new Promise<string>((resolve) => answered = resolve);
    const line = `filter|${version}|1576146008.006099|smtp-in|${event}|${session}|${TOKEN}|${value}\n`;
    const now = one.take(line);
    const response = now === "" ? await later : now;
    const start = `filter-${event === "data-line" ? "dataline" : "result"}|${session}|${TOKEN}|`;
    assert.ok(response.startsWith(start) && response.endsWith("\n"), response);
    return response.slice(start.length, -1);
  };
  const report = (event: string, session = SESSION) =>
    one.take(`report|0.6|1576146008.1|smtp-in|${event}|${session}\n`);
  return { one, asked, say, report };
}

Deno.test("registers after the configuration", () => {
  const { one } = filter();
  const config = "config|smtpd-version|6.8.0p2\nconfig|smtp-session-timeout|300\nconfig|subsystem|smtp-in\n";
  assert.equal(one.take(config), "");
  const lines = one.take("config|ready\n").split("\n");
  assert.equal(lines.pop(), "");
  assert.equal(lines.pop(), "register|ready");
  assert.ok(lines.every((line) => /^register\|(?:report|filter)\|smtp-in\|[a-z-]+$/.test(line)));
});

for (const version of ["0.6", "0.7"]) {
  Deno.test(`protocol ${version}: a rejected recipient`, async () => {
    const { say, asked } = filter(REJECTS);
    assert.equal(await say("mail-from", "jo@b.example", SESSION, version), "proceed");
    assert.equal(await say("rcpt-to", "greg@example.org", SESSION, version), "reject|550 5.7.1 No. Contact: a|b");
    assert.deepEqual(asked, [{ sender: "jo@b.example", recipient: "greg@example.org" }]);
  });
}

Deno.test("the door judges a message without the dots of SMTP", async () => {
  const { say, asked, one } = filter(NEEDS, REJECTS);
  await say("mail-from", "<>");
  assert.equal(await say("rcpt-to", "<greg@example.org>"), "proceed");
  const lines = ["Subject: a|b", "", "..one", "|", "\xe9", "."];
  for (const line of lines) assert.equal(await say("data-line", line), line);
  assert.ok(one.load.bytes > 0);
  assert.equal(await say("commit"), "reject|550 5.7.1 No. Contact: a|b");
  const { message, ...envelope } = asked[1]!;
  assert.deepEqual(envelope, { sender: "", recipient: "greg@example.org" });
  assert.deepEqual([decodeLatin1(message!.prefix), message!.whole], ["Subject: a|b\n\n.one\n|\n\xe9\n", true]);
  assert.deepEqual(one.load, { transactions: 0, bytes: 0 });
});

Deno.test("all passes while the door is down", async () => {
  const { say } = filter();
  for (const event of ["mail-from", "rcpt-to", "data", "commit", "rset", "an-event-of-the-future"]) {
    assert.equal(await say(event, "x"), "proceed", event);
  }
});

Deno.test("a failing door does not leave a session without an answer", async () => {
  let written = "";
  const failing = () => Promise.reject(new Error("broken"));
  const one = new OpenSmtpdFilter((lines) => written += lines, failing);
  one.take(
    `filter|0.6|1.1|smtp-in|mail-from|${SESSION}|${TOKEN}|\nfilter|0.6|1.1|smtp-in|rcpt-to|${SESSION}|${TOKEN}|x@y\n`,
  );
  await new Promise((done) => setTimeout(done));
  assert.equal(written, `filter-result|${SESSION}|${TOKEN}|proceed\n`);
});

Deno.test("only the beginning of a message is kept, and only if the door needs it", async () => {
  const { say, asked, one } = filter(NEEDS, { needsMessage: false });
  await say("mail-from", "");
  await say("rcpt-to", "greg@example.org");
  const line = "x".repeat(1023);
  for (let count = 0; count < 1000; count++) one.take(dataLine(line));
  assert.ok(one.load.bytes <= PREFIX_BYTES);
  assert.equal(await say("commit"), "proceed");
  assert.equal(asked[1]!.message!.whole, false);
  assert.equal(asked[1]!.message!.prefix.length, PREFIX_BYTES);

  await say("mail-from", "jo@b.example");
  await say("rcpt-to", "greg@example.org");
  one.take(dataLine(line).repeat(100));
  assert.equal(one.load.bytes, 0);
});

const dataLine = (line: string, session = SESSION) => `filter|0.6|1.1|smtp-in|data-line|${session}|${TOKEN}|${line}\n`;

Deno.test("the messages of all sessions take at most 64 MB; more are not judged", async () => {
  const sessions = Array.from({ length: 300 }, (_, at) => at.toString(16).padStart(16, "0"));
  const { say, asked, one, report } = filter(...sessions.map(() => NEEDS));
  for (const session of sessions) {
    await say("mail-from", "", session);
    await say("rcpt-to", "greg@example.org", session);
  }
  const line = dataLine("x".repeat(16_383), "SESSION");
  for (const session of sessions) one.take(line.replace("SESSION", session).repeat(16));
  assert.equal(one.load.bytes, 64 * 1024 * 1024);
  assert.equal(await say("commit", "", sessions.at(-1)), "proceed");
  assert.equal(asked.length, sessions.length, "it is not judged");
  for (const session of sessions) report("link-disconnect", session);
  assert.deepEqual(one.load, { transactions: 0, bytes: 0 });
});

Deno.test("a message that is kept does not keep the input of other sessions in memory", async () => {
  const { say, one } = filter(NEEDS);
  await say("mail-from", "");
  await say("rcpt-to", "greg@example.org");
  const other = dataLine("x".repeat(900), "0000000000000001").repeat(60);
  const input = new TextEncoder().encode(other + dataLine("a line of a slow client"));
  const before = Deno.memoryUsage().heapUsed;
  for (let count = 0; count < 4000; count++) one.take(decodeLatin1(input));
  assert.equal(one.load.bytes, 4000 * "a line of a slow client\n".length);
  // The input was 240 MB.
  assert.ok(Deno.memoryUsage().heapUsed - before < 120_000_000, `${Deno.memoryUsage().heapUsed - before} bytes`);
});

Deno.test("a reset or a disconnection forgets the message", async () => {
  for (const event of ["tx-reset", "link-disconnect"]) {
    const { say, asked, one, report } = filter(NEEDS);
    await say("mail-from", "");
    await say("rcpt-to", "greg@example.org");
    await say("data-line", "From: x");
    report(event);
    assert.deepEqual(one.load, { transactions: 0, bytes: 0 });
    assert.equal(await say("commit"), "proceed");
    assert.equal(asked.length, 1);
  }
});

Deno.test("a recipient that smtpd itself rejects does not count", async () => {
  const reports = { v: "ok", "5": "permfail", "4": "tempfail" } as const;
  // Each recipient with what smtpd reports; `!` after the recipients for which the message must be judged.
  const rows: [recipients: string, replies: string, judged: string | undefined][] = [
    ["a5 greg!v", "proceed proceed", "greg"],
    ["a4 greg!v", "proceed proceed", "greg"],
    ["greg!5 av", "proceed proceed", undefined],
    ["greg!5 ann!v", "proceed proceed", "ann"],
    ["av greg!4 greg!4 greg!4 greg!5", "proceed 452 452 452 proceed", undefined],
    ["greg!v a4 a4 a4 a5", "proceed 452 452 452 proceed", "greg"],
    ["greg!v a4 a4 a4 av", "proceed 452 452 452 proceed", undefined],
    // Without the report, it counts.
    ["a greg!", "proceed 452", undefined],
  ];
  for (const [recipients, replies, judged] of rows) {
    const words = recipients.split(" ").map((word) => /^([a-z]+?)(!?)([v45]?)$/.exec(word)!);
    const { say, asked, one } = filter(...words.map(([, , needs]) => ({ needsMessage: needs !== "" })));
    await say("mail-from", "");
    const said = [];
    for (const [, name, , report] of words) {
      said.push((await say("rcpt-to", name!)).replace(/^reject\|(\d+).*/, "$1"));
      const line = `report|0.6|1.1|smtp-in|tx-rcpt|${SESSION}|f60d0cc5|`;
      if (report === "") continue;
      one.take(`${line}${reports[report as keyof typeof reports]}|${name}\n`);
      one.take(`${line}permfail|a b\n`); // one that it cannot parse
    }
    assert.equal(said.join(" "), replies, recipients);
    await say("data-line", "From: x");
    await say("commit");
    assert.equal(asked.find(({ message }) => message)?.recipient, judged, recipients);
  }
});

Deno.test("2,000 lines of garbage are ignored, and the filter still answers", async () => {
  const { say, one } = filter(REJECTS);
  let state = 13;
  const random = () => (state = (state * 1103515245 + 12345) % 2 ** 31) >> 8; // the same each time
  const words = [
    "filter",
    "report",
    "config",
    "0.6",
    "smtp-in",
    "data-line",
    "rcpt-to",
    "",
    "\xff\0",
    SESSION,
    "|",
    ".",
  ];
  for (let count = 0; count < 2000; count++) {
    const line = Array.from({ length: random() % 12 }, () => words[random() % words.length]).join("|");
    for (const out of one.take(`${line}\n`).split("\n").slice(0, -1)) {
      // Anything else would make smtpd end.
      assert.match(latin1ToUtf8(out), /^(?:filter-(?:result|dataline)\|[^|]+\|[^|]*\||register\|)/s);
    }
  }
  await say("mail-from", "jo@b.example");
  assert.match(await say("rcpt-to", "greg@example.org"), /^reject\|550 /);
});

Deno.test("lines that arrive in pieces", async () => {
  const { one } = filter();
  const input = dataLine("Subject: pieces") + dataLine("");
  let out = "";
  for (const char of input) out += one.take(char);
  assert.equal(out, input.replaceAll("filter|0.6|1.1|smtp-in|data-line", "filter-dataline"));
  await Promise.resolve();
});
