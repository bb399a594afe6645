/** Runs of the outbox: what is sent, what waits, and what is reported, with servers that misbehave. */
import assert from "node:assert/strict";
import { Authority } from "../../certificates.ts";
import { type Answers, deadPort, HANG_UP, LATER, REFUSED, SILENCE, Sink } from "../../smtp_sink.ts";
import { countingDisk } from "../disk.ts";
import { toServer } from "../../outbox_home.ts";
import { changeEntries } from "../../../io/outbox/change.ts";
import { resumeAccounts } from "../../../io/outbox/pause.ts";
import { lockEntry } from "../../../io/outbox/store.ts";
import { Box } from "./box.ts";

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];

/** The states of the recipients of the only entry. */
function only(box: Box): string[] {
  assert.equal(box.queue.length, 1);
  return box.queue[0]!.recipients.map(({ state }) => state);
}

Deno.test("the delay between attempts grows, and the sender gets a report after five days", async () => {
  await using sink = new Sink({ to: LATER });
  using box = new Box("");
  box.configure(sink.port);
  await box.keep("ann@example.net");
  const began = box.now;
  const times: number[] = [];
  while (box.queue.some(({ report }) => !report)) {
    times.push((box.now - began) / MINUTE);
    await box.run();
    box.now = box.queue[0]!.next;
  }
  assert.deepEqual(times.slice(0, 10), [0, 1, 3, 7, 15, 31, 63, 127, 255, 495]);
  assert.ok(times.at(-1)! >= 5 * 24 * 60 && times.at(-2)! < 5 * 24 * 60, `${times.at(-1)}`);
  sink.answers = {};
  await box.run();
  const [report, ...more] = sink.accepted;
  assert.deepEqual([report!.from, report!.to, more], ["", ["greg@example.org"], []]);
  assert.match(report!.mail, /^Diagnostic-Code: smtp; 450 4\.2\.1 Come again$/m);
  assert.match(report!.mail, /^Content-Type: message\/rfc822$/m);
  assert.deepEqual(box.names("queue"), []);
});

Deno.test("a report into a maildir", async () => {
  await using sink = new Sink({ to: REFUSED });
  using box = new Box("");
  box.configure(sink.port, 'outbox.report = "reports"');
  await box.keep(["ann@example.net", "bob@example.net"]);
  assert.deepEqual(await box.run(), []);
  const [name, ...more] = [...Deno.readDirSync(`${box.path}/reports/new`)];
  assert.deepEqual([more.length, box.names("queue"), sink.accepted.length], [0, [], 0]);
  const mail = Deno.readTextFileSync(`${box.path}/reports/new/${name!.name}`);
  assert.equal(mail.match(/^Final-Recipient: /gm)?.length, 2);
});

Deno.test("a report returns the header only where the sender wants no more", async () => {
  await using sink = new Sink({ to: (to) => to.startsWith("ann") ? REFUSED : undefined });
  using box = new Box("");
  box.configure(sink.port);
  await box.keep("ann@example.net", { dsn: { ret: "hdrs" } });
  await box.run();
  assert.match(sink.accepted[0]!.mail, /^Content-Type: text\/rfc822-headers$/m);
  assert.doesNotMatch(sink.accepted[0]!.mail, /^Hi\.$/m);
});

Deno.test("a provider that rejects the null sender gets the report with the plain address", async () => {
  await using sink = new Sink();
  using box = new Box("");
  box.configure(sink.port);
  sink.answers = { to: (to) => to.startsWith("ann") ? REFUSED : undefined };
  await box.keep("ann@example.net");
  sink.answers = {
    ...sink.answers,
    get from() {
      return sink.lines.at(-1)!.startsWith("MAIL FROM:<>") ? "550 5.1.0 No null sender" : undefined;
    },
  } as typeof sink.answers;
  await box.run();
  await box.runAfter(MINUTE);
  assert.deepEqual(sink.accepted.map(({ from, to }) => [from, to]), [["greg@example.org", ["greg@example.org"]]]);
  assert.deepEqual(box.names("queue"), []);
});

