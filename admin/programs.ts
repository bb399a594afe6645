/** Our own programs beside what was started: in a checkout, installed, or links to the one binary. */

/** Where they are; undefined for one that is not there. */
export interface Beside {
  readonly shim: string | undefined;
  readonly hook: string | undefined;
}

/** What was started: a module's URL, or a binary's path. */
export type Started = { readonly module: string } | { readonly binary: string };

const started = (): Started => Deno.build.standalone ? { binary: Deno.execPath() } : { module: Deno.mainModule };

/** Looks for them. @param exists is there such a file? */
export function beside(exists: (path: string) => boolean, from: Started = started()): Beside {
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
