/** Extracts the message that a challenge returns, after a separator line or as a MIME part. */
import { decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";
import type { Quotation } from "../../lib/entry.ts";
import { named, parseHead } from "../../lib/message.ts";
import { contentType, mimeParts } from "../../lib/mime.ts";
import type { Delivery } from "../delivery.ts";

/** Maximum nesting of multiparts, more than lists use. */
const MAX_DEPTH = 4;

/**
 * Returns everything that could be the returned message; the caller decides what none or several mean. `headerOnly` is
 * set for text/rfc822-headers.
 *
 * @param delivery a whole message, because anything beyond the prefix would not be compared
 * @param separator the line after which the returned message begins when it is not a MIME part
 */
export function quotedMessages(
  delivery: Pick<Delivery, "header" | "prefix" | "bodyStart">,
  separator: string | undefined,
): Quotation[] {
  const parts = returnedParts(delivery);
  if (parts !== undefined) return parts;
  if (separator === undefined) return [];
  const body = decodeLatin1(delivery.prefix.subarray(delivery.bodyStart));
  const lines = [...body.matchAll(/^---[^\r\n]*(?=\r?$)/gm)].filter((line) => line[0] === separator);
  if (lines.length !== 1) return []; // a second one would be ambiguous
  const after = body.slice(lines[0]!.index + separator.length).replace(/^(?:[ \t]*\r?\n)+/, "");
  // The program may have truncated the text anywhere.
  return read(encodeLatin1(after), { headerOnly: false, ended: false });
}

/**
 * Returns the messages among the parts, or undefined when it is not a multipart message. Nothing may follow them:
 * whoever guesses the boundary could end the part where the sent message ends, and hide text after it.
 */
function returnedParts(
  { header, prefix, bodyStart }: Pick<Delivery, "header" | "prefix" | "bodyStart">,
): Quotation[] | undefined {
  const type = header.find((field) => named(field, "Content-Type"))?.raw ?? "";
  if (!/^content-type:\s*multipart\//i.test(type)) return undefined;
  const body = prefix.subarray(bodyStart);
  const parts = mimeParts(header, body, MAX_DEPTH) ?? [];
  const close = `\n--${contentType(header).parameters.get("boundary")}--`;
  const [, ...behind] = decodeLatin1(body).split(close);
  if (behind.join("").trim() !== "" || !isReturned(parts.at(-1)?.type)) return [];
  return parts.filter(({ type }) => isReturned(type))
    .flatMap(({ type, bytes }) => read(bytes, { headerOnly: type.endsWith("headers"), ended: true }));
}

const isReturned = (type = ""): boolean => type === "message/rfc822" || type === "text/rfc822-headers";

function read(bytes: Uint8Array, how: Pick<Quotation, "headerOnly" | "ended">): Quotation[] {
  const { header, headStart, bodyStart } = parseHead(bytes, true)!;
  // A line `From ...` before the header would be text that is not compared with anything.
  return header.length === 0 || headStart > 0 ? [] : [{ header, body: bytes.subarray(bodyStart), ...how }];
}
