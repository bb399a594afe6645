/** What a sweep found and did, as text and as JSON. */
import { decodeWords } from "../../lib/encoded_words.ts";
import { quote } from "../../lib/fail.ts";
import { type Header, value } from "../../lib/message.ts";
import { type Result, RESULTS } from "../../incoming/verdict.ts";
import { addressesIn } from "../recorded.ts";
import { json, plain, rows } from "../terminal.ts";

/** A message that was moved, or would be. */
export interface MovedMail {
  /** Where it was, and where it is now. */
  readonly maildir: string;
  readonly file: string;
  readonly result: Result;
  readonly reason: string;
  /** The day of its arrival, such as 2026-11-28. */
  readonly date: string;
  readonly from: string;
  readonly subject: string;
}

/** Longest author that is printed, in characters. */
const MAX_FROM_LENGTH = 100;

/** Returns what identifies a message to a person. */
export function describeMail(header: Header, arrival: Date): Pick<MovedMail, "date" | "from" | "subject"> {
  const from = value(header, "From") ?? "";
  return {
    date: arrival.toISOString().slice(0, 10),
    from: addressesIn(from)[0] ?? from,
    subject: decodeWords(value(header, "Subject") ?? ""),
  };
}

/** The counts of one sweep. */
export class SweepReport {
  readonly results = Object.fromEntries(RESULTS.map((result) => [result, 0])) as Record<Result, number>;
  readonly moved: MovedMail[] = [];
  /** Messages that got a result field. */
  marked = 0;
  /** Forged messages that were left because the user had moved them back, and because they are old. */
  movedBack = 0;
  old = 0;
  /** Messages that another program removed or moved meanwhile. */
  gone = 0;
  /** Paths of what could not be judged or moved, by the reason. */
  readonly failures = new Map<string, string[]>();

  fail(path: string, reason: string): void {
    // Deno adds the paths to an error of the system, with which each message would have a reason of its own.
    const why = reason.replace(/(\(os error \d+\)): .*/, (text, end) => text.includes(`'${path}'`) ? end : text);
    const paths = this.failures.get(why);
    if (paths === undefined) this.failures.set(why, [path]);
    else paths.push(path);
  }

  get judged(): number {
    return Object.values(this.results).reduce((sum, count) => sum + count, 0);
  }

  /** The failures, one line for each reason. */
  failureLines(): string[] {
    return [...this.failures].map(([why, paths]) => {
      const more = paths.length > 1 ? ` (and ${paths.length - 1} more)` : "";
      return `${plain(paths[0]!)}: ${why}${more}; the next sweep tries again`;
    });
  }

  text(spam: string, dryRun: boolean): string {
    const found = RESULTS.filter((result) => this.results[result] > 0);
    const counts = found.map((result) => `${this.results[result]} ${result}`).join(", ");
    const would = dryRun ? "would be " : "";
    const lines = [`${messages(this.judged)} judged${counts === "" ? "" : `: ${counts}`}`];
    if (this.moved.length > 0) {
      lines.push(`${messages(this.moved.length)} ${would}moved to ${plain(spam)}:`);
      lines.push(
        rows(
          this.moved.map((
            { date, from, subject },
          ) => [`  ${date}`, plain(from.slice(0, MAX_FROM_LENGTH)), quote(subject)]),
        ),
      );
    }
    const rest: [count: number, what: string][] = [
      [this.marked, `${would}marked`],
      [this.movedBack, "left in place (moved back by you)"],
      [this.old, "left in place (arrived too long ago)"],
      [this.gone, "moved or removed by another program"],
    ];
    for (const [count, what] of rest) if (count > 0) lines.push(`${messages(count)} ${what}`);
    return lines.join("\n");
  }

  json(spam: string, dryRun: boolean): string {
    const { results, moved, marked, movedBack, old, gone } = this;
    const failures = [...this.failures].flatMap(([why, paths]) => paths.map((path) => ({ path, why })));
    return json({ dryRun, spam, judged: this.judged, results, moved, marked, movedBack, old, gone, failures });
  }
}

const messages = (count: number) => `${count} ${count === 1 ? "message" : "messages"}`;
