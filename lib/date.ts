/** Returns the number of days since 1970-01-01 UTC, the unit of time in all signatures. */
export function dayOf(now: Date): number {
  return Math.floor(now.getTime() / 86_400_000);
}

/** Parses `2026-11-20` to a day number. Returns undefined when the text is not a date. */
export function parseDay(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined;
  const date = new Date(`${text}T00:00:00Z`);
  return Number.isNaN(date.getTime()) || !date.toISOString().startsWith(text) ? undefined : dayOf(date);
}

/** Formats a day number as `2026-11-20`. */
export function printDay(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10);
}

/** Formats the time for a Date field (RFC 5322 section 3.3), in the local time zone. */
export function rfc5322Date(now: Date): string {
  const offset = -now.getTimezoneOffset();
  const two = (n: number) => String(n).padStart(2, "0");
  const zone = `${offset < 0 ? "-" : "+"}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const [day, month, date, year, time] = now.toString().split(" ") as [string, string, string, string, string];
  return `${day}, ${Number(date)} ${month} ${year} ${time} ${zone}`;
}
