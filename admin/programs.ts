/** Finds the shim and the hook of this installation: in a checkout, installed, or links to the compiled binary. */

/** Paths of the programs; undefined for a missing one. */
export interface InstalledPrograms {
  readonly shim: string | undefined;
  readonly hook: string | undefined;
}

/** The program that is running: the URL of its main module, or the path of the compiled binary. */
export type RunningProgram = { readonly module: string } | { readonly binary: string };

const runningProgram = (): RunningProgram =>
  Deno.build.standalone ? { binary: Deno.execPath() } : { module: Deno.mainModule };

/** Returns the programs that belong to the running one. @param exists whether a file exists */
export function installedPrograms(
  exists: (path: string) => boolean,
  from: RunningProgram = runningProgram(),
): InstalledPrograms {
  if ("binary" in from) {
    const folder = from.binary.slice(0, from.binary.lastIndexOf("/"));
    return { shim: [`${folder}/shim`].find(exists), hook: [`${folder}/incoming`].find(exists) };
  }
  const folder = decodeURIComponent(new URL(".", from.module).pathname).replace(/\/$/, "");
  const [prefix] = folder.split("/lib/countersign");
  return {
    shim: [`${folder}/shim/shim`, `${prefix}/bin/shim`].find(exists),
    hook: [`${folder}/hooks/incoming`].find(exists),
  };
}
