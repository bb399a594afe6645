/** Addresses and tags a second, in process: `deno bench` on our side, a loop of Mail::SRS on the other. */
import { ROOT } from "../tests/rig.ts";
import type { BenchHome } from "./home.ts";
import { median } from "./measure.ts";
import { SRS_LOOP } from "./peers.ts";
import type { Table } from "./report.ts";

/** Turns, in which both are asked. */
const TURNS = 3;

/** Measures both in turns; Mail::SRS, which has no prvs and no tag, stands first. */
export async function library(ground: BenchHome): Promise<Table[]> {
  const script = ground.write("loop.pl", SRS_LOOP);
  const rates = new Map<string, number[]>();
  const note = (name: string, rate: number) => rates.set(name, [...rates.get(name) ?? [], rate]);
  for (let turn = 0; turn < TURNS; turn++) {
    const perl = JSON.parse(await said(["/usr/bin/perl", script])) as Record<string, number>;
    for (const [name, rate] of Object.entries(perl).sort().reverse()) note(`Mail::SRS, ${name}`, rate);
    const bench = ["bench", "-q", "--no-check", "--json", `${ROOT}/bench/library_bench.ts`];
    for (const { name, results } of JSON.parse(await said([Deno.execPath(), ...bench])).benches) {
      note(name, 1e9 / results[0].ok.avg);
    }
  }
  const rows = [...rates].map(([name, all]) => ({ name, rate: Math.round(median(all)) }));
  return [{ title: "library, in process", rows }];
}

async function said([program, ...args]: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program!, { args, stdin: "null", cwd: ROOT }).output();
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
