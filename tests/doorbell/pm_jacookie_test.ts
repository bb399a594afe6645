/** The weaknesses of pm-jacookie that were found by running it, each shown to be absent here. */
import assert from "node:assert/strict";
import {
  ANN,
  challenged,
  filesIn,
  heldCount,
  heldTexts,
  manage,
  reply,
  replyTo,
  request,
  ring,
  runs,
  serviceHome,
  SVC,
} from "./home.ts";

/** A request with this Message-ID, so that it is another one. */
const nth = (id: string, from = ANN, more = "") => request(from, more).replace("<request@", `<${id}@`);

/** The CRC of cksum(1), from which pm-jacookie made its cookies. */
function cksum(text: string): number {
  const bytes = [...new TextEncoder().encode(text)];
  for (let length = bytes.length; length > 0; length >>>= 8) bytes.push(length & 0xff);
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return ~crc >>> 0;
}

Deno.test("its cookie was the CRC of the address, which anybody could compute", async () => {
  using home = serviceHome();
  const to = await challenged(home);
  assert.equal(cksum("123456789"), 930_766_865); // what cksum(1) prints
  const [, id, day] = /confirm-(.{12})-(\d{5})-/.exec(to)!;
  const guesses = [`${cksum(`${ANN}\n`)}`, `${id}-${cksum(`${ANN}\n`)}`, `${id}-${day}-${"a".repeat(16)}`];
  for (const guess of guesses) await ring(home, ANN, `svc-confirm-${guess}@example.org`, reply(SVC));
  // A cookie that was made under another key.
  home.write(".config/countersign/doorbell-keys", "k1 2026-01-01 the secret of somebody else\n", 0o600);
  await ring(home, ANN, to, reply(to));
  assert.deepEqual(runs(home), []);
});

Deno.test("one digit of the cookie was enough, and anything could follow it", async () => {
  using home = serviceHome('confirm = "subject"');
  await ring(home, ANN, SVC, request());
  const [, cookie] = /^ {4}confirm (\S+)$/m.exec(home.mails("out")[0]!)!;
  const subjects = [cookie!.slice(0, 1), cookie!.slice(0, -1), `${cookie}a`, `x${cookie}`, `${cookie}-1`];
  for (const wrong of subjects) {
    await ring(home, ANN, SVC, reply(SVC).replace("Re: subscribe me", `confirm ${wrong}`));
  }
  assert.deepEqual(runs(home), []);
});

Deno.test("an address was used as a pattern, so that one address could confirm another", async () => {
  using home = serviceHome("remember = 90\nremember_ok = true");
  await manage(home, "allow", "joe@x.example");
  for (const [id, wild] of [".@x.example", "jo.@x.example", "*@x.example", "x.example"].entries()) {
    await ring(home, wild, SVC, nth(`${id}`, wild));
  }
  assert.deepEqual(runs(home), []);
  await ring(home, "joe@x.example", SVC, nth("joe", "joe@x.example"));
  assert.equal(runs(home).length, 1);
});

Deno.test("its list of confirmed addresses never matched, so that people were challenged every time", async () => {
  using home = serviceHome("remember = 90\nremember_ok = true");
  const to = await challenged(home);
  await ring(home, ANN, to, reply(to));
  await ring(home, ANN, SVC, nth("second"));
  assert.deepEqual([runs(home).length, home.mails("out").length], [2, 1]);
});

Deno.test("a wrong cookie was sent back as the right one", async () => {
  using home = serviceHome();
  const to = await challenged(home);
  const wrong = to.replace(/.@/, "1@");
  await ring(home, ANN, wrong, reply(wrong));
  assert.deepEqual([home.mails("out").length, runs(home)], [1, []]);
});

Deno.test("every message added a line to the file of keys, without a lock", async () => {
  using home = serviceHome();
  await Promise.all(Array.from({ length: 5 }, () => ring(home, ANN, SVC, request())));
  assert.deepEqual([heldCount(home), home.mails("out").length], [1, 1], "the same message is held and challenged once");
});

