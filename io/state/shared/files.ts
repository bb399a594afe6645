/** A shared store in the files of one folder, which `countersign serve` reads and writes for all users of a host. */
import { Fail, reason } from "../../../lib/fail.ts";
import { claimEntry, findEntries, issueEntry, settleEntry, type StoredEntry } from "../entry_files.ts";
import { lastForgotten, noteForgotten } from "../forgotten.ts";
import { recordSent, recordsOf } from "../sent.ts";
import { MAX_ENTRIES, type SharedStore } from "./store.ts";

/** Returns the store in this folder. Its files expire as those of the shim and the hook do (expire.ts). */
export function fileStore(folder: string): SharedStore {
  const [ledger, index] = [`${folder}/ledger`, `${folder}/sent`];
  return {
    sent: (hashes) =>
      temporary(() => [...recordsOf(index, hashes.map((hash) => Uint8Array.fromHex(hash)), new Date())]),
    rememberSent: (hash, message) =>
      temporary(() => {
        try {
          recordSent(index, Uint8Array.fromHex(hash), message);
        } catch (error) {
          // The client sends the message nevertheless, and its own note is reported only with its next message.
          noteForgotten(folder, new Date());
          throw error;
        }
      }),
    entries: (by) =>
      temporary(() => {
        if ("messages" in by) return bounded(by.messages.flatMap((message) => findEntries(ledger, { message })));
        return bounded(by.lists.flatMap((list) => findEntries(ledger, { list }))).map(withoutBody);
      }),
    issue: (names, expires, text) => temporary(() => issueEntry(ledger, names, expires, text)),
    claim: (name) => temporary(() => claimEntry(ledger, name)),
    settle: (claim, state) => temporary(() => settleEntry(ledger, claim, state)),
    noteForgotten: (time) => temporary(() => noteForgotten(folder, new Date(time))),
    lastForgotten: () => temporary(() => lastForgotten(folder)),
  };
}

/** Returns an entry with only the first line of its text. */
function withoutBody({ text, ...entry }: StoredEntry): StoredEntry {
  return { ...entry, text: text.split("\n", 1)[0]! };
}

function bounded(entries: StoredEntry[]): StoredEntry[] {
  return entries.length <= MAX_ENTRIES ? entries : [];
}

/** Reports file system errors as temporary, because a later attempt may succeed. */
function temporary<T>(work: () => T): Promise<T> {
  return Promise.try(() => {
    try {
      return work();
    } catch (error) {
      if (error instanceof Fail && (error.kind === "temporary" || error.kind === "data")) throw error;
      throw new Fail("temporary", `The state cannot be used: ${reason(error)}`, { cause: error });
    }
  });
}
