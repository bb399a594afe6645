/** Kills a program together with its children. */
import { KILL } from "../../lib/paths.ts";

/**
 * Sends SIGKILL to the process group of a child that was started with `detached`, and to the child itself. Otherwise a
 * child of a wrapper would keep its pipes open. Never throws: the processes may have exited.
 */
export async function killGroup(child: { readonly pid: number; kill(signal: "SIGKILL"): void }): Promise<void> {
  const group = async () => {
    try {
      Deno.kill(-child.pid, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotCapable)) throw error;
      await new Deno.Command(KILL, { args: ["-KILL", "--", `-${child.pid}`], stdout: "null", stderr: "null" }).output();
    }
  };
  for (const stop of [group, () => child.kill("SIGKILL")]) {
    try {
      await stop();
    } catch {
      // It has exited, or does not exist.
    }
  }
}
