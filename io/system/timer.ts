/**
 * Timers by AbortSignal, because loading setTimeout takes 4 ms. A signal cannot be cleared: it keeps the process alive
 * until it fires, and what it calls in memory. So all timers share the signal of the first one that is due.
 */

/** What is called, and when, in milliseconds of `performance.now()`. */
interface Alarm {
  readonly at: number;
  readonly run: () => void;
}

const alarms = new Set<Alarm>();
/** When the next signal fires. */
let fires = Infinity;

/**
 * Calls a function once after this many milliseconds.
 *
 * @returns a function that prevents the call; what the timer holds can then be collected
 */
export function alarm(milliseconds: number, run: () => void): () => void {
  const one = { at: performance.now() + milliseconds, run };
  alarms.add(one);
  schedule(one.at);
  return () => alarms.delete(one);
}

/** Waits this many milliseconds. */
export function after(milliseconds: number): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  alarm(milliseconds, () => resolve(undefined));
  return promise;
}

function schedule(at: number): void {
  if (at >= fires) return;
  fires = at;
  AbortSignal.timeout(Math.max(0, Math.ceil(at - performance.now()))).addEventListener("abort", () => fire(at));
}

/** Calls what is due when the signal for `at` fires. */
function fire(at: number): void {
  if (at !== fires) return; // an earlier signal was made, and that one schedules the next
  fires = Infinity;
  const now = Math.max(at, performance.now()); // the clock of the signal may be a little ahead
  const due = [...alarms].filter((one) => one.at <= now);
  for (const one of due) if (alarms.delete(one)) one.run();
  if (alarms.size > 0) schedule([...alarms].reduce((first, one) => Math.min(first, one.at), Infinity));
}
