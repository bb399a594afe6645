/** Mutations that Stryker does not make: every number in the code plus and minus one. */
import { type Change, change } from "./explained.ts";

/** A change and the changed source. */
export interface Mutant extends Change {
  readonly line: number;
  readonly source: string;
}

/** The source with comments replaced by spaces, so that offsets stay the same. */
const code = (source: string): string =>
  source.replace(/\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, " "));

/** All changes of numbers, including those in strings and patterns. */
export function numberMutants(file: string, source: string): Mutant[] {
  return [...code(source).matchAll(/(?<![\w$.\\])\d[\d_]*(?![\w.])/g)].flatMap(({ index, 0: digits }) =>
    [1, -1].map((step) => {
      const text = String(Number(digits.replaceAll("_", "")) + step);
      const [before, after] = [source.slice(0, index), source.slice(index + digits.length)];
      const line = before.split("\n").length;
      return { ...change(file, source, index, index + digits.length, text), line, source: before + text + after };
    })
  );
}
