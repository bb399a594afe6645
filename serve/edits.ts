/** The changes that make the header that was planned from the header that the mail server has. */
import type { Field, Header } from "../lib/message.ts";
import type { Edit } from "./milter/protocol.ts";

/**
 * Returns the changes to the fields. Insertions come first and from the bottom up, so that each position counts in the
 * header as the mail server has it; then removals, from the bottom up as well, counting what was inserted.
 *
 * @param given the header of the mail server
 * @param planned fields of `given`, in their order, and new ones
 * @param hidden fields of `given` that are not in `planned`, and stay nevertheless
 */
export function headerEdits(given: Header, planned: Header, hidden: ReadonlySet<Field> = new Set()): Edit[] {
  const kept = new Set(hidden);
  // Each new field stands below the field that precedes it in the plan.
  const inserted = new Map<number, Field[]>();
  let above = 0;
  for (const one of planned) {
    let at = above;
    while (at < given.length && (given[at]!.raw !== one.raw || hidden.has(given[at]!))) at++;
    if (at < given.length) {
      kept.add(given[at]!);
      above = at + 1;
    } else inserted.set(above, [...inserted.get(above) ?? [], one]);
  }
  const edits: Edit[] = [];
  for (const [position, fields] of [...inserted].sort(([a], [b]) => b - a)) {
    if (position >= given.length) {
      edits.push(...fields.map((one) => ({ kind: "append", ...nameAndValue(one) }) as const));
    } else {
      for (const one of fields.toReversed()) edits.push({ kind: "insert", above: position, ...nameAndValue(one) });
    }
  }

  const counts = new Map<string, number>();
  const removals: Edit[] = [];
  const count = ({ name }: Field): number => {
    const nth = (counts.get(name.toLowerCase()) ?? 0) + 1;
    counts.set(name.toLowerCase(), nth);
    return nth;
  };
  for (const [at, one] of given.entries()) {
    inserted.get(at)?.forEach(count);
    const nth = count(one);
    if (!kept.has(one)) removals.unshift({ kind: "remove", nth, name: one.name });
  }
  return [...edits, ...removals];
}

function nameAndValue({ name, raw }: Field): { name: string; value: string } {
  return { name, value: raw.slice(raw.indexOf(":") + 1) };
}
