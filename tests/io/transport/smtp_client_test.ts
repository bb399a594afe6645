/** The SMTP client, against transcripts of correct and faulty servers. */
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/bytes.ts";
import { Fail } from "../../../lib/fail.ts";
import { Rejected } from "../../../io/transport/rejected.ts";
import {
  byPassword,
  byPasswordFrom,
  byTokenFrom,
  cramMd5,
  type Login,
  login,
  oauthBearer,
  plain,
  xoauth2,
} from "../../../io/transport/smtp/auth.ts";
import { type BeforeCommit, Client, type Server } from "../../../io/transport/smtp/client.ts";
import type { SmtpEnvelope } from "../../../io/transport/smtp/envelope.ts";
import { SmtpRejected, Unconfirmed } from "../../../io/transport/smtp/failure.ts";
import { Limits, TIMEOUTS, type Timeouts } from "../../../io/transport/smtp/limits.ts";
import { isPositive } from "../../../io/transport/smtp/reply.ts";
import { Authority } from "../../certificates.ts";
import { need } from "../../programs/need.ts";
import { Script } from "../../smtp_script.ts";
import type { Tls } from "../../smtp_sink.ts";
import { chunks } from "./chunks.ts";

const test = await need("openssl");

/** Options for run(). */
interface RunOptions {
  server?: Partial<Server>;
  tls?: Tls;
  envelope?: Partial<SmtpEnvelope>;
  /** Chunks of the body. */
  body?: string[] | AsyncIterable<Uint8Array>;
  timeouts?: Partial<Timeouts>;
  signal?: AbortSignal;
  beforeCommit?: BeforeCommit;
  /** Send to the accepted recipients if some are rejected. */
  some?: boolean;
}

const TWO = [{ address: "ann@example.net" }, { address: "bob@example.net" }];

/** Sends a message to a server that follows the transcript. @returns the reply to the message, or to each recipient */
async function run(transcript: string, options: RunOptions = {}): Promise<unknown> {
  await using script = new Script(transcript, options.tls);
  const { server, envelope, body = ["Hi.\n"], timeouts, signal, beforeCommit, some } = options;
  const limits = new Limits({ ...TIMEOUTS, ...timeouts }, signal);
  const client = Client.open({
    hostname: "127.0.0.1",
    port: script.port,
    name: "mx",
    security: options.tls ? "tls" : "none",
    ca: [],
    helo: "me",
    ...server,
  }, limits);
  try {
    const session = await client;
    try {
      const to = { sender: "greg@example.org", recipients: TWO, ...envelope };
      const replies = await session.envelope(to);
      const refused = replies.flatMap((reply, nth) =>
        isPositive(reply) ? [] : [{ recipient: to.recipients[nth]!.address, reply }]
      );
      if (refused.length > (some ? 1 : 0)) throw session.failures.refusedRecipients(refused);
      const message = { head: utf8("Subject: x\n\n"), body: Array.isArray(body) ? chunks(...body) : body };
      const { code, enhanced } = await session.send(message, beforeCommit);
      return some ? replies.map((reply) => reply.code) : enhanced ?? code;
    } finally {
      await session.end();
    }
  } finally {
    limits.end();
    assert.deepEqual(await script.over(), [], "the client followed the transcript");
  }
}

/** A summary of the error: kind, step, code and enhanced status of the reply, and message. */
async function failure(sent: Promise<unknown>): Promise<[...what: (string | number | undefined)[], says: string]> {
  const error = await sent.then((reply) => assert.fail(`sent: ${reply}`), (error) => error);
  if (!(error instanceof Fail)) throw error;
  assert.doesNotMatch(error.message, /\n/);
  if (error instanceof SmtpRejected) {
    const status = { refused: 69, permission: 77, temporary: 75 }[error.kind as "refused"];
    assert.ok(error instanceof Rejected && error.code === status);
    return [error.kind, error.step, error.reply?.code, error.reply?.enhanced, error.message];
  }
  const what = error instanceof Unconfirmed ? "unconfirmed" : error.kind;
  return [what, undefined, undefined, undefined, error.message];
}

const HELLO = "S: 220 mx\nC: EHLO me\n";
const PLAIN_HELLO = `${HELLO}S: 250 mx\n`;
const PIPELINING = `${HELLO}S: 250-mx\nS: 250 PIPELINING\n`;
const MAIL = "C: MAIL FROM:<greg@example.org>\n";
const [ANN, BOB] = ["C: RCPT TO:<ann@example.net>\n", "C: RCPT TO:<bob@example.net>\n"];
const YES = "S: 250 Yes\n";
const ENVELOPE = MAIL + YES + ANN + YES + BOB + YES;
const MESSAGE = "C: Subject: x\nC:\nC: Hi.\nC: .\n";
const DATA = `C: DATA\nS: 354 Go on\n${MESSAGE}`;
const BYE = "C: QUIT\nS: 221 Bye\n";

