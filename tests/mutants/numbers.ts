/** What Stryker leaves as it is: every number in the code, one up and one down. */
import { type Change, change } from "./explained.ts";

/** A change, and the source with it. */
export interface Mutant extends Change {
  readonly line: number;
  readonly source: string;
}

/** The source with its comments blanked out, so that all places stay. */
const code = (source: string): string =>
  source.replace(/\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, " "));

/** All of them; those in texts and patterns too. */
export function numberMutants(file: string, source: string): Mutant[] {
  return [...code(source).matchAll(/(?<![\w$.\\])\d[\d_]*(?![\w.])/g)].flatMap(({ index, 0: digits }) =>
    [1, -1].map((step) => {
      const text = String(Number(digits.replaceAll("_", "")) + step);
      const [front, behind] = [source.slice(0, index), source.slice(index + digits.length)];
      const line = front.split("\n").length;
      return { ...change(file, source, index, index + digits.length, text), line, source: front + text + behind };
    })
  );
}
