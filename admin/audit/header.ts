/** The few fields that matter of a header, found in its bytes: a text is made of almost nothing. */

/** Where things are; one object is used for all messages. */
export class Places {
  /** Behind the empty line; -1: the header does not end here. */
  bodyStart = -1;
  /** Is the sender a person, as far as the first Return-Path, or the mbox line, tells? Else a closer look is due. */
  person = false;
  /** Was it, perhaps, sent to a signed address, or into an SRS domain? */
  signed = false;
  /** Year * 12 + month of arrival, counted from 0, and the day; -1: not known. */
  month = -1;
  day = 1;
  /** The Message-ID between its brackets. */
  idStart = 0;
  idEnd = 0;
  /** The line of an mbox that begins the message; empty without one. */
  lineEnd = 0;
  /** SRS domains of ours, as `holds` compares them. */
  readonly srsDomains: readonly Uint8Array[];

  constructor(srsDomains: readonly string[] = []) {
    this.srsDomains = srsDomains.map((domain) => letters(`@${domain}`));
  }
}

const RETURN_PATH = letters("return-path:");
const RECEIVED = letters("received:");
const DATE = letters("date:");
const MESSAGE_ID = letters("message-id:");
const DAEMON = letters("mailer-daemon");
const FROM = letters("from ");
/** Fields that may name the recipient. */
const RECIPIENTS = ["delivered-to:", "x-original-to:", "envelope-to:", "to:", "x-delivered-to:"].map(letters);
const SRS = [letters("srs0"), letters("srs1"), letters("prvs=")];

const LF = 10, CR = 13, SPACE = 32, TAB = 9, LESS = 60, MORE = 62, SEMICOLON = 59, AT = 64, HASH = 35;

/**
 * Walks the lines of the header.
 *
 * @param brief stop when it is known that a person sent it, and when: there is no Message-ID then
 */
export function findPlaces(bytes: Uint8Array, places: Places, brief: boolean): void {
  places.bodyStart = -1;
  places.person = places.signed = false;
  places.month = -1;
  places.idStart = places.idEnd = places.lineEnd = 0;
  let sender = false;
  let received = false;
  let dateStart = 0;
  let at = 0;
  if (is(bytes, 0, FROM)) {
    const end = bytes.indexOf(LF);
    if (end < 0) return;
    places.lineEnd = end;
    at = end + 1;
    places.person = personal(bytes, FROM.length, end) && has(bytes, FROM.length, end, AT);
  }
  while (at < bytes.length) {
    const newline = bytes.indexOf(LF, at);
    if (newline < 0) return date(bytes, dateStart, places);
    const first = bytes[at]! | 0x20;
    if (newline === at || (bytes[at] === CR && newline === at + 1)) {
      places.bodyStart = newline + 1;
      return date(bytes, dateStart, places);
    }
    if (first === 0x72) { // r
      if (!sender && is(bytes, at, RETURN_PATH)) {
        sender = true;
        places.person = personal(bytes, at + RETURN_PATH.length, newline);
      } else if (!received && is(bytes, at, RECEIVED)) {
        received = true;
        const end = fieldEnd(bytes, newline);
        const semicolon = bytes.subarray(at, end).lastIndexOf(SEMICOLON);
        if (semicolon >= 0) findMonth(bytes, at + semicolon + 1, end, places);
        // Recipients that count stand above this line: of a person's mail no more is wanted.
        if (brief && sender && places.person && places.month >= 0) return;
      }
    } else if (first === 0x64 && is(bytes, at, DATE)) { // d
      dateStart = at + DATE.length;
    } else if (first === 0x6d && places.idEnd === 0 && is(bytes, at, MESSAGE_ID)) { // m
      const end = fieldEnd(bytes, newline);
      const open = bytes.indexOf(LESS, at);
      const close = open < 0 || open >= end ? -1 : bytes.indexOf(MORE, open);
      if (close >= 0 && close < end) {
        places.idStart = open + 1;
        places.idEnd = close;
      }
    }
    // d, x, e, t
    if ((first === 0x64 || first === 0x78 || first === 0x65 || first === 0x74) && !places.signed) {
      for (const name of RECIPIENTS) {
        if (is(bytes, at, name)) places.signed = holds(bytes, at + name.length, newline, places.srsDomains);
      }
    }
    at = newline + 1;
  }
  date(bytes, dateStart, places);
}

/** Where no Received tells when it came, the author does. */
function date(bytes: Uint8Array, start: number, places: Places): void {
  if (places.month < 0 && start > 0) findMonth(bytes, start, fieldEnd(bytes, bytes.indexOf(LF, start)), places);
}

/** The end of a field whose first line ends there: lines that begin with white space belong to it. */
function fieldEnd(bytes: Uint8Array, newline: number): number {
  let end = newline;
  while (end >= 0 && (bytes[end + 1] === SPACE || bytes[end + 1] === TAB)) end = bytes.indexOf(LF, end + 1);
  return end < 0 ? bytes.length : end;
}

/** Neither the null sender nor a daemon. Empty, or not understood: no. */
function personal(bytes: Uint8Array, from: number, end: number): boolean {
  let at = from;
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB || bytes[at] === LESS)) at++;
  const first = bytes[at];
  return at < end && first !== MORE && first !== HASH && first !== CR && !is(bytes, at, DAEMON);
}

function has(bytes: Uint8Array, from: number, end: number, byte: number): boolean {
  const at = bytes.indexOf(byte, from);
  return at >= 0 && at < end;
}

/** Looks for what signed addresses begin with, and for SRS domains. */
function holds(bytes: Uint8Array, from: number, end: number, srsDomains: readonly Uint8Array[]): boolean {
  for (let at = from; at < end; at++) {
    const first = bytes[at]! | 0x20;
    if ((first === 0x73 || first === 0x70) && SRS.some((word) => is(bytes, at, word))) return true;
    if (bytes[at] === AT && srsDomains.some((domain) => is(bytes, at, domain))) return true;
  }
  return false;
}

const MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec";

/** `20 Nov 2026` in a text. */
function findMonth(bytes: Uint8Array, from: number, end: number, places: Places): void {
  let text = "";
  // A date stands at the front; behind it comes, at most, a comment.
  for (let at = from; at < end && text.length < 48; at++) text += String.fromCharCode(bytes[at]!);
  const [, day, name, year] = /(\d{1,2})[ \t\r\n-]{1,8}([A-Za-z]{3})[ \t\r\n-]{1,8}((?:19|20)\d\d)(?!\d)/.exec(text) ??
    [];
  const month = name === undefined ? -1 : MONTHS.indexOf(name.toLowerCase());
  if (month < 0 || month % 3 !== 0) return;
  places.month = Number(year) * 12 + month / 3;
  places.day = Math.min(Math.max(Number(day), 1), 28);
}

/** Lower case: each byte is compared with 0x20 set. */
function letters(text: string): Uint8Array {
  return new TextEncoder().encode(text).map((byte) => byte | 0x20);
}

function is(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if ((bytes[at + i]! | 0x20) !== word[i]) return false;
  return true;
}
