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

/**
 * Returns the processes that run a program in this folder with settings below the other, but not the services of
 * Postfix that start them.
 */
export const running = (folder: string, settings: string): number[] =>
  processes((name) => {
    const text = Deno.readTextFileSync(`/proc/${name}/cmdline`);
    return !text.startsWith("pipe\0") && text.includes(folder) && text.includes(`\0${settings}`);
  });

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
