/** A session with a program that serves a client on standard input and output, as under tcpserver. */
import assert from "node:assert/strict";
import { hashPassword } from "../../submit/backends/scrypt.ts";
import { decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";
import { type Home, ROOT } from "../rig.ts";

/** The programs of the chain in the checkout. */
export const CHAIN = `${ROOT}/submit`;

/** A running program, and the client's end of its connection. */
export class Talk implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #errors: Promise<string>;
  #text = "";
  #ended = false;

  constructor(home: Home, argv: readonly string[], env: Record<string, string> = {}) {
    this.#child = new Deno.Command(argv[0]!, {
      args: argv.slice(1),
      cwd: home.path,
      clearEnv: true,
      env: {
        HOME: home.path,
        PATH: `${home.path}/bin:/usr/sbin:/usr/bin:/bin`,
        COUNTERSIGN_CONTROL: `${home.path}/control`,
        TCPREMOTEIP: "192.0.2.7",
        ...home.env,
        ...env,
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
    this.#errors = new Response(this.#child.stderr).text();
  }

  /** Sends bytes, in Latin-1. */
  async send(text: string): Promise<void> {
    await this.#writer.write(encodeLatin1(text)).catch(() => {});
  }

  /** Returns the next reply: all lines up to the one without a dash, or one line of POP3. */
  async reply(): Promise<string> {
    for (;;) {
      const [found] = /^(?:\d{3}-[^\n]*\n)*(?:\d{3} |\+OK|-ERR)[^\n]*\n/.exec(this.#text) ?? [];
      if (found !== undefined) {
        this.#text = this.#text.slice(found.length);
        return found.replaceAll("\r\n", "\n").trimEnd();
      }
      if (!await this.#more()) throw new Error(`The program has ended: ${this.#text}${await this.#errors}`);
    }
  }

  /** Sends a line, and returns the reply. */
  async say(line: string): Promise<string> {
    await this.send(`${line}\r\n`);
    return await this.reply();
  }

  /** Returns what was sent, once it is at least as long as `expected`, or the program has ended. */
  async received(expected: string): Promise<string> {
    while (this.#text.length < expected.length && await this.#more());
    const text = this.#text;
    this.#text = "";
    return text;
  }

  /** Closes the connection. @returns what was not read, the exit status and standard error */
  async end(): Promise<{ rest: string; code: number; stderr: string }> {
    await this.#close();
    while (await this.#more());
    const { code } = await this.#child.status;
    return { rest: this.#text, code, stderr: await this.#errors };
  }

  /** Sends SIGTERM to the launcher, which passes it on. */
  stop(): void {
    this.#child.kill("SIGTERM");
  }

  /** Kills the launcher and the program with SIGKILL. */
  async kill(): Promise<void> {
    const children = Deno.readTextFileSync(`/proc/${this.#child.pid}/task/${this.#child.pid}/children`).trim().split(
      " ",
    );
    for (const pid of [...children.filter((one) => one !== "").map(Number), this.#child.pid]) Deno.kill(pid, "SIGKILL");
    await this.#child.status;
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#reader.read();
    if (value !== undefined) this.#text += decodeLatin1(value);
    return !done;
  }

  async #close(): Promise<void> {
    if (!this.#ended) await this.#writer.close().catch(() => {});
    this.#ended = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has exited.
    }
    await this.#reader.cancel().catch(() => {});
    await this.#child.status;
    await this.#errors;
  }
}

/** The answer to AUTH PLAIN. */
export const plain = (user: string, password: string) => encodeLatin1(`\0${user}\0${password}`).toBase64();

let hash: Promise<string> | undefined;

/** Writes a file of logins in which greg has the password `secret`, and uses `user` and the home. @returns its path */
export async function usersFile(home: Home, user = currentUser()): Promise<string> {
  hash ??= hashPassword("secret");
  return home.write("users", `greg:${await hash}:${user}:${home.path}\n`, 0o600);
}

/** The name of the user as whom the tests run. */
export function currentUser(): string {
  const { stdout } = new Deno.Command("id", { args: ["-un"] }).outputSync();
  const name = new TextDecoder().decode(stdout).trim();
  assert.notEqual(name, "");
  return name;
}
