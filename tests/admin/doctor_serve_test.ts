/** doctor and `countersign serve`: its sockets, what they answer, keys for its user, refuse_unsigned. */
import assert from "node:assert/strict";
import { whyUnreadable } from "../../admin/doctor/access.ts";
import type { DoctorContext } from "../../admin/doctor/context.ts";
import { checkForwardHooks } from "../../admin/doctor/forward_hooks.ts";
import { checkServe } from "../../admin/doctor/serve.ts";
import { pipeStateTrouble } from "../../admin/doctor/pipe_state.ts";
import { missingState } from "../../admin/doctor/serve_state.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { loadSettings } from "../../io/system/load.ts";
import { noteForgotten } from "../../io/state/forgotten.ts";
import { fileStore } from "../../io/state/shared/files.ts";
import { RedisStore } from "../../io/state/shared/redis.ts";
import type { Answering } from "../../serve/lookup/answers.ts";
import { lookups } from "../../serve/lookup/conversation.ts";
import { doorRole } from "../../serve/door.ts";
import { milterSessions } from "../../serve/milter/conversation.ts";
import { listenAt } from "../../serve/sockets/listen.ts";
import { SocketServer } from "../../serve/sockets/server.ts";
import { signRole } from "../../serve/sign.ts";
import { ROOT } from "../rig.ts";
import { EngineHome } from "../serve/engine.ts";
import { conforms } from "./json.ts";

/** Runs the checks. @returns the ids of the findings, and the notes */
async function checked(home: EngineHome, now = new Date()): Promise<{ ids: string[]; notes: string[] }> {
  const settings = loadSettings(home.source);
  const context = {
    home: home.path,
    now,
    file: { file: home.source.file, text: home.read("site.toml") },
    settings,
    findings: [],
    notes: [],
  } as unknown as DoctorContext;
  await checkServe(context, settings);
  for (const { what, why, fix } of context.findings) assert.ok(what.length > 9 && why.length > 9 && fix.length > 9);
  return { ids: context.findings.map(({ id }) => id!), notes: [...context.notes] };
}

/** Serves the sockets of a home. */
class Serving {
  readonly #servers: SocketServer[] = [];
  readonly reports: string[] = [];

  async start(home: EngineHome, swapped = false): Promise<this> {
    Deno.mkdirSync(`${home.path}/sockets`, { recursive: true });
    const roles = { door: doorRole(home.engine), sign: signRole(home.engine) };
    for (const name of ["door", "sign"] as const) {
      const role = swapped ? roles[name === "door" ? "sign" : "door"] : roles[name];
      const listener = await listenAt(`${home.path}/sockets/${name}`);
      this.#servers.push(new SocketServer(listener, milterSessions(role), (what) => void this.reports.push(what)));
    }
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) await server.close(0);
  }
}

Deno.test("an engine that answers as it should has no findings", async () => {
  using home = new EngineHome();
  await using serving = await new Serving().start(home);
  assert.deepEqual(await checked(home), { ids: [], notes: [] });
  assert.deepEqual(serving.reports, [], "the sessions ended in order");
  assert.equal(home.log().length, 1);
  assert.match(
    home.log()[0]!,
    /^direction=in at=rcpt sender=<> client=doctor\.invalid probe=doctor result=forged .* outcome=refused /,
  );
});

Deno.test("while the door rejects nothing by content because a message was not remembered, a note says until when", async () => {
  using home = new EngineHome();
  await using _ = await new Serving().start(home);
  const state = `${home.path}/state`;
  const day = 86_400_000;
  const date = (days: number) => new Date(Date.now() + days * day).toISOString().slice(0, 10);
  noteForgotten(state, new Date(Date.now() - day));
  const note =
    `Some mail sent until ${date(-1)} is not remembered, so the door rejects no bounce by its content before ` +
    `${date(30)}; the log may say why (forgotten=)`;
  assert.deepEqual(await checked(home), { ids: [], notes: [note] });
  home.configure("", { shared: false });
  assert.deepEqual((await checked(home)).notes, [], "it does so nowhere");
});