const GOOD: [what: string, transcript: string, reply: unknown, options?: RunOptions][] = [
  ["command by command", PLAIN_HELLO + ENVELOPE + DATA + "S: 250 2.0.0 Taken\n" + BYE, "2.0.0"],
  [
    "MAIL and RCPT pipelined, DATA after their replies",
    PIPELINING + MAIL + ANN + BOB + YES + YES + YES + DATA + YES + BYE,
    250,
  ],
  ["replies with a bare LF", `S| 220 mx\\n\nC: EHLO me\nS| 250 mx\\n\n${ENVELOPE}${DATA}S| 250 Yes\\n\n${BYE}`, 250],
  [
    "251 and 252 count as accepted",
    PLAIN_HELLO + MAIL + YES + ANN + "S: 251 Sent on\n" + BOB + "S: 252 Will try\n" + DATA + YES + BYE,
    250,
  ],
  [
    "replies of many lines",
    HELLO + "S: 250-mx\n".repeat(100) + "S: 250 mx\n" + ENVELOPE + DATA + "S: 250-2.0.0\nS: 250 2.0.0 x\n" + BYE,
    "2.0.0",
  ],
  ["no reply to QUIT", PLAIN_HELLO + ENVELOPE + DATA + YES + "C: QUIT\nX", 250],
  ...["500", "502 5.5.1", "504", "550"].map((code): [string, string, unknown] => [
    `HELO after EHLO was rejected with ${code}`,
    `${HELLO}S: ${code} What?\nC: HELO me\nS: 250 mx\n${ENVELOPE}${DATA}${YES}${BYE}`,
    250,
  ]),
  [
    "only the accepted recipients, if the caller wants so",
    PIPELINING + MAIL + ANN + BOB + YES + YES + "S: 550 5.1.1 No\n" + DATA + YES + BYE,
    [250, 550],
    { some: true },
  ],
  ["an empty body", PLAIN_HELLO + ENVELOPE + "C: DATA\nS: 354 x\nC: Subject: x\nC:\nC: .\n" + YES + BYE, 250, {
    body: [],
  }],
  [
    "a message with a lone dot",
    PLAIN_HELLO + ENVELOPE + "C: DATA\nS: 354 x\nC: Subject: x\nC:\nC: a\nC: ..\nC: ...\nC: RSET\nC: .\n" + YES + BYE,
    250,
    { body: ["a\n.", "\n..\nRS", "ET"] },
  ],
  [
    "a message as large as the limit",
    HELLO + "S: 250-mx\nS: 250 SIZE 19\n" + ENVELOPE + DATA + YES + BYE,
    250,
  ],
  [
    "all DSN parameters",
    HELLO + "S: 250-mx\nS: 250 DSN\n" +
    "C: MAIL FROM:<> RET=FULL ENVID=a+2Bb\n" + YES +
    "C: RCPT TO:<ann@example.net> NOTIFY=NEVER\n" + YES + DATA + YES + BYE,
    250,
    {
      envelope: {
        sender: "",
        ret: "full",
        envid: "a+b",
        recipients: [{ address: "ann@example.net", notify: "never" }],
      },
    },
  ],
];

Deno.test("messages that the server accepts", async (t) => {
  for (const [what, transcript, reply, options] of GOOD) {
    await t.step(what, async () => assert.deepEqual(await run(transcript, options), reply));
  }
});

const NEVER = "S: 550 5.7.1 No\n";
const LATER = "S: 450 4.2.1 Busy\n";
const BATCH = PIPELINING + MAIL + ANN + BOB;
const FLOOD = "x".repeat(60);

