/** A milter session: the order of commands, the content of a message, and the login. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { concat } from "../../../lib/bytes.ts";
import { Fail } from "../../../lib/fail.ts";
import { PacketReader, printPacket, uint32 } from "../../../serve/milter/packet.ts";
import type { Answer, Edit } from "../../../serve/milter/protocol.ts";
import { ACTIONS } from "../../../serve/milter/protocol.ts";
import {
  type Content,
  type MailFrom,
  MAX_HEADER_BYTES,
  type MilterRole,
  Session,
} from "../../../serve/milter/session.ts";
import { message, OFFER, packetsIn, shown, talk } from "../mta.ts";

/** A role that records its calls. */
class Recorder implements MilterRole {
  readonly actions = ACTIONS.addHeader;
  readonly bodyBytes = 10;
  readonly mails: MailFrom[] = [];
  readonly recipients: string[] = [];
  readonly contents: Content[] = [];
  answers: { recipient?: Answer; data?: Answer; end?: Answer; edits?: Edit[] } = {};

  constructor(readonly skipsBody = true) {}

  mail(from: MailFrom) {
    this.mails.push(from);
    return {
      recipient: (address: string): Answer => {
        this.recipients.push(address);
        return this.answers.recipient ?? "continue";
      },
      data: (): Answer => this.answers.data ?? "continue",
      end: (content: Content) => {
        this.contents.push(content);
        return Promise.resolve({ answer: this.answers.end ?? "accept" as const, edits: this.answers.edits ?? [] });
      },
    };
  }
}

const MAIL = "From: a@b\nSubject: x\n y\nX: \xff\n\nbody\n";

Deno.test("a message is passed to the role, and each command gets a response", async () => {
  const role = new Recorder();
  const responses = await talk(role, message("a@b", ["c@d", "e@f"], MAIL, { login: "greg" }));
  assert.deepEqual(responses, ["c", "c", "c", "c", "a"], "RCPT twice, DATA, body, end");
  assert.deepEqual(role.mails, [{ sender: "a@b", login: "greg", local: false, postfix: true, client: "host" }]);
  assert.deepEqual(role.recipients, ["c@d", "e@f"]);
  const [{ header, body, whole, cut }] = role.contents as [Content];
  assert.deepEqual(header.map((one) => one.raw), ["From: a@b", "Subject: x\n y", "X: \xff"]);
  assert.deepEqual([new TextDecoder().decode(body), whole, cut], ["body\r\n", true, false]);
});

Deno.test("only what the server offers is negotiated, and commands get a response where it is required", async () => {
  const session = new Session(new Recorder());
  const answers = async (...packets: Uint8Array[]) => {
    const out: string[] = [];
    for (const packet of packets.flatMap(packetsIn)) {
      out.push(...packetsIn((await session.handle(packet))!).map(shown));
    }
    return out;
  };
  const offer = concat(uint32(6), uint32(1), uint32(0));
  assert.deepEqual(await answers(printPacket("O", offer)), [`O\0\0\0\x06\0\0\0\x01\0\0\0\0`]);
  const [connect, mail, rcpt, data, ...rest] = message("a@b", ["c@d"], "A:b\n\n" + "x".repeat(70_000) + "\n");
  assert.deepEqual(await answers(connect!, printPacket("H", "host\0")), ["c", "c"]);
  assert.deepEqual(await answers(mail!, rcpt!, data!), ["c", "c", "c"]);
  assert.deepEqual(await answers(...rest), ["c", "c", "c", "c", "a"], "a field, end of header, body without skip, end");
});

Deno.test("a server that lacks a required feature is rejected", () => {
  for (const offer of [[5, 0x1ff, 0], [6, 0, 0]]) {
    const [packet] = packetsIn(printPacket("O", ...offer.map(uint32)));
    assert.throws(() => new Session(new Recorder()).handle(packet!), { kind: "data" });
  }
});

Deno.test("the rest of a body over the limit is skipped, a body of exactly the limit is complete", async () => {
  for (const [size, answer, whole] of [[8, "c", true], [9, "s", false]] as const) {
    const role = new Recorder();
    const responses = await talk(role, message("a@b", ["c@d"], `A: b\n\n${"x".repeat(size)}\n`));
    assert.deepEqual([responses.at(-2), role.contents[0]!.whole, role.contents[0]!.body.length], [answer, whole, 10]);
  }
});

