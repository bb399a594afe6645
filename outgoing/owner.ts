/**
 * Determines the owner of a message, which decides whether it may be signed and for whom it is remembered. Mail that a
 * delivery agent forwards also passes through the shim; signing it would give strangers valid signatures.
 */
import { type Address, formatAddress, parseAddress, parseAddressList } from "../lib/address.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { isRejection } from "../lib/fail.ts";
import { type Identity, identityOf } from "../lib/settings/identity.ts";
import { secretsByDigit } from "../lib/settings/keys.ts";
import { type Header, named, values } from "../lib/message.ts";
import { prvsOpen, prvsParts } from "../lib/prvs.ts";
import { srsOpen } from "../lib/srs.ts";

/** An address of an identity, as it is used in this message. */
export interface OwnAddress {
  readonly identity: Identity;
  readonly address: Address;
}

/** The sender of a message according to its header. */
export interface Ownership {
  /** The author to sign for, or whoever re-sends the message; undefined when not every author is an identity. */
  readonly author: OwnAddress | undefined;
  /** All authors that are identities, the one to sign for first. */
  readonly authors: readonly Identity[];
}

/** The settings and identities with which addresses are compared. */
interface Known {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
  readonly now: Date;
}

/** Returns whether the header shows that the message was already relayed. */
export function alreadyRelayed(header: Header): boolean {
  return header.some((one) => named(one, "Received", "Delivered-To") || /^Resent-/i.test(one.name));
}

/**
 * Returns the fields above the first one that a mail server or delivery agent added. The user's own Resent fields can
 * only be there (RFC 5322 section 3.6.6); below may be those of others, which procmail and maildrop forward with `!`.
 */
export function firstBlock(header: Header): Header {
  const end = header.findIndex((one) => named(one, "Received", "Return-Path", "Delivered-To"));
  return end < 0 ? header : header.slice(0, end);
}

/**
 * Determines who wrote the message or, with the prefix `Resent-`, who re-sent it: the author, or the Sender when there
 * are several authors (RFC 5322 section 3.6.2). Without a Sender, all authors must be identities.
 */
export function ownership(header: Header, known: Known, prefix: "" | "Resent-" = ""): Ownership {
  // A message that was re-sent twice has two blocks, the newer one first.
  const from = values(header, `${prefix}From`).slice(0, prefix === "" ? undefined : 1);
  const authors = addresses(from).map((address) => own(address, known));
  const sender = values(header, `${prefix}Sender`).slice(0, prefix === "" ? undefined : 1);
  const mine = authors.filter((one) => one !== undefined);
  let author = mine.length === authors.length ? mine[0] : undefined;
  if (authors.length > 1 && from.length === 1 && sender.length > 0) {
    const [one, ...more] = addresses(sender);
    author = more.length === 0 ? own(one, known) : undefined;
  }
  const identities = [author, ...mine].filter((one) => one !== undefined).map((one) => one.identity);
  return { author, authors: [...new Set(identities)] };
}

/**
 * Returns the addresses that send the message, the decisive one first: the Sender where there are several authors, then
 * the authors. Addresses that cannot be parsed are left out.
 */
export function sendingAddresses(header: Header, domain: string, prefix: "" | "Resent-" = ""): Address[] {
  const newest = prefix === "" ? undefined : 1;
  const authors = addresses(values(header, `${prefix}From`).slice(0, newest));
  const senders = authors.length > 1 ? addresses(values(header, `${prefix}Sender`).slice(0, newest)) : [];
  return [...senders, ...authors].filter((one) => one !== undefined).map((one) => completed(one, domain));
}

/** Adds the domain of the settings to an address without one, such as cron's `root`. */
const completed = (address: Address, domain: string): Address =>
  address.domain === "" ? { ...address, domain } : address;

/** Returns the addresses in these fields, with undefined for a null address or a field that cannot be parsed. */
function addresses(fields: readonly string[]): (Address | undefined)[] {
  return fields.flatMap((value) => {
    try {
      const list = parseAddressList(value, { bare: true });
      return list.length === 0 ? [undefined] : list.map(({ address }) => address ?? undefined);
    } catch {
      return [undefined];
    }
  });
}

function own(address: Address | undefined, { settings, identities }: Known): OwnAddress | undefined {
  if (address === undefined) return undefined;
  const whole = completed(address, settings.domain);
  const identity = identityOf(identities, whole);
  return identity && { identity, address: whole };
}

/**
 * Returns the identity of an envelope sender. If a mail program is configured with a signed address, the address inside
 * counts, however long ago it was signed.
 */
export function ownSender(address: Address, known: Known): OwnAddress | undefined {
  return own(address, known) ?? own(insideSrs(address, known) ?? insidePrvs(address, known), known);
}

function insideSrs(address: Address, known: Known): Address | undefined {
  const [, domain, local] = /^SRS0[-+=][^=]*=[^=]*=([^=]*)=(.*)$/is.exec(address.local) ?? [];
  const identity = domain === undefined ? undefined : identityOf(known.identities, `${local}@${domain}`);
  if (identity === undefined || identity.srsDomain === "" || identity.srsDomain !== address.domain.toLowerCase()) {
    return undefined;
  }
  const secrets = identity.keys.map((key) => key.secret);
  const { hash_length: hashLength } = known.settings.srs;
  // Callers of the shim could as well use the plain address, so the hash only identifies our addresses here.
  const options = {
    secrets,
    hashMin: Math.min(4, hashLength),
    hashLength,
    alphabet: "base64url",
    now: known.now,
  } as const;
  return inside(() => srsOpen(formatAddress(address), options).address);
}

function insidePrvs(address: Address, known: Known): Address | undefined {
  const local = prvsParts(address.local)?.local;
  const identity = local === undefined ? undefined : identityOf(known.identities, `${local}@${address.domain}`);
  if (identity === undefined) return undefined;
  const options = { secrets: secretsByDigit(identity.keys), lifetime: known.settings.prvs.lifetime, now: known.now };
  return inside(() => prvsOpen(formatAddress(address), options).address);
}

/** Returns the address inside a signed one; undefined when it cannot be verified. */
function inside(open: () => string): Address | undefined {
  try {
    return parseAddress(open());
  } catch (error) {
    if (!isRejection(error)) throw error;
    return undefined;
  }
}
