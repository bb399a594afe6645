/** The counts of an audit. Memory use grows with the months and, up to a limit, with the domains, not with messages. */
import { type Result, RESULTS } from "../../incoming/verdict.ts";
import type { RecentlySent } from "./recent.ts";

/** Number of messages by result. */
export type Counts = Record<Result, number>;

/** Bounces, by what shows that they respond to mail of the user. */
export interface Bounces {
  /** Sent to a signed address, valid or expired, or returning a valid tag. */
  verified: number;
  /** Returning or naming a message that was found in the sent mail. */
  known: number;
  /** All others. */
  unrecognized: number;
}

/** The verdict on a message. */
export interface Judged {
  readonly result: Result;
  /** Year * 12 + month; -1 if unknown. */
  readonly month: number;
  /** Undefined if the message is not a bounce to an identity. */
  readonly bounce?: keyof Bounces;
  /** The domain of the sender. */
  readonly domain?: string;
  /** Whether the message could have been rejected during the SMTP session. */
  readonly rejectable?: boolean;
  /** Whether it came from the null sender to the plain address of an identity. */
  readonly unsigned?: boolean;
}

/** Number of domains that are counted; beyond it the rarest ones are dropped. */
const MAX_COUNTED_DOMAINS = 8192;
/** Number of unreadable files that are listed; more are only counted. */
const MAX_LISTED_FILES = 100;

/** The counts. */
export class Tally {
  messages = 0;
  readonly months = new Map<number, Counts>();
  readonly bounces: Bounces = { verified: 0, known: 0, unrecognized: 0 };
  readonly domains = new Map<string, number>();
  /** Whether domains were dropped, so that the counts of the others are lower bounds. */
  dropped = false;
  rejectable = 0;
  unsigned = 0;
  /** See `ReadProgress` in mailboxes.ts. */
  done = 0;
  skipped = 0;
  unreadableCount = 0;
  readonly unreadableFiles: { path: string; why: string }[] = [];
  compressedCount = 0;
  readonly compressedFiles: string[] = [];

  /** Counts a message. */
  add({ result, month, bounce, domain, rejectable, unsigned }: Judged): void {
    this.count(month, result);
    if (bounce !== undefined) this.bounces[bounce]++;
    if (rejectable === true) this.rejectable++;
    if (unsigned === true) this.unsigned++;
    if (domain === undefined) return;
    if (this.domains.size >= MAX_COUNTED_DOMAINS && !this.domains.has(domain)) this.#dropRare();
    this.domains.set(domain, (this.domains.get(domain) ?? 0) + 1);
  }

  /** Counts a message by its result alone, which is enough for nearly all messages. */
  count(month: number, result: Result): void {
    this.messages++;
    let counts = this.months.get(month);
    if (counts === undefined) this.months.set(month, counts = noCounts());
    counts[result]++;
  }

  /** Counts a file that could not be read, and lists the first ones. */
  unreadable(path: string, why: string): void {
    this.unreadableCount++;
    if (this.unreadableFiles.length < MAX_LISTED_FILES) this.unreadableFiles.push({ path, why });
  }

  /** Counts a compressed file, and lists the first ones. */
  compressed(path: string): void {
    this.compressedCount++;
    if (this.compressedFiles.length < MAX_LISTED_FILES) this.compressedFiles.push(path);
  }

  #dropRare(): void {
    this.dropped = true;
    const rare = [...this.domains].sort(([, a], [, b]) => a - b).slice(0, MAX_COUNTED_DOMAINS / 2);
    for (const [domain] of rare) this.domains.delete(domain);
  }
}

function noCounts(): Counts {
  return Object.fromEntries(RESULTS.map((result) => [result, 0])) as Counts;
}

/** What was audited, and with which settings. */
export interface Audited {
  /** The mailboxes, as they were named. */
  readonly mailboxes: readonly string[];
  /** The day of the audit. */
  readonly date: string;
  /**
   * Whether the settings refuse forged bounces (`incoming.forged`), and all mail to a plain address from the null
   * sender.
   */
  readonly refuses: { readonly forged: boolean; readonly unsigned: boolean };
}

/** The result of an audit, ready to be printed. */
export interface Audit extends Audited {
  readonly interrupted: boolean;
  readonly messages: number;
  readonly seconds: number;
  /** Messages per second. */
  readonly rate: number;
  readonly results: Counts;
  /** Oldest first; `month` is null if it is unknown. */
  readonly months: readonly ({ readonly month: string | null } & Counts)[];
  readonly bounces: Bounces & { readonly total: number };
  /** The number of sent messages; null without --sent. */
  readonly sent: number | null;
  /** How the mail of the last 30 days was sent; absent without settings or without --sent. */
  readonly recentlySent?: RecentlySent;
  /** Why they could not be counted. */
  readonly notCounted?: string;
  /** All domains that sent bounces of mail that the user did not send, most first. */
  readonly backscatter: readonly { readonly domain: string; readonly count: number }[];
  readonly backscatterTruncated: boolean;
  /** Messages that could be rejected during the SMTP session. */
  readonly rejectable: { readonly count: number; readonly share: number };
  /** Messages from the null sender to a plain address, which `identity.refuse_unsigned` rejects. */
  readonly unsigned: number;
  readonly unreadable: {
    readonly count: number;
    readonly files: readonly { readonly path: string; readonly why: string }[];
  };
  /** Compressed files, which are not read. */
  readonly compressed: { readonly count: number; readonly files: readonly string[] };
  /** Files that are not messages, and links. */
  readonly skipped: number;
}

/** Returns the result of an audit. */
export function audited(
  tally: Tally,
  about: Audited,
  seconds: number,
  sent: number | null,
  interrupted: boolean,
  recentlySent?: RecentlySent,
  notCounted?: string,
): Audit {
  const results = noCounts();
  for (const counts of tally.months.values()) for (const result of RESULTS) results[result] += counts[result];
  const { verified, known, unrecognized } = tally.bounces;
  return {
    ...about,
    interrupted,
    messages: tally.messages,
    seconds: Math.round(seconds * 1000) / 1000,
    rate: seconds > 0 ? Math.round(tally.messages / seconds) : 0,
    results,
    months: [...tally.months].sort(([a], [b]) => a - b).map(([month, counts]) => ({
      month: monthName(month),
      ...counts,
    })),
    bounces: { total: verified + known + unrecognized, verified, known, unrecognized },
    sent,
    ...(recentlySent === undefined ? {} : { recentlySent }),
    ...(notCounted === undefined ? {} : { notCounted }),
    backscatter: [...tally.domains].map(([domain, count]) => ({ domain, count }))
      .sort((a, b) => b.count - a.count || (a.domain < b.domain ? -1 : 1)),
    backscatterTruncated: tally.dropped,
    rejectable: {
      count: tally.rejectable,
      share: tally.messages === 0 ? 0 : tally.rejectable / tally.messages,
    },
    unsigned: tally.unsigned,
    unreadable: { count: tally.unreadableCount, files: tally.unreadableFiles },
    compressed: { count: tally.compressedCount, files: tally.compressedFiles },
    skipped: tally.skipped,
  };
}

function monthName(month: number): string | null {
  if (month < 0) return null;
  return `${Math.floor(month / 12)}-${String(month % 12 + 1).padStart(2, "0")}`;
}
