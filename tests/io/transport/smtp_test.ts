/** `via = "smtp"`, against a server with configurable replies. */
import assert from "node:assert/strict";
import { decodeLatin1, utf8 } from "../../../lib/bytes.ts";
import { accountsIn } from "../../../lib/settings/accounts.ts";
import { parseConfig } from "../../../lib/settings/parse.ts";
import { errorText, Fail } from "../../../lib/fail.ts";
import { sysexit } from "../../../lib/sysexits.ts";
import type { Envelope } from "../../../lib/envelope.ts";
import { Rejected } from "../../../io/transport/rejected.ts";
import { submit } from "../../../io/transport/smtp.ts";
import { Authority } from "../../certificates.ts";
import { need } from "../../programs/need.ts";
import { type Answers, deadPort, HANG_UP, LATER, REFUSED, SILENCE, Sink } from "../../smtp_sink.ts";
import { chunks } from "./chunks.ts";

const test = await need("openssl");

const PASSWORD = "correct horse";
const address = (text: string) => ({ local: text.split("@")[0]!, domain: text.split("@")[1]! });
const [greg, ann, bob] = ["greg@example.org", "ann@example.net", "bob@example.net"].map(address) as [
  ReturnType<typeof address>,
  ReturnType<typeof address>,
  ReturnType<typeof address>,
];
const HEAD = "Subject: x\n\n";
const TO_BOTH: Envelope = { sender: greg, recipients: [ann, bob], dsn: {} };

/** The account of this server. */
function account(port: number, more = 'security = "none"', host = "127.0.0.1") {
  const text = `[[identity]]\naddress = "greg@example.org"\n[transport]\nvia = "smtp"\nhost = "${host}"\n`;
  return accountsIn(parseConfig(`${text}port = ${port}\n${more}\n`, { file: "/c/config.toml", home: "/h" }))[0]!;
}

/** Sends a message to the server. */
function send(sink: Sink, more?: string, envelope = TO_BOTH, body = chunks("Hi.\n"), signal?: AbortSignal) {
  return submit(account(sink.port, more), envelope, { head: utf8(HEAD), body }, signal);
}

/** A summary of the error: exit status, whether it is certain that nothing was sent, and message. */
async function failure(sent: Promise<unknown>): Promise<{ status: number; certain: boolean; says: string }> {
  const error = await sent.then(() => assert.fail("sent"), (error) => error);
  assert.ok(error instanceof Fail, `${error?.stack ?? error}`);
  assert.doesNotMatch(error.message, /\n/, "one line");
  const certain = error instanceof Rejected || error.kind !== "temporary";
  return { status: error instanceof Rejected ? error.code : sysexit(error), certain, says: errorText(error) };
}

async function fails(sent: Promise<unknown>, status: number, says: RegExp, certain = true): Promise<void> {
  const found = await failure(sent);
  assert.match(found.says, says);
  assert.deepEqual([found.status, found.certain], [status, certain], found.says);
}

