/** `countersign serve` as it is installed, run by a user of its own, with the settings of contrib/postfix/milter. */
import assert from "node:assert/strict";
import { CREATED, type Home, SECRET } from "../rig.ts";
import type { Installed } from "./installation.ts";
import { until } from "./postfix.ts";
import { ANN, chown, GREG, plainSnippet, SITE } from "./site.ts";

/** A running `countersign serve`. Its home belongs to root, so only root can change its settings and keys. */
export class Engine {
  readonly config: string;
  readonly state: string;
  /** Its standard error, across restarts. */
  stderr = "";
  #child: Deno.ChildProcess | undefined;
  #read: Promise<void> | undefined;

  constructor(readonly installed: Installed, readonly home: Home, readonly sockets: string, state?: string) {
    this.config = `${home.path}/site/config.toml`;
    this.state = state ?? `${home.path}/site/state`;
    Deno.chmodSync(home.path, 0o755);
    Deno.mkdirSync(`${home.path}/site`);
    Deno.mkdirSync(this.state, { recursive: true });
    // Deno keeps a cache in HOME.
    Deno.mkdirSync(`${home.path}/daemon`);
    for (const folder of [this.state, `${home.path}/daemon`]) chown(SITE, folder);
  }

  /** Writes keys for both users, and settings. */
  configure(edit: (text: string) => string, shared: boolean): void {
    for (const user of [GREG, ANN]) this.key(user, `k1 ${CREATED} ${user} ${SECRET}\n`);
    const text = plainSnippet("milter/config.toml");
    const folder = `${this.home.path}/site`;
    const [identity] = /^\[\[identity\]\](?:\n(?!\[).*)*\n/m.exec(text)!;
    const of = (user: string) => identity.replaceAll("greg", user).trimEnd() + "\n\n";
    const here = {
      [identity]: of(GREG) + of(ANN),
      "/etc/countersign": folder,
      '/var/lib/countersign"\n': `${this.state}"\nshared = ${shared}\n`,
      "/var/spool/postfix/countersign": this.sockets,
    };
    let settings = text.replace(/^#.*\n/gm, "");
    for (const [from, to] of Object.entries(here)) {
      assert.ok(settings.includes(from), from);
      settings = settings.replaceAll(from, to);
    }
    this.settings(edit(settings));
  }

  /** Writes a user's key file. */
  key(user: string, text: string): void {
    const path = this.home.write(`site/keys/${user}`, text, 0o600);
    chown(SITE, path);
  }

  /** Writes settings and the sandbox file for them. */
  settings(text: string): void {
    this.home.write("site/config.toml", text);
  }

  /** Changes the settings, and waits until they are loaded. */
  async change(edit: (text: string) => string): Promise<void> {
    this.settings(edit(this.home.read("site/config.toml")));
    await this.reload("reloaded");
  }

  /** Reloads its files with SIGHUP. */
  async reload(result: "reloaded" | "kept"): Promise<void> {
    const loads = () => this.log().match(/ at=serve result=/g)?.length ?? 0;
    const before = loads();
    this.kill("SIGHUP");
    await until("the reload", () => loads() > before, () => this.log());
    assert.match(this.log().trimEnd().split("\n").findLast((line) => line.includes(" at=serve "))!, RegExp(result));
  }

  /** Starts the program, and waits until it listens. */
  async start(): Promise<void> {
    const opened = () => this.stderr.match(/^serve: Listening on /gm)?.length ?? 0; // when all sockets are there
    const before = opened();
    this.#child = new Deno.Command("setpriv", {
      args: [
        `--reuid=${SITE}`,
        `--regid=${SITE}`,
        "--clear-groups",
        `${this.installed.prefix}/bin/countersign`,
        "serve",
        "--config",
        this.config,
      ],
      clearEnv: true,
      env: { HOME: `${this.home.path}/daemon`, PATH: "/usr/bin:/bin" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#read = this.#collect(this.#child.stderr);
    await until("the sockets", () => opened() > before, () => this.stderr);
  }

  async #collect(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.stderr += text;
  }

  /** Returns whether a process listens on the socket. */
  async listens(role: "door" | "sign"): Promise<boolean> {
    try {
      (await Deno.connect({ transport: "unix", path: `${this.sockets}/${role}` })).close();
      return true;
    } catch {
      return false;
    }
  }

  kill(signal: Deno.Signal): void {
    this.#child?.kill(signal);
  }

  /** Stops the program. @returns its exit status */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    try {
      this.kill(signal);
    } catch {
      // The process has already exited.
    }
    const { code } = await this.#child!.status;
    await this.#read;
    return code;
  }

  /** Sends a signal to Deno itself, and not to its launcher. */
  signal(signal: Deno.Signal): void {
    const { pid } = this.#child!;
    const [deno] = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ");
    assert.ok(deno);
    Deno.kill(Number(deno), signal);
  }

  /** Kills Deno itself, as the OOM killer would; the launcher then exits. */
  async crash(): Promise<void> {
    this.signal("SIGKILL");
    assert.notEqual((await this.#child!.status).code, 0);
    await this.#read;
  }

  /** The log. */
  log(): string {
    try {
      return Deno.readTextFileSync(`${this.state}/log`);
    } catch {
      return "";
    }
  }
}
