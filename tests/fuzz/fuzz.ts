/**
 * Properties with a budget: the kept cases first, then new ones from a seed that is printed. `deno task fuzz` hunts for
 * ten minutes, each time from another seed, and keeps what fails, shrunk, in kept.json. `deno task test` is a gate, not a
 * hunt: it tries the same cases each time, for some ten seconds.
 */
import fc from "fast-check";
import { ROOT } from "../rig.ts";

const FOLDER = `${ROOT}/tests/fuzz`;
/** Is it `deno task fuzz`? */
export const LONG: boolean = Deno.env.get("FUZZ") === "long";
/** Seconds for all properties together, behind the first batch of each. */
export const SECONDS = Number(Deno.env.get("FUZZ_SECONDS") ?? (LONG ? 600 : 0));
/** The first seed; each further batch takes the next one. */
export const SEED = Number(Deno.env.get("FUZZ_SEED") ?? (LONG ? Math.floor(Math.random() * 2 ** 31) : 1));

/** Cases that failed once, by the name of their property. */
export type Kept = Record<string, unknown[]>;

/** What a hunt may use. */
export interface Hunt {
  readonly kept: readonly unknown[];
  readonly seed: number;
  readonly seconds: number;
  /** Cases of one seed, all of which are tried. */
  readonly batch: number;
}

/** What failed: the smallest case, and the words for it. */
export interface Quarry {
  readonly value: unknown;
  readonly report: string;
}

/** Looks for a case that fails: among the kept ones, then in one batch at least, then until the time is over. */
export async function hunt<T>(
  arbitrary: fc.Arbitrary<T>,
  test: (value: T) => void | Promise<void>,
  { kept, seed, seconds, batch }: Hunt,
): Promise<Quarry | undefined> {
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
      const again = `Again with FUZZ_SEED=${found.seed}`;
      const why = found.errorInstance instanceof Error ? found.errorInstance.stack : String(found.errorInstance);
      const report = `${again}\n${await fc.asyncDefaultReportMessage(found)}\n${why}`;
      return { value: found.counterexample?.[0], report };
    }
  } while (performance.now() < end);
  return undefined;
}

/** The kept cases with one more. @throws {Error} when JSON cannot hold it */
export function keeping(kept: Kept, name: string, value: unknown): Kept {
  const read: unknown = JSON.parse(JSON.stringify(value) ?? "null");
  if (!Object.is(fc.stringify(read), fc.stringify(value))) throw new Error(`JSON cannot hold ${fc.stringify(value)}`);
  const all = kept[name] ?? [];
  const known = all.some((one) => JSON.stringify(one) === JSON.stringify(value));
  return known ? kept : { ...kept, [name]: [...all, read] };
}

/** The names of all properties, as the files here call `fuzz`. */
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
 * One property, tested with its share of the time.
 *
 * @param name a literal, at the beginning of a line: {@link names} finds it there
 * @param arbitrary of values that JSON can hold
 * @param test throws when it does not hold
 */
export function fuzz<T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  test: (value: T) => void | Promise<void>,
  batch = 100,
): void {
  Deno.test(`Fuzz: ${name}`, async () => {
    const found = await hunt(arbitrary, test, { kept: KEPT[name] ?? [], seed: SEED, seconds: SHARE, batch });
    if (found === undefined) return;
    if (LONG) {
      const kept = keeping(readKept(), name, found.value);
      Deno.writeTextFileSync(`${FOLDER}/kept.json`, JSON.stringify(kept, null, 2) + "\n");
    }
    throw new Error(found.report);
  });
}