Deno.test("envelope and message arrive unchanged", async (t) => {
  await using sink = new Sink();
  const row = async (what: string, envelope: Envelope, check: (sink: Sink) => void, body = chunks("Hi.\n")) => {
    await t.step(what, async () => {
      sink.accepted.length = 0;
      assert.deepEqual(await send(sink, undefined, envelope, body), {
        route: `127.0.0.1:${sink.port}`,
        reply: "250 Taken",
      });
      assert.equal(sink.accepted.length, 1);
      check(sink);
    });
  };
  await row("sender and all recipients", TO_BOTH, ({ accepted: [mail] }) => {
    assert.deepEqual([mail!.from, mail!.to], ["greg@example.org", ["ann@example.net", "bob@example.net"]]);
    assert.equal(mail!.mail, `${HEAD}Hi.\n`);
    assert.equal(mail!.fromParameters, "BODY=8BITMIME");
  });
  await row("the null sender", { ...TO_BOTH, sender: null }, ({ accepted: [mail] }) => assert.equal(mail!.from, ""));
  const signed = address("SRS0=AbCd-_12=Q4=example.org=greg@srs.example.org");
  await row("a signed sender", { ...TO_BOTH, sender: signed }, ({ accepted: [mail] }) => {
    assert.equal(mail!.from, "SRS0=AbCd-_12=Q4=example.org=greg@srs.example.org");
  });
  const quoted = ['"a b"', '"a>b"'].map((local) => ({ local, domain: "example.net" }));
  await row(
    "quoted recipients, and one with a dash",
    {
      ...TO_BOTH,
      recipients: [...quoted, address("-x@example.net")],
    },
    ({ accepted: [mail] }) => assert.deepEqual(mail!.to, ['"a b"@example.net', '"a>b"@example.net', "-x@example.net"]),
  );
  const dsn = { notify: "failure,delay", ret: "hdrs", envid: "a+2Bb+3Dc+C3+A9" };
  await row("DSN parameters", { ...TO_BOTH, dsn }, ({ accepted: [mail] }) => {
    assert.equal(mail!.fromParameters, "BODY=8BITMIME RET=HDRS ENVID=a+2Bb+3Dc+C3+A9");
    assert.deepEqual(mail!.toParameters, ["NOTIFY=FAILURE,DELAY", "NOTIFY=FAILURE,DELAY"]);
  });
  const lines = [".", "..", ".a", "", "From x", "\0NUL", "\xe9\xff", "QUIT"];
  const body = Uint8Array.from(lines.join("\n") + "\n.\n", (one) => one.charCodeAt(0));
  await row("lines with dots, NUL and 8-bit bytes", TO_BOTH, ({ accepted: [mail] }) => {
    assert.equal(mail!.data, (HEAD + decodeLatin1(body)).replaceAll("\n", "\r\n"));
  }, chunks(body.subarray(0, 1), body.subarray(1, 2), body.subarray(2)));
  await row("a bare CR and no final newline", TO_BOTH, (sink) => {
    assert.equal(sink.accepted[0]!.data, "Subject: x\r\n\r\na\r\n.\r\nb\r\n");
  }, chunks("a\r.\rb"));
  const count = (verb: RegExp) => sink.lines.filter((line) => verb.test(line)).length;
  await sink.when(() => count(/^QUIT$/) === count(/^EHLO/));
});

Deno.test("DSN and 8BITMIME parameters are sent only if offered", async () => {
  await using sink = new Sink({ extensions: [] });
  await send(sink, undefined, { ...TO_BOTH, dsn: { ret: "full", notify: "never" } });
  const [{ fromParameters, toParameters }] = sink.accepted as [Sink["accepted"][0]];
  assert.deepEqual([fromParameters, toParameters], ["", ["", ""]]);
});

Deno.test("the size of a completely read message is announced in MAIL", async () => {
  await using sink = new Sink({ extensions: ["SIZE 1000"] });
  const whole = (body: string) =>
    submit(account(sink.port), TO_BOTH, { head: utf8(HEAD), body: chunks(body), whole: true });
  await whole("Hi.\n.\n");
  assert.equal(sink.accepted[0]!.fromParameters, `SIZE=${sink.accepted[0]!.data.length}`);
  assert.equal(sink.accepted[0]!.mail, `${HEAD}Hi.\n.\n`);
  sink.lines.length = 0;
  await fails(whole("x\n".repeat(400)), 69, /accepts messages of at most 1000 bytes, and this one is larger$/);
  assert.ok(!sink.lines.some((line) => line.startsWith("MAIL")));
  await fails(
    send(sink, undefined, TO_BOTH, chunks("x\n".repeat(400))),
    69,
    /accepts messages of at most 1000 bytes/,
  );
  assert.equal(sink.accepted.length, 1);
});

