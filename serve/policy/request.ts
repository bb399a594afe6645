/** The requests of Postfix's policy delegation (SMTPD_POLICY_README): lines `name=value`, ended by an empty line. */
import { Fail } from "../../lib/fail.ts";
import { Pending } from "../sockets/pending.ts";
import type { RequestReader } from "../sockets/requests.ts";

/** A request. */
export interface PolicyRequest {
  /** The values by name; undefined if the request is not well formed. */
  readonly attributes: ReadonlyMap<string, string> | undefined;
}

/** Maximum length of a request. Postfix sends one or two kilobytes, of which certificates are the longest part. */
export const MAX_POLICY_BYTES = 64 * 1024;

const LF = 10;
// A byte order mark is text, too.
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

/** Splits the input into requests. */
export class PolicyReader implements RequestReader<PolicyRequest> {
  readonly #pending = new Pending();
  /** Number of bytes in which there is no end of a request. */
  #searched = 0;

  get partial(): boolean {
    return this.#pending.length > 0;
  }

  push(bytes: Uint8Array): void {
    this.#pending.push(bytes);
  }

  next(): PolicyRequest | undefined {
    const { bytes } = this.#pending;
    const end = emptyLine(bytes, this.#searched);
    if ((end < 0 ? bytes.length : end) > MAX_POLICY_BYTES) {
      throw new Fail("data", `Policy request is longer than ${MAX_POLICY_BYTES} bytes`);
    }
    if (end < 0) {
      this.#searched = bytes.length;
      return undefined;
    }
    const attributes = parseAttributes(DECODER.decode(bytes.subarray(0, end)));
    this.#pending.drop(end + 1);
    this.#searched = 0;
    return { attributes };
  }
}

/** Returns the position of the line end of the first empty line; -1 if there is none. */
function emptyLine(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (at === 0 || bytes[at - 1] === LF) return at;
  }
  return -1;
}

/** Parses the lines, each with its line end. @returns undefined for a line without `=`, and for a repeated name */
function parseAttributes(text: string): ReadonlyMap<string, string> | undefined {
  const attributes = new Map<string, string>();
  for (const line of text.split("\n").slice(0, -1)) {
    const at = line.indexOf("=");
    const name = line.slice(0, Math.max(at, 0));
    if (name === "" || attributes.has(name)) return undefined;
    attributes.set(name, line.slice(at + 1));
  }
  return attributes;
}
