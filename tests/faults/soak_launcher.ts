/**
 * Messages through the real launchers, out and in, by all ways and two callers at once, while SIGKILL meets the
 * launcher alone, or it and the program at once. A caller tries again until it is told success, as every queue does. A
 * copy beyond the first comes from an attempt that was killed behind its commit: how many those are is what this counts.
 *
 * deno run -A tests/faults/soak_launcher.ts [messages [seed]]
 */
import { FaultHome } from "./home.ts";
import { randomly } from "./random.ts";
import { ROOT } from "../rig.ts";
import { type Way, WAYS } from "./ways.ts";

/** Who is killed. */
export type Victim = "launcher" | "both";

/** What came of one way. */
export interface Figures {
  readonly attempts: number;
  /** Attempts that were killed before they ended by themselves. */
  readonly kills: number;
  /** Messages that never arrived whole. */
  readonly lost: number;
  /** Copies beyond the first of a message. */
  readonly extra: number;
  /** Copies of an attempt that do not agree with what its caller was told. */
  readonly wrong: number;
  /** Parts that were taken for a message. */
  readonly parts: number;
}

const LAUNCHERS = { shim: `${ROOT}/shim/shim`, incoming: `${ROOT}/hooks/incoming` };
/** The part of the attempts that are killed, if they have not ended by then. */
const KILLED = 0.5;

/** Sends so many messages by this way. */
export async function soakWay(way: Way, messages: number, victim: Victim, seed: number): Promise<Figures> {
  using home = new FaultHome();
  Deno.mkdirSync(`${home.path}/Inbox`);
  const { files } = way.job(home, "");
  for (const [name, text] of Object.entries(files!)) home.write(name, text, 0o600);
  const random = randomly(seed);
  const told = new Map<string, "sent" | "kept" | "killed">();
  let [next, longest] = [0, 100];

  const one = async (name: string): Promise<boolean> => {
    const { program, args, input, env } = way.job(home, name);
    const child = new Deno.Command(LAUNCHERS[program], {
      args: [...args],
      cwd: home.path,
      clearEnv: true,
      env: { HOME: home.path, PATH: `${home.path}/bin:/usr/bin:/bin`, ...home.env, ...env },
      stdin: "piped",
      stdout: "null",
      stderr: "null",
      detached: true, // a group, so that both can be killed at once
    }).spawn();
    const began = performance.now();
    const kill = () => {
      try {
        Deno.kill(victim === "both" ? -child.pid : child.pid, "SIGKILL");
      } catch {
        // It has ended just now.
      }
    };
    const timer = random() < KILLED ? setTimeout(kill, random() * longest) : undefined;
    const writer = child.stdin.getWriter();
    const fed = writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
    const end = await child.status;
    clearTimeout(timer);
    await fed;
    if (timer === undefined) longest = 0.9 * longest + 0.1 * 1.1 * (performance.now() - began);
    const says = end.signal === "SIGKILL" ? "killed" : end.code === way.done ? "sent" : "kept";
    told.set(name, says);
    return says === "sent";
  };
  const caller = async () => {
    for (let message; (message = next++) < messages;) {
      for (let attempt = 0; !await one(`m${message}.${attempt}@example.net`); attempt++);
    }
  };
  await Promise.all([caller(), caller()]);
  await home.quiet();

  const arrived = new Array<number>(messages).fill(0);
  let [wrong, parts] = [0, 0];
  for (const [name, says] of told) {
    const copies = way.arrived(home, name);
    const whole = copies.filter(way.whole).length;
    parts += copies.length - whole;
    if (says === "sent" ? whole !== 1 : says === "kept" ? copies.length !== 0 : copies.length > 1) wrong++;
    arrived[Number(/^m(\d+)\./.exec(name)![1])]! += whole;
  }
  return {
    attempts: told.size,
    kills: [...told.values()].filter((says) => says === "killed").length,
    lost: arrived.filter((count) => count === 0).length,
    extra: arrived.reduce((sum, count) => sum + Math.max(0, count - 1), 0),
    wrong,
    parts,
  };
}

/** The figures of a way on one line. */
const line = (figures: Figures): string => Object.entries(figures).map(([name, n]) => `${name} ${n}`).join(", ");

/** Sends so many messages by each way, for both victims, and prints what came of it. @returns is nothing lost? */
export async function soakLaunchers(messages: number, seed: number): Promise<boolean> {
  let good = true;
  for (const victim of ["launcher", "both"] as const) {
    const sum: Record<string, number> = {};
    for (const way of WAYS) {
      const figures = await soakWay(way, messages, victim, seed);
      console.log(`SIGKILL of ${victim}, ${way.what}: ${line(figures)}`);
      for (const [name, n] of Object.entries(figures)) sum[name] = (sum[name] ?? 0) + n;
      good &&= figures.lost === 0 && figures.wrong === 0;
    }
    console.log(`SIGKILL of ${victim}, all: ${line(sum as unknown as Figures)}`);
  }
  return good;
}

if (import.meta.main) {
  const messages = Number(Deno.args[0] ?? 125);
  const seed = Number(Deno.args[1] ?? crypto.getRandomValues(new Uint32Array(1))[0]);
  console.log(`seed ${seed}, ${messages} messages a way`);
  Deno.exit(await soakLaunchers(messages, seed) ? 0 : 1);
}
