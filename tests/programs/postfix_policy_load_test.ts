/** A Postfix without a milter under load, while the engine answers, is killed, and hangs: what arrives, and how. */
import assert from "node:assert/strict";
import { fieldOf, qsbmf } from "../rig.ts";
import { Sink } from "../smtp_sink.ts";
import { needPostfix, smtp, until } from "./postfix.ts";
import { MapsHost } from "./postfix_maps.ts";
import { Client } from "./smtp_session.ts";
import { GREG, LETTER, LIE, MAIN, plainSnippet, srs } from "./site.ts";

const test = await needPostfix();
const PLAIN = `${GREG}@example.org`;
const CONTACT = "https://example.org/mail";
const MESSAGES = 500;
const SESSIONS = 20;

/** What clients send, the reply, and another that is right while the engine is down. */
const KINDS: { sender: string; to: () => string; reply: RegExp; down?: RegExp }[] = [
  { sender: "jo@b.example", to: () => PLAIN, reply: /^250 / },
  { sender: "", to: () => srs(GREG), reply: /^250 / },
  {
    sender: "",
    to: () => srs(GREG, new Date(), "mallory"),
    reply: /^550 5\.1\.1 .*: No such address; Contact: /,
    down: /^550 5\.1\.1 .*: User unknown in virtual alias table/, // if the map answers, and the policy service did not
  },
  {
    sender: "jo@b.example",
    to: () => "old@example.org",
    reply: /^551 5\.1\.6 .*write to <new@example\.net>; /,
    down: /^250 /, // an address like any other
  },
];

const crlf = (mail: string) => mail.replaceAll("\n", "\r\n");
const dotted = (mail: string) => crlf(mail.replace(/^\./gm, ".."));

test("500 messages in 20 sessions through policy and map, each once and byte for byte", async (t) => {
  await using sink = new Sink();
  await using host = await MapsHost.start({
    main: `${MAIN.replace("127.0.0.0/8", "127.0.0.9/32")}${plainSnippet("policy/main.cf")}` +
      `local_transport = smtp:[127.0.0.1]:${sink.port}\nsmtpd_error_sleep_time = 0\nsmtpd_hard_error_limit = 1000\nlocal_header_rewrite_clients =\n`,
    config: `contact = "${CONTACT}"\nmoved = "moved"\n`,
    files: { moved: "old@example.org new@example.net\n" },
    chroot: true,
  });
  const { port } = host.postfix;
  const expected = new Map<string, string>();
  const passed: string[] = [];
  const wrong: string[] = [];
  let deferred = 0;

  /** Sends a message, and sends it again until the reply is not temporary. @returns the last reply */
  const deliver = async (client: Client, sender: string, to: string, mail: string): Promise<string> => {
    for (let tries = 0; tries < 200; tries++) {
      assert.match(await client.say(`MAIL FROM:<${sender}>`), /^250 /);
      const reply = await client.say(`RCPT TO:<${to}>`);
      if (reply.startsWith("250 ")) {
        assert.match(await client.say("DATA"), /^354 /);
        const end = await client.say(`${dotted(mail)}.`);
        if (!end.startsWith("4")) return end;
      } else {
        assert.match(await client.say("RSET"), /^250 /);
        if (!reply.startsWith("4")) return reply;
      }
      deferred++;
      await new Promise((next) => setTimeout(next, 100));
    }
    throw new Error(`Always deferred: ${to}; ${host.trouble()}`);
  };

  const sendAll = async (round: string) => {
    const clients: Client[] = [];
    while (clients.length < SESSIONS) clients.push(await Client.open(port));
    await Promise.all(clients.map(async (client, session) => {
      for (let nth = session; nth < MESSAGES; nth += SESSIONS) {
        const { sender, to, reply, down } = KINDS[(nth + Math.floor(nth / SESSIONS)) % KINDS.length]!;
        const id = `${round}-${nth}`;
        const body = `.\n..\n${`line ${crypto.randomUUID()} \t\n`.repeat(1 + nth % 60)}${nth % 3 === 0 ? "\n\n" : ""}`;
        const mail = `X-Id: ${id}\n${sender === "" ? qsbmf("x", LIE) : LETTER}${body}`;
        const said = await deliver(client, sender, to(), mail);
        if (!reply.test(said)) (down?.test(said) ? passed : wrong).push(`${id}: ${said}`);
        if (said.startsWith("250 ")) expected.set(id, crlf(mail));
      }
      client[Symbol.dispose]();
    }));
  };
  /** Checks that all accepted messages have arrived. Postfix adds fields at the top. */
  const arrived = async () => {
    await until("the queue", async () => await host.postfix.queued() === 0, host.trouble);
    const got = sink.accepted.map(({ data, to }) => {
      assert.ok(to.length === 1 && [PLAIN, "old@example.org"].includes(to[0]!), to.join(" "));
      return data.slice(data.indexOf("X-Id: "));
    });
    assert.equal(got.length, expected.size);
    assert.deepEqual(new Set(got), new Set(expected.values()));
  };

  await t.step("while it answers", async () => {
    await sendAll("a");
    assert.deepEqual([...wrong, ...passed], []);
    assert.deepEqual([expected.size, deferred], [MESSAGES / 2, 0]);
    await arrived();
  });

  await t.step("while it is killed and started several times", async () => {
    let sending = true;
    let kills = 0;
    const killing = (async () => {
      for (; sending || kills < 2; kills++) {
        await new Promise((next) => setTimeout(next, 150));
        await host.killEngine();
        await new Promise((next) => setTimeout(next, 100));
        await host.startEngine();
      }
    })();
    try {
      await sendAll("b");
    } finally {
      sending = false;
      await killing;
    }
    assert.ok(kills > 1 && deferred > 0, `${kills} ${deferred}`);
    assert.deepEqual(wrong, []);
    await arrived();
  });

  await t.step("while it hangs, mail passes after the timeouts of Postfix", async () => {
    host.signalEngine("SIGSTOP");
    const start = Date.now();
    assert.match(await smtp(port, "jo@b.example", PLAIN, `X-Id: hangs\n${LETTER}`), /^250 /);
    const waited = Date.now() - start;
    assert.ok(waited >= 6900 && waited < 15_000, `${waited} ms`);
    host.signalEngine("SIGCONT");
    const forged = srs(GREG, new Date(), "mallory");
    assert.match(await smtp(port, "", forged, LETTER), /^550 5\.1\.1 .*: No such address; Contact: /);
    await until("the message", () => sink.accepted.some(({ mail }) => fieldOf(mail, "X-Id") === "hangs"), host.trouble);
  });
});
