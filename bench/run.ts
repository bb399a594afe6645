/**
 * What one message costs: `deno task bench [--check | --tables] [GROUP ...]`. Writes bench/results.json and the tables
 * of bench/README.md; with --check it writes nothing, names the budgets that are missed, and ends with 1 when there are
 * any; with --tables it measures nothing and writes the tables anew, for when budgets.json has changed. Ratios count;
 * the milliseconds are this machine's. BENCH_TIMES: runs of a small process, 40 if not set.
 */
import { ROOT } from "../tests/rig.ts";
import { audit } from "./audit.ts";
import { judgeBudgets, readBudgets } from "./budgets.ts";
import { BenchHome, TIMES } from "./home.ts";
import { growth } from "./growth.ts";
import { hostileInput } from "./hostile.ts";
import { incoming } from "./in.ts";
import { library } from "./library.ts";
import { load } from "./load.ts";
import { nobody } from "./nobody.ts";
import { out } from "./out.ts";
import { intoReadme, print, type Results, type Table } from "./report.ts";

const GROUPS: Record<string, (ground: BenchHome) => Promise<Table[]>> = {
  out,
  in: incoming,
  nobody,
  hostile: hostileInput,
  growth,
  load,
  library,
  audit,
};

const NEEDED = { time: "time", perl: "perl", python3: "python3", msmtp: "msmtp", setpriv: "util-linux" };
const [RESULTS, README] = ["bench/results.json", "bench/README.md"].map((name) => `${ROOT}/${name}`) as [
  string,
  string,
];

const [check, tables] = ["--check", "--tables"].map((one) => Deno.args.includes(one)) as [boolean, boolean];
const wanted = Deno.args.filter((one) => one !== "--check" && one !== "--tables");
const unknown = wanted.find((one) => !Object.hasOwn(GROUPS, one));
if (unknown !== undefined) stop(64, `no group ${unknown}; there are ${Object.keys(GROUPS).join(", ")}`);
for (const [program, from] of Object.entries(NEEDED)) {
  if (!isThere(`/usr/bin/${program}`)) stop(69, `/usr/bin/${program} is not there: apt-get install ${from}`);
}
if (!isThere("/usr/share/perl5/Mail/SRS.pm")) stop(69, "Mail::SRS is not there: apt-get install libmail-srs-perl");

const groups = tables ? [] : wanted.length > 0 ? wanted : Object.keys(GROUPS);
const measured: Record<string, Results[string]> = {};
if (groups.length > 0) {
  using ground = new BenchHome();
  for (const group of groups) {
    console.error(`${group} …`);
    measured[group] = { times: TIMES, tables: await GROUPS[group]!(ground) };
  }
}
const judged = judgeBudgets(measured, readBudgets()).filter(({ holds }) => holds !== undefined);
if (!tables) console.log(print(measured, judged));
if (!check) {
  const former: Results = isThere(RESULTS) ? JSON.parse(Deno.readTextFileSync(RESULTS)) : {};
  const results: Results = { ...former, ...measured };
  Deno.writeTextFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
  const printed = print(results, judgeBudgets(results, readBudgets()));
  Deno.writeTextFileSync(README, intoReadme(Deno.readTextFileSync(README), printed));
}
const missed = judged.filter(({ holds }) => holds === false);
for (const { budget, is } of missed) {
  console.error(`bench: missed: ${budget.name}: ${is}, not ${budget.most ?? `at least ${budget.least}`}`);
}
Deno.exit(check && missed.length > 0 ? 1 : 0);

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false;
  }
}

function stop(status: number, why: string): never {
  console.error(`bench: ${why}`);
  Deno.exit(status);
}
