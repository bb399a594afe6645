/** A program that is run with a message on its standard input: what is asked of it, and what it is then. */

/** A program to be run, and for how long. */
export interface SpawnOptions {
  /** Absolute path and arguments; no shell. */
  readonly argv: readonly string[];
  /** Its whole environment. */
  readonly environment: Record<string, string>;
  /** Seconds; 0: for ever. */
  readonly timeout: number;
  /** Aborted: kill it. */
  readonly signal?: AbortSignal;
  /** Looks at each piece before it is written; may throw. */
  readonly inspect?: (chunk: Uint8Array) => void;
  /** A folder: the message goes into a file there first. A program that ends with 0 is believed to have read it all. */
  readonly spool?: string;
}

/** A program that runs. */
export interface Running {
  readonly pid: number;
  readonly status: Promise<{ readonly code: number; readonly signal: string | null }>;
  readonly stderr: ReadableStream<Uint8Array>;
  /** Its end of the message; none when that is a file. */
  readonly stdin?: WritableStream<Uint8Array>;
  kill(signal: "SIGKILL"): void;
}

/** Real-time signals have no name in Deno. */
export const UNNAMED = "a signal without a name";
