/**
 * Reads what a program writes while it sends a message. A grandchild may keep the pipes open, so nothing waits for
 * their end.
 */
import { after } from "../system/timer.ts";

/** Milliseconds to wait for the rest of what a program that has failed wrote to standard error. */
const SETTLE_MS = 1000;
/** Milliseconds to wait for the rest of other output of a program that has exited. */
const BRIEFLY_MS = 50;
/** Characters that are kept, and characters of the last line that are reported. */
const [MAX_KEPT, MAX_LINE] = [4096, 200];

/**
 * Called with text of a program for the user, in whole lines of at most 4096 characters. The text is not trusted: it
 * may contain control characters.
 */
export type Hear = (text: string) => void;

/**
 * Standard error. Each line is passed on when the next one follows; what happens to the last line depends on the exit
 * status, because it becomes part of the error message.
 */
export class ErrorOutput {
  #text = "";
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #read: Promise<void>;
  readonly #hear: Hear | undefined;

  constructor(stream: ReadableStream<Uint8Array>, hear?: Hear) {
    this.#hear = hear;
    this.#reader = stream.getReader();
    this.#read = this.#collect();
  }

  async #collect(): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for (let part; !(part = await this.#reader.read()).done;) {
        this.#text += decoder.decode(part.value, { stream: true });
        this.#passOn(Math.max(this.#text.trimEnd().lastIndexOf("\n") + 1, this.#text.length - MAX_KEPT));
      }
    } catch {
      // Cancelled.
    }
  }

  /** Passes on the beginning of the text. */
  #passOn(length: number): void {
    if (length === 0) return;
    this.#hear?.(this.#text.slice(0, length));
    this.#text = this.#text.slice(length);
  }

  /**
   * Returns the last line, cut to 200 characters, once the program has exited.
   *
   * @param failed whether the caller reports the line, so that it is not passed on, unless it was cut
   */
  async lastLine(failed: boolean): Promise<string> {
    await Promise.race([this.#read, after(failed ? SETTLE_MS : BRIEFLY_MS)]);
    // deno-lint-ignore no-control-regex
    const line = this.#text.replace(/[\x00-\x1f\x7f]/g, " ").trim();
    if (!failed || line.length > MAX_LINE) this.#passOn(this.#text.length);
    return line.slice(0, MAX_LINE);
  }

  cancel(): void {
    this.#reader.cancel().catch(() => {});
  }
}

/** Standard output with the transcript of an SMTP session. */
export class Transcript {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #read: Promise<void>;
  #last: string | undefined;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
    this.#read = this.#collect();
  }

  async #collect(): Promise<void> {
    const decoder = new TextDecoder();
    let text = "";
    try {
      for (let part; !(part = await this.#reader.read()).done;) {
        text += decoder.decode(part.value, { stream: true });
        const end = text.lastIndexOf("\n") + 1;
        // Sendmail prints replies as they are, msmtp behind an arrow.
        const replies = [...text.slice(0, end).matchAll(/^(?:<-- )?([245]\d\d) (.*?)\r?$/gm)];
        const about = replies.filter(([, code]) => code !== "220" && code !== "221").at(-1);
        this.#last = about?.slice(1, 3).join(" ") ?? this.#last;
        text = text.slice(end).slice(-MAX_KEPT);
      }
    } catch {
      // Cancelled.
    }
  }

  /** Returns the last reply about the message, the last one before that to QUIT, once the program has exited. */
  async lastReply(): Promise<string | undefined> {
    await Promise.race([this.#read, after(BRIEFLY_MS)]);
    return this.#last;
  }

  cancel(): void {
    this.#reader.cancel().catch(() => {});
  }
}
