/** The results of checks that a trusted host wrote into Authentication-Results (RFC 8601). */
import { type Header, named, valueOf } from "../../lib/message.ts";

/** What the results show. Domains are in lower case. */
export interface Results {
  /** The domain for which DMARC passed. */
  readonly dmarc?: string;
  /** The domain of the envelope sender for which SPF passed. */
  readonly spf?: string;
  /** Whether DMARC or SPF failed. */
  readonly failed: boolean;
}

/** Maximum length of a field that is parsed. */
const MAX_FIELD_LENGTH = 8 * 1024;

/**
 * Returns the results of a host. A sender can write such fields, too, below those of the host. Therefore only its first
 * field counts, and any others of it above the first Received field.
 *
 * @param host the name with which the host begins its fields; empty if none is trusted: then only failures count, of
 *   whatever host
 */
export function resultsOf(header: Header, host: string): Results {
  const received = header.findIndex((one) => named(one, "Received"));
  const out = { dmarc: undefined as string | undefined, spf: undefined as string | undefined, failed: false };
  let first = true;
  for (const [nth, one] of header.entries()) {
    if (!named(one, "Authentication-Results")) continue;
    // It may be that of the host, made long by the sender; those below it must not take its place.
    if (one.raw.length > MAX_FIELD_LENGTH) break;
    const [id = "", ...results] = split(valueOf(one));
    if (host !== "") {
      if (id.trim().split(/\s/)[0]!.toLowerCase() !== host.toLowerCase()) continue;
      if (!first && nth > received) continue;
    }
    first = false;
    for (const result of results) {
      const [, method, value] = /^\s*([a-z0-9-]+)(?:\/\d+)?\s*=\s*([a-z]+)/i.exec(result) ?? [];
      const kind = method?.toLowerCase();
      if (kind !== "dmarc" && kind !== "spf") continue;
      if (/^(?:hard)?fail$/i.test(value!)) out.failed = true;
      if (host === "" || value!.toLowerCase() !== "pass") continue;
      const [, property] = (kind === "dmarc" ? FROM : MAIL_FROM).exec(result) ?? [];
      if (property !== undefined) out[kind] = property.slice(property.lastIndexOf("@") + 1).toLowerCase();
    }
  }
  const { dmarc, spf, failed } = out;
  return { failed, ...(dmarc !== undefined && { dmarc }), ...(spf !== undefined && { spf }) };
}

const FROM = /\sheader\.from\s*=\s*"?([^\s;"]+)/i;
const MAIL_FROM = /\ssmtp\.(?:mailfrom|envelope-from)\s*=\s*"?([^\s;"]+)/i;

/** Splits at semicolons, without comments. Quoted text is kept as one piece. */
function split(text: string): string[] {
  const out = [""];
  for (let at = 0, depth = 0, quoted = false; at < text.length; at++) {
    const c = text[at]!;
    if (c === "\\") at++;
    else if (c === '"' && depth === 0) quoted = !quoted;
    else if (c === "(" && !quoted) depth++;
    else if (c === ")" && depth > 0) {
      depth--;
      continue;
    }
    if (depth > 0) continue;
    if (c === ";" && !quoted) out.push("");
    else out[out.length - 1] += c;
  }
  return out;
}
