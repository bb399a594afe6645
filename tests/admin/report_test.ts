/**
 * report: sums up the log and its rotated files; tests of doctor, damaged lines and unreadable files are not counted.
 */
import assert from "node:assert/strict";
import { parseLine } from "../../admin/log/line.ts";
import { Counter } from "../../admin/report/counter.ts";
import { dayOf, printDay } from "../../lib/date.ts";
import { type Event, logLine } from "../../lib/log.ts";
import { Home, oneLine, ROOT } from "../rig.ts";
import { gzip } from "./gzip.ts";
import { conforms } from "./json.ts";
import { countersign, snapshot } from "./home.ts";

const FOLDER = ".local/state/countersign";
const TODAY = dayOf(new Date());
const daysAgo = (days: number, event: Event) => logLine(event, new Date((TODAY - days) * 86_400_000));

const OUT: Event = { direction: "out", identity: "greg@example.org", scheme: "srs", result: "sent" };
const IN: Event = { direction: "in", sender: "<>" };
const FORGED: Event = { ...IN, from: "@mx.far.example", result: "forged", check: "forged", outcome: "filed" };
const NOT_MINE = "the author is not an identity";

const YOUNG: Event[] = [
  OUT,
  OUT,
  { ...OUT, scheme: "plain" },
  { direction: "out", scheme: "none", result: "sent", why: NOT_MINE },
  { direction: "out", scheme: "none", result: "sent", why: NOT_MINE },
  { ...OUT, result: "failed", why: "550 5.1.1" },
  { ...OUT, probe: "doctor" },
  { ...OUT, forgotten: "the disk is full" },
  // A message that waited in the outbox is counted once.
  { ...OUT, result: "queued", entry: "e1" },
  { direction: "out", entry: "e1", scheme: "srs", attempt: 1, result: "queued", why: "temporary" },
  { direction: "out", entry: "e1", scheme: "srs", attempt: 2, result: "sent" },
  { direction: "out", entry: "e1", result: "reported" },
  // The socket sign.
  { direction: "out", at: "sign", login: "greg", result: "signed", scheme: "srs" },
  { direction: "out", at: "sign", login: "greg", result: "passed", scheme: "none", why: "already signed" },
  {
    direction: "out",
    at: "sign",
    login: "none",
    result: "passed",
    scheme: "none",
    why: "the client has not logged in",
  },
  // A bounce that the hook has forwarded.
  { direction: "out", at: "sign", login: "local", sender: "<>", result: "passed", scheme: "none", why: "no login" },
  { direction: "out", at: "sign", login: "greg", result: "deferred", why: "no" },
  { ...IN, result: "genuine", check: "signed-recipient", outcome: "go-on" },
  { ...IN, result: "genuine", check: "signed-recipient", outcome: "defer" },
  { ...IN, result: "genuine", check: "signed-recipient", outcome: "go-on", probe: "doctor" },
  { ...IN, result: "late", check: "signed-recipient", outcome: "delivered" },
  { ...IN, result: "other", check: "addressed", outcome: "go-on" },
  FORGED,
  { ...FORGED, outcome: "go-on" },
  { ...FORGED, from: "@spam.example", result: "suspect", outcome: "delivered" },
  // The door: refused, passed on to the hook, and the same recipient looked up by a map.
  { ...IN, at: "rcpt", client: "mx1.host.example", result: "forged", check: "signed-recipient", outcome: "refused" },
  { ...IN, at: "data", from: "@mx.far.example", result: "forged", check: "forged", outcome: "refused" },
  { ...IN, at: "policy", check: "moved", outcome: "refused" },
  { ...IN, at: "data", result: "genuine", check: "returned-header", outcome: "passed" },
  { direction: "in", at: "map", check: "reverse", outcome: "not-found" },
  { ...IN, at: "rcpt", outcome: "deferred" },
  { at: "serve", result: "reloaded" },
];

/** A home whose log is in three files: compressed, rotated and current. */
async function loggedHome(): Promise<Home> {
  const home = new Home();
  const write = (name: string, text: string | Uint8Array, days: number) => {
    const time = new Date((TODAY - days) * 86_400_000 + 1000);
    Deno.utimeSync(home.write(`${FOLDER}/${name}`, text), time, time);
  };
  const lines = YOUNG.map((event) => daysAgo(2, event));
  write("log.3.gz", await gzip(daysAgo(40, OUT)), 40); // not even opened
  write("log.2.gz", await gzip(daysAgo(9, OUT) + lines.slice(0, 10).join("")), 2);
  write("log.1", lines.slice(10, 20).join(""), 1);
  write("log", lines.slice(20).join(""), 0);
  return home;
}

