/** Where the programs of these settings find their state. */

/** The settings that this depends on. */
export interface LookupSettings {
  readonly state: { readonly redis: string; readonly lookup: string };
  readonly serve: { readonly socket_folder: string };
}

/** Returns the path of the socket `lookup` of `countersign serve`; empty when there is none. */
export function lookupSocket({ state, serve }: LookupSettings): string {
  if (state.lookup !== "") return state.lookup;
  return serve.socket_folder === "" ? "" : `${serve.socket_folder}/lookup`;
}

/** Returns whether shim and hook use that socket instead of the files of `state.folder`. */
export function asksLookup({ state }: Pick<LookupSettings, "state">): boolean {
  return state.redis !== "" || state.lookup !== "";
}
