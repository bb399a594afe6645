/**
 * A million sessions with the engine, half of them with mail from a person and half with forged bounces: its memory.
 */
import { bounces, PERSON } from "./door.ts";
import { Site } from "./engine.ts";
import type { BenchHome } from "./home.ts";
import type { Measured } from "./measure.ts";
import { MilterClient } from "./milter_client.ts";
import type { Table } from "./report.ts";

const CONNECTIONS = 8;
/** Sessions of each kind in a chunk. */
const CHUNK = 50_000;
/** After how many sessions memory is measured. */
const MEASURED = [0, 100_000, 300_000, 1_000_000];

/** Runs the sessions, and measures memory and the time of a session in between. */
export async function million(home: BenchHome): Promise<Table[]> {
  const site = new Site(home);
  await using engine = await site.start();
  const path = site.socket("door");
  const [persons, forged] = [
    await MilterClient.of(home, path, PERSON),
    await MilterClient.of(home, path, bounces("y")),
  ];
  const rows: Measured[] = [];
  for (let done = 0; done <= MEASURED.at(-1)!; done += 2 * CHUNK) {
    if (done > 0) {
      for (const client of [persons, forged]) await client.run({ connections: CONNECTIONS, count: CHUNK });
    }
    console.error(`bench: ${done.toLocaleString("en")} sessions: ${engine.mb} MB`);
    if (!MEASURED.includes(done)) continue;
    const mb = engine.mb;
    const { median } = await persons.run({ connections: CONNECTIONS, count: 1000 });
    rows.push({
      name: done === 0 ? "the engine when it has started" : `after ${done.toLocaleString("en")}`,
      ms: median,
      mb,
    });
  }
  return [{ title: "door, sessions since it started", rows }];
}