Deno.test("report: text and JSON", async () => {
  using home = await loggedHome();
  const before = snapshot(home.path);
  const ran = await countersign(home, ["report"]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.equal(
    ran.stdout,
    `Mail from ${printDay(TODAY - 7)} to ${printDay(TODAY)} (UTC)

Sent
  signed        6  srs 5, plain 1
  unsigned      3  ${NOT_MINE} 2, the client has not logged in 1
  failed        1  550 5.1.1 1
  deferred      2

Received
  genuine       1
  known         0
  late          1
  suspect       1  delivered 1
  forged        2  filed 1, left to the next program 1
  other         1
  deferred      1

At the door of serve
  refused       3  forged 2, moved 1
  accepted      1  genuine 1
  deferred      1

Domains that sent the most bounces of mail that is not yours
  mx.far.example      3
  host.example        1
  spam.example        1

1 message was sent without being remembered: bounces may look forged.
`,
  );
  const asked = await countersign(home, ["report", "--json", "--since", printDay(TODAY - 2)]);
  const told = conforms("report --json", JSON.parse(asked.stdout));
  assert.deepEqual([told.outgoing.signed, told.outgoing.unsigned, told.probes], [6, 3, 2]);
  assert.deepEqual(told.backscatter[0], { domain: "mx.far.example", count: 3 });
  const all = await countersign(home, ["report", "--json", "--since", "2020-01-01"]);
  assert.equal(JSON.parse(all.stdout).outgoing.signed, 8);
  assert.deepEqual(snapshot(home.path), before, "report changed something");
});

Deno.test("report: nothing to report is one line", async () => {
  using home = new Home();
  const line = `No mail was logged from ${printDay(TODAY - 7)} to ${printDay(TODAY)}.\n`;
  assert.deepEqual(await countersign(home, ["report"]), { code: 0, stdout: line, stderr: "" });
  home.write(`${FOLDER}/log`, daysAgo(9, OUT) + daysAgo(1, { ...OUT, probe: "doctor" }));
  assert.equal((await countersign(home, ["report"])).stdout, line);
});

Deno.test("report: an outcome that is the name of a method is a word", async () => {
  using home = new Home();
  home.write(`${FOLDER}/log`, daysAgo(1, { ...FORGED, outcome: "constructor" }));
  assert.match((await countersign(home, ["report"])).stdout, /^ {2}forged +1 {2}constructor 1$/m);
});

Deno.test("report: damaged lines are counted, and a damaged file is named", async () => {
  using home = new Home();
  const good = daysAgo(1, OUT);
  const packed = await gzip(good.repeat(200));
  home.write(`${FOLDER}/log.1.gz`, packed.subarray(0, packed.length - 9));
  home.write(`${FOLDER}/log.2.gz`, "no gzip");
  // A full disk cut a line, which the next one ended; NULs after a crash; a line of another program; the last one.
  const cut = [`${good.slice(0, -5)}…\n`, "\0\0\0\n", "\n", "what=ever\n", `${"x".repeat(100_000)}\n`];
  home.write(`${FOLDER}/log`, good + cut.join("") + good + good.slice(0, 40));
  const ran = await countersign(home, ["report"]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.match(ran.stdout, /^6 lines of the log were damaged and not counted\.$/m);
  assert.match(ran.stdout, /^\S+\/log\.1\.gz cannot be read to its end: /m);
  assert.match(ran.stdout, /^\S+\/log\.2\.gz cannot be read to its end: /m);
  const told = conforms("report --json", JSON.parse((await countersign(home, ["report", "--json"])).stdout));
  assert.equal(told.unreadable.length, 2);
  assert.ok(told.outgoing.signed >= 2);
});

Deno.test("report: the memory does not grow with the log", async () => {
  using home = new Home();
  // 60 MB, and in each part that is read there are words that must be kept.
  const other = daysAgo(1, { ...IN, result: "other", check: "addressed", outcome: "go-on", why: "x".repeat(300) })
    .repeat(600);
  const file = Deno.openSync(home.write(`${FOLDER}/log`, ""), { append: true });
  for (let part = 0; part < 240; part++) {
    const client = `a-long-name-${part}.example`;
    const text = other +
      daysAgo(1, { ...IN, at: "rcpt", client, result: "forged", outcome: "refused", error: `no-key-${client}` });
    file.writeSync(new TextEncoder().encode(text));
  }
  file.close();
  const limit = ["run", "-q", "-A", "--v8-flags=--max-old-space-size=32", "--config", `${ROOT}/deno.json`];
  const ran = await home.run([Deno.execPath(), ...limit, `${ROOT}/main.ts`, "countersign", "report", "--json"]);
  assert.equal(ran.code, 0, ran.stderr);
  const { incoming: { results }, door, backscatter } = JSON.parse(ran.stdout);
  assert.deepEqual([results.other, door.refused, backscatter.length], [144_000, 240, 100]);
});

Deno.test("report: wrong usage", async () => {
  using home = new Home();
  oneLine(
    await countersign(home, ["report", "--since", "monday"]),
    64,
    /^report: Option --since is "monday", not a date/,
  );
  oneLine(await countersign(home, ["report", "x"]), 64, /^report: Unknown argument "x"$/m);
});

Deno.test("a line is parsed only if it is exactly what was written", () => {
  const event = { direction: "out", id: "<1@x>", why: 'a "b" \\ result=x', n: 5 };
  const line = logLine(event, new Date(0)).trimEnd();
  assert.deepEqual(Object.fromEntries(parseLine(line)!), {
    time: "1970-01-01T00:00:00Z",
    direction: "out",
    id: "<1@x>",
    why: 'a "b" \\ result=x',
    n: "5",
  });
  // Cut anywhere, it does not become another line, unless a whole value was lost with what follows.
  for (let end = 0; end < line.length; end++) {
    const parsed = parseLine(line.slice(0, end));
    if (parsed === undefined) continue;
    for (const key of parsed.keys()) assert.ok(key in event || key === "time", key);
  }
  for (const bad of ["", "time=1 a=b", `x ${line}`, `${line}…`, `${line} `, `${line} x`, `${line} x=`, `${line} x="`]) {
    assert.equal(parseLine(bad), undefined, bad);
  }
});

Deno.test("the number of different words is limited", () => {
  const counter = new Counter(2);
  for (const word of ["a", "b", "c", "b", "c"]) counter.add(word);
  assert.deepEqual(counter.top(), [{ word: "b", count: 2 }, { word: "a", count: 1 }]);
  assert.deepEqual([counter.total, counter.truncated], [3, true]);
});
