/** `countersign log`: the log, filtered; with `--follow` also what is still to come. */
import { parseDay } from "../lib/date.ts";
import { Fail, quote, reason } from "../lib/fail.ts";
import { configFile, loadSettings } from "../io/system/load.ts";
import { stopped } from "../io/system/abort.ts";
import { writeOut } from "../io/system/input.ts";
import { atMost, runCommand } from "./arguments.ts";
import { cleanLines } from "./terminal.ts";

const HELP = `Usage: countersign log [--way in|out] [--result WORD] [--since DATE] [--follow] [--config FILE]
Prints the lines of the log that fit.

  --way in|out   what came in, or what went out
  --result WORD  sent, failed; genuine, late, unsolicited, suspect, forged, challenge, other; may be repeated
  --since DATE   from that day on (UTC), as 2026-11-20
  --follow       go on with what is written from now on, until interrupted

Example: countersign log --way in --result forged --since 2026-11-20
`;

/** How often a followed log is looked at, in milliseconds. */
const OFTEN = 200;
const CHUNK_BYTES = 256 * 1024;
/** No line is longer: lib/log.ts cuts its values. */
const MAX_LINE_LENGTH = 64 * 1024;

/** Runs the command. @returns the exit status */
export function log(name: string, args: readonly string[]): Promise<number> {
  const takes = { values: ["way", "result", "since", "config"], flags: ["follow"] };
  return runCommand(name, args, { help: HELP, ...takes }, async (given) => {
    atMost(given, 0);
    const [way, since] = [given.value("way"), given.value("since") ?? ""];
    if (way !== undefined && way !== "in" && way !== "out") {
      throw new Fail("usage", `Option --way ${quote(way)} is not in or out`);
    }
    if (since !== "" && parseDay(since) === undefined) {
      throw new Fail("usage", `Option --since ${quote(since)} is not a date as 2026-11-20`);
    }
    const select = selector(way, given.values("result"), since);
    const { state } = loadSettings(configFile(given.value("config")));
    const stop = given.has("follow") ? stopped() : undefined;
    for await (const text of wholeLines(`${state}/log`, stop)) {
      const selected = select(text);
      if (selected !== "" && !await print(selected)) break;
    }
  });
}

/**
 * Takes from a text of whole lines those that were asked for. Lines are looked into only where a word stands that all of
 * these must have: of 500 MB few do.
 */
export function selector(
  way: string | undefined,
  results: readonly string[],
  since: string,
): (text: string) => string {
  const asked = results.length > 0 ? results.map((one) => ["result", one]) : way !== undefined ? [["way", way]] : [];
  const words = asked.map(([key, value]) => `${key}="?${RegExp.escape(value!)}`);
  const word = new RegExp(words.length > 0 ? words.join("|") : "^", "gm");
  if (asked.length === 0 && since === "") return (text) => text;
  const fits = filter(way, results, since);
  return (text) => {
    const out: string[] = [];
    word.lastIndex = 0;
    for (let found; (found = word.exec(text)) !== null;) {
      const start = text.lastIndexOf("\n", Math.max(found.index - 1, 0)) + 1;
      const newline = text.indexOf("\n", found.index);
      const end = newline < 0 ? text.length : newline;
      const line = text.slice(start, end);
      if (fits(line)) out.push(line, "\n");
      word.lastIndex = end + 1;
      if (newline < 0) break;
    }
    return out.join("");
  };
}

/** Is it a line that was asked for? Times are UTC, so they compare as texts. */
export function filter(
  way: string | undefined,
  results: readonly string[],
  since: string,
): (line: string) => boolean {
  return (line) =>
    (way === undefined || valueOf(line, "way") === way) &&
    (results.length === 0 || results.includes(valueOf(line, "result"))) &&
    (since === "" || valueOf(line, "time") >= since);
}

/** A value of a line, empty where there is none: most stand before the first quote, and none is made of the others. */
function valueOf(line: string, key: string): string {
  const at = line.startsWith(`${key}=`) ? 0 : line.indexOf(` ${key}=`) + 1;
  const begin = at + key.length + 1;
  const space = line.indexOf(" ", begin);
  const value = line.slice(begin, space < 0 ? line.length : space);
  const quote = line.indexOf('"');
  const plain = at > 0 || line.startsWith(`${key}=`);
  if (plain && (quote < 0 || quote > begin + value.length)) return value;
  return fields(line)[key] ?? "";
}

/** The values of a line. What is quoted was written as JSON, and holds no `key=value` of its own. */
export function fields(line: string): Record<string, string> {
  const out: Record<string, string> = Object.create(null);
  for (const [, key, text] of line.matchAll(/(?:^| )(\w+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?= |$)/g)) {
    try {
      out[key!] ??= text!.startsWith('"') ? JSON.parse(text!) : text!;
    } catch {
      // Nobody's value.
    }
  }
  return out;
}

/** The lines of a file from this octet on, each alone; with `stop` for ever, also when it is made anew. */
export async function* lines(path: string, stop: AbortSignal | undefined, from = 0): AsyncGenerator<string> {
  for await (const text of wholeLines(path, stop, from)) yield* text.replace(/\n$/, "").split("\n");
}

/** How long a file is now. */
export const sizeOf = (path: string): number => stat(path)?.size ?? 0;

/** The same, as many at once as were read. */
async function* wholeLines(path: string, stop: AbortSignal | undefined, from = 0): AsyncGenerator<string> {
  let file = open(path);
  if (file === undefined && stop === undefined) return;
  file?.seekSync(from, Deno.SeekMode.Start);
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(CHUNK_BYTES);
  let begun = "";
  let at = from;
  try {
    for (;;) {
      const count = file === undefined ? 0 : file.readSync(buffer) ?? 0;
      at += count;
      const text = begun + decoder.decode(buffer.subarray(0, count), { stream: true });
      const end = text.lastIndexOf("\n") + 1;
      begun = text.slice(end).slice(-MAX_LINE_LENGTH);
      if (end > 0) yield text.slice(0, end);
      if (count > 0) continue;
      if (stop === undefined) {
        if (begun !== "") yield `${begun}\n`;
        return;
      }
      if (stop.aborted) return;
      await pause(stop);
      // Moved away, removed or cut: the new one from its beginning.
      const there = stat(path);
      const mine = file?.statSync();
      if (there !== undefined && (mine === undefined || there.ino !== mine.ino || there.size < at)) {
        file?.close();
        file = open(path);
        [at, begun] = [0, ""];
      }
    }
  } finally {
    file?.close();
  }
}

function pause(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      stop.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, OFTEN);
    stop.addEventListener("abort", done);
  });
}

function stat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

function open(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined; // nothing has happened yet
    throw new Fail("io", `Log ${path} cannot be read: ${reason(error)}`);
  }
}

/** Prints whole lines. @returns false when nobody reads any more */
async function print(text: string): Promise<boolean> {
  try {
    await writeOut(new TextEncoder().encode(cleanLines(text)));
    return true;
  } catch (error) {
    if (error instanceof Fail && error.cause instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
}
