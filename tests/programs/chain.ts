/** The installed chain under the real tcpserver or stunnel, with the run scripts of contrib/acceptutils. */
import assert from "node:assert/strict";
import { Home, ROOT } from "../rig.ts";
import { stubTransport } from "../stub.ts";
import { currentUser, usersFile } from "../submit/talk.ts";
import { installOnce } from "./installation.ts";

/** The user as whom mail is sent: root cannot log in. */
const USER = Deno.uid() === 0 ? "nobody" : currentUser();

/** An installation, and the home of the user greg. */
export class ChainHome implements AsyncDisposable {
  readonly home = new Home();
  readonly #started: Deno.ChildProcess[] = [];
  users = "";

  /** @param submit the folder of the installed programs of the chain */
  private constructor(readonly submit: string) {}

  static async make(): Promise<ChainHome> {
    const chain = new ChainHome(`${await installOnce()}/prefix/lib/countersign/submit`);
    const { home } = chain;
    home.settings(stubTransport(home));
    chain.users = await usersFile(home, USER);
    home.write("control/me", "mx.example.org\n");
    home.write("control/fixsmtpio", Deno.readTextFileSync(`${ROOT}/contrib/acceptutils/control/fixsmtpio`));
    home.write("Maildir/new/1", "From: ann@example.net\nSubject: For Greg\n\nHello.\n");
    for (const folder of ["cur", "tmp"]) Deno.mkdirSync(`${home.path}/Maildir/${folder}`);
    chain.own();
    return chain;
  }

  /** Gives the home to the user; the file of logins stays with root. */
  own(...more: string[]): void {
    Deno.chmodSync(this.home.path, 0o755);
    if (Deno.uid() !== 0) return;
    Deno.mkdirSync(`${this.home.path}/.local`, { recursive: true });
    const chown = (...args: string[]) =>
      assert.ok(new Deno.Command("chown", { args: [...args] }).outputSync().success, args.join(" "));
    chown(USER, this.home.path);
    for (const name of [".config", ".local", "Maildir", ...more]) chown("-R", USER, `${this.home.path}/${name}`);
    if (this.users !== "") Deno.chownSync(this.users, 0, 0);
  }

  /** Starts a run script of contrib, which the test may change, on a free port. @returns the port */
  async serve(script: string, change = (text: string) => text): Promise<number> {
    const text = change(Deno.readTextFileSync(`${ROOT}/contrib/acceptutils/${script}`))
      .replaceAll("/usr/local/lib/countersign/submit", this.submit).replace("/usr/bin:/bin", "/usr/sbin:/usr/bin:/bin")
      .replace(/127\.0\.0\.1 \d+/, "-1 127.0.0.1 0")
      .replace("/etc/countersign/users", this.users)
      .replace("exec 2>&1", `exec 2>>"$HOME/${script}.log"`);
    const child = this.start(["/bin/sh", this.home.write(script, text, 0o755)], "piped");
    const reader = child.stdout.getReader();
    let line = "";
    while (!line.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`tcpserver has ended: ${this.home.read(`${script}.log`)}`);
      line += new TextDecoder().decode(value);
    }
    await reader.cancel(); // tcpserver prints nothing more
    return Number(line);
  }

  /** Starts a program; it is killed on disposal. */
  start(argv: readonly string[], stdout: "piped" | "null"): Deno.ChildProcess {
    const { path } = this.home;
    const env = { HOME: path, PATH: "/usr/sbin:/usr/bin:/bin", COUNTERSIGN_CONTROL: `${path}/control` };
    const options = {
      args: argv.slice(1),
      cwd: path,
      clearEnv: true,
      env,
      stdin: "null",
      stdout,
      stderr: "null",
    } as const;
    const child = new Deno.Command(argv[0]!, options).spawn();
    this.#started.push(child);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#started) {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has exited.
      }
      await child.status;
    }
    this.home[Symbol.dispose]();
  }
}

/** A client that sends lines, and reads what the server sends. */
export class RawClient implements Disposable {
  readonly #buffer = new Uint8Array(8192);
  private constructor(readonly connection: Deno.Conn) {}

  static async open(port: number): Promise<RawClient> {
    return new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Returns what arrives up to the first match. */
  async until(pattern: RegExp): Promise<string> {
    let text = "";
    while (!pattern.test(text)) {
      const count = await this.connection.read(this.#buffer);
      if (count === null) return `${text}(closed)`;
      text += new TextDecoder().decode(this.#buffer.subarray(0, count));
    }
    return text;
  }

  async say(line: string, pattern = /^(?:\d{3} |\+OK|-ERR).*\r\n/m): Promise<string> {
    await this.connection.write(new TextEncoder().encode(`${line}\r\n`));
    return await this.until(pattern);
  }

  [Symbol.dispose](): void {
    this.connection.close();
  }
}
