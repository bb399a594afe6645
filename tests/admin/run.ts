/** Runs main.ts as `countersign`, with the permissions of a launcher. */
import { type Home, type Ran, ROOT } from "../rig.ts";

const PERMISSIONS = ["--no-prompt", "--allow-read", "--allow-write", "--allow-env", "--allow-run", "--allow-sys=uid"];

/** The command line that starts it. */
export const COUNTERSIGN = [
  ...[Deno.execPath(), "run", "-q", "--frozen", ...PERMISSIONS, "--config", `${ROOT}/deno.json`],
  ...[`${ROOT}/main.ts`, "countersign"],
];

/** Runs a command in a home. */
export function countersign(home: Home, args: readonly string[], input: string | Uint8Array = ""): Promise<Ran> {
  return home.run([...COUNTERSIGN, ...args], input);
}
