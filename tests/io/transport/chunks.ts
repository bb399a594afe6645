/** Message bodies for tests of transports. */
import { utf8 } from "../../../lib/bytes.ts";

/** A body of these chunks. */
export async function* chunks(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield await Promise.resolve(typeof part === "string" ? utf8(part) : part);
}
