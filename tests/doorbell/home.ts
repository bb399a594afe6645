/** A home with a service behind svc@example.org, and helpers that write to it and read what it did. */
import assert from "node:assert/strict";
import { CREATED, Home, ROOT } from "../rig.ts";

export const SVC = "svc@example.org";
export const ANN = "ann@friend.example";

/** A home whose service runs a program that records what it gets; `more` are settings of the service. */
export function serviceHome(more = "", rest = ""): Home {
  const home = new Home();
  home.write(".config/countersign/doorbell-keys", `k1 ${CREATED} a secret of the doorbell\n`, 0o600);
  home.settings(
    `[transport]\nvia = "maildir"\nmaildir = "${home.path}/out"\n${rest}\n` +
      `[[doorbell]]\nname = "svc"\naddress = "${SVC}"\n${more}\n`,
  );
  program(home);
  return home;
}

/** Writes the program; it appends a line to `runs`, and copies its input. `then` ends it. */
export function program(home: Home, then = "exit 0"): string {
  return home.write(
    "subscribe",
    `#!/bin/sh\necho "$DOORBELL $DOORBELL_ADDRESS $SENDER" >>"$HOME/runs"\ncat >"$HOME/got"\n${then}\n`,
    0o755,
  );
}

/** The lines that the program has written. */
export const runs = (home: Home): string[] => home.read("runs").split("\n").slice(0, -1);

/** A request. */
export const request = (from = ANN, more = "") =>
  `From: Ann <${from}>\nTo: ${SVC}\nSubject: subscribe me\nDate: Fri, 20 Nov 2026 05:32:58 +0000\n` +
  `Message-ID: <request@friend.example>\n${more}\nPlease subscribe me.\n`;

/** A reply to a challenge. */
export const reply = (to: string, from = ANN, more = "") =>
  `From: Ann <${from}>\nTo: ${to}\nSubject: Re: subscribe me\nMessage-ID: <${crypto.randomUUID()}@friend.example>\n${more}\nYes.\n`;

/** Delivers to the service as qmail does. */
export function ring(home: Home, sender: string, recipient: string, mail: string, args = command(home)) {
  const [local, host] = recipient.split("@") as [string, string];
  const env = { SENDER: sender, RECIPIENT: recipient, LOCAL: local, HOST: host, EXT: local };
  return home.doorbell(args, mail, env);
}

export const command = (home: Home) => ["--service", "svc", "--", `${home.path}/subscribe`];

/** The address in the Reply-To field of a challenge. */
export const replyTo = (challenge: string): string => /^Reply-To: (.*)$/m.exec(challenge)![1]!;

/** Sends a request that is held and challenged. @returns the address that confirms it */
export async function challenged(home: Home, mail = request(), sender = ANN): Promise<string> {
  assert.equal((await ring(home, sender, SVC, mail)).code, 99);
  return replyTo(home.mails("out").at(-1)!);
}

/** The files of the service in this state. */
export function filesIn(home: Home, state: string): string[] {
  try {
    return [...Deno.readDirSync(`${home.path}/.local/state/countersign/doorbell/svc/${state}`)].map(({ name }) => name);
  } catch {
    return [];
  }
}

/** The number of held messages. */
export const heldCount = (home: Home): number => filesIn(home, "held/new").length + filesIn(home, "held/cur").length;

export const LOG = ".local/state/countersign/log";

/** Runs `countersign doorbell`. */
export const manage = (home: Home, ...args: string[]) =>
  home.run([Deno.execPath(), "run", "-q", "-A", `${ROOT}/main.ts`, "countersign", "doorbell", ...args]);

/** The held messages, behind the field that describes them. */
export const heldTexts = (home: Home): string[] =>
  filesIn(home, "held/new").map((name) => home.read(`.local/state/countersign/doorbell/svc/held/new/${name}`));
