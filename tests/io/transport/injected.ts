/** Helpers for tests of inject(): a folder for its programs, and messages. */
import assert from "node:assert/strict";
import type { SpawnOptions } from "../../../io/transport/child.ts";
import { decodeLatin1, utf8 } from "../../../lib/bytes.ts";
import { TempFolder } from "../../rig.ts";
import { chunks } from "./chunks.ts";

export const HEAD = utf8("Subject: x\n\n");
/** Larger than the buffer of a pipe. */
export const LARGE = new Uint8Array(4 * 1024 * 1024).fill(65);
/** A message with a body of these chunks. */
export const message = (...parts: (string | Uint8Array)[]) => ({ head: HEAD, body: chunks(...parts) });

/** A temporary folder for files that the programs write. */
export class ProgramFolder extends TempFolder {
  /** The contents of a file, as Latin-1; undefined if it does not exist. */
  read(name: string): string | undefined {
    try {
      return decodeLatin1(Deno.readFileSync(`${this.path}/${name}`));
    } catch {
      return undefined;
    }
  }
  /** Waits until the condition is true. */
  async until(done: () => boolean): Promise<void> {
    const end = Date.now() + 30_000;
    while (!done()) {
      assert.ok(Date.now() < end, "waited for 30 seconds");
      await new Promise((next) => setTimeout(next, 5));
    }
  }
  /** Waits for the file `pid`. @returns the process ID in it */
  async pid(): Promise<number> {
    await this.until(() => this.read("pid")?.endsWith("\n") ?? false);
    return Number(this.read("pid"));
  }
  /** Options to run sh with this script; $D is the folder. */
  options(script: string, more: Partial<SpawnOptions> = {}): SpawnOptions {
    const environment = { D: this.path, PATH: "/usr/bin:/bin" };
    return { argv: ["/bin/sh", "-c", script], environment, timeout: 0, ...more };
  }
}
