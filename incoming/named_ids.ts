/** The Message-IDs that a message names as those it is about, the most telling first. They prove nothing. */
import { type Header, named } from "../lib/message.ts";
import { messageIdBody, messageIdsIn } from "../lib/message_id.ts";
import { textOf } from "./bounce.ts";
import type { Delivery } from "./delivery.ts";
import { returnedIds } from "./checks/returned_header.ts";

/** RFC 5322 section 3.6.4, RFC 8098 section 3.2.5, and what relays and gateways write. */
const FIELDS = ["In-Reply-To", "Original-Message-ID", "X-Original-Message-ID", "X-Failed-Message-ID"];

/** Characters of one (RFC 5322 section 2.1.1); a longer one would only cost time to look up. */
const MAX_ID_LENGTH = 998;
/** As many as the index of sent mail looks up for one message. */
const MAX_NAMED = 20;
/** Characters that are read from either end of a longer field. */
const REACH_LENGTH = 32 * 1024;

/**
 * Each in the form of `bareMessageId()`. So that many of one kind do not push out the others, the first of each kind
 * come first.
 */
export function namedMessageIds(delivery: Delivery): string[] {
  const { header } = delivery;
  const references = idsIn(header, "References");
  const kinds: [ids: string[], first: number][] = [
    [FIELDS.flatMap((name) => idsIn(header, name)), 4],
    [returnedIds(delivery), 8],
    // Of a long thread, the messages that it answers are the last ones, and perhaps the first.
    [[...references.slice(-4).reverse(), ...references.slice(0, 1), ...references.slice(1, -4).reverse()], 5],
    [idsInText(textOf(delivery)), 3],
  ];
  return [
    ...new Set([
      ...kinds.flatMap(([ids, first]) => ids.slice(0, first)),
      ...kinds.flatMap(([ids, first]) => ids.slice(first)),
    ]),
  ].filter((id) => id.length <= MAX_ID_LENGTH).slice(0, MAX_NAMED);
}

/** Read as the Message-ID was when it was remembered, whatever its charset. */
function idsIn(header: Header, name: string): string[] {
  const fields = header.filter((one) => named(one, name)).slice(0, MAX_NAMED).map(messageIdBody);
  return fields.flatMap((body) => {
    if (body.length <= 2 * REACH_LENGTH) return messageIdsIn(body);
    return messageIdsIn(`${body.slice(0, REACH_LENGTH)} ${body.slice(-REACH_LENGTH)}`);
  });
}

/** In sentences: `message <1@example.org>`, `Message ID 1@example.org`. */
function idsInText(text: string): string[] {
  const named = text.matchAll(
    /\bmessage[- ]?id(?:entifier)?\b[^\w<\n]{0,16}(?:\bis\b|\bwas\b)?[\s:"'(]{0,16}([^\s<>"'()]{1,250}@[^\s<>"'()]{1,250})/gi,
  );
  const bracketed = text.matchAll(/<([^<>\s@]{1,250}@[^<>\s]{1,250})>/g);
  return [...named, ...bracketed].map(([, id]) => id!.replace(/[.,;]$/, ""));
}
