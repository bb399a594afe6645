/** Days since 1970-01-01 UTC: the one unit of time in everything that is signed. */
export function dayOf(now: Date): number {
  return Math.floor(now.getTime() / 86_400_000);
}
