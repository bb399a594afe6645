/** Compiles all commands into one binary, and runs it: not everything that deno compile calls a success is ours. */
import { Fail, quote, reason } from "../../lib/fail.ts";
import { printError } from "../../io/system/log.ts";
import { VERSION } from "../../lib/version.ts";
import { ROOT } from "./bundle.ts";

const HELP = `Usage: deno task compile [FILE]
Compiles all commands into one binary, dist/countersign or FILE, which needs neither Deno nor this checkout. A link to it
with the name of a command (shim, incoming, sendmail) is that command.`;

/** What any command could need: nothing can narrow a binary later. */
const PERMISSIONS = ["read", "write", "env", "run", "net", "sys=uid"].map((right) => `--allow-${right}`);

/** After so many milliseconds it is no program of ours that runs. */
const TIMEOUT_MS = 60_000;

/** Compiles, and leaves nothing behind that is not ours; a former binary works until then. @throws {Error} what to do */
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
    const said = await versionOf(product);
    if (said !== `countersign ${VERSION}`) {
      throw new Error(`What was compiled is not countersign, for it says ${quote(said)}${becauseOf()}`);
    }
    Deno.renameSync(product, wanted);
  } finally {
    remove(product);
  }
}

/** Which setting of the environment may be wrong. */
function becauseOf(): string {
  const denort = Deno.env.get("DENORT_BIN");
  return denort === undefined ? "" : `: DENORT_BIN=${denort} is no denort of Deno ${Deno.version.deno}`;
}

/** In one line what deno compile said, or what to do. */
function failure(said: string): string {
  const name = `denort-${Deno.build.target}.zip`;
  if (said.includes(name) || said.includes("dl.deno.land")) {
    return `Deno's runtime cannot be downloaded: fetch ${name} of Deno ${Deno.version.deno} elsewhere, unpack it and ` +
      "set DENORT_BIN to it; or use deno task install, which needs none";
  }
  return `deno compile failed: ${said.trim().split("\n").map((line) => line.trim()).filter(Boolean).join("; ")}`;
}

/** What the product says when it is asked. */
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
