/** The message that a challenge returns: behind its separator, or as a MIME part. */
import { binary, unbinary } from "../lib/bytes.ts";
import { bodyLines } from "../lib/ledger.ts";
import { type Header, named, parseHead } from "../lib/message.ts";
import { mimeParts } from "../lib/mime.ts";

/** Multiparts inside of multiparts; lists nest less. */
const MAX_DEPTH = 4;

/** A returned message. */
export interface Quoted {
  readonly header: Header;
  /** Complete lines of its body. */
  readonly body: readonly Uint8Array[];
  /** It came as text/rfc822-headers: there is no body to be had. */
  readonly headerOnly: boolean;
}

/**
 * All that it could mean; none or several are for the caller to judge.
 *
 * @param whole does the message end within the prefix?
 */
export function quotedMessages(
  prefix: Uint8Array,
  bodyStart: number,
  whole: boolean,
  separator: string | undefined,
): Quoted[] {
  const parts = returnedParts(prefix, bodyStart, whole);
  if (parts !== undefined && parts.length > 0) return parts;
  if (separator === undefined) return [];
  const body = binary(prefix.subarray(bodyStart));
  const lines = [...body.matchAll(/^---[^\r\n]*(?=\r?$)/gm)].filter((line) => line[0] === separator);
  if (lines.length !== 1) return []; // twice could mean anything
  const after = body.slice(lines[0]!.index + separator.length).replace(/^(?:[ \t]*\r?\n)+/, "");
  // A text may have been cut anywhere: its last line counts only when it is ended.
  return [read(unbinary(after), whole, false, false)].filter((one) => one !== undefined);
}

/** @param ended is its last line whole without a line end? */
function read(bytes: Uint8Array, whole: boolean, headerOnly: boolean, ended: boolean): Quoted | undefined {
  const head = parseHead(bytes, whole);
  if (head === undefined || head.header.length === 0) return undefined;
  return { header: head.header, body: bodyLines(bytes.subarray(head.bodyStart), ended), headerOnly };
}

/** The returned messages among the parts; undefined when it is no MIME message of several parts. */
function returnedParts(prefix: Uint8Array, bodyStart: number, whole: boolean): Quoted[] | undefined {
  const { header } = parseHead(prefix.subarray(0, bodyStart), true)!;
  const type = header.find((field) => named(field, "Content-Type"))?.raw ?? "";
  if (!/^content-type:\s*multipart\//i.test(type)) return undefined;
  const parts = mimeParts(header, prefix.subarray(bodyStart), MAX_DEPTH) ?? [];
  return parts.filter(({ type }) => type === "message/rfc822" || type === "text/rfc822-headers").map((part) => {
    const complete = whole || part.ended;
    return read(part.bytes, complete, part.type.endsWith("headers"), complete);
  }).filter((one) => one !== undefined);
}
