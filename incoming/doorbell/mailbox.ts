/**
 * Which mailbox an address certainly or probably leads to. Challenges are counted for it, because a stranger who writes
 * the address of a victim in many ways would otherwise have each of them challenged.
 */
import type { Address } from "../../lib/address.ts";

/** Tags in front of an address: BATV (prvs, as in Exim and the draft, and btv1), in lower case. */
const TAGGED = /^(?:prvs=[^=]+=|btv1==[^=]+==)([^=]+)$|^prvs=([^=/]+)\/[^/]+$/;

/**
 * An address that a forwarder has rewritten: SRS0=HASH=DAY=DOMAIN=LOCAL, SRS1=HASH=FORWARDER==HASH=DAY=DOMAIN=LOCAL.
 */
const REWRITTEN = /^srs(?:0[=+-]|1[=+-][^=]+=[^=]+=[=+-])[^=]+=[^=]+=([^=]+)=(.+)$/;

/**
 * Returns the address without what may differ in addresses of one mailbox: tags, an extension behind `+`, dots in the
 * local part (as at Gmail), letter case, and the spelling of its domain. An extension behind `-` remains, because it
 * may as well be part of a name.
 */
export function mailboxOf({ local, domain }: Address): string {
  let [name, host] = [local.toLowerCase(), domain];
  const [, original, inner] = REWRITTEN.exec(name) ?? [];
  if (original !== undefined) [name, host] = [inner!, original];
  const [, prvs, old] = TAGGED.exec(name) ?? [];
  name = prvs ?? old ?? name;
  const bare = name.replace(/(?<=.)\+.*$/s, "").replaceAll(".", "");
  return `${bare || name}@${hostOf(host)}`;
}

/** Returns the domain in ASCII, in lower case, without dots at its end. */
function hostOf(domain: string): string {
  const plain = domain.toLowerCase().replace(/\.{1,64}$/, "");
  return URL.parse(`http://${plain}`)?.hostname || plain;
}
