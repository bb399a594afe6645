/** Bundles the programs: JavaScript that starts fast and needs neither npm nor a cache. */
import { complain } from "../../lib/host.ts";

/** The checkout. */
export const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** One entry a program; main.ts is all of them. */
const ENTRIES = ["main.ts", "shim/main.ts", "hooks/incoming.ts"];

/**
 * Bundles into a folder. What several share, and what is loaded late, stands in
 * files of its own: in one file nothing would be late.
 *
 * @throws {Error} with what Deno said
 */
export async function bundle(folder: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "-q", "--platform=deno", "--code-splitting", `--outdir=${folder}`, ...ENTRIES],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
  }).output();
  if (!success) throw new Error(`deno bundle failed: ${new TextDecoder().decode(stderr)}`);
}

if (import.meta.main) {
  const dist = `${ROOT}dist`;
  try {
    await Deno.remove(dist, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    await bundle(dist);
  } catch (error) {
    complain("bundle", String(error));
    Deno.exit(1);
  }
}
