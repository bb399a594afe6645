/** A home for mail clients, whose injector records what the shim sends, and assertions about these messages. */
import assert from "node:assert/strict";
import { srsReverse, verifyTag } from "../../mod.ts";
import { fieldOf, Home, SECRET } from "../rig.ts";

/** A body that programs may damage: a lone dot, a line that begins with From, UTF-8. */
export const BODY = "At one?\n.\nFrom here on: Grüße\n";

/** To, Cc and Bcc of the messages, in the order in which every program passes them. */
export const TO = "nobody@mx.example.net";
export const CC = "copy@mx.example.net";
export const BCC = "hidden@mx.example.net";
export const ALL = [TO, CC, BCC];

/** A message as the injector got it. */
export interface Injected {
  argv: string[];
  mail: string;
}

/** greg's home. The injector accepts every message until its status is changed. */
export class Desk extends Home {
  constructor() {
    super();
    // mkdir is atomic, so every run gets its own number.
    const injector = `#!/bin/sh
n=0
until mkdir "${this.path}/injected.$n" 2>/dev/null; do n=$((n + 1)); done
for word; do printf '%s\\n' "$word"; done >"${this.path}/injected.$n/argv"
cat >"${this.path}/injected.$n/mail"
exit "$(cat "${this.path}/injector-status")"
`;
    this.write("bin/injector", injector, 0o755);
    Object.assign(this.env, { LC_ALL: "C.UTF-8", SHELL: "/bin/sh" });
    this.fix();
  }

  /** Writes valid settings, and makes the injector succeed. */
  fix(more = ""): void {
    this.settings(`${more}\n[transport]\npreset = "sendmail"\ncommand = ["${this.path}/bin/injector"]\n`);
    this.write("injector-status", "0\n");
  }

  /** The messages that the injector got, oldest first. */
  injected(): Injected[] {
    const out: Injected[] = [];
    for (let argv; (argv = this.read(`injected.${out.length}/argv`)) !== "";) {
      const mail = this.read(`injected.${out.length}/mail`);
      out.push({ argv: argv.trimEnd().split("\n"), mail });
    }
    return out;
  }
}

/** Failures of the shim, with its exit status and error message. `reached`: the injector was run. */
export const FAILURES: { what: string; code: number; message: RegExp; reached: boolean; fail: (desk: Desk) => void }[] =
  [
    {
      what: "invalid settings: 78",
      code: 78,
      message: /shim: \S*config\.toml:\d+: /,
      reached: false,
      fail: (desk) => desk.settings("nonsense = ["),
    },
    {
      what: "the injector exits 75",
      code: 75,
      message: /shim: \S*injector exited with status 75/,
      reached: true,
      fail: (desk) => {
        desk.write("injector-status", "75\n");
      },
    },
  ];

const secrets = { k1: SECRET };

/** Asserts that a message has exactly these recipients, greg's SRS sender and a valid tag. @returns the message */
export function assertSigned({ argv, mail }: Injected, recipients: readonly string[] = ALL): string {
  assert.deepEqual([argv.slice(0, 2), argv.slice(3)], [["-i", "-f"], ["--", ...recipients]]);
  const sender = argv[2]!;
  assert.match(sender, /^SRS0=[\w-]{8}=[A-Z2-7]{2}=example\.org=greg@srs\.example\.org$/);
  assert.equal(srsReverse(sender, { secrets: [SECRET], alphabet: "base64url", now: new Date() }), "greg@example.org");
  assert.equal(mail.match(/^X-Msgauth:/gm)?.length, 1);
  verifyTag(fieldOf(mail, "X-Msgauth"), "greg@example.org", fieldOf(mail, "Message-ID"), { secrets, now: new Date() });
  assert.doesNotMatch(mail.split("\n\n")[0]!, /^(?:Resent-)?Bcc:/im);
  assert.doesNotMatch(mail, /\r/);
  return mail;
}

/** Asserts that exactly one message was sent, and that it is signed. @returns the message */
export function onlySigned(desk: Desk, recipients: readonly string[] = ALL): string {
  const all = desk.injected();
  assert.equal(all.length, 1);
  return assertSigned(all[0]!, recipients);
}

/** Asserts how often the injector was run by a shim that failed. */
export function assertAttempts(desk: Desk, attempts: number): void {
  assert.equal(desk.injected().length, attempts);
}

/** The text as a reader sees it, without surrounding empty lines. */
export async function textOf(mail: string): Promise<string> {
  const { default: PostalMime } = await import("postal-mime");
  return `${(await PostalMime.parse(mail)).text!.trim()}\n`;
}
