/** `countersign report`: sums up the log of some days on one screen. */
import { dayOf, printDay } from "../lib/date.ts";
import { Fail, reason } from "../lib/fail.ts";
import { configFile, loadSettings } from "../io/system/load.ts";
import { atMost, runCommand } from "./arguments.ts";
import { parseLine } from "./log/line.ts";
import { logFiles, textsOf } from "./log/rotated.ts";
import { day } from "./option_values.ts";
import { Tally } from "./report/tally.ts";
import { type Report, reportJson, reportText } from "./report/text.ts";
import { say } from "./terminal.ts";

/** Days before today that are reported. */
const DAYS = 7;

const HELP = `Usage: countersign report [--since DATE] [--json] [--config FILE]
Sums up the log: what was sent signed, what was not and why; which bounces were genuine, known, late or forged, and what
happened to them; and the domains that send the most backscatter. It also reads the rotated files log.1, log.2.gz and
log-20261120. Test messages of countersign doctor are left out; damaged lines are counted. contrib/report runs it every
week and mails the report.

  --since DATE   First day (UTC), such as 2026-11-20. Default: ${DAYS} days ago
  --json         Print JSON, as documented in countersign(1)
  --config FILE  Settings file. Default: ~/.config/countersign/config.toml

Example: countersign report --since 2026-11-20
`;

/** Runs the command. @returns the exit status */
export function report(name: string, args: readonly string[]): Promise<number> {
  const takes = { values: ["since", "config"], flags: ["json"] };
  return runCommand(name, args, { help: HELP, ...takes }, async (options) => {
    atMost(options, 0);
    const today = dayOf(new Date());
    const since = day(options, "since") ?? today - DAYS;
    const { state } = loadSettings(configFile(options.value("config")), true);
    const told = await sumUp(`${state.folder}/log`, since, today);
    say(options.has("json") ? reportJson(told) : reportText(told));
  });
}

/** Reads the log from a day on. @throws {Fail} `io` if its folder cannot be read */
async function sumUp(path: string, since: number, today: number): Promise<Report> {
  const first = printDay(since);
  const tally = new Tally();
  const unreadable: { path: string; why: string }[] = [];
  for (const file of filesOf(path, since)) {
    try {
      for await (const text of textsOf(file)) count(text, first, tally);
    } catch (error) {
      unreadable.push({ path: file, why: reason(error instanceof Fail ? error.cause : error) });
    }
  }
  return { since: first, until: printDay(today), tally, unreadable };
}

function filesOf(path: string, since: number): string[] {
  try {
    return logFiles(path, new Date(since * 86_400_000));
  } catch (error) {
    throw new Fail("io", `Log cannot be read: ${reason(error)}`, { file: path, cause: error });
  }
}

/** Counts the lines of a text of whole lines. Times compare as text. */
function count(text: string, first: string, tally: Tally): void {
  for (let at = 0, end; (end = text.indexOf("\n", at)) >= 0; at = end + 1) {
    const line = text.slice(at, end);
    if (line.startsWith("time=2") && line.slice(5, 15) < first) continue;
    const values = parseLine(line);
    if (values === undefined) tally.damaged++;
    else tally.add(values);
  }
}
