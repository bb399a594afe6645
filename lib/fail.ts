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

/** What an error is about, and what to do: the message itself names neither. */
export interface FailData {
  /** The file or folder, as a path. */
  readonly file?: string | undefined;
  /** The line in it, counted from 1. */
  readonly line?: number | undefined;
  /** The command to run or the change to make. */
  readonly fix?: string | undefined;
  /** What was thrown underneath. */
  readonly cause?: unknown;
}

/**
 * The one error class: every failure that a caller is expected to meet.
 *
 * The message is one line in sentence case without a full stop. {@link errorText} prints it with file, line and fix.
 * The program decides which exit status a kind becomes (lib/sysexits.ts and hooks/exits.ts).
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
  /** The file or folder that the error is about. */
  readonly file: string | undefined;
  /** The line in that file, counted from 1. */
  readonly line: number | undefined;
  /** The command to run or the change to make. */
  readonly fix: string | undefined;

  /**
   * Makes one.
   *
   * @param kind what went wrong
   * @param message one line in plain words, which names neither the file nor the fix
   * @param data file, line, fix and cause
   */
  constructor(kind: Kind, message: string, { file, line, fix, cause }: FailData = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "Fail";
    this.kind = kind;
    this.file = file;
    this.line = line;
    this.fix = fix ?? (isDenied(cause) ? SANDBOX_FIX : undefined);
  }
}

/** Updates what the sandbox allows. */
const SANDBOX_FIX = "countersign sandbox";

/** Was this refused by Deno's sandbox? */
const isDenied = (error: unknown): boolean => error instanceof Error && error.name === "NotCapable";

/**
 * The error as it is printed: `FILE:LINE: message: fix`, without the parts that it lacks. Anything but a {@link Fail}
 * is a bug.
 */
export function errorText(error: unknown): string {
  return error instanceof Fail ? placed(error.message, error) : `Bug: ${reason(error)}`;
}

/** `FILE:LINE: message: fix`, without the parts that are missing. */
export function placed(message: string, { file, line, fix }: Pick<FailData, "file" | "line" | "fix">): string {
  const place = file === undefined ? undefined : placeText({ file, line });
  return [place, message, fix].filter((part) => part !== undefined).join(": ");
}

// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/;

/** `FILE:LINE`, as editors and compilers write it. */
export function placeText({ file, line }: { readonly file: string; readonly line?: number | undefined }): string {
  // A terminal would obey control characters in a name.
  const name = CONTROL.test(file) ? quoteAll(file) : file;
  return line === undefined ? name : `${name}:${line}`;
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
 * The kind of a failure of the system: what is only not permitted waits for `countersign sandbox`.
 *
 * @param error what was thrown
 * @param kind what it is otherwise
 */
export function temporaryIfDenied(error: unknown, kind: Kind): Kind {
  return isDenied(error) ? "temporary" : kind;
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

/** The message of anything that was thrown, on one line. A {@link Fail} has its file, line and fix around it. */
export function reason(error: unknown): string {
  const text = error instanceof Fail ? errorText(error) : error instanceof Error ? error.message : String(error);
  const line = text.replace(/\s+/g, " ").trim();
  // Deno recommends a flag, but the flags are made from the settings.
  return isDenied(error) ? line.replace(/^Requires (.*), run again .*$/, "$1 is not permitted") : line;
}
