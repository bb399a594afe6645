/**
 * `deno task mutants [MODULE…]`: mutation testing of critical modules. Each small
 * change is made in a copy of the tree, and the module's tests are run. A change that
 * no test detects must be explained in tests/MUTANTS.md, and every change explained
 * there must survive. Stryker makes most changes, numbers.ts those of numbers.
 */
import { ROOT } from "../rig.ts";
import { type Change, change, EXPLAINED, keyOf, MODULES, parseExplained } from "./explained.ts";
import { type Mutant, numberMutants } from "./numbers.ts";

const STRYKER = "npm:@stryker-mutator/core@9.6.1";
/** Concurrent runs. */
const CONCURRENCY = 2;
/** A run that takes longer counts as hanging, which detects the change. */
const MAX_RUN_MS = 30_000;
/** `--no-check`, because a type error is not detection by a test. */
const TEST = [Deno.execPath(), "test", "-q", "-A", "--no-check", "--fail-fast"];

interface Outcome {
  readonly change: Change;
  readonly line: number;
  readonly killed: boolean;
}

/** Copies the tree without .git and generated folders. */
async function copy(name: string): Promise<string> {
  const to = `${folder}/${name}`;
  Deno.mkdirSync(to);
  const names = [...Deno.readDirSync(ROOT)].map((entry) => entry.name);
  const from = names.filter((name) => ![".git", "dist", "node_modules"].includes(name)).map((name) =>
    `${ROOT}/${name}`
  );
  await run(["cp", "-R", ...from, to], ROOT);
  return to;
}

async function run(argv: string[], cwd: string): Promise<void> {
  const [program, ...args] = argv;
  const { code } = await new Deno.Command(program!, { args, cwd, stdin: "null", env: { NO_COLOR: "1" } }).spawn()
    .status;
  if (code !== 0) throw new Error(`${argv.join(" ")} exited with ${code}`);
}

/** Stryker instruments the copy once, with a switch for each change. It fails if the tests fail without a change. */
async function byStryker(file: string, tests: readonly string[]): Promise<Outcome[]> {
  const tree = await copy("stryker");
  const settings = {
    testRunner: "command",
    commandRunner: { command: [...TEST, ...tests].join(" ") },
    mutate: [file],
    inPlace: true,
    concurrency: CONCURRENCY,
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
  const offset = ({ line, column }: { line: number; column: number }) =>
    lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, column - 1);
  // deno-lint-ignore no-explicit-any
  return mutants.map(({ location, replacement, status, statusReason }: any) => {
    const { start, end } = location;
    const made = change(file, source, offset(start), offset(end), replacement);
    // A test without permissions cannot read the switch, which would count as detection.
    if (/NotCapable/.test(statusReason)) throw new Error(`The change could not be switched on: ${keyOf(made)}`);
    return { change: made, line: start.line, killed: ["Killed", "Timeout"].includes(status) };
  });
}

/** Several copies of the tree take the next change until none is left. */
async function byNumbers(file: string, tests: readonly string[]): Promise<Outcome[]> {
  const source = Deno.readTextFileSync(`${ROOT}/${file}`);
  const left = numberMutants(file, source);
  const out: Outcome[] = [];
  await Promise.all(Array.from({ length: CONCURRENCY }, async (_, nth) => {
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
let problems = 0;
try {
  for (const file of chosen) {
    const tests = MODULES[file];
    if (tests === undefined) throw new Error(`${file} is not one of ${Object.keys(MODULES).join(", ")}`);
    const outcomes = [...await byStryker(file, tests), ...await byNumbers(file, tests)];
    const reasons = new Set(explained.filter((one) => one.file === file).map(keyOf));
    const survived = outcomes.filter(({ killed }) => !killed);
    const unknown = survived.filter(({ change }) => !reasons.has(keyOf(change)));
    const obsolete = [...reasons].filter((key) => !survived.some(({ change }) => keyOf(change) === key));
    for (const { change, line } of unknown.sort((a, b) => a.line - b.line)) {
      console.log(`${file}:${line} survived\n- ${change.before}\n+ ${change.after}`);
    }
    for (const key of obsolete) console.log(`${EXPLAINED} explains a change that did not survive: ${key}`);
    const killed = outcomes.length - survived.length;
    console.log(`${file}: ${outcomes.length} changes, ${killed} killed, ${survived.length - unknown.length} explained`);
    problems += unknown.length + obsolete.length;
  }
} finally {
  Deno.removeSync(folder, { recursive: true });
}
Deno.exit(problems === 0 ? 0 : 1);
