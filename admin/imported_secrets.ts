/** Secrets as other programs keep them: each has its own idea of where a secret ends. */
import { type Bytes, decodeLatin1, encodeLatin1 } from "../lib/bytes.ts";
import { Fail } from "../lib/fail.ts";

/** The programs. */
export const FORMER = ["mail-srs", "postsrsd", "exim", "batv-tools", "pymsgauth"] as const;
/** One of them. */
export type Former = typeof FORMER[number];

/** Longest line that postsrsd reads as one. */
const POSTSRSD_LINE = 1023;

/**
 * The secrets of a file, the one that signs first.
 *
 * @param newline does the line end belong to the key? Default: what that program itself does
 * @throws {Fail} `data` when there is none
 */
export function formerSecrets(file: Uint8Array, former: Former, newline?: boolean): Bytes[] {
  const keep = newline ?? (former === "mail-srs" || former === "batv-tools");
  const text = decodeLatin1(file);
  const found = SECRETS[former](text).map((secret) => {
    const bare = secret.replace(/\r?\n$/, "");
    // Whoever asks for the line end means it, whether an editor wrote it or not.
    return bare === "" ? bare : keep ? newline === true && bare === secret ? `${bare}\n` : secret : bare;
  });
  const secrets = [...new Set(found)].filter((secret) => secret !== "");
  if (secrets.length === 0) throw new Fail("data", `No secret of ${former} found`);
  return secrets.map(encodeLatin1);
}

const lines = (text: string) => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** Each with its line end, where there is one. */
const SECRETS: Record<Former, (text: string) => string[]> = {
  // One a line; blank lines and comments are skipped, and the line end stays on: perl's <> leaves it there.
  "mail-srs": (text) => lines(text).filter((line) => !/^\s*(?:#|$)/.test(line)),
  // One a line, "#" is no comment.
  postsrsd: (text) => {
    const all = lines(text);
    if (all.some((line) => line.replace(/\r?\n$/, "").length > POSTSRSD_LINE)) {
      throw new Fail("data", `A line is longer than the ${POSTSRSD_LINE} bytes that postsrsd reads as one secret`);
    }
    return all;
  },
  // A text of its configuration, kept in a file.
  exim: (text) => [text],
  // The whole file is the key.
  "batv-tools": (text) => [text],
  // An option of its pymsgauthrc.
  pymsgauth: (text) => [...text.matchAll(/^secret[ \t]*[=:][ \t]*(.*?)[ \t]*$/gm)].map((found) => found[1]!),
};
