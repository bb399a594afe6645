/** Counts of an audit. They grow with the months and, to a limit, with the domains, never with the messages. */

import type { RecentlySent } from "./passed.ts";

/** What became of a message, in the words of incoming/judge.ts. */
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

/** What a bounce can be said to answer. */
export interface Bounces {
  /** To a signed address of ours, or returning a tag of ours. */
  proved: number;
  /** Returning a message that was found among the sent ones, not signed. */
  answering: number;
  /** All others. */
  unanswered: number;
}

/** A message, judged. */
export interface Judged {
  readonly kind: Kind;
  /** Year * 12 + month; -1: not known. */
  readonly month: number;
  /** Undefined: no bounce to an identity. */
  readonly bounce?: keyof Bounces;
  /** Of the sender. */
  readonly domain?: string;
  /** Would it have been refused before it came in? */
  readonly door?: boolean;
}

/** Domains that are kept apart; when there are more, the rare ones are forgotten. */
const DOMAINS = 8192;
/** Files that are named; more are only counted. */
const NAMES = 100;

/** The counts. */
export class Tally {
  messages = 0;
  readonly months = new Map<number, Counts>();
  readonly bounces: Bounces = { proved: 0, answering: 0, unanswered: 0 };
  readonly domains = new Map<string, number>();
  /** Were domains forgotten? Then their counts are the least that they can be. */
  forgotten = false;
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
    if (this.domains.size >= DOMAINS && !this.domains.has(domain)) this.#forget();
    this.domains.set(domain, (this.domains.get(domain) ?? 0) + 1);
  }

  /** The way of nearly all messages. */
  other(month: number, kind: Kind = "other"): void {
    this.messages++;
    let counts = this.months.get(month);
    if (counts === undefined) this.months.set(month, counts = none());
    counts[kind]++;
  }

  /** A file that could not be read. */
  unreadable(path: string, why: string): void {
    this.unreadableCount++;
    if (this.unreadableFiles.length < NAMES) this.unreadableFiles.push({ path, why });
  }

  #forget(): void {
    this.forgotten = true;
    const rare = [...this.domains].sort(([, a], [, b]) => a - b).slice(0, DOMAINS / 2);
    for (const [domain] of rare) this.domains.delete(domain);
  }
}

function none(): Counts {
  return Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Counts;
}

/** The result, ready to be printed. */
export interface Audit {
  readonly interrupted: boolean;
  readonly messages: number;
  readonly seconds: number;
  /** Messages a second. */
  readonly rate: number;
  readonly kinds: Counts;
  /** Oldest first; `month` is null where none is known. */
  readonly months: readonly ({ readonly month: string | null } & Counts)[];
  readonly bounces: Bounces & { readonly total: number };
  /** How many messages were found among the sent ones; null: nobody said where they are. */
  readonly sent: number | null;
  /** How the mail of the last 30 days was sent; left out where that cannot be told. */
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

/** Domains that are shown. */
const MAX_DOMAINS = 20;

/** The sum of it all. */
export function audited(
  tally: Tally,
  seconds: number,
  sent: number | null,
  interrupted: boolean,
  recentlySent?: RecentlySent,
): Audit {
  const kinds = none();
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
      .sort((a, b) => b.count - a.count || (a.domain < b.domain ? -1 : 1)).slice(0, MAX_DOMAINS),
    backscatterCut: tally.forgotten,
    door: { refused: tally.door, share: tally.messages === 0 ? 0 : tally.door / tally.messages },
    unreadable: { count: tally.unreadableCount, files: tally.unreadableFiles },
    passed: tally.passed,
  };
}

function monthName(month: number): string | null {
  if (month < 0) return null;
  return `${Math.floor(month / 12)}-${String(month % 12 + 1).padStart(2, "0")}`;
}
