/**
 * A replacement for qmail-local, which Debian does not have: environment, umask, seekable standard input rewound for
 * each line, /bin/sh -c, working directory and exit statuses are those of notqmail 1.09, as measured. Unlike
 * qmail-local it creates a missing maildir, for which qmail-local defers, and knows neither mbox files, `+list` nor
 * -owner files.
 */
import type { Home, Ran } from "./home.ts";

/** The result of a delivery. */
export interface Delivered {
  /** `success`, `defer` (stays in the queue) or `bounce` (the sender is notified). */
  end: "success" | "defer" | "bounce";
  /** Addresses of forward lines. */
  forwards: string[];
  runs: Ran[];
}

/** The envelope of a delivery to this user. */
export interface Letter {
  sender: string;
  /** The part of the local part after `user-`; empty for the plain address. */
  ext: string;
  host: string;
  user?: string;
}

/**
 * Finds the recipient of an address as qmail-send does, by a line of control/virtualdomains or else as a local address.
 */
export function routed(address: string, virtualdomains: string): Required<Omit<Letter, "sender">> {
  const [domain, target] = virtualdomains.trim().split(":") as [string, string];
  const at = address.lastIndexOf("@");
  const [local, host] = [address.slice(0, at), address.slice(at + 1)];
  const [user, ...ext] = (host.toLowerCase() === domain ? `${target}-${local}` : local).split("-") as [string];
  return { user, ext: ext.join("-"), host };
}

/** How qmail-local is started for this user. */
export interface Started {
  /** The home directory as in the password file, if it differs from the real path of the working directory. */
  home?: string;
  /** A program with arguments that runs the line as another user. */
  by?: readonly string[];
}

const HARD = new Set([100, 64, 65, 70, 76, 77, 78, 112]);

/** Delivers a message to the user of this home by the dot-qmail files. */
export async function qmailLocal(
  home: Home,
  letter: Letter,
  message: string,
  started: Started = {},
): Promise<Delivered> {
  const { sender, ext, host, user = "greg" } = letter;
  const found = lookUp(home, ext);
  if (found === undefined) return { end: "bounce", forwards: [], runs: [] };
  const local = ext === "" ? user : `${user}-${ext}`;
  const dashes = ext.split("-");
  const dots = host.split(".");
  const env: Record<string, string> = {
    SENDER: sender,
    NEWSENDER: sender,
    RECIPIENT: `${local}@${host}`,
    LOCAL: local,
    USER: user,
    HOST: host,
    EXT: ext,
    ...Object.fromEntries([2, 3, 4].flatMap((nth) => [
      [`HOST${nth}`, dots.slice(0, Math.max(1, dots.length - nth + 1)).join(".")],
      [`EXT${nth}`, dashes.slice(nth - 1).join("-")],
    ])),
    DTLINE: `Delivered-To: ${local}@${host}\n`,
    RPLINE: `Return-Path: <${sender}>\n`,
    UFLINE: `From ${sender || "MAILER-DAEMON"} Fri Nov 20 05:32:58 2026\n`,
    ...(found.rest === undefined ? {} : { DEFAULT: found.rest }),
    ...(started.home === undefined ? {} : { HOME: started.home }),
  };
  const out: Delivered = { end: "success", forwards: [], runs: [] };
  if (`\n${message.split("\n\n")[0]}\n`.includes(`\n${env.DTLINE}`)) return { ...out, end: "bounce" }; // a loop
  if (found.lines[0] === "") return { ...out, end: "defer" };
  const queued = home.write(".queue", message, 0o644);
  for (const line of found.lines) {
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("|")) {
      const ran = await command(home, [...started.by ?? [], "/bin/sh"], line.slice(1), env, queued);
      out.runs.push(ran);
      if (ran.code === 99) break;
      if (ran.code !== 0) return { ...out, forwards: [], end: HARD.has(ran.code) ? "bounce" : "defer" };
    } else if (/^[./]/.test(line)) {
      const maildir = line.replace(/^\.\//, `${home.path}/`).replace(/\/$/, "");
      Deno.mkdirSync(`${maildir}/new`, { recursive: true });
      const name = `${maildir}/new/${Date.now()}.${crypto.randomUUID()}`;
      Deno.writeTextFileSync(name, env.RPLINE! + env.DTLINE! + Deno.readTextFileSync(queued));
    } else out.forwards.push(line.replace(/^&/, ""));
  }
  return out;
}

/** Runs a line; a shell opens the queue file for each line, so that it is seekable and at its beginning. */
async function command(
  home: Home,
  shell: readonly string[],
  program: string,
  env: Record<string, string>,
  queued: string,
): Promise<Ran> {
  const wrapped = [...shell, "-c", 'umask 077; exec /bin/sh -c "$0" <"$1" 2>&1', program, queued];
  return await home.run(wrapped, "", env);
}

/** Finds the dot-qmail file of an extension: in lower case, with colons for dots, else each -default (dot-qmail(5)). */
function lookUp(home: Home, ext: string): { lines: string[]; rest: string | undefined } | undefined {
  const safe = ext.toLowerCase().replaceAll(".", ":");
  const text = (name: string): string | undefined => {
    try {
      return Deno.readTextFileSync(`${home.path}/${name}`);
    } catch {
      return undefined;
    }
  };
  // Only an empty file stands for the default delivery: one with nothing but comments discards the message.
  const lines = (content: string) =>
    content === "" ? ["./Maildir/"] : content.replace(/\n$/, "").split("\n").map((line) => line.replace(/[ \t]+$/, ""));
  const own = text(ext === "" ? ".qmail" : `.qmail-${safe}`);
  if (own !== undefined || ext === "") return { lines: lines(own ?? ""), rest: undefined };
  for (let at = safe.length; at >= 0; at--) {
    if (at > 0 && safe[at - 1] !== "-") continue;
    const content = text(`.qmail-${safe.slice(0, at)}default`);
    if (content !== undefined) return { lines: lines(content), rest: ext.slice(at) };
  }
  return undefined;
}
