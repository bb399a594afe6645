/** clean: what is expired goes, all else stays. */
import assert from "node:assert/strict";
import { dayOf } from "../../lib/day.ts";
import { type Entry, ENTRY_DAYS, entryName, printEntry } from "../../lib/ledger.ts";
import { Home, oneLine } from "../rig.ts";
import { countersign, snapshot } from "./home.ts";

const STATE = ".local/state/countersign";
/** Days for which an answer is known; tests/state holds state/sent.ts to it. */
const DAYS = 30;

const entry = (messageId: string, expires: number): Entry => ({
  messageId,
  list: "test@lists.example.org",
  from: "greg@example.org",
  expires,
  fields: ["a", "b", "c"],
  lines: [],
});

Deno.test("clean removes expired entries in each state, and days that are over; nothing else", async () => {
  using home = new Home();
  const today = dayOf(new Date());
  const [gone, kept]: [string[], string[]] = [[], []];
  const put = (into: string[], name: string, text: string) => {
    into.push(name);
    home.write(name, text, 0o600);
  };
  for (const state of ["issued", "claimed", "spent"]) {
    // The day may end while the test runs: two days of it are left out.
    for (const [into, expires] of [[gone, today - 1], [kept, today + 2], [kept, today + ENTRY_DAYS]] as const) {
      const one = entry(`${state}${expires}@example.org`, expires);
      const name = await entryName(one) + (state === "claimed" ? ".host.4711.x" : "");
      put(into, `${STATE}/ledger/${state}/${name}`, printEntry(one));
    }
    put(kept, `${STATE}/ledger/${state}/nonsense`, "what cannot be read is for a person to look at");
  }
  for (const day of [today - DAYS, today - DAYS - 1, today - 999]) put(gone, `${STATE}/sent/${day}`, "x".repeat(16));
  for (const day of [today, today - 1, today - DAYS + 2]) put(kept, `${STATE}/sent/${day}`, "x".repeat(16));
  put(kept, `${STATE}/sent/notes`, "not ours");
  put(kept, `${STATE}/log`, "");
  put(kept, "Maildir/tmp/1.old", "");
  const there = (names: string[]) =>
    names.filter((name) => {
      try {
        return Deno.statSync(`${home.path}/${name}`).isFile;
      } catch {
        return false;
      }
    });
  assert.deepEqual(there([...gone, ...kept]), [...gone, ...kept]);

  const ran = await countersign(home, ["clean"]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  const entries = gone.filter((name) => name.includes("/ledger/")).length;
  assert.equal(ran.stdout, `${entries} entries of the ledger, ${gone.length - entries} days of sent mail removed\n`);
  assert.deepEqual([there(gone), there(kept)], [[], kept]);

  const before = snapshot(home.path);
  const again = await countersign(home, ["clean"]);
  assert.equal(again.stdout, "0 entries of the ledger, 0 days of sent mail removed\n");
  assert.deepEqual(snapshot(home.path), before);
});

Deno.test("one is one; and nothing is made where nothing is", async () => {
  using home = new Home();
  const before = snapshot(home.path);
  assert.equal((await countersign(home, ["clean"])).code, 0);
  assert.deepEqual(snapshot(home.path), before);
  const one = entry("1@example.org", dayOf(new Date()) - 1);
  home.write(`${STATE}/ledger/issued/${await entryName(one)}`, printEntry(one));
  home.write(`${STATE}/sent/1`, "");
  assert.equal((await countersign(home, ["clean"])).stdout, "1 entry of the ledger, 1 day of sent mail removed\n");
});

Deno.test("clean takes from the spool what killed ones left a day ago", async () => {
  using home = new Home();
  for (const [name, hours] of [["old", 25], ["new", 23]] as const) {
    const then = new Date(Date.now() - hours * 3_600_000);
    Deno.utimeSync(home.write(`${STATE}/spool/${name}`, ""), then, then);
  }
  const { code, stdout } = await countersign(home, ["clean"]);
  assert.equal(code, 0);
  assert.equal(stdout, "0 entries of the ledger, 0 days of sent mail, 1 file of the spool removed\n");
  assert.deepEqual([...Deno.readDirSync(`${home.path}/${STATE}/spool`)].map(({ name }) => name), ["new"]);
});

Deno.test("clean takes no arguments, and a ledger that is out of order is told", async () => {
  using home = new Home();
  oneLine(await countersign(home, ["clean", "all"]), 64, /^clean: Unknown argument "all"$/m);
  oneLine(await countersign(home, ["clean", "--all"]), 64, /^clean: Unknown option "--all"/);
  home.write(`${STATE}/ledger/issued`, "no folder");
  oneLine(await countersign(home, ["clean"]), 75, /^clean: Ledger .* is out of order/);
});
