/** What a recipient claims to be: its two parts, and the address that an SRS local part names. Nothing is proved. */
import { parseAddress } from "../lib/address.ts";
import type { Identity } from "../lib/settings/identity.ts";

/** A recipient, whatever its form. */
export interface Recipient {
  /** Quotes taken off: `"greg"@x` and `greg@x` are one mailbox (RFC 5321 section 4.1.2). May be empty. */
  readonly local: string;
  /** Lower case, without the dot of the root; empty when there is none. */
  readonly domain: string;
}

/** What an SRS local part claims. */
export interface Claim {
  /** The local part from its SRS tag on. */
  readonly srs: string;
  readonly address: string;
  /** Could some SRS engine have written it? */
  readonly wellFormed: boolean;
}

/** Takes a recipient apart. Nothing is refused: what is not an address may still be in a domain of ours. */
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

/** Is it the SRS domain of an identity? Only signed addresses exist there. */
export function isSrsDomain(domain: string, { identities }: { readonly identities: readonly Identity[] }): boolean {
  return domain !== "" && identities.some(({ srsDomain }) => srsDomain === domain);
}

const HASH = "[A-Za-z0-9+/_-]{4,28}";
const BEHIND_SRS0 = new RegExp(`^[-+=]${HASH}=[A-Za-z2-7]{2}=[^=]+=.+$`, "s");
const BEHIND_SRS1 = new RegExp(`^[-+=]${HASH}=([^=]+)=(.+)$`, "s");

/**
 * What an SRS local part names: SRS0 the sender, SRS1 the SRS0 address of the first hop. The prefix that qmail puts
 * before it in a virtual domain (`alias-srs-SRS0=…`) is taken off. Undefined when it names no address.
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
