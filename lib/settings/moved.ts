/** The file of addresses that have moved: `old new` on each line, comments after `#`. */
import { canonical, parseAddress } from "../address.ts";
import { Fail, quote } from "../fail.ts";

/** New addresses by their old one, which is in lower case. */
export type Moved = ReadonlyMap<string, string>;

/**
 * Parses the file.
 *
 * @param path the name of the file, for errors
 * @throws {Fail} `config`, naming the line
 */
export function parseMoved(text: string, path: string): Moved {
  const moved = new Map<string, string>();
  for (const [at, line] of text.split("\n").entries()) {
    const words = line.replace(/#.*/, "").trim().split(/\s+/);
    if (words[0] === "") continue;
    const wrong = (what: string) => new Fail("config", what, { file: path, line: at + 1 });
    const [old = "", next = "", ...more] = words;
    if (next === "" || more.length > 0) throw wrong("Line is not an old and a new address");
    for (const word of [old, next]) {
      // The new address becomes part of an SMTP reply, which is ASCII (RFC 5321 section 4.2).
      if (!isPlainAddress(word)) throw wrong(`${quote(word)} is not an address in ASCII`);
    }
    const key = canonical(parseAddress(old));
    if (key === canonical(parseAddress(next))) throw wrong(`${quote(old)} is moved to itself`);
    if (moved.has(key)) throw wrong(`${quote(old)} is moved twice`);
    moved.set(key, next);
  }
  return moved;
}

/** Longest address that RFC 5321 section 4.5.3.1.3 allows, so that it fits on a line of a reply. */
const MAX_ADDRESS_LENGTH = 254;

/** Returns whether a text is an address that can be written in an SMTP reply. */
export function isPlainAddress(text: string): boolean {
  if (!/^[!-~]+$/.test(text) || text.length > MAX_ADDRESS_LENGTH) return false;
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
}
