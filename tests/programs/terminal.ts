/** Programs that want a terminal: run in a tmux of their own, typed to, their screen read. */
import assert from "node:assert/strict";
import type { Home, Ran } from "../rig.ts";
import { lacking, type Test, tests } from "./need.ts";

/** What registers tests of a program that needs a terminal. */
export async function needOnTerminal(program: string): Promise<Test> {
  const missing = [await lacking("tmux"), await lacking(program)];
  return tests(missing.filter((one) => one !== "").join("; "));
}

/** How often, and how many milliseconds apart, a screen is looked at: a minute at least, on the slowest machine. */
const [TRIES, PAUSE] = [600, 100];

const pause = () => new Promise((done) => setTimeout(done, PAUSE));

/** A terminal with one program in it. */
export class Terminal {
  readonly #home: Home;
  readonly #socket = `countersign-${crypto.randomUUID()}`;

  private constructor(home: Home) {
    this.#home = home;
  }

  /** Runs the program in the home, on a screen of 120 by 40. */
  static async open(home: Home, argv: string[]): Promise<Terminal> {
    const it = new Terminal(home);
    // The last screen of a program stays when it has ended.
    home.write(".tmux.conf", "set -g remain-on-exit on\nset -g status off\n");
    const size = ["-x", "120", "-y", "40"];
    // tmux 3.3 sometimes never learns the status of a pane.
    const run = ["sh", "-c", `"$@"; echo $? >"$HOME/ended"`, "sh", ...argv];
    const ran = await it.#tmux("-f", `${home.path}/.tmux.conf`, "new-session", "-d", "-s", "it", ...size, ...run);
    assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
    return it;
  }

  /** The server is this terminal's own: its socket has a name of its own, in the home. */
  #tmux(...args: string[]): Promise<Ran> {
    const env = { TERM: "xterm", TMUX_TMPDIR: this.#home.path, XDG_RUNTIME_DIR: this.#home.path };
    return this.#home.run(["tmux", "-L", this.#socket, ...args], "", env);
  }

  /** Types text as it is. */
  async type(text: string): Promise<void> {
    assert.equal((await this.#tmux("send-keys", "-t", "it", "-l", "--", text)).code, 0);
  }

  /** Presses keys, by tmux's names for them: `Enter`, `C-x`. */
  async press(...keys: string[]): Promise<void> {
    assert.equal((await this.#tmux("send-keys", "-t", "it", ...keys)).code, 0);
  }

  /** What is on the screen. */
  async screen(): Promise<string> {
    return (await this.#tmux("capture-pane", "-p", "-t", "it")).stdout;
  }

  /** Waits until the screen shows this; `nudge` is a key to be pressed before every further look. */
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

  /** Waits for something off the screen. */
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

  /** Ends the program with its terminal, and waits until it writes no more into the home. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { stdout } = await this.#tmux("list-panes", "-F", "#{pane_pid}");
    await this.#tmux("kill-server");
    const pid = Number(stdout);
    if (pid === 0) return;
    try {
      Deno.kill(-pid, "SIGKILL"); // all that the terminal's shell has started
    } catch {
      // They have ended.
    }
    for (let tries = 0; tries < TRIES && runs(pid); tries++) await pause();
  }
}

/** One that has ended and is not yet reaped has ended. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
