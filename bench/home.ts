/** What all groups stand on: a user's home with an injector, the programs bundled and installed, and a clean start. */
import { bundle } from "../build/install/bundle.ts";
import { LEAN } from "../build/install/launcher.ts";
import { Home, ROOT } from "../tests/rig.ts";
import type { Subject } from "./measure.ts";

/** How an installed launcher starts Deno. */
const DENO = ["run", LEAN, "-q", "--no-prompt", "--no-config", "--no-lock", "--no-npm", "--no-remote", "--cached-only"];
const ALLOW = ["--allow-read", "--allow-write", "--allow-env", "--allow-run", "--allow-sys=uid"];

/** Runs of each small process; of the large ones fewer. */
export const TIMES = Number(Deno.env.get("BENCH_TIMES") ?? 40);

/** Fewer runs, for what takes long. */
export const few = (part: number): number => Math.max(2, Math.ceil(TIMES / part));

/** A place to measure in. */
export class BenchHome extends Home {
  /** A program that reads its input and forgets it: the injector, and where spam goes. */
  readonly reader: string = this.write("bin/reader", "#!/bin/sh\nexec cat >/dev/null\n", 0o755);
  /** A script with nothing in it. */
  readonly empty: string = this.write("empty.js", "");
  #installed: Promise<string> | undefined;
  #bundled: Promise<string> | undefined;

  constructor() {
    super();
    this.settings(this.way());
    this.write(".config/countersign/plain-lists", ""); // as `countersign init` makes it
  }

  /** The settings of both ways: out to the reader; spam to it, too, so that no disk is measured. */
  way(more = ""): string {
    return `[transport]\npreset = "sendmail"\ncommand = ["${this.reader}"]\n${more}` +
      `[incoming]\nspam_command = ["${this.reader}"]\n`;
  }

  /** The environment of a user; not that of whoever runs this. */
  variables(more: Record<string, string> = {}): Record<string, string> {
    const path = `${this.path}/bin:/usr/sbin:/usr/bin:/bin`;
    return { ...this.env, HOME: this.path, PATH: path, INJECTOR: this.reader, TOKENS: this.folder("tokens"), ...more };
  }

  /** The environment of who has no cache of Deno: an installed program brings its own. */
  withoutCache(more: Record<string, string> = {}): { env: Record<string, string> } {
    const { DENO_DIR: _, ...env } = this.variables(more);
    return { env };
  }

  /** A folder below the home. */
  folder(name: string): string {
    Deno.mkdirSync(`${this.path}/${name}`, { recursive: true });
    return `${this.path}/${name}`;
  }

  /** A script under the flags of a launcher. */
  deno(script: string, ...args: string[]): string[] {
    return [Deno.execPath(), ...DENO, ...ALLOW, script, ...args];
  }

  /** Where the bundled programs are. */
  bundled(): Promise<string> {
    const folder = `${this.path}/dist`;
    return this.#bundled ??= bundle(folder).then(() => folder);
  }

  /** The prefix with the installed programs. */
  installed(): Promise<string> {
    return this.#installed ??= this.#install();
  }

  async #install(): Promise<string> {
    const prefix = `${this.path}/prefix`;
    const line = 'cd "$0" && exec "$1" task -q install --prefix "$2"';
    const { code, stderr } = await this.run(["/bin/sh", "-c", line, ROOT, Deno.execPath(), prefix]);
    if (code !== 0) throw new Error(stderr);
    return prefix;
  }

  /** What is to be measured, as this user. */
  subject(name: string, argv: readonly string[], input: string, more: Partial<Subject> = {}): Subject {
    return { name, argv, input, env: this.variables(), ...more };
  }

  /** An empty script, which reads nothing: Deno alone. */
  nothing(): Subject {
    return this.subject("an empty Deno script", this.deno(this.empty), "/dev/null");
  }
}
