/** Runs the programs of main.ts in one process for all tests of a file (resident_program.ts). */
import assert from "node:assert/strict";
import { type Home, type Ran, ROOT } from "../rig.ts";
import type { ResidentJob } from "./resident_program.ts";
import { COUNTERSIGN, countersign } from "./run.ts";

/** The process, what it waits for, and its results. */
interface Resident {
  readonly child: Deno.ChildProcess;
  readonly jobs: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly results: ReadableStreamDefaultReader<string>;
}

let resident: Resident | undefined;
/** Ends the last job: they run one after another. */
let last: Promise<unknown> = Promise.resolve();

function start(): Resident {
  const argv = COUNTERSIGN.slice(0, -2); // without the module and the name of the program
  const child = new Deno.Command(argv[0]!, {
    args: [...argv.slice(1), `${ROOT}/tests/admin/resident_program.ts`],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  return {
    child,
    jobs: child.stdin.getWriter(),
    results: child.stdout.pipeThrough(new TextDecoderStream()).getReader(),
  };
}

Deno.test.afterAll(async () => {
  if (resident === undefined) return;
  await resident.jobs.close();
  assert.deepEqual(await resident.results.read(), { done: true, value: undefined });
  assert.equal((await resident.child.status).code, 0);
});

async function run(job: ResidentJob): Promise<Ran> {
  const { jobs, results } = resident ??= start();
  await jobs.write(new TextEncoder().encode(`${JSON.stringify(job)}\n`));
  let text = "";
  while (!text.endsWith("\n")) {
    const { value } = await results.read();
    assert.ok(value !== undefined, "the process has ended");
    text += value;
  }
  return JSON.parse(text);
}

/** Runs a program as {@link Home.run} does, but not in a process of its own. */
function runHere(
  home: Home,
  name: string,
  args: readonly string[],
  input: string,
  env: Record<string, string>,
): Promise<Ran> {
  const job = {
    ...{ name, args, input, cwd: home.path },
    env: { HOME: home.path, PATH: `${home.path}/bin:/usr/sbin:/usr/bin:/bin`, ...home.env, ...env },
  };
  const ran = last.then(() => run(job));
  last = ran.catch(() => {});
  return ran;
}

/** Runs a command of `countersign`. */
export function countersignHere(
  home: Home,
  args: readonly string[],
  input: string,
  env: Record<string, string>,
): Promise<Ran> {
  return runHere(home, "countersign", args, input, env);
}

/** The kinds of calls for which a process of its own was started. */
const started = new Set<string>();

/** Runs a command of `countersign`. The first call of each kind is made as a user does it, in a process of its own. */
export function commandHere(home: Home, args: readonly string[], input = ""): Promise<Ran> {
  const kind = args.slice(0, 2).join(" ");
  if (started.has(kind)) return countersignHere(home, args, input, {});
  started.add(kind);
  return countersign(home, args, input);
}

/** Runs the hook. The first call of each kind is made as an MTA does it, in a process of its own. */
export function hookHere(
  home: Home,
  args: readonly string[],
  input: string,
  env: Record<string, string> = {},
): Promise<Ran> {
  const caller = args.includes("--as") ? args[args.indexOf("--as") + 1] : "qmail";
  const kind = `${caller} ${args.includes("--forward")}`;
  if (started.has(kind)) return runHere(home, "incoming", args, input, env);
  started.add(kind);
  return home.hook([...args], input, env);
}

/** Runs the shim. The first call is made as a mail program does it, in a process of its own. */
export function shimHere(
  home: Home,
  args: readonly string[],
  input: string | Uint8Array,
  env: Record<string, string> = {},
): Promise<Ran> {
  if (typeof input === "string" && started.has("shim")) return runHere(home, "shim", args, input, env);
  started.add("shim");
  return home.shim([...args], input, env);
}
