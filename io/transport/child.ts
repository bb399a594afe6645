/** A program that reads a message on its standard input: how to start it, and the running process. */
import type { Hear } from "./output.ts";

/** A program to run, and its timeout. */
export interface SpawnOptions {
  /** Absolute path and arguments; no shell. */
  readonly argv: readonly string[];
  /** Its whole environment. */
  readonly environment: Record<string, string>;
  /** Timeout in seconds; 0 disables it. */
  readonly timeout: number;
  /** Kills the program when aborted. */
  readonly signal?: AbortSignal;
  /** Inspects each chunk before it is written; may throw. */
  readonly inspect?: (chunk: Uint8Array) => void;
  /** Called with the lines that it writes to standard error, except the last one of a program that fails. */
  readonly hear?: Hear;
  /** Whether it prints its SMTP sessions to standard output; otherwise that is not read. */
  readonly transcript?: boolean;
  /** Folder in which the message is spooled first. A program that exits 0 is then assumed to have read all of it. */
  readonly spool?: string;
}

/** A running program. */
export interface Running {
  readonly pid: number;
  readonly status: Promise<{ readonly code: number; readonly signal: string | null }>;
  readonly stderr: ReadableStream<Uint8Array>;
  /** Its standard output, if it is read. */
  readonly stdout?: ReadableStream<Uint8Array>;
  /** Its standard input; undefined if that is a file. */
  readonly stdin?: WritableStream<Uint8Array>;
  kill(signal: "SIGKILL"): void;
}

/** Stands for a real-time signal, for which Deno has no name. */
export const UNNAMED = "an unknown signal";
