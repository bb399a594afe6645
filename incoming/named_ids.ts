/** Collects the Message-IDs that a message refers to, the most likely first. They are not a proof of anything. */
import { memoize } from "../lib/memoize.ts";
import { type Header, named } from "../lib/message.ts";
import { messageIdBody, messageIdsIn } from "../lib/message_id.ts";
import { textOf } from "./bounce.ts";
import type { Delivery } from "./delivery.ts";
import { returnedIds } from "./checks/returned_header.ts";

/** RFC 5322 section 3.6.4, RFC 8098 section 3.2.5, and what relays and gateways write. */
const FIELDS = ["In-Reply-To", "Original-Message-ID", "X-Original-Message-ID", "X-Failed-Message-ID"];

/** Maximum length of a Message-ID in characters (RFC 5322 section 2.1.1); longer ones are ignored. */
const MAX_ID_LENGTH = 998;
/** Maximum number of Message-IDs that are looked up in the index of sent mail for one message. */
const MAX_NAMED = 20;
/** Of a field longer than twice this number of characters, only the beginning and the end are read. */
const REACH_LENGTH = 32 * 1024;

/**
 * Returns the Message-IDs in the form of `bareMessageId()`. The first few of each kind come before the rest, so that a
 * kind with many Message-IDs does not push out the others.
 */
export const namedMessageIds = memoize((delivery: Delivery): readonly string[] => {
  const { header } = delivery;
  const replies = FIELDS.flatMap((name) => idsIn(header, name));
  const returned = returnedIds(delivery);
  const thread = idsIn(header, "References").reverse();
  const text = idsInText(textOf(delivery));
  const ids = new Set([
    ...replies.slice(0, 4),
    ...returned.slice(0, 8),
    // In a long thread, the reply is to one of the last messages, or to the first.
    ...thread.slice(0, 4),
    ...thread.slice(-1),
    ...text.slice(0, 3),
    ...[replies, returned, thread, text].flat(),
  ]);
  return [...ids].filter((id) => id.length <= MAX_ID_LENGTH).slice(0, MAX_NAMED);
});

/** The Message-IDs in fields of this name, decoded in the same way as when they were remembered. */
function idsIn(header: Header, name: string): string[] {
  const fields = header.filter((one) => named(one, name)).slice(0, MAX_NAMED).map(messageIdBody);
  return fields.flatMap((body) => {
    if (body.length <= 2 * REACH_LENGTH) return messageIdsIn(body);
    return messageIdsIn(`${body.slice(0, REACH_LENGTH)} ${body.slice(-REACH_LENGTH)}`);
  });
}

/**
 * The address in the first line of a paragraph about a recipient, as qmail (QSBMF, "recipient paragraph") and Postfix
 * write it, and the first one in an address field of a returned header. Looking them up would take several times as
 * long for most bounces.
 */
const ADDRESS = /^(?:<([^<>\s]+)>:|(?:Return-Path|From|To|Cc|Sender|Reply-To):[^\n]*?<([^<>\s]+)>)/gim;

/** The Message-IDs in running text, such as `message <1@example.org>` and `Message ID 1@example.org`. */
function idsInText(text: string): string[] {
  const named = text.matchAll(
    /\bmessage[- ]?id(?:entifier)?\b[^\w<\n]{0,16}(?:(?:is|was)\b)?[\s:"'(]{0,16}([^\s<>"'()]{1,250}@[^\s<>"'()]{1,250})/gi,
  );
  const bracketed = text.matchAll(/<([^<>\s@]{1,250}@[^<>\s]{1,250})>/g);
  const addresses = new Set(Array.from(text.matchAll(ADDRESS), ([, recipient, other]) => recipient ?? other));
  const others = [...bracketed].filter(([, id]) => !addresses.has(id));
  return [...named, ...others].map(([, id]) => id!.replace(/[.,;]$/, ""));
}
