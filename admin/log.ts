/** `countersign log`: prints the log, filtered; with `--follow` also new lines as they are written. */
import { printDay } from "../lib/date.ts";
import { cleanLines, Fail, quote, reason } from "../lib/fail.ts";
import { logValue, MAX_VALUE_LENGTH } from "../lib/log.ts";
import { bareMessageId } from "../lib/message_id.ts";
import { RESULTS } from "../incoming/verdict.ts";
import { configFile, loadSettings } from "../io/system/load.ts";
import { abortOnSignal } from "../io/system/signals.ts";
import { writeOut } from "../io/system/input.ts";
import { type Arguments, atMost, runCommand } from "./arguments.ts";
import { DIRECTION_KEYS, valueOf } from "./log/line.ts";
import { wholeLines } from "./log/read.ts";
import { logFiles, textsOf } from "./log/rotated.ts";
import { choice, choices, day } from "./option_values.ts";

/** The results of lines about outgoing mail, of the other lines that daemons write, and of doorbells. */
const OTHER_RESULTS = [
  ...["sent", "failed", "queued", "reported", "undelivered", "notice", "passed", "signed", "refused", "deferred"],
  ...["reloaded", "kept", "new", "mismatch", "expired", "denied"],
];

const HELP = `Usage: countersign log [--direction in|out] [--result WORD] [--id MESSAGE-ID] [--since DATE] [--follow]
                       [--config FILE]
Prints the lines of the log that match all options. With --id or --since it also reads the rotated files log.1, log.2.gz
and so on.

  --direction in|out  Only incoming or only outgoing messages
  --result WORD       Only this result; may be repeated. One of: sent, failed, queued, reported, undelivered, notice,
                      passed, signed, refused, deferred, reloaded, kept, new, mismatch, expired, denied, genuine, known,
                      late, unsolicited, suspect, forged, unsure, unjudged, challenge, other
  --id MESSAGE-ID     Only lines about the message with this Message-ID: when it was sent, and its bounces
  --since DATE        Only lines from this day on (UTC), such as 2026-11-20
  --follow            Keep printing new lines until interrupted

Example: countersign log --direction in --result forged --since 2026-11-20
Example: countersign log --id '<20261120053258.4711@example.org>'
`;

/** Keys of the Message-ID of an outgoing message, and of the one that a bounce returns. */
const ID_KEYS = ["id", "original"];

/** Runs the command. @returns the exit status */
export function log(name: string, args: readonly string[]): Promise<number> {
  const takes = { values: ["direction", "result", "id", "since", "config"], flags: ["follow"] };
  return runCommand(name, args, { help: HELP, ...takes }, async (options) => {
    atMost(options, 0);
    const direction = choice(options, "direction", ["in", "out"]);
    const results = choices(options, "result", [...OTHER_RESULTS, ...RESULTS]);
    const since = day(options, "since");
    const id = messageId(options);
    const select = selector(direction, results, since === undefined ? "" : printDay(since), id);
    const { state } = loadSettings(configFile(options.value("config")), true);
    const stop = options.has("follow") ? abortOnSignal() : undefined;
    const rotated = id !== undefined || since !== undefined;
    const texts = async function* () {
      if (rotated) yield* rotatedTexts(`${state.folder}/log`, new Date((since ?? 0) * 86_400_000));
      yield* wholeLines(`${state.folder}/log`, stop);
    };
    for await (const text of texts()) {
      const selected = select(text);
      if (selected !== "" && !await print(selected)) break;
    }
  });
}

/** Returns the Message-ID in the form in which it is logged. @throws {Fail} `usage` */
function messageId(options: Arguments): string | undefined {
  const value = options.value("id");
  if (value === undefined) return undefined;
  const id = bareMessageId(value);
  if (id === "") throw new Fail("usage", `Option --id is ${quote(value)}, not a Message-ID`);
  return `<${id}>`;
}

/** The texts of the rotated files. @throws {Fail} `io` */
async function* rotatedTexts(path: string, since: Date): AsyncGenerator<string> {
  let file = path;
  try {
    for (file of logFiles(path, since)) if (file !== path) yield* textsOf(file);
  } catch (error) {
    if (error instanceof Fail) throw error;
    throw new Fail("io", `Log cannot be read: ${reason(error)}`, { file, cause: error });
  }
}

/**
 * Returns a function that selects the matching lines of a text of whole lines. Only lines that contain one of the
 * wanted `key=value` words are parsed, because a log may have 500 MB and few matches.
 */
export function selector(
  direction: string | undefined,
  results: readonly string[],
  since: string,
  id?: string,
): (text: string) => string {
  const asked = id !== undefined
    ? ID_KEYS.map((key) => [key, id])
    : results.length > 0
    ? results.map((one) => ["result", one])
    : direction !== undefined
    ? DIRECTION_KEYS.map((key) => [key, direction])
    : [];
  const words = asked.map(([key, value]) => `${key}=(?:${RegExp.escape(logValue(value!))}|"${RegExp.escape(value!)})`);
  const word = new RegExp(words.length > 0 ? words.join("|") : "^", "gm");
  if (asked.length === 0 && since === "") return (text) => text;
  const fits = filter(direction, results, since, id);
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
  id?: string,
): (line: string) => boolean {
  const logged = id?.slice(0, MAX_VALUE_LENGTH);
  return (line) =>
    (logged === undefined || ID_KEYS.some((key) => valueOf(line, key) === logged)) &&
    (direction === undefined ||
      DIRECTION_KEYS.map((key) => valueOf(line, key)).find((value) => value !== "") === direction) &&
    (results.length === 0 || results.includes(valueOf(line, "result"))) &&
    (since === "" || valueOf(line, "time") >= since);
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
