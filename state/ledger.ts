/**
 * The ledger as files: issued/NAME, claimed/NAME.HOST.PID.NONCE, spent/NAME. A rename
 * is the one thing that many processes, and machines on a shared disk, can do
 * at once and only one of them has done.
 */
import { Fail, reason } from "../lib/fail.ts";
import {
  type Entry,
  entryName,
  type Found,
  type Ledger,
  nameMatch,
  parseEntry,
  printEntry,
  type State,
} from "../lib/ledger.ts";

const STATES: readonly State[] = ["issued", "claimed", "spent"];

/** The ledger in this folder, which is made when something is issued. */
export function fileLedger(folder: string): Ledger {
  const at = (state: State, name: string) => `${folder}/${state}/${name}`;
  const find: Ledger["find"] = async (by) => {
    const matches = await nameMatch(by);
    const out: Found[] = [];
    for (const state of STATES) {
      for (const name of names(`${folder}/${state}`).filter(matches)) {
        const text = read(at(state, name));
        const entry = text === undefined ? undefined : parseEntry(text); // it may have been renamed just now
        if (entry !== undefined) out.push({ name, state, entry });
      }
    }
    return out;
  };
  return { find, issue: (entry) => issue(folder, entry), claim, settle, clean };

  function claim(name: string): Promise<string | undefined> {
    // Pids come again, and containers share them: what a dead hook left must not look like one's own.
    const mine = `${name}.${host()}.${Deno.pid}.${crypto.randomUUID()}`;
    try {
      Deno.renameSync(at("issued", name), at("claimed", mine));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw trouble(folder, error);
      // Over NFS the answer to a rename may be lost and asked for again: then ours is there.
      if (read(at("claimed", mine)) === undefined) return Promise.resolve(undefined);
    }
    // What is answered must stay claimed if the machine stops now.
    sync(`${folder}/claimed`);
    sync(`${folder}/issued`);
    return Promise.resolve(mine);
  }

  function settle(mine: string, state: "spent" | "issued"): Promise<void> {
    try {
      Deno.renameSync(at("claimed", mine), at(state, mine.slice(0, mine.indexOf("."))));
      sync(`${folder}/${state}`);
    } catch (error) {
      throw trouble(folder, error);
    }
    return Promise.resolve();
  }

  function clean(today: number, most: number): Promise<number> {
    let gone = 0;
    for (const state of STATES) {
      for (const name of names(`${folder}/${state}`)) {
        if (gone >= most) return Promise.resolve(gone);
        const text = read(at(state, name));
        if (text === undefined || !expired(text, today)) continue;
        remove(at(state, name));
        gone++;
      }
    }
    return Promise.resolve(gone);
  }
}

async function issue(folder: string, entry: Entry): Promise<void> {
  const name = await entryName(entry);
  try {
    for (const state of STATES) Deno.mkdirSync(`${folder}/${state}`, { recursive: true, mode: 0o700 });
    // What was answered once is not issued again.
    if (["claimed", "spent"].some((state) => names(`${folder}/${state}`).some((one) => one.startsWith(name)))) return;
    // Under its final name it is whole: a hook could look at any moment.
    const draft = `${folder}/issued/.${name}.${Deno.pid}`;
    try {
      {
        using file = Deno.openSync(draft, { write: true, createNew: true, mode: 0o600 });
        const bytes = new TextEncoder().encode(printEntry(entry));
        for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
        file.syncSync();
      }
      Deno.linkSync(draft, `${folder}/issued/${name}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    } finally {
      remove(draft);
    }
    sync(`${folder}/issued`);
  } catch (error) {
    throw trouble(folder, error);
  }
}

function names(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map((entry) => entry.name).filter((name) => !name.startsWith(".")).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw trouble(folder, error);
  }
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw trouble(path, error);
  }
}

/** What cannot be read is not removed: somebody should look at it. */
function expired(text: string, today: number): boolean {
  return (parseEntry(text)?.expires ?? today) < today;
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Another has done it.
  }
}

function sync(folder: string): void {
  using opened = Deno.openSync(folder, { read: true });
  opened.syncSync();
}

/** A name that two machines on one disk do not share; a pid alone would be. */
function host(): string {
  try {
    return Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim().replaceAll("-", "");
  } catch {
    return crypto.randomUUID().replaceAll("-", "");
  }
}

function trouble(folder: string, error: unknown): Fail {
  return new Fail("temporary", `Ledger ${folder} is out of order: ${reason(error)}`, { cause: error });
}
