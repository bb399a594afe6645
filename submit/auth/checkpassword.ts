/**
 * Runs a checkpassword program for submitd, which does not become another user: the program after it only exits with 0.
 */
import { encodeLatin1 } from "../../lib/bytes.ts";
import { Fail, reason } from "../../lib/fail.ts";
import { childEnvironment } from "../../io/system/environment.ts";
import type { Credentials } from "../sasl.ts";

/** The program reads descriptor 3, but Deno can make a pipe of descriptor 0 only. */
const EXCHANGE = 'exec 3<&0 0</dev/null; exec "$@"';

/** Statuses of checkpassword programs. Some exit 2 for a login that they cannot accept. */
const [RIGHT, WRONG, MISUSED] = [0, 1, 2];

/** Milliseconds for the program to exit. */
const TIMEOUT_MS = 30_000;

/** Returns whether the login and the password are correct. @throws {Fail} `temporary` */
export async function runCheckPassword(program: string, { user, password }: Credentials): Promise<boolean> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("/bin/sh", {
      args: ["-c", EXCHANGE, "sh", program, "/bin/true"],
      env: childEnvironment(),
      clearEnv: true,
      stdin: "piped",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
  } catch (error) {
    throw new Fail("temporary", `${program} cannot be run: ${reason(error)}`, { cause: error });
  }
  const timer = setTimeout(() => kill(child), TIMEOUT_MS);
  const writer = child.stdin.getWriter();
  const bytes = encodeLatin1(`${user}\0${password}\0\0`);
  // A program that does not read its input is judged by its status.
  await writer.write(bytes).then(() => writer.close()).catch(() => {});
  bytes.fill(0);
  const { code, signal } = await child.status;
  clearTimeout(timer);
  if (signal !== null) throw new Fail("temporary", `${program} was killed by ${signal}`);
  if (code === RIGHT) return true;
  if (code === WRONG || code === MISUSED) return false;
  throw new Fail("temporary", `${program} exited with status ${code}`);
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has exited.
  }
}
