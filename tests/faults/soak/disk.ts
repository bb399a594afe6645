/** A small disk for state, which can be filled. */
import assert from "node:assert/strict";
import { root, run, STATES } from "../mounts.ts";

/** A file system in memory; an ordinary folder, which is never full, where this process may not mount. */
export class Disk implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "countersign-disk-" });
  readonly mounted: boolean;

  constructor(size = "48m") {
    this.mounted = root && run("/bin/mount", "-t", "tmpfs", "-o", `size=${size},mode=0755`, "tmpfs", this.path);
    Deno.chmodSync(this.path, 0o755);
  }

  fill(): void {
    if (this.mounted) STATES.full(this.path);
  }

  /** Removes what filled it. */
  free(): void {
    try {
      Deno.removeSync(`${this.path}/.fill`);
    } catch (error) {
      assert.ok(error instanceof Deno.errors.NotFound);
    }
  }

  [Symbol.dispose](): void {
    // What Postfix started has the file system in a name space of its own, which ends with it.
    if (this.mounted) run("/bin/umount", "-l", this.path);
    Deno.removeSync(this.path, { recursive: true });
  }
}
