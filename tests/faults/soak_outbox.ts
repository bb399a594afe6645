/**
 * Sends messages through an outbox while shims and runners are killed with SIGKILL at random moments. Two callers
 * submit, half of the messages with `always`, half with `failed`; two runners share the queue; the server defers some
 * recipients. A message for which the shim exited 0 arrives at each recipient, and one for which it exited otherwise at
 * none. A recipient gets it twice only if a process was killed between the final dot and the note of its result, and
 * the log says so.
 *
 * deno task soak outbox [messages [seed [smtp|command]]]: 5,000 by default, to a server. With `command` a program takes
 * the messages.
 */
import { changeEntries } from "../../io/outbox/change.ts";
import { listEntries, outboxFolder } from "../../io/outbox/store.ts";
import { toServer } from "../outbox_home.ts";
import { LATER, Sink } from "../smtp_sink.ts";
import { CONFIG, DENO, FaultHome, letter, STATE } from "./home.ts";
import { seededRandom } from "./random.ts";
import { ROOT } from "../rig.ts";

/** The result of a soak test of the outbox. */
export interface OutboxFigures {
  readonly messages: number;
  readonly attempts: number;
  readonly killedShims: number;
  readonly killedRunners: number;
  /** Recipients who did not get a message for which the shim exited 0. */
  readonly lost: number;
  /** Recipients who got a message for which the shim exited with another status, or a part of one. */
  readonly wrong: number;
  /** Copies beyond the first. */
  readonly twice: number;
  /** Those of them that the log does not announce. */
  readonly unannounced: number;
  /** Entries that were left in the queue. */
  readonly left: number;
}

/** The fraction of shims and runners that are killed, unless they have ended before. */
const [SHIM_KILLS, RUNNER_KILLS] = [0.2, 0.6];

/** The fraction of recipients that the server defers. */
const DEFERRED = 0.3;

/** The last line of each body, by which a program recognizes a whole message. */
const END = "the end";

/**
 * Returns a program that defers some messages, and writes the recipients of the others to a file, one a line. A message
 * without its end is an address of its own.
 */
const programTo = (file: string) =>
  `#!/bin/sh
last=$(tail -n 1)
[ "$(od -An -N1 -tu1 /dev/urandom)" -ge ${Math.round(256 * DEFERRED)} ] || exit 75
while [ "$1" != -- ]; do shift; done
shift
[ "$last" = '${END}' ] || set -- part
printf '%s\\n' "$@" >>'${file}'
`;

