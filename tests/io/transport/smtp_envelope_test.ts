/** MAIL and RCPT commands by the extensions that the server offers. */
import assert from "node:assert/strict";
import { Fail } from "../../../lib/fail.ts";
import { commands, extensionsIn, sizeLimit, type SmtpEnvelope } from "../../../io/transport/smtp/envelope.ts";

const ALL = ["mx.example greets you", "PIPELINING", "SIZE 1000", "8BITMIME", "SMTPUTF8", "DSN"];
const NONE = ALL.slice(0, 1);
const ENVELOPE: SmtpEnvelope = { sender: "greg@example.org", recipients: [{ address: "ann@example.net" }] };

const ROWS: [what: string, offers: string[], envelope: Partial<SmtpEnvelope>, mail: string, rcpt?: string][] = [
  ["no parameters", ALL, {}, "MAIL FROM:<greg@example.org>"],
  ["the null sender", ALL, { sender: "" }, "MAIL FROM:<>"],
  ["8-bit", ALL, { eightBit: true }, "MAIL FROM:<greg@example.org> BODY=8BITMIME"],
  ["8-bit, not offered", NONE, { eightBit: true }, "MAIL FROM:<greg@example.org>"],
  ["a size", ALL, { size: 1000 }, "MAIL FROM:<greg@example.org> SIZE=1000"],
  ["a size, not offered", NONE, { size: 10_000 }, "MAIL FROM:<greg@example.org>"],
  ["a size, no limit", ["mx", "SIZE"], { size: 10_000 }, "MAIL FROM:<greg@example.org> SIZE=10000"],
  [
    "a size, limit 0, which means no limit",
    ["mx", "SIZE 0"],
    { size: 10_000 },
    "MAIL FROM:<greg@example.org> SIZE=10000",
  ],
  ["a header in UTF-8", ALL, { utf8Header: true }, "MAIL FROM:<greg@example.org> SMTPUTF8"],
  ["a header in UTF-8, not offered", NONE, { utf8Header: true }, "MAIL FROM:<greg@example.org>"],
  ["a sender in UTF-8", ALL, { sender: "josé@example.org" }, "MAIL FROM:<josé@example.org> SMTPUTF8"],
  [
    "a recipient in UTF-8",
    ALL,
    { recipients: [{ address: "ann@bücher.example" }] },
    "MAIL FROM:<greg@example.org> SMTPUTF8",
    "RCPT TO:<ann@bücher.example>",
  ],
  [
    "DSN",
    ALL,
    {
      ret: "hdrs",
      envid: "a b+c=é",
      recipients: [{ address: "a@b.example", notify: "failure,delay" }],
    },
    "MAIL FROM:<greg@example.org> RET=HDRS ENVID=a+20b+2Bc+3D+C3+A9",
    "RCPT TO:<a@b.example> NOTIFY=FAILURE,DELAY",
  ],
  [
    "DSN, not offered",
    NONE,
    { ret: "full", envid: "x", recipients: [{ address: "a@b.example", notify: "never" }] },
    "MAIL FROM:<greg@example.org>",
    "RCPT TO:<a@b.example>",
  ],
  [
    "all parameters",
    ALL,
    { size: 7, eightBit: true, utf8Header: true, ret: "FULL", envid: "x" },
    "MAIL FROM:<greg@example.org> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=x",
  ],
];

Deno.test("parameters are sent only for extensions that are offered", () => {
  for (const [what, offers, envelope, mail, rcpt = "RCPT TO:<ann@example.net>"] of ROWS) {
    assert.deepEqual(commands("mx:25", { ...ENVELOPE, ...envelope }, extensionsIn(offers)), [mail, rcpt], what);
  }
});

const REJECTED: [what: string, offers: string[], envelope: Partial<SmtpEnvelope>, says: RegExp][] = [
  ["sender in UTF-8", NONE, { sender: "josé@example.org" }, /^mx:25 does not offer SMTPUTF8, which address "josé@ex/],
  ["recipient in UTF-8", NONE, { recipients: [{ address: "ann@bücher.example" }] }, /SMTPUTF8.*"ann@bücher/],
  ["too large", ALL, { size: 1001 }, /^mx:25 accepts messages of at most 1000 bytes/],
  ["CRLF in the sender", ALL, { sender: "a\r\nRSET@example.org" }, /a\\r\\nRSET.* contains a control character$/],
  ["LF in a recipient", ALL, { recipients: [{ address: "a\nb@example.org" }] }, /contains a control character$/],
  ["NUL in a recipient", ALL, { recipients: [{ address: "a\0b@example.org" }] }, /contains a control character$/],
  [
    "CRLF in NOTIFY",
    ALL,
    { recipients: [{ address: "a@b.example", notify: "x\r\nDATA" }] },
    /contains a control character$/,
  ],
  ["CRLF in RET", ALL, { ret: "x\r\nDATA" }, /contains a control character$/],
];

Deno.test("an envelope that the server cannot accept is rejected permanently before MAIL", () => {
  for (const [what, offers, envelope, says] of REJECTED) {
    assert.throws(() => commands("mx:25", { ...ENVELOPE, ...envelope }, extensionsIn(offers)), (error: Fail) => {
      assert.ok(error instanceof Fail);
      assert.equal(error.kind, "refused", what);
      assert.match(error.message, says);
      return true;
    });
  }
});

Deno.test("extensions are parsed in any case and form", () => {
  const of = (...lines: string[]) => Object.fromEntries(extensionsIn(["mx", ...lines]));
  assert.deepEqual(of("size 10", "8bitmime", "Dsn "), { SIZE: "10", "8BITMIME": "", DSN: "" });
  assert.deepEqual(of("AUTH PLAIN", "AUTH=LOGIN"), { AUTH: "PLAIN LOGIN" });
  assert.deepEqual(of("", " DSN", "-DSN", "(DSN)", "DSN\t1", "DS\0N"), {});
  assert.deepEqual(of("__proto__ x", "CONSTRUCTOR"), { CONSTRUCTOR: "" });
  assert.deepEqual(Object.fromEntries(extensionsIn(["DSN"])), {}, "the first line is a greeting");
});

Deno.test("sizeLimit returns the limit announced with SIZE", () => {
  const limit = (line: string) => sizeLimit(extensionsIn(["mx", line]));
  const rows: [string, number | undefined][] = [
    ["SIZE 10", 10],
    ["SIZE", undefined],
    ["SIZE 0", undefined],
    ["SIZE 000", undefined],
    ["SIZE -1", undefined],
    ["SIZE 1e3", undefined],
    ["SIZE 10 20", undefined],
    ["SIZE 99999999999999999999", undefined],
    ["DSN", undefined],
  ];
  for (const [line, expected] of rows) assert.equal(limit(line), expected, line);
});
