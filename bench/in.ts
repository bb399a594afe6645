/** The way in: a genuine bounce goes on, a forged one is read to its end and filed by a program. */
import { ROOT } from "../tests/rig.ts";
import { type BenchHome, few, TIMES } from "./home.ts";
import { measure, type Subject } from "./measure.ts";
import { forged, genuine, SIZES } from "./messages.ts";
import type { Table } from "./report.ts";

/** What qmail-local tells about a bounce to the plain address. */
export const QMAIL = { SENDER: "", RECIPIENT: "greg@example.org", HOST: "example.org", EXT: "" };
/** How a hook ends under qmail when it has filed the message (hooks/exits.ts). */
export const FILED = 99;

/** Measures bounces of four sizes. */
export async function incoming(ground: BenchHome): Promise<Table[]> {
  const [dist, prefix] = [await ground.bundled(), await ground.installed()];
  const bundled = ground.deno(`${dist}/hooks/incoming.js`, "incoming");
  const env = ground.variables(QMAIL);
  const tables: Table[] = [];
  for (const [size, bytes] of Object.entries(SIZES)) {
    const [good, bad] = [genuine(ground, bytes), forged(ground, bytes)];
    const of = (name: string, argv: string[], input: string, more: Partial<Subject> = {}) =>
      ground.subject(name, argv, input, { env, ...more });
    const small = bytes <= SIZES["1 MB"];
    const subjects = [
      ground.nothing(),
      of("the reader alone", [ground.reader], bad),
      ...small
        ? [
          of("hook, genuine, from source", [`${ROOT}/hooks/incoming`], good),
          of(
            "hook, genuine, installed",
            [`${prefix}/lib/countersign/hooks/incoming`],
            good,
            ground.withoutCache(QMAIL),
          ),
        ]
        : [],
      of("hook, genuine, bundled", bundled, good),
      of("hook, genuine, as a filter", [...bundled, "--as", "filter"], good),
      of("hook, forged and filed, bundled", bundled, bad, { status: FILED }),
    ];
    tables.push({ title: `in, ${size}`, rows: await measure(subjects, small ? TIMES : few(10)) });
    for (const file of [good, bad]) Deno.removeSync(file);
  }
  return tables;
}
