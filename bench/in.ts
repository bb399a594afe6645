/** Incoming mail: a genuine bounce continues, a forged one is read to its end and filed by a program. */
import { ROOT } from "../build/rig/home.ts";
import { type BenchHome, fewer, TIMES } from "./home.ts";
import { measure, type Subject } from "./measure.ts";
import { forged, genuine, SIZES } from "./messages.ts";
import type { Table } from "./report.ts";

/** The environment that qmail-local sets for a bounce to the plain address. */
export const QMAIL = { SENDER: "", RECIPIENT: "greg@example.org", HOST: "example.org", EXT: "" };
/** The exit status of a hook under qmail after it has filed the message (hooks/exits.ts). */
export const FILED = 99;

/** Measures bounces of four sizes. */
export async function incoming(home: BenchHome): Promise<Table[]> {
  const [dist, prefix] = [await home.bundled(), await home.installed()];
  const bundled = home.deno(`${dist}/hooks/incoming.js`, "incoming");
  const env = home.variables(QMAIL);
  const tables: Table[] = [];
  for (const [size, bytes] of Object.entries(SIZES)) {
    const [good, bad] = [genuine(home, bytes), forged(home, bytes)];
    const subject = (name: string, argv: string[], input: string, more: Partial<Subject> = {}) =>
      home.subject(name, argv, input, { env, ...more });
    const small = bytes <= SIZES["1 MB"];
    const subjects = [
      home.nothing(),
      subject("the reader alone", [home.reader], bad),
      ...small
        ? [
          subject("hook, genuine, from source", [`${ROOT}/hooks/incoming`], good),
          subject(
            "hook, genuine, installed",
            [`${prefix}/lib/countersign/hooks/incoming`],
            good,
            home.withoutCache(QMAIL),
          ),
        ]
        : [],
      subject("hook, genuine, bundled", bundled, good),
      subject("hook, genuine, as a filter", [...bundled, "--as", "filter"], good),
      subject("hook, forged and filed, bundled", bundled, bad, { status: FILED }),
    ];
    tables.push({ title: `in, ${size}`, rows: await measure(subjects, small ? TIMES : fewer(10)) });
    for (const file of [good, bad]) Deno.removeSync(file);
  }
  return tables;
}