Deno.test("the socket for look-ups is asked whether its store can be used", async () => {
  using home = new EngineHome();
  home.write("site.toml", home.read("site.toml").replace("[state]\n", '[state]\nlookup = "sockets/lookup"\n'));
  await using _ = await new Serving().start(home);
  assert.deepEqual((await checked(home)).ids, ["serve-socket-missing"]);
  const serve = async (context: Answering) => {
    return new SocketServer(await listenAt(`${home.path}/sockets/lookup`), lookups(context), () => {});
  };
  const loaded = () => home.engine.loaded;
  const working = await serve({ loaded, store: { kind: "files", store: fileStore(`${home.path}/state`) } });
  assert.deepEqual((await checked(home)).ids, []);
  await working.close(0);
  const forgetting = { ...fileStore(`${home.path}/state`), lastForgotten: () => Promise.resolve(Date.now()) };
  const forgetful = await serve({ loaded, store: { kind: "redis", store: forgetting } });
  assert.match((await checked(home)).notes.join(), /^Some mail sent until /);
  await forgetful.close(0);
  const silent = { ...fileStore(`${home.path}/state`), silentHost: () => Promise.resolve("b7d1") };
  const waiting = await serve({ loaded, store: { kind: "redis", store: silent } });
  assert.deepEqual((await checked(home)).ids, ["serve-host-silent"]);
  await waiting.close(0);
  const store = new RedisStore(`unix:${home.path}/redis.sock`);
  const broken = await serve({ loaded, store: { kind: "redis", store } });
  assert.deepEqual((await checked(home)).ids, ["serve-state-unusable"]);
  await broken.close(0);
  // The service has other settings, without state.lookup.
  const unshared = await serve({ loaded, store: undefined });
  assert.deepEqual((await checked(home)).ids, ["serve-not-shared"]);
  await unshared.close(0);
  // A user who only asks has no other sockets.
  home.write("site.toml", home.read("site.toml").replace(/^socket_folder.*$/m, ""));
  assert.deepEqual((await checked(home)).ids, ["serve-socket-missing"]);
  const listener = await listenAt(`${home.path}/sockets/lookup`);
  const milter = new SocketServer(listener, milterSessions(doorRole(home.engine)), () => {});
  assert.deepEqual((await checked(home)).ids, ["serve-socket-silent"]);
  await milter.close(0);
});

Deno.test({
  name: "a group that may open lookup should not be able to open sign",
  ignore: Deno.uid() !== 0, // only root can give a socket to any group
  async fn() {
    using home = new EngineHome();
    const [users, sockets] = [`${home.path}/lookup-of-users`, `${home.path}/sockets`];
    home.write("site.toml", home.read("site.toml").replace("[state]\n", `[state]\nlookup = "${users}"\n`));
    Deno.chmodSync(home.path, 0o755);
    await using _ = await new Serving().start(home);
    const loaded = () => home.engine.loaded;
    const store = { kind: "files", store: fileStore(`${home.path}/state`) } as const;
    const lookup = new SocketServer(await listenAt(users), lookups({ loaded, store }), () => {});
    assert.deepEqual((await checked(home)).ids, [], "both belong to the group of their owner");
    for (const path of [users, `${sockets}/door`, `${sockets}/sign`]) Deno.chownSync(path, null, 60_123);
    assert.deepEqual((await checked(home)).ids, ["serve-sign-group"]);
    Deno.chmodSync(sockets, 0o700);
    assert.deepEqual((await checked(home)).ids, [], "nobody else may enter the folder of sign");
    Deno.chmodSync(sockets, 0o755);
    Deno.chownSync(`${sockets}/sign`, null, 60_124);
    assert.deepEqual((await checked(home)).ids, []);
    await lookup.close(0);
  },
});

Deno.test("systemd opens only the socket lookup, for a mail server without milters", async () => {
  using home = new EngineHome();
  Deno.mkdirSync(`${home.path}/sockets`);
  const loaded = () => home.engine.loaded;
  const listener = await listenAt(`${home.path}/sockets/lookup`);
  const server = new SocketServer(listener, lookups({ loaded, store: undefined }), () => {});
  assert.deepEqual((await checked(home)).ids, []);
  await server.close(0);
});

Deno.test("sockets that are missing, stale, open to all, or of another role", async () => {
  using home = new EngineHome();
  assert.deepEqual((await checked(home)).ids, ["serve-socket-missing", "serve-socket-missing"]);
  home.write("sockets/door", "");
  assert.deepEqual((await checked(home)).ids, ["serve-socket-wrong", "serve-socket-missing"]);
  Deno.removeSync(`${home.path}/sockets/door`);
  {
    await using _ = await new Serving().start(home);
    Deno.chmodSync(`${home.path}/sockets/sign`, 0o666);
    assert.deepEqual((await checked(home)).ids, ["serve-socket-open"]);
  }
  const stale = Deno.listen({ transport: "unix", path: `${home.path}/sockets/old` });
  Deno.renameSync(`${home.path}/sockets/old`, `${home.path}/sockets/door`);
  stale.close();
  assert.deepEqual((await checked(home)).ids, ["serve-socket-silent", "serve-socket-missing"]);
  {
    await using _ = await new Serving().start(home, true);
    assert.deepEqual((await checked(home)).ids, ["serve-socket-silent", "serve-socket-silent"]);
  }
});

