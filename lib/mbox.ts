/** The mbox format (RFC 4155) in the variant mboxrd, in which each line can be restored. */
import { concat, utf8 } from "./bytes.ts";
import { type Header, named } from "./message.ts";

/**
 * Returns the line before a message. Its date is in UTC (RFC 4155), and spaces in the sender become `-`, as in qmail.
 */
export function fromLine(sender: string | null | undefined, now: Date): string {
  const name = (sender ?? "MAILER-DAEMON").replace(/[^!-~]/g, "-") || "MAILER-DAEMON";
  const [, weekday, day, month, year, time] = /^(\w+), (\d+) (\w+) (\d+) ([\d:]+)/.exec(now.toUTCString())!;
  return `From ${name} ${weekday} ${month} ${day!.replace(/^0/, " ")} ${time} ${year}\n`;
}

/** Fields in which mail programs note the state of a message in a mailbox, such as deleted, and where its body ends. */
const STATE_FIELDS = ["Status", "X-Status", "Content-Length"];

/**
 * Returns the header for a mailbox: without the fields above, and without a line that begins with `From` and a space.
 */
export function mboxHeader(header: Header): Header {
  return header.filter((one) => !STATE_FIELDS.some((name) => named(one, name)))
    .map((one) => one.raw.startsWith("From ") ? { ...one, raw: one.raw.replace(/^From[ \t]+:/, "From:") } : one);
}

const FROM = utf8("From ");
const QUOTE = utf8(">");
const [NEWLINE, GREATER] = [10, 62];

/** Adds a `>` to each line that begins with any number of them and `From `, also where a chunk ends within it. */
export async function* quoted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let [held, lineStart]: [Uint8Array, boolean] = [new Uint8Array(), true];
  for await (const chunk of body) {
    const bytes = held.length > 0 ? concat(held, chunk) : chunk;
    let [from, at] = [0, 0];
    while (at < bytes.length) {
      if (lineStart) {
        while (bytes[at] === GREATER) at++; // an added one may be anywhere among them
        const start = bytes.subarray(at, at + FROM.length);
        const matches = start.every((byte, nth) => byte === FROM[nth]);
        if (matches && start.length < FROM.length) break;
        if (matches) {
          yield concat(bytes.subarray(from, at), QUOTE);
          from = at;
        }
      }
      const newline = bytes.indexOf(NEWLINE, at);
      lineStart = newline >= 0;
      at = lineStart ? newline + 1 : bytes.length;
    }
    yield bytes.subarray(from, at);
    held = bytes.slice(at);
  }
  if (held.length > 0) yield held;
}