Deno.test("where the body is not skipped, its parts get no response, unless the server requires one", async () => {
  for (const [steps, responses] of [[0x1fffff, ["c", "c", "a"]], [0x17ffff, ["c", "c", "c", "c", "a"]]] as const) {
    const role = new Recorder(false);
    const mail = message("a@b", ["c@d"], `A: b\n\n${"x".repeat(70_000)}\n`);
    assert.deepEqual(await talk(role, mail, concat(uint32(6), uint32(0x1ff), uint32(steps))), responses);
    assert.deepEqual([role.contents[0]!.whole, role.contents[0]!.body.length], [false, 10]);
  }
});

Deno.test("a header over the limit is truncated, and the message is incomplete", async () => {
  const role = new Recorder();
  const long = `A: ${"x".repeat(MAX_HEADER_BYTES / 2)}\n`;
  await talk(role, message("a@b", ["c@d"], `${long}${long}From: a@b\n\n\n`));
  assert.deepEqual([role.contents[0]!.cut, role.contents[0]!.whole, role.contents[0]!.header.length], [true, false, 1]);
});

Deno.test("the null sender, angle brackets, and mail from sendmail(1)", async () => {
  const rows: [string, number, MailFrom][] = [
    ["<>", 25, { sender: null, login: undefined, local: false, postfix: false, client: "localhost" }],
    ["<a@b>", 25, { sender: "a@b", login: undefined, local: false, postfix: false, client: "localhost" }],
    ["a@b", 0, { sender: "a@b", login: undefined, local: true, postfix: false, client: "localhost" }],
    ["", 0, { sender: null, login: undefined, local: true, postfix: false, client: "localhost" }],
    // Neither the form of the address nor the port alone is enough.
    ["<a@b>", 0, { sender: "a@b", login: undefined, local: false, postfix: false, client: "localhost" }],
    ["a@b", 25, { sender: "a@b", login: undefined, local: false, postfix: false, client: "localhost" }],
  ];
  for (const [path, port, expected] of rows) {
    const role = new Recorder();
    const connect = printPacket("C", `localhost\x004${String.fromCharCode(0, port)}127.0.0.1\0`);
    await talk(role, [connect, printPacket("M", `${path}\0SIZE=1\0`)]);
    assert.deepEqual(role.mails, [expected], path);
  }
  const role = new Recorder();
  await talk(role, [printPacket("M", "a@b\0")]);
  assert.equal(role.mails[0]!.local, false, "a server that does not describe the client");
});

Deno.test("Postfix is recognized by the macro v, which Sendmail does not send", async () => {
  for (const [name, expected] of [["Postfix 3.7.11", true], ["", false], ["Sendmail 8.17.1", false]] as const) {
    const role = new Recorder();
    await talk(role, message("a@b", ["c@d"], MAIL, { name }));
    assert.equal(role.mails[0]!.postfix, expected);
  }
});

Deno.test("a login belongs to one message and one client", async () => {
  const role = new Recorder();
  const [greg, anonymous] = [message("a@b", ["c@d"], MAIL, { login: "greg" }), message("a@b", ["c@d"], MAIL)];
  const session = new Session(role);
  const macros = printPacket("D", "M{auth_authen}\0greg\0");
  const packets = [
    printPacket("O", OFFER),
    ...greg,
    ...anonymous,
    macros,
    printPacket("K"),
    ...anonymous,
    printPacket("A"),
  ];
  for (const packet of [...packets, macros, printPacket("M", "<x@y>\0"), printPacket("A")].flatMap(packetsIn)) {
    await session.handle(packet);
  }
  assert.deepEqual(role.mails.map((one) => one.login), ["greg", undefined, undefined, "greg"]);
});

Deno.test("an unused login does not apply to a message after an abort, or to another client", async () => {
  for (const between of [printPacket("A"), printPacket("C", "host\x004\x12\x67127.0.0.1\0"), printPacket("K")]) {
    const role = new Recorder();
    const session = new Session(role);
    const macros = ["M", "R", "H"].map((command) => printPacket("D", `${command}{auth_authen}\0greg\0`));
    const packets = [printPacket("O", OFFER), ...macros, between, printPacket("M", "<x@y>\0")];
    for (const packet of packets.flatMap(packetsIn)) await session.handle(packet);
    assert.deepEqual(role.mails.map((one) => one.login), [undefined], shown(packetsIn(between)[0]!));
  }
});

