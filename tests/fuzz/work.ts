/**
 * Counts work instead of measuring time: how often V8 ran each block of code, and how many characters and bytes
 * built-in functions processed. The count is the same on every machine. Work within one match of a pattern is not
 * counted; growth_test.ts measures that by CPU time, in `deno task fuzz` only.
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

/** Returns the work of one call; its errors are ignored. */
export async function work(run: () => unknown): Promise<number> {
  begun ??= post("Profiler.enable").then(() =>
    post("Profiler.startPreciseCoverage", { callCount: true, detailed: true })
  );
  await begun;
  await post("Profiler.takePreciseCoverage");
  const processed = await countBuiltIns(run);
  const { result } = await post("Profiler.takePreciseCoverage");
  const files = result.filter(({ url }) => url.startsWith("file:") && url !== import.meta.url);
  return files.flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges)).reduce(
    (sum, { count }) => sum + count,
    processed,
  );
}

type Built = Record<string, (...given: never[]) => unknown>;
const TYPED = Object.getPrototypeOf(Uint8Array.prototype) as Built;
const all = (text: string): number => text.length;

/** The cost of built-in functions, by their object, arguments and result. */
const COSTS: [owner: Built, names: string[], cost: (self: never, args: never[], result: never) => number][] = [
  [String.prototype as unknown as Built, ["split", "replace", "replaceAll", "trim", "toLowerCase", "toUpperCase"], all],
  [
    String.prototype as unknown as Built,
    ["indexOf", "includes"],
    (self: string, [, from = 0], result: number | boolean) =>
      (typeof result === "number" && result >= 0 ? result : self.length) - from,
  ],
  [
    String.prototype as unknown as Built,
    ["lastIndexOf"],
    (self: string, [, from = self.length], result: number) => Math.min(from, self.length) - Math.max(result, 0),
  ],
  // A slice is only a view.
  [TYPED, ["indexOf"], (self: Uint8Array, [, from = 0], result: number) => (result < 0 ? self.length : result) - from],
  [TYPED, ["set"], (_, [from]: ArrayLike<number>[]) => from!.length],
  [TextDecoder.prototype as unknown as Built, ["decode"], (_, [bytes]: Uint8Array[]) => bytes?.length ?? 0],
  [TextEncoder.prototype as unknown as Built, ["encode"], (_, [text]: string[]) => text?.length ?? 0],
  [
    Array.prototype as unknown as Built,
    ["includes", "indexOf", "join", "unshift", "splice"],
    (self: unknown[]) => self.length,
  ],
];

async function countBuiltIns(run: () => unknown): Promise<number> {
  let sum = 0;
  const kept: [Built, string, Built[string]][] = [];
  const put = (owner: Built, name: string, now: Built[string]) => {
    kept.push([owner, name, owner[name]!]);
    Object.defineProperty(owner, name, { value: now, configurable: true, writable: true });
  };
  for (const [owner, names, cost] of COSTS) {
    for (const name of names) {
      const real = owner[name]!;
      put(owner, name, function (this: never, ...args: never[]) {
        const result = Reflect.apply(real, this, args);
        sum += 1 + cost(this, args, result as never);
        return result;
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
      // An anchored pattern is tried at one place; others are searched up to the match or the end.
      const anchored = this.sticky || (this.source.startsWith("^") && !this.multiline);
      sum += 1 + (found !== null ? found.index + found[0].length - from : anchored ? 0 : text.length - from);
      return found;
    } as unknown as Built[string],
  );
  try {
    await run();
  } catch {
    // A rejected text also has a cost.
  } finally {
    for (const [owner, name, real] of kept) {
      Object.defineProperty(owner, name, { value: real, configurable: true, writable: true });
    }
  }
  return sum;
}