Deno.test("no report about a report: it is kept, logged and printed, and nothing loops", async () => {
  await using sink = new Sink({ to: REFUSED });
  using box = new Box("");
  box.configure(sink.port);
  await box.keep("ann@example.net");
  const printed = [...await box.run(), ...await box.runAfter(MINUTE)];
  assert.deepEqual([box.names("queue"), box.names("undelivered").length, sink.accepted.length], [[], 1, 0]);
  assert.match(
    printed.join("\n"),
    /^A report for greg@example\.org was rejected, and the sender cannot be notified by mail: \S+\/undelivered\/\w+$/,
  );
  assert.match(box.log, /result=undelivered/);
  const message = Deno.readTextFileSync(`${box.folder}/undelivered/${box.names("undelivered")[0]}/message`);
  assert.match(message, /^Final-Recipient: rfc822; ann@example\.net$/m);
  const sessions = sink.lines.length;
  assert.deepEqual(await box.runAfter(DAY), []);
  assert.equal(sink.lines.length, sessions);
});

Deno.test("a message with the null sender is kept when it is rejected, because there must be no report", async () => {
  await using sink = new Sink({ to: REFUSED });
  using box = new Box("");
  box.configure(sink.port);
  await box.keep("ann@example.net", { sender: { address: null, scheme: "none" }, owner: undefined });
  assert.match((await box.run()).join("\n"), /^A message for ann@example\.net was rejected/);
  assert.equal(box.names("undelivered").length, 1);
});

Deno.test("what cannot be moved aside stays in the queue, and the reason is printed", async () => {
  await using sink = new Sink({ to: REFUSED });
  using box = new Box("");
  box.configure(sink.port);
  await box.keep("ann@example.net", { sender: { address: null, scheme: "none" }, owner: undefined });
  const damaged = await box.keep("bob@example.net");
  Deno.truncateSync(`${box.folder}/queue/${damaged}/message`, 0);
  for (const name of ["undelivered", "damaged"]) Deno.writeTextFileSync(`${box.folder}/${name}`, "not a folder");
  const printed = (await box.run()).sort();
  assert.equal(printed.length, 2, printed.join("\n"));
  assert.match(
    printed[0]!,
    /^An entry of the outbox is damaged and is not sent: Message has 0 bytes.*cannot be written/,
  );
  assert.match(printed[1]!, /^Entry [A-Z0-9]+: \/.*\/outbox: Outbox cannot be written: /);
  assert.equal(box.names("queue").length, 2);
  for (const name of ["undelivered", "damaged"]) Deno.removeSync(`${box.folder}/${name}`);
  await box.runAfter(DAY);
  assert.deepEqual([box.names("queue"), box.names("damaged")], [[], [damaged]]);
  assert.equal(box.names("undelivered").length, 1);
});

Deno.test("a server that accepts the message and sends no reply: sent again under the same Message-ID, and logged", async () => {
  await using sink = new Sink({ end: HANG_UP });
  using box = new Box("");
  box.configure(sink.port);
  await box.keep("ann@example.net");
  await box.run();
  assert.deepEqual(only(box), ["sending"]);
  sink.answers = {};
  await box.runAfter(MINUTE);
  assert.equal(sink.accepted.length, 1);
  assert.deepEqual(box.names("queue"), []);
  assert.match(
    box.log,
    /note="an earlier attempt was not confirmed: may be sent twice" \S+ reply="250 Taken" attempt=2 result=sent/,
  );
});

Deno.test("killed after the final dot: the attempt was recorded before it", async () => {
  using box = new Box("");
  let during: string[] = [];
  await using sink = new Sink({
    hold: () => void (during = only(box)),
    to: (to) => to.startsWith("b") ? LATER : undefined,
  });
  box.configure(sink.port);
  await box.keep(["ann@example.net", "bob@example.net"]);
  await box.run();
  assert.deepEqual([during, only(box)], [["sending", "waiting"], ["sent", "waiting"]]);
});

