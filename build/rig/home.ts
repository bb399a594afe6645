/**
 * A temporary home directory in which the programs run as a user would run them. Tests, benchmarks and the demo share
 * it.
 */
import { sandboxFile } from "../../lib/paths.ts";
import { permissions, sandboxText } from "../../lib/settings/sandbox.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { Fail } from "../../lib/fail.ts";
import { writeExecutable } from "./executable.ts";

/** The checkout. */
export const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** Exit status and output of a program. */
export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Returns the texts of the files in a folder, the oldest first. The names of messages that are delivered within a
 * second are in no order.
 */
export function textsByAge(folder: string): string[] {
  try {
    const files = [...Deno.readDirSync(folder)].map(({ name }) => {
      return { name, time: Deno.statSync(`${folder}/${name}`).mtime!.getTime() };
    });
    files.sort((a, b) => a.time - b.time || (a.name < b.name ? -1 : 1));
    return files.map(({ name }) => Deno.readTextFileSync(`${folder}/${name}`));
  } catch {
    return [];
  }
}

/** The creation day of keys, relative to today so that tests do not depend on the date. */
export const CREATED = new Date(Date.now() - 300 * 86_400_000).toISOString().slice(0, 10);

/** The secret of the keys. */
export const SECRET = "not a real secret, for tests only";

/** Deno's cache folder, which the programs cannot derive from their bare environment. */
function cache(): string {
  const folder = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME")}/.cache`;
  return Deno.env.get("DENO_DIR") || `${folder}/deno`;
}

/** Variables for network access, in case Deno still has to download something. */
function network(): Record<string, string> {
  const names = /^(?:SSL_CERT_|NODE_EXTRA_CA|DENO_TLS|DENO_CERT|NPM_CONFIG_|NO_PROXY|HTTPS?_PROXY|ALL_PROXY)/i;
  return Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => names.test(name)));
}

/** A user's home directory with settings, a key, and a PATH that contains Deno. */
export class Home {
  /** The folder, removed on disposal. */
  readonly path: string;
  /** Environment variables besides HOME and PATH. */
  env: Record<string, string> = { DENO_DIR: cache(), ...network() };

  constructor() {
    this.path = Deno.makeTempDirSync({ prefix: "countersign-" });
    Deno.mkdirSync(`${this.path}/bin`);
    Deno.symlinkSync(Deno.execPath(), `${this.path}/bin/deno`);
    this.write(".config/countersign/keys", `k1 ${CREATED} ${SECRET}\n`, 0o600);
    this.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n`);
  }

  /** Writes config.toml: `top`, the identity greg@example.org with srs.example.org, and `more`. */
  settings(more: string, top = ""): void {
    const identity = `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n`;
    this.write(".config/countersign/config.toml", `${top}\n${identity}\n${more}`);
  }

  /**
   * Writes the sandbox file as `countersign sandbox` does, so that all tests run with it; none for invalid settings.
   */
  sandbox(name: string): void {
    const source = { file: `${this.path}/${name}`, home: this.path };
    try {
      const settings = parseConfig(this.read(name), source);
      const lines = sandboxText(permissions(settings, source), settings);
      this.write(sandboxFile(name), lines);
      // The launcher checks which of the two files is newer.
      const before = new Date(Date.now() - 1000);
      Deno.utimeSync(source.file, before, before);
    } catch (error) {
      if (!(error instanceof Fail)) throw error;
    }
  }

  /** Writes a file below the home, creating its folders. */
  write(name: string, text: string | Uint8Array, mode = 0o644): string {
    const path = `${this.path}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if ((mode & 0o111) !== 0) writeExecutable(path, text, mode);
    else {
      Deno.writeFileSync(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
      Deno.chmodSync(path, mode);
    }
    if (name.endsWith("/config.toml")) this.sandbox(name);
    return path;
  }

  /** The text of a file below the home; empty if it does not exist. */
  read(name: string): string {
    try {
      return Deno.readTextFileSync(`${this.path}/${name}`);
    } catch {
      return "";
    }
  }

  /** The messages in new/ of a maildir below the home, oldest first. */
  mails(maildir: string): string[] {
    return textsByAge(`${this.path}/${maildir}/new`);
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

  /** Runs hooks/doorbell of the checkout. */
  doorbell(args: string[], input: string | Uint8Array, env: Record<string, string> = {}): Promise<Ran> {
    return this.run([`${ROOT}/hooks/doorbell`, ...args], input, env);
  }

  [Symbol.dispose](): void {
    // A shell that is exiting may still write its history here while the folder is being removed.
    for (let left = 20; left > 0; left--) {
      try {
        return Deno.removeSync(this.path, { recursive: true });
      } catch (error) {
        if (left === 1) throw error;
      }
    }
  }
}
