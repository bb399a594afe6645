/** The text of a key file, changed: nothing that was in it is ever taken out. */
import { printDay } from "../lib/date.ts";
import { Fail, quote } from "../lib/fail.ts";
import type { Key } from "../lib/settings/keys.ts";

export { printDay };

/** A key as a line. */
export function printKey({ id, created, secret }: Key): string {
  return `${id} ${printDay(created)} base64:${secret.toBase64()}`;
}

/** 256 bits from the system. */
export const newSecret = () => crypto.getRandomValues(new Uint8Array(32));

/** A line of a key that is out of use. Its id is not given again: a tag names the key by it. */
const RETIRED = /^# retired (\S+): (\S+)[ \t]+(\S+)[ \t]/;

/** Keys that are out of use. */
export function retiredKeys(text: string): { id: string; created: string; retired: string }[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const [, retired, id, created] = RETIRED.exec(line) ?? [];
    return id === undefined ? [] : [{ id, created: created!, retired: retired! }];
  });
}

/** `k1`, or the one behind the highest there ever was: its last digit tells it from its neighbours in prvs, too. */
export function nextId(text: string): string {
  const numbers = ids(text).map((id) => Number(/^k([0-9]{1,7})$/.exec(id)?.[1] ?? 0));
  return `k${Math.max(0, ...numbers) + 1}`;
}

/** All ids that are or were in use. */
export function ids(text: string): string[] {
  const live = text.split(/\r?\n/).map(idOf).filter((id) => id !== undefined);
  return [...live, ...retiredKeys(text).map(({ id }) => id)];
}

/** Is every key that was there still there, in use or out of it? */
export function keepsAll(before: string, after: string): boolean {
  const lines = after.split(/\r?\n/);
  return before.split(/\r?\n/).every((line) =>
    idOf(line) === undefined && !RETIRED.test(line) ||
    lines.some((one) => one === line || RETIRED.test(one) && one.endsWith(`: ${line}`))
  );
}

function idOf(line: string): string | undefined {
  return line.startsWith("#") ? undefined : /^(\S+)[ \t]+\S/.exec(line)?.[1];
}

/** The text with keys added behind all others: of one day, the last signs. */
export function withLast(text: string, keys: readonly Key[]): string {
  const whole = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return whole + keys.map((key) => `${printKey(key)}\n`).join("");
}

/** The text with keys added before all others. */
export function withFirst(text: string, keys: readonly Key[]): string {
  const lines = text.split("\n");
  const at = lines.findIndex((line) => idOf(line) !== undefined);
  lines.splice(at < 0 ? 0 : at, 0, ...keys.map(printKey));
  return lines.join("\n");
}

/** The text with one key out of use, as a comment. */
export function withRetired(text: string, id: string, day: number): string {
  const lines = text.split("\n");
  const at = lines.findIndex((line) => idOf(line) === id);
  if (at < 0) throw new Fail("usage", `Unknown key ${quote(id)}`);
  lines[at] = `# retired ${printDay(day)}: ${lines[at]}`;
  return lines.join("\n");
}
