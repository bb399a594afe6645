/** Parses lines of the log, which lib/log.ts writes. */
import { PLAIN_VALUE } from "../../lib/log.ts";

/** Keys of the direction of a message: the current one, and that of earlier versions. */
export const DIRECTION_KEYS = ["direction", "way"];

/** A pair: a plain value, or one that is quoted as JSON, in which a `key=value` is text. */
const PAIR = /(?:^| )(\w+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?= |$)/g;
const TIME = /^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(?: |$)/;

/** The values of a line. What this program did not write is ignored. */
export function fields(line: string): Record<string, string> {
  const out: Record<string, string> = Object.create(null);
  for (const [, key, text] of line.matchAll(PAIR)) {
    const value = unquoted(text!);
    if (value !== undefined) out[key!] ??= value;
  }
  return out;
}

/** Returns the values of a line; undefined if it is not exactly what was written, because it was cut or damaged. */
export function parseLine(line: string): Map<string, string> | undefined {
  if (!TIME.test(line)) return undefined;
  const values = new Map<string, string>();
  let end = 0;
  for (const { 0: pair, 1: key, 2: text, index } of line.matchAll(PAIR)) {
    const value = text!.startsWith('"') || PLAIN_VALUE.test(text!) ? unquoted(text!) : undefined;
    if (value === undefined || index !== end) return undefined;
    values.set(key!, value);
    end += pair.length;
  }
  // Each event has at least one value besides the time.
  return end < line.length || values.size < 2 ? undefined : values;
}

/** The value of a key, or an empty string. A value before the first quote needs no parsing, and most are. */
export function valueOf(line: string, key: string): string {
  const at = line.startsWith(`${key}=`) ? 0 : line.indexOf(` ${key}=`) + 1;
  const begin = at + key.length + 1;
  const space = line.indexOf(" ", begin);
  const value = line.slice(begin, space < 0 ? line.length : space);
  const quote = line.indexOf('"');
  const plain = at > 0 || line.startsWith(`${key}=`);
  if (plain && (quote < 0 || quote > begin + value.length)) return value;
  return fields(line)[key] ?? "";
}

/** The direction of a logged message; lines of earlier versions call it `way`. */
export const directionOf = (line: Readonly<Record<string, string>>): string | undefined =>
  DIRECTION_KEYS.map((key) => line[key]).find((value) => value !== undefined);

/** Returns a value without its quotes; undefined if it is not JSON. */
function unquoted(text: string): string | undefined {
  if (!text.startsWith('"')) return text;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
