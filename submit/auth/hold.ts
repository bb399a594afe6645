/** Failed logins take a whole number of seconds, so that the delay does not reveal the reason. */
import { after } from "../../io/system/timer.ts";

/**
 * The reply is sent a whole number of seconds after the attempt, plus a random delay of up to this many milliseconds.
 */
const [HOLD_MS, JITTER_MS] = [1000, 100];

/** Waits until the reply to a failed login that began at this time may be sent. */
export async function holdFailure(begun: number): Promise<void> {
  const spent = (Date.now() - begun) % HOLD_MS;
  await after(HOLD_MS - spent + crypto.getRandomValues(new Uint8Array(1))[0]! % JITTER_MS);
}
