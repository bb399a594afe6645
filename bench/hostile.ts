/** Messages crafted to take much time or memory. Each is recognized as forged, read to its end and filed. */
import { type BenchHome, fewer } from "./home.ts";
import { FILED, QMAIL } from "./in.ts";
import { measure } from "./measure.ts";
import { forged, hostile, SIZES } from "./messages.ts";
import type { Table } from "./report.ts";

/** Measures each of them, relative to an ordinary forged bounce of 100 MB. */
export async function hostileInput(home: BenchHome): Promise<Table[]> {
  const argv = home.deno(`${await home.bundled()}/hooks/incoming.js`, "incoming");
  const messages: [string, string][] = [
    ["an ordinary bounce, 100 MB", forged(home, SIZES["100 MB"])],
    ["an ordinary bounce, 1 MB", forged(home, SIZES["1 MB"])],
    ...hostile(home),
  ];
  const more = { env: home.variables(QMAIL), status: FILED };
  const subjects = messages.map(([name, file]) => home.subject(name, argv, file, more));
  const table = { title: "in, hostile", rows: await measure(subjects, fewer(8)) };
  for (const [, file] of messages) Deno.removeSync(file);
  return [table];
}
