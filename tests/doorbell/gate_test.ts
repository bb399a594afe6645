/** The doorbell without a program: what maildrop, procmail, qmail and a filter learn about the sender. */
import assert from "node:assert/strict";
import { fieldOf, type Home, oneLine, ROOT } from "../rig.ts";
import { ANN, filesIn, heldCount, LOG, manage, reply, replyTo, request, ring, runs, serviceHome, SVC } from "./home.ts";

/** Runs a gate as maildrop or procmail would. */
function gate(home: Home, as: string, sender: string, recipient: string, mail: string, ...args: string[]) {
  return home.doorbell(["--as", as, ...args], mail, { SENDER: sender, RECIPIENT: recipient });
}

const CLI = [Deno.execPath(), "run", "-q", "-A", `${ROOT}/main.ts`, "countersign"];
const expired = (to: string) => to.replace(/-\d{5}-/, "-20000-");

for (const as of ["maildrop", "procmail"]) {
  Deno.test(`as ${as}: new, mismatch, expired, known, then known without asking`, async () => {
    using home = serviceHome("remember = 90");
    const ring = (recipient: string, mail: string) => gate(home, as, ANN, recipient, mail);
    assert.deepEqual(await ring(SVC, request()), { code: 10, stdout: "new\n", stderr: "" });
    const to = replyTo(home.mails("out")[0]!);
    const wrong = to.replace(/.@/, "1@");
    assert.deepEqual(await ring(wrong, reply(wrong)), { code: 11, stdout: "mismatch\n", stderr: "" });
    // The message is held, so that the cookie is compared before its day.
    assert.deepEqual(await ring(expired(to), reply(to)), { code: 11, stdout: "mismatch\n", stderr: "" });
    assert.deepEqual(await ring(to, reply(to)), { code: 0, stdout: "known\n", stderr: "" });
    assert.equal(heldCount(home), 0);
    assert.deepEqual(
      await ring(expired(to).replace("confirm-", "confirm-").replace(/confirm-./, "confirm-a"), reply(to)),
      {
        code: 12,
        stdout: "expired\n",
        stderr: "",
      },
    );
    const next = request(ANN).replace("<request@", "<second@");
    assert.deepEqual(await ring(SVC, next), { code: 0, stdout: "known\n", stderr: "" });
    assert.equal(home.mails("out").length, 1, "a confirmed address is not asked again");
    assert.equal((await manage(home, "deny", ANN)).code, 0);
    assert.deepEqual(await ring(SVC, next), { code: 13, stdout: "denied\n", stderr: "" });
  });
}

Deno.test("a gate does not keep the body of a long message, which the pipeline has", async () => {
  using home = serviceHome();
  const long = request() + "x".repeat(79).concat("\n").repeat(20_000);
  assert.equal((await gate(home, "maildrop", ANN, SVC, long)).code, 10);
  const [name] = filesIn(home, "held/new") as [string];
  assert.ok(Deno.statSync(`${home.path}/.local/state/countersign/doorbell/svc/held/new/${name}`).size < 20_000);
});

Deno.test("without remember, each message is confirmed by itself", async () => {
  using home = serviceHome();
  await gate(home, "procmail", ANN, SVC, request());
  const to = replyTo(home.mails("out")[0]!);
  assert.equal((await gate(home, "procmail", ANN, to, reply(to))).code, 0);
  assert.equal((await gate(home, "procmail", ANN, to, reply(to))).code, 0, "confirmed twice");
  assert.equal((await gate(home, "procmail", ANN, SVC, request().replace("<request@", "<second@"))).code, 10);
});

Deno.test("as qmail: 99 and held, unless the sender is known; a confirmed message goes to --maildir", async () => {
  using home = serviceHome("remember = 90");
  assert.deepEqual(await ring(home, ANN, SVC, request(), []), { code: 99, stdout: "", stderr: "" });
  const to = replyTo(home.mails("out")[0]!);
  assert.deepEqual(await ring(home, ANN, to, reply(to), []), { code: 0, stdout: "", stderr: "" });
  assert.equal(heldCount(home), 1, "no line after it gets the message that was confirmed");
  const { stdout } = await manage(home, "list");
  const released = await manage(home, "release", stdout.split(" ")[0]!);
  assert.deepEqual([released.code, released.stdout], [0, request()], "the administrator has it printed");
  const bob = "bob@friend.example";
  const args = ["--maildir", `${home.path}/Maildir`];
  assert.equal((await ring(home, bob, SVC, request(bob), args)).code, 99);
  const bobs = replyTo(home.mails("out").find((one) => one.includes(bob))!);
  const env = { RPLINE: `Return-Path: <${bob}>\n`, DTLINE: `Delivered-To: ${SVC}\n` };
  assert.equal(home.mails("Maildir").length, 0);
  assert.equal((await home.doorbell(args, reply(bobs), { SENDER: bob, RECIPIENT: bobs, ...env })).code, 99);
  assert.deepEqual(home.mails("Maildir"), [request(bob)]);
});

