/** Edits the text of a key file. Keys are never removed. */
import { printDay } from "../lib/date.ts";
import { Fail, quote } from "../lib/fail.ts";
import type { Key } from "../lib/settings/keys.ts";

/** Formats a key as a line. */
export function printKey({ id, created, secret }: Key): string {
  return `${id} ${printDay(created)} base64:${secret.toBase64()}`;
}

/** Returns 256 random bits. */
export const newSecret = () => crypto.getRandomValues(new Uint8Array(32));

/** A retired key. Its id is not reused, because tags name the key by it. */
const RETIRED = /^# retired (\S+): (\S+)[ \t]+(\S+)[ \t]/;

/** Returns the retired keys. */
export function retiredKeys(text: string): { id: string; created: string; retired: string }[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const [, retired, id, created] = RETIRED.exec(line) ?? [];
    return id === undefined ? [] : [{ id, created: created!, retired: retired! }];
  });
}

/** Returns the id after the highest one ever used, beginning with `k1`; its last digit is the key number in prvs. */
export function nextId(text: string): string {
  const numbers = ids(text).map((id) => Number(/^k([0-9]{1,7})$/.exec(id)?.[1] ?? 0));
  return `k${Math.max(0, ...numbers) + 1}`;
}

/** Returns all ids, including those of retired keys. */
export function ids(text: string): string[] {
  const live = text.split(/\r?\n/).map(idOf).filter((id) => id !== undefined);
  return [...live, ...retiredKeys(text).map(({ id }) => id)];
}

/** Whether `after` has every key of `before`, in use or retired. */
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

/** Returns the text with keys added at the end; of keys with the same date, the last signs. */
export function withLast(text: string, keys: readonly Key[]): string {
  const whole = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return whole + keys.map((key) => `${printKey(key)}\n`).join("");
}

/** Returns the text with keys added before all others. */
export function withFirst(text: string, keys: readonly Key[]): string {
  const lines = text.split("\n");
  const at = lines.findIndex((line) => idOf(line) !== undefined);
  lines.splice(at < 0 ? 0 : at, 0, ...keys.map(printKey));
  return lines.join("\n");
}

/** Returns the text with one key retired, as a comment. */
export function withRetired(text: string, id: string, day: number): string {
  const lines = text.split("\n");
  const at = lines.findIndex((line) => idOf(line) === id);
  if (at < 0) throw new Fail("usage", `Unknown key ${quote(id)}`);
  lines[at] = `# retired ${printDay(day)}: ${lines[at]}`;
  return lines.join("\n");
}
