/** Broken file systems for tests. */
import assert from "node:assert/strict";

/** Whether this process belongs to root, who alone may mount. */
export const root = Deno.uid() === 0;

/** Registers a test that must mount file systems; it is ignored where that is not possible. */
export function mountingTest(name: string, run: () => Promise<void>): void {
  const ignore = !root || !mayMount();
  Deno.test({ name: ignore ? `${name} (only root may mount)` : name, ignore, fn: run });
}

/** Runs a program. @returns whether it exited 0 */
export const run = (program: string, ...args: string[]) =>
  new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync().success;

function mayMount(): boolean {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-" });
  try {
    return run("/bin/mount", "-t", "tmpfs", "tmpfs", folder) && run("/bin/umount", folder);
  } catch {
    return false;
  } finally {
    Deno.removeSync(folder);
  }
}

/** Fills a file system to the last byte, or makes it read-only. */
export const STATES = {
  full: (path: string) => {
    using file = Deno.openSync(`${path}/.fill`, { write: true, createNew: true });
    try {
      for (;;) if (file.writeSync(new Uint8Array(4096)) === 0) break;
    } catch {
      // The file system is full.
    }
  },
  "read-only": (path: string) => assert.ok(run("/bin/mount", "-o", "remount,ro", path)),
} as const;

/** Makes file modes apply to root too, by dropping the capabilities that override them. */
export const WITHOUT_OVERRIDE = root ? ["/usr/bin/setpriv", "--bounding-set=-dac_override,-dac_read_search"] : [];
