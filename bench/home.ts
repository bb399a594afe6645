/** Shared by all groups: a user's home with an injector, the bundled and installed programs, and an environment. */
import { bundle } from "../build/install/bundle.ts";
import { LEAN } from "../build/install/launcher.ts";
import { Home, ROOT } from "../build/rig/home.ts";
import type { Subject } from "./measure.ts";

/** Deno's arguments, as an installed launcher passes them. */
const DENO = ["run", LEAN, "-q", "--no-prompt", "--no-config", "--no-lock", "--no-npm", "--no-remote", "--cached-only"];
const ALLOW = ["--allow-read", "--allow-write", "--allow-env", "--allow-run", "--allow-sys=uid"];

/** The number of runs of each small process; large ones have fewer. */
export const TIMES = Number(Deno.env.get("BENCH_TIMES") ?? 40);

/** A fraction of these runs, for processes that take long. */
export const fewer = (part: number): number => Math.max(2, Math.ceil(TIMES / part));

/** A home for the measured programs. */
export class BenchHome extends Home {
  /** A program that discards its input. It serves as the injector and as spam_command. */
  readonly reader: string = this.write("bin/reader", "#!/bin/sh\nexec cat >/dev/null\n", 0o755);
  /** An empty script. */
  readonly empty: string = this.write("empty.js", "");
  #installed: Promise<string> | undefined;
  #bundled: Promise<string> | undefined;
  readonly #compiled = new Map<string, Promise<string>>();

  constructor() {
    super();
    this.settings(this.transports());
    this.write(".config/countersign/plain-lists", ""); // as `countersign init` does
  }

  /** Settings that send outgoing mail and spam to the reader, so that no disk is measured. */
  transports(more = ""): string {
    return `[transport]\npreset = "sendmail"\ncommand = ["${this.reader}"]\n${more}` +
      `[incoming]\nspam_command = ["${this.reader}"]\n`;
  }

  /** The environment of the measured programs, which is independent of the benchmark's own. */
  variables(more: Record<string, string> = {}): Record<string, string> {
    const path = `${this.path}/bin:/usr/sbin:/usr/bin:/bin`;
    return { ...this.env, HOME: this.path, PATH: path, INJECTOR: this.reader, TOKENS: this.folder("tokens"), ...more };
  }

  /** The environment without Deno's cache: an installed program has its own. */
  withoutCache(more: Record<string, string> = {}): { env: Record<string, string> } {
    const { DENO_DIR: _, ...env } = this.variables(more);
    return { env };
  }

  /** A folder below the home. */
  folder(name: string): string {
    Deno.mkdirSync(`${this.path}/${name}`, { recursive: true });
    return `${this.path}/${name}`;
  }

  /**
   * Compiles a program in C of this folder, once: it takes so little time that what is measured is the other side.
   *
   * @returns its path
   * @throws without a C compiler
   */
  compiled(name: "idle_milter" | "milter_load"): Promise<string> {
    const program = this.#compiled.get(name) ?? this.#compile(name);
    this.#compiled.set(name, program);
    return program;
  }

  async #compile(name: string): Promise<string> {
    const program = `${this.path}/bin/${name}`;
    const { code, stderr } = await this.run(
      ["/usr/bin/cc", "-O2", "-Wall", "-pthread", "-o", program, `${ROOT}/bench/${name}.c`, "-lm"],
    );
    if (code !== 0) throw new Error(`${name}.c cannot be compiled: ${stderr}`);
    return program;
  }

  /** A script run with the flags of a launcher. */
  deno(script: string, ...args: string[]): string[] {
    return [Deno.execPath(), ...DENO, ...ALLOW, script, ...args];
  }

  /** The folder with the bundled programs. */
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

  /** A process to measure in this home. */
  subject(name: string, argv: readonly string[], input: string, more: Partial<Subject> = {}): Subject {
    return { name, argv, input, env: this.variables(), ...more };
  }

  /** An empty script that does not read its input, to measure Deno alone. */
  nothing(): Subject {
    return this.subject("an empty Deno script", this.deno(this.empty), "/dev/null");
  }
}
