/** Writes the log file and messages on standard error. */
import { utf8 } from "../../lib/bytes.ts";
import { type Event, logLine } from "../../lib/log.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { isFileOrNothing, writeAll } from "./files.ts";

/** Appends a line to the log. Errors are ignored: logging must not stop mail. */
export function log(settings: Settings, event: Event): void {
  try {
    Deno.mkdirSync(settings.state.folder, { recursive: true, mode: 0o700 });
    const path = `${settings.state.folder}/log`;
    if (!isFileOrNothing(path)) return; // a pipe without a reader would block
    using file = Deno.openSync(path, { read: true, append: true, create: true, mode: 0o600 });
    // A full disk truncated the last line: end it here, so that it is recognizable.
    const front = endsWithNewline(file) ? "" : "…\n";
    writeAll(file, utf8(front + logLine(event, new Date())));
  } catch {
    // Mail has priority over the log.
  }
}

function endsWithNewline(file: Deno.FsFile): boolean {
  const { size } = file.statSync();
  if (size === 0) return true;
  const last = new Uint8Array(1);
  file.seekSync(size - 1, Deno.SeekMode.Start);
  return file.readSync(last) !== 1 || last[0] === 10;
}

/** Writes one line to standard error; a closed one is ignored. */
export function printError(program: string, what: string): void {
  try {
    Deno.stderr.writeSync(utf8(`${program}: ${what.replace(/[\r\n]+/g, " ")}\n`));
  } catch {
    // Standard error is closed.
  }
}
