/**
 * Runs `countersign sweep` with one fault before one of its system calls, and prints the names of all of them.
 *
 * Deno.args: the number of the step from 0, the fault, the folder of the maildir, and the arguments of sweep.
 */
import { sweep } from "../../admin/sweep.ts";

const [at, fault, maildir, ...args] = Deno.args as [string, string, string, ...string[]];
const { renameSync, kill, mkdirSync } = Deno;
const print = console.log;

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
  read: () => move(`${maildir}/new/1.x`, `${maildir}/cur/1.x:2,S`),
  flags: () => move(`${maildir}/cur/1.x:2,`, `${maildir}/cur/1.x:2,FS`),
  elsewhere: () => {
    mkdirSync(`${maildir}/../Other/cur`, { recursive: true });
    for (const name of ["new/1.x", "cur/1.x:2,"]) move(`${maildir}/${name}`, `${maildir}/../Other/cur/1.x:2,`);
  },
};

function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // It is not there any more, or not yet.
  }
}

const steps: string[] = [];
function step(name: string): void {
  if (steps.push(name) - 1 === Number(at)) FAULTS[fault]!();
}

// deno-lint-ignore no-explicit-any -- any kind of method
function count(object: any, name: string): void {
  const original = object[name];
  object[name] = function (...given: unknown[]) {
    step(name);
    return original.apply(this, given);
  };
}
const CALLS = ["openSync", "readDirSync", "statSync", "lstatSync", "mkdirSync", "renameSync", "linkSync", "removeSync"];
for (const name of [...CALLS, "writeTextFileSync", "readTextFileSync", "utimeSync"]) count(Deno, name);
for (const name of ["writeSync", "syncSync"]) count(Deno.FsFile.prototype, name);

const code = await sweep("sweep", args);
print(JSON.stringify({ code, steps }));
Deno.exit(code);