const BAD: [
  what: string,
  transcript: string,
  failed: (string | number | undefined)[],
  says: RegExp,
  options?: RunOptions,
][] = [
  [
    "greeting 554",
    `S: 554 5.3.2 No\n${BYE}`,
    ["temporary", "greeting", 554, "5.3.2"],
    /cannot be used: "554 5\.3\.2 No"$/,
  ],
  ["greeting 421", "S: 421 4.3.2 Down\nZ", ["temporary", "greeting", 421, "4.3.2"], /"421 4\.3\.2 Down"$/],
  ["greeting 354", `S: 354 Go on\n${BYE}`, ["temporary", "greeting", 354, undefined], /"354 Go on"$/],
  ["greeting of another protocol", "S: +OK POP3\nZ", ["temporary", "greeting"], /cannot be used: "\+OK POP3"$/],
  ["greeting without an end", `S! ${FLOOD}`, ["temporary", "greeting"], /a line of more than \d+ bytes$/],
  ["greeting of endless lines", "S! 220-mx\\r\\n", ["temporary", "greeting"], /a reply of more than \d+ lines$/],
  ["connection closed at once", "X", ["temporary", "greeting"], /cannot be used: connection closed unexpectedly$/],
  ["two greetings", "S: 220 mx\nS: 220 mx\nZ", ["temporary", "EHLO"], /an unsolicited reply$/],
  ["EHLO 421", `${HELLO}S: 421 Down\nZ`, ["temporary", "EHLO", 421], /rejected EHLO: "421 Down"$/],
  ["EHLO 451", `${HELLO}S: 451 Wait\n${BYE}`, ["temporary", "EHLO", 451], /rejected EHLO: "451 Wait"$/],
  [
    "EHLO and HELO 550",
    `${HELLO}${NEVER}C: HELO me\n${NEVER}${BYE}`,
    ["temporary", "EHLO", 550, "5.7.1"],
    /rejected EHLO/,
  ],
  ["EHLO of endless lines", `${HELLO}S! 250-X\\r\\n`, ["temporary", "EHLO"], /a reply of more than \d+ lines$/],
  [
    "EHLO with two codes in one reply",
    `${HELLO}S: 250-mx\nS: 550 no\nZ`,
    ["temporary", "EHLO"],
    /250 and 550 in one reply$/,
  ],
  [
    "MAIL 550",
    `${PLAIN_HELLO}${MAIL}${NEVER}${BYE}`,
    ["refused", "MAIL", 550, "5.7.1"],
    /rejected the sender "greg@example\.org": "550 5\.7\.1 No"$/,
  ],
  ["MAIL 450", `${PLAIN_HELLO}${MAIL}${LATER}${BYE}`, ["temporary", "MAIL", 450, "4.2.1"], /rejected the sender/],
  [
    "MAIL 530",
    `${PLAIN_HELLO}${MAIL}S: 530 5.7.0 Log in\n${BYE}`,
    ["permission", "MAIL", 530, "5.7.0"],
    /rejected the sender/,
  ],
  [
    "MAIL 354",
    `${PLAIN_HELLO}${MAIL}S: 354 Go on\n${BYE}`,
    ["temporary", "MAIL", 354],
    /rejected the sender "greg@example\.org": "354 Go on"$/,
  ],
  [
    "MAIL 550, in a batch",
    `${BATCH}${NEVER}S: 503 x\nS: 503 x\n${BYE}`,
    ["refused", "MAIL", 550, "5.7.1"],
    /rejected the sender/,
  ],
  [
    "MAIL 421, in a batch",
    `${BATCH}S: 421 Down\nZ`,
    ["temporary", "MAIL", 421],
    /rejected the sender "greg@example\.org": "421 Down"$/,
  ],
  [
    "RCPT 550 after an accepted one",
    PLAIN_HELLO + MAIL + YES + ANN + YES + BOB + NEVER + BYE,
    ["refused", "RCPT", 550, "5.7.1"],
    /^mx rejected "bob@example\.net": "550 5\.7\.1 No"; nothing is sent$/,
  ],
  [
    "RCPT 450 and 550",
    PLAIN_HELLO + MAIL + YES + ANN + LATER + BOB + NEVER + BYE,
    ["refused", "RCPT", 550, "5.7.1"],
    /^mx rejected "ann@example\.net": "450 .*", "bob@example\.net": "550 /,
  ],
  ["RCPT 450, in a batch", BATCH + YES + YES + LATER + BYE, ["temporary", "RCPT", 450, "4.2.1"], /rejected "bob/],
  ["RCPT 421, in a batch", BATCH + YES + "S: 421 Down\nZ", ["temporary", "RCPT", 421], /"ann.*"bob.*"421 Down"/],
  [
    "RCPT without a reply, in a batch",
    `${BATCH}${YES}${YES}X`,
    ["temporary", "RCPT"],
    /connection closed unexpectedly$/,
  ],
  ["an extra reply, in a batch", `${BATCH}${YES}${YES}${YES}${YES}Z`, ["temporary", "DATA"], /unsolicited reply$/],
  [
    "DATA 554",
    `${PLAIN_HELLO}${ENVELOPE}C: DATA\nS: 554 5.5.1 No\n${BYE}`,
    ["refused", "DATA", 554, "5.5.1"],
    /rejected the message/,
  ],
  [
    "DATA 450",
    `${PLAIN_HELLO}${ENVELOPE}C: DATA\n${LATER}${BYE}`,
    ["temporary", "DATA", 450, "4.2.1"],
    /rejected the message/,
  ],
  ["DATA 250", `${PLAIN_HELLO}${ENVELOPE}C: DATA\n${YES}Z`, ["temporary", "DATA"], /cannot be used: "250 Yes"$/],
  [
    "DATA 354 and an extra reply",
    `${PLAIN_HELLO}${ENVELOPE}C: DATA\nS: 354 Go on\n${YES}Z`,
    ["temporary", "message"],
    /unsolicited reply$/,
  ],
  [
    "DATA 334",
    `${PLAIN_HELLO}${ENVELOPE}C: DATA\nS: 334 x\n${BYE}`,
    ["temporary", "DATA", 334],
    /rejected the message/,
  ],
  [
    "the message: 554",
    `${PLAIN_HELLO}${ENVELOPE}${DATA}${NEVER}${BYE}`,
    ["refused", "message", 550, "5.7.1"],
    /rejected the message/,
  ],
  [
    "the message: 450",
    `${PLAIN_HELLO}${ENVELOPE}${DATA}${LATER}${BYE}`,
    ["temporary", "message", 450, "4.2.1"],
    /rejected the m/,
  ],
  [
    "the message: 421",
    `${PLAIN_HELLO}${ENVELOPE}${DATA}S: 421 Down\nZ`,
    ["temporary", "message", 421],
    /rejected the message/,
  ],
  [
    "the message: 354",
    `${PLAIN_HELLO}${ENVELOPE}${DATA}S: 354 More\nZ`,
    ["unconfirmed"],
    /\("354 More"\); it may have been sent$/,
  ],
  [
    "the message: garbage",
    `${PLAIN_HELLO}${ENVELOPE}${DATA}S: yes\nZ`,
    ["unconfirmed"],
    /\("yes"\); it may have been sent$/,
  ],
  [
    "the message: connection closed",
    `${PLAIN_HELLO}${ENVELOPE}${DATA}X`,
    ["unconfirmed"],
    /\(connection closed unexpectedly\); it may have been sent$/,
  ],
  [
    "the message: half a reply",
    `${PLAIN_HELLO}${ENVELOPE}${DATA}S: 250-Yes\nX`,
    ["unconfirmed"],
    /it may have been sent$/,
  ],
  [
    "the message: endless lines",
    `${PLAIN_HELLO}${ENVELOPE}${DATA}S! 250-x\\r\\n`,
    ["unconfirmed"],
    /more than \d+ lines\); it may/,
  ],
  [
    "a known size over the limit: MAIL is not sent",
    `${HELLO}S: 250-mx\nS: 250 SIZE 19\n${BYE}`,
    ["refused"],
    /^mx accepts messages of at most 19 bytes/,
    { envelope: { size: 20 } },
  ],
  [
    "a size over the limit found while sending: no final dot",
    `${HELLO}S: 250-mx\nS: 250 SIZE 19\n${ENVELOPE}C: DATA\nS: 354 Go on\nZ`,
    ["refused"],
    /^mx accepts messages of at most 19 bytes/,
    { body: ["Hi..\n"] },
  ],
  [
    "an address in UTF-8 without SMTPUTF8",
    `${PLAIN_HELLO}${BYE}`,
    ["refused"],
    /^mx does not offer SMTPUTF8, which address "josé@example\.net" requires$/,
    { envelope: { recipients: [{ address: "josé@example.net" }] } },
  ],
  ["STARTTLS not offered", `${PLAIN_HELLO}${BYE}`, ["temporary", "STARTTLS"], /does not offer STARTTLS$/, {
    server: { security: "starttls" },
  }],
  [
    "a login without TLS: the password is not sent",
    `${HELLO}S: 250-mx\nS: 250 AUTH PLAIN LOGIN\n${BYE}`,
    ["config"],
    /^A password is not sent without TLS$/,
    { server: { login: { user: "greg", mechanisms: byPassword("greg", "secret") } } },
  ],
];

