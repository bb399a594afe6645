/** The ledger in files: entries in JSON under the digests of Message-ID and list. */
import {
  type Entry,
  entryName,
  type Found,
  type Ledger,
  listDigest,
  messageDigest,
  parseEntry,
  printEntry,
} from "../../lib/entry.ts";
import { claimEntry, expireEntries, findEntries, issueEntry, settleEntry } from "./entry_files.ts";

/** A ledger in which the names of entries do not depend on who sent the message. */
export interface FileLedger extends Ledger {
  find(by: { messageId: string } | { list: string }): Promise<Found[]>;
  issue(entry: Entry): Promise<void>;
}

/** Returns the ledger in this folder. The folder is created when the first entry is issued. */
export function fileLedger(folder: string): FileLedger {
  return {
    find: (by) => Promise.try(() => find(folder, by)),
    issue: (entry) => Promise.try(() => issueEntry(folder, [entryName(entry)], entry.expires, printEntry(entry))),
    claim: (name) => Promise.try(() => claimEntry(folder, name)),
    settle: (mine, state) => Promise.try(() => settleEntry(folder, mine, state)),
    expire: (today, limit) => Promise.try(() => expireEntries(folder, today, limit)),
  };
}

function find(folder: string, by: { messageId: string } | { list: string }): Found[] {
  const digests = "messageId" in by ? { message: messageDigest(by.messageId) } : { list: listDigest(by.list) };
  return findEntries(folder, digests).flatMap(({ text, ...stored }) => {
    const entry = parseEntry(text);
    return entry === undefined ? [] : [{ ...stored, entry }];
  });
}
