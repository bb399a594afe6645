/** Signals that would end the process at once, as an abort signal. */

/** Signals that would end the process at once, and its injector would take the part for the whole. */
const SIGNALS = [
  "SIGTERM",
  "SIGINT",
  "SIGHUP",
  "SIGQUIT",
  "SIGALRM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGXCPU",
  "SIGVTALRM",
] as const;

/** Aborted by a signal. */
export function stopped(): AbortSignal {
  const controller = new AbortController();
  for (const signal of SIGNALS) {
    Deno.addSignalListener(signal, () => controller.abort());
  }
  return controller.signal;
}
