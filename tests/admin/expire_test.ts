/** expire: removes what has expired and the leftovers of killed programs, and nothing else. */
import assert from "node:assert/strict";
import { dayOf } from "../../lib/date.ts";
import { type Entry, entryName, LEDGER_DAYS, printEntry } from "../../lib/entry.ts";
import { SENT_DAYS } from "../../io/state/sent.ts";
import { someEntry } from "../challenges.ts";
import { Home, oneLine } from "../rig.ts";
import { countersign, snapshot } from "./home.ts";

const STATE = ".local/state/countersign";
const HOUR = 3_600_000;

const entry = (messageId: string, expires: number): Entry => someEntry({ messageId, expires });

/** Writes a file with this age. */
function aged(home: Home, name: string, hours: number): void {
  const then = new Date(Date.now() - hours * HOUR);
  Deno.utimeSync(home.write(name, "", 0o600), then, then);
}

/** Returns the paths that exist. */
function existing(home: Home, names: readonly string[]): string[] {
  return names.filter((name) => {
    try {
      return Deno.lstatSync(`${home.path}/${name}`).isFile;
    } catch {
      return false;
    }
  });
}

/** Returns the path of a ledger entry. */
function pathOf(one: Entry, state: string): string {
  const [message, list] = entryName(one).split("-");
  return `${STATE}/ledger/${one.expires}/messages/${message}/${list}${state}`;
}

Deno.test("expire removes expired entries in each state, expired months, and nothing else", async () => {
  using home = new Home();
  const today = dayOf(new Date());
  const period = (day: number) => Math.floor(day / SENT_DAYS);
  const [entries, months, kept]: [string[], string[], string[]] = [[], [], []];
  const put = (into: string[], name: string, text: string) => {
    into.push(name);
    home.write(name, text, 0o600);
  };
  for (const state of ["", ".claimed.host.4711.x", ".spent"]) {
    // Two days are omitted, because the day may end while the test runs.
    for (const [into, expires] of [[entries, today - 1], [kept, today + 2], [kept, today + LEDGER_DAYS]] as const) {
      const one = entry(`${state}${expires}@example.org`, expires);
      put(into, pathOf(one, state), printEntry(one));
    }
  }
  for (const day of [today - 2 * SENT_DAYS, today - 999]) {
    put(months, `${STATE}/sent/${period(day)}/0a1`, "x".repeat(20));
  }
  for (const day of [today, today - SENT_DAYS + 2]) put(kept, `${STATE}/sent/${period(day)}/0a1`, "x".repeat(20));
  put(months, `${STATE}/sent/${today}`, "a day of an earlier version");
  put(kept, `${STATE}/sent/notes`, "not Countersign's");
  put(kept, `${STATE}/ledger/notes`, "not Countersign's");
  put(kept, `${STATE}/log`, "");
  const all = [...entries, ...months, ...kept];
  assert.deepEqual(existing(home, all), all);

  const ran = await countersign(home, ["expire"]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.equal(ran.stdout, `${entries.length} entries of the ledger, ${months.length} months of sent mail removed\n`);
  assert.deepEqual(existing(home, all), kept);

  const before = snapshot(home.path);
  const again = await countersign(home, ["expire"]);
  assert.equal(again.stdout, "0 entries of the ledger, 0 months of sent mail removed\n");
  assert.deepEqual(snapshot(home.path), before);
});

Deno.test("counts are singular or plural, and no folders are created", async () => {
  using home = new Home();
  const before = snapshot(home.path);
  assert.equal((await countersign(home, ["expire"])).code, 0);
  assert.deepEqual(snapshot(home.path), before);
  const one = entry("1@example.org", dayOf(new Date()) - 1);
  home.write(pathOf(one, ""), printEntry(one));
  home.write(`${STATE}/sent/1/000`, "");
  aged(home, `${STATE}/spool/1.x`, 25);
  const message = "1 entry of the ledger, 1 month of sent mail, 1 file of killed programs removed\n";
  assert.equal((await countersign(home, ["expire"])).stdout, message);
});

Deno.test("expire removes old leftovers of killed programs, and no other files", async () => {
  using home = new Home();
  home.settings(
    `[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nspam = "~/spam"\ninbox = "~/inbox"\n` +
      `[challenge]\nanswered = "~/answered"\n`,
  );
  const delivery = `1795000000.P4711R${"0123456789".repeat(2)}.countersign`;
  const config = ".config/countersign";
  const maildirs = ["out", "spam", "inbox", "answered"].map((name) => `${name}/tmp/${delivery}`);
  const drafts = ["config.toml", "config.sandbox", "keys", "plain-lists"].flatMap((name) => [
    `${config}/${name}.new`,
    `${config}/${name}.0123abcd.new`,
  ]);
  const old = [...maildirs.map((name) => [name, 37]), ...drafts.map((name) => [name, 25])] as [string, number][];
  const kept: [string, number][] = [
    [`out/new/${delivery}`, 99],
    [`out/cur/${delivery}`, 99],
    ["out/tmp/1795000000.4711.host", 99],
    [`out/tmp/${delivery}x`, 99],
    [`elsewhere/tmp/${delivery}`, 99],
    [`${config}/other.new`, 99],
    [`${config}/config.toml.old`, 99],
    [`${config}/config.toml.xyz.new`, 99],
    ["spam/tmp/1795000001.P1R00000000000000000000.countersign", 35],
    [`${config}/config.sandbox.00000000.new`, 23],
    [`${STATE}/spool/new`, 23],
  ];
  for (const [name, hours] of [...old, [`${STATE}/spool/old`, 25] as const, ...kept]) aged(home, name, hours);
  const { code, stdout } = await countersign(home, ["expire"]);
  assert.equal(code, 0);
  const message = `0 entries of the ledger, 0 months of sent mail, ${
    old.length + 1
  } files of killed programs removed\n`;
  assert.equal(stdout, message);
  assert.deepEqual(existing(home, [...old, ...kept].map(([name]) => name)), kept.map(([name]) => name));
});

Deno.test("expire takes no arguments, and reports a damaged ledger", async () => {
  using home = new Home();
  oneLine(await countersign(home, ["expire", "all"]), 64, /^expire: Unknown argument "all"$/m);
  oneLine(await countersign(home, ["expire", "--all"]), 64, /^expire: Unknown option "--all"/);
  home.write(`${STATE}/ledger`, "no folder");
  oneLine(await countersign(home, ["expire"]), 75, /^expire: \S+\/ledger: Ledger cannot be used/);
});
