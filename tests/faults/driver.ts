/**
 * Runs the shim or the hook with one fault at one step, as often as it is told, in one process. A step is a call into
 * the system: a file, a folder, standard input, the program behind. Everything else is the real thing.
 *
 * The jobs come in a file, the results go out as JSON lines. Deno.args: the file.
 */
import { incoming } from "../../hooks/incoming.ts";
import { LAUNCHER } from "../../io/system/environment.ts";
import { shim } from "../../shim/main.ts";

/** What happens in place of a step, or before it. */
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
  /** The name it is called by; its own otherwise. */
  readonly name?: string;
  readonly args: readonly string[];
  readonly input: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Files that are written before, below HOME. */
  readonly files?: Readonly<Record<string, string>>;
  /** A folder below HOME that is removed before, so that each run takes the same steps. */
  readonly without?: string;
  /** Step, from 0, and what happens there; none: only counting. */
  readonly fault?: readonly [step: number, what: Fault];
  /** Milliseconds since 1970 that the clock says, at the step of the fault and after. */
  readonly clock?: number;
}

/** How it ended. */
export interface Result {
  readonly status: number;
  /** The names of its steps. */
  readonly steps: readonly string[];
}

const real = { kill: Deno.kill, remove: Deno.removeSync, write: Deno.writeTextFileSync, chmod: Deno.chmodSync };
const rmdir = (path: string) => real.remove(path, { recursive: true });
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
/** After a short write the disk is full. */
let full = false;

/** Counts a step and lets its fault happen; may throw. @returns true for a short write */
function step(name: string): boolean {
  const at = steps.push(name) - 1;
  if (full && name === "write") throw ERRORS.disk!();
  const [when, what] = job.fault ?? [-1, ""];
  if (at !== when) return false;
  if (job.clock !== undefined) return false;
  if (what === "kill") real.kill(Deno.pid, "SIGKILL");
  if (what === "term") real.kill(Deno.pid, "SIGTERM");
  // As if the launcher had just been killed: its process is not our parent any more.
  if (what === "orphan") Deno.env.set(LAUNCHER, String(Deno.pid));
  const [verb, path] = what.split(" ");
  if (verb === "remove") real.remove(path!, { recursive: true });
  if (verb === "cut") truncate(path!, 20);
  // A pipe breaks when its reader has gone, and not by itself: program_test.ts does it for real.
  if (Object.hasOwn(ERRORS, what) && name !== "pipe") throw ERRORS[what]!();
  return full = what === "short" && name === "write";
}

/** Puts a step before a function of an object. */
// deno-lint-ignore no-explicit-any -- whatever function it is
function before(object: any, name: string, called: string): void {
  const was = object[name];
  object[name] = function (...args: unknown[]) {
    step(called);
    return was.apply(this, args);
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
for (const [name, called] of Object.entries(CALLS)) before(Deno, name, called);
before(Deno.FsFile.prototype, "syncSync", "sync");
before(Deno.Command.prototype, "spawn", "spawn");
const write = Deno.FsFile.prototype.writeSync;
Deno.FsFile.prototype.writeSync = function (bytes) {
  return write.call(this, step("write") ? bytes.subarray(0, bytes.length >> 1) : bytes);
};
for (const name of ["write", "close"] as const) {
  const was = WritableStreamDefaultWriter.prototype[name];
  WritableStreamDefaultWriter.prototype[name] = async function (...args: []) {
    step("pipe");
    return await was.apply(this, args);
  };
}

/** The message in two pieces, as a slow writer would send it. */
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

/** Another clock, from the step of the fault on. */
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
Deno.stderr.writeSync = (bytes) => bytes.length; // what is said is not looked at here
for (const next of jobs) {
  job = { ...next, fault: undefined } as unknown as Job;
  if (next.without !== undefined) rmdir(`${home}/${next.without}`);
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
