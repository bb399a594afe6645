/** Shared by the tests with real programs: snippets of contrib/, sent messages, and incoming mail. */
import assert from "node:assert/strict";
import { fieldOf, Home, qsbmf, ROOT } from "../rig.ts";

/** Paths in the snippets, and the paths in a checkout. */
const PLACES = {
  "/usr/local/lib/countersign/hooks/incoming": `${ROOT}/hooks/incoming`,
  "/usr/local/bin/shim": `${ROOT}/shim/shim`,
};

/** A file of contrib/ with its paths replaced, by `places` or else by the paths of the checkout. */
export function snippet(name: string, places: Record<string, string> = {}): string {
  const text = Deno.readTextFileSync(`${ROOT}/contrib/${name}`);
  let out = text;
  for (const [from, to] of Object.entries({ ...PLACES, ...places })) out = out.replaceAll(from, to);
  assert.notEqual(out, text, `${name} contains no path of Countersign, so nothing would be tested`);
  return out;
}

/** Replaces the hook's path in a snippet. */
export function withHook(path: string): Record<string, string> {
  return { "/usr/local/lib/countersign/hooks/incoming": path };
}

/**
 * Writes a .procmailrc. It begins with the variables of a user's file: procmail does not use HOME and PATH of its
 * caller.
 */
export function procmailrc(home: Home, text: string): string {
  const top = `HOME=${home.path}
PATH=${home.path}/bin:/usr/bin:/bin
DENO_DIR=${home.env["DENO_DIR"]}
MAILDIR=${home.path}/Maildir
DEFAULT=${home.path}/Maildir/
LOGFILE=${home.path}/procmail.log
SENDMAIL=/bin/false
`;
  return home.write(".procmailrc", top + text, 0o600);
}

/**
 * Writes a .mailfilter. It begins with the variables of a user's file: maildrop does not use those of its caller,
 * either.
 */
export function mailfilter(home: Home, text: string): string {
  const top = `HOME="${home.path}"\nPATH="${home.path}/bin:/usr/bin:/bin"\nDEFAULT="$HOME/Maildir"\n`;
  return home.write(".mailfilter", top + text, 0o600);
}

/** greg's home with an inbox and a spam folder; `incoming` is added to this table of the settings. */
export function gregsHome(incoming = ""): Home {
  const home = new Home();
  home.settings(settings(home, incoming));
  for (const folder of ["Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"]) {
    Deno.mkdirSync(`${home.path}/${folder}`);
  }
  for (const folder of ["", "/tmp", "/new", "/cur"]) Deno.mkdirSync(`${home.path}/Maildir/.Spam${folder}`);
  return home;
}

/** The settings of {@link gregsHome}. Paths are absolute, because procmail and maildrop may change HOME. */
export function settings(home: Home, incoming = ""): string {
  return `[transport]
via = "maildir"
maildir = "${home.path}/out"

[incoming]
spam = "${home.path}/Maildir/.Spam"
${incoming}
`;
}

/** A message that was sent through the shim, and its envelope sender. */
export interface Sent {
  mail: string;
  sender: string;
}

/** Sends a message to a nonexistent recipient. `body` may be large. */
export async function send(home: Home, body = "At one?\n"): Promise<Sent> {
  const written = `From: Greg <greg@example.org>\nTo: nobody@mx.example.net\nSubject: Lunch?\n\n${body}`;
  const ran = await home.shim(["--", "nobody@mx.example.net"], written);
  assert.equal(ran.code, 0, ran.stderr);
  const mail = home.mails("out").at(-1)!;
  Deno.removeSync(`${home.path}/out`, { recursive: true });
  return { mail, sender: fieldOf(mail, "Return-Path").replace(/[<>]/g, "") };
}

/** A bounce to greg's plain address of a message that greg did not send. */
export const FORGED = qsbmf(
  "greg@example.org",
  "From: greg@example.org\nMessage-ID: <lie@spam.example>\nSubject: Pills\n\nBuy!\n",
);

/** Settings with which such a bounce is only marked, and settings with which it is filed. */
export const SUSPECT: readonly [what: string, top: string, incoming: string, result: "suspect" | "forged"][] = [
  ["during the grace period", `since = ${new Date().toISOString().slice(0, 10)}`, "", "suspect"],
  ["forged = mark", "", 'forged = "mark"', "suspect"],
  ["default settings", "", "", "forged"],
];

