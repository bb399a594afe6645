/** A site as in contrib/postfix: users with folders in place of homes, each with settings, key and maildir. */
import assert from "node:assert/strict";
import { srsForward } from "../../mod.ts";
import { signTag } from "../../lib/tag.ts";
import { CREATED, qsbmf, ROOT, SECRET, textsByAge } from "../rig.ts";
import { snippet } from "./letters.ts";
import { randomNonce } from "../random.ts";

/** System users in place of the greg and ann of the snippets. The site's folder replaces /home. */
export const GREG = "news";
export const ANN = "games";
/** The user who runs the hook of a site. */
export const SITE = "proxy";

/** Settings, keys and a maildir for each user, who owns them. */
export class Site {
  readonly folder = Deno.makeTempDirSync({ prefix: "countersign-site-" });
  constructor() {
    Deno.chmodSync(this.folder, 0o755);
    for (const user of [GREG, ANN]) {
      const home = `${this.folder}/${user}`;
      Deno.mkdirSync(`${home}/.config/countersign`, { recursive: true });
      Deno.mkdirSync(`${home}/Maildir`);
      Deno.writeTextFileSync(`${home}/.config/countersign/keys`, `k1 ${CREATED} ${user} ${SECRET}\n`, { mode: 0o600 });
      this.settings(user);
      chown(user, home);
    }
  }
  /** Writes a user's settings. */
  settings(user: string, incoming = ""): void {
    const home = `${this.folder}/${user}`;
    const text = `state.folder = "${home}/state"\n[[identity]]\naddress = "${user}@example.org"\n` +
      `srs_domain = "srs.example.org"\n[transport]\npreset = "postfix"\n[incoming]\n` +
      `spam = "${home}/Maildir/.Spam"\n${incoming}\n`;
    Deno.writeTextFileSync(`${home}/.config/countersign/config.toml`, text);
  }
  mails(user: string, maildir = "Maildir"): string[] {
    return textsByAge(`${this.folder}/${user}/${maildir}/new`);
  }
  log(user: string): string {
    try {
      return Deno.readTextFileSync(`${this.folder}/${user}/state/log`);
    } catch {
      return "";
    }
  }
  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

export function chown(user: string, path: string): void {
  const { code } = new Deno.Command("chown", { args: ["-R", `${user}:`, path] }).outputSync();
  assert.equal(code, 0);
}

/** A file of contrib/postfix with the paths and users of this site. */
export function siteSnippet(name: string, site: Site, hook: string, more: Record<string, string> = {}): string {
  const folder = `${site.folder}/${GREG}`;
  const places = {
    "/usr/local/lib/countersign/hooks/incoming": hook,
    "user=greg": `user=${GREG}`,
    "/home/greg": folder,
  };
  return snippet(`postfix/${name}`, { ...places, ...more });
}

export const srs = (user: string, now = new Date(), secret = `${user} ${SECRET}`) =>
  srsForward(`${user}@example.org`, "srs.example.org", {
    secrets: [secret],
    hashLength: 8,
    alphabet: "base64url",
    now,
  });

export const LIE = "From: x@example.org\nMessage-ID: <lie@spam.example>\nSubject: Pills\n\nBuy!\n";
export const LETTER = "From: Jo <jo@b.example>\nSubject: Hello\nMessage-ID: <1@b.example>\n\nHow are you?\n";

export function returning(user: string): string {
  const tag = signTag(`${user}@example.org`, "<1@example.org>", {
    key: "k1",
    secret: `${user} ${SECRET}`,
    now: new Date(),
    nonce: randomNonce(),
  });
  return qsbmf(
    `${user}@example.org`,
    `From: ${user}@example.org\nMessage-ID: <1@example.org>\nX-Msgauth: ${tag}\n\nHi\n`,
  );
}

/** Lines of main.cf that all instances have. */
export const MAIN = "myhostname = mail.example.org\nmydestination = example.org\nmynetworks = 127.0.0.0/8\n";

/** A file of contrib/postfix that contains no path of Countersign. */
export const plainSnippet = (name: string): string => Deno.readTextFileSync(`${ROOT}/contrib/postfix/${name}`);
