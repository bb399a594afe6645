/**
 * The kind of an error, for programs.
 *
 * Addresses:
 * - `address-invalid`: the address is not well formed
 * - `no-at`: the address has no `@` followed by a domain
 * - `at-in-user`: the local part contains an `@`
 *
 * Signatures:
 * - `not-srs`, `not-prvs`, `not-tag`: the text does not have the form of an SRS address, a prvs address, or a tag
 * - `hash-invalid`, `tag-invalid`: the signature does not match
 * - `stamp-expired`, `tag-expired`: the signature matches, but has expired
 * - `no-secret`: no secret is given, the secret is empty, or there is none for this key
 * - `option-invalid`: an option is out of range
 *
 * Messages and programs, mostly with an exit status from sysexits.h:
 * - `data`: the message cannot be parsed or sent as it is
 * - `usage`, `input`, `refused`, `system`, `io`, `temporary`, `permission`, `config`: only programs use these
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
  | "input"
  | "refused"
  | "system"
  | "io"
  | "temporary"
  | "permission"
  | "config";

/** Where an error occurred and how to fix it. The message contains neither. */
export interface FailData {
  /** The file or folder, as a path. */
  readonly file?: string | undefined;
  /** The line in it, counted from 1. */
  readonly line?: number | undefined;
  /** The command to run or the change to make. */
  readonly fix?: string | undefined;
  /** The underlying error. */
  readonly cause?: unknown;
}

/**
 * The error class of all failures that a caller must expect; anything else that is thrown is a bug.
 *
 * The message is one line in sentence case without a full stop and contains neither file nor fix. It may quote
 * untrusted text, without control characters.
 *
 * @example Distinguish a forged address from an expired one
 * ```ts
 * import { Fail, srsReverse } from "@countersign/countersign";
 * import assert from "node:assert/strict";
 *
 * let kind = "";
 * try {
 *   srsReverse("SRS0=AAAA=AA=example.org=greg@srs.example.org", { secrets: ["a secret"], now: new Date() });
 * } catch (error) {
 *   if (!(error instanceof Fail)) throw error;
 *   kind = error.kind;
 * }
 * assert.equal(kind, "hash-invalid"); // "stamp-expired" for an address of ours that is too old
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
   * Creates an error.
   *
   * @param kind what went wrong
   * @param message one line, without file and fix
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

/** Returns whether Deno's sandbox denied the operation. */
const isDenied = (error: unknown): boolean => error instanceof Error && error.name === "NotCapable";

/**
 * Formats an error as `FILE:LINE: message: fix`, without the parts that are missing. Anything but a {@link Fail} is
 * reported as a bug.
 */
export function errorText(error: unknown): string {
  return error instanceof Fail ? placed(error.message, error) : `Bug: ${reason(error)}`;
}

/** Formats a message as `FILE:LINE: message: fix`, without the parts that are missing. */
export function placed(message: string, { file, line, fix }: Pick<FailData, "file" | "line" | "fix">): string {
  const place = file === undefined ? undefined : placeText({ file, line });
  return [place, message, fix].filter((part) => part !== undefined).join(": ");
}

// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/;

/** Formats a position as `FILE:LINE`, as compilers do. */
export function placeText({ file, line }: { readonly file: string; readonly line?: number | undefined }): string {
  // Control characters in a file name could control the terminal.
  const name = CONTROL.test(file) ? quoteAll(file) : file;
  return line === undefined ? name : `${name}:${line}`;
}

/** The kinds of findings about an address or a signature. */
const REJECTIONS: readonly Kind[] = [
  "address-invalid",
  "no-at",
  "at-in-user",
  "not-srs",
  "not-prvs",
  "not-tag",
  "hash-invalid",
  "tag-invalid",
  "stamp-expired",
  "tag-expired",
  "no-secret",
];

/**
 * Returns whether an address or signature was found to be invalid. After such an
 * error a check may continue; after any other, such as an unreadable key file, it must not.
 */
export function isRejection(error: unknown): error is Fail {
  return error instanceof Fail && REJECTIONS.includes(error.kind);
}

/**
 * Returns `temporary` when Deno's sandbox denied the operation, because `countersign sandbox` can fix that.
 *
 * @param error what was thrown
 * @param kind the kind of any other error
 */
export function temporaryIfDenied(error: unknown, kind: Kind): Kind {
  return isDenied(error) ? "temporary" : kind;
}

/**
 * Returns whether this system error proves that the file does not exist. After any other error the file may exist.
 * (A name that is too long cannot exist.)
 */
export function provesMissing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ["NotFound", "NotADirectory"].includes(error.name) || (error as { code?: unknown }).code === "ENAMETOOLONG";
}

/** Quotes untrusted text: on one line, without control characters, at most 120 characters. */
export function quote(text: string): string {
  return quoteAll(text.length > 120 ? `${text.slice(0, 119)}…` : text);
}

/** Quotes a text in full, on one line and without control characters. */
export function quoteAll(text: string): string {
  // JSON does not escape DEL and C1 characters, which could control the terminal, nor those that reorder text.
  return JSON.stringify(text).replace(HIDDEN, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Returns the message of anything that was thrown, on one line; for a {@link Fail} with file, line and fix. */
export function reason(error: unknown): string {
  const text = error instanceof Fail ? errorText(error) : error instanceof Error ? error.message : String(error);
  const line = text.replace(/\s+/g, " ").trim();
  // Deno suggests a permission flag, but the launchers generate these from the settings.
  return isDenied(error) ? line.replace(/^Requires (.*), run again .*$/, "$1 is not permitted") : line;
}

/** Returns lines with control characters, and those that reorder text, replaced by U+FFFD. */
export function cleanLines(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x08\x0b-\x1f]/g, "\ufffd").replace(HIDDEN, "\ufffd");
}

/** DEL and C1, separators of lines, and characters that reorder text, beyond those that JSON escapes. */
export const HIDDEN = /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
