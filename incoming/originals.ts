/**
 * Finds tags in a bounce, and the Message-IDs next to them.
 *
 * Servers and gateways quote, indent, wrap and re-encode what they return. Therefore only two things are required: the
 * name of the field followed by a tag, and a Message-ID in the same block of lines. The MAC decides whether they belong
 * together.
 */
import { decodeLatin1 } from "../lib/bytes.ts";
import { type EncodedText, textsIn } from "./encodings.ts";
import { type Block, Blocks, MAX_QUOTE, quoteBefore, unquoted } from "./header_block.ts";
import { memoize } from "../lib/memoize.ts";
import { eightBitText, messageIdsIn, withoutBrackets } from "../lib/message_id.ts";
import { TAG_FIELD } from "../lib/tag.ts";

/** A tag and a Message-ID from the same header block. */
export interface Original {
  readonly tag: string;
  /** The body of the Message-ID field, folds included, without an enclosing pair of angle brackets. */
  readonly messageId: string;
  /** How it was found: `bytes` (as written), `wrapped`, `utf-16`, `quoted-printable`, `base64`, `html`, `mime`. */
  readonly by: string;
}

/** Number of Message-ID fields considered before a tag and after it, the nearest first. */
const MAX_FIELDS = 8;
/** Number of Message-IDs considered in one field. A thread may have hundreds of References; the last ones count. */
const MAX_IDS = 8;
/** Maximum number of lines of a field, and characters of each. */
const MAX_LINES = 16;
const MAX_LINE = 4000;

/**
 * Yields the candidates in a message, the most likely first. There may be thousands, so the caller must set a limit.
 *
 * @param prefix the header and the beginning of the body
 * @param bodyStart where the body begins; a tag in the outer header proves nothing
 * @param tail the end of the message, when it is longer than `prefix`
 */
export function* findOriginals(prefix: Uint8Array, bodyStart: number, tail?: Uint8Array): Generator<Original> {
  const seen = new Set<string>();
  for (const { text, by } of allTexts(prefix, bodyStart, tail)) {
    for (const { tag, messageId, literal } of candidates(text)) {
      const key = `${tag} ${messageId}`;
      if (seen.has(key)) continue;
      seen.add(key);
      yield { tag, messageId, by: literal || by !== "bytes" ? by : "wrapped" };
    }
  }
}

/**
 * Yields the Message-IDs in the body of a message, in the form of `bareMessageId()`. They tell which message it is
 * about, but do not prove anything. Those in Message-ID fields come first.
 */
export function* findMessageIds(prefix: Uint8Array, bodyStart: number, tail?: Uint8Array): Generator<string> {
  const seen = new Set<string>();
  const others: string[] = [];
  for (const { text } of allTexts(prefix, bodyStart, tail)) {
    for (const field of idFields(text, 0, text.length)) {
      const ids = bodiesOf(text, field).flatMap((body) => messageIdsIn(body).slice(-MAX_IDS));
      if (field.rank === Rank.OWN) yield* unseen(ids, seen);
      else others.push(...ids.reverse());
    }
  }
  yield* unseen(others, seen);
}

function* unseen(ids: readonly string[], seen: Set<string>): Generator<string> {
  for (const id of ids) {
    if (seen.has(id)) continue;
    seen.add(id);
    yield id;
  }
}

/** The texts of a message that have been decoded so far, and the rest. Decoding costs more than scanning. */
interface Decoded {
  readonly bodyStart: number;
  readonly tail: Uint8Array | undefined;
  readonly texts: EncodedText[];
  readonly rest: Iterator<EncodedText>;
}

/** The decoded texts of the message with this prefix. Tags and Message-IDs are searched for in the same texts. */
const decoded = memoize((_prefix: Uint8Array): { last?: Decoded } => ({}));

function* allTexts(prefix: Uint8Array, bodyStart: number, tail?: Uint8Array): Generator<EncodedText> {
  const slot = decoded(prefix);
  let known = slot.last;
  if (known === undefined || known.bodyStart !== bodyStart || known.tail !== tail) {
    known = slot.last = { bodyStart, tail, texts: [], rest: decode(prefix, bodyStart, tail) };
  }
  for (let at = 0;; at++) {
    if (at === known.texts.length) {
      const next = known.rest.next();
      if (next.done) return;
      known.texts.push(next.value);
    }
    yield known.texts[at]!;
  }
}