Deno.test("messages that the server rejects, and protocol errors", async (t) => {
  for (const [what, transcript, failed, says, options] of BAD) {
    await t.step(what, async () => {
      const [kind, step, code, enhanced, said] = await failure(run(transcript, options));
      assert.deepEqual(
        [kind, step, code, enhanced],
        [...failed, undefined, undefined, undefined].slice(0, 4),
        String(said),
      );
      assert.match(String(said), says);
    });
  }
});

Deno.test("envelope() returns the reply to each recipient", async () => {
  await using script = new Script(`${BATCH}${YES}S: 450-4.2.1 Busy\nS: 450 4.2.1 Later\nS: 550 5.1.1 Gone\n${BYE}`);
  const limits = new Limits(TIMEOUTS);
  const server: Server = { hostname: "127.0.0.1", port: script.port, name: "mx", security: "none", ca: [], helo: "me" };
  const client = await Client.open(server, limits);
  const replies = await client.envelope({ sender: "greg@example.org", recipients: TWO });
  await client.end();
  limits.end();
  assert.deepEqual(replies, [
    { code: 450, enhanced: "4.2.1", lines: ["4.2.1 Busy", "4.2.1 Later"] },
    { code: 550, enhanced: "5.1.1", lines: ["5.1.1 Gone"] },
  ]);
  assert.deepEqual(await script.over(), []);
});

