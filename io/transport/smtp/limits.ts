/** How long a session may take: each step, all of them together, and until the caller aborts. */

/** Seconds for each step. */
export interface Timeouts {
  /** The TCP connection, and the TLS handshake. */
  readonly connect: number;
  readonly greeting: number;
  /** EHLO, STARTTLS, AUTH. */
  readonly command: number;
  readonly mail: number;
  readonly rcpt: number;
  readonly data: number;
  /** Until the system has taken a piece of the message. */
  readonly block: number;
  /** Until the server has answered the final dot. */
  readonly end: number;
  /** The reply to QUIT. */
  readonly quit: number;
  /** All of it; 0: unlimited. */
  readonly total: number;
}

/** The timeouts of RFC 5321 section 4.5.3.2; `connect`, `command` and `quit` are not in it. */
export const TIMEOUTS: Timeouts = {
  connect: 60,
  greeting: 300,
  command: 300,
  mail: 300,
  rcpt: 300,
  data: 120,
  block: 180,
  end: 600,
  quit: 2,
  total: 0,
};

/** Seconds that the server has to confirm the message when time is up, or the caller aborts, after the final dot. */
const GRACE = 3;

/** The caller aborted, or its total timeout expired. */
export class Stopped extends Error {
  constructor(message: string) {
    super(message);
    this.name = "Stopped";
  }
}

/** The clock of one session. */
export class Limits {
  #controller = new AbortController();
  /** Has the final dot been sent, and not been answered? If the session ends now, the outcome is unknown. */
  committed = false;
  #ended = false;
  /** What is said when time is up, which is at `at` (milliseconds of `performance.now()`). */
  #due: { why: string; at: number } | undefined;
  /** When the next timer fires. */
  #alarm = Infinity;
  readonly #caller: AbortSignal | undefined;

  constructor(readonly timeouts: Timeouts, caller?: AbortSignal) {
    this.#caller = caller;
    if (caller?.aborted) this.#aborted();
    caller?.addEventListener("abort", this.#aborted);
    const { total } = timeouts;
    if (total > 0) after(total, () => this.#stop(new Stopped(`the server took longer than ${total} s`)));
  }

  /** Aborted when the session is to end; its reason says why. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** From now on the server has the time of this step. @param what will be missing then, as `reply to EHLO` */
  wait(step: keyof Timeouts, what: string): void {
    const seconds = this.timeouts[step];
    this.#due = { why: `no ${what} within ${seconds} s`, at: performance.now() + seconds * 1000 };
    this.#arm();
  }

  /** Nothing is expected from the server, as while the message is being read. */
  relax(): void {
    this.#due = undefined;
  }

  /** The session is over. */
  end(): void {
    this.#ended = true;
    this.#due = undefined;
    this.#caller?.removeEventListener("abort", this.#aborted);
  }

  readonly #aborted = () => this.#stop(new Stopped("stopped by a signal"));

  #stop(why: Error): void {
    if (this.#ended) return;
    const abort = () => this.#ended || this.#controller.abort(why);
    if (this.committed) after(GRACE, abort);
    else abort();
  }

  /** One timer for many steps: AbortSignal.timeout, which is quick to load, cannot be cleared. */
  #arm(): void {
    if (this.#due === undefined || this.#alarm <= this.#due.at) return;
    this.#alarm = this.#due.at;
    after((this.#due.at - performance.now()) / 1000, () => {
      this.#alarm = Infinity;
      if (this.#due === undefined) return;
      if (performance.now() < this.#due.at) this.#arm();
      else this.#stop(new Deno.errors.TimedOut(this.#due.why));
    });
  }
}

/** Unlike setTimeout, this keeps no process alive and costs none 4 ms to load. */
function after(seconds: number, work: () => void): void {
  AbortSignal.timeout(Math.max(0, Math.ceil(seconds * 1000))).addEventListener("abort", work);
}
