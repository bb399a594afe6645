/** Whom an authenticated client may send as. Does no I/O. */
import { type Address, canonical, formatAddress } from "../lib/address.ts";
import { quote } from "../lib/fail.ts";
import { type Field, type Header, named, valueOf } from "../lib/message.ts";
import type { PlanContext } from "./plan.ts";
import { alreadyRelayed, firstBlock, ownSender, sendingAddresses } from "./owner.ts";

/** Which addresses a login may send as. */
export type CheckSender = "identities" | "login" | "any";

/**
 * Returns the Received fields of a message that a client submits after it has logged in. They do not show that the
 * message was relayed before, because webmail and gateways add some: the login is the proof. A message that is re-sent,
 * or was delivered before, keeps them.
 */
export function receivedBefore(header: Header): ReadonlySet<Field> {
  const before = header.some((one) => /^Resent-/i.test(one.name) || named(one, "Delivered-To"));
  return new Set(before ? [] : header.filter((one) => named(one, "Received")));
}

/**
 * Checks envelope sender and author of a submitted message.
 *
 * @param login the name with which the client has logged in; the sender of a login without a domain must have it as
 *   local part, that of a login with a domain must be equal to it
 * @param sender null for the null sender, which receipts use
 * @returns why the client may not send it, in words for the client; undefined if it may
 */
export function senderRefusal(
  check: CheckSender,
  login: string,
  sender: Address | null,
  header: Header,
  context: Pick<PlanContext, "settings" | "identities" | "now">,
): string | undefined {
  if (check === "any") return undefined;
  // Without identities nothing could be sent; see `unconfigured`.
  if (check === "identities" && context.identities.length === 0) return undefined;
  const allowed = (address: Address) =>
    check === "login" ? matchesLogin(login, address) : ownSender(address, context) !== undefined;
  if (sender !== null && !allowed(sender)) return `${quote(formatAddress(sender))} is not one of your addresses`;

  // Without a Resent-From nobody re-sends the message, whatever else its header claims.
  const top = alreadyRelayed(header) ? firstBlock(header) : [];
  const resent = top.some((one) => named(one, "Resent-From"));
  const [prefix, block] = resent ? ["Resent-", top] as const : ["", header] as const;
  // An empty From counts as a missing one, as in plan.ts.
  const from = block.filter((one) => named(one, `${prefix}From`) && (resent || valueOf(one) !== ""));
  if (!resent && from.length > 1) return "there is more than one From field";
  const [first] = from;
  const authors = first && sendingAddresses([first], context.settings.domain, prefix);
  if (authors?.length === 0) return `the field ${prefix}From contains no address`;
  const all = sendingAddresses(block, context.settings.domain, prefix);
  // Of several authors the Sender, which is the first then, counts; it is a single address (RFC 5322 section 3.6.2).
  const decisive = all.length === (authors?.length ?? 0) + 1 ? all.slice(0, 1) : all;
  const wrong = decisive.find((one) => !allowed(one));
  return wrong && `${quote(formatAddress(wrong))} is not one of your addresses`;
}

function matchesLogin(login: string, address: Address): boolean {
  const wanted = login.toLowerCase();
  return wanted.includes("@") ? canonical(address) === wanted : address.local.toLowerCase() === wanted;
}
