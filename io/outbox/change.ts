/** Changes entries of the outbox by hand: holds, releases, deletes them, or makes them due. */
import type { OutboxEntry } from "../../outgoing/outbox/entry.ts";
import { listEntries, type LockedEntry, lockEntry } from "./store.ts";

/** What a change does to an entry; undefined for nothing. */
export type Change = (entry: OutboxEntry, locked: LockedEntry) => OutboxEntry | undefined;

/** What became of the entries. */
export interface Changed {
  readonly changed: number;
  /** Entries that a runner is sending at the moment. */
  readonly busy: readonly string[];
  /** Names of which there is no entry. */
  readonly missing: readonly string[];
}

/** Changes these entries, or all. @throws {Fail} `temporary` when one cannot be written */
export function changeEntries(outbox: string, names: readonly string[] | "all", change: Change): Changed {
  const there = new Set(listEntries(outbox).flatMap(({ id, entry }) => entry === undefined ? [] : [id]));
  const wanted = names === "all" ? [...there] : [...new Set(names)];
  const busy: string[] = [];
  let changed = 0;
  for (const id of wanted.filter((one) => there.has(one))) {
    const found = lockEntry(outbox, id);
    if (found === undefined) {
      busy.push(id);
      continue;
    }
    using locked = found.locked;
    const after = change(found.entry, locked);
    if (after !== undefined) locked.save(after);
    changed++;
  }
  return { changed, busy, missing: wanted.filter((one) => !there.has(one)) };
}
