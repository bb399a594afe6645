/** Processes that the soak has started through others. */

/** Returns the numbers of the processes for which this holds. */
function processes(holds: (name: string) => boolean): number[] {
  return [...Deno.readDirSync("/proc")].filter(({ name }) => {
    try {
      return /^\d+$/.test(name) && holds(name);
    } catch {
      return false; // It has ended.
    }
  }).map(({ name }) => Number(name));
}

/** Returns the processes whose command line contains this text. */
export const running = (text: string): number[] =>
  processes((name) => Deno.readTextFileSync(`/proc/${name}/cmdline`).includes(text));

/** Returns the processes that this one has started. */
export const childrenOf = (parent: number): number[] =>
  processes((name) => Deno.readTextFileSync(`/proc/${name}/stat`).replace(/^.*\) /s, "").split(" ")[1] === `${parent}`);

/** Kills processes. @returns how many still ran */
export function kill(...pids: number[]): number {
  return pids.filter((pid) => {
    try {
      Deno.kill(pid, "SIGKILL");
      return true;
    } catch {
      return false;
    }
  }).length;
}
