/** Asks for a secret on the terminal without showing it, or reads it from standard input. */
import { Fail } from "../lib/fail.ts";

const [ENTER, NEWLINE, INTERRUPT, END, ERASE, DELETE] = [13, 10, 3, 4, 8, 127];
/** Longest input. */
const MAX_BYTES = 1024;

/** Returns the first line. @throws {Fail} `usage` if it is interrupted, too long or not UTF-8 */
export async function readSecret(question: string): Promise<string> {
  const asks = Deno.stdin.isTerminal();
  if (asks) {
    await Deno.stderr.write(new TextEncoder().encode(question));
    Deno.stdin.setRaw(true);
  }
  try {
    return decode(await readLine(asks));
  } finally {
    if (asks) {
      Deno.stdin.setRaw(false);
      await Deno.stderr.write(new TextEncoder().encode("\n"));
    }
  }
}

async function readLine(asks: boolean): Promise<number[]> {
  const bytes: number[] = [];
  const buffer = new Uint8Array(256);
  for (let count; (count = await Deno.stdin.read(buffer)) !== null;) {
    for (const byte of buffer.subarray(0, count)) {
      if (byte === NEWLINE || (asks && (byte === ENTER || byte === END))) return bytes;
      if (asks && byte === INTERRUPT) throw new Fail("usage", "Interrupted; nothing was changed");
      if (asks && (byte === ERASE || byte === DELETE)) {
        // A character of UTF-8 may have several bytes.
        for (let last; (last = bytes.pop()) !== undefined && (last & 0xc0) === 0x80;);
      } else bytes.push(byte);
      if (bytes.length > MAX_BYTES) throw new Fail("usage", "The input is too long");
    }
  }
  return bytes;
}

function decode(bytes: number[]): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes)).replace(/\r$/, "");
  } catch {
    throw new Fail("usage", "The input is not UTF-8");
  }
}