Deno.test("two messages can be sent in one session", async () => {
  await using script = new Script(PIPELINING + (MAIL + ANN + BOB + YES + YES + YES + DATA + YES).repeat(2) + BYE);
  const limits = new Limits(TIMEOUTS);
  const server: Server = { hostname: "127.0.0.1", port: script.port, name: "mx", security: "none", ca: [], helo: "me" };
  const client = await Client.open(server, limits);
  for (let nth = 0; nth < 2; nth++) {
    await client.envelope({ sender: "greg@example.org", recipients: TWO });
    await client.send({ head: utf8("Subject: x\n\n"), body: chunks("Hi.\n") });
  }
  await client.end();
  limits.end();
  assert.deepEqual(await script.over(), []);
});

Deno.test("a thousand pipelined recipients with long replies do not deadlock", async () => {
  const many = Array.from({ length: 1000 }, (_, nth) => ({ address: `r${nth}@${"x".repeat(200)}.example` }));
  const replies = `S: 250 ${"y".repeat(2000)}\n`.repeat(many.length);
  // The server replies only after reading everything, which is more than the connection buffers.
  const transcript = PIPELINING + MAIL + many.map(({ address }) => `C: RCPT TO:<${address}>\n`).join("") + YES +
    replies + DATA + YES + BYE;
  assert.equal(await run(transcript, { envelope: { recipients: many } }), 250);
});

/** [the timeout, the transcript until the server stops replying, the error] */
const SILENT: [step: keyof Timeouts, transcript: string, says: RegExp, failed?: string][] = [
  ["greeting", "Z", /cannot be used: no reply to greeting within 0\.05 s$/],
  ["command", `${HELLO}Z`, /cannot be used: no reply to EHLO within 0\.05 s$/],
  ["command", `${HELLO}S| 250-half a reply\\r\\n250-and no\nZ`, /no reply to EHLO within 0\.05 s$/],
  ["mail", `${PLAIN_HELLO}${MAIL}Z`, /no reply to MAIL within/],
  ["rcpt", `${PLAIN_HELLO}${MAIL}${YES}${ANN}Z`, /no reply to RCPT within/],
  ["rcpt", `${BATCH}${YES}${YES}Z`, /no reply to RCPT within/],
  ["data", `${PLAIN_HELLO}${ENVELOPE}C: DATA\nZ`, /no reply to DATA within/],
  [
    "end",
    `${PLAIN_HELLO}${ENVELOPE}${DATA}Z`,
    /\(no reply to the message within 0\.05 s\); it may have been sent$/,
    "unconfirmed",
  ],
];

Deno.test("a server that stops replying times out", async (t) => {
  for (const [step, transcript, says, failed = "temporary"] of SILENT) {
    await t.step(`${step}: ${says.source}`, async () => {
      const [kind, , , , said] = await failure(run(transcript, { timeouts: { [step]: 0.05 } }));
      assert.match(String(said), says);
      assert.equal(kind, failed);
    });
  }
  await t.step("a server that stops reading the message", async () => {
    const body = async function* () {
      for (;;) yield await Promise.resolve(utf8("line\n".repeat(10_000)));
    };
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const served = (async () => {
      const connection = await listener.accept();
      for (const line of ["220 mx", "250 mx", "250 x", "250 x", "250 x", "354 x"]) {
        await connection.write(utf8(`${line}\r\n`));
        if (line !== "354 x") await connection.read(new Uint8Array(512));
      }
      return connection; // It stops reading.
    })();
    const limits = new Limits({ ...TIMEOUTS, block: 0.2 });
    const { port } = listener.addr;
    const server: Server = { hostname: "127.0.0.1", port, name: "mx", security: "none", ca: [], helo: "me" };
    const client = await Client.open(server, limits);
    await client.envelope({ sender: "greg@example.org", recipients: TWO });
    const [kind, step, , , said] = await failure(client.send({ head: utf8("Subject: x\n\n"), body: body() }));
    await client.end();
    limits.end();
    (await served).close();
    assert.deepEqual([kind, step], ["temporary", "message"]);
    assert.match(String(said), /no progress in sending within 0\.2 s$/);
  });
  await t.step("reading the message slowly does not time out", async () => {
    const body = async function* () {
      yield utf8("Hi");
      await new Promise((next) => setTimeout(next, 150));
      yield utf8(".\n");
    };
    const timeouts = { command: 0.1, mail: 0.1, rcpt: 0.1, data: 0.1, block: 0.1 };
    assert.equal(await run(PLAIN_HELLO + ENVELOPE + DATA + YES + BYE, { body: body(), timeouts }), 250);
  });
});