Deno.test("the null sender was answered, To: <>", async () => {
  using home = serviceHome();
  for (const sender of ["", "#@[]", "MAILER-DAEMON@mx.example.net"]) {
    await ring(home, sender, SVC, nth(sender || "null"));
  }
  assert.deepEqual(home.mails("out"), []);
});

Deno.test("mailing lists were answered", async () => {
  using home = serviceHome();
  await ring(home, ANN, SVC, nth("1", ANN, "List-Id: <list.friend.example>\n"));
  await ring(home, "list-return-7@friend.example", SVC, nth("2"));
  assert.deepEqual(home.mails("out"), []);
});

Deno.test("the whole message was sent back, to whomever a forger named in From or Reply-To", async () => {
  using home = serviceHome();
  const spam = nth("spam", "victim@else.example", "Reply-To: victim@else.example\n") +
    "Buy at http://spam.example/now\n".repeat(500);
  await ring(home, "mallory@evil.example", SVC, spam);
  const [challenge] = home.mails("out") as [string];
  assert.match(challenge, /^X-Envelope-To: mallory@evil\.example$/m);
  assert.doesNotMatch(challenge, /victim|spam\.example/);
  assert.ok(challenge.length < 2000, `${challenge.length}`);
});

Deno.test("a cookie was found in the body, for example in a quoted challenge", async () => {
  using home = serviceHome('confirm = "subject"');
  await ring(home, ANN, SVC, request());
  const quoted = home.mails("out")[0]!.replace(/^/gm, "> ");
  const [, words] = /(confirm \S+-\d{5}-\S+)/.exec(quoted)!;
  await ring(home, "bob@friend.example", SVC, `${reply(SVC)}\nSubject: ${words}\n\n${quoted}`);
  assert.deepEqual(runs(home), []);
});

Deno.test("a right cookie in the first message of an address was ignored", async () => {
  using home = serviceHome();
  const to = await challenged(home);
  await ring(home, "ann@never-seen.example", to, reply(to, "ann@never-seen.example"));
  assert.equal(runs(home).length, 1);
});

Deno.test("a cookie never expired", async () => {
  using home = serviceHome("lifetime = 1");
  const to = await challenged(home);
  const [name] = filesIn(home, "held/new") as [string];
  // As held two days ago: the record says until when it is valid, and so does the cookie.
  const day = Number(/-(\d{5})-/.exec(to)![1]);
  assert.equal(day - Math.floor(Date.now() / 86_400_000), 1);
  const old = to.replace(`-${day}-`, `-${day - 3}-`);
  assert.equal((await ring(home, ANN, old, reply(old))).code, 99);
  assert.deepEqual(runs(home), []);
  const path = `${home.path}/.local/state/countersign/doorbell/svc/held/new/${name}`;
  const [time, ...rest] = name.split(".");
  Deno.renameSync(path, path.replace(name, [Number(time) - 3 * 86_400, ...rest].join(".")));
  assert.match((await manage(home, "run")).stdout, /; 1 messages and 0 addresses expired\n$/);
});

Deno.test("a message of a daemon with a cookie was thrown away", async () => {
  using home = serviceHome();
  const to = await challenged(home);
  const mail = reply(to, ANN, "Precedence: bulk\n");
  await ring(home, ANN, to, mail);
  assert.deepEqual([runs(home), heldTexts(home).filter((text) => text.endsWith(mail)).length], [[], 1]);
});

Deno.test("one confirmation admitted all that was sent in its name, also a forged request of the same moment", async () => {
  using home = serviceHome("remember = 90");
  const forged = nth("forged").replace("Please subscribe me.", "Please subscribe me to everything.");
  await Promise.all([request(), forged].map((mail) => ring(home, ANN, SVC, mail)));
  const genuine = home.mails("out").find((one) => one.includes("In-Reply-To: <request@"))!;
  assert.match(home.mails("out").find((one) => one !== genuine)!, /^> Please subscribe me to everything\.$/m);
  const to = replyTo(genuine);
  await ring(home, ANN, to, reply(to));
  assert.deepEqual([runs(home).length, home.read("got"), heldCount(home)], [1, request(), 1]);
});
