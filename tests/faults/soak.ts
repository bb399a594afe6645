/**
 * Messages through the shim, two callers at once, with random kills: of the shim with SIGKILL or SIGTERM, at a random
 * moment. A caller tries again until it is told 0, as every queue does. Nothing is lost; nothing is doubled but what
 * an injector had taken when its shim was killed; with a spool nothing is taken in part.
 *
 * deno task soak [messages [seed]]: 10,000 by default, with and without a spool; then an eighth of them by each way of
 * soak_launcher.ts, out and in.
 */
import { CONFIG, FaultHome, isWhole, letter } from "./home.ts";
import { randomly } from "./random.ts";

/** What came of it. */
export interface Figures {
  readonly messages: number;
  readonly attempts: number;
  readonly sigkill: number;
  readonly sigterm: number;
  /** Messages that never arrived whole. */
  readonly lost: number;
  /** Copies beyond the first of a message, each taken from a shim that was killed with SIGKILL. */
  readonly doubled: number;
  /** Copies that cannot be explained so. */
  readonly wrong: number;
  /** Parts that were taken for a message. */
  readonly parts: number;
}

/** Every attempt has a recipient of its own, so that the injector tells which it took. */
const nameOf = (message: number, attempt: number) => `m${message}.${attempt}@example.net`;

/** The part of the attempts that are killed, if they have not ended by then. */
const KILLED = 0.3;

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended just now.
  }
}

/** Runs it. */
export async function soak(messages: number, spool: boolean, seed: number): Promise<Figures> {
  using home = new FaultHome();
  home.write(CONFIG, home.config(spool ? "spool = true\n" : ""));
  const random = randomly(seed);
  const bodies = [1, 10, 100].map((kilobytes) => "a line of the body, as many others are\n".repeat(kilobytes * 26));
  const ends = new Map<string, { told: "sent" | "kept" | "killed"; body: string }>();
  let [next, attempts, sigkill, sigterm, longest] = [0, 0, 0, 0, 60];

  const one = async (message: number, attempt: number): Promise<boolean> => {
    const body = bodies[Math.floor(random() * bodies.length)]!;
    const name = nameOf(message, attempt);
    const child = home.start(name);
    attempts++;
    const began = performance.now();
    const signal = random() < KILLED ? random() < 0.7 ? "SIGKILL" as const : "SIGTERM" as const : undefined;
    const timer = setTimeout(() => signal && kill(child, signal), random() * longest);
    const writer = child.stdin.getWriter();
    // The end comes late now and then, as from a slow mail program; a kill meets all of the way.
    const bytes = new TextEncoder().encode(letter(name, body));
    const half = bytes.length >> 1;
    const fed = writer.write(bytes.subarray(0, half)).then(() => writer.write(bytes.subarray(half))).then(() =>
      writer.close()
    ).catch(() => {});
    const end = await child.status;
    clearTimeout(timer);
    await fed;
    if (signal === undefined) longest = 0.9 * longest + 0.1 * 1.1 * (performance.now() - began);
    const told = end.signal === "SIGKILL" ? "killed" : end.success ? "sent" : "kept";
    if (told === "killed") sigkill++;
    else if (signal === "SIGTERM" && told === "kept") sigterm++;
    ends.set(name, { told, body });
    return told === "sent";
  };
  const caller = async () => {
    for (let message; (message = next++) < messages;) {
      for (let attempt = 0; !await one(message, attempt); attempt++);
    }
  };
  await Promise.all([caller(), caller()]);
  await home.quiet();

  // What the injectors took, a file each, by its attempt.
  const taken = new Map<string, string[]>();
  for (const { name } of Deno.readDirSync(`${home.path}/taken`)) {
    const to = name.replace(/\.\d+$/, "");
    taken.set(to, [...taken.get(to) ?? [], name]);
  }
  const arrived = new Array<number>(messages).fill(0);
  let [wrong, parts] = [0, 0];
  for (const [name, { told, body }] of ends) {
    const copies = taken.get(name) ?? [];
    const whole = copies.filter((copy) => isWhole(home.read(`taken/${copy}`), body)).length;
    parts += copies.length - whole;
    if (told === "sent" ? whole !== 1 : told === "kept" ? copies.length !== 0 : copies.length > 1) wrong++;
    arrived[Number(/^m(\d+)\./.exec(name)![1])]! += whole;
  }
  const lost = arrived.filter((count) => count === 0).length;
  const doubled = arrived.reduce((sum, count) => sum + Math.max(0, count - 1), 0);
  return { messages, attempts, sigkill, sigterm, lost, doubled, wrong, parts };
}

if (import.meta.main) {
  const messages = Number(Deno.args[0] ?? 10_000);
  const seed = Number(Deno.args[1] ?? crypto.getRandomValues(new Uint32Array(1))[0]);
  console.log(`seed ${seed}`);
  let good = true;
  for (const spool of [false, true]) {
    const began = performance.now();
    const figures = await soak(messages, spool, seed);
    const seconds = Math.round((performance.now() - began) / 1000);
    console.log(
      `spool = ${spool}: ${Object.entries(figures).map(([name, n]) => `${name} ${n}`).join(", ")}; ${seconds} s`,
    );
    good &&= figures.lost === 0 && figures.wrong === 0 && (!spool || figures.parts === 0);
  }
  const { soakLaunchers } = await import("./soak_launcher.ts");
  good = await soakLaunchers(Math.ceil(messages / 8), seed) && good;
  console.log(good ? "None lost, none doubled but by SIGKILL" : "FAILED");
  Deno.exit(good ? 0 : 1);
}
