/** Messages that are made to take time or memory: each is seen to be forged, read to its end and filed. */
import { type BenchHome, few } from "./home.ts";
import { FILED, QMAIL } from "./in.ts";
import { measure } from "./measure.ts";
import { forged, hostile, SIZES } from "./messages.ts";
import type { Table } from "./report.ts";

/** Measures each beside an ordinary forged bounce of 100 MB, which is the largest of them. */
export async function hostileInput(ground: BenchHome): Promise<Table[]> {
  const argv = ground.deno(`${await ground.bundled()}/hooks/incoming.js`, "incoming");
  const messages: [string, string][] = [
    ["an ordinary one, 100 MB", forged(ground, SIZES["100 MB"])],
    ["an ordinary one, 1 MB", forged(ground, SIZES["1 MB"])],
    ...hostile(ground),
  ];
  const more = { env: ground.variables(QMAIL), status: FILED };
  const subjects = messages.map(([name, file]) => ground.subject(name, argv, file, more));
  const table = { title: "in, hostile", rows: await measure(subjects, few(8)) };
  for (const [, file] of messages) Deno.removeSync(file);
  return [table];
}
