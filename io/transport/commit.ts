/**
 * Does anybody still wait for what we report?
 *
 * A mail server that gives up kills what it has started, which is the launcher, and tries again later. Of SIGKILL the
 * launcher tells us nothing; delivering then would be one copy too many.
 */
import { LAUNCHER } from "../system/environment.ts";
import { Rejected } from "./rejected.ts";

/**
 * To be called directly before each step that cannot be undone: link or rename into place, end of input, final dot.
 *
 * The kernel gives an orphan another parent at once, so this needs no signal and cannot come too late by itself. Without
 * a launcher, as in the compiled program, there is nothing to check.
 *
 * @throws {Rejected} nothing has been sent or delivered then
 */
export function checkLauncher(): void {
  const launcher = Deno.env.get(LAUNCHER);
  if (launcher !== undefined && launcher !== String(Deno.ppid)) {
    throw new Rejected(75, "The launcher was killed; nothing is sent");
  }
}
