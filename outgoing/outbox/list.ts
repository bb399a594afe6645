/** Prints the queue as `postqueue -p` and `mailq` do. */
import { formatAddress } from "../../lib/address.ts";
import type { OutboxEntry } from "./entry.ts";
import { replyText, unsent } from "./progress.ts";

/** An entry with its name. */
export interface NamedEntry {
  readonly id: string;
  readonly entry: OutboxEntry;
}

/** Returns the lines of the listing. An entry that is held has an exclamation mark behind its name. */
export function printQueue(entries: readonly NamedEntry[]): string[] {
  if (entries.length === 0) return ["Mail queue is empty"];
  const lines = ["-Queue ID-      --Size-- ----Arrival Time---- -Sender/Recipient-------"];
  let bytes = 0;
  for (const { id, entry } of entries) {
    const { sender, created, size, hold } = entry;
    bytes += size;
    const name = `${id}${hold ? "!" : ""}`.padEnd(16);
    const from = sender.address === null
      ? "MAILER-DAEMON"
      : sender.address
      ? formatAddress(sender.address)
      : "(unknown)";
    lines.push(`${name}${String(size).padStart(7)} ${arrival(created)}  ${from}`);
    let last = "";
    for (const { address, reply } of unsent(entry)) {
      if (reply !== "" && reply !== last) lines.push(`(${replyText(reply)})`);
      last = reply;
      lines.push(`${" ".repeat(46)}${formatAddress(address)}`);
    }
    lines.push("");
  }
  const kilobytes = Math.ceil(bytes / 1024);
  lines.push(`-- ${kilobytes} Kbytes in ${entries.length} Request${entries.length === 1 ? "" : "s"}.`);
  return lines;
}

/** Formats a time as in ctime(3), without the year. */
function arrival(time: number): string {
  const [day, month, date, , clock] = new Date(time).toString().split(" ");
  return `${day} ${month} ${date!.replace(/^0/, " ")} ${clock}`;
}
