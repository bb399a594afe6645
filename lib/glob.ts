/** Patterns for addresses. `*` matches any number of characters, including none. */

/** Returns whether the text matches the pattern, in time linear in the length of the text for any pattern. */
export function glob(pattern: string, text: string): boolean {
  const [first, ...rest] = pattern.split("*") as [string, ...string[]];
  if (rest.length === 0) return text === pattern;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  const last = rest.pop()!;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
