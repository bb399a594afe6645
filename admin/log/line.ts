/** Parses a line of the log strictly, so that cut and damaged lines are recognized. */

/** A pair as lib/log.ts writes it: a plain value, or a quoted one. */
const PAIR = /(\w+)=(?:([\w@.+/:,<>=*-]+)|("(?:[^"\\]|\\.)*"))(?: |$)/y;
const TIME = /^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(?: |$)/;

/** Returns the values of a line; undefined if it is not exactly what was written. */
export function parseLine(line: string): Map<string, string> | undefined {
  if (!TIME.test(line)) return undefined;
  const values = new Map<string, string>();
  for (PAIR.lastIndex = 0; PAIR.lastIndex < line.length;) {
    const [, key, plain, quoted] = PAIR.exec(line) ?? [];
    if (key === undefined) return undefined;
    try {
      values.set(key, plain ?? JSON.parse(quoted!));
    } catch {
      return undefined;
    }
  }
  // A line that was cut between two pairs ends with a space; each event has at least one value besides the time.
  return line.endsWith(" ") || values.size < 2 ? undefined : values;
}
