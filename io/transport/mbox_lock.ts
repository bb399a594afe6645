/** Holds the locks of a mailbox in another program, hooks/mboxlock, which releases them when this process ends. */
import { Fail, reason } from "../../lib/fail.ts";

/** Releases the locks. */
export type Unlock = () => Promise<void>;

/**
 * Locks a mailbox for all programs that use fcntl(2) or a lock file.
 *
 * @param path its path without symbolic links
 * @throws {Fail} `temporary` when it is still locked after 40 seconds, cannot be locked, or a signal arrived
 */
export async function lockMailbox(path: string, signal?: AbortSignal, program = lockProgram()): Promise<Unlock> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: [path],
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      detached: true, // a signal to our process group must not end it while we write
    }).spawn();
  } catch (error) {
    throw new Fail("temporary", `${program} cannot be run: ${reason(error)}`, {
      fix: "deno task install",
      cause: error,
    });
  }
  const [writer, reader] = [child.stdin.getWriter(), child.stdout.getReader()];
  const unlock = async () => {
    await writer.close().catch(() => {});
    await reader.cancel();
    await child.status;
  };
  // The first byte returns when the locks are held.
  writer.write(new Uint8Array([10])).catch(() => {});
  const stop = Promise.withResolvers<never>();
  const abort = () => stop.reject(new Fail("temporary", "Stopped by a signal; nothing was delivered"));
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  try {
    const { done } = await Promise.race([reader.read(), stop.promise]);
    if (!done) {
      child.stderr.cancel().catch(() => {});
      return unlock;
    }
  } catch (error) {
    writer.close().catch(() => {}); // it ends as soon as it has the locks, or gives up
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
  const said = (await new Response(child.stderr).text()).trim().split("\n").at(-1) ?? "";
  const { code } = await child.status;
  throw new Fail("temporary", `Mailbox cannot be locked: ${said || `status ${code}`}`);
}

/** Returns the path of the program: beside the module of the hook, or below that of all commands. */
function lockProgram(): string {
  const folder = decodeURIComponent(new URL(".", Deno.mainModule).pathname);
  return folder.endsWith("/hooks/") ? `${folder}mboxlock` : `${folder}hooks/mboxlock`;
}
