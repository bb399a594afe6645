/** Debian's Redis on a unix socket, in a folder of its own, with what Countersign requires of it. */
import assert from "node:assert/strict";
import { need, type Test } from "./need.ts";
import { until } from "./postfix.ts";

/** Returns the function that registers tests that need Redis. */
export const needRedis = (): Promise<Test> => need("redis-server");

/** The settings that `countersign serve` requires. */
const SAFE = { appendonly: "yes", appendfsync: "always", "maxmemory-policy": "noeviction", save: '""' };

/** A Redis server, which is stopped and removed when it is disposed of. */
export class Redis {
  readonly folder = Deno.makeTempDirSync({ prefix: "countersign-redis-" });
  readonly socket = `${this.folder}/redis.sock`;
  readonly url = `unix:${this.socket}`;
  #child: Deno.ChildProcess | undefined;

  private constructor(readonly settings: Readonly<Record<string, string>>) {}

  static async start(more: Readonly<Record<string, string>> = {}): Promise<Redis> {
    const redis = new Redis({ ...SAFE, port: "0", ...more });
    await redis.start();
    return redis;
  }

  /** Starts the server with the data that it wrote before. */
  async start(): Promise<void> {
    const settings = { ...this.settings, unixsocket: this.socket, dir: this.folder };
    const text = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`).join("");
    Deno.writeTextFileSync(`${this.folder}/redis.conf`, text);
    this.#child = new Deno.Command("redis-server", {
      args: [`${this.folder}/redis.conf`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await until("Redis", () => this.#answers());
  }

  /** Kills the server with SIGKILL, so that it writes nothing more. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    try {
      child?.kill("SIGKILL");
    } catch {
      // The process has already exited.
    }
    await child?.status;
  }

  /** The process id of the server. */
  get pid(): number {
    return this.#child!.pid;
  }

  /** Suspends or resumes the server. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child!.kill(signal);
  }

  /** Sends a command. @returns what redis-cli prints */
  async cli(...command: string[]): Promise<string> {
    const { code, stdout } = await this.#cli(command);
    assert.equal(code, 0);
    return new TextDecoder().decode(stdout).trimEnd();
  }

  #cli(command: string[]): Promise<Deno.CommandOutput> {
    return new Deno.Command("redis-cli", { args: ["-s", this.socket, ...command], stdin: "null" }).output();
  }

  async #answers(): Promise<boolean> {
    const { stdout } = await this.#cli(["PING"]);
    return /^(?:PONG|NOAUTH)/.test(new TextDecoder().decode(stdout));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    Deno.removeSync(this.folder, { recursive: true });
  }
}
