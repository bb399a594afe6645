/**
 * Runs `countersign sweep` with one fault before one of its system calls, for each job in the file in Deno.args[0], and
 * prints the results as JSON lines.
 */
import { sweep } from "../../admin/sweep.ts";

/** One run. */
export interface SweepJob {
  readonly home: string;
  /** The maildir, to which the faults apply. */
  readonly maildir: string;
  readonly args: readonly string[];
  /** The number of the step, from 0, and the fault. */
  readonly at: number;
  readonly fault: string;
}

/** The result of a run. */
export interface SweepResult {
  readonly code: number;
  /** The names of its steps. */
  readonly steps: readonly string[];
}

const { renameSync, kill, mkdirSync } = Deno;
let job: SweepJob;

/** Other programs: one that marks the message as read, one that removes it. */
const FAULTS: Record<string, () => void> = {
  none: () => {},
  kill: () => kill(Deno.pid, "SIGKILL"),
  disk: () => {
    throw new Error("No space left on device (os error 28)");
  },
  denied: () => {
    throw new Deno.errors.PermissionDenied("Permission denied (os error 13)");
  },
  read: () => move(`${job.maildir}/new/1.x`, `${job.maildir}/cur/1.x:2,S`),
  flags: () => move(`${job.maildir}/cur/1.x:2,`, `${job.maildir}/cur/1.x:2,FS`),
  elsewhere: () => {
    mkdirSync(`${job.maildir}/../Other/cur`, { recursive: true });
    for (const name of ["new/1.x", "cur/1.x:2,"]) move(`${job.maildir}/${name}`, `${job.maildir}/../Other/cur/1.x:2,`);
  },
};

function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // It is not there any more, or not yet.
  }
}

let steps: string[] = [];
function step(name: string): void {
  if (steps.push(name) - 1 === job.at) FAULTS[job.fault]!();
}

// deno-lint-ignore no-explicit-any -- any kind of method
function count(object: any, name: string): void {
  const original = object[name];
  object[name] = function (...given: unknown[]) {
    step(name);
    return original.apply(this, given);
  };
}
const jobs: SweepJob[] = JSON.parse(Deno.readTextFileSync(Deno.args[0]!));
const CALLS = ["openSync", "readDirSync", "statSync", "lstatSync", "mkdirSync", "renameSync", "linkSync", "removeSync"];
for (const name of [...CALLS, "writeTextFileSync", "readTextFileSync", "utimeSync"]) count(Deno, name);
for (const name of ["writeSync", "syncSync"]) count(Deno.FsFile.prototype, name);
Deno.stderr.writeSync = (bytes) => bytes.length; // error messages are not tested here

for (const next of jobs) {
  [job, steps] = [next, []];
  Deno.env.set("HOME", job.home);
  const result: SweepResult = { code: await sweep("sweep", job.args), steps };
  console.log(JSON.stringify(result));
}
Deno.exit(0);
