/** Where greg writes mail: a home whose injector writes down what the shim hands over, and how a message must look. */
import assert from "node:assert/strict";
import { srsReverse, verifyTag } from "../../mod.ts";
import { fieldOf, Home, SECRET } from "../rig.ts";

/** A body that programs like to damage: a lone dot, a line that begins with From, UTF-8. */
export const BODY = "At one?\n.\nFrom here on: Grüße\n";

/** To, Cc and Bcc of the tests' messages, in the order in which every program names them. */
export const TO = "nobody@mx.example.net";
export const CC = "copy@mx.example.net";
export const BCC = "hidden@mx.example.net";
export const ALL = [TO, CC, BCC];

/** What the injector was given. */
export interface Injected {
  argv: string[];
  mail: string;
}

/** greg's home; the injector takes everything until `fails` says otherwise. */
export class Desk extends Home {
  constructor() {
    super();
    // mkdir gives every run its own number.
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

  /** Settings and injector are in order. */
  fix(more = ""): void {
    this.settings(`${more}\n[transport]\npreset = "sendmail"\ncommand = ["${this.path}/bin/injector"]\n`);
    this.write("injector-status", "0\n");
  }

  /** What was handed over, oldest first. */
  injected(): Injected[] {
    const out: Injected[] = [];
    for (let argv; (argv = this.read(`injected.${out.length}/argv`)) !== "";) {
      const mail = this.read(`injected.${out.length}/mail`);
      out.push({ argv: argv.trimEnd().split("\n"), mail });
    }
    return out;
  }
}

/** The ways to fail, and what the shim says; it ends with `code`. `reached`: the injector was asked. */
export const FAILURES: { what: string; code: number; said: RegExp; reached: boolean; fail: (desk: Desk) => void }[] = [
  {
    what: "settings broken: 78",
    code: 78,
    said: /shim: \S*config\.toml:\d+: /,
    reached: false,
    fail: (desk) => desk.settings("nonsense = ["),
  },
  {
    what: "the injector says 75",
    code: 75,
    said: /shim: \S*injector exited with status 75/,
    reached: true,
    fail: (desk) => {
      desk.write("injector-status", "75\n");
    },
  },
];

const secrets = { k1: SECRET };

/** The message went to exactly these, with an SRS sender that is ours and a tag that verifies. @returns the message */
export function left({ argv, mail }: Injected, recipients: readonly string[] = ALL): string {
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

/** Exactly one message left, as `left` has it. */
export function oneLeft(desk: Desk, recipients: readonly string[] = ALL): string {
  const all = desk.injected();
  assert.equal(all.length, 1);
  return left(all[0]!, recipients);
}

/** Nobody took a message: the injector was not asked, or refused. */
export function nothingLeft(desk: Desk, asked: number): void {
  assert.equal(desk.injected().length, asked);
}

/** The text as a reader sees it, without empty lines around it. */
export async function textOf(mail: string): Promise<string> {
  const { default: PostalMime } = await import("postal-mime");
  return `${(await PostalMime.parse(mail)).text!.trim()}\n`;
}
