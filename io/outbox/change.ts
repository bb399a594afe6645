/** Changes entries of the outbox by hand: holds, releases, deletes them, or makes them due. */
import type { OutboxEntry } from "../../outgoing/outbox/entry.ts";
import { listEntries, type LockedEntry, lockEntry } from "./store.ts";

/** What a change makes of an entry; undefined if it has nothing to save, `held` if it does not apply while on hold. */
export type Change = (entry: OutboxEntry, locked: LockedEntry) => OutboxEntry | "held" | "unchanged" | undefined;

/** What happened to the entries. */
export interface Changed {
  readonly changed: number;
  /** Entries that a runner is sending at the moment. */
  readonly busy: readonly string[];
  /** Entries that were left, because they are on hold. */
  readonly held: readonly string[];
  /** Entries that are damaged or cannot be read, and why. */
  readonly unusable: readonly (readonly [id: string, why: string])[];
  /** IDs of entries that do not exist. */
  readonly missing: readonly string[];
}

/** Changes these entries, or all. @throws {Fail} `temporary` when one cannot be written */
export function changeEntries(outbox: string, names: readonly string[] | "all", change: Change): Changed {
  const there = new Map(listEntries(outbox).map((one) => [one.id, one]));
  const wanted = names === "all" ? [...there.keys()] : [...new Set(names)];
  const [busy, held]: [string[], string[]] = [[], []];
  const unusable: [id: string, why: string][] = [];
  let changed = 0;
  for (const id of wanted.filter((one) => there.has(one))) {
    const { damage, unreadable } = there.get(id)!;
    const why = damage ?? unreadable;
    if (why !== undefined) {
      unusable.push([id, why]);
      continue;
    }
    const found = lockEntry(outbox, id);
    if (found === undefined) {
      busy.push(id);
      continue;
    }
    using locked = found.locked;
    const after = change(found.entry, locked);
    if (after === "held") {
      held.push(id);
      continue;
    }
    if (after === "unchanged") continue;
    if (after !== undefined) locked.save(after);
    changed++;
  }
  return { changed, busy, held, unusable, missing: wanted.filter((one) => !there.has(one)) };
}
