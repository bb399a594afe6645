/** `countersign sweep`: judges new messages in maildirs, and moves forged bounces. For mail that no hook has judged. */
import { errorText, Fail, quote } from "../lib/fail.ts";
import { configFile, loadIdentities, loadSettings } from "../io/system/load.ts";
import { printError } from "../io/system/log.ts";
import { abortOnSignal } from "../io/system/signals.ts";
import { mailboxOf } from "../lib/settings/mailbox.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { type Arguments, runCommand } from "./arguments.ts";
import { throwWithNetwork } from "./doctor/programs.ts";
import { realPath } from "./files.ts";
import { checkMaildir, shareFolder } from "./sweep/mailbox.ts";
import { sweepMaildir, type SweepOptions } from "./sweep/pass.ts";
import { SweepReport } from "./sweep/report.ts";
import { MaildirWatch } from "./sweep/watch.ts";
import { say } from "./terminal.ts";

const HELP =
  `Usage: countersign sweep MAILDIR... [--spam MAILDIR] [--mark] [--all] [--days N] [--dry-run] [--quiet] [--json]
       countersign sweep MAILDIR... --watch [--spam MAILDIR] [--mark] [--days N] [--quiet]
Judges the messages that have arrived in maildirs since the last sweep, and moves forged bounces to the spam maildir, as
the hook does when it delivers. For mail that mbsync, fetchmail or getmail fetches from a server where no hook runs. The
envelope is taken from Return-Path and Delivered-To; without them, a message that looks like a bounce counts as one.
Challenges are never answered.

  --spam MAILDIR  Spam maildir for forged bounces. Default: the setting incoming.spam
  --mark          Add an X-Countersign field with the result to messages that the hook would mark. Rewrites their files
  --all           Also judge messages that an earlier sweep has seen
  --days N        Do not move forged bounces that arrived more than N days ago (1 to 23), because the messages that they
                  may be about are no longer remembered. Default: 14
  --dry-run       Print what would be done
  --quiet         Print errors only
  --json          Print JSON, as documented in countersign(1)
  --watch         Keep running, and judge messages as they arrive
  --config FILE   Settings file. Default: ~/.config/countersign/config.toml

The first sweep judges all unread messages, and read ones of the last N days. A message that you move back stays there.
Exits with status 75 if a maildir could not be read, or a message not be judged or moved. The others are swept, and the
next sweep tries again. If no maildir can be read, the status is 74.

Example: countersign sweep ~/Maildir
Example: countersign sweep --dry-run --all ~/Maildir
`;

/** Days after its arrival within which a forged bounce is moved. */
const DEFAULT_DAYS = 14;
/** Sent mail is remembered for 30 days, and servers return it within a week. */
const MAX_DAYS = 23;

/** Runs the command. @returns the exit status */
export function sweep(name: string, args: readonly string[]): Promise<number> {
  const takes = { values: ["spam", "days", "config"], flags: ["mark", "all", "dry-run", "quiet", "json", "watch"] };
  return runCommand(name, args, { help: HELP, ...takes }, async (options) => {
    const paths = [...options.operands, ...options.rest ?? []];
    if (paths.length === 0) throw new Fail("usage", "MAILDIR is missing", { fix: "countersign sweep ~/Maildir" });
    const days = daysIn(options);
    for (const other of ["all", "dry-run", "json"]) {
      if (!options.has("watch") || !options.has(other)) continue;
      throw new Fail("usage", `Options --watch and --${other} cannot be combined`);
    }
    if (options.has("quiet") && options.has("json")) {
      throw new Fail("usage", "Options --quiet and --json cannot be combined");
    }
    const stop = abortOnSignal();
    const pass = () => sweepAll(options, paths, days, stop).catch((error) => throwWithNetwork(error, "sweep", args));
    return options.has("watch") ? await watch(name, options, paths, pass, stop) : await once(name, options, pass, stop);
  });
}

/** The result of one sweep of all maildirs. */
interface Swept {
  readonly report: SweepReport;
  readonly spam: string;
}

