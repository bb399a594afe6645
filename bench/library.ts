/** Addresses and tags per second, in process: measured by `deno bench` for Countersign, by a loop for Mail::SRS. */
import { ROOT } from "../build/rig/home.ts";
import type { BenchHome } from "./home.ts";
import { median } from "./measure.ts";
import { SRS_LOOP } from "./peers.ts";
import type { Table } from "./report.ts";

/** The number of turns. */
const TURNS = 3;

/** Measures both in turns. Mail::SRS, which supports neither prvs nor tags, comes first. */
export async function library(home: BenchHome): Promise<Table[]> {
  const script = home.write("loop.pl", SRS_LOOP);
  const rates = new Map<string, number[]>();
  const addRate = (name: string, rate: number) => rates.set(name, [...rates.get(name) ?? [], rate]);
  for (let turn = 0; turn < TURNS; turn++) {
    const perl = JSON.parse(await outputOf(["/usr/bin/perl", script])) as Record<string, number>;
    for (const [name, rate] of Object.entries(perl).sort().reverse()) addRate(`Mail::SRS, ${name}`, rate);
    const bench = ["bench", "-q", "--no-check", "--json", `${ROOT}/bench/library_bench.ts`];
    for (const { name, results } of JSON.parse(await outputOf([Deno.execPath(), ...bench])).benches) {
      addRate(name, 1e9 / results[0].ok.avg);
    }
  }
  const rows = [...rates].map(([name, measured]) => ({ name, rate: Math.round(median(measured)) }));
  return [{ title: "library, in process", rows }];
}

async function outputOf([program, ...args]: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program!, { args, stdin: "null", cwd: ROOT }).output();
  if (code !== 0) throw new Error(`${program} exited ${code}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
