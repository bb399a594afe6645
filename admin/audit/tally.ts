/** The counts of an audit. Memory use grows with the months and, up to a limit, with the domains, not with messages. */

import type { RecentlySent } from "./passed.ts";

/** The results of incoming/judge.ts. */
export const KINDS = [
  "genuine",
  "known",
  "late",
  "unsolicited",
  "suspect",
  "forged",
  "unsure",
  "unjudged",
  "challenge",
  "other",
] as const;
export type Kind = typeof KINDS[number];
export type Counts = Record<Kind, number>;

/** Bounces, by what shows that they answer mail of the user. */
export interface Bounces {
  /** Sent to a valid signed address, or returning a valid tag. */
  proved: number;
  /** Returning an unsigned message that was found in the sent mail. */
  answering: number;
  /** All others. */
  unanswered: number;
}

/** The verdict on a message. */
export interface Judged {
  readonly kind: Kind;
  /** Year * 12 + month; -1 if unknown. */
  readonly month: number;
  /** Undefined if the message is not a bounce to an identity. */
  readonly bounce?: keyof Bounces;
  /** The domain of the sender. */
  readonly domain?: string;
  /** Whether the message could have been rejected during the SMTP session. */
  readonly door?: boolean;
}

/** Number of domains that are counted; beyond it the rarest ones are dropped. */
const MAX_COUNTED_DOMAINS = 8192;
/** Number of unreadable files that are listed; more are only counted. */
const MAX_LISTED_FILES = 100;

/** The counts. */
export class Tally {
  messages = 0;
  readonly months = new Map<number, Counts>();
  readonly bounces: Bounces = { proved: 0, answering: 0, unanswered: 0 };
  readonly domains = new Map<string, number>();
  /** Whether domains were dropped, so that the counts of the others are lower bounds. */
  dropped = false;
  door = 0;
  /** See `ReadProgress` in mailboxes.ts. */
  done = 0;
  passed = 0;
  unreadableCount = 0;
  readonly unreadableFiles: { path: string; why: string }[] = [];

  /** Counts a message. */
  add({ kind, month, bounce, domain, door }: Judged): void {
    this.other(month, kind);
    if (bounce !== undefined) this.bounces[bounce]++;
    if (door === true) this.door++;
    if (domain === undefined) return;
    if (this.domains.size >= MAX_COUNTED_DOMAINS && !this.domains.has(domain)) this.#dropRare();
    this.domains.set(domain, (this.domains.get(domain) ?? 0) + 1);
  }

  /** Counts a message by its kind alone, which is enough for nearly all messages. */
  other(month: number, kind: Kind = "other"): void {
    this.messages++;
    let counts = this.months.get(month);
    if (counts === undefined) this.months.set(month, counts = noCounts());
    counts[kind]++;
  }

  /** Counts a file that could not be read, and lists the first ones. */
  unreadable(path: string, why: string): void {
    this.unreadableCount++;
    if (this.unreadableFiles.length < MAX_LISTED_FILES) this.unreadableFiles.push({ path, why });
  }

  #dropRare(): void {
    this.dropped = true;
    const rare = [...this.domains].sort(([, a], [, b]) => a - b).slice(0, MAX_COUNTED_DOMAINS / 2);
    for (const [domain] of rare) this.domains.delete(domain);
  }
}

function noCounts(): Counts {
  return Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Counts;
}

/** The result of an audit, ready to be printed. */
export interface Audit {
  readonly interrupted: boolean;
  readonly messages: number;
  readonly seconds: number;
  /** Messages per second. */
  readonly rate: number;
  readonly kinds: Counts;
  /** Oldest first; `month` is null if it is unknown. */
  readonly months: readonly ({ readonly month: string | null } & Counts)[];
  readonly bounces: Bounces & { readonly total: number };
  /** The number of sent messages; null without --sent. */
  readonly sent: number | null;
  /** How the mail of the last 30 days was sent; absent without settings or without --sent. */
  readonly recentlySent?: RecentlySent;
  readonly backscatter: readonly { readonly domain: string; readonly count: number }[];
  readonly backscatterCut: boolean;
  readonly door: { readonly refused: number; readonly share: number };
  readonly unreadable: {
    readonly count: number;
    readonly files: readonly { readonly path: string; readonly why: string }[];
  };
  readonly passed: number;
}

/** Number of domains that are listed. */
const MAX_LISTED_DOMAINS = 20;

/** Returns the result of an audit. */
export function audited(
  tally: Tally,
  seconds: number,
  sent: number | null,
  interrupted: boolean,
  recentlySent?: RecentlySent,
): Audit {
  const kinds = noCounts();
  for (const counts of tally.months.values()) for (const kind of KINDS) kinds[kind] += counts[kind];
  const { proved, answering, unanswered } = tally.bounces;
  return {
    interrupted,
    messages: tally.messages,
    seconds: Math.round(seconds * 1000) / 1000,
    rate: seconds > 0 ? Math.round(tally.messages / seconds) : 0,
    kinds,
    months: [...tally.months].sort(([a], [b]) => a - b).map(([month, counts]) => ({
      month: monthName(month),
      ...counts,
    })),
    bounces: { total: proved + answering + unanswered, proved, answering, unanswered },
    sent,
    ...(recentlySent === undefined ? {} : { recentlySent }),
    backscatter: [...tally.domains].map(([domain, count]) => ({ domain, count }))
      .sort((a, b) => b.count - a.count || (a.domain < b.domain ? -1 : 1)).slice(0, MAX_LISTED_DOMAINS),
    backscatterCut: tally.dropped,
    door: { refused: tally.door, share: tally.messages === 0 ? 0 : tally.door / tally.messages },
    unreadable: { count: tally.unreadableCount, files: tally.unreadableFiles },
    passed: tally.passed,
  };
}

function monthName(month: number): string | null {
  if (month < 0) return null;
  return `${Math.floor(month / 12)}-${String(month % 12 + 1).padStart(2, "0")}`;
}