/** Sweeps all maildirs. Settings and keys are read again each time. */
async function sweepAll(
  options: Arguments,
  paths: readonly string[],
  days: number,
  stop: AbortSignal,
): Promise<Swept> {
  const settings = loadSettings(configFile(options.value("config")));
  const spam = spamMaildir(options.value("spam"), settings);
  const report = new SweepReport();
  const maildirs = usableMaildirs(paths, report);
  const own = maildirs.find((one) => one === spam || shareFolder(one, spam));
  if (own !== undefined) throw new Fail("usage", "This is the spam maildir", { file: own });
  const [mark, dryRun, all] = ["mark", "dry-run", "all"].map((flag) => options.has(flag)) as [
    boolean,
    boolean,
    boolean,
  ];
  const sweepOptions: SweepOptions = { spam, days, mark, dryRun, all };
  for (const maildir of maildirs) {
    if (stop.aborted) break;
    const context = { settings, identities: loadIdentities(settings), now: new Date() };
    try {
      await sweepMaildir(maildir, sweepOptions, context, report, stop);
    } catch (error) {
      if (!(error instanceof Fail) || error.cause instanceof Deno.errors.NotCapable) throw error;
      report.fail(maildir, error.file === maildir ? error.message : errorText(error));
    }
  }
  return { report, spam };
}

/**
 * Returns the paths of the maildirs without links, each once. One that cannot be used, such as that of an account whose
 * mail was never fetched, is reported and does not stop the others.
 *
 * @throws {Fail} `io` when none can be used
 */
function usableMaildirs(paths: readonly string[], report: SweepReport): string[] {
  const maildirs = new Set<string>();
  for (const path of paths) {
    try {
      maildirs.add(checkMaildir(path));
    } catch (error) {
      if (!(error instanceof Fail) || paths.length === 1) throw error;
      report.fail(path, error.message);
    }
  }
  if (maildirs.size === 0) checkMaildir(paths[0]!);
  return [...maildirs];
}

/** Returns the path of the spam maildir. @throws {Fail} `usage` if the settings name an mbox file */
function spamMaildir(given: string | undefined, { incoming }: Settings): string {
  const mailbox = given === undefined ? mailboxOf(incoming.spam) : { maildir: given };
  if ("maildir" in mailbox) return realPath(absolute(mailbox.maildir));
  throw new Fail("usage", "incoming.spam is an mbox file", { fix: "name a maildir with --spam" });
}

async function once(
  name: string,
  options: Arguments,
  pass: () => Promise<Swept>,
  stop: AbortSignal,
): Promise<number> {
  const { report, spam } = await pass();
  if (options.has("json")) say(report.json(spam, options.has("dry-run")));
  else if (!options.has("quiet")) say(report.text(spam, options.has("dry-run")));
  for (const line of report.failureLines()) printError(name, line);
  if (stop.aborted) throw new Fail("temporary", "Interrupted; the next sweep judges the rest");
  return report.failures.size > 0 ? 75 : 0;
}

/** Sweeps whenever something changes, until a signal arrives. Errors are printed once, and tried again. */
async function watch(
  name: string,
  options: Arguments,
  paths: readonly string[],
  pass: () => Promise<Swept>,
  stop: AbortSignal,
): Promise<number> {
  using watcher = new MaildirWatch(paths);
  let former: string[] = [];
  for (let first = true; !stop.aborted; first = false) {
    const errors: string[] = [];
    const problem = await watcher.update();
    if (problem !== undefined) errors.push(`Changes cannot be watched, so the maildirs are polled: ${problem}`);
    try {
      const { report, spam } = await pass();
      errors.push(...report.failureLines());
      const found = report.moved.length + report.marked > 0 || first;
      if (found && !options.has("quiet")) say(report.text(spam, false));
    } catch (error) {
      if (first || !(error instanceof Fail)) throw error;
      errors.push(errorText(error));
    }
    for (const line of errors) if (!former.includes(line)) printError(name, line);
    former = errors;
    await watcher.wait(stop);
  }
  return 0;
}

function daysIn(options: Arguments): number {
  const text = options.value("days") ?? String(DEFAULT_DAYS);
  const days = /^\d{1,3}$/.test(text) ? Number(text) : NaN;
  if (days >= 1 && days <= MAX_DAYS) return days;
  throw new Fail("usage", `Option --days is ${quote(text)}, not a number from 1 to ${MAX_DAYS}`);
}

const absolute = (path: string): string => path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
