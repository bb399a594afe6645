/** The messages of a soak, and what is known about each of them. */
import { LIE } from "../../programs/site.ts";
import { qsbmf } from "../../rig.ts";

/** Local parts of the identities; see tests/programs/site.ts. */
export type User = "news" | "games";

/** Ways out for a user's own mail. */
export const WAYS = ["shim", "submission", "submitd", "outbox"] as const;
export type Way = typeof WAYS[number];

/** What becomes of it at the other end. */
export const FATES = ["read", "read", "refused", "bounced-signed", "bounced-returned", "bounced-named"] as const;

/** What a message is. */
export type Kind =
  /** Mail of a user, through one of the ways out. */
  | "own"
  /** Mail of one login that claims to be from the other user. */
  | "impostor"
  /** A bounce of a user's mail. */
  | "genuine"
  /** A bounce of a message that no user sent, to the plain address or to one with a wrong hash. */
  | "forged"
  /** Mail from a person. */
  | "ordinary"
  /** A message to the doorbell's service, and the reply to its challenge. */
  | "request"
  | "reply";

/** A message, with its results so far. */
export interface Mail {
  readonly id: number;
  readonly kind: Kind;
  readonly user: User;
  /** The way out, or the form of a bounce. */
  readonly way: string;
  /** What becomes of the user's own mail. */
  readonly fate?: typeof FATES[number];
  /** The message that it is about. */
  readonly about?: Mail;
  /** When it was made, and when it had its result; milliseconds. */
  readonly begun: number;
  ended?: number;
  /** Attempts that ended without a result, so that the message may have been accepted. */
  unknown: number;
  /** The final result: `accepted`, or the reply that refused it. */
  result?: string;
}

/** The text that names a message. */
export const token = (id: number): string => `soak.${id}.`;

/** Returns the number of the message that this text names first. */
export function tokenIn(text: string): number | undefined {
  const [, id] = /\bsoak\.(\d+)\./.exec(text) ?? [];
  return id === undefined ? undefined : Number(id);
}

/** The end of every message, which shows that it is whole. */
export const END = "The end.\n";

/** A person's address. */
export const person = (id: number): string => `ann-${id}@far.example`;

/** A message from this address. */
export const letter = (id: number, from: string, to: string): string =>
  `From: ${from}\nTo: ${to}\nMessage-ID: <${token(id)}@${from.split("@")[1]}>\nX-Soak: ${token(id)}\n` +
  `Subject: Lunch?\n\nAt one? This is ${token(id)}\n${END}`;

/** A bounce of this message; of one that nobody sent, without it. */
export function bounce(id: number, to: string, original = LIE): string {
  return `X-Soak: ${token(id)}\n${qsbmf(to, original)}`;
}

/** The user's own message in a bounce, of which the tag was lost. */
export const withoutTag = (mail: string): string => mail.replace(/^X-Msgauth: .*\n/m, "");
