/**
 * Ledger entries: what is remembered about a message to a list, so that a challenge can be compared with the message
 * that was really sent. This module is pure; io/state/ledger.ts stores the entries.
 */
import { type Address, canonical } from "./address.ts";
import { type Bytes, decodeLatin1, encodeLatin1 } from "./bytes.ts";
import { COMPARED_FIELDS, comparedFields } from "./compared.ts";
import { dayOf } from "./date.ts";
import { digest } from "./digest.ts";
import { canonicalAddress, type Identity } from "./settings/identity.ts";
import { type Key, signingKey } from "./settings/keys.ts";
import { type Header, named, value } from "./message.ts";
import { bareMessageId, messageIdBody } from "./message_id.ts";
import { type Request, requestIn } from "./requests.ts";

/** Number of bytes of a body that are remembered. */
export const LEDGER_BODY_BYTES = 64 * 1024;
/** The name of the header field with a pymsgauth token. */
export const TOKEN_FIELD = "X-pymsgauth-token";
/** Number of days for which challenges about an entry are answered. */
export const LEDGER_DAYS = 7;

/** An entry for one message to one list. */
export interface Entry {
  /** The Message-ID without brackets; empty for a request whose challenge does not return the message. */
  readonly messageId: string;
  /** The address of the list, in lower case. */
  readonly list: string;
  /** The identity that sent it, in lower case. */
  readonly from: string;
  /** The last day on which a challenge is answered, in days since 1970-01-01. */
  readonly expires: number;
  /** Whether it had no other recipient in the list's domain, so that a challenge without a list name is unambiguous. */
  readonly alone: boolean;
  /** The request to list software that it contains; undefined when there is none or it is ambiguous. */
  readonly request?: Request;
  /** The digest of its pymsgauth token. */
  readonly token?: string;
  /** The digests of {@link COMPARED_FIELDS}, in that order. */
  readonly fields: readonly string[];
  /** The beginning of its body. */
  readonly body: RememberedBody;
}

/** The encrypted beginning of a body. */
export interface RememberedBody {
  /** The id of the key. */
  readonly key: string;
  readonly sealed: string;
  /** Whether this is the entire body. */
  readonly whole: boolean;
}

/** An entry whose body is not encrypted yet. */
export type Draft = Omit<Entry, "body"> & {
  readonly body: { readonly key: Key; readonly text: Bytes; readonly whole: boolean };
};

/** The state of an entry, which changes by renaming its file. */
export type State = "issued" | "claimed" | "spent";

/** An entry in the store. */
export interface Found {
  /** Its name in the store. */
  readonly name: string;
  readonly state: State;
  readonly entry: Entry;
}

/** The read-only view of a ledger that checks use. */
export interface LedgerView {
  /** Finds the entries for a Message-ID or a list address that one of these identities sent, ordered by name. */
  find(by: { messageId: string } | { list: string }, senders: readonly Identity[]): Promise<Found[]>;
}

/** A store of entries. */
export interface Ledger extends LedgerView {
  /** Adds an entry, which is on the disk when the promise resolves. An entry that exists already is not changed. */
  issue(entry: Entry, sender: Identity): Promise<void>;
  /** Claims an issued entry. Of several concurrent callers one gets a claim, the others get undefined. */
  claim(name: string): Promise<string | undefined>;
  /** Ends a claim: `spent`, or `issued` again when it is certain that no answer was sent. */
  settle(claim: string, state: "spent" | "issued"): Promise<void>;
  /** Removes up to `limit` expired entries and returns how many. */
  expire(today: number, limit: number): Promise<number>;
}

/** A message as it is sent. */
export interface Outgoing {
  readonly identity: Identity;
  readonly recipients: readonly Address[];
  readonly header: Header;
  /** The body, or its beginning. */
  readonly body: Uint8Array;
  /** Whether this is the entire body. */
  readonly whole: boolean;
}

/** Creates the entry for a message to this list. Returns undefined when no key can sign: then nothing is answered. */
export function makeEntry(list: Address, message: Outgoing, now: Date): Draft | undefined {
  const { identity, recipients, header, whole } = message;
  const key = signingKey(identity.keys, now);
  if (key === undefined) return undefined;
  const complete = whole && message.body.length <= LEDGER_BODY_BYTES;
  const start = unixText(message.body.subarray(0, LEDGER_BODY_BYTES));
  const body = complete ? ended(start) : start.replace(/\r$/, ""); // the LF after it may have been cut off
  const request = requestIn(list, message);
  const token = value(header, TOKEN_FIELD);
  const domain = list.domain.toLowerCase();
  const id = header.find((one) => named(one, "Message-ID"));
  return {
    messageId: id === undefined ? "" : bareMessageId(messageIdBody(id)),
    list: canonical(list),
    from: canonicalAddress(identity),
    expires: dayOf(now) + LEDGER_DAYS,
    alone: recipients.filter((one) => one.domain.toLowerCase() === domain).length === 1,
    ...(request && { request }),
    ...(token !== undefined && { token: digest(token) }),
    fields: fieldDigests(header),
    body: { key, text: encodeLatin1(body), whole: complete },
  };
}

