/** Reads the secret files of other software, which differ in where a secret ends. */
import { type Bytes, decodeLatin1, encodeLatin1 } from "../lib/bytes.ts";
import { Fail } from "../lib/fail.ts";

/** The software whose secrets can be imported. */
export const SECRET_SOURCES = ["mail-srs", "postsrsd", "exim", "batv-tools", "pymsgauth"] as const;
/** One of the software packages. */
export type SecretSource = typeof SECRET_SOURCES[number];

/** Longest line that postsrsd reads as one secret. */
const POSTSRSD_LINE_BYTES = 1023;

/**
 * Returns the secrets in a file; the first is the one that signs.
 *
 * @param newline whether the line end belongs to the secret; by default as that software treats it
 * @throws {Fail} `data` if there is no secret
 */
export function importedSecrets(file: Uint8Array, source: SecretSource, newline?: boolean): Bytes[] {
  const keep = newline ?? (source === "mail-srs" || source === "batv-tools");
  const text = decodeLatin1(file);
  const found = SECRETS[source](text).map((secret) => {
    const bare = secret.replace(/\r?\n$/, "");
    // With `newline` a secret gets a line end even if the file has none.
    return bare === "" ? bare : keep ? newline === true && bare === secret ? `${bare}\n` : secret : bare;
  });
  const secrets = [...new Set(found)].filter((secret) => secret !== "");
  if (secrets.length === 0) throw new Fail("data", `No secret of ${source} found`);
  return secrets.map(encodeLatin1);
}

const lines = (text: string) => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** Split a file into its secrets, with their line ends. */
const SECRETS: Record<SecretSource, (text: string) => string[]> = {
  // One per line, without blank lines and comments. The line end is kept, as by <> in Perl.
  "mail-srs": (text) => lines(text).filter((line) => !/^\s*(?:#|$)/.test(line)),
  // One per line; "#" does not begin a comment.
  postsrsd: (text) => {
    const all = lines(text);
    if (all.some((line) => line.replace(/\r?\n$/, "").length > POSTSRSD_LINE_BYTES)) {
      throw new Fail(
        "data",
        `A line is longer than the ${POSTSRSD_LINE_BYTES} bytes that postsrsd reads as one secret`,
      );
    }
    return all;
  },
  // An expanded string of its configuration, stored in a file.
  exim: (text) => [text],
  // The whole file is the secret.
  "batv-tools": (text) => [text],
  // An option in pymsgauthrc.
  pymsgauth: (text) => [...text.matchAll(/^secret[ \t]*[=:][ \t]*(.*?)[ \t]*$/gm)].map((found) => found[1]!),
};