Deno.test("beforeCommit is called before the final dot", async (t) => {
  const UNTIL_DOT = `${PLAIN_HELLO}${ENVELOPE}C: DATA\nS: 354 Go on\n`;
  await t.step("it returns: the message is sent", async () => {
    let calls = 0;
    let read = false;
    const body = async function* () {
      yield await Promise.resolve(utf8("Hi.\n"));
      read = true;
    };
    const beforeCommit = async () => {
      assert.ok(read, "the message is complete");
      calls++;
      await Promise.resolve();
    };
    assert.equal(await run(PLAIN_HELLO + ENVELOPE + DATA + YES + BYE, { body: body(), beforeCommit }), 250);
    assert.equal(calls, 1);
  });
  for (const length of [1, 100_000]) {
    await t.step(`it throws: no final dot is sent (${length} lines)`, async () => {
      const beforeCommit = () => {
        throw new Fail("temporary", "The launcher is gone");
      };
      await using script = new Script(`${UNTIL_DOT}C*\nC: .\n`);
      const limits = new Limits(TIMEOUTS);
      const { port } = script;
      const server: Server = { hostname: "127.0.0.1", port, name: "mx", security: "none", ca: [], helo: "me" };
      const client = await Client.open(server, limits);
      await client.envelope({ sender: "greg@example.org", recipients: TWO });
      const body = chunks(...Array.from({ length }, () => "line\n"));
      const sent = client.send({ head: utf8("Subject: x\n\n"), body }, beforeCommit);
      assert.deepEqual(await failure(sent), ["temporary", undefined, undefined, undefined, "The launcher is gone"]);
      await client.end();
      limits.end();
      assert.deepEqual(await script.over(), ["C: ., not the end"]);
    });
  }
  await t.step("it is not called if a recipient is rejected or the message cannot be read", async () => {
    const beforeCommit = () => assert.fail("called");
    await failure(run(PLAIN_HELLO + MAIL + YES + ANN + YES + BOB + NEVER + BYE, { beforeCommit }));
    // deno-lint-ignore require-yield
    const broken = async function* () {
      throw await Promise.resolve(new Fail("io", "Standard input cannot be read"));
    };
    const [kind] = await failure(run(`${UNTIL_DOT}Z`, { beforeCommit, body: broken() }));
    assert.equal(kind, "io");
  });
  await t.step("an abort meanwhile: no final dot is sent", async () => {
    const controller = new AbortController();
    const sent = run(`${UNTIL_DOT}Z`, { signal: controller.signal, beforeCommit: () => controller.abort() });
    const [kind, step, , , said] = await failure(sent);
    assert.deepEqual([kind, step, said], ["temporary", "message", "Stopped by a signal; nothing is sent"]);
  });
});

/** Texts in the transcripts of logins. */
const base64 = (text: string) => utf8(text).toBase64();
const ERROR = base64('{"status":"401","schemes":"bearer","scope":"https://mail.example/"}');
const SERVER = { hostname: "mx.example", port: 465 };
const BEARER = base64("n,a=greg,\x01host=mx.example\x01port=465\x01auth=Bearer token\x01\x01");
/** A token whose initial response does not fit into a command; Microsoft's have 2,000 characters. */
const LONG = "t".repeat(400);
const LONG_XOAUTH2 = base64(`user=greg\x01auth=Bearer ${LONG}\x01\x01`);
/** Fails the test when a secret is obtained that is not needed. */
const unneeded = () => Promise.reject(new Error("obtained although not needed"));
const OK = "S: 235 Welcome\n";
const SENT = ENVELOPE + DATA + YES + BYE;

