/** log: prints the matching lines completely and in order; with --follow also new ones. */
import assert from "node:assert/strict";
import { filter, selector } from "../../admin/log.ts";
import { fields } from "../../admin/log/line.ts";
import { type Event, logLine } from "../../lib/log.ts";
import { FORGED, gregsHome, ORDINARY } from "../programs/letters.ts";
import { Home, oneLine, ROOT } from "../rig.ts";
import { gzip } from "./gzip.ts";
import { countersign, snapshot } from "./home.ts";

const LOG = ".local/state/countersign/log";

/** [time, event] */
const EVENTS: [string, Event][] = [
  ["2026-11-18T23:59:59Z", { direction: "out", result: "sent", to: "@example.net" }],
  ["2026-11-19T00:00:00Z", { direction: "in", result: "genuine", why: "valid signed address" }],
  ["2026-11-19T12:00:00Z", { direction: "in", result: "forged", why: "direction=out result=sent" }],
  ["2026-11-20T00:00:00Z", { direction: "out", result: "failed", why: 'it said "no" result=genuine' }],
  ["2026-11-20T08:00:00Z", { direction: "in", result: "late", why: "\x1b[31mred\u2028" }],
];
const LINES = EVENTS.map(([time, event]) => logLine(event, new Date(time)));

/** [arguments, the numbers of the lines] */
const asked: [string[], number[]][] = [
  [[], [0, 1, 2, 3, 4]],
  [["--direction", "in"], [1, 2, 4]],
  [["--direction", "out"], [0, 3]],
  [["--direction=out"], [0, 3]],
  [["--result", "genuine"], [1]],
  [["--result", "sent"], [0]],
  [["--result", "sent", "--result", "late"], [0, 4]],
  [["--result", "queued"], []],
  [["--since", "2026-11-19"], [1, 2, 3, 4]],
  [["--since", "2026-11-21"], []],
  [["--direction", "in", "--result", "late", "--since", "2026-11-20"], [4]],
];
for (const [args, wanted] of asked) {
  Deno.test(`log ${args.join(" ")} prints lines ${wanted}`, async () => {
    using home = new Home();
    home.write(LOG, LINES.join(""));
    const before = snapshot(home.path);
    const ran = await countersign(home, ["log", ...args]);
    assert.deepEqual([ran.code, ran.stderr, ran.stdout], [0, "", wanted.map((at) => LINES[at]).join("")]);
    assert.deepEqual(snapshot(home.path), before);
  });
}

Deno.test("values are parsed as they were written", () => {
  for (const [at, [, event]] of EVENTS.entries()) {
    const { time, ...rest } = fields(LINES[at]!.trimEnd());
    assert.equal(time, EVENTS[at]![0]);
    assert.deepEqual({ ...rest }, event);
  }
  const strange = fields('a=1 no b="x\\q" c="y" __proto__=z');
  assert.deepEqual(Object.entries(strange), [["a", "1"], ["c", "y"], ["__proto__", "z"]]);
});

Deno.test("a malformed line matches only without options", () => {
  assert.ok(filter(undefined, [], "")("nonsense"));
  for (const asks of [filter("in", [], ""), filter(undefined, ["sent"], ""), filter(undefined, [], "2026-01-01")]) {
    assert.ok(!asks("nonsense"));
  }
});

/** [line, direction, `result` that it has]: keys in values, after them, at the ends, repeated, truncated. */
const values: [string, string, string][] = [
  ["time=2026-11-20T00:00:00Z direction=in result=late", "in", "late"],
  ["direction=in", "in", ""],
  ["result=late", "", "late"],
  ["result=late direction=in", "in", "late"],
  ['time=1 why="direction=out result=sent" direction=in result=late', "in", "late"],
  ['time=1 why="\\" direction=out" direction=in result=late', "in", "late"],
  ['time=1 direction=in why="a" result=late', "in", "late"],
  ["time=1 direction=in direction=out result=late result=sent", "in", "late"],
  ["time=1 xdirection=out direction=in result=later", "in", "later"],
  ['direction="in" result="late"', "in", "late"],
  ["time=1 direction=in result=lat…", "in", "lat…"],
  // Lines of earlier versions.
  ["time=2026-11-20T00:00:00Z way=in result=late", "in", "late"],
  ["way=out", "out", ""],
  ['time=1 way=out why="direction=in way=in" result=late', "out", "late"],
  ['time=1 direction=out why="way=in" result=late', "out", "late"],
];
for (const [line, direction, result] of values) {
  Deno.test(`the values of ${line}`, () => {
    for (const one of ["in", "out"]) assert.equal(filter(one, [], "")(line), one === direction, one);
    for (const one of ["late", "sent", "later"]) assert.equal(filter(undefined, [one], "")(line), one === result, one);
  });
}

