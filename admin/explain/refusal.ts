/**
 * Recognizes a bounce from a recipient that identifies people by the envelope sender, as lists do with subscribers and
 * alias services with contacts. Mail to it should have the plain sender. This is only a hint; no verdict depends on it.
 */
import { parseAddressList } from "../../lib/address.ts";
import { decodeLatin1 } from "../../lib/bytes.ts";
import { type Header, value } from "../../lib/message.ts";
import { fromQuotedPrintable } from "../../lib/encoded_words.ts";
import { type RefusalKind, REFUSALS } from "./refusals.ts";

/** Bytes of the body that are searched. */
const MAX_BODY_BYTES = 64 * 1024;

/** Matches the beginning of the returned message, whose text is the user's own. */
const RETURNED =
  /^--- (?:Below|Enclosed)|^-{2,}.{0,40}copy of .{0,20}message|^content-type:[ \t]*(?:message\/(?:rfc822|global)$|text\/rfc822-headers)/im;

/** A refusal that was recognized. */
export interface Refusal {
  readonly kind: RefusalKind;
  /** The words that were recognized. */
  readonly said: string;
  /** The list or alias that refused the message; undefined if unknown. */
  readonly address: string | undefined;
}

/** Returns the refusal; undefined if the message is not one. */
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
        listOf(value(header, "From")),
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

/** Returns `list@host` for an author such as `list-owner@host`; undefined for others. */
function listOf(from: string | undefined): string | undefined {
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
