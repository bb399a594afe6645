/** What the tests with real programs share: snippets of contrib/, one message that went out, and what comes in. */
import assert from "node:assert/strict";
import { fieldOf, Home, qsbmf, ROOT } from "../rig.ts";

/** Paths in the snippets, and where a checkout has them. */
const PLACES = {
  "/usr/local/lib/countersign/hooks/incoming": `${ROOT}/hooks/incoming`,
  "/usr/local/bin/shim": `${ROOT}/shim/shim`,
};

/** A file of contrib/ as it stands there, its paths replaced; `places` come before the checkout's. */
export function snippet(name: string, places: Record<string, string> = {}): string {
  const text = Deno.readTextFileSync(`${ROOT}/contrib/${name}`);
  let out = text;
  for (const [from, to] of Object.entries({ ...PLACES, ...places })) out = out.replaceAll(from, to);
  assert.notEqual(out, text, `${name} names no path of ours: nothing would be tested`);
  return out;
}

/** The hook's path in a snippet, replaced by something else. */
export function hookIs(path: string): Record<string, string> {
  return { "/usr/local/lib/countersign/hooks/incoming": path };
}

/** greg's home with an inbox and a spam folder; `incoming` goes into that table of the settings. */
export function gregsHome(incoming = ""): Home {
  const home = new Home();
  home.settings(settings(home, incoming));
  for (const folder of ["Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"]) {
    Deno.mkdirSync(`${home.path}/${folder}`);
  }
  for (const folder of ["", "/tmp", "/new", "/cur"]) Deno.mkdirSync(`${home.path}/Maildir/.Spam${folder}`);
  return home;
}

/** The settings of {@link gregsHome}. HOME is not to be relied on under procmail and maildrop. */
export function settings(home: Home, incoming = ""): string {
  return `[transport]
via = "maildir"
maildir = "${home.path}/out"

[incoming]
spam = "${home.path}/Maildir/.Spam"
${incoming}
`;
}

/** A message that went out through the shim, and the envelope sender it got. */
export interface Sent {
  mail: string;
  sender: string;
}

/** greg writes to somebody who is not there. `body` may be large. */
export async function send(home: Home, body = "At one?\n"): Promise<Sent> {
  const written = `From: Greg <greg@example.org>\nTo: nobody@mx.example.net\nSubject: Lunch?\n\n${body}`;
  const ran = await home.shim(["--", "nobody@mx.example.net"], written);
  assert.equal(ran.code, 0, ran.stderr);
  const mail = home.mails("out").at(-1)!;
  Deno.removeSync(`${home.path}/out`, { recursive: true });
  return { mail, sender: fieldOf(mail, "Return-Path").replace(/[<>]/g, "") };
}

/** A bounce of what greg never wrote, to his plain address. */
export const FORGED = qsbmf(
  "greg@example.org",
  "From: greg@example.org\nMessage-ID: <lie@spam.example>\nSubject: Pills\n\nBuy!\n",
);

/** Settings with which the same is only marked, and one with which it is not: top, `[incoming]`, the result. */
export const SUSPECT: readonly [what: string, top: string, incoming: string, result: "suspect" | "forged"][] = [
  ["in the first days", `since = ${new Date().toISOString().slice(0, 10)}`, "", "suspect"],
  ["forged = mark", "", 'forged = "mark"', "suspect"],
  ["neither", "", "", "forged"],
];

/** An SRS address in greg's SRS domain that greg did not make. */
export const FORGED_SRS = "SRS0=AAAAAAAA=AA=example.org=greg@srs.example.org";

/** A person's message. */
export const ORDINARY = `Received: from friend.example by mx.example.org; 20 Nov 2026 05:32:58 -0000
From: Friend <friend@friend.example>
To: greg@example.org
Message-ID: <hello@friend.example>
Subject: Hello

From here on, a line that begins with From.
.
`;

/** The lines that preline, or Postfix's local(8), puts in front: they tell the envelope. */
export function withEnvelope(message: string, sender = "", recipient = "greg@example.org"): string {
  return `Return-Path: <${sender}>\nDelivered-To: ${recipient}\n${message}`;
}

/** A megabyte of text: more than a pipe holds, more than a hook looks into. */
export const MEGABYTE = (`${"all work and no play ".repeat(3)}\n`).repeat(16_384);

/** What is in the inbox and in the spam folder. */
export function found(home: Home): { inbox: string[]; spam: string[] } {
  return { inbox: home.mails("Maildir"), spam: home.mails("Maildir/.Spam") };
}

/** Exactly this many messages in each. */
export function counts(home: Home, inbox: number, spam: number, why = ""): void {
  const { inbox: here, spam: there } = found(home);
  assert.deepEqual({ inbox: here.length, spam: there.length }, { inbox, spam }, why);
}

/** Takes all mail away. */
export function empty(home: Home): void {
  for (const folder of ["Maildir/new", "Maildir/.Spam/new"]) {
    for (const { name } of Deno.readDirSync(`${home.path}/${folder}`)) {
      Deno.removeSync(`${home.path}/${folder}/${name}`);
    }
  }
}

/** Breaks the settings, so that every hook has to say "later". */
export function breakSettings(home: Home): void {
  home.settings("nonsense = [", "");
}

/**
 * In place of Deno: a program that writes the beginning of its input, or
 * nothing, and is killed. The launcher in front of it is the real one.
 */
export function denoDies(home: Home, writes = 0): void {
  Deno.removeSync(`${home.path}/bin/deno`);
  home.write("bin/deno", `#!/bin/sh\nhead -c ${writes}\ncat >/dev/null\nkill -9 $$\n`, 0o755);
}

/** Writes a hook that only leaves a file behind; its place in a snippet. */
export function hookTells(home: Home): Record<string, string> {
  return hookIs(home.write("bin/tells", `#!/bin/sh\n: >${home.path}/started\nexec cat\n`, 0o755));
}

/** Was the hook of {@link hookTells} started? */
export function started(home: Home): boolean {
  try {
    Deno.removeSync(`${home.path}/started`);
    return true;
  } catch {
    return false;
  }
}

/** Envelopes, and whether the hook has to see them. */
export const WHO_STARTS: readonly [sender: string, recipient: string, starts: boolean][] = [
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
