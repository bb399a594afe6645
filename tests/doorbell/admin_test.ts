/** `countersign doorbell`, and `countersign keys` for a service. */
import assert from "node:assert/strict";
import { STATES } from "../../incoming/doorbell/decide.ts";
import { oneLine, ROOT } from "../rig.ts";
import { ANN, filesIn, heldCount, LOG, manage, request, ring, runs, serviceHome, SVC } from "./home.ts";

Deno.test("list prints held messages and addresses; release runs the program, delete does not", async () => {
  using home = serviceHome();
  const bob = "bob@friend.example";
  await ring(home, ANN, SVC, request());
  await ring(home, bob, SVC, request(bob));
  await ring(home, "", SVC, request("daemon@friend.example"));
  const lines = (await manage(home, "list")).stdout.trimEnd().split("\n");
  assert.equal(lines.length, 3);
  const ids = Object.fromEntries(lines.map((line) => [/ {2}(\S+@\S+)/.exec(line)![1]!, line.split(" ")[0]!]));
  assert.match(
    lines.find((line) => line.includes(ANN))!,
    /^\S{12} {2}held {9}\d{4}-\d\d-\d\d \d\d:\d\d {2} +\d+ {2}ann@friend\.example {2}\(challenged\)$/,
  );
  assert.match(lines.join("\n"), /nobody is asked; From is daemon@friend\.example/);
  assert.deepEqual(await manage(home, "release", ids[ANN]!), {
    code: 0,
    stdout: `${ids[ANN]}: confirmed; ${home.path}/subscribe exited with status 0\n`,
    stderr: "",
  });
  assert.deepEqual([runs(home), home.read("got")], [[`confirmed ${ANN} ${ANN}`], request()]);
  assert.equal((await manage(home, "delete", ids[bob]!)).code, 0);
  assert.deepEqual([heldCount(home), runs(home).length], [1, 1]);
  oneLine(await manage(home, "release", ids[bob]!), 64, /^doorbell: No message "/);
});

Deno.test("an address that would reorder the text of a terminal is quoted", async () => {
  using home = serviceHome();
  await ring(home, "ann\u202e@friend.example", SVC, request("bob\u2066@friend.example"));
  const { stdout } = await manage(home, "list");
  assert.match(stdout, /"(?:ann\\u202e|bob\\u2066)@friend\.example"/);
  assert.doesNotMatch(stdout, /[\u202e\u2066]/);
});

Deno.test("a message without a program that cannot be printed stays held", async () => {
  using home = serviceHome();
  await home.doorbell(["--service", "svc"], request(), {
    SENDER: ANN,
    RECIPIENT: SVC,
    LOCAL: "svc",
    HOST: "example.org",
  });
  const [id] = (await manage(home, "list")).stdout.split(" ") as [string];
  const release = [Deno.execPath(), "run", "-q", "-A", `${ROOT}/main.ts`, "countersign", "doorbell", "release", id];
  const full = await home.run(["/bin/sh", "-c", 'exec "$@" >/dev/full', "sh", ...release]);
  assert.notEqual(full.code, 0);
  assert.equal(heldCount(home), 1);
  assert.equal((await home.run(release)).stdout, request());
  assert.equal(heldCount(home), 0);
});

Deno.test("a damaged message is listed with the others, cannot be released, and can be deleted", async () => {
  using home = serviceHome();
  const folder = ".local/state/countersign/doorbell/svc";
  await ring(home, ANN, SVC, request());
  await ring(home, "bob@friend.example", SVC, request("bob@friend.example"));
  const ids = (await manage(home, "list")).stdout.trimEnd().split("\n");
  const [ann, bob] = [ANN, "bob@"].map((one) => ids.find((line) => line.includes(one))!.split(" ")[0]!) as [
    string,
    string,
  ];
  const name = filesIn(home, "held/new").find((one) => one.includes(ann))!;
  home.write(`${folder}/held/new/${name}`, "damaged\n");
  home.write(`${folder}/kept/aaaaaaaaaaaa`, "");
  home.write(`${folder}/running/bbbbbbbbbbbb`, "");
  const listed = await manage(home, "list");
  assert.equal(listed.code, 75);
  const lines = listed.stdout.trimEnd().split("\n");
  assert.equal(lines.length, 4);
  assert.match(lines.find((line) => line.startsWith(ann))!, / {2}held .* {2}\(cannot be read\)$/);
  assert.match(lines.find((line) => line.startsWith("aaaaaaaaaaaa"))!, / {2}kept .* {2}\(cannot be read\)$/);
  assert.match(lines.find((line) => line.startsWith("bbbbbbbbbbbb"))!, / {2}interrupted .* {2}\(cannot be read\)$/);
  assert.match(lines.find((line) => line.startsWith(bob))!, /bob@friend\.example {2}\(challenged\)$/);
  assert.equal(listed.stderr.match(/^doorbell: .*it does not begin with a record$/gm)?.length, 3, listed.stderr);
  oneLine(await manage(home, "release", ann), 75, /it does not begin with a record/);
  assert.equal((await manage(home, "release", bob)).code, 0);
  assert.equal((await manage(home, "delete", ann, "aaaaaaaaaaaa", "bbbbbbbbbbbb")).code, 0);
  assert.deepEqual(await manage(home, "list"), { code: 0, stdout: "", stderr: "" });
});

Deno.test("allow, deny and forget; addresses are listed without regard to case", async () => {
  using home = serviceHome();
  for (const [word, address] of [["allow", "Zoe@friend.example"], ["deny", ANN], ["deny", "bob@friend.example"]]) {
    assert.deepEqual(await manage(home, word!, address!), { code: 0, stdout: "", stderr: "" });
  }
  assert.equal((await manage(home, "forget", "BOB@friend.example", "--service", "svc")).code, 0);
  oneLine(await manage(home, "forget", "bob@friend.example"), 64, /^doorbell: Nothing is known about bob@/);
  assert.equal((await manage(home, "list")).stdout, `${ANN}  denied\nzoe@friend.example  allowed\n`);
  assert.equal((await ring(home, ANN, SVC, request())).code, 99);
  assert.deepEqual([heldCount(home), home.mails("out")], [0, []]);
  assert.match(home.read(LOG), /doorbell=svc sender=@friend\.example result=denied outcome=delivered/);
});

Deno.test("run sends the challenges that had to wait, and a server that fails only delays them", async () => {
  using home = serviceHome();
  const config = home.read(".config/countersign/config.toml");
  const broken = config.replace(/maildir = ".*"/, `maildir = "${home.path}/missing/out"`);
  home.write(".config/countersign/config.toml", broken);
  assert.deepEqual(await ring(home, ANN, SVC, request()), { code: 99, stdout: "", stderr: "" });
  assert.match(home.read(LOG), /outcome=not-challenged/);
  const failed = await manage(home, "run");
  assert.deepEqual([failed.code, failed.stdout], [75, "0 challenges sent; 0 messages and 0 addresses expired\n"]);
  assert.match(failed.stderr, /^doorbell: Challenge about \S+ could not be sent: .*\n$/);
  home.write(".config/countersign/config.toml", config);
  const ran = await manage(home, "run");
  assert.deepEqual([ran.code, ran.stdout], [0, "1 challenges sent; 0 messages and 0 addresses expired\n"]);
  assert.equal(home.mails("out").length, 1);
  assert.deepEqual(filesIn(home, "held/new").filter((name) => !name.endsWith(".sent")), []);
});

Deno.test("wrong words are reported", async () => {
  using home = serviceHome();
  oneLine(await manage(home, "release"), 64, /^doorbell: ID is missing: doorbell release ID$/m);
  oneLine(await manage(home, "allow"), 64, /ADDRESS is missing/);
  oneLine(await manage(home, "allow", "ann"), 64, /has no @/);
  oneLine(await manage(home, "list", "x"), 64, /Unknown argument "x"/);
  oneLine(await manage(home, "list", "--service", "other"), 78, /Service "other" is not configured: use one of svc/);
});

Deno.test("the command is not limited by the sandbox of the hook, and the hook is", async () => {
  using home = serviceHome();
  const sandbox = home.read(".config/countersign/config.sandbox");
  assert.match(sandbox, /^doorbell --allow-read=.*doorbell-keys$/m);
  assert.doesNotMatch(sandbox, /^doorbell .*countersign\/keys$/m);
  // A program that is not on the command line cannot be run: the launcher permits that one alone.
  home.write(".config/countersign/config.sandbox", sandbox.replace(/^doorbell --allow-write=.*\n/gm, ""));
  oneLine(await ring(home, ANN, SVC, request()), 75, /countersign sandbox/);
  assert.equal((await manage(home, "list")).code, 0);
});

Deno.test("the log has a line for each decision, which countersign log selects by its result", async () => {
  using home = serviceHome();
  await ring(home, ANN, SVC, request());
  const log = (...args: string[]) =>
    home.run([Deno.execPath(), "run", "-q", "-A", `${ROOT}/main.ts`, "countersign", "log", ...args]);
  const found = await log("--result", "new");
  assert.match(
    found.stdout,
    /^time=\S+ doorbell=svc sender=@friend\.example result=new outcome=delivered why="[^"]*"\n$/,
  );
  assert.match((await log()).stdout, /^time=\S+ doorbell=svc outcome=challenged why=\w{12}\n/);
  for (const state of STATES) assert.equal((await log("--result", state)).code, 0, state);
});

Deno.test("keys of a service are created, listed and retired", async () => {
  using home = serviceHome();
  const keys = (...args: string[]) =>
    home.run([Deno.execPath(), "run", "-q", "-A", `${ROOT}/main.ts`, "countersign", "keys", ...args]);
  assert.match((await keys("list")).stdout, /^doorbell svc {2}\/.*\/doorbell-keys$/m);
  assert.match((await keys("new", "--doorbell", "svc")).stdout, /^k2 signs for doorbell svc from now on$/m);
  assert.match((await keys("retire", "k1", "--doorbell", "svc")).stdout, /cookies that it made are not valid/);
  oneLine(await keys("new", "--doorbell", "other"), 78, /Service "other" is not configured/);
  oneLine(await keys("new", "--doorbell", "svc", "--forwarding"), 64, /--forwarding and --doorbell cannot be combined/);
});

Deno.test("with a sandbox file that is older than the service, the hook says what to do", async () => {
  using home = serviceHome();
  const sandbox = home.read(".config/countersign/config.sandbox");
  home.write(".config/countersign/config.sandbox", sandbox.replace(/^doorbell .*\n/gm, ""));
  oneLine(await ring(home, ANN, SVC, request()), 75, /countersign sandbox$/m);
});