Deno.test("selecting from a text and matching line by line agree", () => {
  const text = [...values, ...values.toReversed()].map(([line]) => `${line}\n`).join("") + "\n\ndirection=in\nway=in\n";
  const directions = [undefined, "in", "out"];
  for (const direction of directions) {
    for (const results of [[], ["late"], ["late", "sent"], ["a.*"]]) {
      for (const since of ["", "2026-11-20", "2026-11-21"]) {
        const fits = filter(direction, results, since);
        const expected = text.split(/(?<=\n)/).filter((line) => fits(line.trimEnd())).join("");
        assert.equal(selector(direction, results, since)(text), expected, `${direction} ${results} ${since}`);
      }
    }
  }
});

Deno.test("long, incomplete and malformed lines, longer than one read", async () => {
  using home = new Home();
  const many = Array.from(
    { length: 12_000 },
    (_, n) => logLine({ direction: "in", result: "other", n }, new Date(n * 1000)),
  );
  home.write(LOG, `${many.join("")}\x1b[2Jtime=2026 direction=in\x07 \x9b\nlast`);
  const ran = await countersign(home, ["log"]);
  assert.equal(ran.stdout, `${many.join("")}\ufffd[2Jtime=2026 direction=in\ufffd \ufffd\nlast\n`);
});

Deno.test("a missing log is empty, and the lines that the programs write are parsed", async () => {
  using home = gregsHome();
  assert.deepEqual(await countersign(home, ["log"]), { code: 0, stdout: "", stderr: "" });
  assert.equal(home.read(LOG), "");
  const env = { SENDER: "", RECIPIENT: "greg@example.org" };
  await home.hook(["--as", "maildrop"], FORGED, env);
  await home.hook(["--as", "maildrop"], ORDINARY, { ...env, SENDER: "jo@b.example" });
  await home.shim(["ann@example.net"], "From: greg@example.org\n\nHi.\n");
  const log = home.read(LOG).split(/(?<=\n)/);
  assert.equal(log.length, 3);
  const today = new Date(Date.parse(fields(log[0]!)["time"]!)).toISOString().slice(0, 10);
  for (const [at, ...args] of [[0, "in", "forged"], [1, "in", "other"], [2, "out", "sent"]] as const) {
    const ran = await countersign(home, ["log", "--direction", args[0], "--result", args[1], "--since", today]);
    assert.equal(ran.stdout, log[at]);
  }
});

/** [arguments, status, error message] */
const usageErrors: [string[], number, RegExp][] = [
  [["--direction", "up"], 64, /^log: Option --direction is "up", not one of: in, out$/m],
  [["--since", "yesterday"], 64, /^log: Option --since is "yesterday", not a date/],
  [["--since", "2026-02-30"], 64, /not a date/],
  [["--result", "frged"], 64, /^log: Option --result is "frged", not one of: sent, failed, .*, genuine, .*forged, /m],
  [["--result", "sent", "--result", ""], 64, /^log: Option --result is "", not one of: /m],
  [["--id", "<>"], 64, /^log: Option --id is "<>", not a Message-ID$/m],
  [["--folow"], 64, /Unknown option "--folow": did you mean --follow\?/],
  [["x"], 64, /Unknown argument "x"/],
];
for (const [args, code, message] of usageErrors) {
  Deno.test(`log ${args.join(" ")} is rejected`, async () => {
    using home = new Home();
    home.write(LOG, LINES.join(""));
    const ran = await countersign(home, ["log", ...args]);
    oneLine(ran, code, message);
    assert.equal(ran.stdout, "");
  });
}

Deno.test("--id finds the message, its attempts and its bounces, also in rotated files", async () => {
  using home = new Home();
  const odd = "<a!b\u00fc@example.org>";
  const about = (id: string) =>
    [
      logLine({ direction: "out", id, scheme: "srs", result: "queued", entry: "e1" }, new Date("2026-11-18T10:00:00Z")),
      logLine({ direction: "out", id, result: "sent", entry: "e1", attempt: 1 }, new Date("2026-11-19T10:00:00Z")),
      logLine({ direction: "in", result: "genuine", original: id, why: "x" }, new Date("2026-11-20T10:00:00Z")),
    ] as const;
  const other = logLine({ direction: "in", result: "forged", why: "id=<1@example.org>" }, new Date(0));
  const [plain, quoted] = [about("<1@example.org>"), about(odd)];
  home.write(`${LOG}.2.gz`, await gzip(plain[0] + other + quoted[0]));
  home.write(`${LOG}.1`, other + plain[1] + quoted[1]);
  home.write(LOG, quoted[2] + plain[2] + other);
  home.write(`${LOG}.old`, plain[0]);
  for (const [at, name] of ["log.2.gz", "log.1", "log"].entries()) {
    const time = new Date(`2026-11-${18 + at}T12:00:00Z`);
    Deno.utimeSync(`${home.path}/.local/state/countersign/${name}`, time, time);
  }
  for (const id of ["<1@example.org>", "1@example.org", " <1@example.org> "]) {
    assert.equal((await countersign(home, ["log", "--id", id])).stdout, plain.join(""));
  }
  assert.equal((await countersign(home, ["log", "--id", odd])).stdout, quoted.join(""));
  assert.equal((await countersign(home, ["log", "--id", "2@example.org"])).stdout, "");
  const late = await countersign(home, ["log", "--id", "1@example.org", "--since", "2026-11-19", "--direction", "out"]);
  assert.equal(late.stdout, plain[1]);
  assert.equal((await countersign(home, ["log", "--since", "2026-11-20"])).stdout, quoted[2] + plain[2]);
});

