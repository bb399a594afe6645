/** The header of a message (RFC 5322 section 2.2) as ordered raw fields. The body is never parsed. */
import { type Bytes, concat, decodeLatin1, encodeLatin1, latin1ToUtf8, utf8ToLatin1 } from "./bytes.ts";

/** One header field. */
export interface Field {
  /** The name as written. */
  readonly name: string;
  /** The whole field as a Latin-1 string: folded as received, lines separated by LF, no LF at the end. */
  readonly raw: string;
}

/** All fields, in order. */
export type Header = readonly Field[];

/** A header, and where the body begins in the bytes it was read from. */
export interface Head {
  readonly header: Header;
  /** Where the header begins, after any mbox lines. */
  readonly headStart: number;
  readonly bodyStart: number;
  /** Whether the header was cut and continues in the body. */
  readonly cut?: boolean;
}

/** A message in transit: its header ready to be written, its body still being read. */
export interface Message {
  /** The header and the empty line. */
  readonly head: Bytes;
  /** The body, in chunks. A chunk is valid until the next one is requested. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Whether the whole message has been read, so that the body never waits for input. */
  readonly whole?: boolean | undefined;
}

const NAME = /^([!-9;-~]+)[ \t]*:/;

/**
 * Parses the header at the beginning of a message.
 *
 * Leading mbox lines (`From x`) are dropped and CRLF becomes LF. The header ends
 * at the empty line, or before the first line that cannot be part of a header;
 * that line then begins the body, as in Sendmail.
 *
 * @param bytes the message, or its beginning
 * @param whole whether this is the whole message
 * @returns undefined when the header does not end within `bytes` and there may be more
 */
export function parseHead(bytes: Uint8Array, whole: boolean): Head | undefined {
  const header: Field[] = [];
  let headStart = 0;
  let lines: string[] = [];
  const close = () => {
    if (lines.length > 0) header.push({ name: NAME.exec(lines[0]!)![1]!, raw: lines.join("\n") });
    lines = [];
  };
  // Decoded as one string: decoding line by line takes three times as long.
  const text = decodeLatin1(bytes.subarray(0, emptyLine(bytes)));
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf("\n", at);
    if (newline < 0 && !whole) return undefined;
    const end = newline < 0 ? text.length : newline;
    const next = newline < 0 ? text.length : newline + 1;
    const line = text.slice(at, text[end - 1] === "\r" ? end - 1 : end);
    if (line === "") {
      close();
      return { header, headStart, bodyStart: next };
    }
    if (/^[ \t]/.test(line) && lines.length > 0) lines.push(withoutReturns(line));
    else if (NAME.test(line)) {
      close();
      lines = [withoutReturns(line)];
    } else if (header.length === 0 && lines.length === 0 && /^>?From /.test(line)) headStart = next;
    else {
      close();
      return { header, headStart, bodyStart: at };
    }
    at = next;
  }
  close();
  return whole ? { header, headStart, bodyStart: bytes.length } : undefined;
}

/** Returns the offset after the first empty line, or the length if there is none. */
function emptyLine(bytes: Uint8Array): number {
  for (let at = 0, newline; (newline = bytes.indexOf(10, at)) >= 0; at = newline + 1) {
    if (newline === at || (newline === at + 1 && bytes[at] === 13)) return newline + 1;
  }
  return bytes.length;
}

/**
 * Removes CRs at the end of a line, which would become part of a CRLF. A regular expression would take quadratic time.
 */
function withoutReturns(line: string): string {
  let end = line.length;
  while (line[end - 1] === "\r") end--;
  return line.slice(0, end);
}

/** Treats all complete lines as the header, of which only the beginning is known: the rest becomes the body. */
export function cutHead(bytes: Uint8Array): Head {
  const bodyStart = bytes.lastIndexOf(10) + 1;
  return { ...parseHead(bytes.subarray(0, bodyStart), true)!, bodyStart, cut: true };
}

/** Serializes the header and the empty line; without the empty line when the header was cut and continues. */
export function printHead(header: Header, cut = false): Bytes {
  return encodeLatin1(header.map((field) => field.raw + "\n").join("") + (cut ? "" : "\n"));
}

/** Creates a field. CR, LF and NUL in the value would be a bug in the caller, and become spaces. */
export function field(name: string, value: string): Field {
  return { name, raw: `${name}: ${utf8ToLatin1(value).replace(/[\r\n\0]+/g, " ")}` };
}

/** Returns whether the field has one of these names, ignoring case. */
export function named(field: Field, ...names: string[]): boolean {
  const own = field.name;
  // Compare lengths first: a header of 1 MB may have 250,000 fields, each of which is compared some thirty times.
  return names.some((name) => name.length === own.length && name.toLowerCase() === own.toLowerCase());
}

/** Returns the value of a field: unfolded, trimmed, decoded as UTF-8. */
export function valueOf(field: Field): string {
  return latin1ToUtf8(field.raw.slice(field.raw.indexOf(":") + 1).replace(/\n/g, "")).trim();
}

/** Returns the values of all fields with this name. */
export function values(header: Header, name: string): string[] {
  return header.filter((field) => named(field, name)).map(valueOf);
}

/** Returns the value of the first field with this name. */
export function value(header: Header, name: string): string | undefined {
  const found = header.find((field) => named(field, name));
  return found && valueOf(found);
}

/** Returns the header without the fields with these names. */
export function without(header: Header, ...names: string[]): Header {
  return header.filter((field) => !named(field, ...names));
}

/**
 * Moves the body of a message that has been read completely into the head, so that it can be measured and sent in one
 * write.
 */
export async function inOnePiece({ head, body, whole }: Message): Promise<Message> {
  const parts = [head];
  for await (const chunk of body) parts.push(new Uint8Array(chunk)); // the next chunk uses the same buffer
  return { head: concat(...parts), body: nothing(), whole };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/**
 * Converts CRLF to LF in a body while it streams: qmail, nullmailer and dma treat
 * a CR as text. A chunk without a CR passes unchanged.
 */
export async function* unixLines(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let held = false;
  let out = new Uint8Array(0); // reused: a chunk is valid until the next one is requested
  for await (const chunk of body) {
    if (!held && chunk.indexOf(13) < 0) {
      yield chunk;
      continue;
    }
    if (out.length <= chunk.length) out = new Uint8Array(chunk.length + 1);
    let size = 0;
    for (const byte of chunk) {
      if (held && byte !== 10) out[size++] = 13;
      held = byte === 13;
      if (!held) out[size++] = byte;
    }
    yield out.subarray(0, size);
  }
  if (held) yield Uint8Array.of(13);
}
