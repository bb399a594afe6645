/** Prints a report as text of one screen, and as JSON. */
import { RESULTS } from "../../incoming/verdict.ts";
import { json, plain, rows } from "../terminal.ts";
import type { Counted, Counter } from "./counter.ts";
import type { Tally } from "./tally.ts";

/** What was counted, and from which files. */
export interface Report {
  /** The first and the last day, UTC. */
  readonly since: string;
  readonly until: string;
  readonly tally: Tally;
  /** Files that could not be read to their end. */
  readonly unreadable: readonly { readonly path: string; readonly why: string }[];
}

/** Number of reasons and domains that are printed. */
const [MAX_REASONS, MAX_DOMAINS] = [5, 10];

/** What happened to a message, in the words of a report. */
const OUTCOMES: Record<string, string> = { "go-on": "left to the next program", kept: "kept in the inbox" };

/** Returns the report as text. */
export function reportText({ since, until, tally, unreadable }: Report): string {
  const notes = [
    ...tally.damaged > 0
      ? [`${counted(tally.damaged, "line of the log", "lines of the log")} damaged and not counted.`]
      : [],
    ...unreadable.map(({ path, why }) => `${plain(path)} cannot be read to its end: ${plain(why)}`),
    ...tally.forgotten > 0
      ? [`${counted(tally.forgotten, "message", "messages")} sent without being remembered: bounces may look forged.`]
      : [],
    ...tally.errors.total > 0 ? [`Errors were logged: ${list(tally.errors.top(3))}`] : [],
  ];
  if (tally.lines === tally.probes) {
    return [`No mail was logged from ${since} to ${until}.`, ...notes].join("\n");
  }
  return [`Mail from ${since} to ${until} (UTC)`, ...sections(tally), ...notes.length > 0 ? ["", ...notes] : []]
    .join("\n");
}

type Row = readonly [name: string, count: number, details: string];

function sections(tally: Tally): string[] {
  const results = new Map(tally.incoming.top().map(({ word, count }) => [word, count]));
  const outcomes = (result: string) => {
    const own = tally.forged.top().filter(({ word }) => word.startsWith(`${result} `));
    return list(own.map(({ word, count }) => ({ word: outcomeText(word.slice(result.length + 1)), count })));
  };
  const incoming = RESULTS.filter((one) => ALWAYS.includes(one) || results.has(one))
    .map((one): Row => [one, results.get(one) ?? 0, outcomes(one)]);
  return [
    ...section("Sent", [
      ["signed", tally.signed.total, list(tally.signed.top())],
      ["unsigned", tally.unsigned.total, list(tally.unsigned.top(MAX_REASONS))],
      ["failed", tally.failed.total, list(tally.failed.top(MAX_REASONS))],
      ...tally.delayed > 0 ? [["deferred", tally.delayed, ""] as const] : [],
    ]),
    ...section("Received", [...incoming, ["deferred", tally.deferred, ""]]),
    ...tally.refused.total + tally.passed.total + tally.doorDeferred === 0 ? [] : section("At the door of serve", [
      ["refused", tally.refused.total, list(tally.refused.top(MAX_REASONS))],
      ["accepted", tally.passed.total, list(tally.passed.top(MAX_REASONS))],
      ["deferred", tally.doorDeferred, ""],
    ]),
    ...tally.backscatter.total === 0 ? [] : section(
      "Domains that sent the most bounces of mail that is not yours",
      tally.backscatter.top(MAX_DOMAINS).map(({ word, count }) => [plain(word), count, ""]),
    ),
  ];
}

/** Results that are printed even if there were none. */
const ALWAYS: readonly string[] = ["genuine", "known", "late", "forged"];

function section(title: string, table: readonly Row[]): string[] {
  const wide = Math.max(...table.map(([, count]) => String(count).length), 5);
  const cells = table.map(([name, count, details]) => [`  ${name}`, String(count).padStart(wide), details]);
  return ["", title, ...rows(cells).split("\n").map((line) => line.trimEnd())];
}

const list = (counts: readonly Counted[]): string =>
  counts.map(({ word, count }) => `${plain(word)} ${count}`).join(", ");

const outcomeText = (outcome: string): string => Object.hasOwn(OUTCOMES, outcome) ? OUTCOMES[outcome]! : outcome;

const counted = (count: number, one: string, more: string): string =>
  count === 1 ? `1 ${one} was` : `${count} ${more} were`;

/** Returns the report as JSON. */
export function reportJson({ since, until, tally, unreadable }: Report): string {
  const results = (counter: Counter) => {
    const found = new Map(counter.top().map(({ word, count }) => [word, count]));
    return Object.fromEntries(RESULTS.map((one) => [one, found.get(one) ?? 0]));
  };
  const reasons = (counter: Counter) => counter.top().map(({ word: why, count }) => ({ why, count }));
  return json({
    since,
    until,
    outgoing: {
      signed: tally.signed.total,
      schemes: tally.signed.top().map(({ word: scheme, count }) => ({ scheme, count })),
      unsigned: tally.unsigned.total,
      reasons: reasons(tally.unsigned),
      failed: tally.failed.total,
      failures: reasons(tally.failed),
      deferred: tally.delayed,
      forgotten: tally.forgotten,
    },
    incoming: { results: results(tally.incoming), deferred: tally.deferred },
    forged: tally.forged.top().map(({ word, count }) => {
      const [result, outcome] = word.split(" ");
      return { result, outcome, count };
    }),
    door: {
      refused: tally.refused.total,
      refusals: reasons(tally.refused),
      results: results(tally.passed),
      deferred: tally.doorDeferred,
    },
    backscatter: tally.backscatter.top(100).map(({ word: domain, count }) => ({ domain, count })),
    backscatterTruncated: tally.backscatter.truncated,
    errors: reasons(tally.errors),
    probes: tally.probes,
    damaged: tally.damaged,
    unreadable,
  });
}
