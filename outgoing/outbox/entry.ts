/** An entry of the outbox: everything about a message but its text. It is kept as JSON beside the message. */
import { type Address, formatAddress, parseAddressList } from "../../lib/address.ts";
import type { Dsn } from "../../lib/envelope.ts";
import { Fail } from "../../lib/fail.ts";
import type { Scheme } from "../../lib/settings/schema.ts";

/** The version of the format. */
const VERSION = 1;

/**
 * What is known about a recipient:
 *
 * - `waiting`: nothing was sent yet
 * - `sending`: an attempt has begun to commit the message, and its outcome is unknown. It is sent again
 * - `sent`, `refused`: final
 */
export type RecipientState = "waiting" | "sending" | "sent" | "refused";
const STATES: readonly RecipientState[] = ["waiting", "sending", "sent", "refused"];

/** A recipient. */
export interface OutboxRecipient {
  readonly address: Address;
  readonly state: RecipientState;
  /** What the server or program last said about it; empty before the first attempt. */
  readonly reply: string;
  /** Whether its rejection was reported to the sender. */
  readonly reported: boolean;
}

/** Who sends the message. The envelope sender is signed at each attempt, because a signature expires. */
export interface OutboxSender {
  /** The unsigned address; null for the null sender, undefined if the sending program chooses one. */
  readonly address: Address | null | undefined;
  /** How it is signed; `none` for a message that must not be signed. */
  readonly scheme: Scheme | "none";
}

/** An entry. Times are in milliseconds since 1970. */
export interface OutboxEntry {
  readonly created: number;
  /** Size of the message in bytes, by which a damaged one is recognized. */
  readonly size: number;
  /** The name of the account; empty where there is only one transport. */
  readonly account: string;
  readonly sender: OutboxSender;
  readonly dsn: Dsn;
  readonly recipients: readonly OutboxRecipient[];
  /** Who gets the report about rejected recipients; undefined if there is nobody. */
  readonly owner: Address | undefined;
  readonly attempts: number;
  /** When the next attempt is due. */
  readonly next: number;
  /** Whether the last attempt did not get as far as this message, because the server could not be used. */
  readonly unreachable: boolean;
  /** Whether attempts are suspended until the entry is released. */
  readonly hold: boolean;
  /** Whether it is a report about another entry, about which there are no reports. */
  readonly report: boolean;
}

/** Returns the text of an entry. */
export function printEntry(entry: OutboxEntry): string {
  const { sender, recipients, owner, created, next, ...rest } = entry;
  return JSON.stringify(
    {
      version: VERSION,
      ...rest,
      created: new Date(created).toISOString(),
      next: new Date(next).toISOString(),
      // A sender of null is the null sender, and a missing one is unknown.
      sender: { ...sender, address: sender.address && formatAddress(sender.address) },
      owner: owner && formatAddress(owner),
      recipients: recipients.map((one) => ({ ...one, address: formatAddress(one.address) })),
    },
    null,
    2,
  ) + "\n";
}

/** Parses the text of an entry. @throws {Fail} `data` for anything but an entry */
export function parseEntry(text: string): OutboxEntry {
  const given = record(parse(text), "entry");
  if (given.version !== VERSION) throw damaged("version");
  const sender = record(given.sender, "sender");
  const recipients = list(given.recipients, "recipients").map((one, nth): OutboxRecipient => {
    const { address: to, state, reply, reported } = record(one, `recipients[${nth}]`);
    return {
      address: address(to, `recipients[${nth}].address`),
      state: oneOf(STATES, state, `recipients[${nth}].state`),
      reply: string(reply, `recipients[${nth}].reply`),
      reported: flag(reported, `recipients[${nth}].reported`),
    };
  });
  if (recipients.length === 0) throw damaged("recipients");
  return {
    created: time(given.created, "created"),
    next: time(given.next, "next"),
    size: count(given.size, "size"),
    attempts: count(given.attempts, "attempts"),
    account: string(given.account, "account"),
    sender: {
      address: sender.address == null ? sender.address as null | undefined : address(sender.address, "sender.address"),
      scheme: oneOf(["plain", "prvs", "srs", "none"], sender.scheme, "sender.scheme"),
    },
    dsn: dsn(record(given.dsn, "dsn")),
    recipients,
    owner: given.owner === undefined ? undefined : address(given.owner, "owner"),
    unreachable: flag(given.unreachable, "unreachable"),
    hold: flag(given.hold, "hold"),
    report: flag(given.report, "report"),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Fail("data", "Entry is not JSON", { cause: error });
  }
}

const damaged = (member: string): Fail => new Fail("data", `Member ${member} of the entry is missing or invalid`);

function record(given: unknown, name: string): Record<string, unknown> {
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw damaged(name);
  return given as Record<string, unknown>;
}

function list(given: unknown, name: string): unknown[] {
  if (!Array.isArray(given)) throw damaged(name);
  return given;
}

function string(given: unknown, name: string): string {
  if (typeof given !== "string") throw damaged(name);
  return given;
}

function flag(given: unknown, name: string): boolean {
  if (typeof given !== "boolean") throw damaged(name);
  return given;
}

function count(given: unknown, name: string): number {
  if (typeof given !== "number" || !Number.isSafeInteger(given) || given < 0) throw damaged(name);
  return given;
}

function time(given: unknown, name: string): number {
  const value = typeof given === "string" ? Date.parse(given) : NaN;
  if (Number.isNaN(value)) throw damaged(name);
  return value;
}

function oneOf<const W>(words: readonly W[], given: unknown, name: string): W {
  const found = words.find((word) => word === given);
  if (found === undefined) throw damaged(name);
  return found;
}

/** Parses an address. It may be a local user without a domain, as cron writes it. */
function address(given: unknown, name: string): Address {
  try {
    const [one, ...more] = parseAddressList(string(given, name), { bare: true });
    if (one?.address && more.length === 0 && formatAddress(one.address) === given) return one.address;
  } catch {
    // Reported below.
  }
  throw damaged(name);
}

function dsn(given: Record<string, unknown>): Dsn {
  const out: { -readonly [name in keyof Dsn]: Dsn[name] } = {};
  for (const name of ["notify", "ret", "envid"] as const) {
    if (given[name] !== undefined) out[name] = string(given[name], `dsn.${name}`);
  }
  return out;
}