Deno.test("as filter: the state is in the result field, forged fields are removed, and the message passes", async () => {
  using home = serviceHome();
  const forged = "X-Countersign: known; check=doorbell\nX-Countersign-Cookie: forged\n";
  const mail = `From ${ANN} Fri Nov 20 05:32:58 2026\n${forged}${request()}`;
  const filtered = await gate(home, "filter", ANN, SVC, mail);
  assert.deepEqual([filtered.code, filtered.stderr], [0, ""]);
  const [mbox, field, ...rest] = filtered.stdout.split("\n");
  assert.match(mbox!, /^From ann@/);
  assert.match(field!, /^X-Countersign: new; check=doorbell; reason="the address has not confirmed; held as \w+"$/);
  assert.equal(rest.join("\n"), request());
  const to = replyTo(home.mails("out")[0]!);
  assert.match((await gate(home, "filter", ANN, to, reply(to))).stdout, /^X-Countersign: known; check=doorbell; /);
  const broken = home.read(".config/countersign/config.toml");
  home.write(".config/countersign/config.toml", "nonsense = [");
  const unmarked = await gate(home, "filter", ANN, SVC, mail);
  assert.deepEqual([unmarked.code, unmarked.stdout], [0, mail.replace(forged, "")]);
  assert.match(unmarked.stderr, /the message goes through unmarked\n$/);
  home.write(".config/countersign/config.toml", broken);
});

Deno.test("--challenge=no sends nothing and hands the caller the cookie", async () => {
  using home = serviceHome();
  const printed = await gate(home, "procmail", ANN, SVC, request(), "--challenge=no");
  assert.equal(printed.code, 10);
  const [, to] = /^new (svc-confirm-\S+@example\.org)\nann@friend\.example\n$/.exec(printed.stdout)!;
  const filtered = await gate(home, "filter", ANN, SVC, request().replace("<request@", "<2@"), "--challenge", "no");
  assert.match(fieldOf(filtered.stdout, "X-Countersign-Cookie"), /^svc-confirm-\S+@example\.org$/);
  assert.equal(fieldOf(filtered.stdout, "X-Countersign-Ask"), ANN);
  assert.equal(home.mails("out").length, 0);
  // The same message again gets the same cookie.
  assert.equal((await gate(home, "procmail", ANN, SVC, request(), "--challenge=no")).stdout, printed.stdout);
  assert.equal((await gate(home, "procmail", ANN, to!, reply(to!))).code, 0);
  const program = await ring(home, ANN, SVC, request().replace("<request@", "<3@"), [
    "--challenge=no",
    "--",
    "/bin/true",
  ]);
  assert.deepEqual([program.code, program.stdout, home.mails("out").length], [99, "", 0]);
});

Deno.test("--address names the address that the caller has found", async () => {
  using home = serviceHome();
  const bob = "bob@elsewhere.example";
  const args = ["--address", bob, "--", `${home.path}/subscribe`];
  const mail = request(bob);
  assert.equal((await ring(home, ANN, SVC, mail, args)).code, 99);
  assert.match(home.mails("out")[0]!, /^X-Envelope-To: bob@elsewhere\.example$/m);
  const to = replyTo(home.mails("out")[0]!);
  await ring(home, bob, to, reply(to), args);
  assert.deepEqual(runs(home), [`confirmed ${bob} ${ANN}`]);
});

Deno.test("--address from a mail filter: an empty one counts as none; for one that is not an address, no challenge is sent and nothing is deferred", async () => {
  using home = serviceHome();
  const ask = (address: string, id: string) =>
    gate(home, "procmail", ANN, SVC, request().replace("<request@", `<${id}@`), "--challenge=no", "--address", address);
  assert.match((await ask("", "1")).stdout, /^new svc-confirm-.*\nann@friend\.example\n$/);
  for (const [nth, wrong] of ["ann", "ann@[", "a@x.example, b@x.example", "--service"].entries()) {
    assert.deepEqual(await ask(wrong, `a${nth}`), { code: 10, stdout: "new\n", stderr: "" }, wrong);
  }
});

Deno.test('with confirm = "subject" the cookie is typed into the Subject', async () => {
  using home = serviceHome('confirm = "subject"');
  await ring(home, ANN, SVC, request());
  const [challenge] = home.mails("out") as [string];
  const [, words] = /^ {4}(confirm \S+)$/m.exec(challenge)!;
  assert.doesNotMatch(challenge, /^Reply-To:/m);
  // A reply quotes the challenge in its body, which confirms nothing.
  const quoting = reply(SVC).replace("Yes.", challenge.replace(/^/gm, "> "));
  await ring(home, "bob@friend.example", SVC, quoting);
  assert.deepEqual(runs(home), []);
  await ring(home, ANN, SVC, reply(SVC).replace("Re: subscribe me", `Re: Auto: ${words!.toUpperCase()}`));
  assert.deepEqual(runs(home), [`confirmed ${ANN} ${ANN}`]);
});

