/**
 * Measures the cost of one message: `deno task bench [--check | --tables] [GROUP ...]`. Writes bench/results.json and
 * the tables of bench/README.md. With --check it writes nothing, prints the missed budgets, and exits 1 if there are
 * any. With --tables it only rewrites the tables, for example after a change of budgets.json. The ratios matter; the
 * milliseconds depend on the machine. BENCH_TIMES is the number of runs of a small process (default 40).
 */
import { ROOT } from "../build/rig/home.ts";
import { audit } from "./audit.ts";
import { judgeBudgets, readBudgets } from "./budgets.ts";
import { BenchHome, TIMES } from "./home.ts";
import { door } from "./door.ts";
import { growth } from "./growth.ts";
import { hostileInput } from "./hostile.ts";
import { incoming } from "./in.ts";
import { million } from "./million.ts";
import { library } from "./library.ts";
import { load } from "./load.ts";
import { map } from "./map.ts";
import { nobody } from "./nobody.ts";
import { out } from "./out.ts";
import { submit } from "./submit.ts";
import { insertTables, print, type Results, type Table } from "./report.ts";

const GROUPS: Record<string, (home: BenchHome) => Promise<Table[]>> = {
  out,
  in: incoming,
  nobody,
  hostile: hostileInput,
  growth,
  load,
  library,
  audit,
  door,
  map,
  submit,
  million,
};

/** Groups that are only measured when they are named. */
const LONG = ["million"];

const NEEDED = { time: "time", perl: "perl", python3: "python3", msmtp: "msmtp", setpriv: "util-linux" };
const [RESULTS, README] = ["bench/results.json", "bench/README.md"].map((name) => `${ROOT}/${name}`) as [
  string,
  string,
];

const [check, tables] = ["--check", "--tables"].map((option) => Deno.args.includes(option)) as [boolean, boolean];
const requested = Deno.args.filter((argument) => argument !== "--check" && argument !== "--tables");
const unknown = requested.find((group) => !Object.hasOwn(GROUPS, group));
if (unknown !== undefined) stop(64, `Unknown group ${unknown}: choose from ${Object.keys(GROUPS).join(", ")}`);
for (const [program, packageName] of Object.entries(NEEDED)) {
  if (!exists(`/usr/bin/${program}`)) stop(69, `/usr/bin/${program} is missing: apt-get install ${packageName}`);
}
if (!exists("/usr/share/perl5/Mail/SRS.pm")) stop(69, "Mail::SRS is missing: apt-get install libmail-srs-perl");

const groups = tables
  ? []
  : requested.length > 0
  ? requested
  : Object.keys(GROUPS).filter((group) => !LONG.includes(group));
const measured: Record<string, Results[string]> = {};
if (groups.length > 0) {
  using home = new BenchHome();
  for (const group of groups) {
    console.error(`${group} …`);
    measured[group] = { times: TIMES, tables: await GROUPS[group]!(home) };
    if (!check) save();
  }
}
if (tables) save();
const judged = judgeBudgets(measured, readBudgets()).filter(({ holds }) => holds !== undefined);
if (!tables) console.log(print(measured, judged));
const missed = judged.filter(({ holds }) => holds === false);
for (const { budget, ratio } of missed) {
  const limit = budget.maximum === undefined ? `at least ${budget.minimum}` : `at most ${budget.maximum}`;
  console.error(`bench: Budget missed: ${budget.name}: ${ratio}, must be ${limit}`);
}
Deno.exit(check && missed.length > 0 ? 1 : 0);

/** Writes what has been measured so far; groups that were not measured keep their results. */
function save(): void {
  const earlier: Results = exists(RESULTS) ? JSON.parse(Deno.readTextFileSync(RESULTS)) : {};
  const results: Results = { ...earlier, ...measured };
  Deno.writeTextFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
  const printed = print(results, judgeBudgets(results, readBudgets()));
  Deno.writeTextFileSync(README, insertTables(Deno.readTextFileSync(README), printed));
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false;
  }
}

function stop(status: number, message: string): never {
  console.error(`bench: ${message}`);
  Deno.exit(status);
}
