/**
 * What is remembered of a message to a list, so that a challenge about it can
 * be compared with what was really sent. Pure; io/state/ledger.ts keeps the files.
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

/** Octets of a body that are remembered. */
export const LEDGER_BODY_BYTES = 64 * 1024;
/** The header field of a pymsgauth token. */
export const TOKEN_FIELD = "X-pymsgauth-token";
/** Days for which an entry can be answered. */
export const LEDGER_DAYS = 7;

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
  /** Did it go to nobody else in the list's domain? A challenge that names no list can then be about no other. */
  readonly alone: boolean;
  /** What it asks of list software; undefined: nothing, or nothing that is certain. */
  readonly request?: Request;
  /** Digest of the token of pymsgauth that it carries. */
  readonly token?: string;
  /** Digests of {@link COMPARED_FIELDS}, in that order. */
  readonly fields: readonly string[];
  /** The beginning of its body. */
  readonly body: RememberedBody;
}

/** The beginning of a body, readable only with the key. */
export interface RememberedBody {
  /** The id of the key. */
  readonly key: string;
  readonly sealed: string;
  /** Is this all of the body? */
  readonly whole: boolean;
}

/** An entry whose body is still to be sealed. */
export type Draft = Omit<Entry, "body"> & {
  readonly body: { readonly key: Key; readonly text: Bytes; readonly whole: boolean };
};

/** An entry's states; each is left by renaming, once. */
export type State = "issued" | "claimed" | "spent";

/** An entry that was found. */
export interface Found {
  /** Its name in the store. */
  readonly name: string;
  readonly state: State;
  readonly entry: Entry;
}

/** The part of a ledger that a check may use: it only looks. */
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

/** A message as it leaves. */
export interface Outgoing {
  readonly identity: Identity;
  readonly recipients: readonly Address[];
  readonly header: Header;
  /** The body, or its beginning. */
  readonly body: Uint8Array;
  /** Is this all of the body? */
  readonly whole: boolean;
}

/** The entry for a message to this list; undefined when no key signs, because then no challenge is answered. */
export function makeEntry(list: Address, message: Outgoing, now: Date): Draft | undefined {
  const { identity, recipients, header, whole } = message;
  const key = signingKey(identity.keys, now);
  if (key === undefined) return undefined;
  const complete = whole && message.body.length <= LEDGER_BODY_BYTES;
  const begun = unixText(message.body.subarray(0, LEDGER_BODY_BYTES));
  const body = complete ? ended(begun) : begun.replace(/\r$/, ""); // its LF may be what was cut off
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

/** What a challenge quotes of a message. */
export interface Quotation {
  readonly header: Header;
  /** What it quotes of the body, to the end of the quotation. */
  readonly body: Uint8Array;
  /** Does a last line without a line end stand as it was sent? Else it may have been cut. */
  readonly ended: boolean;
  /** Does this kind of challenge show headers alone? Else at least one line of the body must agree. */
  readonly headerOnly: boolean;
}

/**
 * Does what a challenge quotes agree with the entry, to its end?
 *
 * @param sent the remembered body; undefined when no valid key of the identity opens it
 * @returns why not; undefined when it does
 */
export function disagreement(entry: Entry, sent: string | undefined, quoted: Quotation): string | undefined {
  const given = fieldDigests(quoted.header);
  const other = COMPARED_FIELDS.find((_, nth) => given[nth] === TOO_LONG || given[nth] !== entry.fields[nth]);
  if (other !== undefined) return `the quoted ${other} is not what was sent`;
  if (sent === undefined) return "the ledger's entry was not made with a valid key of this identity";
  return bodyDisagreement(sent, entry.body.whole, quoted);
}

function bodyDisagreement(sent: string, whole: boolean, quoted: Quotation): string | undefined {
  const all = quoted.ended ? ended(unixText(quoted.body)) : unixText(quoted.body);
  // Empty lines at the end may be the frame's. A line that is ended was quoted whole.
  const text = withoutEmptyLines(all);
  const lastLine = text.length < all.length ? "\n" : "";
  if (!sent.startsWith(text + (text === "" ? "" : lastLine))) {
    const beyond = !whole && text.startsWith(sent);
    return beyond ? "more of the body is quoted than is remembered" : "the quoted body is not what was sent";
  }
  const lines = text === "" ? all !== "" && sent.startsWith("\n") : `${text}${lastLine}`.includes("\n");
  const nothingElse = withoutEmptyLines(sent) === text;
  return lines || nothingElse || quoted.headerOnly ? undefined : "no line of the body is quoted";
}

/** The text with LF as its line ends. */
const unixText = (bytes: Uint8Array): string => decodeLatin1(bytes).replaceAll("\r\n", "\n");

/** The text with its last line ended, as mail travels. */
const ended = (text: string): string => text === "" || text.endsWith("\n") ? text : `${text}\n`;

function withoutEmptyLines(text: string): string {
  let end = text.length; // not by pattern, which tries each run of line ends from each of its places
  while (text[end - 1] === "\n") end--;
  return text.slice(0, end);
}

/** Characters of a field that can be compared: under `--lite-mode` a digest takes time, and a stranger may write more. */
const MAX_COMPARED_LENGTH = 16 * 1024;
/** In the place of the digest of a longer field, which agrees with nothing. */
const TOO_LONG = "";

function fieldDigests(header: Header): string[] {
  return comparedFields(header).map((text) => text.length > MAX_COMPARED_LENGTH ? TOO_LONG : digest(text));
}

/** Did the message leave with this token of pymsgauth? */
export function hasToken(entry: Entry, token: string): boolean {
  return entry.token !== undefined && entry.token === digest(token);
}

/** The digest of a Message-ID, by which entries are named: nothing that a stranger wrote. */
export const messageDigest = (messageId: string): string => digest(messageId);

/** The digest of a list's address. */
export const listDigest = (list: string): string => digest(list.toLowerCase());

/** The name of an entry: both digests. */
export function entryName({ messageId, list }: Pick<Entry, "messageId" | "list">): string {
  return `${messageDigest(messageId)}-${listDigest(list)}`;
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
