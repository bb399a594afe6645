/**
 * `deno task coverage`: which branches the tests take, a line a file, the pure
 * core apart. Ends with 1 when the core is under what is promised.
 *
 * V8 counts blocks, not conditions: see HACKING.md. A function that was never
 * called has no blocks for V8; here it is a branch that was not taken.
 */
import { ROOT } from "./rig.ts";

/** Percent of the branches of the core. */
const PROMISED = 95;
/** Tests that call the code in their own process. */
const TESTS = ["lib", "outgoing", "incoming", "io", "shim", "hooks"];

/** What one file has. */
interface Row {
  file: string;
  branches: number;
  taken: number;
  /** Lines of branches that were not taken. */
  missed: number[];
}

/** Reads an LCOV report: its branches (BRDA), and its functions that nobody called (FN, FNDA). */
export function read(report: string, root: string): Row[] {
  return report.split("end_of_record\n").filter((part) => part.includes("SF:")).map((part) => {
    const all = (kind: string) =>
      part.split("\n").filter((line) => line.startsWith(`${kind}:`)).map((line) =>
        line.slice(kind.length + 1).split(",")
      );
    const lineOf = new Map(all("FN").map(([line, name]) => [name, Number(line)]));
    const branches = all("BRDA").map(([line, , , count]) => ({ line: Number(line), taken: Number(count) > 0 }));
    const idle = all("FNDA").filter(([count]) => count === "0");
    const missed = branches.filter(({ taken }) => !taken).map(({ line }) => line);
    return {
      file: all("SF")[0]!.join(",").replace(`${root}/`, ""),
      branches: branches.length + idle.length,
      taken: branches.length - missed.length,
      missed: [...new Set([...missed, ...idle.map(([, name]) => lineOf.get(name) ?? 0)])].sort((a, b) => a - b),
    };
  });
}

/** The pure modules: those of lib, outgoing and incoming. */
export const core = (): string[] => ["lib", "outgoing", "incoming"].flatMap(filesBelow).sort();

/** All files below a folder of the checkout. */
function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(`${ROOT}/${folder}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${folder}/${name}`) : [`${folder}/${name}`]
  );
}

/** The test files but for those that give a program a home: what runs in its own process is not counted. */
function testFiles(): string[] {
  return TESTS.flatMap((folder) => filesBelow(`tests/${folder}`))
    .filter((name) => name.endsWith("_test.ts") && !/\bHome\b/.test(Deno.readTextFileSync(`${ROOT}/${name}`)));
}

const percent = ({ branches, taken }: Omit<Row, "file" | "missed">) => branches === 0 ? 100 : 100 * taken / branches;

function show(row: Row): string {
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
  for (const row of inCore) console.log(show(row));
  const sum = (of: "branches" | "taken") => inCore.reduce((sum, row) => sum + row[of], 0);
  const whole = { file: "THE PURE CORE", branches: sum("branches"), taken: sum("taken"), missed: [] };
  console.log(`${show(whole)}, of which ${PROMISED} are promised\n\nThe others, which programs run too:`);
  for (const row of others) console.log(show({ ...row, missed: [] }));
  const unseen = names.filter((name) => !rows.some(({ file }) => file === name));
  for (const name of unseen) console.log(`No test loads ${name}`);
  Deno.exit(percent(whole) >= PROMISED && unseen.length === 0 ? 0 : 1);
}
