/**
 * The X-Countersign field of messages that a hook writes: one result of ours,
 * none of a stranger's. Readers disagree about what a header line is, so a
 * stranger's field is removed wherever one of them could see it: also behind a
 * bare CR, and in a header too long to be held as a whole.
 */
import type { Field, Header } from "../lib/message.ts";
import { field, named } from "../lib/message.ts";
import { PROOF_FIELD } from "../incoming/proof.ts";

/** The name in lower case, as bytes. */
const NAME = new TextEncoder().encode(PROOF_FIELD.toLowerCase());
/** Bytes of a line's beginning that are held back. */
const MAX_HELD_BYTES = 256;
const [TAB, LF, CR, SPACE, COLON] = [9, 10, 13, 32, 58];

/** The header without any X-Countersign field, also where only a reader that ends lines at a bare CR would find it. */
export function withoutResults(header: Header): Header {
  return header.filter((one) => !named(one, PROOF_FIELD)).map(withoutHidden);
}

/** The header with one result field, all others removed. It is for people; programs go by the exit status. */
export function withResult(header: Header, { result, check, reason }: Result): Header {
  return [field(PROOF_FIELD, `${result}; check=${check}; reason="${reason}"`), ...withoutResults(header)];
}

/** What the result field says of a verdict. */
interface Result {
  readonly result: string;
  readonly check: string;
  readonly reason: string;
}

const HIDDEN = new RegExp(`\\r[ \\t]*${PROOF_FIELD}[ \\t]*:[^\\n]*`, "gi");

function withoutHidden(one: Field): Field {
  return one.raw.includes("\r") ? { ...one, raw: one.raw.replace(HIDDEN, "") } : one;
}

/**
 * Removes X-Countersign fields from the rest of a header that was cut: what
 * follows up to the first empty line. The body passes unchanged.
 *
 * @param header the part before
 * @param rest the message from the beginning of a header line on
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

/** Passes header lines on, less those of the field; holds back no more than the beginning of one line. */
class FieldFilter {
  /** Has the empty line passed? Then everything else is body. */
  inBody = false;
  #out: number[] = [];
  /** The beginning of a line of which it is not certain yet whether it is the field's. */
  #held: number[] = [];
  #state: "start" | "pass" | "drop" = "start";
  /** Did the line before end at a CR? Then an LF belongs to that line end. */
  #afterCr = false;
  /** Did the line that is dropped begin behind a bare CR? Then its LF ends the line before. */
  #keepLf = false;
  /** Was the line before dropped? Then its continuation lines (RFC 5322 section 2.2.3) are, too. */
  #dropped: boolean;

  constructor(dropped: boolean) {
    this.#dropped = dropped;
  }

  /** What passes of these bytes, and of those held back before. */
  push(chunk: Uint8Array): Uint8Array {
    this.#out = [];
    for (let at = 0; at < chunk.length; at++) {
      this.#take(chunk[at]!);
      if (this.inBody) return Uint8Array.from([...this.#out, ...chunk.subarray(at + 1)]);
    }
    return Uint8Array.from(this.#out);
  }

  /** What was still held back when the message ended. */
  end(): Uint8Array {
    return Uint8Array.from(this.#held);
  }

  #take(byte: number): void {
    if (this.#state === "drop") {
      if (byte !== LF) return;
      if (this.#keepLf) this.#out.push(LF);
      this.#begin(false);
      return;
    }
    if (this.#state === "start") {
      this.#held.push(byte);
      if (!this.#decide()) return;
    } else this.#out.push(byte);
    if (this.#state === "pass" && (byte === LF || byte === CR)) this.#begin(byte === CR);
  }

  #begin(afterCr: boolean): void {
    this.#dropped = this.#state === "drop";
    this.#state = "start";
    this.#afterCr = afterCr;
  }

  /** Looks at the beginning of a line. @returns false: more is needed */
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
    // Nobody writes so many spaces before a colon.
    return held.length > MAX_HELD_BYTES && this.#drop();
  }

  #pass(): true {
    for (const byte of this.#held) this.#out.push(byte);
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

const lower = (byte: number): number => byte >= 65 && byte <= 90 ? byte + 32 : byte;
