/**
 * A machine of greg, as the pages of docs/ describe it: an account with an empty home, Postfix with its own
 * configuration, and an installation. In a mount namespace the account and the configuration are those of the machine,
 * so that a page's lines work as they are, except for paths.
 */
import assert from "node:assert/strict";
import { Home, type Ran } from "../rig.ts";
import { Installed } from "./installation.ts";
import { Postfix } from "./postfix.ts";

/** The number of greg's account, which no account of the machine has. */
const UID = 47_110;

/** The account, the programs and the mail server. */
export class OwnMachine implements AsyncDisposable {
  private constructor(readonly home: Home, readonly installed: Installed, readonly postfix: Postfix) {}

  /** @param main lines of main.cf that the machine had before */
  static async start(main: string, port?: number): Promise<OwnMachine> {
    const installed = await Installed.make();
    const home = new Home();
    for (const name of ["bin", ".config"]) Deno.removeSync(`${home.path}/${name}`, { recursive: true });
    home.env = {};
    Deno.chownSync(home.path, UID, UID);
    Deno.chmodSync(home.path, 0o711);
    const users = `greg:x:${UID}:${UID}:Greg:${home.path}:/bin/sh\n`;
    return new OwnMachine(home, installed, await Postfix.start({ main, machine: true, users }, port));
  }

  /** A text of a page with the paths of this machine. */
  placed(text: string): string {
    return text.replaceAll("/home/greg", this.home.path).replaceAll("/usr/local", `${this.installed.prefix}`);
  }

  /** Writes a file of greg. */
  write(name: string, text: string): void {
    const path = this.home.write(name, text);
    Deno.chownSync(path, UID, UID);
  }

  /** Appends lines of a page to a file of /etc/postfix. */
  configure(name: "main.cf" | "master.cf", lines: string): void {
    Deno.writeTextFileSync(`${this.postfix.config}/${name}`, this.placed(lines), { append: true });
  }

  /** Runs a program as root. */
  asRoot(argv: string[], input = ""): Promise<Ran> {
    return this.home.run(this.postfix.onMachine(argv), input);
  }

  /** Runs a program as greg. */
  asGreg(argv: string[], input = ""): Promise<Ran> {
    const words = ["setpriv", `--reuid=${UID}`, `--regid=${UID}`, "--clear-groups", ...argv];
    const path = `${this.installed.prefix}/bin:/usr/sbin:/usr/bin:/bin`;
    return this.home.run(this.postfix.onMachine(words), input, { PATH: path, USER: "greg", LC_ALL: "C.UTF-8" });
  }

  /** Runs shell lines of a page as greg; each must succeed, and print nothing on standard error. */
  async shell(text: string): Promise<string> {
    const ran = await this.asGreg(["/bin/sh", "-e"], this.placed(text));
    assert.deepEqual([ran.code, ran.stderr], [0, ""], `${text}${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.postfix[Symbol.asyncDispose]();
    this.installed[Symbol.dispose]();
    this.home[Symbol.dispose]();
  }
}