Deno.test("a hanging server delays neither mail for other servers nor new mail", async () => {
  await using hanging = new Sink({ greeting: SILENCE });
  await using sink = new Sink();
  using box = new Box("");
  const account = (name: string, port: number, more = "") =>
    `[[account]]\nname = "${name}"\nhost = "127.0.0.1"\nport = ${port}\nsecurity = "none"\n${more}`;
  box.configure(
    `[transport]\nvia = "smtp"\ntimeout = 4\n${account("slow", hanging.port, 'from = ["x@example.org"]\n')}` +
      account("good", sink.port, "default = true\n"),
  );
  for (let nth = 0; nth < 6; nth++) await box.keep(`s${nth}@example.net`, { account: "slow" });
  await box.keep("ann@example.net", { account: "good" });
  let over = false;
  const running = box.run().then(() => over = true);
  await sink.until(1);
  await box.keep("bob@example.net", { account: "good" });
  await sink.until(2);
  assert.ok(!over, "while the other server still hangs");
  await running;
  const states = box.queue.map(({ attempts, unreachable }) => [attempts, unreachable]);
  const tried = states.filter(([attempts]) => attempts === 1).length;
  assert.ok(tried >= 1 && tried <= 2, "the first sessions show that the server does not answer");
  assert.deepEqual(states.length, 6);
});

Deno.test("while other runs wait for a server with six messages, a further one does not wait with more", async () => {
  await using sink = new Sink();
  using box = new Box("");
  box.configure(sink.port);
  const ids: string[] = [];
  for (let nth = 0; nth < 10; nth++) ids.push(await box.keep(`r${nth}@example.net`, { created: box.now + nth }));
  const locks = ids.slice(0, 6).map((id) => lockEntry(box.folder, id)!.locked);
  await box.run();
  assert.equal(sink.accepted.length, 0);
  locks.pop()![Symbol.dispose]();
  await box.run();
  assert.equal(sink.accepted.length, 5);
  for (const one of locks) one[Symbol.dispose]();
  await box.run();
  assert.deepEqual([sink.accepted.length, box.names("queue")], [10, []]);
});

Deno.test("when a server works again, all its mail is sent at once", async () => {
  using box = new Box("");
  box.configure(deadPort());
  for (let nth = 0; nth < 3; nth++) {
    await box.keep(`r${nth}@example.net`);
    await box.run();
  }
  for (let nth = 0; nth < 12; nth++) await box.runAfter(2 * HOUR);
  await using sink = new Sink();
  box.configure(sink.port);
  await box.keep("new@example.net");
  await box.run();
  assert.equal(sink.accepted.length, 4);
});

Deno.test("a failed login, and a server with another name: kept, and reported once a day", async () => {
  using authority = await Authority.make();
  const right = await authority.leaf("DNS:localhost");
  const wrong = await authority.leaf("DNS:portal.example"); // a captive portal
  const [secret, ca] = [`${authority.folder}/password`, authority.ca];
  Deno.writeTextFileSync(secret, "open sesame\n", { mode: 0o600 });
  const transport = (port: number) =>
    `[transport]\nvia = "smtp"\nhost = "localhost"\nport = ${port}\nca = "${ca}"\nuser = "greg"\n` +
    `password_file = "${secret}"\n`;
  for (
    const [tls, answers, message] of [
      [right, { auth: "535 5.7.8 Bad password" }, /rejected the login of "greg": "535 5\.7\.8 Bad password"$/],
      [wrong, {}, /localhost:\d+ cannot be used: invalid peer certificate/],
    ] as const
  ) {
    await using sink = new Sink({ extensions: ["AUTH PLAIN"], ...answers }, tls);
    using box = new Box(transport(sink.port), 'outbox.report = "reports"');
    await box.keep("ann@example.net");
    await box.keep("bob@example.net");
    const [line, ...more] = await box.run();
    assert.deepEqual(more, []);
    assert.match(line!, message);
    assert.equal([...Deno.readDirSync(`${box.path}/reports/new`)].length, 1);
    box.now = (Math.floor(box.now / DAY) + 1) * DAY + HOUR;
    assert.equal((await box.run()).length, 1, "on the next day again");
    assert.deepEqual(await box.runAfter(5 * HOUR), []);
    assert.deepEqual(box.queue.map(({ recipients }) => recipients[0]!.state), ["waiting", "waiting"]);
    assert.ok(!sink.lines.some((command) => command.startsWith("MAIL")));
  }
});

