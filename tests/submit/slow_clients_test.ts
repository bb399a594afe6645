/** Clients that send a byte now and then, so that they are never silent for long: absolute times end their sessions. */
import assert from "node:assert/strict";
import { Home, ROOT } from "../rig.ts";
import { nothingSent, stubRuns, stubTransport } from "../stub.ts";
import { MAIL, RawSmtp } from "./raw_smtp.ts";
import { QUICK_LOGIN, SubmitdHome } from "./submitd_home.ts";
import { Talk } from "./talk.ts";

/** The limit in the tests, and the time between two bytes. */
const [LIMIT_SECONDS, PAUSE_MS] = [0.8, 80];

/** Sends bytes until the other end is gone. @returns their number */
async function dribble(send: (byte: string) => Promise<void>, gone: Promise<unknown>, byte: string): Promise<number> {
  let [count, open] = [0, true];
  gone.then(() => open = false);
  while (open) {
    await send(byte).catch(() => {});
    assert.ok(++count < 200, "The session goes on");
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([gone, new Promise((done) => timer = setTimeout(done, PAUSE_MS))]);
    clearTimeout(timer);
  }
  return count;
}

const ENVELOPE = "MAIL FROM:<greg@example.org>\r\nRCPT TO:<ann@example.net>\r\nDATA\r\n";
const CASES: [what: string, program: string[], first: string, replies: RegExp, code: number][] = [
  ["authup, in a command", ["authup", "smtp", "/bin/false"], "", /^220 .*\r\n451 authup timeout .*\r\n$/, 12],
  [
    "authup, in AUTH",
    ["authup", "smtp", "/bin/false"],
    "AUTH LOGIN\r\n",
    /^220 .*\r\n334 .*\r\n451 authup timeout .*\r\n$/,
    12,
  ],
  [
    "authup, POP3",
    ["authup", "pop3", "/bin/false"],
    "USER greg\r\n",
    /^\+OK .*\r\n\+OK.*\r\n-ERR authup timeout\r\n$/,
    12,
  ],
  ["ofmipd, in a command", ["ofmipd"], "NOOP\r\n", /^235 .*\r\n250 .*\r\n451 timeout .*\r\n$/, 0],
  ["ofmipd, in a message", ["ofmipd"], `${ENVELOPE}${MAIL}`, /\r\n354 .*\r\n451 timeout .*\r\n$/, 0],
];

Deno.test("authup and ofmipd end the session of a client that sends a byte now and then", async (t) => {
  using home = new Home();
  home.settings(stubTransport(home));
  home.write("control/me", "mx.example.org\n");
  const program = [Deno.execPath(), "run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`];
  await Promise.all(CASES.map(([what, argv, first, replies, code]) =>
    t.step({
      name: what,
      sanitizeOps: false,
      sanitizeResources: false,
      sanitizeExit: false,
      fn: async () => {
        const limited = [...program, `${ROOT}/tests/submit/limited.ts`, `${LIMIT_SECONDS}`, ...argv];
        await using talk = new Talk(home, limited, { AUTHUP_USER: "greg" });
        await talk.send(first);
        const received = talk.received("x".repeat(10_000));
        const bytes = await dribble((byte) => talk.send(byte), received, "x");
        assert.match(await received, replies);
        assert.ok(bytes > 2, `${bytes}`);
        assert.equal((await talk.end()).code, code);
      },
    })
  ));
  nothingSent(home);
});

Deno.test("submitd ends the connection of a client that sends a byte now and then, with and without TLS", async () => {
  // The server looks up the times when a client connects and when it logs in.
  const times = { login: 1000, session: 60_000 };
  await using one = await SubmitdHome.start({ times });
  one.home.write("users", QUICK_LOGIN, 0o600);
  const cut = async (client: RawSmtp, byte = "x") => {
    using open = client;
    assert.ok(await dribble((more) => open.send(more), open.reply(), byte) > 2);
  };
  // Whoever has logged in has more time.
  using greg = await RawSmtp.greg(one.tls, one.ca);
  await Promise.all([
    RawSmtp.open(one.port, one.ca).then(cut),
    RawSmtp.tls(one.tls, one.ca).then(cut),
    cut(RawSmtp.over(await Deno.connect({ hostname: "127.0.0.1", port: one.tls }), one.ca), "\x16"), // in the handshake
  ]);
  assert.match(await greg.submit(MAIL), /^250 /);

  times.session = LIMIT_SECONDS * 1000;
  const late = await RawSmtp.greg(one.tls, one.ca);
  await late.begin();
  await late.send(MAIL);
  await cut(late);
  assert.equal(stubRuns(one.home), 1);
});
