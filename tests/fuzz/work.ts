/**
 * Work as a count, not a time: how often V8 ran each block of code, and how many characters and bytes the built-in
 * functions looked at. It is the same on every machine. What happens within one match of a pattern is not seen;
 * growth_test.ts looks at that by the clock, in `deno task fuzz` alone.
 */
import { Session } from "node:inspector";

interface Script {
  readonly url: string;
  readonly functions: { readonly ranges: { readonly count: number }[] }[];
}

const session = new Session();
session.connect();
const post = (method: string, given = {}): Promise<{ result: Script[] }> =>
  new Promise((done, failed) => {
    // deno-lint-ignore no-explicit-any
    (session as any).post(method, given, (error: unknown, result: any) => error ? failed(error) : done(result));
  });
let begun: Promise<unknown> | undefined;

/** The work of one call; what it throws is no matter. */
export async function work(run: () => unknown): Promise<number> {
  begun ??= post("Profiler.enable").then(() =>
    post("Profiler.startPreciseCoverage", { callCount: true, detailed: true })
  );
  await begun;
  await post("Profiler.takePreciseCoverage");
  const looked = await watched(run);
  const { result } = await post("Profiler.takePreciseCoverage");
  const files = result.filter(({ url }) => url.startsWith("file:") && url !== import.meta.url);
  return files.flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges)).reduce(
    (sum, { count }) => sum + count,
    looked,
  );
}

type Built = Record<string, (...given: never[]) => unknown>;
const TYPED = Object.getPrototypeOf(Uint8Array.prototype) as Built;
const all = (text: string): number => text.length;

/** What each built-in function costs: of which object, by what it is given and what it says. */
const COSTS: [owner: Built, names: string[], cost: (self: never, given: never[], said: never) => number][] = [
  [String.prototype as unknown as Built, ["split", "replace", "replaceAll", "trim", "toLowerCase", "toUpperCase"], all],
  [
    String.prototype as unknown as Built,
    ["indexOf", "includes"],
    (self: string, [, from = 0], said: number | boolean) =>
      (typeof said === "number" && said >= 0 ? said : self.length) - from,
  ],
  [
    String.prototype as unknown as Built,
    ["lastIndexOf"],
    (self: string, [, from = self.length], said: number) => Math.min(from, self.length) - Math.max(said, 0),
  ],
  // A slice is a view, until it is looked at.
  [TYPED, ["indexOf"], (self: Uint8Array, [, from = 0], said: number) => (said < 0 ? self.length : said) - from],
  [TYPED, ["set"], (_, [from]: ArrayLike<number>[]) => from!.length],
  [TextDecoder.prototype as unknown as Built, ["decode"], (_, [bytes]: Uint8Array[]) => bytes?.length ?? 0],
  [TextEncoder.prototype as unknown as Built, ["encode"], (_, [text]: string[]) => text?.length ?? 0],
  [
    Array.prototype as unknown as Built,
    ["includes", "indexOf", "join", "unshift", "splice"],
    (self: unknown[]) => self.length,
  ],
];

async function watched(run: () => unknown): Promise<number> {
  let sum = 0;
  const kept: [Built, string, Built[string]][] = [];
  const put = (owner: Built, name: string, now: Built[string]) => {
    kept.push([owner, name, owner[name]!]);
    Object.defineProperty(owner, name, { value: now, configurable: true, writable: true });
  };
  for (const [owner, names, cost] of COSTS) {
    for (const name of names) {
      const real = owner[name]!;
      put(owner, name, function (this: never, ...given: never[]) {
        const said = Reflect.apply(real, this, given);
        sum += 1 + cost(this, given, said as never);
        return said;
      });
    }
  }
  const exec = RegExp.prototype.exec;
  put(
    RegExp.prototype as unknown as Built,
    "exec",
    function (this: RegExp, text: string) {
      const from = this.sticky || this.global ? this.lastIndex : 0;
      const found = exec.call(this, text);
      // One that stands at the front looks no further; others go on to where they match, or to the end.
      const anchored = this.sticky || (this.source.startsWith("^") && !this.multiline);
      sum += 1 + (found !== null ? found.index + found[0].length - from : anchored ? 0 : text.length - from);
      return found;
    } as unknown as Built[string],
  );
  try {
    await run();
  } catch {
    // What is refused has cost something, too.
  } finally {
    for (const [owner, name, real] of kept) {
      Object.defineProperty(owner, name, { value: real, configurable: true, writable: true });
    }
  }
  return sum;
}
