/** Finds the few header fields that an audit needs in the bytes of a message, decoding almost none of them. */

/** What was found in a header; one object is reused for all messages. */
export class HeaderFields {
  /** The offset of the body; -1 if the header does not end in these bytes. */
  bodyStart = -1;
  /** Whether the first Return-Path or the mbox line names an ordinary sender; if not, the message has to be judged. */
  person = false;
  /** Whether a recipient may be a signed address or in an SRS domain. */
  signed = false;
  /** Month of arrival, as year * 12 + month counted from 0, and the day of the month; -1 if unknown. */
  month = -1;
  day = 1;
  /** The offsets of the Message-ID without its angle brackets; both 0 if there is none. */
  idStart = 0;
  idEnd = 0;
  /** The end of the `From ` line of an mbox; 0 without one. */
  lineEnd = 0;
  /** The SRS domains of the identities, in the form that `containsSigned` compares. */
  readonly srsDomains: readonly Uint8Array[];

  constructor(srsDomains: readonly string[] = []) {
    this.srsDomains = srsDomains.map((domain) => foldCase(`@${domain}`));
  }
}

const RETURN_PATH = foldCase("return-path:");
const RECEIVED = foldCase("received:");
const DATE = foldCase("date:");
const MESSAGE_ID = foldCase("message-id:");
const DAEMON = foldCase("mailer-daemon");
const FROM = foldCase("from ");
/** Fields that may name the recipient. */
const RECIPIENTS = ["delivered-to:", "x-original-to:", "envelope-to:", "to:", "x-delivered-to:"].map(foldCase);
const SRS = [foldCase("srs0"), foldCase("srs1"), foldCase("prvs=")];

const LF = 10, CR = 13, SPACE = 32, TAB = 9, LESS = 60, MORE = 62, SEMICOLON = 59, AT = 64, HASH = 35;

/**
 * Scans the lines of a header.
 *
 * @param brief whether to stop once the sender is known to be ordinary and the month is known; the Message-ID is then
 *   not found
 */
export function scanHeader(bytes: Uint8Array, fields: HeaderFields, brief: boolean): void {
  fields.bodyStart = -1;
  fields.person = fields.signed = false;
  fields.month = -1;
  fields.idStart = fields.idEnd = fields.lineEnd = 0;
  let sender = false;
  let received = false;
  let dateStart = 0;
  let at = 0;
  if (is(bytes, 0, FROM)) {
    const end = bytes.indexOf(LF);
    if (end < 0) return;
    fields.lineEnd = end;
    at = end + 1;
    fields.person = isOrdinary(bytes, FROM.length, end) && has(bytes, FROM.length, end, AT);
  }
  while (at < bytes.length) {
    const newline = bytes.indexOf(LF, at);
    if (newline < 0) return date(bytes, dateStart, fields);
    const first = bytes[at]! | 0x20;
    if (newline === at || (bytes[at] === CR && newline === at + 1)) {
      fields.bodyStart = newline + 1;
      return date(bytes, dateStart, fields);
    }
    if (first === 0x72) { // r
      if (!sender && is(bytes, at, RETURN_PATH)) {
        sender = true;
        fields.person = isOrdinary(bytes, at + RETURN_PATH.length, newline);
      } else if (!received && is(bytes, at, RECEIVED)) {
        received = true;
        const end = fieldEnd(bytes, newline);
        const semicolon = bytes.subarray(at, end).lastIndexOf(SEMICOLON);
        if (semicolon >= 0) findMonth(bytes, at + semicolon + 1, end, fields);
        // The recipients that the MTA recorded precede this line, and ordinary mail needs no other field.
        if (brief && sender && fields.person && fields.month >= 0) return;
      }
    } else if (first === 0x64 && is(bytes, at, DATE)) { // d
      dateStart = at + DATE.length;
    } else if (first === 0x6d && fields.idEnd === 0 && is(bytes, at, MESSAGE_ID)) { // m
      const end = fieldEnd(bytes, newline);
      const open = bytes.indexOf(LESS, at);
      const close = open < 0 || open >= end ? -1 : bytes.indexOf(MORE, open);
      if (close >= 0 && close < end) {
        fields.idStart = open + 1;
        fields.idEnd = close;
      }
    }
    // d, x, e, t
    if ((first === 0x64 || first === 0x78 || first === 0x65 || first === 0x74) && !fields.signed) {
      for (const name of RECIPIENTS) {
        if (is(bytes, at, name)) fields.signed = containsSigned(bytes, at + name.length, newline, fields.srsDomains);
      }
    }
    at = newline + 1;
  }
  date(bytes, dateStart, fields);
}

/** Uses the Date field if no Received field has a date. */
function date(bytes: Uint8Array, start: number, fields: HeaderFields): void {
  if (fields.month < 0 && start > 0) findMonth(bytes, start, fieldEnd(bytes, bytes.indexOf(LF, start)), fields);
}

/** Returns the end of a field whose first line ends at `newline`, including continuation lines. */
function fieldEnd(bytes: Uint8Array, newline: number): number {
  let end = newline;
  while (end >= 0 && (bytes[end + 1] === SPACE || bytes[end + 1] === TAB)) end = bytes.indexOf(LF, end + 1);
  return end < 0 ? bytes.length : end;
}

/** Whether an address is neither the null sender nor a daemon; false if it is empty or malformed. */
function isOrdinary(bytes: Uint8Array, from: number, end: number): boolean {
  let at = from;
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB || bytes[at] === LESS)) at++;
  const first = bytes[at];
  return at < end && first !== MORE && first !== HASH && first !== CR && !is(bytes, at, DAEMON);
}

function has(bytes: Uint8Array, from: number, end: number, byte: number): boolean {
  const at = bytes.indexOf(byte, from);
  return at >= 0 && at < end;
}

/** Whether the bytes contain the prefix of a signed address, or an SRS domain. */
function containsSigned(bytes: Uint8Array, from: number, end: number, srsDomains: readonly Uint8Array[]): boolean {
  for (let at = from; at < end; at++) {
    const first = bytes[at]! | 0x20;
    if ((first === 0x73 || first === 0x70) && SRS.some((word) => is(bytes, at, word))) return true;
    if (bytes[at] === AT && srsDomains.some((domain) => is(bytes, at, domain))) return true;
  }
  return false;
}

const MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec";

/** Finds a date such as `20 Nov 2026`. */
function findMonth(bytes: Uint8Array, from: number, end: number, fields: HeaderFields): void {
  let text = "";
  // The date comes first, followed at most by a comment.
  for (let at = from; at < end && text.length < 48; at++) text += String.fromCharCode(bytes[at]!);
  const [, day, name, year] = /(\d{1,2})[ \t\r\n-]{1,8}([A-Za-z]{3})[ \t\r\n-]{1,8}((?:19|20)\d\d)(?!\d)/.exec(text) ??
    [];
  const month = name === undefined ? -1 : MONTHS.indexOf(name.toLowerCase());
  if (month < 0 || month % 3 !== 0) return;
  fields.month = Number(year) * 12 + month / 3;
  fields.day = Math.min(Math.max(Number(day), 1), 28);
}

/** Returns the bytes in lower case, by setting 0x20; `is` does the same with the bytes that it compares. */
function foldCase(text: string): Uint8Array {
  return new TextEncoder().encode(text).map((byte) => byte | 0x20);
}

function is(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if ((bytes[at + i]! | 0x20) !== word[i]) return false;
  return true;
}
