/** Bundles the programs into JavaScript that starts fast and needs neither npm nor a cache. */
import { printError } from "../../io/system/log.ts";

/** The root folder of the checkout. */
export const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** The entry module of each program, and the folder for its chunks. main.ts contains all programs. */
const ENTRIES = [
  ["main.ts", ""],
  ["shim/main.ts", "/shim"],
  ["hooks/incoming.ts", "/hooks"],
  ["hooks/doorbell.ts", "/hooks"],
  ["hooks/ask.ts", "/hooks"],
  ["hooks/opensmtpd.ts", "/hooks"],
  ["submit/authup.ts", "/submit"],
  ["submit/fixsmtpio.ts", "/submit"],
  ["submit/ofmipd.ts", "/submit"],
  ["submit/verify.ts", "/submit"],
] as const;

/**
 * Bundles into a folder. Each program gets its own small file, because Deno parses the file at every start if it cannot
 * write its cache. Modules that are loaded on demand stay in separate chunks.
 *
 * @throws {Error} with the output of Deno
 */
export async function bundle(folder: string): Promise<void> {
  for (const [entry, below] of ENTRIES) {
    const outdir = folder + below;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "-q", "--minify", "--platform=deno", "--code-splitting", `--outdir=${outdir}`, entry],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "null",
    }).output();
    if (!success) throw new Error(`deno bundle failed: ${new TextDecoder().decode(stderr)}`);
    for (const { name } of Deno.readDirSync(outdir)) {
      if (!name.endsWith(".js")) continue;
      const path = `${outdir}/${name}`;
      Deno.writeTextFileSync(path, withComputedImports(Deno.readTextFileSync(path)));
    }
  }
}

/**
 * Replaces literal names in import() with computed ones. Deno would read and parse a module with a literal name at
 * every start.
 */
function withComputedImports(script: string): string {
  return script.replace(/\bimport\(("\.[^"]*")\)/g, "import(import.meta.resolve($1))");
}

if (import.meta.main) {
  const dist = `${ROOT}dist`;
  try {
    await Deno.remove(dist, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    await bundle(dist);
  } catch (error) {
    printError("bundle", String(error));
    Deno.exit(1);
  }
}
