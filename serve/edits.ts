/** Computes the edits that turn the header of the mail server into the planned header. */
import { type Field, type Header, named } from "../lib/message.ts";
import { TAG_FIELD } from "../lib/tag.ts";
import type { Edit } from "./milter/protocol.ts";

/**
 * Returns the changes to the fields. Insertions come first and from the bottom up, so that each position counts in the
 * header as the mail server has it; then removals, also from the bottom up, with insertions counted.
 *
 * @param given the header of the mail server
 * @param planned fields of `given`, in their order, and new ones
 * @param hidden fields of `given` that are not in `planned` and are kept nevertheless
 */
export function headerEdits(given: Header, planned: Header, hidden: ReadonlySet<Field> = new Set()): Edit[] {
  const { kept, inserted } = difference(given, planned, hidden);
  const edits: Edit[] = [];
  for (const [position, fields] of [...inserted].sort(([a], [b]) => b - a)) {
    if (position >= given.length) {
      edits.push(...fields.map((one) => ({ kind: "append", ...nameAndValue(one) }) as const));
    } else {
      for (const one of fields.toReversed()) edits.push({ kind: "insert", above: position, ...nameAndValue(one) });
    }
  }
  return [...edits, ...removals(given, kept, inserted)];
}

/**
 * Returns the changes for Sendmail. The positions in its header also count the fields that it may add itself, whose
 * number depends on its configuration, and a field that it would add must be appended, or there are two of them. So a
 * new tag goes to the top, below the Received field of Sendmail, and everything else where Sendmail puts it.
 */
export function sendmailEdits(given: Header, planned: Header, hidden: ReadonlySet<Field> = new Set()): Edit[] {
  const { kept, inserted } = difference(given, planned, hidden);
  const added = [...inserted.values()].flat().map((one): Edit =>
    named(one, TAG_FIELD)
      ? { kind: "insert", above: TOP, ...nameAndValue(one) }
      : { kind: "append", ...nameAndValue(one) }
  );
  // Removed first: the new field of the same name may be placed above the old one.
  return [...removals(given, kept, new Map()), ...added];
}

/** The position below Return-Path and Received, the first header lines in every sendmail.cf. */
const TOP = 1;

/** The difference between two headers. */
interface Difference {
  /** Fields that are kept. */
  readonly kept: ReadonlySet<Field>;
  /** New fields, by the number of given fields above them. */
  readonly inserted: ReadonlyMap<number, readonly Field[]>;
}

function difference(given: Header, planned: Header, hidden: ReadonlySet<Field>): Difference {
  const kept = new Set(hidden);
  // Each new field is inserted below the field that precedes it in the plan.
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
  return { kept, inserted };
}

/** Returns the removals from the bottom up; positions count the insertions. */
function removals(given: Header, kept: Difference["kept"], inserted: Difference["inserted"]): Edit[] {
  const counts = new Map<string, number>();
  const edits: Edit[] = [];
  const count = ({ name }: Field): number => {
    const nth = (counts.get(name.toLowerCase()) ?? 0) + 1;
    counts.set(name.toLowerCase(), nth);
    return nth;
  };
  for (const [at, one] of given.entries()) {
    inserted.get(at)?.forEach(count);
    const nth = count(one);
    if (!kept.has(one)) edits.unshift({ kind: "remove", nth, name: one.name });
  }
  return edits;
}

function nameAndValue({ name, raw }: Field): { name: string; value: string } {
  return { name, value: raw.slice(raw.indexOf(":") + 1) };
}
