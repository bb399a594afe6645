/** Checks whether a program can be run, without running it. */
import { Fail, type Kind, provesMissing, reason } from "../../lib/fail.ts";

/**
 * Fails if a program certainly cannot be run.
 *
 * @param what how the message names the program
 * @param missing the kind of error if it is missing or not executable
 * @throws {Fail} `missing`, or `config` if the sandbox does not permit it
 */
export function checkMayRun(program: string, what: string, missing: Kind): void {
  if (Deno.permissions.querySync({ name: "run", command: program }).state !== "granted") {
    throw new Fail("config", `${what} cannot be run: ${program} is not permitted`, { fix: "countersign sandbox" });
  }
  let cause: unknown;
  try {
    const { isFile, mode } = Deno.statSync(program);
    if (isFile && (mode! & 0o111) !== 0) return;
  } catch (error) {
    if (!provesMissing(error)) return; // it cannot be looked at, so running it will tell
    cause = error;
  }
  const why = cause === undefined ? `${program} is not an executable file` : reason(cause);
  throw new Fail(missing, `${what} cannot be run: ${why}`, { cause });
}
