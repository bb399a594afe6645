/** Parses recipients and the addresses that SRS local parts claim to contain. Nothing is verified here. */
import { parseAddress } from "../lib/address.ts";
import type { Identity } from "../lib/settings/identity.ts";

/** A recipient, which need not be a valid address. */
export interface Recipient {
  /** Without quotes: `"greg"@x` and `greg@x` are the same mailbox (RFC 5321 section 4.1.2). May be empty. */
  readonly local: string;
  /** In lower case, without a trailing dot; empty when there is no domain. */
  readonly domain: string;
}

/** What an SRS local part claims. */
export interface Claim {
  /** The local part from its SRS tag on. */
  readonly srs: string;
  readonly address: string;
  /** Whether an SRS implementation could have written it. */
  readonly wellFormed: boolean;
}

/** Splits a recipient. Nothing is rejected, because a malformed address may still be in one of our domains. */
export function recipientIn(text: string): Recipient {
  const bare = text.replace(/^<(.*)>$/s, "$1");
  const at = bare.lastIndexOf("@");
  if (at < 0) return { local: "", domain: "" };
  const written = bare.slice(0, at);
  const quoted = /^"(.*)"$/s.exec(written)?.[1];
  return {
    local: quoted === undefined ? written : quoted.replace(/\\(.)/gs, "$1"),
    domain: bare.slice(at + 1).toLowerCase().replace(/\.$/, ""),
  };
}

/** Returns whether this is the SRS domain of an identity, in which only signed addresses exist. */
export function isSrsDomain(domain: string, { identities }: { readonly identities: readonly Identity[] }): boolean {
  return domain !== "" && identities.some(({ srsDomain }) => srsDomain === domain);
}

const HASH = "[A-Za-z0-9+/_-]{4,28}";
const BEHIND_SRS0 = new RegExp(`^[-+=]${HASH}=[A-Za-z2-7]{2}=[^=]+=.+$`, "s");
const BEHIND_SRS1 = new RegExp(`^[-+=]${HASH}=([^=]+)=(.+)$`, "s");

/**
 * Returns the address that an SRS local part contains: the sender for SRS0, the SRS0 address of the first hop for SRS1.
 * The prefix that qmail adds in a virtual domain (`alias-srs-SRS0=…`) is removed. Returns undefined for other local
 * parts.
 */
export function claimOf(local: string): Claim | undefined {
  const srs = /^(?:.*-)?(SRS[01][-+=].*)$/is.exec(local)?.[1];
  if (srs === undefined) return undefined;
  if (srs[3] === "1") {
    const [, host, rest] = BEHIND_SRS1.exec(srs.slice(4)) ?? [];
    if (host === undefined || rest === undefined) return undefined;
    return { srs, address: `SRS0${rest}@${host}`, wellFormed: BEHIND_SRS0.test(rest) && isAddress(`x@${host}`) };
  }
  const [, , domain = "", ...more] = srs.slice(5).split("=");
  const address = `${more.join("=")}@${domain}`;
  if (address.startsWith("@") || domain === "") return undefined;
  return { srs, address, wellFormed: BEHIND_SRS0.test(srs.slice(4)) && isAddress(address) };
}

function isAddress(text: string): boolean {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
}
