/** Failed logins take a whole number of seconds, so that the time does not show why one has failed. */
import { after } from "../../io/system/timer.ts";

/** The answer is sent a whole number of seconds after the attempt, plus up to so many milliseconds. */
const [HOLD_MS, JITTER_MS] = [1000, 100];

/** Waits until a failed login that began at this time may be answered. */
export async function holdFailure(begun: number): Promise<void> {
  const spent = (Date.now() - begun) % HOLD_MS;
  await after(HOLD_MS - spent + crypto.getRandomValues(new Uint8Array(1))[0]! % JITTER_MS);
}
