/** What becomes of a message when its program fails, is killed, or is confirmed by several messages at once. */
import assert from "node:assert/strict";
import { oneLine, ROOT } from "../rig.ts";
import {
  ANN,
  challenged,
  command,
  filesIn,
  heldCount,
  heldTexts,
  LOG,
  manage,
  program,
  reply,
  replyTo,
  request,
  ring,
  runs,
  serviceHome,
  SVC,
} from "./home.ts";

Deno.test("a program that fails is tried again by the retried confirmation", async () => {
  using home = serviceHome();
  const to = await challenged(home);
  program(home, "echo 'for ann@friend.example: no' >&2; exit 3");
  const mail = reply(to);
  const failed = await ring(home, ANN, to, mail);
  oneLine(failed, 75, /^doorbell: .*\/subscribe exited with status 3; the message is held again: for ann@friend/);
  assert.deepEqual([heldCount(home), filesIn(home, "running"), runs(home).length], [1, [], 1]);
  assert.doesNotMatch(home.read(LOG), /ann@friend/, "the log contains no address");
  program(home);
  assert.equal((await ring(home, ANN, to, mail)).code, 99);
  assert.deepEqual([heldCount(home), runs(home).length], [0, 2]);
  assert.equal((await ring(home, ANN, to, mail)).code, 99);
  assert.equal(runs(home).length, 2);
});

Deno.test("a program that is killed is never run again by itself; the administrator releases or deletes the message", async () => {
  using home = serviceHome();
  const to = await challenged(home);
  program(home, "kill -KILL $$");
  assert.equal((await ring(home, ANN, to, reply(to))).code, 99);
  assert.deepEqual([filesIn(home, "kept").length, heldCount(home), runs(home).length], [1, 0, 1]);
  program(home);
  for (const [recipient, mail] of [[to, reply(to)], [SVC, request()]] as const) {
    assert.equal((await ring(home, ANN, recipient, mail)).code, 99);
  }
  assert.equal(runs(home).length, 1);
  assert.match(home.read(LOG), /why=".*\/subscribe was killed by SIGKILL; the message is kept"/);
  const [id] = filesIn(home, "kept") as [string];
  const listed = await manage(home, "list");
  assert.match(listed.stdout, new RegExp(`^${id}  kept .*  ann@friend\\.example\n$`));
  const released = await manage(home, "release", id);
  assert.deepEqual([released.code, released.stdout], [
    0,
    `${id}: confirmed; ${home.path}/subscribe exited with status 0\n`,
  ]);
  assert.deepEqual([filesIn(home, "kept"), runs(home)], [[], [`confirmed ${ANN} ${ANN}`, `confirmed ${ANN} ${ANN}`]]);
});

Deno.test("a program that takes too long is killed with its children, and its message kept", async () => {
  using home = serviceHome("timeout = 1");
  const to = await challenged(home);
  program(home, 'sleep 60 & echo $! >"$HOME/child"; wait');
  assert.equal((await ring(home, ANN, to, reply(to))).code, 99);
  assert.equal(filesIn(home, "kept").length, 1);
  assert.match(home.read(LOG), /was killed: it took longer than 1 s; the message is kept/);
  const child = home.read("child").trim();
  assert.throws(() => Deno.statSync(`/proc/${child}/cwd`), "the child lives");
});

Deno.test("a hook that is killed leaves its message interrupted, which nobody runs again", async () => {
  using home = serviceHome();
  const to = await challenged(home);
  program(home, 'kill -KILL "$PPID"; exit 0'); // the parent is the hook
  await ring(home, ANN, to, reply(to));
  assert.equal(filesIn(home, "running").length, 1);
  program(home);
  assert.equal((await ring(home, ANN, to, reply(to))).code, 99);
  assert.equal(runs(home).length, 1);
  const { stdout } = await manage(home, "list");
  const [, id] = /^(\S+) {2}interrupted /.exec(stdout)!;
  assert.equal((await manage(home, "delete", id!)).code, 0);
  assert.deepEqual([filesIn(home, "running"), (await manage(home, "list")).stdout], [[], ""]);
});

