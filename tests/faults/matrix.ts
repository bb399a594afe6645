/**
 * Which faults are tried. `deno task test` leaves out those that repeat what another one proves; with FAULTS=all
 * (`deno task faults`) every fault is tried at every step of every route.
 */

/** Whether nothing is left out. */
export const ALL = Deno.env.get("FAULTS") === "all";

/**
 * Steps that no other process can notice: they only read, or they sync, which SIGKILL does not undo (a power failure
 * would). The driver of sweep names its steps after Deno's functions.
 */
const WITHOUT_EFFECT = /^(?:stat|list|read|input|sync|statSync|lstatSync|readDirSync|readTextFileSync|syncSync)$/;

/**
 * The numbers of the steps before which a process is to be killed. Killed before a step, it leaves what the earlier
 * steps did. If the step before this one has no effect, that is the same as being killed there, so it is left out.
 */
export function killedAt(steps: readonly string[]): number[] {
  return [...steps.keys()].filter((at) => ALL || at === 0 || !WITHOUT_EFFECT.test(steps[at - 1]!));
}
