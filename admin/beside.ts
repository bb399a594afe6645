/** Our own programs beside the module that was started: in a checkout, or installed. */

/** Where they are; undefined for one that is not there. */
export interface Beside {
  readonly shim: string | undefined;
  readonly hook: string | undefined;
}

/** Looks for them. @param exists is there such a file? */
export function beside(exists: (path: string) => boolean): Beside {
  const folder = decodeURIComponent(new URL(".", Deno.mainModule).pathname).replace(/\/$/, "");
  const [prefix] = folder.split("/lib/countersign");
  return {
    shim: [`${folder}/shim/shim`, `${prefix}/bin/shim`].find(exists),
    hook: [`${folder}/hooks/incoming`].find(exists),
  };
}
