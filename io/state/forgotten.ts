/**
 * A file whose time says when sent mail was last not remembered. For as long as bounces of that mail may come back, an
 * unknown Message-ID proves nothing, so the door does not refuse because of one.
 */
import { provesMissing } from "../../lib/fail.ts";
import { SENT_DAYS } from "./sent.ts";

const DAY_MS = 86_400_000;

const pathIn = (state: string): string => `${state}/forgotten`;

/** When this process itself could not write the file. */
const unwritten = new Map<string, number>();

/** Notes that a message was sent and not remembered. Never throws. */
export function noteForgotten(state: string, now: Date): void {
  unwritten.set(state, now.getTime());
  try {
    // On a full disk the time of a file that exists can still be changed.
    Deno.mkdirSync(state, { recursive: true, mode: 0o700 });
    Deno.openSync(pathIn(state), { append: true, create: true, mode: 0o600 }).close();
    Deno.utimeSync(pathIn(state), now, now);
  } catch {
    // This process, at least, knows.
  }
}

/** Is all mail of the last 30 days remembered? What cannot be looked at is not known to be. */
export function remembersAll(state: string, now: Date): boolean {
  const recent = (time: number) => now.getTime() - time < SENT_DAYS * DAY_MS;
  if (recent(unwritten.get(state) ?? -Infinity)) return false;
  try {
    return !recent(Deno.statSync(pathIn(state)).mtime!.getTime());
  } catch (error) {
    return provesMissing(error);
  }
}