function* decode(prefix: Uint8Array, bodyStart: number, tail?: Uint8Array): Generator<EncodedText> {
  yield* textsIn(decodeLatin1(prefix.subarray(bodyStart)));
  if (tail !== undefined) yield* textsIn(decodeLatin1(tail));
}

// Every repetition is bounded, because the text is untrusted.
/** A line break inside a word, made by a program that wraps at a column; the next line may be quoted or empty. */
const WRAP = `(?:\\n[^A-Za-z0-9.\\n]{0,${MAX_QUOTE}}){0,2}`;
/** The same, or white space, including no-break space. */
const GAP = `[ \\t\\xa0\\xc2]{0,${MAX_QUOTE}}${WRAP}`;
/** The colon, which may be preceded by a space or markup. */
const COLON = `${WRAP}[^A-Za-z0-9\\n]{0,16}?:`;
const wrapped = (name: string): string => [...name].join(WRAP);
const run = (characters: string, count: string): string => `(?:[${characters}]${GAP}){${count}}`;

/** The field with a tag in the form of lib/tag.ts. */
const TAG = new RegExp(
  `(?<![A-Za-z0-9-])${wrapped(TAG_FIELD)}${COLON}[^A-Za-z0-9.\\n]{0,${MAX_QUOTE}}${WRAP}` +
    `(v${GAP}1${GAP}\\.${GAP}${run("a-z0-9", "1,8")}\\.${GAP}${run("0-9", "1,6")}\\.${GAP}` +
    `${run("a-z2-7", "8")}\\.${GAP}${run("a-z2-7", "25")}[a-z2-7])(?![A-Za-z0-9])`,
  "gi",
);
/** Some relays replace the Message-ID and keep the original below it, in a field of their own, or in References. */
const ID_NAME = new RegExp(`(?:${wrapped("Message-ID")}|(References|In-Reply-To))${COLON}`, "gi");
/**
 * What precedes it in the name of a relay's own field, such as `X-Original-`. Searching for both takes ten times as
 * long.
 */
const ID_PREFIX = /[A-Za-z0-9-]{0,42}$/;
const MAX_PREFIX_LENGTH = 41;

/** How likely a field is to contain the Message-ID that was signed. */
enum Rank {
  /** Message-ID */
  OWN,
  /** X-Original-Message-ID and the like */
  NAMED,
  /** References and In-Reply-To */
  REFERENCE,
}

/** A candidate in one text, and whether its tag is there as it was written. */
interface Candidate {
  readonly tag: string;
  readonly messageId: string;
  readonly literal: boolean;
}

/** What the shim writes. Most servers return it unchanged, and compiling the patterns above takes a millisecond. */
const AS_WRITTEN = new RegExp(
  `^Message-ID:([^\\n]{1,998}(?:\\n[ \\t][^\\n]{1,998})?)\\n${TAG_FIELD}: ` +
    `(v1\\.[a-z0-9]{1,8}\\.[0-9]{1,6}\\.[a-z2-7]{8}\\.[a-z2-7]{26})$`,
  "gim",
);
/** What every text with a tag contains, however it is wrapped. */
const NAME_IN_ANY_FORM = new RegExp([..."msgauth"].join("[^a-z0-9]*"), "i");

function* candidates(text: string): Generator<Candidate> {
  if (!NAME_IN_ANY_FORM.test(text)) return;
  for (const [, body, tag] of text.matchAll(AS_WRITTEN) as Iterable<[string, string, string]>) {
    const messageId = withoutBrackets(eightBitText(body).trim());
    if (messageId !== "") yield { tag: tag.toLowerCase(), messageId, literal: true };
  }
  yield* scan(text);
}

function* scan(text: string): Generator<Candidate> {
  const blocks = new Blocks(text);
  let block: Block | undefined;
  let fields: IdField[] = [];
  let next = 0; // the first field after the tag
  for (const match of text.matchAll(TAG)) {
    const [whole, value] = match as unknown as [string, string];
    const around = blocks.around(match.index, match.index + whole.length);
    if (around !== block) {
      block = around;
      fields = idFields(text, block.top, block.bottom);
      next = 0;
    }
    while (next < fields.length && fields[next]!.start < match.index) next++;
    const tag = value.replace(/[^A-Za-z0-9.]/g, "").toLowerCase();
    // The shim writes the tag directly below the Message-ID.
    const above = fields.slice(Math.max(0, next - MAX_FIELDS), next).reverse();
    const near = [...above, ...fields.slice(next, next + MAX_FIELDS)].sort((a, b) => a.rank - b.rank);
    for (const field of near) {
      field.messageIds ??= messageIds(text, field);
      for (const messageId of field.messageIds) yield { tag, messageId, literal: tag === value.toLowerCase() };
    }
  }
}

