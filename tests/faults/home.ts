/** What the tests of faults share: a home whose injector commits at the end of input, and what must be true then. */
import assert from "node:assert/strict";
import { Home, ROOT, SECRET } from "../rig.ts";
import type { Job, Result } from "./driver.ts";

/** Takes everything, then commits at once: under the name of the recipient, a file a message. */
const INJECTOR = `#!/bin/sh
for to; do :; done
cat >"$HOME/taken/.$to.$$" && mv "$HOME/taken/.$to.$$" "$HOME/taken/$to.$$"
`;

/** A body whose end can be seen. */
export const BODY = "Dear list,\nthere is a beginning,\nand an end.\n";

/** A message of greg's. */
export const letter = (to: string, body = BODY): string =>
  `From: greg@example.org\nTo: ${to}\nSubject: Faults\nMessage-ID: <${to}.${crypto.randomUUID()}>\n\n${body}`;

/** Where settings, keys and state stand below the home. */
export const CONFIG = ".config/countersign/config.toml";
export const KEYS = ".config/countersign/keys";
export const STATE = ".local/state/countersign";

/** Flags of Deno for a program that lives for a message. */
const DENO = ["run", "-q", "--frozen", "--config", `${ROOT}/deno.json`, "-A", "--v8-flags=--lite-mode"];

/** How a process ended. */
export type End = Pick<Deno.CommandStatus, "code" | "signal">;

export class FaultHome extends Home {
  /** Key of a hundred days ago, so that every test has a good one. */
  readonly keys = `k1 ${new Date(Date.now() - 100 * 86_400_000).toISOString().slice(0, 10)} ${SECRET}\n`;

  constructor() {
    super();
    Deno.mkdirSync(`${this.path}/taken`);
    this.write("bin/injector", INJECTOR, 0o755);
    this.write(KEYS, this.keys, 0o600);
  }

  /** Settings; `transport` goes into its table, which names the injector if it names nothing. */
  config(transport = "", more = ""): string {
    const command = /^(?:command|via) =/m.test(transport) ? "" : `command = ["${this.path}/bin/injector"]\n`;
    return `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n` +
      `[transport]\npreset = "sendmail"\n${command}${transport}\n${more}`;
  }

  /** What was taken for this recipient. */
  taken(to: string): string[] {
    const names = [...Deno.readDirSync(`${this.path}/taken`)].map(({ name }) => name);
    return names.filter((name) => name.startsWith(`${to}.`)).map((name) => this.read(`taken/${name}`));
  }

  /** Starts the shim, called with this recipient; the message is still to be written. */
  start(to: string): Deno.ChildProcess {
    return new Deno.Command(`${this.path}/bin/deno`, {
      args: [...DENO, `${ROOT}/shim/main.ts`, "shim", to],
      clearEnv: true,
      env: { HOME: this.path, PATH: "/usr/bin:/bin", ...this.env },
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  /** Runs the jobs in one process. @returns their results, fewer when it was killed, and how it ended */
  async drive(jobs: readonly Job[]): Promise<{ results: Result[]; end: End }> {
    const file = Deno.makeTempFileSync({ dir: this.path });
    Deno.writeTextFileSync(file, JSON.stringify(jobs));
    // A fault must not make us wait for ever, either.
    const ran = await new Deno.Command("/usr/bin/timeout", {
      args: ["-s", "KILL", "60", Deno.execPath(), ...DENO, `${ROOT}/tests/faults/driver.ts`, file],
      cwd: this.path,
      clearEnv: true,
      env: { HOME: this.path, PATH: "/usr/bin:/bin", ...this.env },
      stdin: "null",
      stderr: "inherit",
    }).output();
    Deno.removeSync(file);
    const lines = new TextDecoder().decode(ran.stdout).split("\n").slice(0, -1);
    return { results: lines.map((line) => JSON.parse(line)), end: { code: ran.code, signal: ran.signal } };
  }

  /** Waits until nothing runs in this home any more: an injector outlives a shim that is killed. */
  async quiet(): Promise<void> {
    const end = Date.now() + 30_000;
    const runs = ({ name }: Deno.DirEntry) => {
      try {
        return /^\d+$/.test(name) && Deno.readTextFileSync(`/proc/${name}/environ`).includes(`HOME=${this.path}\0`);
      } catch {
        return false; // It has ended, or is somebody else's.
      }
    };
    while ([...Deno.readDirSync("/proc")].some(runs)) {
      assert.ok(Date.now() < end, "something still runs");
      await new Promise((done) => setTimeout(done, 2));
    }
  }
}

/** Whole: the body to its end, and the header with our tag. */
export function isWhole(mail: string, body = BODY): boolean {
  return isTagged(mail) && mail.endsWith(`\n\n${body}`);
}

/** Does its header have our tag? */
export function isTagged(mail: string): boolean {
  return /^X-Msgauth: v1\.k1\./m.test(mail.split("\n\n")[0]!);
}

/** Handed over exactly once, whole, or kept by the caller. */
export function onceOrKept(status: number, mails: readonly string[], what: string, body = BODY): void {
  const expected = status === 0 ? 1 : 0;
  assert.equal(mails.length, expected, `${what}: status ${status}, handed over ${mails.length} times`);
  for (const mail of mails) assert.ok(isWhole(mail, body), `${what}: not whole: ${mail}`);
}

/** Does the work for all of them, two at a time. */
export async function byTwo<T>(all: readonly T[], work: (one: T, at: number) => Promise<void>): Promise<void> {
  const left = [...all.entries()];
  const worker = async () => {
    for (let next; (next = left.shift()) !== undefined;) await work(next[1], next[0]);
  };
  await Promise.all([worker(), worker()]);
}
