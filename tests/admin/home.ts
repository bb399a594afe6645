/** What the tests of commands that change nothing share. */
import type { Home, Ran } from "../rig.ts";
import { COUNTERSIGN } from "./run.ts";

/** Runs main.ts as `countersign …`, with more in its environment. */
export function countersign(
  home: Home,
  args: readonly string[],
  input: string | Uint8Array = "",
  env: Record<string, string> = {},
): Promise<Ran> {
  return home.run([...COUNTERSIGN, ...args], input, env);
}

/** All below a folder: names, kinds, modes, sizes, times of change, and what is in the files. */
export function snapshot(folder: string): string[] {
  return [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1).flatMap(({ name }) => {
    const path = `${folder}/${name}`;
    const { isFile, isDirectory, mode, size, mtime, ino } = Deno.lstatSync(path);
    const line = [path, isFile, isDirectory, mode, size, mtime?.getTime(), ino].join(" ");
    return isDirectory ? [line, ...snapshot(path)] : isFile ? [line, Deno.readFileSync(path).toHex()] : [line];
  });
}
