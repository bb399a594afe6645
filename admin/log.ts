/** `countersign log`: prints the log, filtered; with `--follow` also new lines as they are written. */
import { printDay } from "../lib/date.ts";
import { Fail, reason } from "../lib/fail.ts";
import { configFile, loadSettings } from "../io/system/load.ts";
import { abortOnSignal } from "../io/system/signals.ts";
import { writeOut } from "../io/system/input.ts";
import { atMost, runCommand } from "./arguments.ts";
import { cleanLines } from "./terminal.ts";
import { choice, day } from "./option_values.ts";

const HELP = `Usage: countersign log [--direction in|out] [--result WORD] [--since DATE] [--follow] [--config FILE]
Prints the lines of the log that match all options.

  --direction in|out  Only incoming or only outgoing messages
  --result WORD       Only this result; may be repeated: sent, failed, and for the outbox queued, reported,
                      undelivered, notice; genuine, known, late, unsolicited, suspect, forged, unsure, unjudged,
                      challenge, other
  --since DATE        Only lines from this day on (UTC), such as 2026-11-20
  --follow            Keep printing new lines until interrupted

Example: countersign log --direction in --result forged --since 2026-11-20
`;

/** How often a followed log is checked for new lines. */
const POLL_MS = 200;
const CHUNK_BYTES = 256 * 1024;
/** Keys of the direction of a message: the current one, and that of earlier versions. */
const DIRECTION_KEYS = ["direction", "way"];
/** Longest line that is kept whole; lib/log.ts truncates values, so that its lines are much shorter. */
const MAX_LINE_LENGTH = 64 * 1024;

/** Runs the command. @returns the exit status */
export function log(name: string, args: readonly string[]): Promise<number> {
  const takes = { values: ["direction", "result", "since", "config"], flags: ["follow"] };
  return runCommand(name, args, { help: HELP, ...takes }, async (options) => {
    atMost(options, 0);
    const direction = choice(options, "direction", ["in", "out"]);
    const since = day(options, "since");
    const select = selector(direction, options.values("result"), since === undefined ? "" : printDay(since));
    const { state } = loadSettings(configFile(options.value("config")), true);
    const stop = options.has("follow") ? abortOnSignal() : undefined;
    for await (const text of wholeLines(`${state.folder}/log`, stop)) {
      const selected = select(text);
      if (selected !== "" && !await print(selected)) break;
    }
  });
}

/**
 * Returns a function that selects the matching lines of a text of whole lines. Only lines that contain one of the wanted
 * `key=value` words are parsed, because a log may have 500 MB and few matches.
 */
export function selector(
  direction: string | undefined,
  results: readonly string[],
  since: string,
): (text: string) => string {
  const asked = results.length > 0
    ? results.map((one) => ["result", one])
    : direction !== undefined
    ? DIRECTION_KEYS.map((key) => [key, direction])
    : [];
  const words = asked.map(([key, value]) => `${key}="?${RegExp.escape(value!)}`);
  const word = new RegExp(words.length > 0 ? words.join("|") : "^", "gm");
  if (asked.length === 0 && since === "") return (text) => text;
  const fits = filter(direction, results, since);
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

/** Returns a predicate for matching lines. Times are in UTC and therefore compare as text. */
export function filter(
  direction: string | undefined,
  results: readonly string[],
  since: string,
): (line: string) => boolean {
  return (line) =>
    (direction === undefined ||
      DIRECTION_KEYS.map((key) => valueOf(line, key)).find((value) => value !== "") === direction) &&
    (results.length === 0 || results.includes(valueOf(line, "result"))) &&
    (since === "" || valueOf(line, "time") >= since);
}

/** The value of a key, or an empty string. A value before the first quote needs no parsing, and most are. */
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

/** The direction of a logged message; lines of earlier versions call it `way`. */
export const directionOf = (line: Readonly<Record<string, string>>): string | undefined =>
  DIRECTION_KEYS.map((key) => line[key]).find((value) => value !== undefined);

/** The values of a line. A quoted value was written as JSON; a `key=value` in it is text. */
export function fields(line: string): Record<string, string> {
  const out: Record<string, string> = Object.create(null);
  for (const [, key, text] of line.matchAll(/(?:^| )(\w+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?= |$)/g)) {
    try {
      out[key!] ??= text!.startsWith('"') ? JSON.parse(text!) : text!;
    } catch {
      // Not written by this program: ignored.
    }
  }
  return out;
}

/**
 * The lines of a file from byte `from` on, one by one. With `stop`, waits for more until the signal aborts, also across
 * log rotation.
 */
export async function* lines(path: string, stop: AbortSignal | undefined, from = 0): AsyncGenerator<string> {
  for await (const text of wholeLines(path, stop, from)) yield* text.replace(/\n$/, "").split("\n");
}

/** The current size of a file in bytes; 0 if it is missing. */
export const sizeOf = (path: string): number => stat(path)?.size ?? 0;

/** As {@link lines}, but yields as many whole lines at once as were read. */
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
      // The file was rotated, removed or truncated: read the new one from its beginning.
      const current = stat(path);
      const opened = file?.statSync();
      if (current !== undefined && (opened === undefined || current.ino !== opened.ino || current.size < at)) {
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
    const timer = setTimeout(done, POLL_MS);
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
    if (error instanceof Deno.errors.NotFound) return undefined; // nothing was logged yet
    throw new Fail("io", `Log cannot be read: ${reason(error)}`, { file: path, cause: error });
  }
}

/** Prints whole lines. @returns false when the reader has gone */
async function print(text: string): Promise<boolean> {
  try {
    await writeOut(new TextEncoder().encode(cleanLines(text)));
    return true;
  } catch (error) {
    if (error instanceof Fail && error.cause instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
}