Deno.test("a hook that is killed while it sends a challenge: the retry sends it, at most twice in a day", async () => {
  using home = serviceHome();
  const service = home.read(".config/countersign/config.toml").replace(/^[^]*(?=^\[\[doorbell)/m, "");
  home.settings(`[transport]\npreset = "sendmail"\ncommand = ["${home.path}/injector"]\n${service}`);
  const injector = (then: string) => home.write("injector", `#!/bin/sh\n${then}\n`, 0o755);
  const sends = () => home.read("sent").split("To: ann@friend.example").length - 1;
  const mail = request();
  injector('kill -KILL "$PPID"; exit 1'); // the parent is the hook
  assert.notEqual((await ring(home, ANN, SVC, mail)).code, 99);
  assert.equal(heldCount(home), 1);
  injector('cat >>"$HOME/sent"');
  assert.equal((await ring(home, ANN, SVC, mail)).code, 99);
  assert.equal(sends(), 1);
  assert.equal((await ring(home, ANN, SVC, mail)).code, 99);
  assert.deepEqual([sends(), heldCount(home), filesIn(home, "asking")], [1, 1, []], "it was sent");
  // The first attempt counts: it may have sent the challenge.
  assert.equal((await ring(home, ANN, SVC, mail.replace("request@", "second@"))).code, 99);
  assert.equal(sends(), 1);
});

Deno.test("a challenge that the mail program rejects is not sent again, one that it defers is", async () => {
  for (const [ends, codes] of [["sent", [65, 67, 68, 69, 100]], ["later", [1, 64, 75, 78]]] as const) {
    for (const code of codes) {
      using home = serviceHome();
      const service = home.read(".config/countersign/config.toml").replace(/^[^]*(?=^\[\[doorbell)/m, "");
      const injector = home.write("injector", `#!/bin/sh\ncat >/dev/null\nexit ${code}\n`, 0o755);
      home.settings(`[transport]\npreset = "sendmail"\ncommand = ["${injector}"]\n${service}`);
      await ring(home, ANN, SVC, request());
      const [name, ...more] = filesIn(home, "held/new");
      assert.deepEqual([name!.split(".")[4], more], [ends, []], `status ${code}`);
    }
  }
});

Deno.test("a program that cannot be run leaves the message held", async () => {
  using home = serviceHome();
  const to = await challenged(home);
  const missing = ["--service", "svc", "--", `${home.path}/missing`];
  oneLine(await ring(home, ANN, to, reply(to), missing), 75, /missing.* cannot be run/);
  assert.deepEqual([heldCount(home), filesIn(home, "running")], [1, []]);
});

Deno.test("a confirmation whose address cannot be remembered leaves the message held, and is retried", async () => {
  using home = serviceHome("remember = 30");
  const to = await challenged(home);
  const addresses = home.write(".local/state/countersign/doorbell/svc/addresses", "not a folder");
  const mail = reply(to);
  oneLine(await ring(home, ANN, to, mail), 75, /^doorbell: .*addresses/);
  assert.deepEqual([heldCount(home), filesIn(home, "running")], [1, []]);
  Deno.removeSync(addresses);
  assert.equal((await ring(home, ANN, to, mail)).code, 99);
  assert.deepEqual([heldCount(home), runs(home).length], [0, 1]);
});

Deno.test("of eight confirmations at once, one runs the program", async () => {
  using home = serviceHome();
  const to = await challenged(home);
  program(home, "sleep 0.2");
  const all = await Promise.all(Array.from({ length: 8 }, () => ring(home, ANN, to, reply(to))));
  assert.deepEqual(all.map(({ code }) => code), Array(8).fill(99));
  assert.deepEqual([runs(home).length, heldCount(home), filesIn(home, "done").length], [1, 0, 1]);
});

Deno.test("a request that is delivered twice is held and challenged once, whatever became of it", async () => {
  using home = serviceHome();
  const to = await challenged(home);
  assert.equal((await ring(home, ANN, SVC, request())).code, 99);
  assert.deepEqual([heldCount(home), home.mails("out").length], [1, 1]);
  await ring(home, ANN, to, reply(to));
  assert.equal((await ring(home, ANN, SVC, request())).code, 99);
  assert.deepEqual([heldCount(home), home.mails("out").length, runs(home).length], [0, 1, 1]);
});

Deno.test("an attacker's envelope with a victim's From does not subscribe the victim", async () => {
  using home = serviceHome();
  const to = await challenged(home, request(ANN), "mallory@evil.example");
  assert.match(home.mails("out")[0]!, /^X-Envelope-To: mallory@evil\.example$/m, "the victim gets no mail");
  assert.equal((await ring(home, "mallory@evil.example", to, reply(to))).code, 99);
  assert.deepEqual([runs(home), heldCount(home)], [[], 1]);
  const { stdout } = await manage(home, "list");
  assert.match(stdout, /mallory@evil\.example {2}\(challenged; From is ann@friend\.example\)\n$/);
});

Deno.test("a From behind a bare CR, which the program would see, is not acted on", async () => {
  using home = serviceHome();
  const mallory = "mallory@evil.example";
  const to = await challenged(home, `X: x\rFrom: ${ANN}\n${request(mallory)}`, mallory);
  assert.equal((await ring(home, mallory, to, reply(to, mallory))).code, 99);
  assert.deepEqual([runs(home), heldCount(home)], [[], 1]);
});

Deno.test("variables of an envelope that take more room than a record are left out", async () => {
  using home = serviceHome();
  const names = [
    "NEWSENDER",
    "RPLINE",
    "UFLINE",
    "DTLINE",
    "EXT2",
    "EXT3",
    "EXT4",
    "HOST2",
    "HOST3",
    "HOST4",
    "DOMAIN",
  ];
  const env = { SENDER: ANN, RECIPIENT: SVC, LOCAL: "svc", HOST: "example.org", EXT: "svc" };
  const long = Object.fromEntries([...names, "DEFAULT"].map((name) => [name, "\x01".repeat(999)]));
  assert.equal((await home.doorbell(command(home), request(), { ...env, ...long })).code, 99);
  assert.equal((await manage(home, "list")).code, 0);
  const to = replyTo(home.mails("out").at(-1)!);
  assert.equal((await ring(home, ANN, to, reply(to))).code, 99);
  assert.equal(runs(home).length, 1);
});

Deno.test("a forged request beside a genuine one: a cookie releases its own message only", async () => {
  using home = serviceHome();
  const to = await challenged(home);
  const forged = request(ANN).replace("Please subscribe me.", "Please subscribe me to everything.")
    .replace("<request@", "<forged@");
  await challenged(home, forged);
  assert.equal((await ring(home, ANN, to, reply(to))).code, 99);
  assert.deepEqual([runs(home).length, home.read("got"), heldCount(home)], [1, request(), 1]);
});

/** [what, the address to which the reply goes] */
const WRONG: [string, (to: string) => string][] = [
  ["another last character", (to) => to.replace(/(.)@/, (_, last) => last === "a" ? "b@" : "a@")],
  ["one digit", (to) => to.replace(/-[^-]*@/, "-4@")],
  ["a later day", (to) => to.replace(/-(\d{5})-/, (_, day) => `-${Number(day) + 1}-`)],
  ["another message", (to) => to.replace(/confirm-./, (text) => text.endsWith("a") ? "confirm-b" : "confirm-a")],
  ["no cookie", (to) => to.replace(/-confirm-.*@/, "-confirm-@")],
  ["the cookie twice", (to) => to.replace(/-([^-]*)@/, "-$1$1@")],
];
Deno.test("no wrong cookie runs the program, and none is answered", async (t) => {
  using home = serviceHome();
  const to = await challenged(home);
  for (const [what, changed] of WRONG) {
    await t.step(what, async () => {
      const before = heldCount(home);
      const mail = reply(changed(to));
      assert.equal((await ring(home, ANN, changed(to), mail)).code, 99);
      assert.deepEqual([runs(home), home.mails("out").length], [[], 1]);
      // It may be a person's answer: nothing is thrown away.
      assert.equal(heldCount(home), before + 1);
      assert.equal(heldTexts(home).filter((text) => text.endsWith(mail)).length, 1);
    });
  }
  await t.step("a cookie in the body, in From and in a quoted header", async () => {
    const mail = `From: <${to}>\nSubject: Re: ${to}\nTo: ${SVC}\n\nReply-To: ${to}\nTo: ${to}\n`;
    await ring(home, "bob@friend.example", SVC, mail);
    assert.deepEqual(runs(home), []);
  });
  await t.step("a vacation reply, and a bounce, to the right address", async () => {
    const vacation = reply(to, ANN, "Auto-Submitted: auto-replied (vacation)\n");
    for (const [sender, mail] of [[ANN, vacation], ["", reply(to)], [ANN, reply(to, ANN, "Precedence: bulk\n")]]) {
      assert.equal((await ring(home, sender!, to, mail!)).code, 99);
    }
    assert.deepEqual(runs(home), []);
  });
  await t.step("and then the right one", async () => {
    await ring(home, ANN, to, reply(to));
    assert.deepEqual([runs(home).length, home.read("got")], [1, request()]);
  });
});

Deno.test("the program gets the delivery of the original message, and the confirmation may be sent by another address", async () => {
  using home = serviceHome();
  const to = await challenged(home);
  program(home, 'env >"$HOME/environment"');
  await ring(home, "ann@home.example", to, reply(to, "ann@home.example"));
  const environment = home.read("environment");
  for (
    const line of [`SENDER=${ANN}`, `RECIPIENT=${SVC}`, "EXT=svc", "DOORBELL=confirmed", `DOORBELL_ADDRESS=${ANN}`]
  ) {
    assert.match(environment, new RegExp(`^${line}$`, "m"));
  }
  assert.doesNotMatch(environment, /confirm-|COUNTERSIGN_LAUNCHER/);
});

Deno.test("a message that its pipe cannot hold passes through unchanged, and one that is too large is not held", async () => {
  using home = serviceHome("max_bytes = 20000000");
  program(home, "");
  const big = request() + "x".repeat(79).concat("\n").repeat(20_000);
  const to = await challenged(home, big);
  await ring(home, ANN, to, reply(to));
  assert.equal(home.read("got"), big);
  const bigger = request() + "y".repeat(79).concat("\n").repeat(26_000);
  const dropped = await ring(home, ANN, SVC, bigger);
  assert.deepEqual([dropped.code, heldCount(home), home.mails("out").length], [99, 0, 1], "never a bounce");
  assert.match(home.read(LOG), /not held: The message is larger than 2000000 bytes/);
  // A caller that writes into a pipe must not see it close: procmail and maildrop take that for a failure.
  const [hook, mail] = [`${ROOT}/hooks/doorbell`, home.write("bigger", bigger)];
  const args = `--as procmail --sender ${ANN} --recipient ${SVC} -- ${home.path}/subscribe`;
  const piped = await home.run(["/bin/bash", "-o", "pipefail", "-c", `cat ${mail} | ${hook} ${args}`]);
  assert.deepEqual([piped.code, heldCount(home)], [0, 0]);
});
