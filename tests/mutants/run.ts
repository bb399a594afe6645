/**
 * `deno task mutants [MODULE…]`: breaks the modules that sign, one small change at
 * a time, in a copy of the tree, and runs their tests. A change that no test sees
 * must be explained in tests/MUTANTS.md, and what is explained there must be
 * one. Stryker makes the changes, numbers.ts those that it does not know.
 */
import { ROOT } from "../rig.ts";
import { type Change, change, EXPLAINED, keyOf, MODULES, parseExplained } from "./explained.ts";
import { type Mutant, numberMutants } from "./numbers.ts";

const STRYKER = "npm:@stryker-mutator/core@9.6.1";
/** Runs at once. */
const AT_ONCE = 2;
/** A run that takes longer hangs, and that is seen. */
const MAX_RUN_MS = 30_000;
/** `--no-check`: a change that only the types refuse is seen by no test. */
const TEST = [Deno.execPath(), "test", "-q", "-A", "--no-check", "--fail-fast"];

interface Outcome {
  readonly change: Change;
  readonly line: number;
  readonly killed: boolean;
}

/** A copy of the tree, without what is only ours. */
async function copy(name: string): Promise<string> {
  const to = `${folder}/${name}`;
  Deno.mkdirSync(to);
  const names = [...Deno.readDirSync(ROOT)].map((entry) => entry.name);
  const from = names.filter((one) => ![".git", "dist", "node_modules"].includes(one)).map((one) => `${ROOT}/${one}`);
  await run(["cp", "-R", ...from, to], ROOT);
  return to;
}

async function run(argv: string[], cwd: string): Promise<void> {
  const [program, ...args] = argv;
  const { code } = await new Deno.Command(program!, { args, cwd, stdin: "null", env: { NO_COLOR: "1" } }).spawn()
    .status;
  if (code !== 0) throw new Error(`${argv.join(" ")} gives ${code}`);
}

/** Stryker changes the copy once, with a switch for each change. It fails when the tests fail without any. */
async function byStryker(file: string, tests: readonly string[]): Promise<Outcome[]> {
  const tree = await copy("stryker");
  const settings = {
    testRunner: "command",
    commandRunner: { command: [...TEST, ...tests].join(" ") },
    mutate: [file],
    inPlace: true,
    concurrency: AT_ONCE,
    timeoutMS: MAX_RUN_MS,
    plugins: [],
    checkers: [],
    reporters: ["json"],
    jsonReporter: { fileName: "mutants.json" },
  };
  Deno.writeTextFileSync(`${tree}/stryker.json`, JSON.stringify(settings));
  await run(
    [Deno.execPath(), "run", "-q", "-A", "--no-lock", STRYKER, "run", "stryker.json", "--logLevel", "error"],
    tree,
  );
  const { source, mutants } = JSON.parse(Deno.readTextFileSync(`${tree}/mutants.json`)).files[file];
  Deno.removeSync(tree, { recursive: true });

  const lines = (source as string).split("\n");
  const place = ({ line, column }: { line: number; column: number }) =>
    lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, column - 1);
  // deno-lint-ignore no-explicit-any
  return mutants.map(({ location, replacement, status, statusReason }: any) => {
    const { start, end } = location;
    const made = change(file, source, place(start), place(end), replacement);
    // A switch that a test without permissions cannot read would pass for a failure.
    if (/NotCapable/.test(statusReason)) throw new Error(`The change could not be switched on: ${keyOf(made)}`);
    return { change: made, line: start.line, killed: ["Killed", "Timeout"].includes(status) };
  });
}

/** Each of several trees takes the next change until none is left. */
async function byNumbers(file: string, tests: readonly string[]): Promise<Outcome[]> {
  const source = Deno.readTextFileSync(`${ROOT}/${file}`);
  const left = numberMutants(file, source);
  const out: Outcome[] = [];
  await Promise.all(Array.from({ length: AT_ONCE }, async (_, nth) => {
    const tree = await copy(`numbers${nth}`);
    for (let mutant: Mutant | undefined; (mutant = left.shift()) !== undefined;) {
      Deno.writeTextFileSync(`${tree}/${file}`, mutant.source);
      out.push({ change: mutant, line: mutant.line, killed: !await passes(tree, tests) });
    }
    Deno.removeSync(tree, { recursive: true });
  }));
  return out;
}

async function passes(cwd: string, tests: readonly string[]): Promise<boolean> {
  const signal = AbortSignal.timeout(MAX_RUN_MS);
  const [program, ...args] = [...TEST, ...tests];
  const child = new Deno.Command(program!, { args, cwd, stdin: "null", stdout: "null", stderr: "null", signal });
  return (await child.output()).success;
}

const folder = Deno.makeTempDirSync({ prefix: "countersign-mutants-" });
const chosen = Deno.args.length > 0 ? Deno.args : Object.keys(MODULES);
const explained = parseExplained(Deno.readTextFileSync(`${ROOT}/${EXPLAINED}`));
let wrong = 0;
try {
  for (const file of chosen) {
    const tests = MODULES[file];
    if (tests === undefined) throw new Error(`${file} is none of ${Object.keys(MODULES).join(", ")}`);
    const outcomes = [...await byStryker(file, tests), ...await byNumbers(file, tests)];
    const reasons = new Set(explained.filter((one) => one.file === file).map(keyOf));
    const survived = outcomes.filter(({ killed }) => !killed);
    const unknown = survived.filter(({ change }) => !reasons.has(keyOf(change)));
    const gone = [...reasons].filter((key) => !survived.some(({ change }) => keyOf(change) === key));
    for (const { change, line } of unknown.sort((a, b) => a.line - b.line)) {
      console.log(`${file}:${line} survived\n- ${change.before}\n+ ${change.after}`);
    }
    for (const key of gone) console.log(`${EXPLAINED} explains what did not survive: ${key}`);
    const killed = outcomes.length - survived.length;
    console.log(`${file}: ${outcomes.length} changes, ${killed} killed, ${survived.length - unknown.length} explained`);
    wrong += unknown.length + gone.length;
  }
} finally {
  Deno.removeSync(folder, { recursive: true });
}
Deno.exit(wrong === 0 ? 0 : 1);
