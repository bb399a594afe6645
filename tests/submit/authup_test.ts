/** authup: what clients can do to it, and what it logs. */
import assert from "node:assert/strict";
import { ClientGone, ClientInput } from "../../submit/client.ts";
import { Home, ROOT } from "../rig.ts";
import { CHAIN, plain, Talk } from "./talk.ts";

const CHECK = `${ROOT}/tests/submit/chain/checkpassword`;
const start = (home: Home, env: Record<string, string> = {}, ...args: string[]) => {
  home.write("control/me", "mx.example.org\n");
  return new Talk(home, [`${CHAIN}/authup`, ...args, "smtp", CHECK, "true"], { LOG: `${home.path}/log`, ...env });
};

Deno.test("the log line of a failed login begins with the address, whatever the login contains", async () => {
  using home = new Home();
  const hostile = [
    'a" tries=1\nauthup: login failed from 198.51.100.1: user="b',
    "\x1b[31mred",
    "x".repeat(250),
    "gr\u00e9g",
  ];
  await using talk = start(home, {}, "-t", "9");
  await talk.reply();
  for (const user of hostile) assert.match(await talk.say(`AUTH PLAIN ${plain(user, "pw")}`), /^535 /);
  const { stderr } = await talk.end();
  const lines = stderr.split("\n").filter((line) => line.startsWith("authup: "));
  assert.equal(lines.length, hostile.length);
  for (const line of lines) {
    assert.match(line, /^authup: login failed from 192\.0\.2\.7: user="(?:[^"\\]|\\.)*" tries=\d$/);
  }
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(stderr, /[\x00-\x09\x0b-\x1f]/);
});

Deno.test("an address that is none is not logged", async () => {
  using home = new Home();
  await using talk = start(home, { TCPREMOTEIP: "evil 192.0.2.1" }, "-t", "1");
  await talk.reply();
  await talk.say(`AUTH PLAIN ${plain("greg", "pw")}`);
  const { code, stderr } = await talk.end();
  assert.equal(code, 1);
  assert.match(stderr, /^authup: login failed from unknown: user="greg" tries=1$/m);
});

Deno.test("all failures take equally long, temporary ones too", async () => {
  using home = new Home();
  await using talk = start(home);
  await talk.reply();
  for (const user of ["e1", "e2", "e111"]) {
    const begun = Date.now();
    assert.match(await talk.say(`AUTH PLAIN ${plain(user, "pw")}`), /^(?:535|454) /);
    assert.ok(Date.now() - begun >= 1000, user);
  }
});

Deno.test("a line of 20,000 bytes ends the session", async () => {
  using home = new Home();
  await using talk = start(home);
  await talk.reply();
  assert.match(await talk.say("x".repeat(20_000)), /^500 /);
  assert.equal((await talk.end()).code, 12);
});

Deno.test("a login and password of up to 255 bytes are passed on, longer ones are malformed", async () => {
  using home = new Home();
  await using talk = start(home);
  await talk.reply();
  assert.match(await talk.say(`AUTH PLAIN ${plain("e1", "p".repeat(256))}`), /^501 /);
  assert.match(await talk.say(`AUTH PLAIN ${plain("e1", "p".repeat(255))}`), /^535 /);
  assert.match(home.read("log"), new RegExp(`^descriptor 3: e1\\|${"p".repeat(255)}\\|\\|\n`));
});

Deno.test("a client that sends a byte now and then is disconnected in time", async () => {
  const slow = {
    async read(buffer: Uint8Array) {
      await new Promise((done) => setTimeout(done, 20));
      buffer[0] = 65;
      return 1;
    },
  };
  await assert.rejects(new ClientInput(slow, 1200).line(Date.now() + 100), (error) => {
    return error instanceof ClientGone && error.why === "timeout";
  });
  const silent = { read: () => new Promise<number>((done) => void setTimeout(() => done(1), 300)) };
  await assert.rejects(new ClientInput(silent, 0.05).line(), ClientGone);
  await new Promise((done) => setTimeout(done, 400));
});

Deno.test("under reup each run has one try, and only the first greets", async () => {
  using home = new Home();
  await using talk = start(home, { REUP: "2" });
  assert.match(await talk.say("NOOP"), /^250 ok/);
  assert.match(await talk.say(`AUTH PLAIN ${plain("e1", "pw")}`), /^535 /);
  assert.deepEqual((await talk.end()).code, 1);
});