Deno.test("a large message arrives unchanged although its chunks share one buffer", async () => {
  await using sink = new Sink();
  const all = Uint8Array.from({ length: 6 * 1024 * 1024 + 7 }, (_, at) => at % 9973 === 0 ? 10 : 33 + at % 89);
  const body = async function* () {
    const buffer = new Uint8Array(4096); // smaller than the buffers of streams
    for (let at = 0; at < all.length; at += buffer.length) {
      const part = all.subarray(at, at + buffer.length);
      buffer.set(part);
      yield await Promise.resolve(buffer.subarray(0, part.length));
      buffer.fill(0);
    }
  };
  await send(sink, undefined, TO_BOTH, body());
  // More than the connection buffers, so that the client has to wait for the server.
  assert.ok(sink.accepted[0]!.data === (HEAD + decodeLatin1(all)).replaceAll("\n", "\r\n") + "\r\n");
});

const PIPELINING = ["PIPELINING", "8BITMIME"];
const rejecting = (replies: Record<string, string>) => (recipient: string) => replies[recipient];

/** [what, the server's replies, exit status, error message, whether it is certain that nothing was sent] */
const ANSWERS: [what: string, answers: Answers, status: number, says: RegExp, certain?: boolean][] = [
  ["greeting: permanent", { greeting: "554 5.7.1 No" }, 75, /127\.0\.0\.1:\d+ cannot be used: "554 5\.7\.1 No"$/],
  ["greeting: temporary", { greeting: "421 Busy" }, 75, /cannot be used: "421 Busy"$/],
  ["greeting: garbage", { greeting: "HTTP/1.1 400 Bad Request" }, 75, /cannot be used: "HTTP/],
  ["greeting: escapes", { greeting: "554 \x1b[31mred" }, 75, /cannot be used: "554 \\u001b\[31mred"$/],
  ["greeting: disconnect", { greeting: HANG_UP }, 75, /cannot be used: connection closed unexpectedly$/],
  ["EHLO: permanent", { ehlo: "550 Go away" }, 75, /rejected EHLO: "550 Go away"$/],
  ["EHLO: temporary", { ehlo: "421 Bye" }, 75, /rejected EHLO: "421 Bye"$/],
  ["EHLO: disconnect", { ehlo: HANG_UP }, 75, /cannot be used: connection closed/],
  [
    "MAIL: permanent",
    { from: "553 5.7.1 Not yours" },
    69,
    /rejected the sender "greg@example\.org": "553 5\.7\.1 Not yours"$/,
  ],
  ["MAIL: temporary", { from: LATER }, 75, /rejected the sender "greg@example\.org": "450 4\.2\.1 Come again"$/],
  [
    "MAIL: log in first",
    { from: "530 5.7.0 Authentication required" },
    77,
    /rejected the sender "greg@example\.org": "530 /,
  ],
  ["MAIL: out of step", { from: "503 What now" }, 75, /rejected the sender "greg@example\.org": "503 /],
  ["MAIL: garbage", { from: "what?" }, 75, /cannot be used: "what\?"$/],
  ["MAIL: disconnect", { from: HANG_UP }, 75, /cannot be used: connection closed/],
  [
    "MAIL: many lines",
    { from: "550-5.7.1 Not\r\n550 5.7.1 yours" },
    69,
    /rejected the sender "greg@example\.org": "550 5\.7\.1 Not 5\.7\.1 yours"/,
  ],
  ["RCPT: all permanent", { to: REFUSED }, 69, /rejected "ann@example\.net": "550 .*", "bob@example\.net": "550 /],
  ["RCPT: all temporary", { to: LATER }, 75, /rejected "ann@example\.net": "450 .*, "bob@example\.net": "450 /],
  ["RCPT: the first", { to: rejecting({ "ann@example.net": REFUSED }) }, 69, /rejected "ann[^,]*; nothing is sent$/],
  ["RCPT: the last", { to: rejecting({ "bob@example.net": REFUSED }) }, 69, /rejected "bob[^,]*; nothing is sent$/],
  [
    "RCPT: the last, temporary",
    { to: rejecting({ "bob@example.net": LATER }) },
    75,
    /rejected "bob[^,]*; nothing is sent$/,
  ],
  [
    "RCPT: one temporary, one permanent",
    { to: rejecting({ "ann@example.net": LATER, "bob@example.net": REFUSED }) },
    69,
    /rejected "ann@example\.net": "450 .*, "bob@example\.net": "550 /,
  ],
  [
    "RCPT: moved (RFC 5321 section 3.4)",
    { to: rejecting({ "ann@example.net": "551 User has moved; please try <ann@new.example>" }) },
    69,
    /"551 User has moved; please try <ann@new\.example>"/,
  ],
  [
    "RCPT: the last, pipelined",
    { extensions: PIPELINING, to: rejecting({ "bob@example.net": REFUSED }) },
    69,
    /rejected "bob/,
  ],
  [
    "RCPT: the first, pipelined",
    { extensions: PIPELINING, to: rejecting({ "ann@example.net": LATER }) },
    75,
    /rejected "ann/,
  ],
  ["RCPT: closing", { to: "421 Going down" }, 75, /"421 Going down"/],
  ["RCPT: disconnect", { to: HANG_UP }, 75, /connection closed/],
  ["DATA: permanent", { data: "554 No valid recipients" }, 69, /rejected the message: "554 /],
  ["DATA: temporary", { data: LATER }, 75, /rejected the message: "450 /],
  ["DATA: disconnect", { data: HANG_UP }, 75, /connection closed/],
  [
    "MAIL: three replies, which could be mistaken for those to RCPT and DATA",
    { from: "250 Yes\r\n250 Yes\r\n250 Yes", end: "554 5.7.1 Spam" },
    75,
    /cannot be used: it sent an unsolicited reply$/,
  ],
  [
    "RCPT: three replies, pipelined",
    { extensions: PIPELINING, to: "250 Yes\r\n250 Yes\r\n250 Yes" },
    75,
    /cannot be used: it sent an unsolicited reply$/,
  ],
  [
    "DATA: a reply to another command",
    { data: "250 Yes" },
    75,
    /cannot be used: "250 Yes"$/,
  ],
  ["the message: permanent", { end: "554 5.7.1 Spam" }, 69, /rejected the message: "554 5\.7\.1 Spam"$/],
  ["the message: temporary", { end: LATER }, 75, /rejected the message: "450 /],
  ["the message: closing", { end: "421 Going down" }, 75, /rejected the message: "421 /],
  // The server may have accepted the message, so that the result is unknown.
  [
    "the message: disconnect",
    { end: HANG_UP },
    75,
    /has the message, but did not confirm it .*may have been sent$/,
    false,
  ],
  ["the message: garbage", { end: "hello" }, 75, /did not confirm it \("hello"\); it may have been sent$/, false],
  ["the message: go on", { end: "354 More" }, 75, /did not confirm it/, false],
];

Deno.test("rejections, disconnects and protocol errors at each step", async (t) => {
  await using sink = new Sink();
  for (const [what, answers, status, says, certain = true] of ANSWERS) {
    await t.step(`${what}: ${status}`, async () => {
      sink.answers = answers;
      sink.accepted.length = sink.lines.length = 0;
      await fails(send(sink), status, says, certain);
      assert.deepEqual(sink.accepted, [], "nothing was accepted");
      const received = (verb: string) => sink.lines.some((line) => line.startsWith(verb));
      // DATA is sent only after the replies to sender and recipients.
      assert.equal(received("DATA"), /^(?:DATA|the message)/.test(what), sink.lines.join("\n"));
      // QUIT is sent if the session is still usable.
      const quits =
        !/: (?:closing|disconnect|garbage|go on|three replies|a reply to another)|greeting: temporary|EHLO: temporary/
          .test(
            what,
          );
      assert.equal(sink.lines.at(-1) === "QUIT", quits, sink.lines.join("\n"));
    });
  }
});

/** An endless body: the connection is cut, and the server must not see a final dot. */
const forever = async function* (signal?: AbortSignal) {
  while (!signal?.aborted) yield await Promise.resolve(utf8("line\n".repeat(10_000)));
};

Deno.test("an error while the message is sent closes the connection without a final dot", async (t) => {
  await using sink = new Sink();
  const row = async (what: string, answers: Answers, work: () => Promise<void>) => {
    await t.step(what, async () => {
      sink.answers = answers;
      sink.accepted.length = sink.cut.length = sink.lines.length = 0;
      await work();
      await sink.when(() => sink.cut.length > 0);
      assert.deepEqual([sink.accepted, sink.cut.length], [[], 1]);
      assert.ok(sink.cut[0]!.startsWith("Subject: x\r\n"), "the message had begun");
      assert.ok(!sink.cut[0]!.includes("QUIT"), "a command in the message");
    });
  };
  const broken = async function* () {
    yield await Promise.resolve(utf8("line\n".repeat(20_000)));
    throw new Fail("io", "Standard input cannot be read");
  };
  await row(
    "the message cannot be read",
    {},
    () => fails(send(sink, undefined, TO_BOTH, broken()), 74, /^Standard/),
  );
  await row("a signal", {}, async () => {
    const stop = new AbortController();
    const body = async function* () {
      yield* chunks("line\n".repeat(20_000));
      await sink.untilReceived(/^DATA/);
      stop.abort();
      await new Promise<void>(() => {});
    };
    const sent = send(
      sink,
      undefined,
      TO_BOTH,
      body(),
      stop.signal,
    );
    await fails(sent, 75, /^Stopped by a signal/, true);
  });
  await row(
    "rejected before the end of the message",
    { during: "552 5.3.4 Too big" },
    () => fails(send(sink, undefined, TO_BOTH, forever()), 69, /rejected the message: "552 5\.3\.4 Too big"$/),
  );
  await row(
    "accepted before the end of the message",
    { during: "250 Thanks" },
    () => fails(send(sink, undefined, TO_BOTH, forever()), 75, /replied before the end of the message: "250 Thanks"$/),
  );
});

Deno.test("the server disconnects while the message is sent", async () => {
  await using sink = new Sink({ during: HANG_UP });
  await fails(send(sink, undefined, TO_BOTH, forever()), 75, /cannot be used: |rejected the message: /);
  assert.deepEqual(sink.accepted, []);
});

/** [where the server stops replying, the last command it received] */
const SILENT: [Answers, RegExp | undefined][] = [
  [{ greeting: SILENCE }, undefined],
  [{ ehlo: SILENCE }, /^EHLO/],
  [{ from: SILENCE }, /^MAIL/],
  [{ to: SILENCE }, /^RCPT/],
  [{ data: SILENCE }, /^DATA/],
];

Deno.test("a signal ends the wait at every step before the final dot", async () => {
  for (const [answers, command] of SILENT) {
    await using sink = new Sink(answers);
    const stop = new AbortController();
    const sent = failure(send(sink, undefined, TO_BOTH, chunks("Hi.\n"), stop.signal));
    if (command !== undefined) await sink.untilReceived(command);
    stop.abort();
    assert.deepEqual(await sent, { status: 75, certain: true, says: "Stopped by a signal; nothing is sent" });
    assert.deepEqual(sink.accepted, []);
  }
  await using sink = new Sink();
  await fails(send(sink, undefined, TO_BOTH, chunks("Hi.\n"), AbortSignal.abort()), 75, /^Stopped by a signal/);
  assert.deepEqual(sink.accepted, [], "a signal that arrived earlier");
});

Deno.test("transport.timeout limits the whole session", async (t) => {
  const limited = 'security = "none"\ntimeout = 1';
  await t.step("before the message", async () => {
    await using sink = new Sink({ from: SILENCE });
    await fails(send(sink, limited), 75, /^127\.0\.0\.1:\d+ cannot be used: the session took longer than 1 s$/);
  });
  await t.step("after the final dot, when the result is unknown", async () => {
    await using sink = new Sink({ end: SILENCE });
    await fails(
      send(sink, limited),
      75,
      /did not confirm it \(the session took longer than 1 s\); it may have been sent$/,
      false,
    );
    assert.ok(!sink.lines.includes("QUIT"), "QUIT is not sent to a server that does not reply");
  });
});

Deno.test("security = none ignores an offered STARTTLS", async () => {
  await using sink = new Sink({ extensions: ["STARTTLS"], starttls: "454 Not now" });
  await send(sink);
  assert.equal(sink.accepted.length, 1);
  assert.ok(!sink.lines.includes("STARTTLS"));
});

Deno.test("a signal after the final dot still waits briefly for the reply", async () => {
  const stop = new AbortController();
  const hold = async () => {
    stop.abort();
    await new Promise((next) => setTimeout(next, 20));
  };
  await using sink = new Sink({ hold });
  await send(sink, undefined, TO_BOTH, chunks("Hi.\n"), stop.signal);
  assert.equal(sink.accepted.length, 1);
});

Deno.test("a malformed reply to the message does not confirm it", async () => {
  await using sink = new Sink({ end: "2 fine" });
  await fails(send(sink), 75, /has the message, but did not confirm it \("2 fine"\); it may have been sent$/, false);
  assert.equal(sink.accepted.length, 1, "the server had accepted it");
});

Deno.test("addresses and headers in UTF-8", async (t) => {
  const josé: Envelope = { ...TO_BOTH, recipients: [ann, address("josé@example.net")] };
  const head = utf8("Subject: é\n\n");
  await t.step("an address in UTF-8 requires SMTPUTF8", async () => {
    await using sink = new Sink({ extensions: ["8BITMIME"] });
    await fails(
      send(sink, undefined, josé),
      69,
      /does not offer SMTPUTF8, which address "josé@example\.net" requires$/,
    );
    assert.ok(!sink.lines.some((line) => line.startsWith("MAIL")));
  });
  await t.step("SMTPUTF8 is requested if offered", async () => {
    await using sink = new Sink({ extensions: ["8BITMIME", "SMTPUTF8"] });
    await send(sink, undefined, josé);
    assert.equal(sink.accepted[0]!.fromParameters, "BODY=8BITMIME SMTPUTF8");
    assert.equal(sink.accepted[0]!.to[1], decodeLatin1(utf8("josé@example.net")));
  });
  /** [extensions, header, parameters of MAIL] */
  const headers: [string[], Uint8Array<ArrayBuffer>, string][] = [
    [["SMTPUTF8", "8BITMIME"], head, "BODY=8BITMIME SMTPUTF8"],
    [["SMTPUTF8", "8BITMIME"], utf8(HEAD), "BODY=8BITMIME"],
    [["SMTPUTF8", "8BITMIME"], Uint8Array.of(0x53, 0x3a, 0xe9, 10, 10), "BODY=8BITMIME"],
    [["8BITMIME"], head, "BODY=8BITMIME"],
  ];
  for (const [extensions, bytes, parameters] of headers) {
    await t.step(`a header: ${extensions}, ${decodeLatin1(bytes).trim()}`, async () => {
      await using sink = new Sink({ extensions });
      await submit(account(sink.port), TO_BOTH, { head: bytes, body: chunks() });
      assert.equal(sink.accepted[0]!.fromParameters, parameters);
    });
  }
});

Deno.test("no server, an unknown host name, no sender, an invalid recipient", async () => {
  const message = { head: utf8(HEAD), body: chunks("Hi.\n") };
  const to = (port: number, host?: string) => submit(account(port, host ? "" : undefined, host), TO_BOTH, message);
  await fails(to(deadPort()), 75, /^127\.0\.0\.1:\d+ cannot be used: connection refused/);
  await fails(to(25, "nowhere.invalid"), 75, /^nowhere\.invalid:25 cannot be used: failed to lookup address/);
  await using sink = new Sink();
  await fails(
    send(sink, undefined, { ...TO_BOTH, sender: undefined }),
    64,
    /^Envelope sender unknown: set it with -f/,
  );
  assert.equal(sink.lines.length, 0);
  const odd = { ...TO_BOTH, recipients: [ann, { local: '"a\r\nQUIT"', domain: "example.net" }] };
  await fails(send(sink, undefined, odd), 69, /a\\r\\nQUIT.* contains a control character$/);
  assert.ok(!sink.lines.some((line) => line.startsWith("MAIL")));
});

test("TLS and login", async (t) => {
  using authority = await Authority.make();
  const here = await authority.leaf("DNS:localhost,IP:127.0.0.1");
  const secret = `${authority.folder}/password`;
  Deno.writeTextFileSync(secret, `${PASSWORD}\n`, { mode: 0o600 });
  const base64 = (text: string) => utf8(text).toBase64();
  const login = `user = "greg"\npassword_file = "${secret}"`;
  const [tls, starttls] = ["tls", "starttls"].map((one) => `security = "${one}"\nca = "${authority.ca}"\n${login}`);

  for (const [name, more, start] of [["tls", tls!, false], ["starttls", starttls!, true]] as const) {
    await t.step(`${name}: sent after a login`, async () => {
      await using sink = new Sink({ extensions: ["AUTH PLAIN LOGIN", "8BITMIME"] }, { ...here, start });
      await send(sink, more);
      assert.equal(sink.accepted[0]!.mail, `${HEAD}Hi.\n`);
      const commands = sink.lines.map((line) => line.replace(/^(?:MAIL|RCPT|DATA|QUIT).*/, ""));
      const clear = start ? ["EHLO [127.0.0.1]", "STARTTLS"] : [];
      const plain = `AUTH PLAIN ${base64(`\0greg\0${PASSWORD}`)}`;
      assert.deepEqual(commands.slice(0, clear.length + 2), [...clear, "EHLO [127.0.0.1]", plain]);
    });
    await t.step(`${name}: an unknown CA`, async () => {
      await using sink = new Sink({}, { ...here, start });
      await fails(
        send(sink, more.replace(/ca = .*/, "")),
        75,
        /cannot be used: .*certificate|cannot be used: .*issuer/i,
      );
      assert.ok(!sink.lines.some((line) => line.startsWith("AUTH")));
    });
    const wrong = [["DNS:other.example", 2, /not valid for name/i], ["IP:127.0.0.1", -1, /expired/i]] as const;
    for (const [names, days, says] of wrong) {
      await t.step(`${name}: a certificate for ${names}, valid for ${days} days`, async () => {
        await using sink = new Sink({}, { ...await authority.leaf(names, days), start });
        await fails(send(sink, more), 75, new RegExp(`cannot be used: .*(?:${says.source})`, "i"));
        assert.ok(!sink.lines.some((line) => line.startsWith("AUTH")));
      });
    }
    for (const auth of ["LOGIN", "CRAM-MD5"]) {
      await t.step(`${name}: the server offers only ${auth}`, async () => {
        await using sink = new Sink({ extensions: [`AUTH ${auth}`] }, { ...here, start });
        await send(sink, more);
        assert.equal(sink.accepted.length, 1);
        assert.ok(sink.lines.includes(`AUTH ${auth}`));
        assert.equal(sink.lines.includes(base64(PASSWORD)), auth === "LOGIN");
      });
    }
  }

  /** [the reply to AUTH, exit status, error message] */
  const rejections: [string, number, RegExp][] = [
    ["535 5.7.8 Bad password", 77, /rejected the login of "greg": "535 5\.7\.8 Bad password"$/],
    ["454 4.7.0 Try again", 75, /rejected the login of "greg": "454 4\.7\.0 Try again"$/],
    ["421 Too many", 75, /rejected the login of "greg": "421 Too many"$/],
    [`500 No command: AUTH PLAIN ${base64(`\0greg\0${PASSWORD}`)}`, 77, /of "greg": "500 No command: AUTH PLAIN …"$/],
    [`535 not ${PASSWORD}`, 77, /of "greg": "535 not …"$/],
    [HANG_UP, 75, /connection closed/],
  ];
  for (const [auth, status, says] of rejections) {
    await t.step(`login rejected: ${auth.slice(0, 12)}`, async () => {
      await using sink = new Sink({ auth, extensions: ["AUTH PLAIN"] }, here);
      const { says: said } = await failure(send(sink, tls));
      assert.ok(![PASSWORD, base64(PASSWORD), base64(`\0greg\0${PASSWORD}`)].some((one) => said.includes(one)), said);
      await fails(send(sink, tls), status, says);
    });
  }

  /** [what a server or an attacker does about STARTTLS, replies, whether it is offered] */
  const stripped: [string, Answers, boolean][] = [
    ["not offered", {}, false],
    ["rejected", { starttls: "454 4.7.0 Not now" }, true],
    ["rejected permanently", { starttls: "502 Never" }, true],
    ["disconnect", { starttls: HANG_UP }, true],
    ["accepted without a TLS handshake", { starttls: "220 Go on\r\n250 AUTH PLAIN" }, true],
  ];
  for (const [what, answers, start] of stripped) {
    await t.step(`STARTTLS ${what}: nothing is sent unencrypted`, async () => {
      await using sink = start ? new Sink(answers, { ...here, start }) : new Sink(answers);
      await fails(send(sink, `${starttls}\ntimeout = 2`), 75, /./);
      assert.ok(!sink.lines.some((line) => /^(?:AUTH|MAIL)/.test(line)), sink.lines.join("\n"));
      assert.ok(!sink.lines.some((line) => line.includes(base64(PASSWORD))));
    });
  }

  await t.step("extensions offered before TLS are discarded", async () => {
    const clear = ["SIZE 1", "8BITMIME", "DSN", "PIPELINING", "AUTH PLAIN"];
    await using sink = new Sink({ extensions: ["AUTH LOGIN"], clear }, { ...here, start: true });
    await send(sink, starttls, { ...TO_BOTH, dsn: { ret: "full" } });
    assert.equal(sink.accepted[0]!.fromParameters, "");
    assert.deepEqual(sink.lines.slice(2, 4), ["EHLO [127.0.0.1]", "AUTH LOGIN"]);
  });

  await t.step("the password file", async () => {
    await using sink = new Sink({}, here);
    Deno.chmodSync(secret, 0o640);
    await fails(send(sink, tls), 77, /: Password file is readable by others \(mode 0640\): chmod 600 \S+$/);
    Deno.chmodSync(secret, 0o600);
    for (const text of ["", "\n", "two\nlines\n"]) {
      Deno.writeTextFileSync(secret, text);
      await fails(send(sink, tls), 78, /: Password file does not contain exactly one line: write the password to it/);
    }
    Deno.removeSync(secret);
    await fails(send(sink, tls), 78, /: Password file does not exist: write the password to it/);
    const empty = `security = "tls"\nca = "${authority.folder}/ca.key"`;
    Deno.chmodSync(`${authority.folder}/ca.key`, 0o600);
    await fails(send(sink, empty), 78, /: CA file contains no certificate in PEM format: /);
    const pem = Deno.readTextFileSync(authority.ca);
    const given = `security = "tls"\nca = "${authority.folder}/given.pem"`;
    const write = (text: string) => Deno.writeTextFileSync(`${authority.folder}/given.pem`, text, { mode: 0o600 });
    const garbage = pem.replace(/(-----\n)[^]*(\n-----)/, "$1aGVsbG8=$2");
    for (
      const text of [pem.slice(0, 300), pem + pem.slice(0, 300), pem.replace("MII", "!!!"), garbage, pem + garbage]
    ) {
      write(text);
      await fails(send(sink, given), 78, /: CA file contains a damaged certificate: /);
    }
    write(`# Ours\r\n${pem.replaceAll("\n", "\r\n")}`);
    await send(sink, given);
    sink.lines.length = 0;
    Deno.chmodSync(authority.ca, 0o666);
    await fails(
      send(sink, tls!.replace(login, "")),
      77,
      /: CA file is writable by others \(mode 0666\): chmod 644 \S+$/,
    );
    assert.deepEqual(sink.lines, []);
  });
});

Deno.test({
  name: "without the network permission the error suggests countersign sandbox",
  permissions: { read: true, env: true, net: false, sys: ["uid"] },
  async fn() {
    const sent = submit(account(25), TO_BOTH, { head: utf8(HEAD), body: chunks() });
    await fails(sent, 78, /^No permission to connect to 127\.0\.0\.1:25: countersign sandbox$/);
  },
});