Deno.test("a rejected login is not repeated for each message, or the server could lock the account", async () => {
  using authority = await Authority.make();
  const answers: Answers = { extensions: ["AUTH PLAIN"], auth: "535 5.7.8 No" };
  await using server = new Sink(answers, await authority.leaf("DNS:localhost"));
  const secret = `${authority.folder}/password`;
  Deno.writeTextFileSync(secret, "open sesame\n", { mode: 0o600 });
  using box = new Box(
    `[transport]\nvia = "smtp"\nhost = "localhost"\nport = ${server.port}\nca = "${authority.ca}"\nuser = "greg"\n` +
      `password_file = "${secret}"\n`,
  );
  for (let nth = 0; nth < 10; nth++) await box.keep(`r${nth}@example.net`);
  for (let minute = 0; minute < 60; minute++) await box.runAfter(MINUTE);
  const logins = () => server.lines.filter((line) => line.startsWith("AUTH")).length;
  const hourly = logins();
  assert.ok(hourly >= 4 && hourly <= 8, `${hourly} logins in an hour`);
  await box.run();
  assert.equal(logins(), hourly);
  resumeAccounts(box.folder); // as countersign outbox flush does
  await box.run();
  assert.ok(logins() > hourly);
  delete answers.auth;
  for (let minute = 0; minute < 16; minute++) await box.runAfter(MINUTE);
  assert.deepEqual([server.accepted.length, box.names("queue")], [10, []]);
});

