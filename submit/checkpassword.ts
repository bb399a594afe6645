/**
 * Runs a program by the interface of checkpassword: it reads login, password and a timestamp from descriptor 3, and if
 * the password is correct, becomes the user and runs the rest of its arguments, which then serve the client.
 */
import { encodeLatin1, latin1ToUtf8 } from "../lib/bytes.ts";
import { childEnvironment } from "../io/system/environment.ts";
import type { Credentials } from "./sasl.ts";

/** How the program ended: its exit status, or the signal that killed it. */
export type CheckExit = { readonly code: number; readonly signal?: undefined } | { readonly signal: string };

/**
 * Deno can only make pipes of its own descriptors 0 to 2. So the credentials are a pipe on standard input, and the
 * client is descriptor 5, which the launcher has opened; the shell exchanges them and becomes the program.
 */
const EXCHANGE = 'exec 3<&0 0<&5 5<&-; exec "$@"';

/**
 * Runs the program.
 *
 * @param timestamp what the password was computed with, for APOP; empty for SMTP
 */
export async function checkPassword(
  argv: readonly string[],
  { user, password }: Credentials,
  timestamp: string,
  started: (pid: number) => void,
): Promise<CheckExit> {
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", EXCHANGE, "sh", ...argv],
    env: { ...childEnvironment(), AUTHUP_USER: printable(user) },
    clearEnv: true,
    stdin: "piped",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  started(child.pid);
  const writer = child.stdin.getWriter();
  const bytes = encodeLatin1(`${user}\0${password}\0${timestamp}\0`);
  // A program that does not read its input is judged by its status.
  await writer.write(bytes).then(() => writer.close()).catch(() => {});
  bytes.fill(0);
  const { code, signal } = await child.status;
  return signal === null ? { code } : { signal };
}

/** Returns the login as text for the environment, where it can be neither NUL nor a line of its own. */
// deno-lint-ignore no-control-regex
const printable = (user: string) => latin1ToUtf8(user).replace(/[\x00-\x1f\x7f]/g, "?");
