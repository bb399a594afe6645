/**
 * Sends messages through the shim from two callers at once and kills the shim with SIGKILL or SIGTERM at random
 * moments. A caller retries until the shim exits 0, as a queue does. No message is lost; a message is duplicated only
 * if the injector had taken it when its shim was killed; with a spool no partial message is sent.
 *
 * deno task soak [messages [seed]]: 10,000 by default, with and without a spool; then an eighth of them through each
 * route of soak_launcher.ts. deno task soak outbox: soak_outbox.ts; deno task soak all: soak_all.ts.
 */
import { CONFIG, FaultHome, isWhole, letter } from "./home.ts";
import { seededRandom } from "./random.ts";

/** The result of a soak test. */
export interface Figures {
  readonly messages: number;
  readonly attempts: number;
  readonly sigkill: number;
  readonly sigterm: number;
  /** Messages that never arrived whole. */
  readonly lost: number;
  /** Copies beyond the first of a message, each from a shim that was killed with SIGKILL. */
  readonly duplicated: number;
  /** Copies without this explanation. */
  readonly wrong: number;
  /** Partial messages that were sent. */
  readonly parts: number;
}

/** Every attempt has its own recipient, which identifies it in the injector's files. */
const nameOf = (message: number, attempt: number) => `m${message}.${attempt}@example.net`;

/** The fraction of attempts that are killed, unless they have ended before. */
const KILL_FRACTION = 0.3;

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has just ended.
  }
}

/** Sends so many messages, with or without a spool. */
export async function soak(messages: number, spool: boolean, seed: number): Promise<Figures> {
  using home = new FaultHome();
  home.write(CONFIG, home.config(spool ? "spool = true\n" : ""));
  const random = seededRandom(seed);
  const bodies = [1, 10, 100].map((kilobytes) => "a line of the body, as many others are\n".repeat(kilobytes * 26));
  const ends = new Map<string, { outcome: "sent" | "kept" | "killed"; body: string }>();
  let [next, attempts, sigkill, sigterm, longest] = [0, 0, 0, 0, 60];

  const send = async (message: number, attempt: number): Promise<boolean> => {
    const body = bodies[Math.floor(random() * bodies.length)]!;
    const name = nameOf(message, attempt);
    const child = home.start(name);
    attempts++;
    const began = performance.now();
    const signal = random() < KILL_FRACTION ? random() < 0.7 ? "SIGKILL" as const : "SIGTERM" as const : undefined;
    const timer = setTimeout(() => signal && kill(child, signal), random() * longest);
    const writer = child.stdin.getWriter();
    // The message is written in two parts, as by a slow mail program, so that kills hit every stage.
    const bytes = new TextEncoder().encode(letter(name, body));
    const half = bytes.length >> 1;
    const fed = writer.write(bytes.subarray(0, half)).then(() => writer.write(bytes.subarray(half))).then(() =>
      writer.close()
    ).catch(() => {});
    const end = await child.status;
    clearTimeout(timer);
    await fed;
    if (signal === undefined) longest = 0.9 * longest + 0.1 * 1.1 * (performance.now() - began);
    const outcome = end.signal === "SIGKILL" ? "killed" : end.success ? "sent" : "kept";
    if (outcome === "killed") sigkill++;
    else if (signal === "SIGTERM" && outcome === "kept") sigterm++;
    ends.set(name, { outcome, body });
    return outcome === "sent";
  };
  const caller = async () => {
    for (let message; (message = next++) < messages;) {
      for (let attempt = 0; !await send(message, attempt); attempt++);
    }
  };
  await Promise.all([caller(), caller()]);
  await home.quiet();

  // The files that the injectors wrote, by attempt.
  const taken = new Map<string, string[]>();
  for (const { name } of Deno.readDirSync(`${home.path}/taken`)) {
    const to = name.replace(/\.\w+$/, "");
    taken.set(to, [...taken.get(to) ?? [], name]);
  }
  const arrived = new Array<number>(messages).fill(0);
  let [wrong, parts] = [0, 0];
  for (const [name, { outcome, body }] of ends) {
    const copies = taken.get(name) ?? [];
    const whole = copies.filter((copy) => isWhole(home.read(`taken/${copy}`), body)).length;
    parts += copies.length - whole;
    if (outcome === "sent" ? whole !== 1 : outcome === "kept" ? copies.length !== 0 : copies.length > 1) wrong++;
    arrived[Number(/^m(\d+)\./.exec(name)![1])]! += whole;
  }
  const lost = arrived.filter((count) => count === 0).length;
  const duplicated = arrived.reduce((sum, count) => sum + Math.max(0, count - 1), 0);
  return { messages, attempts, sigkill, sigterm, lost, duplicated, wrong, parts };
}

if (import.meta.main) {
  const [which, ...rest] = Deno.args;
  if (which === "outbox") Deno.exit(await (await import("./soak_outbox.ts")).main(rest) ? 0 : 1);
  if (which === "all") Deno.exit(await (await import("./soak_all.ts")).main(rest) ? 0 : 1);
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
  console.log(good ? "No message lost, none duplicated except by SIGKILL" : "FAILED");
  Deno.exit(good ? 0 : 1);
}
