/**
 * Properties with a time budget: first the kept cases, then new ones from a seed that is printed. `deno task fuzz` runs
 * for ten minutes with a new seed each time, and adds failing cases, shrunk, to kept.json. `deno task test` tries the
 * same cases each time, for about ten seconds.
 */
import fc from "fast-check";
import { ROOT } from "../rig.ts";

const FOLDER = `${ROOT}/tests/fuzz`;
/** Whether this is `deno task fuzz`. */
export const LONG: boolean = Deno.env.get("FUZZ") === "long";
/** Seconds for all properties together, after the first batch of each. */
export const SECONDS = Number(Deno.env.get("FUZZ_SECONDS") ?? (LONG ? 600 : 0));
/** The first seed; each further batch takes the next one. */
export const SEED = Number(Deno.env.get("FUZZ_SEED") ?? (LONG ? Math.floor(Math.random() * 2 ** 31) : 1));

/** Cases that failed once, by the name of their property. */
export type Kept = Record<string, unknown[]>;

/** Options of a search. */
export interface SearchOptions {
  readonly kept: readonly unknown[];
  readonly seed: number;
  readonly seconds: number;
  /** Cases of one seed, all of which are tried. */
  readonly batch: number;
}

/** A failure: the smallest failing case, and the report about it. */
export interface Failure {
  readonly value: unknown;
  readonly report: string;
}

/** Searches for a failing case: in the kept ones, then in at least one batch, then until the time is over. */
export async function search<T>(
  arbitrary: fc.Arbitrary<T>,
  test: (value: T) => void | Promise<void>,
  { kept, seed, seconds, batch }: SearchOptions,
): Promise<Failure | undefined> {
  for (const value of kept) {
    try {
      await test(value as T);
    } catch (error) {
      return { value, report: `A kept case fails again: ${JSON.stringify(value)}\n${(error as Error).stack ?? error}` };
    }
  }
  const property = fc.asyncProperty(arbitrary, async (value) => await test(value));
  const end = performance.now() + seconds * 1000;
  do {
    const found = await fc.check(property, { seed: seed++, numRuns: batch });
    if (found.failed) {
      const again = `Repeat with FUZZ_SEED=${found.seed}`;
      const why = found.errorInstance instanceof Error ? found.errorInstance.stack : String(found.errorInstance);
      const report = `${again}\n${await fc.asyncDefaultReportMessage(found)}\n${why}`;
      return { value: found.counterexample?.[0], report };
    }
  } while (performance.now() < end);
  return undefined;
}

/** Returns the kept cases with one more. @throws {Error} if JSON cannot represent it */
export function withCase(kept: Kept, name: string, value: unknown): Kept {
  const read: unknown = JSON.parse(JSON.stringify(value) ?? "null");
  if (!Object.is(fc.stringify(read), fc.stringify(value))) {
    throw new Error(`JSON cannot represent ${fc.stringify(value)}`);
  }
  const all = kept[name] ?? [];
  const known = all.some((item) => JSON.stringify(item) === JSON.stringify(value));
  return known ? kept : { ...kept, [name]: [...all, read] };
}

/** The names of all properties, read from the calls of `fuzz` in this folder. */
export function names(): string[] {
  return [...Deno.readDirSync(FOLDER)].filter(({ name }) => name.endsWith("_test.ts")).flatMap(({ name }) =>
    [...Deno.readTextFileSync(`${FOLDER}/${name}`).matchAll(/^fuzz\(\s*"([^"]+)"/gm)].map((match) => match[1]!)
  );
}

/** The kept cases. */
export const readKept = (): Kept => JSON.parse(Deno.readTextFileSync(`${FOLDER}/kept.json`));

const SHARE = SECONDS / names().length;
const KEPT = readKept();
console.log(`FUZZ_SEED=${SEED} FUZZ_SECONDS=${SECONDS}`);

/**
 * Defines a test of one property with its share of the time.
 *
 * @param name a literal, in a call at the beginning of a line, where {@link names} finds it
 * @param arbitrary values that JSON can represent
 * @param test throws if the property does not hold
 */
export function fuzz<T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  test: (value: T) => void | Promise<void>,
  batch = 100,
): void {
  Deno.test(`Fuzz: ${name}`, async () => {
    const found = await search(arbitrary, test, { kept: KEPT[name] ?? [], seed: SEED, seconds: SHARE, batch });
    if (found === undefined) return;
    if (LONG) {
      const kept = withCase(readKept(), name, found.value);
      Deno.writeTextFileSync(`${FOLDER}/kept.json`, JSON.stringify(kept, null, 2) + "\n");
    }
    throw new Error(found.report);
  });
}
