/**
 * A driver in place of qmail-smtpd, which Debian does not have. It starts QMAILQUEUE as qmail_open() in qmail.c of notqmail
 * 1.09 and netqmail 1.06 does, and returns the reply that qmail-smtpd gives to DATA. FIFOs take the place of pipes,
 * because Deno cannot give a child a pipe on any descriptor.
 *
 * - The message is on descriptor 0 and the envelope on 1 (qmail_open, qmail_from: the pipe of the message is closed before
 *   the envelope is written).
 * - notqmail has a pipe on descriptor 6, and reads at most 255 bytes of it before it waits (qmail_errstr, qmail_close);
 *   they count only with status 82, and if there are more than two. netqmail has no such descriptor.
 * - The working directory is that of qmail (chdir(auto_qmail)), and there are no arguments (binqqargs).
 * - SIGPIPE is ignored, because qmail-smtpd calls sig_pipeignore().
 * - Statuses from 11 to 40 are permanent, all others temporary; a signal is temporary (qmail_close).
 */
import { decodeLatin1 } from "../../lib/bytes.ts";
import type { Home } from "../rig.ts";

/** A message as qmail-smtpd passes it on; strings are Latin-1, one character per byte. */
export interface QueuedMail {
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly message: Uint8Array;
}

/** How qmail-smtpd behaves. */
export interface SmtpdOptions {
  /** With descriptor 6, as notqmail; without, as netqmail. */
  readonly notqmail?: boolean;
  /** The client disconnects in the middle: the envelope is never written (qmail_fail). */
  readonly fails?: boolean;
  /** Kills QMAILQUEUE some milliseconds after it was started. */
  readonly kill?: { readonly signal: Deno.Signal; readonly after: number };
  readonly env?: Record<string, string>;
}

/** The outcome. */
export interface Queued {
  readonly code: number;
  /** The reply to the client, as smtp_data() in qmail-smtpd.c writes it. */
  readonly reply: string;
  readonly stderr: string;
}

let number = 0;

/** Passes a message to a QMAILQUEUE. */
export async function qmailSmtpd(
  home: Home,
  queue: string,
  { sender, recipients, message }: QueuedMail,
  { notqmail = true, fails = false, kill, env = {} }: SmtpdOptions = {},
): Promise<Queued> {
  const folder = `${home.path}/smtpd.${number++}`;
  Deno.mkdirSync(folder);
  const [m, e, r] = ["message", "envelope", "error"].map((name) => `${folder}/${name}`) as [string, string, string];
  new Deno.Command("mkfifo", { args: [m, e, r] }).outputSync();
  const line = notqmail ? 'exec "$0" <"$1" 1<"$2" 6>"$3"' : 'exec "$0" <"$1" 1<"$2"';
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", `trap "" PIPE; ${line}`, queue, m, e, r],
    cwd: home.path,
    clearEnv: true,
    env: { PATH: `${home.path}/bin:/usr/bin:/bin`, ...home.env, ...env },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  const envelope = [`F${sender}\0`, ...recipients.map((one) => `T${one}\0`), "\0"].join("");
  // Each is opened when the shell opens the other end, in its order.
  const error = notqmail ? Deno.readFile(r) : Promise.resolve(new Uint8Array());
  const [one, two] = [Deno.open(m, { write: true }), Deno.open(e, { write: true })];
  const [open, other] = [await one, await two];
  const timer = kill && setTimeout(() => {
    try {
      child.kill(kill.signal);
    } catch {
      // It has exited.
    }
  }, kill.after);
  // A shell that is killed before it opens the last FIFO leaves its reader waiting for a writer.
  const released = output.then(() => notqmail && Deno.openSync(r, { read: true, write: true }).close());
  await write(open, message);
  await write(other, fails ? new Uint8Array() : Uint8Array.from(envelope, (c) => c.charCodeAt(0)));
  const text = new TextDecoder().decode((await error).subarray(0, 255));
  const { code, signal, stderr } = await output;
  await released;
  clearTimeout(timer);
  Deno.removeSync(folder, { recursive: true });
  const result = signal !== null ? "Zqq crashed (#4.3.0)" : resultOf(code, text);
  const reply = result === "" ? "250 ok" : `${result.startsWith("D") ? "554" : "451"} ${result.slice(1)}`;
  return { code, reply, stderr: new TextDecoder().decode(stderr) };
}

async function write(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  } catch {
    // qmail_put sets flagerr.
  } finally {
    file.close();
  }
}

/** The switch in qmail_close(). */
function resultOf(code: number, text: string): string {
  if (code === 0) return "";
  if (code === 31) return "Dmail server permanently rejected message (#5.3.0)";
  if (code === 53) return "Zqq write error or disk full (#4.3.0)";
  if (code === 54) return "Zqq read error (#4.3.0)";
  if (code === 71) return "Zmail server temporarily rejected message (#4.3.0)";
  if (code === 81 || code === 91) return "Zqq internal bug (#4.3.0)";
  if (code === 82 && text.length > 2) return text;
  return code >= 11 && code <= 40 ? "Dqq permanent problem (#5.3.0)" : "Zqq temporary problem (#4.3.0)";
}

/**
 * Writes a program in place of qmail-queue(8), which stores what it gets below queue/: it exits 54 if there is no complete
 * envelope, and then keeps nothing. A message is queued by a rename, as in qmail.
 */
export function queueStub(home: Home): string {
  Deno.mkdirSync(`${home.path}/queue`, { recursive: true });
  return home.write(
    "bin/qmail-queue",
    `#!/bin/sh
at=$(/usr/bin/mktemp "${home.path}/queue/XXXXXXXXXX") || exit 53
cat >"$at.n" || exit 53
cat <&1 >"$at.e" || exit 54
[ "$(tail -c 2 "$at.e" | od -An -tx1)" = " 00 00" ] || { rm "$at"*; exit 54; }
mv "$at.n" "$at.m"
rm "$at"
`,
    0o755,
  );
}

/** The messages and envelopes in the queue of {@link queueStub}. */
export function queued(home: Home): { name: string; message: Uint8Array; envelope: string }[] {
  const folder = `${home.path}/queue`;
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".m"));
  return names.map((name) => ({
    name,
    message: Deno.readFileSync(`${folder}/${name}`),
    envelope: decodeLatin1(Deno.readFileSync(`${folder}/${name.replace(/m$/, "e")}`)),
  }));
}
