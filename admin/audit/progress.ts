/** A bar on a terminal, for runs that take long. It goes to standard error, and is gone when they are over. */
import { isRich } from "../terminal.ts";
import { number } from "./report.ts";

/** The bar of cli-progress, as far as it is used here. */
interface Bar {
  start(total: number, done: number, words: Record<string, string>): void;
  update(done: number, words: Record<string, string>): void;
  stop(): void;
}

/** Standard error, as far as the bar asks. */
const TERMINAL = {
  isTTY: true,
  get columns(): number {
    return Deno.consoleSize().columns;
  },
  write(text: string, then?: () => void): boolean {
    try {
      Deno.stderr.writeSync(new TextEncoder().encode(text));
    } catch {
      // Nobody looks any more.
    }
    then?.();
    return true;
  },
};

/** The bar of one run at a time. */
export class Progress {
  #bar: Bar | undefined;
  #begun = 0;
  #total = 0;
  #count: () => number = () => 0;

  /** Is there anybody to see it? */
  readonly seen = isRich(Deno.stderr);

  /**
   * Begins a run; nothing is shown yet.
   *
   * @param count how much there is to do: asked only when somebody sees it
   */
  begin(count: () => number): void {
    this.#count = count;
    this.#begun = performance.now();
  }

  /** Shows how far it is: `done` of what was counted, which were so many of `what`. */
  async show(done: number, messages: number, what: string): Promise<void> {
    if (!this.seen) return;
    const rate = messages / Math.max(0.001, (performance.now() - this.#begun) / 1000);
    const words = { words: `${number(messages)} ${what}, ${number(Math.round(rate))} a second` };
    if (this.#bar === undefined) {
      // Only who sees a bar loads one.
      const { default: { SingleBar } } = await import("cli-progress");
      // Signals are ours: an audit that is interrupted prints what it has.
      const ways = {
        stream: TERMINAL,
        clearOnComplete: true,
        hideCursor: true,
        gracefulExit: false,
        barsize: 30,
      };
      const format = "[{bar}] {percentage} %  {words}, {eta_formatted} left";
      this.#bar = new SingleBar({ ...ways, format, barCompleteChar: "#", barIncompleteChar: "-" }) as Bar;
      this.#total = this.#count();
      this.#bar.start(this.#total, Math.min(done, this.#total), words);
    }
    // What was counted may have grown since.
    this.#bar.update(Math.min(done, this.#total), words);
  }

  /** Ends the run, and takes the bar away. */
  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