const LOGINS: [
  what: string,
  offers: string,
  mechanisms: Login["mechanisms"],
  dialogue: string,
  failed?: RegExp,
  kind?: string,
][] = [
  ["PLAIN", "AUTH PLAIN", [plain("greg", "secret")], `C: AUTH PLAIN ${base64("\0greg\0secret")}\n${OK}`],
  ["PLAIN, UTF-8", "AUTH PLAIN", [plain("josé", "geheim€")], `C: AUTH PLAIN ${base64("\0josé\0geheim€")}\n${OK}`],
  [
    "LOGIN",
    "AUTH LOGIN",
    [login("greg", "secret")],
    `C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: ${base64("greg")}\nS: 334 UGFzc3dvcmQ6\nC: ${base64("secret")}\n${OK}`,
  ],
  [
    "CRAM-MD5, with the challenge of RFC 2195",
    "AUTH CRAM-MD5",
    [cramMd5("tim", "tanstaaftanstaaf")],
    `C: AUTH CRAM-MD5\nS: 334 ${base64("<1896.697170952@postoffice.reston.mci.net>")}\n` +
    `C: ${base64("tim b913a602c7eda7a495b4e6e7334d3890")}\n${OK}`,
  ],
  [
    "XOAUTH2",
    "AUTH XOAUTH2 PLAIN",
    [xoauth2("greg", "token")],
    `C: AUTH XOAUTH2 ${base64("user=greg\x01auth=Bearer token\x01\x01")}\n${OK}`,
  ],
  [
    "XOAUTH2 with an expired token",
    "AUTH XOAUTH2",
    [xoauth2("greg", "token")],
    `C: AUTH XOAUTH2 ${base64("user=greg\x01auth=Bearer token\x01\x01")}\nS: 334 ${ERROR}\nC:\nS: 535 5.7.8 No\n${BYE}`,
    /^mx rejected the login of "greg": "535 5\.7\.8 No status: 401, schemes: bearer, scope: https:\/\/mail\.example\/"$/,
  ],
  [
    "XOAUTH2 with an error that is not JSON",
    "AUTH XOAUTH2",
    [xoauth2("greg", "token")],
    `C: AUTH XOAUTH2 ${base64("user=greg\x01auth=Bearer token\x01\x01")}\nS: 334 ${base64("no token")}\nC:\n` +
    `S: 535 5.7.8 No\n${BYE}`,
    /"535 5\.7\.8 No no …"$/,
  ],
  [
    "XOAUTH2 with a token that does not fit into a command",
    "AUTH XOAUTH2",
    [xoauth2("greg", LONG)],
    `C: AUTH XOAUTH2\nS: 334\nC: ${LONG_XOAUTH2}\n${OK}`,
  ],
  [
    "the same, expired",
    "AUTH XOAUTH2",
    [xoauth2("greg", LONG)],
    `C: AUTH XOAUTH2\nS: 334\nC: ${LONG_XOAUTH2}\nS: 334 ${ERROR}\nC:\nS: 535 5.7.8 ${LONG}\n${BYE}`,
    /"535 5\.7\.8 … status: 401, /,
  ],
  [
    "the same, not supported after all",
    "AUTH XOAUTH2",
    [xoauth2("greg", LONG)],
    `C: AUTH XOAUTH2\nS: 504 5.5.4 No\n${BYE}`,
    /"504 5\.5\.4 No"$/,
  ],
  ["OAUTHBEARER", "AUTH OAUTHBEARER", [oauthBearer("greg", SERVER, "token")], `C: AUTH OAUTHBEARER ${BEARER}\n${OK}`],
  [
    "OAUTHBEARER, a name with a comma",
    "AUTH OAUTHBEARER",
    [oauthBearer("a,b=c", SERVER, "t")],
    `C: AUTH OAUTHBEARER ${base64("n,a=a=2Cb=3Dc,\x01host=mx.example\x01port=465\x01auth=Bearer t\x01\x01")}\n${OK}`,
  ],
  [
    "OAUTHBEARER with an expired token",
    "AUTH OAUTHBEARER",
    [oauthBearer("greg", SERVER, "token")],
    `C: AUTH OAUTHBEARER ${BEARER}\nS: 334 ${ERROR}\nC: AQ==\nS: 535 5.7.8 No\n${BYE}`,
    /rejected the login of "greg": "535 5\.7\.8 No status: 401, schemes: bearer, scope: https:\/\/mail\.example\/"$/,
  ],
  [
    "a token, where the server prefers XOAUTH2 but knows the standard",
    "AUTH XOAUTH2 OAUTHBEARER",
    byTokenFrom("greg", SERVER, () => Promise.resolve("token")),
    `C: AUTH OAUTHBEARER ${BEARER}\n${OK}`,
  ],
  [
    "a token, where the server knows only XOAUTH2",
    "AUTH LOGIN XOAUTH2",
    byTokenFrom("greg", SERVER, () => Promise.resolve("token")),
    `C: AUTH XOAUTH2 ${base64("user=greg\x01auth=Bearer token\x01\x01")}\n${OK}`,
  ],
  [
    "a token is not obtained where it cannot be used",
    "AUTH PLAIN LOGIN",
    byTokenFrom("greg", SERVER, unneeded),
    BYE,
    /^mx offers AUTH "PLAIN LOGIN", but not OAUTHBEARER, XOAUTH2$/,
  ],
  [
    "a password that is obtained when the server asks",
    "AUTH LOGIN PLAIN",
    byPasswordFrom("greg", () => Promise.resolve("secret")),
    `C: AUTH PLAIN ${base64("\0greg\0secret")}\n${OK}`,
  ],
  [
    "a password that cannot be obtained: the session ends properly",
    "AUTH LOGIN PLAIN",
    byPasswordFrom("greg", () => Promise.reject(new Fail("temporary", "locked"))),
    BYE,
    /^locked$/,
    "temporary",
  ],
  [
    "a rejection that repeats a password that was obtained",
    "AUTH PLAIN",
    byPasswordFrom("greg", () => Promise.resolve("secret")),
    `C: AUTH PLAIN ${base64("\0greg\0secret")}\nS: 535 not secret\n${BYE}`,
    /of "greg": "535 not …"$/,
  ],
  [
    "the first mechanism that both support",
    "AUTH SCRAM-SHA-1 LOGIN PLAIN",
    byPassword("greg", "secret"),
    `C: AUTH PLAIN ${base64("\0greg\0secret")}\n${OK}`,
  ],
  [
    "mechanisms in lower case",
    "auth plain",
    [plain("greg", "secret")],
    `C: AUTH PLAIN ${base64("\0greg\0secret")}\n${OK}`,
  ],
  ["the old form AUTH=", "AUTH=PLAIN", [plain("greg", "secret")], `C: AUTH PLAIN ${base64("\0greg\0secret")}\n${OK}`],
  [
    "no AUTH",
    "DSN",
    byPassword("greg", "x"),
    BYE,
    /^mx does not offer AUTH$/,
  ],
  [
    "no mechanism that we support",
    "AUTH GSSAPI",
    byPassword("greg", "x"),
    BYE,
    /^mx offers AUTH "GSSAPI", but not PLAIN, LOGIN, CRAM-MD5$/,
  ],
  [
    "a rejection that repeats the password",
    "AUTH PLAIN",
    [plain("greg", "secret")],
    `C: AUTH PLAIN ${base64("\0greg\0secret")}\nS: 535 not secret, ${base64("\0greg\0secret")}\n${BYE}`,
    /of "greg": "535 not …, …"$/,
  ],
  [
    "a temporary rejection",
    "AUTH PLAIN",
    [plain("greg", "secret")],
    `C: AUTH PLAIN ${base64("\0greg\0secret")}\nS: 454 4.7.0 Later\n${BYE}`,
    /of "greg": "454 4\.7\.0 Later"$/,
    "temporary",
  ],
  [
    "a challenge after PLAIN: cancelled",
    "AUTH PLAIN",
    [plain("greg", "secret")],
    `C: AUTH PLAIN ${base64("\0greg\0secret")}\nS: 334 Zm9v\nC: *\nS: 501 Cancelled\n${BYE}`,
    /of "greg": "501 Cancelled"$/,
  ],
  [
    "a challenge that is not base64: cancelled",
    "AUTH LOGIN",
    [login("greg", "secret")],
    `C: AUTH LOGIN\nS: 334 User name?\nC: *\nS: 501 Cancelled\n${BYE}`,
    /of "greg": "501 Cancelled"$/,
  ],
  [
    "endless challenges",
    "AUTH LOGIN",
    [login("greg", "secret")],
    `C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: ${base64("greg")}\nS: 334 UGFzc3dvcmQ6\nC: ${base64("secret")}\n` +
    "S: 334 Zm9v\nC: *\n".repeat(6) + `S: 334 Zm9v\n${BYE}`,
    /of "greg": "334 Zm9v"$/,
    "temporary",
  ],
];