Deno.test("a file that is rotated meanwhile hides no other", async () => {
  using home = new Home();
  home.write(`${LOG}.1`, LINES[0]!);
  for (let nth = 2; nth < 30; nth++) Deno.symlinkSync("missing", `${home.path}/${LOG}.${nth}`);
  home.write(LOG, LINES[1]!);
  assert.equal((await countersign(home, ["log", "--since", "2020-01-01"])).stdout, LINES[0]! + LINES[1]!);
});

Deno.test("a damaged rotated file is an error", async () => {
  using home = new Home();
  const packed = await gzip(LINES.join("").repeat(100));
  home.write(`${LOG}.1.gz`, packed.subarray(0, packed.length - 20));
  home.write(LOG, LINES[0]!);
  oneLine(await countersign(home, ["log", "--id", "1@x"]), 74, /^log: \S+\/log\.1\.gz: Log cannot be read: /m);
});

/** A followed log. */
class Follower {
  #child: Deno.ChildProcess;
  #reader: ReadableStreamDefaultReader<string>;
  #got = "";

  constructor(home: Home, args: readonly string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`, "log", "--follow", ...args],
      env: { ...home.env, HOME: home.path },
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.#reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Waits for the next line. */
  async line(): Promise<string> {
    while (!this.#got.includes("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`ended after ${JSON.stringify(this.#got)}`);
      this.#got += value;
    }
    const end = this.#got.indexOf("\n") + 1;
    const line = this.#got.slice(0, end);
    this.#got = this.#got.slice(end);
    return line;
  }

  /** Interrupts it. @returns the remaining output, and the status */
  async stop(): Promise<[string, number]> {
    this.#child.kill("SIGINT");
    for (let part; !(part = await this.#reader.read()).done;) this.#got += part.value;
    return [this.#got, (await this.#child.status).code];
  }

  async unread(): Promise<number> {
    await this.#reader.cancel();
    return (await this.#child.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has exited.
    }
    await this.#reader.cancel();
    await this.#child.status;
  }
}

const append = (home: Home, text: string) => Deno.writeTextFileSync(`${home.path}/${LOG}`, text, { append: true });

Deno.test("--follow prints new matching lines until it is interrupted", async () => {
  using home = new Home();
  home.write(LOG, LINES[1]! + LINES[0]!);
  await using follower = new Follower(home, ["--direction", "in"]);
  assert.equal(await follower.line(), LINES[1]);
  append(home, LINES[3]! + LINES[2]!);
  assert.equal(await follower.line(), LINES[2]);
  // A line is printed once it is complete.
  append(home, LINES[4]!.slice(0, 20));
  append(home, LINES[4]!.slice(20));
  assert.equal(await follower.line(), LINES[4]);
  assert.deepEqual(await follower.stop(), ["", 0]);
});

Deno.test("--follow waits for a missing log, and continues after rotation or truncation", async () => {
  using home = new Home();
  Deno.mkdirSync(`${home.path}/.local/state/countersign`, { recursive: true });
  await using follower = new Follower(home, []);
  append(home, LINES[0]!);
  assert.equal(await follower.line(), LINES[0]);
  Deno.renameSync(`${home.path}/${LOG}`, `${home.path}/${LOG}.1`);
  append(home, LINES[1]!);
  assert.equal(await follower.line(), LINES[1]);
  append(home, LINES[3]!); // just before the next rotation
  Deno.renameSync(`${home.path}/${LOG}`, `${home.path}/${LOG}.1`);
  append(home, LINES[2]!);
  assert.deepEqual([await follower.line(), await follower.line()], [LINES[3], LINES[2]]);
  Deno.writeTextFileSync(`${home.path}/${LOG}`, "");
  // The new line must be shorter; otherwise a truncated file looks like one that has grown.
  const short = "way=in\n";
  append(home, short);
  assert.equal(await follower.line(), short);
  assert.deepEqual(await follower.stop(), ["", 0]);
});

Deno.test("a closed pipe ends it without an error", async () => {
  using home = new Home();
  home.write(LOG, LINES.join(""));
  await using follower = new Follower(home, []);
  await follower.line();
  const ended = follower.unread();
  const writer = setInterval(() => append(home, LINES[0]!), 20);
  try {
    assert.equal(await ended, 0);
  } finally {
    clearInterval(writer);
  }
});