Deno.test("a door that runs with other settings, or cannot judge", async () => {
  using home = new EngineHome();
  await using _ = await new Serving().start(home);
  home.configure("", { forged: "spam" });
  assert.deepEqual((await checked(home)).ids, ["serve-other-settings"]);
  home.configure();
  Deno.chmodSync(`${home.path}/keys/greg`, 0o644);
  assert.equal(home.engine.reload(), undefined);
  assert.deepEqual((await checked(home)).ids, ["serve-door-passes"]);
});

Deno.test("refuse_unsigned with mail that leaves with the plain sender, in the grace period, and what it rejects", async () => {
  const today = new Date().toISOString().slice(0, 10);
  const rows: [string, string, string, string, ...string[]][] = [
    ["alone", "", "", ""],
    ["within grace", `since = "${today}"\n`, "", "", "refuse-unsigned-grace"],
    ["a plain rule", "", '[[rule]]\nto = ["*@x.example"]\nsender = "plain"\n', "", "refuse-unsigned-plain"],
    ["a plain list", "", "", "list@x.example\n", "refuse-unsigned-plain"],
    ["never signed", 'sender = "plain"\n', "", "", "refuse-unsigned-plain"],
  ];
  for (const [what, top, more, lists, ...ids] of rows) {
    using home = new EngineHome();
    home.write("plain-lists", lists);
    const text = home.read("site.toml").replace('logins = ["greg"]', 'logins = ["greg"]\nrefuse_unsigned = true')
      .replace('socket_folder = "sockets"', "");
    home.write("site.toml", `${top}${text}${more}`);
    const line = (result: string, check: string, sender = "<>", at = today) =>
      `time=${at}T00:00:00Z direction=in sender=${sender} result=${result} check=${check} outcome=inbox\n`;
    home.write(
      "state/log",
      line("known", "reply", "<>", "2020-01-01") + line("genuine", "signed-recipient") +
        line("other", "addressed", "@b") +
        line("genuine", "returned-header") + line("unsolicited", "forged") + line("unsolicited", "forged"),
    );
    const { ids: found, notes } = await checked(home);
    assert.deepEqual(found, ids, what);
    assert.deepEqual(notes, [
      "refuse_unsigned rejects what came from the null sender to the plain address: 3 in the log of the last 30 days " +
      "(genuine 1, unsolicited 2)",
    ]);
  }
});

Deno.test("which files another user may read", { ignore: Deno.uid() !== 0 }, () => {
  using home = new EngineHome();
  Deno.chmodSync(home.path, 0o755);
  const path = home.write("keys/x", "", 0o640);
  Deno.chmodSync(`${home.path}/keys`, 0o755);
  const [mail, uid] = ["mail", 8];
  assert.match(whyUnreadable(path, uid)!, /^mode 0640 of the file, owner 0, group 0$/);
  Deno.chownSync(path, 0, uid);
  assert.equal(whyUnreadable(path, uid), undefined, `the group of ${mail}`);
  Deno.chmodSync(`${home.path}/keys`, 0o700);
  assert.match(whyUnreadable(path, uid)!, /^mode 0700 of .*\/keys, owner 0, group 0$/);
  assert.equal(whyUnreadable(path, 0), undefined);
  assert.equal(whyUnreadable(`${path}.none`, 0), undefined);
});

