/**
 * A driver in place of qmail-smtpd, which Debian does not have. It starts QMAILQUEUE as qmail_open() in qmail.c of
 * notqmail 1.09 and netqmail 1.06 does, and returns the reply that qmail-smtpd gives to DATA, as compared with the real
 * notqmail 1.09. FIFOs take the place of pipes, because Deno cannot give a child a pipe on any descriptor.
 *
 * - The message is on descriptor 0 and the envelope on 1 (qmail_open, qmail_from: the pipe of the message is closed
 *   before the envelope is written).
 * - notqmail has a pipe on descriptor 6, and reads at most 255 bytes of it before it waits (qmail_errstr, qmail_close);
 *   they count only with status 82, and if there are more than two. netqmail has no such descriptor.
 * - The working directory is that of qmail (chdir(auto_qmail)), and there are no arguments (binqqargs).
 * - SIGPIPE is ignored, because qmail-smtpd calls sig_pipeignore().
 * - Statuses from 11 to 40 and 115 are permanent, all others temporary; a signal is temporary (qmail_close). 0 counts
 *   only if all of the message and the envelope could be written.
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
  /** The client sends too much, or disconnects in the middle: the envelope is never written (qmail_fail). */
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
  const written = [
    await write(open, message),
    await write(other, fails ? new Uint8Array() : Uint8Array.from(envelope, (c) => c.charCodeAt(0))),
  ];
  const text = new TextDecoder().decode((await error).subarray(0, 255));
  const { code, signal, stderr } = await output;
  await released;
  clearTimeout(timer);
  Deno.removeSync(folder, { recursive: true });
  const result = signal !== null ? "Zqq crashed (#4.3.0)" : resultOf(code, text, !fails && written.every((one) => one));
  const reply = result === "" ? "250 ok" : `${result.startsWith("D") ? "554" : "451"} ${result.slice(1)}`;
  return { code, reply, stderr: new TextDecoder().decode(stderr) };
}

/** Returns whether everything could be written; if not, qmail_put sets flagerr. */
async function write(file: Deno.FsFile, bytes: Uint8Array): Promise<boolean> {
  try {
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    return true;
  } catch {
    return false;
  } finally {
    file.close();
  }
}

/** The replies of notqmail 1.09 to the statuses of qmail-queue(8) that have one of their own. */
const REPLIES: Record<number, string> = {
  11: "Denvelope address too long for qq (#5.1.3)",
  31: "Dmail server permanently rejected message (#5.3.0)",
  51: "Zqq out of memory (#4.3.0)",
  52: "Zqq timeout (#4.3.0)",
  53: "Zqq write error or disk full (#4.3.0)",
  54: "Zqq read error (#4.3.0)",
  61: "Zqq trouble in home directory (#4.3.0)",
  71: "Zmail server temporarily rejected message (#4.3.0)",
  81: "Zqq internal bug (#4.3.0)",
  91: "Zqq internal bug (#4.3.0)",
  115: "Denvelope address too long for qq (#5.1.3)",
  120: "Zunable to exec qq (#4.3.0)",
};

/** The result of qmail_close(). */
function resultOf(code: number, text: string, complete: boolean): string {
  if (code === 0) return complete ? "" : REPLIES[54]!;
  if (code === 82 && text.length > 2) return text;
  return REPLIES[code] ??
    (code >= 11 && code <= 40 ? "Dqq permanent problem (#5.3.0)" : "Zqq temporary problem (#4.3.0)");
}

/**
 * Writes a program in place of qmail-queue(8), which stores what it gets below queue/: it exits 54 if there is no
 * complete envelope, and then keeps nothing. A message is queued by a rename, as in qmail.
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