Deno.test("a rejected login of a shim counts, too: the next messages wait, and a runner gives notice", async () => {
  using authority = await Authority.make();
  const answers: Answers = { extensions: ["AUTH PLAIN"], auth: "535 5.7.8 No" };
  await using server = new Sink(answers, await authority.leaf("DNS:localhost"));
  const secret = `${authority.folder}/password`;
  const write = (text: string) => Deno.writeTextFileSync(secret, `${text}\n`, { mode: 0o600 });
  write("open sesame");
  using box = new Box(
    `[transport]\nvia = "smtp"\nhost = "localhost"\nport = ${server.port}\nca = "${authority.ca}"\nuser = "greg"\n` +
      `password_file = "${secret}"\n`,
  );
  const submit = async (to: string) => {
    assert.equal(await box.submit(`From: greg@example.org\nTo: ${to}\n\nHi.\n`, [to], "failed"), "");
  };
  const logins = () => server.lines.filter((line) => line.startsWith("AUTH")).length;
  for (let nth = 0; nth < 3; nth++) await submit(`r${nth}@example.net`);
  assert.equal(logins(), 1);
  assert.deepEqual(box.queue.map(({ attempts }) => attempts), [1, 0, 0]);
  for (const { recipients } of box.queue) assert.match(recipients[0]!.reply, /rejected the login of "greg": "535/);
  assert.equal(
    box.log.match(/ note="not tried, because the login was rejected recently" .* result=queued /g)?.length,
    2,
  );

  box.now = Date.now() + MINUTE;
  const [line, ...more] = await box.run();
  assert.match(line!, /^Mail waits in the outbox: localhost:\d+ rejected the login of "greg": "535 5\.7\.8 No"$/);
  assert.deepEqual([more, await box.runAfter(2 * MINUTE), logins()], [[], [], 1]);

  // A corrected password is tried at once, and then everything else is sent.
  delete answers.auth;
  Deno.utimeSync(secret, new Date(0), new Date(0));
  await submit("r3@example.net");
  assert.deepEqual([logins(), server.accepted.length], [2, 1]);
  assert.deepEqual(await box.run(), []);
  assert.deepEqual([server.accepted.length, box.names("queue")], [4, []]);
});

Deno.test("a locked keyring: reported once a day, and not opened for each message", async () => {
  using authority = await Authority.make();
  await using server = new Sink({ extensions: ["AUTH PLAIN"] }, await authority.leaf("DNS:localhost"));
  for (
    const [script, says] of [["echo locked >&2; exit 2", "exited with status 2: locked"], ["sleep 9", "was killed: "]]
  ) {
    using box = new Box("");
    const program = `${box.path}/password`;
    Deno.writeTextFileSync(program, `#!/bin/sh\necho >>'${box.path}/runs'\n${script}\n`, { mode: 0o755 });
    box.configure(
      `[transport]\nvia = "smtp"\nhost = "localhost"\nport = ${server.port}\nca = "${authority.ca}"\nuser = "greg"\n` +
        `timeout = 1\npassword_command = ["${program}"]\n`,
    );
    for (let nth = 0; nth < 10; nth++) await box.keep(`r${nth}@example.net`);
    box.now = Math.floor(box.now / DAY) * DAY + 12 * HOUR;
    for (const id of box.names("queue")) changeEntries(box.folder, [id], (entry) => ({ ...entry, next: box.now }));
    const printed = await box.run();
    assert.equal(printed.length, 1);
    assert.ok(printed[0]!.startsWith(`Mail waits in the outbox: transport.password_command ${says}`), printed[0]);
    assert.match(printed[0]!, /: unlock the keyring, or run the program in a terminal$/);
    assert.deepEqual(await box.runAfter(MINUTE), []);
    assert.ok(Deno.readTextFileSync(`${box.path}/runs`).length <= 4, "two sessions in each run");
    assert.ok(box.queue.filter(({ unreachable }) => unreachable).length <= 4);
    Deno.writeTextFileSync(program, "#!/bin/sh\necho secret\n");
    await box.runAfter(5 * MINUTE);
    assert.deepEqual(box.names("queue"), []);
  }
  assert.equal(server.accepted.length, 20);
});

Deno.test("an entry that is put on hold, deleted or tried by another runner while a run lasts is not sent", async () => {
  using box = new Box("");
  let late: string[] = [];
  const hold = () => {
    const [held, deleted, tried] = late.splice(0);
    if (held === undefined) return;
    changeEntries(box.folder, [held], (entry) => ({ ...entry, hold: true }));
    changeEntries(box.folder, [deleted!], (_, locked) => void locked.remove());
    changeEntries(box.folder, [tried!], (entry) => ({ ...entry, next: box.now + MINUTE, attempts: 1 }));
  };
  await using sink = new Sink({ hold });
  box.configure(sink.port);
  for (const to of ["a", "b"]) await box.keep(`${to}@example.net`, { created: box.now - MINUTE });
  late = [
    await box.keep("held@example.net", { unreachable: true }),
    await box.keep("deleted@example.net"),
    await box.keep("tried@example.net"),
  ];
  const [held, , tried] = late;
  await box.run();
  assert.deepEqual(sink.accepted.map(({ to }) => to[0]).sort(), ["a@example.net", "b@example.net"]);
  assert.deepEqual(box.names("queue").sort(), [held, tried].sort());
});

Deno.test("a captive portal in the morning does not hide a login that fails in the evening", async () => {
  using authority = await Authority.make();
  await using portal = new Sink({}, await authority.leaf("DNS:portal.example"));
  await using server = new Sink(
    { extensions: ["AUTH PLAIN"], auth: "535 5.7.8 No" },
    await authority.leaf("DNS:localhost"),
  );
  const secret = `${authority.folder}/password`;
  Deno.writeTextFileSync(secret, "open sesame\n", { mode: 0o600 });
  const transport = ({ port }: Sink) =>
    `[transport]\nvia = "smtp"\nhost = "localhost"\nport = ${port}\nca = "${authority.ca}"\nuser = "greg"\n` +
    `password_file = "${secret}"\n`;
  using box = new Box(transport(portal));
  box.now = Math.floor(box.now / DAY) * DAY + 12 * HOUR;
  await box.keep("ann@example.net");
  assert.match((await box.run()).join("\n"), /cannot be used: invalid peer certificate/);
  box.configure(transport(server));
  assert.match((await box.runAfter(5 * HOUR)).join("\n"), /rejected the login of "greg"/);
});

Deno.test("a server that accepts two recipients at a time gets two each minute", async () => {
  let session = 0;
  await using sink = new Sink({
    from: () => void (session = 0),
    to: () => ++session > 2 ? "452 4.5.3 Too many recipients" : undefined,
  });
  using box = new Box("");
  box.configure(sink.port);
  await box.keep(["a", "b", "c", "d", "e", "f", "g"].map((one) => `${one}@example.net`));
  for (const waiting of [5, 3, 1]) {
    await box.run();
    assert.equal(only(box).filter((one) => one === "waiting").length, waiting);
    box.now += MINUTE;
  }
  await box.run();
  assert.deepEqual(box.names("queue"), []);
  assert.equal(new Set(sink.accepted.flatMap(({ to }) => to)).size, 7);
});

Deno.test("an account that was renamed, removed or limited since: sent as a new message would be", async (t) => {
  const account = (name: string, port: number, more = "") =>
    `[[account]]\nname = "${name}"\nhost = "127.0.0.1"\nport = ${port}\nsecurity = "none"\n${more}\n`;
  const VIA = '[transport]\nvia = "smtp"\n';
  const table: [what: string, account: string, settings: (port: number) => string, from: RegExp, note: RegExp][] = [
    [
      "renamed",
      "home",
      (port) => `${VIA}${account("new", port, 'from = ["greg@example.org"]')}${account("rest", 1, "default = true")}`,
      /^SRS0=/,
      /account home is not in the settings any more: sent through new/,
    ],
    [
      "the server of [transport] became an account",
      "",
      (port) => `${VIA}${account("rest", port, "default = true")}${account("other", 1, 'from = ["x@example.org"]')}`,
      /^SRS0=/,
      /the server of \[transport\] is not in the settings any more: sent through rest/,
    ],
    ["accounts were replaced by [transport]", "home", toServer, /^SRS0=/, /sent through that of \[transport\]/],
    [
      "accepts only plain senders",
      "home",
      (port) => `${VIA}${account("home", port, 'sender = "plain"')}`,
      /^greg@example\.org$/,
      /the account accepts plain at most/,
    ],
  ];
  for (const [what, name, settings, from, note] of table) {
    await t.step(what, async () => {
      await using sink = new Sink();
      using box = new Box(settings(sink.port));
      await box.keep("ann@example.net", { account: name });
      assert.deepEqual([await box.run(), sink.accepted.length, box.names("queue")], [[], 1, []]);
      assert.match(sink.accepted[0]!.from, from);
      assert.match(box.log, note);
    });
  }
  await t.step("no account sends its mail", async () => {
    const others = account("a", 1, 'from = ["a@example.org"]') + account("b", 1, 'from = ["b@example.org"]');
    using box = new Box(`${VIA}${others}`);
    await box.keep("ann@example.net", { account: "home" });
    const told =
      /^Mail waits in the outbox: No account sends mail of "greg@example\.org": add the address to account\.from/;
    assert.match((await box.run()).join("\n"), told);
    assert.deepEqual(only(box), ["waiting"]);
  });
});

Deno.test("a program that cannot log in or lacks its settings: kept, and reported once a day", async () => {
  for (const status of [64, 77, 78, 75]) {
    using box = new Box("");
    Deno.writeTextFileSync(`${box.path}/injector`, `#!/bin/sh\ncat >/dev/null\necho cannot >&2\nexit ${status}\n`);
    Deno.chmodSync(`${box.path}/injector`, 0o755);
    box.configure(`[transport]\npreset = "sendmail"\ncommand = ["${box.path}/injector"]\n`);
    box.now = Math.floor(box.now / DAY) * DAY + 12 * HOUR;
    await box.keep("ann@example.net");
    const printed = await box.run();
    const told = `Mail waits in the outbox: ${box.path}/injector exited with status ${status}: cannot`;
    assert.deepEqual(printed, status === 75 ? [] : [told]);
    assert.deepEqual([await box.runAfter(2 * MINUTE), only(box).length], [[], 1]);
  }
});

Deno.test("all that a program says about a failure is in the listing, in the notice and in the report", async () => {
  const lines = ["address ann@example.net not accepted\x1b[31m", "server message: 550 5.1.1 No", "could not send mail"];
  for (const status of [65, 75, 77]) {
    using box = new Box("");
    Deno.writeTextFileSync(`${box.path}/said`, `${lines.join("\n")}\n`);
    const script = `#!/bin/sh\ncat >/dev/null\ncat '${box.path}/said' >&2\nexit ${status}\n`;
    Deno.writeTextFileSync(`${box.path}/injector`, script, { mode: 0o755 });
    const report = `outbox.report = "${box.path}/reports"`;
    box.configure(`[transport]\npreset = "sendmail"\ncommand = ["${box.path}/injector"]\n`, report);
    await box.keep("ann@example.net");
    const printed = await box.run();
    const said = `exited with status ${status}: address ann@example.net not accepted [31m; ` +
      "server message: 550 5.1.1 No; could not send mail";
    if (status === 77) assert.ok(printed[0]!.endsWith(said), printed[0]);
    else assert.deepEqual(printed, []);
    if (status !== 65) assert.ok(box.queue[0]!.recipients[0]!.reply.endsWith(said));
    else {
      const [name] = Deno.readDirSync(`${box.path}/reports/new`);
      assert.ok(Deno.readTextFileSync(`${box.path}/reports/new/${name!.name}`).includes(said));
    }
  }
});

Deno.test("a runner that is stopped leaves the entry as it was", async () => {
  using box = new Box("");
  await using sink = new Sink({ hold: () => new Promise((done) => setTimeout(done, 20)), to: SILENCE });
  box.configure(sink.port);
  await box.keep("ann@example.net");
  const running = box.run();
  await Promise.race([sink.untilReceived(/^RCPT/), running]);
  box.stop();
  await running;
  const [{ attempts, next, recipients }] = box.queue as [typeof box.queue[0]];
  assert.deepEqual([attempts, next, recipients[0]!.state], [0, box.now, "waiting"]);
});

Deno.test("the clock is set back: nothing stalls", async () => {
  await using sink = new Sink({ to: LATER });
  using box = new Box("");
  box.configure(sink.port);
  box.now += 300 * DAY; // the clock is wrong
  await box.keep("ann@example.net");
  await box.run();
  box.now -= 300 * DAY;
  sink.answers = {};
  await box.run();
  assert.equal(sink.accepted.length, 1);
  assert.deepEqual(box.names("queue"), []);
});

Deno.test("the clock jumps ahead: nothing expires by that alone", async () => {
  await using sink = new Sink({ to: LATER });
  using box = new Box("");
  box.configure(sink.port);
  await box.keep("ann@example.net");
  await box.run();
  await box.runAfter(1000 * DAY);
  assert.deepEqual(only(box), ["waiting"]);
});

Deno.test("no report where none was requested: NOTIFY=NEVER, or only about delays", async () => {
  await using sink = new Sink({ to: REFUSED });
  using box = new Box("");
  box.configure(sink.port, 'outbox.report = "reports"');
  for (const [notify, reports] of [["never", 0], ["success,delay", 0], ["delay,failure", 1]] as const) {
    await box.keep("ann@example.net", { dsn: { notify } });
    assert.deepEqual(await box.run(), []);
    const found = reports === 0 ? [] : [...Deno.readDirSync(`${box.path}/reports/new`)];
    assert.deepEqual([box.names("queue"), found.length], [[], reports], notify);
  }
  assert.match(box.log, /result=reported note="no report: NOTIFY=never"/);
});

Deno.test("a disk that fails after the final dot: not sent again at once", async () => {
  await using sink = new Sink();
  using box = new Box("");
  box.configure(sink.port);
  await box.keep("ann@example.net");
  const rename = Deno.renameSync;
  Deno.renameSync = (from, to) => {
    if (`${to}`.endsWith(".done")) throw new Error("Input/output error");
    rename(from, to);
  };
  try {
    // Of a note, file and folder are synced.
    const badRun = (after: number) => countingDisk("syncSync", () => box.runAfter(after), (nth) => nth >= 2);
    await badRun(0);
    assert.deepEqual([sink.accepted.length, only(box)], [1, ["sending"]]);
    await badRun(59_000);
    assert.equal(sink.accepted.length, 1);
    await badRun(1_000);
    await badRun(119_000);
    assert.deepEqual([sink.accepted.length, box.queue[0]!.attempts], [2, 2], "then less and less often");
  } finally {
    Deno.renameSync = rename;
  }
  await box.runAfter(5 * MINUTE);
  assert.deepEqual(box.names("queue"), []);
});
