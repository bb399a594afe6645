/**
 * Checks whether the launcher is still waiting for the exit status.
 *
 * A mail server that times out kills the process that it started, which is the launcher, and retries later. A launcher
 * that is killed with SIGKILL cannot notify us, and delivering the message then would deliver it twice.
 */
import { LAUNCHER } from "../system/environment.ts";
import { Rejected } from "./rejected.ts";

/**
 * Checks that the launcher is still alive. Call this directly before each step that cannot be undone: link or rename
 * into place, end of input, final dot.
 *
 * The kernel gives an orphan another parent at once, so comparing the parent's process id is sufficient. Without a
 * launcher, as in the compiled program, there is nothing to check.
 *
 * @throws {Rejected} the launcher was killed; nothing has been sent or delivered
 */
export function checkLauncher(): void {
  const launcher = Deno.env.get(LAUNCHER);
  if (launcher !== undefined && launcher !== String(Deno.ppid)) {
    throw new Rejected(75, "The launcher was killed; nothing is sent");
  }
}
