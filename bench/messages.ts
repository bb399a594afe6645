/** Messages of any size, ordinary and hostile, written to files. */
import { signTag } from "../mod.ts";
import { type Home, SECRET } from "../build/rig/home.ts";
import { qsbmf } from "../build/rig/mails.ts";
import { NONCE_BYTES, tagNonce } from "../lib/tag.ts";

/** Sizes of messages in bytes, by their names in the tables. */
export const SIZES = { "2 KB": 2048, "1 MB": 1_000_000, "100 MB": 100_000_000, "1 GB": 1_000_000_000 } as const;

const SENT_HEADER = "From: greg@example.org\nMessage-ID: <1@example.org>\n";

/** Words with spaces, because text without spaces would be decoded as possible base64. */
const LINE = `${"x ".repeat(35)}\n`;

/** Writes a file that begins with `head` and repeats `piece` up to this size. @returns its path */
export function fill(home: Home, name: string, head: string, size: number, piece = LINE): string {
  const path = home.write(name, head);
  const bytes = new TextEncoder().encode(piece);
  const block = new Uint8Array(bytes.length * Math.max(1, Math.floor(1_000_000 / bytes.length)));
  for (let at = 0; at < block.length; at += bytes.length) block.set(bytes, at);
  using file = Deno.openSync(path, { append: true });
  for (let left = size - head.length; left > 0; left -= block.length) {
    file.writeSync(block.subarray(0, Math.min(left, block.length)));
  }
  return path;
}

/** An outgoing message. */
export function outgoing(home: Home, size: number): string {
  const head = `${SENT_HEADER}To: ann@example.net\nSubject: x\nDate: Fri, 20 Nov 2026 05:32:58 +0000\n\n`;
  return fill(home, `out-${size}`, head, size);
}

/** A bounce that returns a message with a valid tag. */
export function genuine(home: Home, size: number): string {
  const tag = signTag("greg@example.org", "<1@example.org>", {
    key: "k1",
    secret: SECRET,
    now: new Date(),
    nonce: tagNonce(crypto.getRandomValues(new Uint8Array(NONCE_BYTES))),
  });
  return fill(home, `in-${size}`, qsbmf("greg@example.org", `${SENT_HEADER}X-Msgauth: ${tag}\n\n`), size);
}

/** A bounce of a message that was not sent. */
export function forged(home: Home, size: number): string {
  const head = "From: greg@example.org\nMessage-ID: <lie@spam.example>\n\n";
  return fill(home, `forged-${size}`, qsbmf("greg@example.org", head), size);
}

const HEAD = "From: MAILER-DAEMON@mx.example.net\nTo: greg@example.org\nSubject: failure notice\n" +
  "Message-ID: <2@mx.example.net>\nMIME-Version: 1.0\n";
const REPORT = `${HEAD}Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n`;
const PARTS = 10_000;

/** Forged bounces crafted to take much time or memory. */
export function hostile(home: Home): [name: string, file: string][] {
  const nested = Array.from(
    { length: PARTS },
    (_, n) => `--b${n}\nContent-Type: multipart/mixed; boundary=b${n + 1}\n\n`,
  ).join("");
  const fields = Array.from({ length: 100_000 }, (_, n) => `X:${n}\n`).join("");
  const side = `--b\nContent-Type: message/rfc822\n\nMessage-ID: <x@y>\n\nx\n`;
  const mixed = (boundary: string) => `${HEAD}Content-Type: multipart/mixed; boundary=${boundary}\n\n`;
  return [
    ["10 MB of bare newlines", fill(home, "newlines-10", REPORT, 10_000_000, "\n")],
    ["100 MB of bare newlines", fill(home, "newlines-100", REPORT, 100_000_000, "\n")],
    ["a header line of 64 MB", fill(home, "line", `${HEAD}X-Long: `, 64_000_000, "x")],
    ["100,000 header fields", home.write("fields", `${HEAD}${fields}\nx\n`)],
    ["10,000 nested MIME parts", home.write("nested", mixed("b0") + nested)],
    ["10,000 MIME parts, side by side", home.write("side", mixed("b") + side.repeat(PARTS))],
    ["10 MB of NULs", fill(home, "nuls", REPORT, 10_000_000, "\0")],
    ["10 MB of NULs in a header line", fill(home, "nul-line", `${HEAD}X-Nul: `, 10_000_000, "\0")],
  ];
}
