/**
 * Did a list refuse a posting because it knows its subscribers by the envelope
 * sender? Then that list is to get the plain one. A hint for people: nothing is
 * decided by it.
 */
import { parseAddressList } from "../lib/address.ts";
import { binary } from "../lib/bytes.ts";
import { type Header, value } from "../lib/message.ts";

/** What lists say, in the words of ezmlm, Mailman 2 and 3, Sympa, Majordomo, mlmmj, LISTSERV, Google Groups. */
const SAID = [
  "only\\s+(?:\\w+\\s+)?(?:subscribers|members)\\s+(?:may|can|are\\s+allowed)",
  "(?:subscribers?|members?)[- ]only",
  "(?:restricted|limited|open\\s+only)\\s+to\\s+(?:its\\s+|list\\s+)?(?:subscribers|members)",
  "non-?(?:members?|subscribers?)",
  "not\\s+(?:a\\s+subscriber|subscribed|a\\s+member|from\\s+a\\s+list\\s+member)",
  "not\\s+(?:allowed|authori[sz]ed|permitted)\\s+to\\s+(?:post|send\\s+mail)",
  "permission\\s+to\\s+post",
].join("|");

/** Where what is returned begins: its words are the user's own. */
const RETURNED = /^--- (?:Below|Enclosed)|^-{2,}.{0,40}copy of .{0,20}message|^content-type:[ \t]*message\/rfc822/im;

/** A refusal of this kind. */
export interface Refusal {
  /** The words that say so. */
  readonly said: string;
  /** The list, as far as can be seen. */
  readonly list: string | undefined;
}

/** The refusal; undefined when it is none. */
export function subscriberOnly(
  header: Header,
  prefix: Uint8Array,
  bodyStart: number,
  own: readonly string[],
): Refusal | undefined {
  const body = binary(prefix.subarray(bodyStart, bodyStart + 64 * 1024));
  const text = body.slice(0, RETURNED.exec(body)?.index);
  const said = new RegExp(SAID, "i").exec(text)?.[0];
  if (said === undefined) return undefined;
  const failed = [
    value(header, "X-Failed-Recipients"),
    /^final-recipient:[ \t]*rfc822;[ \t]*(\S{1,320})/im.exec(body)?.[1],
    /^[ \t]{0,4}<?([^\s<>@:]{1,64}@[^\s<>@:]{1,255})>?:/m.exec(text)?.[1], // qmail
    manager(value(header, "From")),
  ];
  return { said: said.replace(/\s+/g, " "), list: failed.map((one) => address(one, own)).find((one) => one) };
}

/** `list-owner@host` and its like write for `list@host`. */
function manager(from: string | undefined): string | undefined {
  const written = address(from, []);
  const list = written?.replace(/-(?:owner|bounces|request|help|admin|return.*)@/, "@");
  return list === written ? undefined : list;
}

function address(text: string | undefined, own: readonly string[]): string | undefined {
  try {
    const [first] = parseAddressList(text ?? "", { bare: true });
    if (!first?.address?.domain) return undefined;
    const found = `${first.address.local}@${first.address.domain}`.toLowerCase();
    return own.includes(found) ? undefined : found;
  } catch {
    return undefined;
  }
}
