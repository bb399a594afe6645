/** Resident servers are measured in turns, so that disturbances affect all alike. */
import { TIMES } from "./home.ts";

/** Milliseconds of a turn, short because the speed of a virtual machine changes from second to second. */
export const TURN_MS = 400;
const TURNS = Math.ceil(TIMES / 2);
/** Turns before those that count. V8 needs some ten seconds of load to optimize the code of the engine. */
const WARM_UP_TURNS = 10;

/** Runs all setups in turns. @param keep is called with the results that count */
export async function takeTurns<S, R>(
  setups: readonly S[],
  run: (setup: S) => Promise<R>,
  keep: (setup: S, result: R) => void,
): Promise<void> {
  for (let turn = -WARM_UP_TURNS; turn < TURNS; turn++) {
    for (const setup of setups) {
      const result = await run(setup);
      if (turn >= 0) keep(setup, result);
    }
  }
}
