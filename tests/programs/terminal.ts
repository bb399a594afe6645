/** Runs programs that need a terminal in their own tmux, types, and reads their screen. */
import assert from "node:assert/strict";
import type { Home, Ran } from "../rig.ts";
import { lacking, type Test, tests } from "./need.ts";

/** Returns a function that registers tests of a program on a terminal. */
export async function needOnTerminal(program: string): Promise<Test> {
  const missing = [await lacking("tmux"), await lacking(program)];
  return tests(missing.filter((reason) => reason !== "").join("; "));
}

/** The screen is read this often, with this pause in milliseconds in between: for at least a minute. */
const [TRIES, PAUSE] = [600, 100];

const pause = () => new Promise((done) => setTimeout(done, PAUSE));

/** A terminal with one program in it. */
export class Terminal {
  readonly #home: Home;
  readonly #socket = `countersign-${crypto.randomUUID()}`;

  private constructor(home: Home) {
    this.#home = home;
  }

  /** Runs the program in the home, on a screen of this size. */
  static async open(home: Home, argv: string[], columns = 120, rows = 40): Promise<Terminal> {
    const it = new Terminal(home);
    // Keep the last screen of a program that has ended.
    home.write(".tmux.conf", "set -g remain-on-exit on\nset -g status off\n");
    const size = ["-x", `${columns}`, "-y", `${rows}`];
    // tmux 3.3 sometimes never gets the exit status of a pane, so a shell writes it to a file.
    const run = ["sh", "-c", `"$@"; echo $? >"$HOME/ended"`, "sh", ...argv];
    const ran = await it.#tmux("-f", `${home.path}/.tmux.conf`, "new-session", "-d", "-s", "it", ...size, ...run);
    assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
    return it;
  }

  /** Each terminal has its own tmux server, whose socket is in the home. */
  #tmux(...args: string[]): Promise<Ran> {
    const env = { TERM: "xterm", TMUX_TMPDIR: this.#home.path, XDG_RUNTIME_DIR: this.#home.path };
    return this.#home.run(["tmux", "-L", this.#socket, ...args], "", env);
  }

  /** Types text literally. */
  async type(text: string): Promise<void> {
    assert.equal((await this.#tmux("send-keys", "-t", "it", "-l", "--", text)).code, 0);
  }

  /** Presses keys by their tmux names: `Enter`, `C-x`. */
  async press(...keys: string[]): Promise<void> {
    assert.equal((await this.#tmux("send-keys", "-t", "it", ...keys)).code, 0);
  }

  /** The content of the screen. */
  async screen(): Promise<string> {
    return (await this.#tmux("capture-pane", "-p", "-t", "it")).stdout;
  }

  /** Waits until the screen matches; `nudge` is a key to press before every further try. */
  async shows(pattern: RegExp, nudge?: string): Promise<string> {
    let screen = "";
    for (let tries = 0; tries < TRIES; tries++) {
      screen = await this.screen();
      if (pattern.test(screen)) return screen;
      await pause();
      if (nudge !== undefined) await this.press(nudge);
    }
    assert.fail(`The screen never showed ${pattern}:\n${screen}`);
  }

  /** Waits for a condition that is not on the screen. */
  async until(what: string, holds: () => boolean): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      if (holds()) return;
      await pause();
    }
    assert.fail(`Never: ${what}. The screen:\n${await this.screen()}`);
  }

  /** Waits until the program has ended. @returns its exit status */
  async ended(): Promise<number> {
    await this.until("the program has ended", () => this.#home.read("ended") !== "");
    return Number(this.#home.read("ended"));
  }

  /** Ends the program and its terminal, and waits until it no longer writes to the home. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { stdout } = await this.#tmux("list-panes", "-F", "#{pane_pid}");
    await this.#tmux("kill-server");
    const pid = Number(stdout);
    if (pid === 0) return;
    try {
      Deno.kill(-pid, "SIGKILL"); // the shell and everything that it has started
    } catch {
      // They have ended.
    }
    for (let tries = 0; tries < TRIES && runs(pid); tries++) await pause();
  }
}

/** Whether a process runs. A zombie does not. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
