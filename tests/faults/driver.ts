/**
 * Runs the shim or the hook many times in one process, each time with one fault at one step. A step is a system call:
 * on a file, a folder, standard input or the transport program. Everything else is real.
 *
 * Reads the jobs from the file in Deno.args[0] and prints the results as JSON lines.
 */
import { incoming } from "../../hooks/incoming.ts";
import { LAUNCHER } from "../../io/system/environment.ts";
import { shim } from "../../shim/main.ts";

/** What happens instead of a step, or before it. */
export type Fault =
  | "kill"
  | "term"
  | "disk"
  | "denied"
  | "readonly"
  | "io"
  | "short"
  | "orphan"
  | `remove ${string}`
  | `cut ${string}`;

/** One run. */
export interface Job {
  readonly program: "shim" | "incoming";
  /** The name under which it is called, by default its own. */
  readonly name?: string;
  readonly args: readonly string[];
  readonly input: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Files below HOME that are written first. */
  readonly files?: Readonly<Record<string, string>>;
  /** A folder below HOME that is moved below `aside` first, so that each run takes the same steps. */
  readonly aside?: string;
  /** The number of the step, from 0, and the fault. Without one the steps are only counted. */
  readonly fault?: readonly [step: number, what: Fault];
  /** The time in milliseconds since 1970 that the clock returns from the step of the fault on. */
  readonly clock?: number;
}

/** The result of a run. */
export interface Result {
  readonly status: number;
  /** The names of its steps. */
  readonly steps: readonly string[];
}

const real = {
  kill: Deno.kill,
  remove: Deno.removeSync,
  rename: Deno.renameSync,
  write: Deno.writeTextFileSync,
  chmod: Deno.chmodSync,
};
const readText = Deno.readTextFileSync;
const makeFolder = Deno.mkdirSync;
const truncate = Deno.truncateSync;

const ERRORS: Record<string, () => Error> = {
  disk: () => new Error("No space left on device (os error 28)"),
  denied: () => new Deno.errors.PermissionDenied("Permission denied (os error 13)"),
  readonly: () => new Error("Read-only file system (os error 30)"),
  io: () => new Error("Input/output error (os error 5)"),
};

let job: Job;
let steps: string[] = [];
let moved = 0;
/** Whether the disk is full, as it is after a short write. */
let full = false;

/** Counts a step and triggers its fault, which may throw. @returns true for a short write */
function step(name: string): boolean {
  const at = steps.push(name) - 1;
  if (full && name === "write") throw ERRORS.disk!();
  const [faultStep, what] = job.fault ?? [-1, ""];
  if (at !== faultStep) return false;
  if (job.clock !== undefined) return false;
  if (what === "kill") real.kill(Deno.pid, "SIGKILL");
  if (what === "term") real.kill(Deno.pid, "SIGTERM");
  // As if the launcher had just been killed: the parent is now another process.
  if (what === "orphan") Deno.env.set(LAUNCHER, String(Deno.pid));
  const [verb, path] = what.split(" ");
  if (verb === "remove") real.remove(path!, { recursive: true });
  if (verb === "cut") truncate(path!, 20);
  // A pipe breaks only when its reader has closed it: program_test.ts tests this with real programs.
  if (Object.hasOwn(ERRORS, what) && name !== "pipe") throw ERRORS[what]!();
  return full = what === "short" && name === "write";
}

/** Makes a method of an object count a step before it runs. */
// deno-lint-ignore no-explicit-any -- any kind of method
function countCalls(object: any, name: string, stepName: string): void {
  const original = object[name];
  object[name] = function (...args: unknown[]) {
    step(stepName);
    return original.apply(this, args);
  };
}

const CALLS = {
  openSync: "open",
  readTextFileSync: "read",
  readFileSync: "read",
  readDirSync: "list",
  statSync: "stat",
  lstatSync: "stat",
  mkdirSync: "mkdir",
  renameSync: "rename",
  linkSync: "link",
  removeSync: "remove",
};
for (const [name, stepName] of Object.entries(CALLS)) countCalls(Deno, name, stepName);
countCalls(Deno.FsFile.prototype, "syncSync", "sync");
countCalls(Deno.Command.prototype, "spawn", "spawn");
const write = Deno.FsFile.prototype.writeSync;
Deno.FsFile.prototype.writeSync = function (bytes) {
  return write.call(this, step("write") ? bytes.subarray(0, bytes.length >> 1) : bytes);
};
for (const name of ["write", "close"] as const) {
  const original = WritableStreamDefaultWriter.prototype[name];
  WritableStreamDefaultWriter.prototype[name] = async function (...args: []) {
    step("pipe");
    return await original.apply(this, args);
  };
}

/** Standard input that returns the message in two pieces, as from a slow writer. */
function source(input: string) {
  const bytes = new TextEncoder().encode(input);
  const body = input.indexOf("\n\n") + 10;
  const pieces = [bytes.subarray(0, body), bytes.subarray(body)].filter((piece) => piece.length > 0);
  const read = (buffer: Uint8Array): number | null => {
    step("input");
    const piece = pieces.shift();
    if (piece === undefined) return null;
    const count = Math.min(piece.length, buffer.length);
    buffer.set(piece.subarray(0, count));
    if (count < piece.length) pieces.unshift(piece.subarray(count));
    return count;
  };
  return { read: async (buffer: Uint8Array) => await Promise.resolve().then(() => read(buffer)), readSync: read };
}

// Returns the job's time from the step of the fault on.
const TrueDate = Date;
globalThis.Date = class extends TrueDate {
  // deno-lint-ignore no-explicit-any -- all forms of the constructor
  constructor(...args: any[]) {
    // @ts-ignore: as above
    super(...(args.length === 0 ? [globalThis.Date.now()] : args));
  }
  static override now(): number {
    const set = job?.clock !== undefined && steps.length > (job.fault?.[0] ?? -1);
    return set ? job.clock! : TrueDate.now();
  }
} as DateConstructor;

const home = Deno.env.get("HOME")!;
const jobs: Job[] = JSON.parse(readText(Deno.args[0]!));
Deno.stderr.writeSync = (bytes) => bytes.length; // error messages are not tested here
for (const next of jobs) {
  job = { ...next, fault: undefined } as unknown as Job;
  if (next.aside !== undefined) {
    makeFolder.call(Deno, `${home}/aside`, { recursive: true });
    real.rename(`${home}/${next.aside}`, `${home}/aside/${moved++}`);
  }
  for (const [name, text] of Object.entries(next.files ?? {})) {
    makeFolder.call(Deno, `${home}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    real.write(`${home}/${name}`, text, { mode: 0o600 });
    real.chmod(`${home}/${name}`, 0o600);
  }
  Deno.env.set(LAUNCHER, String(Deno.ppid));
  for (const [name, value] of Object.entries(next.env ?? {})) Deno.env.set(name, value);
  Object.defineProperty(Deno, "stdin", { value: source(next.input), configurable: true });
  [steps, full, job] = [[], false, next];
  const status = await (next.program === "shim" ? shim : incoming)(next.name ?? next.program, next.args);
  const result: Result = { status, steps };
  console.log(JSON.stringify(result));
}
Deno.exit(0);
