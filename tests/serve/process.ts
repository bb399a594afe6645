/** A process of `countersign serve`, started by a launcher. */
import { launcherText } from "../../build/install/launcher.ts";
import { type Home, ROOT } from "../rig.ts";

/** Writes a launcher of `countersign` as it is installed, but for the sources of the checkout. @returns its path */
export function countersignLauncher(home: Home): string {
  const start = { program: "countersign", deno: "deno", entry: `${ROOT}/main.ts`, rights: "", cache: "" };
  const text = launcherText({ ...start, flags: "--frozen", manifest: `${ROOT}/deno.json` });
  return home.write("bin/countersign", text, 0o755);
}

/** Runs until it is disposed. */
export class ServeProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<void>;
  stderr = "";

  constructor(readonly home: Home, launcher: string, config: string) {
    const child = new Deno.Command(launcher, {
      args: ["serve", "--config", config],
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

  /** The process id of Deno, which the launcher has started. */
  get pid(): number {
    return Number(Deno.readTextFileSync(`/proc/${this.#child.pid}/task/${this.#child.pid}/children`).trim());
  }

  /** Sends a signal to the launcher, which passes it on. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits until it has exited. @returns the exit status */
  async ended(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#read;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // The second signal ends it at once.
      this.kill("SIGTERM");
      this.kill("SIGTERM");
    } catch {
      // It has exited.
    }
    await this.ended();
  }
}
