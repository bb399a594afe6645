/** Prints an audit for a terminal. */
import { RESULTS } from "../../incoming/verdict.ts";
import { plain, rows } from "../terminal.ts";
import { recentSentence } from "./recent.ts";
import type { Audit, Counts } from "./tally.ts";

/** Width of the longest bar, in characters. */
const BAR_WIDTH = 50;

/** Returns the results that occur, and `other`. */
export const resultsOf = ({ results }: Audit) => RESULTS.filter((result) => results[result] > 0 || result === "other");

/** Returns the number of bounces of mail that the user did not send, whatever the settings do with them. */
export const backscatterOf = (counts: Counts): number => counts.forged + counts.suspect;

/** Returns the results that are not in the tables, as sentences. */
export function sentences(audit: Audit): string[] {
  const { bounces, rejectable, refuses, unsigned, sent, unreadable, compressed, skipped } = audit;
  const recent = audit.recentlySent && recentSentence(audit.recentlySent);
  const share = (rejectable.share * 100).toFixed(1);
  return [
    ...(audit.interrupted ? ["Interrupted: these are the results so far."] : []),
    `${count(audit.messages, "message")} in ${audit.seconds.toFixed(1)} s, ${number(audit.rate)} a second.`,
    sent === null
      ? "Without --sent, bounces of mail that was not signed count as forged."
      : `${count(sent, "sent message")} found.`,
    ...(recent === undefined ? [] : [recent]),
    ...(audit.notCounted === undefined
      ? []
      : [`${audit.notCounted}. Bounces of sent mail are known by the mailboxes of --sent alone.`]),
    `${count(bounces.total, "bounce")} to your addresses: ${number(bounces.verified)} verified by a signature, ` +
    `${number(bounces.known)} known by a Message-ID, ${number(bounces.unrecognized)} not recognized.`,
    ...(refuses.forged
      ? [`The door would reject ${number(rejectable.count)} during the SMTP session, ${share} % of all messages.`]
      : []),
    ...(refuses.unsigned && unsigned > 0
      ? [`identity.refuse_unsigned would reject ${number(unsigned)}: all from the null sender to a plain address.`]
      : []),
    ...(skipped > 0 ? [`${count(skipped, "file")} skipped: not messages, or links.`] : []),
    ...(compressed.count > 0 ? [`${count(compressed.count, "compressed file")} not read: ${names(compressed)}.`] : []),
    ...(unreadable.count > 0
      ? [`${count(unreadable.count, "file or folder", "files or folders")} could not be read:`]
      : []),
  ];
}

/** Number of compressed files that are named in the sentence. */
const MAX_NAMED_FILES = 10;

function names({ count, files }: Audit["compressed"]): string {
  const shown = files.slice(0, MAX_NAMED_FILES);
  const more = count > shown.length ? ` and ${number(count - shown.length)} more` : "";
  return shown.map(plain).join(", ") + more;
}

/** Number of domains that the text lists; the page has them all. */
const MAX_LISTED_DOMAINS = 20;

/** Returns the whole report as text. */
export function auditText(audit: Audit): string {
  const results = resultsOf(audit);
  const table = [
    ["Month", ...results, "all"],
    ...audit.months.map((counts) => line(counts.month ?? "unknown", counts, results)),
    line("All", audit.results, results),
  ];
  const wide = table[0]!.map((_, at) => Math.max(...table.map((row) => row[at]!.length)));
  const text = table.map((row) => {
    return row.map((cell, at) => at === 0 ? cell.padEnd(wide[at]!) : cell.padStart(wide[at]!)).join("  ").trimEnd();
  });
  const { files, count: unread } = audit.unreadable;
  const more = unread - files.length;
  return [
    ...text,
    ...section(
      "Bounces of mail that you did not send",
      audit.months.map((m) => [m.month ?? "unknown", backscatterOf(m)]),
    ),
    ...section(
      "Domains that sent the most of them",
      audit.backscatter.slice(0, MAX_LISTED_DOMAINS).map(({ domain, count }) => [plain(domain), count]),
    ),
    "",
    ...sentences(audit),
    ...files.map(({ path, why }) => `  ${plain(path)}: ${plain(why)}`),
    ...(more > 0 ? [`  and ${number(more)} more`] : []),
  ].join("\n");
}

function line(name: string, counts: Counts, results: readonly (keyof Counts)[]): string[] {
  const all = RESULTS.reduce((sum, result) => sum + counts[result], 0);
  return [name, ...results.map((result) => number(counts[result])), number(all)];
}

/** Returns a section with a bar for each row; empty if all are zero. */
function section(title: string, bars: readonly [string, number][]): string[] {
  const most = Math.max(0, ...bars.map(([, count]) => count));
  if (most === 0) return [];
  const drawn = bars.map(([name, count]) => {
    return [name, `${"#".repeat(Math.ceil(count / most * BAR_WIDTH))}${count > 0 ? " " : ""}${number(count)}`];
  });
  return ["", title, rows(drawn)];
}

/** Formats a number with commas between thousands, independently of the locale. */
export const number = (n: number): string => String(n).replace(/\B(?=(?:\d{3})+$)/g, ",");

function count(n: number, one: string, many = `${one}s`): string {
  return `${number(n)} ${n === 1 ? one : many}`;
}