/** Runs the soak test. */
export async function soakOutbox(
  messages: number,
  seed: number,
  via: "smtp" | "command" = "smtp",
): Promise<OutboxFigures> {
  const random = seededRandom(seed);
  // The reply to the final dot takes a moment, so that some processes are killed while they wait for it.
  const hold = () => new Promise<void>((done) => setTimeout(done, random() * 20));
  await using sink = new Sink({ hold, to: () => random() < DEFERRED ? LATER : undefined });
  using home = new FaultHome();
  const modes = ["always", "failed"];
  const delivered = home.write("delivered", "");
  const transport = via === "smtp"
    ? toServer(sink.port)
    : `[transport]\npreset = "sendmail"\ncommand = ["${home.write("program", programTo(delivered), 0o755)}"]\n`;
  for (const mode of modes) {
    const text = `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\nkeys = "keys"\n`;
    const outbox = `[state]\nfolder = "~/${STATE}"\n[outbox]\nwhen = "${mode}"\nreport = "~/reports"\n`;
    home.write(CONFIG.replace("config.toml", `${mode}.toml`), `${text}${transport}${outbox}`);
  }
  const folder = outboxFolder(`${home.path}/${STATE}`);
  const start = (mode: string, args: string[], stdin: "piped" | "null") =>
    new Deno.Command(`${home.path}/bin/deno`, {
      args: [...DENO, `${ROOT}/shim/main.ts`, "shim", ...args],
      clearEnv: true,
      env: {
        HOME: home.path,
        PATH: "/usr/bin:/bin",
        ...home.env,
        COUNTERSIGN_CONFIG: `${home.path}/${CONFIG.replace("config.toml", `${mode}.toml`)}`,
      },
      stdin,
      stdout: "null",
      stderr: "null",
    }).spawn();

  let [next, attempts, killedShims, killedRunners] = [0, 0, 0, 0];
  let longest = 300;
  const ends = new Map<string, "kept" | "refused" | "killed">();
  const killLater = (child: Deno.ChildProcess, chance: number, within: number) =>
    random() < chance
      ? setTimeout(() => {
        try {
          child.kill("SIGKILL");
        } catch {
          // It has just ended.
        }
      }, random() * within)
      : undefined;

  const submit = async (message: number, attempt: number): Promise<boolean> => {
    attempts++;
    const name = `m${message}.${attempt}`;
    const to = [`${name}.a@example.net`, `${name}.b@example.net`];
    const child = start(modes[message % 2]!, to, "piped");
    const began = performance.now();
    const timer = killLater(child, SHIM_KILLS, longest);
    const writer = child.stdin.getWriter();
    const body = "a line of the body, as many others are\n".repeat(message % 20 === 0 ? 3000 : 10);
    const fed = writer.write(new TextEncoder().encode(letter(name, `${body}${END}\n`))).then(() => writer.close())
      .catch(() => {});
    const { success, signal } = await child.status;
    await fed;
    clearTimeout(timer);
    if (signal === "SIGKILL") killedShims++;
    else longest = 0.9 * longest + 0.1 * (performance.now() - began);
    ends.set(name, success ? "kept" : signal === "SIGKILL" ? "killed" : "refused");
    return success;
  };
  const caller = async () => {
    for (let message; (message = next++) < messages;) {
      for (let attempt = 0; !await submit(message, attempt); attempt++);
    }
  };
  let submitted = false;
  const runner = async () => {
    for (;;) {
      const last = submitted;
      // Deferred mail is made due, because the test cannot wait for it.
      const flush = (entry: { attempts: number; next: number }) => entry.attempts > 0 && entry.next > Date.now();
      changeEntries(folder, "all", (entry) => flush(entry) ? { ...entry, next: Date.now() } : undefined);
      const child = start("always", ["-q"], "null");
      const timer = last && random() < 0.5 ? undefined : killLater(child, RUNNER_KILLS, 2000);
      const { signal } = await child.status;
      clearTimeout(timer);
      if (signal === "SIGKILL") killedRunners++;
      if (last && listEntries(folder).length === 0) return;
    }
  };
  const callers = Promise.all([caller(), caller()]).then(() => submitted = true);
  await Promise.all([callers, runner(), runner()]);

  const copies = new Map<string, number>();
  const got = via === "smtp" ? sink.accepted.flatMap(({ to }) => to) : home.read("delivered").trimEnd().split("\n");
  for (const one of got) copies.set(one, (copies.get(one) ?? 0) + 1);
  let [lost, wrong, twice] = [0, copies.get("part") ?? 0, 0];
  for (const [name, end] of ends) {
    for (const to of [`${name}.a@example.net`, `${name}.b@example.net`]) {
      const count = copies.get(to) ?? 0;
      if (end === "kept" && count === 0) lost++;
      if (end === "refused" && count > 0) wrong++;
      twice += Math.max(0, count - 1);
    }
  }
  const announced = [...home.read(`${STATE}/log`).matchAll(/ recipients=(\d+) note="?[^"\n]*may be sent twice/g)]
    .reduce((sum, [, count]) => sum + Number(count), 0);
  const left = listEntries(folder).length;
  const unannounced = Math.max(0, twice - announced);
  return { messages, attempts, killedShims, killedRunners, lost, wrong, twice, unannounced, left };
}

/** Runs the soak test and prints its figures. @returns whether no message was lost */
export async function main([count, given, via = "smtp"]: readonly string[]): Promise<boolean> {
  const seed = Number(given ?? crypto.getRandomValues(new Uint32Array(1))[0]);
  console.log(`seed ${seed}`);
  const began = performance.now();
  const figures = await soakOutbox(Number(count ?? 5_000), seed, via === "command" ? via : "smtp");
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(`${Object.entries(figures).map(([name, n]) => `${name} ${n}`).join(", ")}; ${seconds} s`);
  const good = figures.lost + figures.wrong + figures.unannounced + figures.left === 0;
  console.log(good ? "No message lost, none sent twice without a note" : "FAILED");
  return good;
}
