/** `countersign serve` for the settings of a home, started by its launcher and held to its sandbox. */
import { launcherText } from "../../build/install/launcher.ts";
import { type Home, ROOT } from "../rig.ts";
import { until } from "./postfix.ts";

const CONFIG = ".config/countersign/config.toml";

/** A running engine. */
export class Serving {
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<void>;
  stderr = "";

  private constructor(readonly home: Home, launcher?: string) {
    const start = { program: "countersign", deno: "deno", entry: `${ROOT}/main.ts`, rights: "", cache: "" };
    const text = launcherText({ ...start, flags: "--frozen", manifest: `${ROOT}/deno.json` });
    const child = new Deno.Command(launcher ?? home.write("bin/countersign", text, 0o755), {
      args: ["serve", "--config", `${home.path}/${CONFIG}`],
      clearEnv: true,
      env: { HOME: home.path, PATH: `${home.path}/bin:/usr/bin:/bin`, ...home.env },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    this.#read = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of child.stderr) this.stderr += decoder.decode(chunk);
    })();
  }

  /** Starts it, and waits until it listens. @param launcher the installed one; default: one for the checkout */
  static async start(home: Home, launcher?: string): Promise<Serving> {
    const one = Serving.begin(home, launcher);
    await until("serve", () => one.stderr.includes("Listening on"), () => one.stderr);
    return one;
  }

  /** Starts it. */
  static begin(home: Home, launcher?: string): Serving {
    return new Serving(home, launcher);
  }

  /** The process of Deno, which the launcher has started. */
  get pid(): number {
    return Number(Deno.readTextFileSync(`/proc/${this.#child.pid}/task/${this.#child.pid}/children`).trim());
  }

  /** Waits for its end. @returns the status */
  async ended(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#read;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // The launcher passes it on, and ends with what it started.
      this.#child.kill("SIGTERM");
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    await this.ended();
  }
}
