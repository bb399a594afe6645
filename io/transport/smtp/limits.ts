/**
 * Limits the duration of a session: a timeout for each step, one for the whole session, and the caller's abort signal.
 */
import { alarm } from "../../system/timer.ts";

/** Timeouts in seconds. */
export interface Timeouts {
  /** TCP connection, and TLS handshake. */
  readonly connect: number;
  readonly greeting: number;
  /** EHLO, STARTTLS, AUTH. */
  readonly command: number;
  readonly mail: number;
  readonly rcpt: number;
  readonly data: number;
  /** Until the kernel has accepted a chunk of the message. */
  readonly block: number;
  /** The reply to the final dot. */
  readonly end: number;
  /** The reply to QUIT. */
  readonly quit: number;
  /** The whole session; 0 means unlimited. */
  readonly total: number;
}

/** The timeouts of RFC 5321 section 4.5.3.2, which does not specify `connect`, `command` and `quit`. */
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

/** Seconds that the server has to confirm the message if the session times out or is aborted after the final dot. */
const GRACE_SECONDS = 3;

/** The caller aborted. */
export class Stopped extends Error {
  constructor(message: string) {
    super(message);
    this.name = "Stopped";
  }
}

/** The timers of one session. */
export class Limits {
  #controller = new AbortController();
  /** Whether the reply to the final dot is pending. If the session ends now, the outcome is unknown. */
  committed = false;
  #ended = false;
  readonly #caller: AbortSignal | undefined;
  /** Clears the timeout of the step. */
  #clear: () => void = () => {};
  /** Clears the timers of the whole session. */
  readonly #clearAll: (() => void)[] = [];

  constructor(readonly timeouts: Timeouts, caller?: AbortSignal) {
    this.#caller = caller;
    if (caller?.aborted) this.#aborted();
    caller?.addEventListener("abort", this.#aborted);
    const { total } = timeouts;
    const stop = () => this.#stop(new Deno.errors.TimedOut(`the session took longer than ${total} s`));
    if (total > 0) this.#clearAll.push(alarm(total * 1000, stop));
  }

  /** Aborted when the session must end; its reason is the error. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts the timeout of a step. @param what what is expected, for the error message: `reply to EHLO` */
  wait(step: keyof Timeouts, what: string): void {
    const seconds = this.timeouts[step];
    this.relax();
    this.#clear = alarm(
      seconds * 1000,
      () => this.#stop(new Deno.errors.TimedOut(`no ${what} within ${seconds} s`)),
    );
  }

  /** Stops the timeout, for example while the message is being read. */
  relax(): void {
    this.#clear();
  }

  /** Stops all timeouts at the end of the session. */
  end(): void {
    this.#ended = true;
    this.relax();
    for (const clear of this.#clearAll) clear();
    this.#caller?.removeEventListener("abort", this.#aborted);
  }

  readonly #aborted = () => this.#stop(new Stopped("stopped by a signal"));

  #stop(why: Error): void {
    if (this.#ended) return;
    const abort = () => this.#ended || this.#controller.abort(why);
    if (this.committed) this.#clearAll.push(alarm(GRACE_SECONDS * 1000, abort));
    else abort();
  }
}
