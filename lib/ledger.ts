/**
 * What is remembered of a message to a list, so that a challenge about it can
 * be compared with what was really sent. Pure; state/ledger.ts keeps the files.
 */
import { parseAddressList } from "./address.ts";
import { concat, utf8 } from "./bytes.ts";
import { dayOf } from "./day.ts";
import { type Header, value, values } from "./message.ts";
import { bareMessageId } from "./message_id.ts";
import { decodeWords } from "./mime.ts";

/** Body lines that are remembered. */
export const LINES = 64;
/** Days for which an entry can be answered. */
export const ENTRY_DAYS = 7;

/** One message to one list. */
export interface Entry {
  /** What stands between the brackets of the Message-ID; empty for a request, about which a challenge shows nothing. */
  readonly messageId: string;
  /** The address that it was sent to, lower case. */
  readonly list: string;
  /** The identity that sent it, lower case. */
  readonly from: string;
  /** The last day on which a challenge is answered. */
  readonly expires: number;
  /** Digests of From, Date, Subject. */
  readonly fields: readonly [string, string, string];
  /** A chain: each digest covers its line and all before it. */
  readonly lines: readonly string[];
}

/** An entry's states; each is left by renaming, once. */
export type State = "issued" | "claimed" | "spent";

/** An entry that was found. */
export interface Found {
  /** Its name in the store. */
  readonly name: string;
  readonly state: State;
  readonly entry: Entry;
}

/** Looking is all that a check may do. */
export interface LedgerView {
  /** The entries of a Message-ID, or of a list address; in the order of their names. */
  find(by: { messageId: string } | { list: string }): Promise<Found[]>;
}

/** A store of entries. */
export interface Ledger extends LedgerView {
  /** Records an entry; when it returns, the entry is on the disk. One that is there already stays as it is. */
  issue(entry: Entry): Promise<void>;
  /** Takes an issued entry for oneself. Of many at once one gets a claim, the others undefined. */
  claim(name: string): Promise<string | undefined>;
  /** Ends a claim: `spent`, or `issued` again when it is certain that nothing was answered. */
  settle(claim: string, state: "spent" | "issued"): Promise<void>;
  /** Removes at most so many expired entries. */
  clean(today: number, most: number): Promise<number>;
}

/** The entry for a message as it leaves. */
export async function makeEntry(
  from: string,
  list: string,
  header: Header,
  body: readonly Uint8Array[],
  now: Date,
): Promise<Entry> {
  return {
    from,
    messageId: bareMessageId(value(header, "Message-ID") ?? ""),
    list: list.toLowerCase(),
    expires: dayOf(now) + ENTRY_DAYS,
    fields: await fieldDigests(header),
    lines: await chain(body.slice(0, LINES)),
  };
}

/**
 * Does what a challenge quotes agree with the entry?
 *
 * @param body the complete body lines that it quotes
 * @param headerOnly does this kind of challenge show headers alone? Else at least one line must agree
 * @returns why not; undefined when it does
 */
export async function disagreement(
  entry: Entry,
  header: Header,
  body: readonly Uint8Array[],
  headerOnly: boolean,
): Promise<string | undefined> {
  const given = await fieldDigests(header);
  for (const [nth, name] of FIELDS.entries()) {
    if (given[nth] !== entry.fields[nth]) return `the quoted ${name} is not what was sent`;
  }
  const quoted = await chain(body.slice(0, LINES));
  // An empty line at the end that was not sent there is the frame's, not the message's.
  while (body[quoted.length - 1]?.length === 0 && quoted.at(-1) !== entry.lines[quoted.length - 1]) quoted.pop();
  // Behind as many empty lines as are looked at anything could stand.
  const more = entry.lines.length < LINES && body.length > LINES;
  if (more || quoted.some((digest, nth) => digest !== entry.lines[nth])) return "the quoted body is not what was sent";
  if (quoted.length === 0 && entry.lines.length > 0 && !headerOnly) return "no line of the body is quoted";
  return undefined;
}

const FIELDS = ["From", "Date", "Subject"] as const;

async function fieldDigests(header: Header): Promise<[string, string, string]> {
  const out: string[] = [];
  for (const name of FIELDS) {
    // All of them: one that was put beside ours would be the one that a list shows.
    const given = values(header, name).join("\0");
    const text = name === "From" ? author(given) : name === "Subject" ? decodeWords(given) : given;
    out.push(await digest(utf8(text.replace(/\s+/g, " ").trim())));
  }
  return out as [string, string, string];
}

/** Name and address of each author; how a name is quoted is the business of MTAs. */
function author(from: string): string {
  try {
    return parseAddressList(from, { bare: true }).map(({ name, address }) =>
      `${decodeWords(name)} <${(address ? `${address.local}@${address.domain}` : "").toLowerCase()}>`
    ).join(",");
  } catch {
    return from;
  }
}

async function chain(lines: readonly Uint8Array[]): Promise<string[]> {
  const out: string[] = [];
  let last = new Uint8Array();
  for (const line of lines) {
    const text = await digest(concat(last, line));
    out.push(text);
    last = utf8(text);
  }
  return out;
}

async function digest(bytes: Uint8Array): Promise<string> {
  const whole = await crypto.subtle.digest("SHA-256", new Uint8Array(bytes));
  return new Uint8Array(whole, 0, 16).toHex();
}

/** The digest of a Message-ID, by which entries are named: nothing that a stranger wrote. */
export const messageDigest = (messageId: string): Promise<string> => digest(utf8(messageId));

/** The digest of a list's address. */
export const listDigest = (list: string): Promise<string> => digest(utf8(list.toLowerCase()));

/** The name of an entry: both digests. */
export async function entryName({ messageId, list }: Pick<Entry, "messageId" | "list">): Promise<string> {
  return `${await messageDigest(messageId)}-${await listDigest(list)}`;
}

/** An entry as it is written. */
export const printEntry = (entry: Entry): string => JSON.stringify(entry) + "\n";

/** An entry as it was written; undefined for a text that is none: then nothing is answered. */
export function parseEntry(text: string): Entry | undefined {
  let entry: Entry | null;
  try {
    entry = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (entry === null) return undefined;
  const texts = (list: unknown) => Array.isArray(list) && list.every((one) => typeof one === "string");
  const right = [entry.messageId, entry.list, entry.from].every((one) => typeof one === "string") &&
    Number.isInteger(entry.expires) && texts(entry.fields) && entry.fields.length === 3 && texts(entry.lines);
  return right ? entry : undefined;
}

/** The lines in a piece of a body: complete ones, and the last one when the body ends there. */
export function bodyLines(body: Uint8Array, whole: boolean): Uint8Array[] {
  const out: Uint8Array[] = [];
  let at = 0;
  for (let end; out.length <= LINES && (end = body.indexOf(10, at)) >= 0; at = end + 1) {
    out.push(body.subarray(at, body[end - 1] === 13 ? end - 1 : end));
  }
  if (whole && at < body.length && out.length <= LINES) out.push(body.subarray(at));
  return out;
}
