/**
 * What went wrong, as a word for programs and a sentence for people.
 *
 * - Addresses: `address-invalid`, `no-at`, `at-in-user`
 * - SRS and prvs: `not-srs`, `not-prvs`, `hash-invalid`, `stamp-expired`, `no-secret`, `option-invalid`
 * - Tag and proof: `not-tag`, `tag-invalid`, `tag-expired`
 * - Programs: `usage`, `data`, `refused`, `system`, `io`, `temporary`, `permission`, `config`
 */
export type Kind =
  | "address-invalid"
  | "no-at"
  | "at-in-user"
  | "not-srs"
  | "not-prvs"
  | "hash-invalid"
  | "stamp-expired"
  | "no-secret"
  | "option-invalid"
  | "not-tag"
  | "tag-invalid"
  | "tag-expired"
  | "usage"
  | "data"
  | "refused"
  | "system"
  | "io"
  | "temporary"
  | "permission"
  | "config";

/**
 * The one error class: every failure that a caller is expected to meet.
 *
 * The message is one line in plain words and names the thing. Which exit
 * status a kind becomes is decided by the program alone (lib/sysexits.ts and
 * hooks/exits.ts).
 *
 * @example
 * ```ts
 * import { Fail } from "@countersign/countersign";
 * import assert from "node:assert/strict";
 *
 * const fail = new Fail("not-srs", 'Address "a@example.org" is not an SRS address');
 * assert.equal(fail.kind, "not-srs");
 * ```
 */
export class Fail extends Error {
  /** What went wrong, for programs. */
  readonly kind: Kind;

  /**
   * Makes one.
   *
   * @param kind what went wrong
   * @param message one line in plain words
   * @param options the cause
   */
  constructor(kind: Kind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "Fail";
    this.kind = kind;
  }
}

/** The kinds that say something about this machine; all others are findings about an address or a signature. */
const OURS: readonly Kind[] = ["usage", "data", "refused", "system", "io", "temporary", "permission", "config"];

/**
 * Was a stranger's address or signature found to be wrong? A check that goes on
 * after it must not go on after a key file that cannot be read.
 */
export function isRejection(error: unknown): error is Fail {
  return error instanceof Fail && !OURS.includes(error.kind);
}

/**
 * The kind of a failure of the system: what is only not permitted waits for `countersign permit`.
 *
 * @param error what was thrown
 * @param kind what it is otherwise
 */
export function temporaryIfDenied(error: unknown, kind: Kind): Kind {
  return error instanceof Error && error.name === "NotCapable" ? "temporary" : kind;
}

/**
 * Does this failure of the system prove that there is no such file? Whatever else went wrong, a file that exists may
 * not have been looked at. (A name that is too long cannot exist.)
 */
export function provesMissing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ["NotFound", "NotADirectory"].includes(error.name) || (error as { code?: unknown }).code === "ENAMETOOLONG";
}

/** A stranger's text in double quotes: one line, no control characters, at most 120 characters. */
export function quote(text: string): string {
  return quoteAll(text.length > 120 ? `${text.slice(0, 119)}…` : text);
}

/** All of a text in double quotes, on one line and without control characters. */
export function quoteAll(text: string): string {
  // JSON leaves DEL and C1 alone; a terminal would obey them.
  return JSON.stringify(text).replace(/[\x7f-\x9f\u2028\u2029]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** The message of anything that was thrown, on one line. */
export function reason(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").trim();
  // Deno's advice is for who types its command line; ours is written from the settings.
  return text.replace(
    /^Requires (.*), run again with the --allow-\S+ flag$/,
    "$1 is not permitted: countersign permit",
  );
}
