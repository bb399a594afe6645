/**
 * Counts challenges, so that an address gets few of them and a flood of forged requests sends few in all. The counters
 * are small files, changed under a lock:
 *
 *     hour              the current hour and how many challenges were sent in it
 *     turn              the domain that was challenged last
 *     asked/HH/HASH     when an address was challenged, in seconds since 1970
 */
import { Fail } from "../../../lib/fail.ts";
import { utf8 } from "../../../lib/bytes.ts";
import { readIfPresent, tryRemove, writeAll } from "../../system/files.ts";
import { after } from "../../system/timer.ts";
import { namesIn, trouble } from "./folder.ts";
import { MAX_PER_DAY, MAX_PER_WEEK } from "./store.ts";

const [HOUR, DAY, WEEK] = [3600, 86_400, 7 * 86_400];
/** Milliseconds after which waiting for the lock is given up, and between two attempts. */
const [MAX_WAIT_MS, WAIT_MS] = [20_000, 10];

/** The quota of a service, while it is locked. */
export interface Quota {
  /** Returns how many challenges may still be sent in this hour. */
  left(hourly: number): number;
  /** Returns the domain that was challenged last; empty at first. */
  turn(): string;
  /** Notes the domain that is challenged. */
  setTurn(domain: string): void;
  /** Returns whether this address may get another challenge. */
  mayAsk(hash: string): boolean;
  /** Counts a challenge to this address. */
  count(hash: string): void;
  /** Takes back the count of a challenge that was not sent. @param time when it was counted, in seconds since 1970 */
  uncount(hash: string, time: number): void;
}

/** Runs work with the quota of a service, which other processes cannot use meanwhile. */
export async function withQuota<T>(folder: string, now: Date, work: (quota: Quota) => T): Promise<T> {
  const lock = await lockFile(folder);
  try {
    return work(quotaIn(folder, Math.floor(now.getTime() / 1000)));
  } finally {
    lock.unlockSync();
    lock.close();
  }
}

async function lockFile(folder: string): Promise<Deno.FsFile> {
  const path = `${folder}/lock`;
  let file: Deno.FsFile;
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    throw trouble(path, error);
  }
  for (let waited = 0; !file.tryLockSync(true); waited += WAIT_MS) {
    if (waited >= MAX_WAIT_MS) {
      file.close();
      throw new Fail("temporary", "The counters are locked by another process", { file: path });
    }
    await after(WAIT_MS);
  }
  return file;
}

function quotaIn(folder: string, now: number): Quota {
  const hour = Math.floor(now / HOUR);
  const sent = () => {
    const [then, count] = (readIfPresent(`${folder}/hour`) ?? "").trim().split(" ").map(Number);
    return then === hour && count !== undefined && count >= 0 ? count : 0;
  };
  const asked = (hash: string) => `${folder}/asked/${hash.slice(0, 2)}/${hash}`;
  // Times ahead of the clock count: otherwise a clock that was wrong would allow more.
  const times = (hash: string) =>
    (readIfPresent(asked(hash)) ?? "").split("\n").map(Number).filter((time) => time > now - WEEK);
  return {
    left: (hourly) => hourly - sent(),
    turn: () => readIfPresent(`${folder}/turn`)?.trim() ?? "",
    setTurn: (domain) => replace(`${folder}/turn`, `${domain}\n`),
    mayAsk: (hash) => {
      const all = times(hash);
      return all.length < MAX_PER_WEEK && all.filter((time) => time > now - DAY).length < MAX_PER_DAY;
    },
    count: (hash) => {
      const path = asked(hash);
      try {
        Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
      } catch (error) {
        throw trouble(path, error);
      }
      replace(path, [...times(hash), now].map((time) => `${time}\n`).join(""));
      replace(`${folder}/hour`, `${hour} ${sent() + 1}\n`);
    },
    uncount: (hash, time) => {
      const all = times(hash);
      const at = all.indexOf(time);
      if (at < 0) return;
      replace(asked(hash), all.toSpliced(at, 1).map((one) => `${one}\n`).join(""));
      if (Math.floor(time / HOUR) === hour && sent() > 0) replace(`${folder}/hour`, `${hour} ${sent() - 1}\n`);
    },
  };
}

/** Removes the counters of addresses that were not challenged for a week. */
export function expireCounters(folder: string, now: Date): void {
  const before = now.getTime() - WEEK * 1000;
  for (const shard of namesIn(`${folder}/asked`)) {
    for (const name of namesIn(`${folder}/asked/${shard}`)) {
      const path = `${folder}/asked/${shard}/${name}`;
      try {
        if ((Deno.statSync(path).mtime?.getTime() ?? 0) < before) Deno.removeSync(path);
      } catch {
        // Another process has removed it.
      }
    }
    tryRemove(`${folder}/asked/${shard}`);
  }
}

/** Replaces a small file. A reader sees the old text or the new one. */
export function replace(path: string, text: string): void {
  const draft = `${path}.${crypto.randomUUID()}.new`;
  try {
    const file = Deno.openSync(draft, { write: true, create: true, truncate: true, mode: 0o600 });
    try {
      writeAll(file, utf8(text));
    } finally {
      file.close();
    }
    Deno.renameSync(draft, path);
  } catch (error) {
    tryRemove(draft);
    throw trouble(path, error);
  }
}
