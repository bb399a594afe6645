/** Runs the program of a service with a confirmed message. */
import { utf8 } from "../../lib/bytes.ts";
import { reason } from "../../lib/fail.ts";
import type { HeldRecord } from "../state/doorbell/store.ts";
import { childEnvironment } from "../system/environment.ts";
import { killGroup } from "../system/kill_group.ts";
import { after } from "../system/timer.ts";
import { ErrorOutput } from "../transport/output.ts";

/**
 * What became of the program:
 * - `done`: it exited with status 0
 * - `failed`: it exited with another status, so the message may be tried again
 * - `killed`: it was killed, so nobody knows what it did
 */
export type ProgramEnd = { readonly end: "done" | "failed" | "killed"; readonly why: string; readonly said?: string };

/** Variables that describe a delivery. The program gets those of the original message, not of the confirmation. */
const DELIVERY_VARIABLES =
  /^(?:SENDER|NEWSENDER|RECIPIENT|ORIGINAL_RECIPIENT|LOCAL|USER_?EXT|EXT[2-4]?|DEFAULT|HOST[2-4]?|DTLINE|RPLINE|UFLINE|EXTENSION|DOMAIN|CLIENT_[A-Z]+|SASL_[A-Z]+|DOORBELL(?:_[A-Z]+)?)$/;

/** Maximum bytes of a variable as it is stored: as JSON, where a control character takes six. */
const MAX_VARIABLE_BYTES = 1000;

/** Returns the variables of this delivery that are stored with a message. */
export function deliveryVariables(): Record<string, string> {
  const all = Object.entries(childEnvironment());
  return Object.fromEntries(
    all.filter(([name, value]) =>
      DELIVERY_VARIABLES.test(name) && utf8(JSON.stringify(value)).length <= MAX_VARIABLE_BYTES
    ),
  );
}

/** Milliseconds that a program has to finish when this process gets a signal, which it may have got, too. */
const GRACE_MS = 3000;

/**
 * Runs the program with the message as its standard input, which is a file, so that the program need not read it.
 *
 * @param spool the folder for that file
 * @throws {Fail} when it was certainly not started
 */
export async function runProgram(
  argv: readonly string[],
  record: HeldRecord,
  state: "confirmed" | "remembered",
  body: AsyncIterable<Uint8Array>,
  { spool, timeout, abort }: { readonly spool: string; readonly timeout: number; readonly abort: AbortSignal },
): Promise<ProgramEnd> {
  const { spawnSpooled } = await import("../transport/spool.ts");
  const outer = Object.entries(childEnvironment()).filter(([name]) => !DELIVERY_VARIABLES.test(name));
  const environment = {
    ...Object.fromEntries(outer),
    ...record.environment,
    DOORBELL_ADDRESS: record.address,
    DOORBELL: state,
  };
  const [name] = argv as [string];
  const message = { head: new Uint8Array(0), body };
  const child = await spawnSpooled(spool, { argv, environment, timeout, signal: abort }, message);
  const said = new ErrorOutput(child.stderr);
  const stopped = new Promise<string>((resolve) => {
    abort.addEventListener("abort", () => resolve("a signal arrived"));
    if (abort.aborted) resolve("a signal arrived");
    after(timeout * 1000).then(() => resolve(`it took longer than ${timeout} s`));
  });
  const exit = child.status.catch((error) => ({ code: 1, signal: reason(error) }));
  let status = await Promise.race([exit, stopped]);
  if (typeof status === "string") {
    const why = status;
    if (abort.aborted) status = await Promise.race([exit, after(GRACE_MS)]) ?? why;
    if (typeof status === "string") {
      await killGroup(child);
      await exit;
      return { end: "killed", why: `${name} was killed: ${why}` };
    }
  }
  if (status.signal !== null) return { end: "killed", why: `${name} was killed by ${status.signal}` };
  if (status.code === 0) return { end: "done", why: `${name} exited with status 0` };
  return { end: "failed", why: `${name} exited with status ${status.code}`, said: await said.lastLine(true) };
}
