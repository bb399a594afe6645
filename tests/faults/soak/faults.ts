/** What goes wrong during a soak. */
import { SECRET } from "../../rig.ts";
import { keyLine } from "../../programs/postfix_milter.ts";
import { GREG } from "../../programs/site.ts";
import { childrenOf, kill, running } from "./processes.ts";
import { USERS, type World } from "./world.ts";

/** A fault, which is over when the promise is fulfilled. */
type Fault = (world: World, wait: () => Promise<void>) => Promise<void>;

const day = (offset: number): string => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);

/** Installs a second key, which signs from this day on. */
async function rotate(world: World, created: string): Promise<void> {
  for (const user of USERS) {
    world.writeKeys(user, `${keyLine(user)}k2 ${created} ${user} second ${SECRET}\n`);
  }
  await world.host.engine.reload("reloaded");
  Deno.kill(world.submitd.pid, "SIGHUP");
}

async function restartServe(world: World): Promise<void> {
  await world.host.engine.start();
  world.openLookup();
}

/** The faults, by name. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  "serve killed": async (world, wait) => {
    await world.host.engine.crash();
    await wait();
    await restartServe(world);
  },
  "serve restarted": async (world) => {
    await world.host.engine.stop();
    await restartServe(world);
  },
  "submitd killed": async ({ submitd }, wait) => {
    await submitd.kill();
    await wait();
    await submitd.start();
  },
  "submitd restarted": async ({ submitd }) => {
    await submitd.stop();
    await submitd.start();
  },
  "Postfix killed": async ({ host: { postfix } }, wait) => {
    const master = Number(Deno.readTextFileSync(`${postfix.folder}/queue/pid/master.pid`));
    kill(master, ...childrenOf(master));
    await wait();
    await postfix.again();
  },
  "Postfix restarted": async ({ host: { postfix } }) => {
    await postfix.stop();
    await postfix.again();
  },
  "Redis killed": async ({ redis }, wait) => {
    await redis!.kill();
    await wait();
    await redis!.start();
  },
  "disk of the site full": async (world, wait) => {
    world.disks.site.fill();
    await wait();
    await wait();
    await world.host.engine.crash();
    await restartServe(world);
    await wait();
    world.disks.site.free();
  },
  "disk of the users full": async ({ disks }, wait) => {
    disks.users.fill();
    await wait();
    await wait();
    disks.users.free();
  },
  "settings of the site broken": async ({ host: { engine } }, wait) => {
    const good = engine.home.read("site/config.toml");
    engine.settings(`${good}\nnonsense = 1\n`);
    await engine.reload("kept");
    await wait();
    engine.settings(good);
    await engine.reload("reloaded");
  },
  "settings of a user broken": async (world, wait) => {
    const file = world.config(GREG);
    Deno.writeTextFileSync(file, `${Deno.readTextFileSync(file)}\nnonsense = 1\n`);
    await wait();
    world.settings(GREG);
  },
  "upgraded": async (world) => {
    await world.installed.install();
    await world.host.engine.stop();
    await restartServe(world);
  },
};

/** Faults that happen once, in this order. */
const ONCE: Readonly<Record<string, Fault>> = {
  "key for tomorrow": (world) => rotate(world, day(1)),
  "key signs": (world) => rotate(world, day(0)),
};

/** A fault that happened. */
export interface Happened {
  readonly name: string;
  readonly from: number;
  to: number;
}

/** Lets one fault after another happen until it is stopped. */
export class Faults {
  /** What happened, and when, in milliseconds. */
  readonly history: Happened[] = [];
  hooksKilled = 0;
  #stopped = false;
  #running: Promise<unknown> = Promise.resolve();

  /** @param gap the longest pause between two faults, in milliseconds */
  constructor(readonly world: World, readonly random: () => number, readonly gap: number) {}

  start(names: readonly string[] = Object.keys(FAULTS)): void {
    const { redis, installed } = this.world;
    const impossible = [redis === undefined && "Redis killed", !installed.owned && "upgraded"];
    this.#running = Promise.all([
      this.#happen(names.filter((name) => !impossible.includes(name))),
      this.#killHooks(),
    ]);
  }

  #wait = (most = this.gap) => new Promise<void>((done) => setTimeout(done, this.random() * most));

  async #happen(names: readonly string[]): Promise<void> {
    let left: string[] = [];
    const once = Object.entries(ONCE);
    while (!this.#stopped) {
      if (left.length === 0) {
        left = [...names];
        const next = once.shift();
        if (next !== undefined) await this.#one(...next);
      }
      await this.#wait();
      const [name] = left.splice(Math.floor(this.random() * left.length), 1);
      if (!this.#stopped) await this.#one(name!, FAULTS[name!]!);
    }
  }

  async #one(name: string, fault: Fault): Promise<void> {
    const happened = { name, from: Date.now(), to: Infinity };
    this.history.push(happened);
    try {
      await fault(this.world, () => this.#wait(2000));
      happened.to = Date.now();
    } catch (error) {
      throw new Error(`${name}: ${error}\n${this.world.trouble().slice(-4000)}`, { cause: error });
    }
  }

  /** Kills a hook, or the program that its launcher has started, now and then. */
  async #killHooks(): Promise<void> {
    const { site, engine } = this.world.host;
    while (!this.#stopped) {
      await this.#wait(this.gap / 3);
      // The installer runs the programs, too, without settings.
      const pids = [site.folder, engine.home.path].flatMap((settings) => running("/hooks/", settings));
      const pid = pids[Math.floor(this.random() * pids.length)];
      if (pid !== undefined) this.hooksKilled += kill(pid);
    }
  }

  /** How often each fault happened. */
  counts(): Record<string, number> {
    const out: Record<string, number> = {};
    for (const { name } of this.history) out[name] = (out[name] ?? 0) + 1;
    return out;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}