Deno.test("percent signs in a reply are doubled; after DATA is accepted the role is not called again", async () => {
  const role = new Recorder();
  role.answers = { recipient: { reply: "550-5.1.1 100% sure\r\n550 5.1.1 no" }, data: "accept" };
  const responses = await talk(role, message("a@b", ["c@d"], MAIL));
  assert.deepEqual(responses, ["y550-5.1.1 100%% sure\r\n550 5.1.1 no\0", "a"]);
  assert.equal(role.contents.length, 0);
});

Deno.test("edits precede the response; the space after the colon is included if the server requires it", async () => {
  const edits: Edit[] = [
    { kind: "sender", path: "<x@y>" },
    { kind: "insert", above: 2, name: "A", value: " b" },
    { kind: "append", name: "C", value: " d\n\te" },
    { kind: "remove", nth: 3, name: "F" },
  ];
  for (const [steps, space] of [[0x1fffff, " "], [0x0fffff, ""]] as const) {
    const role = new Recorder();
    role.answers = { edits };
    const session = new Session(role);
    const offer = printPacket("O", uint32(6), uint32(0x1ff), uint32(steps));
    let last: Uint8Array = new Uint8Array(0);
    for (const packet of [offer, ...message("a@b", ["c@d"], MAIL)].flatMap(packetsIn)) {
      last = (await session.handle(packet))!;
    }
    assert.deepEqual(packetsIn(last).map(shown), [
      "e<x@y>\0",
      `i\0\0\0\x03A\0${space}b\0`,
      `hC\0${space}d\n\te\0`,
      "m\0\0\0\x03F\0\0",
      "a",
    ]);
    assert.equal(session.busy, false);
  }
});

Deno.test("packets out of order or malformed end the session", async () => {
  const rows: [string, Uint8Array[]][] = [
    ["no options", message("a@b", [])],
    ...["R<a@b>\0", "T", "LA\0b\0", "Bx", "E"].map((one): [string, Uint8Array[]] => [
      `${one[0]} without a sender`,
      [printPacket("O", OFFER), printPacket(one[0]!, one.slice(1))],
    ]),
    ...["O\0", "D", "DMx", "C", "Chost", "Chost\0", "Chost\x004\0", "M", "M<a@b>", "Z", "\0"].map(
      (one): [string, Uint8Array[]] => [one, [printPacket("O", OFFER), printPacket(one[0]!, one.slice(1))]],
    ),
    ["a field of one string", [printPacket("O", OFFER), printPacket("M", "<a@b>\0"), printPacket("L", "A\0")]],
    ["end twice", [printPacket("O", OFFER), ...message("a@b", [], MAIL), printPacket("E")]],
  ];
  for (const [what, packets] of rows) {
    const session = new Session(new Recorder());
    await assert.rejects(
      async () => {
        for (const packet of packets.flatMap(packetsIn)) await session.handle(packet);
      },
      { kind: "data" },
      what,
    );
  }
});

Deno.test("quit ends the session, abort ends the message", async () => {
  const session = new Session(new Recorder());
  for (const packet of [printPacket("O", OFFER), ...message("a@b", ["c@d"])].flatMap(packetsIn)) {
    await session.handle(packet);
  }
  assert.equal(session.busy, true);
  assert.deepEqual(await session.handle({ command: "A", data: new Uint8Array(0) }), new Uint8Array(0));
  assert.equal(session.busy, false);
  assert.equal(await session.handle({ command: "Q", data: new Uint8Array(0) }), undefined);
});

Deno.test("random packets get a response or end the session with a Fail", async () => {
  const command = fc.constantFrom(..."OCDHMRTLNBEAKQU\0x");
  const data = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom("<a@b>\0", "A\0b\0", "M{auth_authen}\0greg\0", "h\x004\0\x19x\0")
      .map((text) => Uint8Array.from(text, (c) => c.charCodeAt(0))),
  );
  const packets = fc.array(fc.tuple(command, data), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(packets, fc.boolean(), async (list, negotiate) => {
      const session = new Session(new Recorder());
      const bytes = concat(
        ...negotiate ? [printPacket("O", OFFER)] : [],
        ...list.map(([one, more]) => printPacket(one, more)),
      );
      const reader = new PacketReader();
      try {
        for (let at = 0; at < bytes.length; at += 7) {
          reader.push(bytes.subarray(at, at + 7));
          for (let packet; (packet = reader.next()) !== undefined;) {
            const answer = await session.handle(packet);
            if (answer === undefined) return;
            packetsIn(answer); // always complete packets
          }
        }
      } catch (error) {
        assert.ok(error instanceof Fail && error.kind === "data", String(error));
      }
    }),
    { numRuns: 500, seed: 11 },
  );
});
