/**
 * A Postfix without a milter, which asks `countersign serve` on the sockets `policy` and `map`, by the lines of
 * contrib.
 */
import assert from "node:assert/strict";
import { parseConfig } from "../../lib/settings/parse.ts";
import { permissions, printSandbox } from "../../lib/settings/sandbox.ts";
import { CREATED, Home, SECRET } from "../rig.ts";
import { COUNTERSIGN } from "../admin/run.ts";
import { countersignLauncher, ServeProcess } from "../serve/process.ts";
import { Postfix, until } from "./postfix.ts";
import { run } from "./postfix_milter.ts";
import { GREG, plainSnippet } from "./site.ts";

/** Options of a test host. */
export interface MapsSetup {
  /** Lines of main.cf and master.cf. */
  readonly main: string;
  readonly master?: string;
  /** Tables of the settings, besides the identity of greg. */
  readonly config?: string;
  /** Further files next to the settings. */
  readonly files?: Readonly<Record<string, string>>;
  readonly chroot?: boolean;
  readonly port?: number;
}

/** Postfix, and the engine, which is held to its sandbox. */
export class MapsHost implements AsyncDisposable {
  #engine: ServeProcess | undefined;
  private constructor(readonly home: Home, readonly postfix: Postfix, readonly sockets: string) {}

  static async start(
    { main, master = "", config = "", files = {}, chroot = false, port }: MapsSetup,
  ): Promise<MapsHost> {
    const home = new Home();
    const postfix = await Postfix.start({ main, master, chroot }, port);
    const sockets = `${postfix.folder}/queue/countersign`;
    Deno.mkdirSync(sockets);
    run("chown", "root:postfix", sockets);
    Deno.chmodSync(sockets, 0o2750);
    const host = new MapsHost(home, postfix, sockets);
    home.write("site/keys", `k1 ${CREATED} ${GREG} ${SECRET}\n`, 0o600);
    home.write("site/forwarding-keys", `f1 ${CREATED} a secret for forwarded mail only\n`, 0o600);
    for (const [name, text] of Object.entries(files)) home.write(`site/${name}`, text);
    home.write(
      "site/config.toml",
      `state.folder = "state"\n[[identity]]\naddress = "${GREG}@example.org"\nsrs_domain = "srs.example.org"\n` +
        `keys = "keys"\n[transport]\npreset = "postfix"\n[incoming]\nforged = "refuse"\n` +
        `[serve]\nsocket_folder = "${sockets}"\n${config}\n`,
    );
    try {
      await host.startEngine();
    } catch (error) {
      await host[Symbol.asyncDispose](); // or Postfix would run on
      throw error;
    }
    return host;
  }

  /** Writes the sandbox file as `countersign sandbox` does, starts the engine, and waits until it listens. */
  async startEngine(): Promise<void> {
    const source = { file: `${this.home.path}/site/config.toml`, home: this.home.path };
    const settings = parseConfig(this.home.read("site/config.toml"), source);
    this.home.write("site/config.sandbox", printSandbox(permissions(settings, source), []));
    const engine = new ServeProcess(this.home, countersignLauncher(this.home), source.file);
    this.#engine = engine;
    await until("serve", () => engine.stderr.includes("Listening on"), () => engine.stderr);
  }

  async stopEngine(): Promise<void> {
    await this.#engine?.[Symbol.asyncDispose]();
    this.#engine = undefined;
  }

  /** Kills the engine without a warning, as the kernel does when memory is short. */
  async killEngine(): Promise<void> {
    this.signalEngine("SIGKILL");
    await this.stopEngine();
  }

  /** Sends a signal to the engine itself, and not to its launcher: SIGSTOP makes it hang until SIGCONT. */
  signalEngine(signal: Deno.Signal): void {
    Deno.kill(this.#engine!.pid, signal);
  }

  /** Changes the settings, and waits until they are loaded. */
  async change(edit: (text: string) => string): Promise<void> {
    const reloads = () => this.log.match(/ at=serve result=reloaded/g)?.length ?? 0;
    const before = reloads();
    this.home.write("site/config.toml", edit(this.home.read("site/config.toml")));
    this.#engine!.kill("SIGHUP");
    await until("the reload", () => reloads() > before, this.trouble);
  }

  /** The log of the engine. */
  get log(): string {
    return this.home.read("site/state/log");
  }

  /** What doctor finds about the engine and this Postfix. */
  async doctor(): Promise<string[]> {
    const files = ["main.cf", "master.cf"].flatMap((name) => ["--postconf", `${this.postfix.config}/${name}`]);
    const args = ["doctor", "--json", "--config", `${this.home.path}/site/config.toml`, ...files];
    const [deno, run, ...more] = COUNTERSIGN as [string, string, ...string[]];
    const { stdout, stderr } = await this.home.run([deno, run, "--allow-net", ...more, ...args]);
    assert.equal(stderr, "");
    const { findings }: { findings: { id?: string; what: string }[] } = JSON.parse(stdout);
    return findings.filter(({ id = "" }) => /^(?:serve|map|policy|forwarding|milter)-/.test(id)).map(({ what }) =>
      what
    );
  }

  trouble = (): string => `${this.postfix.log}\n${this.log}\n${this.#engine?.stderr ?? ""}`;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopEngine();
    await this.postfix[Symbol.asyncDispose]();
    this.home[Symbol.dispose]();
  }
}

/** Replaces text that must be there. */
export function replaced(text: string, from: string, to: string): string {
  assert.ok(text.includes(from), from);
  return text.replaceAll(from, to);
}

/** The lines of contrib for forwarding in a domain that Postfix already accepts. */
export function forwardingIn(domain: string): { main: string; config: string } {
  const [main, config] = ["main.cf", "config.toml"].map((name) => plainSnippet(`forwarding/${name}`)) as [
    string,
    string,
  ];
  const without = main.replace(/^virtual_alias_.*\n/gm, "");
  assert.equal(main.split("\n").length - without.split("\n").length, 2);
  return {
    main: replaced(without, "@forward\\.example\\.org", `@${domain.replaceAll(".", "\\.")}`),
    config: replaced(config, "forward.example.org", domain),
  };
}
