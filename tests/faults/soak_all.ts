/**
 * All doors at once on one machine, while everything is killed, restarted, full, broken, upgraded, and the keys change.
 * Nothing is lost, filed wrongly, signed for the wrong person or run twice, and what is doubled has a cause.
 *
 * deno task soak all [messages [seed]]: 20,000 by default, half of them with files as state and half with Redis.
 */
import { listEntries, outboxFolder } from "../../io/outbox/store.ts";
import { changeEntries } from "../../io/outbox/change.ts";
import { Fail } from "../../lib/fail.ts";
import { filesBelow, textsByAge } from "../rig.ts";
import { Installed } from "../programs/installation.ts";
import { chown, GREG } from "../programs/site.ts";
import { seededRandom } from "./random.ts";
import { Faults } from "./soak/faults.ts";
import { type Tally, tally } from "./soak/tally.ts";
import { Traffic } from "./soak/traffic.ts";
import { USERS, World } from "./soak/world.ts";

/** Options of a run. */
export interface SoakSetup {
  readonly messages: number;
  readonly seed: number;
  readonly redis: boolean;
  /** The longest pause between two faults, in milliseconds. */
  readonly gap?: number;
  /** The faults; all by default. */
  readonly faults?: readonly string[];
  readonly workers?: number;
  /** Gets the number of messages so far, once a minute. */
  readonly progress?: (messages: number) => void;
  /** Gets what the programs wrote. */
  readonly evidence?: (text: string) => void;
}

/** The result of a run. */
export interface Figures extends Tally {
  readonly messages: Record<string, number>;
  readonly faults: Record<string, number>;
  /** What is left in queues. */
  readonly left: number;
}

const SECOND = 1000;

