/**
 * The interface of stores that are shared by hosts, or by the users of a host. They contain only opaque names and
 * texts: names are keyed hashes, and texts are encrypted (keyed.ts), so a store neither reveals who wrote to whom, nor
 * can a program without the key forge entries.
 */
import type { SentMessage } from "../../../incoming/need.ts";
import type { StoredEntry } from "../entry_files.ts";

/** The name of an entry, followed by the names that it would have under older keys. */
export type EntryNames = readonly [string, ...string[]];

/**
 * A store. Every method rejects with `Fail` `temporary` when the store cannot be used, or when it is uncertain whether
 * the operation was performed.
 */
export interface SharedStore {
  /** Returns the records of sent mail with these hashes, perhaps with expired ones. */
  sent(hashes: readonly string[]): Promise<SentMessage[]>;
  /** Adds a record of sent mail. */
  rememberSent(hash: string, message: SentMessage): Promise<void>;
  /**
   * Returns the entries for messages, or for lists, of these names. By list, only the first line of each text is
   * returned, because a list may have many entries.
   */
  entries(by: { messages: readonly string[] } | { lists: readonly string[] }): Promise<StoredEntry[]>;
  /** Adds an entry; none if an entry with one of these names exists. @param expires the last day on which it is used */
  issue(names: EntryNames, expires: number, text: string): Promise<void>;
  /** Claims an issued entry. Of several concurrent callers one gets a claim, the others get undefined. */
  claim(name: string): Promise<string | undefined>;
  /** Ends a claim: `spent`, or `issued` again when it is certain that no answer was sent. */
  settle(claim: string, state: "spent" | "issued"): Promise<void>;
  /** Notes that a message was sent and not remembered. @param time in milliseconds since 1970 */
  noteForgotten(time: number): Promise<void>;
  /** Returns when a message was last sent and not remembered. */
  lastForgotten(): Promise<number | undefined>;
  /** Returns a host that may be sending mail which it cannot remember; undefined if there is none. */
  silentHost?(): Promise<string | undefined>;
}

/** Most hashes that are looked up at a time. */
export const MAX_HASHES = 400;
/** Maximum number of names of an entry, or of a lookup of entries. */
export const MAX_NAMES = 64;
/**
 * Maximum number of entries that are returned. If there are more, none is: the challenge is delivered instead of
 * answered, because a deferral would last until enough entries have expired.
 */
export const MAX_ENTRIES = 2000;
/** Maximum length of the text of an entry: 64 KB of a body, encrypted and in base64, and its digests. */
export const MAX_TEXT_BYTES = 128 * 1024;
