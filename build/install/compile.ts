/** Compiles all commands into one binary. Runs it afterwards, because deno compile may succeed with a wrong runtime. */
import { Fail, quote, reason } from "../../lib/fail.ts";
import { printError } from "../../io/system/log.ts";
import { VERSION } from "../../lib/version.ts";
import { ROOT } from "./bundle.ts";

const HELP = `Usage: deno task compile [FILE]
Compile all commands into one binary, dist/countersign or FILE, which needs neither Deno nor this checkout.
A link to the binary with the name of a command (shim, incoming, sendmail) runs that command.`;

/** All permissions that any command needs, because those of a binary cannot be changed later. */
const PERMISSIONS = ["read", "write", "env", "run", "net", "sys=uid"].map((right) => `--allow-${right}`);

/** Milliseconds after which the binary is assumed to be a different program. */
const TIMEOUT_MS = 60_000;

/** Compiles the binary, and replaces an earlier one only if the new one works. @throws {Error} what to do */
async function compile(wanted: string): Promise<void> {
  const product = `${wanted}.new`;
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "compile",
        "-q",
        "--frozen",
        "--no-prompt",
        ...PERMISSIONS,
        "--output",
        product,
        "build/install/compiled.ts",
      ],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "null",
    }).output();
    if (!success) throw new Error(failure(new TextDecoder().decode(stderr)));
    const printed = await versionOf(product);
    if (printed !== `countersign ${VERSION}`) {
      throw new Error(`The compiled binary is not countersign: it prints ${quote(printed)}${denortHint()}`);
    }
    Deno.renameSync(product, wanted);
  } finally {
    remove(product);
  }
}

/** Returns a hint at the environment variable that may be wrong; empty if it is not set. */
function denortHint(): string {
  const denort = Deno.env.get("DENORT_BIN");
  return denort === undefined ? "" : `: DENORT_BIN=${denort} is not the denort of Deno ${Deno.version.deno}`;
}

/** Returns the output of deno compile on one line, or what to do. */
function failure(output: string): string {
  const name = `denort-${Deno.build.target}.zip`;
  if (output.includes(name) || output.includes("dl.deno.land")) {
    return `Deno's runtime cannot be downloaded: get ${name} of Deno ${Deno.version.deno} elsewhere, unpack it and ` +
      "set DENORT_BIN to its path; or run deno task install, which does not need it";
  }
  return `deno compile failed: ${output.trim().split("\n").map((line) => line.trim()).filter(Boolean).join("; ")}`;
}

/** Runs `version`. @returns the first line of output */
async function versionOf(product: string): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(product, {
    args: ["version"],
    env: { NO_COLOR: "1" },
    stdin: "null",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).output();
  const [first = ""] = new TextDecoder().decode(stdout.length > 0 ? stdout : stderr).trim().split("\n");
  return first;
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

if (import.meta.main) {
  try {
    const [product = `${ROOT}dist/countersign`, over] = Deno.args;
    if (product === "--help") console.log(HELP);
    else {
      const wrong = product.startsWith("-") ? product : over;
      if (wrong !== undefined) throw new Fail("usage", `Unknown argument ${quote(wrong)}`);
      const path = product.startsWith("/") ? product : `${Deno.env.get("INIT_CWD") ?? Deno.cwd()}/${product}`;
      await compile(path);
      console.log(path);
    }
  } catch (error) {
    printError("compile", reason(error));
    Deno.exit(error instanceof Fail ? 64 : 1);
  }
}