/** Requests that the doorbell has. */
const HELD = /\/(?:held\/(?:new|cur)|running|kept)\/[^/]+$/;
const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/** Runs a soak. */
export async function soakAll(installed: Installed, setup: SoakSetup): Promise<Figures> {
  const { messages, seed, redis, gap = 3 * SECOND, workers = 6 } = setup;
  const random = seededRandom(seed);
  await using world = await World.start(installed, redis);
  const traffic = new Traffic(world, random, messages);
  const faults = new Faults(world, random, gap);
  let flowing = true;
  const outbox = async (user: typeof USERS[number]) => {
    const folder = outboxFolder(world.places(user).state);
    while (flowing) {
      makeDue(folder, user);
      await traffic.runOutbox(user, true);
      await pause(SECOND);
    }
  };
  const runners = USERS.map(outbox);
  faults.start(setup.faults);
  const ticks = setInterval(() => setup.progress?.(traffic.mails.length), 60 * SECOND);
  await Promise.all(Array.from({ length: workers }, () => traffic.work()));
  clearInterval(ticks);
  await faults.stop();
  flowing = false;
  await Promise.all(runners);
  const left = await settle(world, traffic);
  const { host, bell } = world;
  const counts: Record<string, number> = {};
  for (const { kind } of traffic.mails) counts[kind] = (counts[kind] ?? 0) + 1;
  const found = {
    sent: host.sink.accepted,
    inbox: USERS.flatMap((user) => host.site.mails(user)),
    spam: [
      ...USERS.flatMap((user) => host.site.mails(user, "Maildir/.Spam")),
      ...textsByAge(`${host.engine.state}/Spam/new`),
    ],
    runs: textOf(`${bell}/runs`).split("\n").filter((line) => line !== ""),
    held: filesBelow(`${world.places(GREG).state}/doorbell`).filter((path) => HELD.test(path)).map(textOf),
    postfix: host.postfix.log,
    history: faults.history,
    logs: [host.log(), ...world.logs().map(textOf)].join("\n"),
  };
  const { shim, runner } = traffic.kills;
  setup.evidence?.(Object.values(found).map((one) => typeof one === "string" ? one : JSON.stringify(one)).join("\n"));
  const kills = { "hooks killed": faults.hooksKilled, "shims killed": shim, "runners killed": runner };
  return { messages: counts, faults: { ...faults.counts(), ...kills }, left, ...tally(traffic.mails, found) };
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

/** Makes deferred mail of an outbox due, because the soak cannot wait for it. */
function makeDue(folder: string, user: string): void {
  const later = (entry: { next: number }) => entry.next > Date.now();
  try {
    const { changed } = changeEntries(folder, "all", (entry) => later(entry) ? { ...entry, next: 0 } : undefined);
    if (changed > 0) chown(user, `${folder}/queue`);
  } catch (error) {
    // The disk is full; the next attempt may succeed.
    if (!(error instanceof Fail)) throw error;
  }
}

/** Waits until all queues are empty and nothing more is answered. @returns what is left after five minutes */
async function settle(world: World, traffic: Traffic): Promise<number> {
  const end = Date.now() + 300 * SECOND;
  let left = 0;
  do {
    const answered = await traffic.answerAll();
    let kept = 0;
    for (const user of USERS) {
      const folder = outboxFolder(world.places(user).state);
      makeDue(folder, user);
      if (listEntries(folder).length > 0) await traffic.runOutbox(user, false);
      kept += listEntries(folder).length;
    }
    const queued = await world.host.postfix.queued();
    if (queued > 0) await world.host.postfix.flush();
    left = queued + kept;
    if (left === 0 && !answered) return 0;
    await pause(SECOND / 2);
  } while (Date.now() < end);
  return left;
}

/** Whether the figures are as promised. */
export const isGood = (figures: Figures): boolean =>
  [figures.lost, figures.misfiled, figures.wronglySigned, figures.runTwice, figures.wrong].every((list) =>
    list.length === 0
  ) && figures.left === 0;

/** Runs the soak with files and with Redis, and prints the figures. @returns whether they are as promised */
export async function main([count, given]: readonly string[]): Promise<boolean> {
  const seed = Number(given ?? crypto.getRandomValues(new Uint32Array(1))[0]);
  console.log(`seed ${seed}`);
  let good = true;
  for (const redis of [false, true]) {
    using installed = await Installed.own();
    let written = "";
    const evidence = (text: string) => written = text;
    const began = performance.now();
    const figures = await soakAll(installed, {
      messages: Math.ceil(Number(count ?? 20_000) / 2),
      seed,
      redis,
      progress: (messages) => console.log(`${messages} messages`),
      evidence,
    });
    const seconds = Math.round((performance.now() - began) / SECOND);
    console.log(`\nState in ${redis ? "Redis" : "files"}, ${seconds} s`);
    print(figures);
    good &&= isGood(figures);
    if (!isGood(figures)) {
      const file = Deno.makeTempFileSync({ prefix: "countersign-soak-" });
      Deno.writeTextFileSync(file, written);
      console.log(`What the programs wrote: ${file}`);
    }
  }
  console.log(good ? "\nNothing lost, misfiled, signed for the wrong person or run twice" : "\nFAILED");
  return good;
}

function print({ messages, faults, doubled, allowed, left, ...lists }: Figures): void {
  const all = Object.values(messages).reduce((sum, n) => sum + n, 0);
  const line = (counts: Record<string, number>) => Object.entries(counts).map(([name, n]) => `${name} ${n}`).join(", ");
  console.log(`${all} messages: ${line(messages)}\nfaults: ${line(faults)}\nleft in queues: ${left}`);
  for (const [name, list] of Object.entries(lists)) {
    console.log(`${name}: ${list.length}`);
    for (const one of list.slice(0, 40)) console.log(`  ${one}`);
  }
  for (const [name, counts] of [["doubled", doubled], ["allowed", allowed]] as const) {
    console.log(`${name}:`);
    for (const [why, n] of Object.entries(counts)) console.log(`  ${n} ${why}`);
  }
}
