/** The installed `countersign submitd`, as a user without privileges, with its sandbox. */
import { hashPassword } from "../../submit/backends/scrypt.ts";
import { Authority } from "../certificates.ts";
import { CREATED, Home, type Ran, SECRET } from "../rig.ts";
import { stubTransport } from "../stub.ts";
import { Installed } from "./installation.ts";
import { until } from "./postfix.ts";

/** The user as whom it runs: it refuses root. */
export const USER = Deno.uid() === 0 ? "nobody" : "";
const AS = USER === "" ? [] : ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs"];

/** A home of the user, an installation, and the server. */
export class SubmitdSite implements AsyncDisposable {
  readonly home = new Home();
  #installed!: Installed;
  /** Whether the installation belongs to the caller. */
  #shared = false;
  #authority!: Authority;
  #child: Deno.ChildProcess | undefined;
  #reading: Promise<void> | undefined;
  stderr = "";
  /** The ports for STARTTLS and for TLS. */
  port = 0;
  tls = 0;

  /** An installation, unless one is given, and a home with nothing but a certificate. */
  static async empty(installed?: Installed): Promise<SubmitdSite> {
    const one = new SubmitdSite();
    one.#shared = installed !== undefined;
    one.#installed = installed ?? await Installed.make();
    one.#authority = await Authority.make();
    const { home } = one;
    for (const name of ["bin", ".config"]) Deno.removeSync(`${home.path}/${name}`, { recursive: true });
    const { cert, key } = await one.#authority.leaf("DNS:mx.example.org,DNS:localhost,IP:127.0.0.1", 90);
    home.write("cert.pem", cert);
    home.write("key.pem", key, 0o600);
    Deno.chmodSync(home.path, 0o755);
    await one.own();
    return one;
  }

  /** @param more more lines of `[submit]`; @param transport replaces the stub */
  static async make(more = "", transport?: string): Promise<SubmitdSite> {
    const one = await SubmitdSite.empty();
    const { home } = one;
    home.write("users", `greg:${await hashPassword("secret")}\n`, 0o600);
    Deno.mkdirSync(`${home.path}/.local/state/countersign`, { recursive: true });
    home.write(".config/countersign/keys", `k1 ${CREATED} ${SECRET}\n`, 0o600);
    home.write(
      ".config/countersign/config.toml",
      `[[identity]]
address = "greg@example.org"
srs_domain = "srs.example.org"
logins = ["greg"]
${transport ?? stubTransport(home)}
[submit]
auth = "file:${home.path}/users"
listen = ["127.0.0.1:0"]
listen_tls = ["127.0.0.1:0"]
certificate = "${home.path}/cert.pem"
key = "${home.path}/key.pem"
name = "mx.example.org"
${more}
`,
    );
    await one.own();
    return one;
  }

  /** Gives all files of the home to the user. */
  async own(): Promise<void> {
    if (USER !== "") await this.home.run(["chown", "-R", USER, this.home.path]);
  }

  /** Runs a program as the user, with the installed programs in PATH. */
  run(argv: string[], input = ""): Promise<Ran> {
    const PATH = `${this.#installed.prefix}/bin:/usr/sbin:/usr/bin:/bin`;
    return this.home.run([...AS, ...argv], input, { PATH, USER: "greg" });
  }

  /** The file with the certificate of the CA. */
  get ca(): string {
    return this.#authority.ca;
  }

  /** The words that run the program as its user. */
  get argv(): string[] {
    return [...AS, `${this.#installed.prefix}/bin/countersign`, "submitd"];
  }

  /** Starts it, and waits until it listens. @param before words before the command */
  async start(before: readonly string[] = []): Promise<void> {
    const argv = [...before, ...this.argv];
    this.stderr = "";
    const child = new Deno.Command(argv[0]!, {
      args: argv.slice(1),
      cwd: this.home.path,
      clearEnv: true,
      env: { HOME: this.home.path, PATH: "/usr/sbin:/usr/bin:/bin" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    this.#reading = (async () => {
      for await (const chunk of child.stderr) this.stderr += new TextDecoder().decode(chunk);
    })();
    if (before.length > 0) return;
    await until("submitd", () => /Listening on port .*\n/.test(this.stderr), () => this.stderr);
    const [, port, tls] = /Listening on port (\d+) and (\d+) \(TLS\)/.exec(this.stderr)!;
    [this.port, this.tls] = [Number(port), Number(tls)];
  }

  /** The id of the launcher. */
  get pid(): number {
    return this.#child!.pid;
  }

  /** Kills the server itself, and waits for its launcher. */
  async kill(): Promise<void> {
    const children = Deno.readTextFileSync(`/proc/${this.pid}/task/${this.pid}/children`).trim().split(" ");
    for (const one of children) Deno.kill(Number(one), "SIGKILL");
    await this.#child!.status;
  }

  /** Sends a signal, and waits for the end. @returns the exit status */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    const child = this.#child;
    if (child === undefined) return 0;
    this.#child = undefined;
    try {
      child.kill(signal);
    } catch {
      // It has ended.
    }
    const { code } = await child.status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#authority[Symbol.dispose]();
    if (!this.#shared) this.#installed[Symbol.dispose]();
    this.home[Symbol.dispose]();
  }
}
