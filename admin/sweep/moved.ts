/**
 * A journal of the messages that were moved out of a maildir. One that is found there again was moved back by the user,
 * who must not have to do so twice. Mail programs give it a new name, so that it is recognized by its header.
 */
import { decodeLatin1 } from "../../lib/bytes.ts";
import { digest } from "../../lib/digest.ts";
import { provesMissing } from "../../lib/fail.ts";
import { type Header, named } from "../../lib/message.ts";

/** Days for which moved messages are remembered. */
const MOVED_DAYS = 400;
const LINE = /^(intent|moved) (\d+) ([0-9a-f]{32})(?: (.+))?$/;
/** Fields that programs keep when they copy a message. */
const FIELDS = ["Received", "Message-ID", "Date", "From", "To", "Subject"];
/** Bytes of the body that are compared. */
const BODY_BYTES = 4096;

/** Returns a digest that identifies a message, whatever its file is called and whatever fields programs add. */
export function fingerprint(header: Header, body: Uint8Array): string {
  const fields = header.filter((one) => named(one, ...FIELDS)).map(({ raw }) => raw.replace(/\s+/g, " ").trim());
  const text = decodeLatin1(body.subarray(0, BODY_BYTES)).replaceAll("\r", "");
  return digest([...fields, text.slice(0, BODY_BYTES / 2)].join("\n"));
}

/** The journal of a maildir, as it was before this sweep. It is read only when a message is to be moved. */
export class Moved {
  readonly #file: string;
  /** The unique names under which messages were about to be moved; undefined for those that were moved. */
  #entries: Map<string, string | undefined> | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * Whether this message was moved by an earlier sweep, so that the user has moved it back. A second copy of a message
   * that this sweep moves was there before.
   */
  wasMoved(print: string, unique: string): boolean {
    const entries = this.#read();
    // A sweep that was killed before it moved the message has left its name.
    return entries.has(print) && entries.get(print) !== unique;
  }

  /** Records, before a message is moved, that it will be. */
  begin(print: string, unique: string, today: number): void {
    this.#append(`intent ${today} ${print} ${unique}`);
  }

  /** Records that a message was moved. */
  end(print: string, today: number): void {
    this.#append(`moved ${today} ${print}`);
  }

  /** Removes old entries. */
  expire(today: number): void {
    const lines = this.#lines();
    const kept = lines.filter((line) => Math.abs(today - Number(LINE.exec(line)?.[2] ?? 0)) <= MOVED_DAYS);
    if (kept.length === lines.length) return;
    Deno.writeTextFileSync(`${this.#file}.new`, kept.map((line) => `${line}\n`).join(""), { mode: 0o600 });
    Deno.renameSync(`${this.#file}.new`, this.#file);
  }

  #lines(): string[] {
    try {
      return Deno.readTextFileSync(this.#file).split("\n").filter((line) => line !== "");
    } catch (error) {
      if (provesMissing(error)) return [];
      throw error;
    }
  }

  #read(): Map<string, string | undefined> {
    if (this.#entries === undefined) {
      this.#entries = new Map();
      for (const line of this.#lines()) {
        const [, kind, , print, unique] = LINE.exec(line) ?? [];
        if (print !== undefined) this.#entries.set(print, kind === "intent" ? unique : undefined);
      }
    }
    return this.#entries;
  }

  #append(line: string): void {
    // The newline before it ends a line that a full disk or a kill has truncated.
    Deno.writeTextFileSync(this.#file, `\n${line}\n`, { append: true, mode: 0o600 });
  }
}
