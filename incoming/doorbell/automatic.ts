/**
 * Recognizes mail that no person has written, which must not be answered (RFC 3834 section 2) and cannot confirm
 * anything.
 */
import { type Header, value, values } from "../../lib/message.ts";
import { contentType } from "../../lib/mime.ts";
import { addressIn, isUnreadable, type Received } from "../delivery.ts";
import { isBounceSender } from "../verdict.ts";

/**
 * Maximum number of Received fields of a request that is challenged. RFC 5321 section 6.3 suggests at least
 * 100 for rejecting a message; but a challenge that is not sent loses nothing, because the request is held.
 */
const MAX_RECEIVED = 30;

/** Returns why this message does not come from a person; undefined if it may. */
export function automatic({ sender }: Received, header: Header): string | undefined {
  if (sender === undefined) return "the envelope sender is unknown";
  if (isBounceSender(sender)) return "it comes from the null sender or a mailer daemon";
  const submitted = values(header, "Auto-Submitted").find((one) => !/^no\s{0,16}(?:[;(]|$)/i.test(one));
  if (submitted !== undefined) return "it has an Auto-Submitted field";
  const precedence = values(header, "Precedence").find((one) => /^(?:bulk|junk|list|auto[-_]reply)\b/i.test(one));
  if (precedence !== undefined) return "its Precedence is that of bulk mail";
  const responder = header.some((one) => RESPONDERS.test(one.name)) ||
    values(header, "Delivered-To").some((one) => /^autoresponder$/i.test(one));
  return responder ? "it has a field of an automatic response" : undefined;
}

/** Fields that programs write into automatic responses, many of which lack Auto-Submitted. */
const RESPONDERS =
  /^x-(?:auto-?(?:reply|respond|response|generated)(?:-from)?|mail-autoreply|fc-machinegenerated|ms-exchange-inbox-rules-loop)$/i;

/**
 * Returns why this request must not be answered with a challenge, or why this reply to one does not come from a person;
 * undefined if it may.
 */
export function unanswerable(
  envelope: Received,
  header: Header,
  service: { readonly address: string },
): string | undefined {
  const why = automatic(envelope, header);
  if (why !== undefined) return why;
  if (header.some(({ name }) => /^(?:list-|mailing-list$)/i.test(name))) return "it comes from a mailing list";
  const suppress = value(header, "X-Auto-Response-Suppress");
  if (suppress !== undefined && /\b(?:all|oof|autoreply)\b/i.test(suppress)) return "it asks for no automatic response";
  if (contentType(header).type === "multipart/report") return "it is a report";
  const own = service.address.toLowerCase();
  if (values(header, "X-Loop").some((one) => one.toLowerCase() === own)) return "it is a challenge of this service";
  const received = header.filter(({ name }) => name.length === 8 && name.toLowerCase() === "received").length;
  return received > MAX_RECEIVED ? `it has ${received} Received fields` : undefined;
}

/** Addresses of programs and of people who did not write: RFC 3834 section 2, and senders that read no reply. */
const DAEMONS =
  /^(?:mailer-daemon|postmaster|listserv|listproc|majordomo|mdaemon|owner-.*|.*-(?:owner|request|bounces?|return|errors?)(?:[-+=].*)?|(?:bounces?|return)[-+=].*|(?:.*[-_.+])?(?:no|do-?not)[-_.]?reply(?:[-_.+].*)?)$/i;

/**
 * Returns why this reply to a challenge cannot confirm; undefined if it may. Programs that answer the Reply-To field of
 * every message would otherwise confirm for their users: postmasters with bounces, ticket systems with receipts.
 */
export function unconfirming(
  envelope: Received,
  header: Header,
  service: { readonly address: string },
): string | undefined {
  const why = unanswerable(envelope, header, service);
  if (why !== undefined) return why;
  const { sender } = envelope;
  const local = typeof sender === "string" ? sender.slice(0, sender.lastIndexOf("@")) : "";
  return local.length <= MAX_LOCAL_LENGTH && DAEMONS.test(local) ? "its sender is a program" : undefined;
}

/** Longer local parts are of no program, and take time to match. */
const MAX_LOCAL_LENGTH = 320;

/** Returns why this address must not be asked; undefined if it may. */
export function unaskable(address: string, service: { readonly address: string }): string | undefined {
  const parsed = isUnreadable(address) ? undefined : addressIn(address);
  if (parsed === undefined || address.length > 254) return "its address is not well formed";
  if (DAEMONS.test(parsed.local)) return "its address is that of a program";
  // Nobody has such an address, and a script could take it for an option, or for another address.
  if (/^-|"/.test(parsed.local)) return "its local part begins with - or has quotes";
  const [own, local] = [service.address.toLowerCase(), parsed.local.toLowerCase()];
  const at = own.lastIndexOf("@");
  const same = parsed.domain.toLowerCase() === own.slice(at + 1);
  const ours = same &&
    (local === own.slice(0, at) || /^[-+]confirm/.test(local.slice(at)) && local.startsWith(own.slice(0, at)));
  return ours ? "its address is that of this service" : undefined;
}
