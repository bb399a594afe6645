/** Shared by the tests of commands that change nothing. */
import type { Home, Ran } from "../rig.ts";
import { COUNTERSIGN } from "./run.ts";

/** Runs main.ts as `countersign`, with additional environment variables. */
export function countersign(
  home: Home,
  args: readonly string[],
  input: string | Uint8Array = "",
  env: Record<string, string> = {},
): Promise<Ran> {
  return home.run([...COUNTERSIGN, ...args], input, env);
}

/** Returns everything below a folder: names, types, modes, sizes, times and contents. */
export function snapshot(folder: string): string[] {
  return [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1).flatMap(({ name }) => {
    const path = `${folder}/${name}`;
    const { isFile, isDirectory, mode, size, mtime, ino } = Deno.lstatSync(path);
    const line = [path, isFile, isDirectory, mode, size, mtime?.getTime(), ino].join(" ");
    return isDirectory ? [line, ...snapshot(path)] : isFile ? [line, Deno.readFileSync(path).toHex()] : [line];
  });
}
