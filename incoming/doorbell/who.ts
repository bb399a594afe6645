/**
 * Whom to ask about a message. The envelope sender is asked, because mail servers check it, and because a challenge to
 * the From of a forged message would reach its victim. From is asked instead where it certainly belongs to the same
 * people.
 */
import { type Address, canonical, parseAddressList, sameAddress } from "../../lib/address.ts";
import { type Header, values } from "../../lib/message.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import type { Service } from "../../lib/settings/doorbell.ts";
import { addressIn, isUnreadable, type Received } from "../delivery.ts";
import { automatic, unanswerable, unaskable } from "./automatic.ts";
import { resultsOf } from "./results.ts";

/** The address to ask; or why nobody is asked, with the address that would be asked, if any. */
export type Asked = { readonly address: Address; readonly not?: string } | {
  readonly address?: undefined;
  readonly not: string;
};

/** Maximum length of a From field that is parsed, and of an envelope sender. */
const [MAX_FROM_LENGTH, MAX_ADDRESS_LENGTH] = [2000, 320];

/**
 * Returns the only address in the only From field; undefined when there is none or more than one, or when a field has
 * control characters: many programs see a bare CR as the end of a line, behind which another From may follow.
 */
export function onlyAuthor(header: Header): Address | undefined {
  // deno-lint-ignore no-control-regex
  if (header.some(({ raw }) => /[\x00-\x08\x0b-\x1f\x7f]/.test(raw))) return undefined;
  const [from, ...more] = values(header, "From");
  if (from === undefined || more.length > 0 || from.length > MAX_FROM_LENGTH) return undefined;
  try {
    const [mailbox, ...others] = parseAddressList(from);
    return others.length === 0 ? mailbox?.address ?? undefined : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Returns whom to ask.
 *
 * @param given the address that the caller has found, which replaces the envelope sender and From; null if what it
 *   found is not an address, because a stranger's text must not defer the message
 */
export function whomToAsk(
  envelope: Received,
  header: Header,
  { service, identities }: { readonly service: Service; readonly identities: readonly Identity[] },
  given?: Address | null,
): Asked {
  if (given === null) return { not: "what the caller has found is not an address" };
  const { sender } = envelope;
  // Longer than any address (RFC 5321 section 4.5.3.1). It would be hashed.
  const readable = typeof sender === "string" && sender.length <= MAX_ADDRESS_LENGTH && !isUnreadable(sender);
  const envelopeSender = readable ? addressIn(sender) : undefined;
  const author = onlyAuthor(header);
  const { trust_results } = service;
  const results = resultsOf(header, trust_results);
  const passed = author !== undefined && results.dmarc === author.domain.toLowerCase();
  const address = given ??
    (author !== undefined && (passed || belongs(author, envelopeSender, identities)) ? author : envelopeSender);
  // A caller that gives an address may not know the envelope.
  const bare = given !== undefined && sender === undefined ? { ...envelope, sender: canonical(given) } : envelope;
  if (address === undefined) return { not: automatic(bare, header) ?? "its sender is not well formed" };
  const trusted = passed || results.spf !== undefined && results.spf === envelopeSender?.domain.toLowerCase();
  // The envelope sender of a list's post is its own, while From may be an address of the same domain.
  const [asked, from] = [address, envelopeSender ?? address].map((one) => unaskable(canonical(one), service));
  const not = unanswerable(bare, header, service) ?? asked ?? from ??
    (trust_results !== "" && !trusted
      ? `${trust_results} shows no pass of DMARC or SPF`
      : trust_results === "" && results.failed
      ? "its Authentication-Results show a failure"
      : undefined);
  return not === undefined ? { address } : { address, not };
}

/**
 * Returns whether the author is certainly of the same organisation as the envelope sender: in the same domain, or an
 * identity whose SRS domain it is. A parent domain is not enough: it may be github.io, or co.uk.
 */
function belongs(author: Address, sender: Address | undefined, identities: readonly Identity[]): boolean {
  if (sender === undefined) return false;
  const [from, envelope] = [author.domain.toLowerCase(), sender.domain.toLowerCase()];
  return from === envelope ||
    identities.some(({ srsDomain, address }) => srsDomain === envelope && address.domain.toLowerCase() === from);
}

/** Returns whether this address is the single author of the message, so that a program may act for it. */
export function isAuthor(address: Address, author: Address | undefined): boolean {
  return author !== undefined && sameAddress(address, author);
}