/** A field that contains Message-IDs: the offsets of its name and its body, and where the body ends at the latest. */
interface IdField {
  readonly start: number;
  readonly bodyStart: number;
  readonly end: number;
  readonly rank: Rank;
  /** The Message-IDs that a tag may have signed; parsed when a tag is near. */
  messageIds?: readonly string[];
}

/**
 * Returns the fields in a part of a text. Each ends where the next one begins, at the latest, so that all text is read
 * once, or twice when the next name is on the same line, because then it may be part of the Message-ID.
 */
function idFields(text: string, top: number, bottom: number): IdField[] {
  const names = idNames(text.slice(top, bottom));
  return names.map(({ start, end, rank }, index) => {
    const next = names[index + 1];
    const inside = next !== undefined && !text.slice(top + start, top + next.start).includes("\n");
    const last = names[index + (inside ? 2 : 1)]?.start ?? bottom - top;
    return { start: top + start, bodyStart: top + end, end: top + last, rank };
  });
}

/** Returns the offsets of the names of such fields, up to and including the colon. */
function idNames(text: string): { start: number; end: number; rank: Rank }[] {
  const out: { start: number; end: number; rank: Rank }[] = [];
  for (const match of text.matchAll(ID_NAME)) {
    const { length } = ID_PREFIX.exec(text.slice(Math.max(0, match.index - MAX_PREFIX_LENGTH - 1), match.index))![0];
    const isPrefix = length > 1 && length <= MAX_PREFIX_LENGTH && text[match.index - 1] === "-";
    if (length > 0 && (!isPrefix || match[1] !== undefined)) continue; // the end of another word
    const rank = match[1] !== undefined ? Rank.REFERENCE : isPrefix ? Rank.NAMED : Rank.OWN;
    out.push({ start: match.index - length, end: match.index + match[0].length, rank });
  }
  return out;
}

/** Returns the Message-IDs in one field that a tag may have signed. */
function messageIds(text: string, field: IdField): string[] {
  const bodies = bodiesOf(text, field).map((body) => withoutBrackets(body.trim())).filter((body) => body !== "");
  if (field.rank !== Rank.REFERENCE) return bodies;
  return [...bodies.flatMap((body) => messageIdsIn(body).slice(-MAX_IDS).reverse()), ...bodies];
}

/** Returns the possible bodies of a field: with its folds, and with lines joined that were wrapped at a column. */
function bodiesOf(text: string, { start, bodyStart, end }: IdField): string[] {
  const lines = linesFrom(text, bodyStart, end, quoteBefore(text, start));
  let folded: string = lines.next().value ?? "";
  let wrapped = folded;
  let folds = true;
  for (const line of lines) {
    folds &&= /^[ \t]+\S/.test(line);
    if (folds) folded += `\n${line}`;
    const rest = line.replace(/^[ \t>|*#:;]{1,256}/, "");
    if (rest === "") {
      // A closing bracket on a line of its own looks like a quote mark.
      if (isComplete(wrapped) || !line.includes(">")) continue;
      wrapped += ">";
      break;
    }
    if (!folds && (isComplete(wrapped) || /^[!-9;-~]{1,80}[ \t]{0,16}:/.test(rest))) break;
    wrapped += `\n${/^[ \t]+[^ \t>|*#:;]/.test(line) ? line : rest}`;
  }
  const closed = wrapped.includes("<") && !wrapped.includes(">") ? `${wrapped}>` : wrapped;
  return [...new Set([folded, wrapped, closed])].map(eightBitText);
}

/** Returns whether the body certainly ends here. Without brackets it may continue on one more line. */
const isComplete = (body: string): boolean => body.includes("<") ? body.includes(">") : /\S\s{0,256}\n/.test(body);

/** Yields the lines of a part of a text, without the quote marks of the first one. */
function* linesFrom(text: string, start: number, end: number, quote: string): Generator<string, undefined> {
  for (let at = start, count = 0; at < end && count < MAX_LINES; count++) {
    const part = text.slice(at, Math.min(end, at + MAX_LINE));
    const newline = part.indexOf("\n");
    const line = newline < 0 ? part : part.slice(0, newline);
    yield count === 0 ? line : unquoted(line, quote);
    if (newline < 0) return;
    at += newline + 1;
  }
}