Deno.test("remember does not let a program run; remember_ok does, once for each message", async () => {
  using home = serviceHome("remember = 90");
  const second = request().replace("<request@", "<second@");
  await ring(home, ANN, SVC, request());
  const to = replyTo(home.mails("out")[0]!);
  await ring(home, ANN, to, reply(to));
  await ring(home, ANN, SVC, second);
  assert.deepEqual([runs(home).length, home.mails("out").length], [1, 2], "asked again");
  const config = home.read(".config/countersign/config.toml");
  home.write(".config/countersign/config.toml", config.replace("remember = 90", "remember = 90\nremember_ok = true"));
  const third = request().replace("<request@", "<third@");
  for (let twice = 0; twice < 2; twice++) {
    assert.equal((await ring(home, ANN, SVC, third)).code, 99);
    assert.deepEqual(runs(home).slice(1), [`remembered ${ANN} ${ANN}`]);
  }
  const forged = request("victim@elsewhere.example").replace("<request@", "<4@");
  await ring(home, ANN, SVC, forged);
  assert.equal(runs(home).length, 2, "another author must confirm");
});

Deno.test("a message of a remembered address whose program fails stays queued, and is tried again when it is retried", async () => {
  using home = serviceHome("remember_ok = true");
  assert.equal((await manage(home, "allow", ANN)).code, 0);
  const failing = ["--", home.write("failing", "#!/bin/sh\nexit 1\n", 0o755)];
  oneLine(await ring(home, ANN, SVC, request(), failing), 75, /failing exited with status 1/);
  assert.equal((await ring(home, ANN, SVC, request())).code, 99);
  assert.deepEqual([runs(home), heldCount(home), home.mails("out")], [[`remembered ${ANN} ${ANN}`], 0, []]);
});

Deno.test("the doorbell refuses to run in front of a person's address, unless they know what they do", async () => {
  using home = serviceHome();
  const greg = "greg@example.org";
  oneLine(
    await ring(home, ANN, greg, request()),
    75,
    /^doorbell: .* address of an identity.*doorbell\.i_know = true\n$/,
  );
  const config = home.read(".config/countersign/config.toml");
  home.write(".config/countersign/config.toml", config.replace(`address = "${SVC}"`, `address = "${greg}"`));
  oneLine(await ring(home, ANN, greg, request()), 75, /address of an identity/);
  assert.deepEqual([heldCount(home), home.mails("out").length], [0, 0]);
  home.write(
    ".config/countersign/config.toml",
    config.replace(`address = "${SVC}"`, `address = "${greg}"\ni_know = true`),
  );
  assert.equal((await ring(home, ANN, greg, request())).code, 99);
});

/** [arguments, the error] */
const USAGE: [string[], RegExp][] = [
  [["--as", "mutt"], /^doorbell: Option --as "mutt" is not one of /],
  [["--as", "postfix"], /Postfix delivers nothing after this hook: add -- PROGRAM or --maildir DIR/],
  [["--as", "filter", "--", "/bin/true"], /^doorbell: A filter runs no program/],
  [["--service", "other"], /Service "other" is not configured: use one of svc/],
  [["--challenge=maybe"], /Option --challenge "maybe" is not yes or no/],
  [["--"], /The program is missing after --/],
  [["--", "subscribe"], /Program "subscribe" is not an absolute path/],
  [["--maildir", "/m", "--", "/bin/true"], /cannot be combined/],
  [["--nonsense"], /Unknown argument "--nonsense"/],
  [["--service"], /Option --service needs an argument/],
];
Deno.test("errors in the command line and in the settings defer the message", async (t) => {
  using home = serviceHome();
  for (const [args, pattern] of USAGE) {
    await t.step(args.join(" "), async () => oneLine(await ring(home, ANN, SVC, request(), args), 75, pattern));
  }
  await t.step("without SENDER", async () => {
    oneLine(await home.doorbell(["--", "/bin/true"], request()), 75, /SENDER is not set/);
  });
  await t.step("a key file that others can read", async () => {
    Deno.chmodSync(`${home.path}/.config/countersign/doorbell-keys`, 0o644);
    oneLine(await ring(home, ANN, SVC, request()), 75, /Key file is readable by others/);
  });
  await t.step("no key file", async () => {
    Deno.removeSync(`${home.path}/.config/countersign/doorbell-keys`);
    oneLine(await ring(home, ANN, SVC, request()), 75, /countersign keys new --doorbell svc\n$/);
    assert.equal((await home.run([...CLI, "keys", "new", "--doorbell", "svc"])).code, 0);
    assert.equal((await ring(home, ANN, SVC, request())).code, 99);
  });
  assert.match(home.read(LOG), /outcome=defer/);
});
