/**
 * Did somebody refuse mail who knows people by the envelope sender: a list its subscribers, an alias service its
 * contacts? Then mail to that address is to leave with the plain one. A hint for people: nothing is decided by it.
 */
import { parseAddressList } from "../../lib/address.ts";
import { decodeLatin1 } from "../../lib/bytes.ts";
import { type Header, value } from "../../lib/message.ts";
import { fromQuotedPrintable } from "../../lib/mime.ts";
import { type RefusalKind, REFUSALS } from "./refusals.ts";

/** Octets of the body that are looked at. */
const MAX_BODY_BYTES = 64 * 1024;

/** Where what is returned begins: its words are the user's own. */
const RETURNED =
  /^--- (?:Below|Enclosed)|^-{2,}.{0,40}copy of .{0,20}message|^content-type:[ \t]*(?:message\/(?:rfc822|global)$|text\/rfc822-headers)/im;

/** A refusal of this kind. */
export interface Refusal {
  readonly kind: RefusalKind;
  /** The words that say so. */
  readonly said: string;
  /** The list or alias that refused, as far as can be seen. */
  readonly address: string | undefined;
}

/** The refusal; undefined when it is none. */
export function refusalOf(
  header: Header,
  prefix: Uint8Array,
  bodyStart: number,
  own: readonly string[],
): Refusal | undefined {
  const body = decodeLatin1(prefix.subarray(bodyStart, bodyStart + MAX_BODY_BYTES));
  const raw = body.slice(0, RETURNED.exec(body)?.index);
  for (const text of [raw, fromQuotedPrintable(raw)]) {
    for (const kind of REFUSALS) {
      const said = new RegExp(kind.said, "i").exec(text)?.[0];
      if (said === undefined) continue;
      const failed = [
        value(header, "X-Failed-Recipients"),
        /^final-recipient:[ \t]*(?:rfc822|utf-8);[ \t]*(\S{1,320})/im.exec(body)?.[1],
        /^[ \t]{0,4}<?([^\s<>@:]{1,64}@[^\s<>@:]{1,255})>?:/m.exec(text)?.[1], // qmail
        manager(value(header, "From")),
      ];
      return {
        kind,
        said: said.replace(/\s+/g, " ").trim(),
        address: failed.map((one) => addressOf(one, own)).find((one) => one),
      };
    }
  }
  return undefined;
}

/** `list-owner@host` and its like write for `list@host`. */
function manager(from: string | undefined): string | undefined {
  const written = addressOf(from, []);
  const list = written?.replace(/[-+](?:owner|bounces|request|help|admin|return.*)@/, "@");
  return list === written ? undefined : list;
}

function addressOf(text: string | undefined, own: readonly string[]): string | undefined {
  try {
    const [first] = parseAddressList(text ?? "", { bare: true });
    if (!first?.address?.domain) return undefined;
    const found = `${first.address.local}@${first.address.domain}`.toLowerCase();
    return own.includes(found) ? undefined : found;
  } catch {
    return undefined;
  }
}