Deno.test(
  "hooks in .forward and dot-qmail files must open the socket without additional groups",
  { ignore: Deno.uid() !== 0 },
  () => {
    using home = new EngineHome();
    Deno.chmodSync(home.path, 0o755);
    const socket = home.write("run/lookup", "", 0o660);
    const [settings, other] = [home.source.file, `${home.path}/other.toml`];
    Deno.chownSync(socket, 8, 8);
    Deno.chmodSync(`${home.path}/run`, 0o755);
    const hook = `"|/usr/local/lib/countersign/hooks/incoming --as postfix --config`;
    home.write("ann/.forward", `# the hook\n${hook} ${settings}"\n`);
    home.write("bob/.forward", `${hook}=${other}"\n`);
    home.write("eve/.forward", "eve@example.net\n");
    const account = (name: string, uid: number, gid: number) => ({ name, uid, gid, home: `${home.path}/${name}` });
    const check = (...users: ReturnType<typeof account>[]) =>
      checkForwardHooks(socket, settings, users).map(({ what, where }) => `${where.line} ${what}`);
    assert.deepEqual(check(account("ann", 4901, 4901), account("bob", 4902, 4902), account("eve", 4903, 4903)), [
      "2 The hook of ann cannot open the socket lookup: mode 0660 of the socket, owner 8, group 8",
    ]);
    assert.deepEqual(check(account("ann", 4901, 8), account("ann", 8, 4901), account("ann", 0, 0)), []);
    home.write(
      "joe/.qmail-srs-default",
      `|/usr/local/lib/countersign/hooks/incoming --config ${settings}\n./Maildir/\n`,
    );
    const joe = [account("joe", 4904, 4904)];
    const assigned = home.write("assign", "=joey:joe:4904:4904:/home/joe:::\n.\n");
    const [found] = checkForwardHooks(socket, settings, joe, assigned);
    assert.match(`${found!.where.line} ${found!.why}`, /^1 qmail-lspawn runs the hook without the additional groups/);
    home.write("assign", "=joe:joe:4904:8:/home/joe:::\n+joe-:joe:4904:8:/home/joe:-::\n.\n");
    assert.deepEqual(checkForwardHooks(socket, settings, joe, assigned), []);
    Deno.chmodSync(`${home.path}/run`, 0o750);
    assert.match(check(account("ann", 8, 8))[0]!, /: mode 0750 of .*\/run, owner 0, group 0$/);
    const site = { ...loadSettings(home.source), state: { redis: "", lookup: socket } } as unknown as Settings;
    const pipe = (user: string, group?: string) => pipeStateTrouble(site, user, group)?.what;
    Deno.chmodSync(`${home.path}/run`, 0o755);
    const denied = "the socket lookup cannot be opened: mode 0660 of the socket, owner 8, group 8";
    assert.deepEqual([pipe("daemon"), pipe("daemon", "mail"), pipe("nobody-here")], [denied, undefined, undefined]);
  },
);

Deno.test("the command runs these checks, and those of Postfix's milters; its findings have ids", async () => {
  using home = new EngineHome();
  Deno.mkdirSync(`${home.path}/state`);
  await using _ = await new Serving().start(home);
  const main = home.write(
    "postconf",
    [
      `queue_directory = ${home.path}`,
      "smtpd_milters = { unix:sockets/sign, default_action=tempfail }",
      "smtp inet n - y - - smtpd",
      "submission inet n - y - - smtpd -o smtpd_sender_restrictions=reject_sender_login_mismatch",
      "",
    ].join("\n"),
  );
  const argv = [Deno.execPath(), "run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`];
  const doctor = ["countersign", "doctor", "--json", "--config", home.source.file, "--postconf", main];
  const ran = await home.run([...argv, ...doctor]);
  const { findings, notes } = conforms("doctor --json", JSON.parse(ran.stdout));
  const ids = findings.map(({ id }: { id?: string }) => id).filter((id?: string) => id !== undefined);
  assert.deepEqual(ids, ["milter-sign-on-25"], ran.stdout);
  assert.ok(!notes.some((note: string) => note.includes("sockets of countersign serve")));
  assert.ok(!findings.some(({ what }: { what: string }) => what.includes("reject_sender_login_mismatch")));

  // Without the permission to connect it says so.
  const limited = argv.flatMap((word) =>
    word === "-A" ? ["--allow-read", "--allow-env", "--allow-run", "--allow-sys"] : word
  );
  const told = await home.run([...limited, ...doctor]);
  assert.match(told.stdout, /The sockets of countersign serve were not tested/, told.stderr);
});
Deno.test(
  "the state belongs to the user of the engine, and root does not create it",
  { ignore: Deno.uid() !== 0 },
  async () => {
    using home = new EngineHome();
    const state = `${home.path}/state`;
    const settings = loadSettings(home.source);
    assert.equal(missingState(settings, 1000), undefined);
    assert.equal(missingState(settings, 0)?.id, "serve-state-missing");
    await using _ = await new Serving().start(home);
    // Other users must get to the keys, which another check reads.
    for (const folder of ["", "/keys"]) Deno.chmodSync(`${home.path}${folder}`, 0o755);
    for (const name of ["keys/greg", "keys/ann", "sockets/door"]) Deno.chownSync(`${home.path}/${name}`, 8, 8);
    const ids = async () => (await checked(home)).ids.filter((id) => id.startsWith("serve-state"));
    home.write("state/log", "");
    assert.equal(missingState(settings, 0), undefined);
    assert.deepEqual(await ids(), ["serve-state-owner"], "the folder is root's");
    Deno.chownSync(state, 8, 8);
    assert.deepEqual(await ids(), ["serve-state-owner"], "the log is root's");
    Deno.chownSync(`${state}/log`, 8, 8);
    for (const name of ["sent", "sent/692"]) {
      Deno.mkdirSync(`${state}/${name}`, { recursive: true });
      Deno.chownSync(`${state}/${name}`, 8, 8);
    }
    assert.deepEqual(await ids(), []);
    home.write("state/sent/692/75b", "");
    assert.deepEqual(await ids(), ["serve-state-owner"], "what a shim of root remembered");
  },
);
