/**
 * Writes the X-Countersign field, which contains the hook's result, and removes
 * such fields that a sender has forged. Mail programs disagree about what ends a
 * header line, so that a forged field is also removed after a bare CR, and in a
 * header that is too long to be held in memory.
 */
import { concat } from "../lib/bytes.ts";
import type { Field, Header } from "../lib/message.ts";
import { field, named } from "../lib/message.ts";
import { PROOF_FIELD } from "../incoming/proof.ts";

/** The field name in lower case, as bytes. */
const NAME = new TextEncoder().encode(PROOF_FIELD.toLowerCase());
/** Maximum bytes of a line that are held back until the line is recognized. */
const MAX_HELD_BYTES = 256;
const [TAB, LF, CR, SPACE, COLON] = [9, 10, 13, 32, 58];

/** Returns the header without X-Countersign fields, including those that begin after a bare CR. */
export function withoutResults(header: Header): Header {
  return header.filter((one) => !named(one, PROOF_FIELD)).map(withoutHidden);
}

/** Returns the header with exactly one result field, which is for people. Programs use the exit status. */
export function withResult(header: Header, { result, check, reason }: Result): Header {
  return [field(PROOF_FIELD, `${result}; check=${check}; reason="${reason}"`), ...withoutResults(header)];
}

/** The parts of a verdict that the result field contains. */
interface Result {
  readonly result: string;
  readonly check: string;
  readonly reason: string;
}

/** With all CRs before it, of which the last would otherwise become part of a CRLF. */
const HIDDEN = new RegExp(`(?<!\\r)\\r+[ \\t]*${PROOF_FIELD}[ \\t]*:[^\\n]*`, "gi");

function withoutHidden(one: Field): Field {
  return one.raw.includes("\r") ? { ...one, raw: one.raw.replace(HIDDEN, "") } : one;
}

/**
 * Removes X-Countersign fields from the rest of a header that was cut, up to the
 * first empty line. The body is not changed.
 *
 * @param header the first part of the header
 * @param rest the rest of the message, which starts at the beginning of a header line
 */
export async function* withoutResultsInRest(
  header: Header,
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const last = header.at(-1);
  const filter = new FieldFilter(last !== undefined && named(last, PROOF_FIELD));
  for await (const chunk of rest) {
    const out = filter.inBody ? chunk : filter.push(chunk);
    if (out.length > 0) yield out;
  }
  const held = filter.end();
  if (held.length > 0) yield held;
}

/** Copies header lines except those of the field. Holds back at most the beginning of one line. */
class FieldFilter {
  /** Whether the empty line has passed; everything after it is body. */
  inBody = false;
  #out: Uint8Array[] = [];
  /** The beginning of a line that may still be the field. */
  #held: number[] = [];
  #state: "start" | "pass" | "drop" = "start";
  /** Whether the previous line ended at a CR; a following LF belongs to that line end. */
  #afterCr = false;
  /** Whether the dropped line began after a bare CR; its LF then ends the previous line. */
  #keepLf = false;
  /** Whether the previous line was dropped; its continuation lines (RFC 5322 section 2.2.3) are dropped, too. */
  #dropped: boolean;

  constructor(dropped: boolean) {
    this.#dropped = dropped;
  }

  /** Filters these bytes and those held back. @returns the bytes to write */
  push(chunk: Uint8Array): Uint8Array {
    this.#out = [];
    const ends = new LineEnds(chunk);
    for (let at = 0; at < chunk.length;) {
      if (this.#state === "start") {
        this.#start(chunk[at++]!);
        if (!this.inBody) continue;
        this.#out.push(chunk.subarray(at));
        break;
      }
      // The rest of a line is skipped or copied as a whole: byte by byte, 64 MB would take seconds.
      const end = this.#state === "drop" ? ends.nextLf(at) : ends.next(at);
      if (this.#state === "pass") this.#out.push(chunk.subarray(at, end + 1));
      else if (end < chunk.length && this.#keepLf) this.#out.push(Uint8Array.of(LF));
      if (end < chunk.length) this.#begin(chunk[end] === CR);
      at = end + 1;
    }
    return concat(...this.#out);
  }

  /** Returns the bytes held back at the end of the message. */
  end(): Uint8Array {
    return Uint8Array.from(this.#held);
  }

  #start(byte: number): void {
    this.#held.push(byte);
    if (this.#decide() && this.#state === "pass" && (byte === LF || byte === CR)) this.#begin(byte === CR);
  }

  #begin(afterCr: boolean): void {
    this.#dropped = this.#state === "drop";
    this.#state = "start";
    this.#afterCr = afterCr;
  }

  /** Decides about a line by its beginning. @returns false if more bytes are needed */
  #decide(): boolean {
    const held = this.#held;
    const [first] = held as [number];
    if (first === LF) {
      this.inBody = !this.#afterCr;
      return this.#pass();
    }
    if (first === CR) {
      if (held.length === 1 && !this.#afterCr) return false;
      this.inBody = held[1] === LF;
      return this.#pass();
    }
    if (this.#dropped && (first === SPACE || first === TAB)) return this.#drop();
    for (const [nth, byte] of held.entries()) {
      if (nth < NAME.length ? lower(byte) === NAME[nth] : byte === SPACE || byte === TAB) continue;
      return nth >= NAME.length && byte === COLON ? this.#drop() : this.#pass();
    }
    // So many spaces before a colon occur only in a forged field.
    return held.length > MAX_HELD_BYTES && this.#drop();
  }

  #pass(): true {
    this.#out.push(Uint8Array.from(this.#held));
    this.#held = [];
    this.#state = "pass";
    return true;
  }

  #drop(): true {
    this.#held = [];
    this.#keepLf = this.#afterCr;
    this.#state = "drop";
    return true;
  }
}

/** Finds line ends. The next of each kind is kept, so that a chunk is searched once. */
class LineEnds {
  readonly #chunk: Uint8Array;
  #lf = -1;
  #cr = -1;

  constructor(chunk: Uint8Array) {
    this.#chunk = chunk;
  }

  /** Returns the offset of the first LF from here; the length of the chunk if there is none. */
  nextLf(at: number): number {
    if (this.#lf < at) this.#lf = this.#find(LF, at);
    return this.#lf;
  }

  /** The same for LF or CR. */
  next(at: number): number {
    if (this.#cr < at) this.#cr = this.#find(CR, at);
    return Math.min(this.#cr, this.nextLf(at));
  }

  #find(byte: number, at: number): number {
    const found = this.#chunk.indexOf(byte, at);
    return found < 0 ? this.#chunk.length : found;
  }
}

const lower = (byte: number): number => byte >= 65 && byte <= 90 ? byte + 32 : byte;