test("logins", async (t) => {
  using authority = await Authority.make();
  const tls = await authority.leaf("IP:127.0.0.1");
  const ca = [Deno.readTextFileSync(authority.ca)];
  for (const [what, offers, mechanisms, dialogue, failed, kind = "permission"] of LOGINS) {
    await t.step(what, async () => {
      const user = what.includes("CRAM") ? "tim" : "greg";
      const server = { ca, login: { user, mechanisms } };
      const transcript = `${HELLO}S: 250-mx\nS: 250 ${offers}\n${dialogue}${failed ? "" : SENT}`;
      if (failed === undefined) return assert.equal(await run(transcript, { tls, server }), 250);
      const [found, , , , said] = await failure(run(transcript, { tls, server }));
      assert.match(String(said), failed);
      assert.equal(found, kind);
    });
  }
});

/** Data that a server or an attacker sends together with the reply to STARTTLS (as in CVE-2011-0411). */
const INJECTED = ["S: 250 mx", "S: 250-mx\nS: 250 AUTH PLAIN", "S: 220 mx", "S| 2", "S| \\u0016\\u0003\\u0001"];

test("STARTTLS: data sent before the handshake is not accepted", async (t) => {
  using authority = await Authority.make();
  const server = { security: "starttls", ca: [Deno.readTextFileSync(authority.ca)] } as const;
  const before = `${HELLO}S: 250-mx\nS: 250-AUTH PLAIN\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 Go on\n`;
  for (const injected of INJECTED) {
    await t.step(`sent with the reply: ${injected.replaceAll("\n", " ")}`, async () => {
      const [kind, step, , , said] = await failure(run(`${before}${injected}\nZ`, { server }));
      assert.deepEqual([kind, step], ["temporary", "STARTTLS"]);
      assert.match(String(said), /cannot be used: it sent data between its reply to STARTTLS and the handshake$/);
    });
  }
  for (const reply of ["454 4.7.0 No", "502 5.5.1 No", "354 No"]) {
    await t.step(`rejected: ${reply}`, async () => {
      const transcript = `${HELLO}S: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: ${reply}\n${BYE}`;
      const [kind, step, code] = await failure(run(transcript, { server }));
      assert.deepEqual([kind, step, code], ["temporary", "STARTTLS", Number(reply.slice(0, 3))]);
    });
  }
});