/** The part of a message that a challenge quotes. */
export interface Quotation {
  readonly header: Header;
  /** The quoted part of the body, to the end of the quotation. */
  readonly body: Uint8Array;
  /** Whether a last line without a line ending is complete; otherwise it may have been truncated. */
  readonly ended: boolean;
  /** Whether this kind of challenge quotes headers only. Otherwise at least one line of the body must match. */
  readonly headerOnly: boolean;
}

/**
 * Compares the message that a challenge quotes with the entry, to the end of the quotation.
 *
 * @param sent the remembered body; undefined when no valid key of the identity decrypts it
 * @returns how they differ; undefined when they match
 */
export function disagreement(entry: Entry, sent: string | undefined, quoted: Quotation): string | undefined {
  const given = fieldDigests(quoted.header);
  const other = COMPARED_FIELDS.find((_, nth) => given[nth] === TOO_LONG || given[nth] !== entry.fields[nth]);
  if (other !== undefined) return `the quoted ${other} differs from what was sent`;
  if (sent === undefined) return "the ledger entry was not encrypted with a valid key of this identity";
  return bodyDisagreement(sent, entry.body.whole, quoted);
}

function bodyDisagreement(sent: string, whole: boolean, quoted: Quotation): string | undefined {
  const all = quoted.ended ? ended(unixText(quoted.body)) : unixText(quoted.body);
  // Empty lines at the end may belong to the challenge. A line with a line ending was quoted completely.
  const text = withoutEmptyLines(all);
  const lastLine = text.length < all.length ? "\n" : "";
  if (!sent.startsWith(text + (text === "" ? "" : lastLine))) {
    const beyond = !whole && text.startsWith(sent);
    return beyond ? "it quotes more of the body than is remembered" : "the quoted body differs from what was sent";
  }
  const lines = text === "" ? all !== "" && sent.startsWith("\n") : `${text}${lastLine}`.includes("\n");
  const nothingElse = withoutEmptyLines(sent) === text;
  return lines || nothingElse || quoted.headerOnly ? undefined : "no line of the body is quoted";
}

/** Decodes text and converts its line endings to LF. */
const unixText = (bytes: Uint8Array): string => decodeLatin1(bytes).replaceAll("\r\n", "\n");

/** Adds the line ending that the last line gets in transit. */
const ended = (text: string): string => text === "" || text.endsWith("\n") ? text : `${text}\n`;

function withoutEmptyLines(text: string): string {
  let end = text.length; // a regular expression would take quadratic time
  while (text[end - 1] === "\n") end--;
  return text.slice(0, end);
}

/** Maximum length of a field that is compared, in characters: digests are slow under `--lite-mode`. */
const MAX_COMPARED_LENGTH = 16 * 1024;
/** Replaces the digest of a longer field, and matches nothing. */
const TOO_LONG = "";

function fieldDigests(header: Header): string[] {
  return comparedFields(header).map((text) => text.length > MAX_COMPARED_LENGTH ? TOO_LONG : digest(text));
}

/** Returns whether the message was sent with this pymsgauth token. */
export function hasToken(entry: Entry, token: string): boolean {
  return entry.token === digest(token);
}

/** Returns the digest of a Message-ID, so that the names of entries contain no untrusted text. */
export const messageDigest = (messageId: string): string => digest(messageId);

/** Returns the digest of a list address. */
export const listDigest = (list: string): string => digest(list.toLowerCase());

/** Returns the name of an entry, which consists of both digests. */
export function entryName({ messageId, list }: Pick<Entry, "messageId" | "list">): string {
  return `${messageDigest(messageId)}-${listDigest(list)}`;
}

/** Serializes an entry. */
export const printEntry = (entry: Entry): string => JSON.stringify(entry) + "\n";

/** Parses an entry. Returns undefined when the text is not an entry; then nothing is answered. */
export function parseEntry(text: string): Entry | undefined {
  let entry: Entry | null;
  try {
    entry = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (entry === null) return undefined;
  return isEntry(entry) ? entry : undefined;
}

function isEntry({ messageId, list, from, expires, alone, request, token, fields, body }: Entry): boolean {
  const isText = (text: unknown) => typeof text === "string";
  const isOptional = (text: unknown) => text === undefined || isText(text);
  return [messageId, list, from].every(isText) && Number.isInteger(expires) && typeof alone === "boolean" &&
    (request === undefined || isRequest(request)) && isOptional(token) &&
    Array.isArray(fields) && fields.length === COMPARED_FIELDS.length && fields.every(isText) &&
    isText(body?.key) && isText(body.sealed) && typeof body.whole === "boolean";
}

function isRequest(request: Request | null): boolean {
  return request !== null && /^(?:un)?subscribe$/.test(request.command) && typeof request.list === "string" &&
    (request.subscriber === undefined || typeof request.subscriber === "string");
}