/** An SRS address in greg's SRS domain with an invalid signature. */
export const FORGED_SRS = "SRS0=AAAAAAAA=AA=example.org=greg@srs.example.org";

/** A message from a person. */
export const ORDINARY = `Received: from friend.example by mx.example.org; 20 Nov 2026 05:32:58 -0000
From: Friend <friend@friend.example>
To: greg@example.org
Message-ID: <hello@friend.example>
Subject: Hello

From here on, a line that begins with From.
.
`;

/** The message with the envelope fields that preline, or Postfix's local(8), adds at the top. */
export function withEnvelope(message: string, sender = "", recipient = "greg@example.org"): string {
  return `Return-Path: <${sender}>\nDelivered-To: ${recipient}\n${message}`;
}

/** A megabyte of text: more than a pipe can buffer, and more than the hook inspects. */
export const MEGABYTE = (`${"all work and no play ".repeat(3)}\n`).repeat(16_384);

/** The messages in the inbox and in the spam folder. */
export function mailsIn(home: Home): { inbox: string[]; spam: string[] } {
  return { inbox: home.mails("Maildir"), spam: home.mails("Maildir/.Spam") };
}

/** Asserts the numbers of messages in both. */
export function assertCounts(home: Home, inbox: number, spam: number, why = ""): void {
  const mails = mailsIn(home);
  assert.deepEqual({ inbox: mails.inbox.length, spam: mails.spam.length }, { inbox, spam }, why);
}

/** Removes all mail. */
export function removeMail(home: Home): void {
  for (const folder of ["Maildir/new", "Maildir/.Spam/new"]) {
    for (const { name } of Deno.readDirSync(`${home.path}/${folder}`)) {
      Deno.removeSync(`${home.path}/${folder}/${name}`);
    }
  }
}

/** Makes the settings invalid, so that every hook must defer. */
export function breakSettings(home: Home): void {
  home.settings("nonsense = [", "");
}

/**
 * Replaces Deno by a program that copies the beginning of its input, if any, to its output and is killed. The launcher
 * is the real one.
 */
export function crashDeno(home: Home, writes = 0): void {
  Deno.removeSync(`${home.path}/bin/deno`);
  home.write("bin/deno", `#!/bin/sh\nhead -c ${writes}\ncat >/dev/null\nkill -9 $$\n`, 0o755);
}

/** Writes a hook that only creates a file. @returns its path for a snippet */
export function markingHook(home: Home): Record<string, string> {
  return withHook(home.write("bin/marker", `#!/bin/sh\n: >${home.path}/started\nexec cat\n`, 0o755));
}

/** Whether the hook of {@link markingHook} was started since the last call. */
export function wasStarted(home: Home): boolean {
  try {
    Deno.removeSync(`${home.path}/started`);
    return true;
  } catch {
    return false;
  }
}

/** Envelopes, and whether the hook must be started for them. */
export const ENVELOPES: readonly [sender: string, recipient: string, starts: boolean][] = [
  ["friend@friend.example", "greg@example.org", false],
  ["list-return-12-greg=example.org@lists.example", "GREG@Example.ORG", false],
  ["owner-list@lists.example", "greg+x@example.org", false],
  ["", "greg@example.org", true],
  ["#@[]", "greg@example.org", true],
  ["mailer-daemon@mx.example.net", "greg@example.org", true],
  ["Mailer-DAEMON@mx.example.net", "greg@example.org", true],
  ["MAILER-DAEMON", "greg@example.org", true],
  ["friend@friend.example", FORGED_SRS, true],
  ["friend@friend.example", FORGED_SRS.toLowerCase(), true],
  ["friend@friend.example", `greg-srs-${FORGED_SRS}`, true],
  ["friend@friend.example", `"${FORGED_SRS.replace("@", '"@')}`, true],
  ["friend@friend.example", "SRS1+AAAA=c.example==AAAA=BB=example.org=greg@srs.example.org", true],
  ["friend@friend.example", "nobody@SRS.example.org", true],
  ["friend@friend.example", "prvs=0123abcdef=greg@example.org", true],
  ["friend@friend.example", "PRVS=0123ABCDEF=greg@example.org", true],
  ["friend@friend.example", "greg+prvs=0123abcdef@example.org", true],
  ["friend@friend.example", '"\\prvs=0123abcdef=greg"@example.org', true],
];
