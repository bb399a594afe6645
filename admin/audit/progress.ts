/** A progress bar on standard error, for long runs. It is removed at the end. */
import { isRich } from "../terminal.ts";
import { number } from "./report.ts";

/** The part of cli-progress that is used here. */
interface Bar {
  start(total: number, done: number, words: Record<string, string>): void;
  update(done: number, words: Record<string, string>): void;
  stop(): void;
}

/** Standard error as the stream that the bar needs. */
const TERMINAL = {
  isTTY: true,
  get columns(): number {
    return Deno.consoleSize().columns;
  },
  write(text: string, then?: () => void): boolean {
    try {
      Deno.stderr.writeSync(new TextEncoder().encode(text));
    } catch {
      // The terminal is gone; the audit goes on.
    }
    then?.();
    return true;
  },
};

/** The progress bar of one run at a time. */
export class Progress {
  #bar: Bar | undefined;
  #begun = 0;
  #total = 0;
  #count: () => number = () => 0;

  /** Whether standard error is a terminal that can show the bar. */
  readonly seen = isRich(Deno.stderr);

  /**
   * Begins a run, without showing anything yet.
   *
   * @param count returns the total amount of work; called only if the bar is shown
   */
  begin(count: () => number): void {
    this.#count = count;
    this.#begun = performance.now();
  }

  /** Shows the work done, of the total, and the number of messages; `what` names them. */
  async show(done: number, messages: number, what: string): Promise<void> {
    if (!this.seen) return;
    const rate = messages / Math.max(0.001, (performance.now() - this.#begun) / 1000);
    const words = { words: `${number(messages)} ${what}, ${number(Math.round(rate))} a second` };
    if (this.#bar === undefined) {
      // Loaded only if the bar is shown.
      const { default: { SingleBar } } = await import("cli-progress");
      // The audit handles signals itself, and prints the results so far.
      const settings = {
        stream: TERMINAL,
        clearOnComplete: true,
        hideCursor: true,
        gracefulExit: false,
        barsize: 30,
      };
      const format = "[{bar}] {percentage} %  {words}, {eta_formatted} left";
      this.#bar = new SingleBar({ ...settings, format, barCompleteChar: "#", barIncompleteChar: "-" }) as Bar;
      this.#total = this.#count();
      this.#bar.start(this.#total, Math.min(done, this.#total), words);
    }
    // The mailbox may have grown since it was counted.
    this.#bar.update(Math.min(done, this.#total), words);
  }

  /** Ends the run and removes the bar. */
  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
