/**
 * Sends messages through the real launchers, outgoing and incoming, through all routes and from two callers at once,
 * while SIGKILL hits the launcher alone, or both it and the program. A caller retries until it succeeds, as a queue
 * does. An additional copy comes from an attempt that was killed after its commit; this counts them.
 *
 * deno run -A tests/faults/soak_launcher.ts [messages [seed]]
 */
import { FaultHome } from "./home.ts";
import { seededRandom } from "./random.ts";
import { ROOT } from "../rig.ts";
import { type Route, ROUTES } from "./routes.ts";

/** Which processes are killed. */
export type Victim = "launcher" | "both";

/** The result of one route. */
export interface Figures {
  readonly attempts: number;
  /** Attempts that were killed before they ended. */
  readonly kills: number;
  /** Messages that never arrived whole. */
  readonly lost: number;
  /** Copies beyond the first of a message. */
  readonly extra: number;
  /** Attempts whose copies contradict the status that the caller got. */
  readonly wrong: number;
  /** Partial messages that were sent. */
  readonly parts: number;
}

const LAUNCHERS = { shim: `${ROOT}/shim/shim`, incoming: `${ROOT}/hooks/incoming` };
/** The fraction of attempts that are killed, unless they have ended before. */
const KILL_FRACTION = 0.5;

/** Sends so many messages through this route. */
export async function soakRoute(route: Route, messages: number, victim: Victim, seed: number): Promise<Figures> {
  using home = new FaultHome();
  Deno.mkdirSync(`${home.path}/Inbox`);
  const { files } = route.job(home, "");
  for (const [name, text] of Object.entries(files!)) home.write(name, text, 0o600);
  const random = seededRandom(seed);
  const outcomes = new Map<string, "sent" | "kept" | "killed">();
  let [next, longest] = [0, 100];

  const send = async (name: string): Promise<boolean> => {
    const { program, args, input, env } = route.job(home, name);
    const child = new Deno.Command(LAUNCHERS[program], {
      args: [...args],
      cwd: home.path,
      clearEnv: true,
      env: { HOME: home.path, PATH: `${home.path}/bin:/usr/bin:/bin`, ...home.env, ...env },
      stdin: "piped",
      stdout: "null",
      stderr: "null",
      detached: true, // a process group, so that both can be killed at once
    }).spawn();
    const began = performance.now();
    const kill = () => {
      try {
        Deno.kill(victim === "both" ? -child.pid : child.pid, "SIGKILL");
      } catch {
        // It has just ended.
      }
    };
    const timer = random() < KILL_FRACTION ? setTimeout(kill, random() * longest) : undefined;
    const writer = child.stdin.getWriter();
    const fed = writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
    const end = await child.status;
    clearTimeout(timer);
    await fed;
    if (timer === undefined) longest = 0.9 * longest + 0.1 * 1.1 * (performance.now() - began);
    const outcome = end.signal === "SIGKILL" ? "killed" : end.code === route.done ? "sent" : "kept";
    outcomes.set(name, outcome);
    return outcome === "sent";
  };
  const caller = async () => {
    for (let message; (message = next++) < messages;) {
      for (let attempt = 0; !await send(`m${message}.${attempt}@example.net`); attempt++);
    }
  };
  await Promise.all([caller(), caller()]);
  await home.quiet();

  const arrived = new Array<number>(messages).fill(0);
  let [wrong, parts] = [0, 0];
  for (const [name, outcome] of outcomes) {
    const copies = route.arrived(home, name);
    const whole = copies.filter(route.whole).length;
    parts += copies.length - whole;
    if (outcome === "sent" ? whole !== 1 : outcome === "kept" ? copies.length !== 0 : copies.length > 1) wrong++;
    arrived[Number(/^m(\d+)\./.exec(name)![1])]! += whole;
  }
  return {
    attempts: outcomes.size,
    kills: [...outcomes.values()].filter((outcome) => outcome === "killed").length,
    lost: arrived.filter((count) => count === 0).length,
    extra: arrived.reduce((sum, count) => sum + Math.max(0, count - 1), 0),
    wrong,
    parts,
  };
}

/** The figures on one line. */
const line = (figures: Figures): string => Object.entries(figures).map(([name, n]) => `${name} ${n}`).join(", ");

/**
 * Sends so many messages through each route, for both victims, and prints the figures.
 *
 * @returns whether none is lost
 */
export async function soakLaunchers(messages: number, seed: number): Promise<boolean> {
  let good = true;
  for (const victim of ["launcher", "both"] as const) {
    const sum: Record<string, number> = {};
    for (const route of ROUTES) {
      const figures = await soakRoute(route, messages, victim, seed);
      console.log(`SIGKILL of ${victim}, ${route.what}: ${line(figures)}`);
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
  console.log(`seed ${seed}, ${messages} messages per route`);
  Deno.exit(await soakLaunchers(messages, seed) ? 0 : 1);
}
