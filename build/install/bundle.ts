/** Bundles the programs: JavaScript that starts fast and needs neither npm nor a cache. */
import { printError } from "../../io/system/log.ts";

/** The checkout. */
export const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** One entry a program, and the folder that it gets with its late parts; main.ts is all of them. */
const ENTRIES = [["main.ts", ""], ["shim/main.ts", "/shim"], ["hooks/incoming.ts", "/hooks"]] as const;

/**
 * Bundles into a folder: each program in a file of its own, and small, because
 * Deno parses a file anew for whoever cannot write its cache. Only what is
 * loaded late stands beside it: in the same file it would not be late, and what
 * programs share would be loaded with all that any of them needs.
 *
 * @throws {Error} with what Deno said
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
      Deno.writeTextFileSync(path, late(Deno.readTextFileSync(path)));
    }
  }
}

/**
 * What is loaded late by a name that Deno cannot know before: a name that it
 * can see it would read, and parse, at every start.
 */
function late(script: string): string {
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
