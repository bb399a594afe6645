/** What the tests of whole programs share: a home in a temporary folder, programs run in it, maildirs read. */
import assert from "node:assert/strict";
import { sandboxFile } from "../lib/paths.ts";
import { ordinaryAddresses, permissions, printSandbox } from "../lib/settings/sandbox.ts";
import { parseConfig } from "../lib/settings/parse.ts";
import { Fail } from "../lib/fail.ts";

/** The checkout. */
export const ROOT = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

/** How a program ended. */
export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** The day of the keys: keys grow old, tests should not. */
export const CREATED = new Date(Date.now() - 300 * 86_400_000).toISOString().slice(0, 10);

/** Fixed secret, as in tests: 32 bytes that are nobody's. */
export const SECRET = "not a real secret, for tests only";

/** Deno's cache, which a bare environment would lose sight of. */
function cache(): string {
  const folder = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME")}/.cache`;
  return Deno.env.get("DENO_DIR") || `${folder}/deno`;
}

/** How this machine reaches the registry, when Deno still has to fetch something. */
function network(): Record<string, string> {
  const names = /^(?:SSL_CERT_|NODE_EXTRA_CA|DENO_TLS|DENO_CERT|NPM_CONFIG_|NO_PROXY|HTTPS?_PROXY|ALL_PROXY)/i;
  return Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => names.test(name)));
}

/** A user: home, settings, key, and a PATH with Deno. */
export class Home {
  /** The folder; removed with the home. */
  readonly path: string;
  /** Variables of the environment besides HOME and PATH. */
  env: Record<string, string> = { DENO_DIR: cache(), ...network() };

  constructor() {
    this.path = Deno.makeTempDirSync({ prefix: "countersign-" });
    Deno.mkdirSync(`${this.path}/bin`);
    Deno.symlinkSync(Deno.execPath(), `${this.path}/bin/deno`);
    this.write(".config/countersign/keys", `k1 ${CREATED} ${SECRET}\n`, 0o600);
    this.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n`);
  }

  /** Writes config.toml: greg@example.org with srs.example.org, `more` behind it. `top` goes before. */
  settings(more: string, top = ""): void {
    const identity = `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n`;
    this.write(".config/countersign/config.toml", `${top}\n${identity}\n${more}`);
  }

  /** What `countersign sandbox` does, so that all tests show that it is enough; wrong settings have no permissions. */
  sandbox(name: string): void {
    const place = { file: `${this.path}/${name}`, home: this.path };
    try {
      const settings = parseConfig(this.read(name), place);
      const lines = printSandbox(permissions(settings, place), ordinaryAddresses(settings));
      this.write(sandboxFile(name), lines);
      // The launcher asks which of the two is newer.
      const before = new Date(Date.now() - 1000);
      Deno.utimeSync(place.file, before, before);
    } catch (error) {
      if (!(error instanceof Fail)) throw error;
    }
  }

  /** Writes a file below the home, with its folders. */
  write(name: string, text: string | Uint8Array, mode = 0o644): string {
    const path = `${this.path}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeFileSync(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
    Deno.chmodSync(path, mode);
    if (name.endsWith("/config.toml")) this.sandbox(name);
    return path;
  }

  /** The text of a file below the home; empty when it is not there. */
  read(name: string): string {
    try {
      return Deno.readTextFileSync(`${this.path}/${name}`);
    } catch {
      return "";
    }
  }

  /** The messages in new/ of a maildir below the home, oldest first. */
  mails(maildir: string): string[] {
    try {
      const names = [...Deno.readDirSync(`${this.path}/${maildir}/new`)].map((entry) => entry.name).sort();
      return names.map((name) => Deno.readTextFileSync(`${this.path}/${maildir}/new/${name}`));
    } catch {
      return [];
    }
  }

  /** Runs a program in the home with a bare environment. */
  async run(argv: string[], input: string | Uint8Array = "", env: Record<string, string> = {}): Promise<Ran> {
    const child = new Deno.Command(argv[0]!, {
      args: argv.slice(1),
      cwd: this.path,
      clearEnv: true,
      env: { HOME: this.path, PATH: `${this.path}/bin:/usr/sbin:/usr/bin:/bin`, ...this.env, ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
    const fed = writer.write(bytes).then(() => writer.close()).catch(() => {});
    const { code, stdout, stderr } = await child.output();
    await fed;
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  }

  /** Runs shim/shim of the checkout. */
  shim(args: string[], input: string | Uint8Array, env: Record<string, string> = {}): Promise<Ran> {
    return this.run([`${ROOT}/shim/shim`, ...args], input, env);
  }

  /** Runs hooks/incoming of the checkout. */
  hook(args: string[], input: string | Uint8Array, env: Record<string, string> = {}): Promise<Ran> {
    return this.run([`${ROOT}/hooks/incoming`, ...args], input, env);
  }

  [Symbol.dispose](): void {
    // A shell that is being ended may still write its history here while the folder is emptied.
    for (let left = 20; left > 0; left--) {
      try {
        return Deno.removeSync(this.path, { recursive: true });
      } catch (error) {
        if (left === 1) throw error;
      }
    }
  }
}

/** The files of a ledger, by their state. */
export function ledgerFiles(folder: string): Record<"issued" | "claimed" | "spent", string[]> {
  const out = { issued: [] as string[], claimed: [] as string[], spent: [] as string[] };
  for (const path of filesBelow(folder)) {
    if (/\/lists\/[^/]*\/[^/]*$/.test(path)) continue;
    out[path.endsWith(".spent") ? "spent" : path.includes(".claimed.") ? "claimed" : "issued"].push(path);
  }
  return out;
}

/** The files below a folder, sorted; an empty list if the folder does not exist. */
export function filesBelow(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
      isDirectory ? filesBelow(`${folder}/${name}`) : [`${folder}/${name}`]
    ).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** The value of the first field of this name in a message. */
export function fieldOf(mail: string, name: string): string {
  const head = mail.split("\n\n")[0]!.replace(/\n[ \t]+/g, " ");
  return new RegExp(`^${name}:[ \\t]*(.*)$`, "im").exec(head)?.[1] ?? "";
}

/** Exactly one line on standard error, and the status. */
export function oneLine(ran: Ran, code: number, pattern: RegExp): void {
  assert.equal(ran.code, code, ran.stderr);
  assert.match(ran.stderr, pattern);
  assert.equal(ran.stderr.trimEnd().split("\n").length, 1, `one line, not: ${ran.stderr}`);
}

/** A bounce as qmail-send writes it (QSBMF): the whole original comes back. */
export function qsbmf(to: string, original: string, host = "mx.example.net"): string {
  const body = `Hi. This is the qmail-send program at ${host}.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<nobody@${host}>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

${original}`;
  return `Received: (qmail 4711 invoked for bounce); 20 Nov 2026 05:32:58 -0000
Date: 20 Nov 2026 05:32:58 -0000
From: MAILER-DAEMON@${host}
To: ${to}
Subject: failure notice

${body}`;
}
