/**
 * `deno task coverage`: which branches the tests take, one line per file, with a
 * total for the pure core. Exits with 1 if the core is below the required share.
 *
 * V8 counts blocks, not conditions (see HACKING.md). A function that was never
 * called has no blocks in V8's report; here it counts as one branch not taken.
 */
import { ROOT, sourceFiles } from "./rig.ts";

/** Required percentage of the branches of the core. */
const REQUIRED_PERCENT = 95;
/** Folders with tests that call the code in their own process. */
const TESTS = ["lib", "outgoing", "incoming", "io", "shim", "hooks"];

/** The branches of one file. */
interface Row {
  file: string;
  branches: number;
  taken: number;
  /** Lines of branches that were not taken. */
  missed: number[];
}

/** Reads the branches (BRDA) and the functions that were never called (FN, FNDA) from an LCOV report. */
export function read(report: string, root: string): Row[] {
  return report.split("end_of_record\n").filter((part) => part.includes("SF:")).map((part) => {
    const all = (kind: string) =>
      part.split("\n").filter((line) => line.startsWith(`${kind}:`)).map((line) =>
        line.slice(kind.length + 1).split(",")
      );
    const lineOf = new Map(all("FN").map(([line, name]) => [name, Number(line)]));
    const branches = all("BRDA").map(([line, , , count]) => ({ line: Number(line), taken: Number(count) > 0 }));
    const neverCalled = all("FNDA").filter(([count]) => count === "0");
    const missed = branches.filter(({ taken }) => !taken).map(({ line }) => line);
    return {
      file: all("SF")[0]!.join(",").replace(`${root}/`, ""),
      branches: branches.length + neverCalled.length,
      taken: branches.length - missed.length,
      missed: [...new Set([...missed, ...neverCalled.map(([, name]) => lineOf.get(name) ?? 0)])].sort((a, b) => a - b),
    };
  });
}

/** The pure modules: lib, outgoing and incoming. */
export const core = (): string[] => sourceFiles("lib", "outgoing", "incoming").sort();

/** The test files, except those that run programs in a Home, whose processes are not counted. */
function testFiles(): string[] {
  return sourceFiles(...TESTS.map((folder) => `tests/${folder}`))
    .filter((name) => name.endsWith("_test.ts") && !/\bHome\b/.test(Deno.readTextFileSync(`${ROOT}/${name}`)));
}

const percent = ({ branches, taken }: Omit<Row, "file" | "missed">) => branches === 0 ? 100 : 100 * taken / branches;

function formatRow(row: Row): string {
  const missed = row.missed.length === 0 ? "" : `  not: ${row.missed.join(" ")}`;
  return `${percent(row).toFixed(1).padStart(6)} ${`${row.taken}/${row.branches}`.padStart(9)}  ${row.file}${missed}`;
}

async function deno(...args: string[]): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stdin: "null", stderr: "inherit" });
  const { success, stdout } = await command.output();
  const text = new TextDecoder().decode(stdout);
  if (!success) throw new Error(`deno ${args[0]} failed\n${text}`);
  return text;
}

if (import.meta.main) {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-coverage-" });
  let rows: Row[];
  try {
    await deno(
      "test",
      "-q",
      "--frozen",
      "-A",
      "--no-check",
      "--parallel",
      "--reporter=dot",
      `--coverage=${folder}/raw`,
      ...testFiles(),
    );
    rows = read(await deno("coverage", "-q", "--lcov", `${folder}/raw`), ROOT);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
  const names = core();
  const inCore = rows.filter(({ file }) => names.includes(file));
  const others = rows.filter(({ file }) => !names.includes(file) && !file.startsWith("tests/"));
  for (const row of inCore) console.log(formatRow(row));
  const sum = (of: "branches" | "taken") => inCore.reduce((sum, row) => sum + row[of], 0);
  const whole = { file: "THE PURE CORE", branches: sum("branches"), taken: sum("taken"), missed: [] };
  console.log(
    `${
      formatRow(whole)
    }, of which ${REQUIRED_PERCENT} are required\n\nOther modules, which are also tested by running programs:`,
  );
  for (const row of others) console.log(formatRow({ ...row, missed: [] }));
  // A module of types is never loaded.
  const runs = (name: string) =>
    /^(?:export )?(?:const|function|class)\b/m.test(Deno.readTextFileSync(`${ROOT}/${name}`));
  const unseen = names.filter((name) => !rows.some(({ file }) => file === name) && runs(name));
  for (const name of unseen) console.log(`No test loads ${name}`);
  Deno.exit(percent(whole) >= REQUIRED_PERCENT && unseen.length === 0 ? 0 : 1);
}
