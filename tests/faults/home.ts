/**
 * Shared by the fault tests: a home whose injector commits at the end of its input, and assertions about the result.
 */
import assert from "node:assert/strict";
import { Home, ROOT, SECRET } from "../rig.ts";
import type { Job, Result } from "./driver.ts";

/**
 * Reads the whole message and stores it under the last argument, the recipient, by a rename. The name does not contain
 * the process id, which another process may get in the same test.
 */
export const STORES = `for to; do :; done
draft=$(mktemp "$HOME/taken/.$to.XXXXXXXXXX") && cat >"$draft" && mv "$draft" "$HOME/taken/$to.\${draft##*.}"
`;
const INJECTOR = `#!/bin/sh\n${STORES}`;

/** A body whose end is recognizable. */
export const BODY = "Dear list,\nthere is a beginning,\nand an end.\n";

/** A message from greg. */
export const letter = (to: string, body = BODY): string =>
  `From: greg@example.org\nTo: ${to}\nSubject: Faults\nMessage-ID: <${to}.${crypto.randomUUID()}>\n\n${body}`;

/** Settings, keys and state, below the home. */
export const CONFIG = ".config/countersign/config.toml";
export const KEYS = ".config/countersign/keys";
export const STATE = ".local/state/countersign";
/** Where the driver moves the folders that a job sets aside. */
export const ASIDE = "aside";

/** Deno's flags for a program that handles one message. */
export const DENO = ["run", "-q", "--frozen", "--config", `${ROOT}/deno.json`, "-A", "--v8-flags=--lite-mode"];

/** How a process ended. */
export type End = Pick<Deno.CommandStatus, "code" | "signal">;

export class FaultHome extends Home {
  /** A valid key file: the key is a hundred days old. */
  readonly keys = `k1 ${new Date(Date.now() - 100 * 86_400_000).toISOString().slice(0, 10)} ${SECRET}\n`;

  constructor() {
    super();
    Deno.mkdirSync(`${this.path}/taken`);
    this.write("bin/injector", INJECTOR, 0o755);
    this.write(KEYS, this.keys, 0o600);
  }

  /** The text of the settings. The table `transport` has these lines, and the injector unless they name a transport. */
  config(transport = "", more = ""): string {
    const command = /^(?:command|via) =/m.test(transport) ? "" : `command = ["${this.path}/bin/injector"]\n`;
    return `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n` +
      `[transport]\npreset = "sendmail"\n${command}${transport}\n${more}`;
  }

  /** The messages that the injector took for this recipient. */
  taken(to: string): string[] {
    const names = [...Deno.readDirSync(`${this.path}/taken`)].map(({ name }) => name);
    return names.filter((name) => name.startsWith(`${to}.`)).map((name) => this.read(`taken/${name}`));
  }

  /** Starts the shim for this recipient. The caller writes the message. */
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

  /** {@link drive}s the jobs with this home. */
  drive(jobs: readonly Job[]): ReturnType<typeof drive> {
    return drive(this, jobs);
  }

  /** Waits until no program with this home runs any more: an injector outlives a killed shim. */
  async quiet(): Promise<void> {
    const end = Date.now() + 30_000;
    const hasThisHome = ({ name }: Deno.DirEntry) => {
      try {
        return /^\d+$/.test(name) && Deno.readTextFileSync(`/proc/${name}/environ`).includes(`HOME=${this.path}\0`);
      } catch {
        return false; // It has ended, or belongs to another user.
      }
    };
    while ([...Deno.readDirSync("/proc")].some(hasThisHome)) {
      assert.ok(Date.now() < end, "a program still runs");
      await new Promise((done) => setTimeout(done, 2));
    }
  }
}

/** Runs the jobs in one process. @returns their results, fewer if it was killed, and how it ended */
export async function drive(home: Home, jobs: readonly Job[]): Promise<{ results: Result[]; end: End }> {
  const file = Deno.makeTempFileSync({ dir: home.path });
  Deno.writeTextFileSync(file, JSON.stringify(jobs));
  // A fault must not make the test wait forever.
  const ran = await new Deno.Command("/usr/bin/timeout", {
    args: ["-s", "KILL", "60", Deno.execPath(), ...DENO, `${ROOT}/tests/faults/driver.ts`, file],
    cwd: home.path,
    clearEnv: true,
    env: { HOME: home.path, PATH: "/usr/bin:/bin", ...home.env },
    stdin: "null",
    stderr: "inherit",
  }).output();
  Deno.removeSync(file);
  const lines = new TextDecoder().decode(ran.stdout).split("\n").slice(0, -1);
  return { results: lines.map((line) => JSON.parse(line)), end: { code: ran.code, signal: ran.signal } };
}

/** Whether the message has its complete body and a tag. */
export function isWhole(mail: string, body = BODY): boolean {
  return isTagged(mail) && mail.endsWith(`\n\n${body}`);
}

/** Whether the header has a tag. */
export function isTagged(mail: string): boolean {
  return /^X-Msgauth: v1\.k1\./m.test(mail.split("\n\n")[0]!);
}

/** Asserts that the message was sent whole and exactly once, or not at all if the status is not 0. */
export function onceOrKept(status: number, mails: readonly string[], what: string, body = BODY): void {
  const expected = status === 0 ? 1 : 0;
  assert.equal(mails.length, expected, `${what}: status ${status}, sent ${mails.length} times`);
  for (const mail of mails) assert.ok(isWhole(mail, body), `${what}: not whole: ${mail}`);
}

/** Does the work for all items, two at a time. */
export async function inPairs<T>(items: readonly T[], work: (item: T, at: number) => Promise<void>): Promise<void> {
  const left = [...items.entries()];
  const worker = async () => {
    for (let next; (next = left.shift()) !== undefined;) await work(next[1], next[0]);
  };
  await Promise.all([worker(), worker()]);
}
