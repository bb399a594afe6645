/** Suggestions for misspelt words. */

/**
 * Returns the nearest of `words`, if at most a third of its letters differ. Two
 * transposed letters count as one difference.
 *
 * @param most the number of letters that may differ, if it is smaller
 */
export function nearest(word: string, words: readonly string[], most = Infinity): string | undefined {
  const [best] = words.map((one) => ({ one, far: distance(word, one) })).sort((a, b) => a.far - b.far);
  return best !== undefined && best.far <= Math.min(most, Math.floor(best.one.length / 3)) ? best.one : undefined;
}

/** The number of letters inserted, deleted, changed or transposed between the two words. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, change, swapped ? rows[i - 2]![j - 2]! + 1 : Infinity),
      );
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
