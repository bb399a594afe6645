/**
 * Hosts that share a Redis server report every few seconds that they can remember sent mail. While one of them has not
 * reported, a door rejects no bounce because of its content: that host may send mail which it cannot remember.
 *
 * A host that cannot remember a message holds it until its last report has become too old for every door, and does not
 * report again before Redis knows that something was not remembered. So there is no time at which a door relies on a
 * record that is missing. Two things are outside of this: a host that has never reached Redis, and mail of shims after
 * `countersign serve` was killed, until its last report is too old.
 */
import { SENT_DAYS } from "../sent.ts";
import type { RedisStore } from "./redis.ts";
import { DAY_SECONDS, REPORT, RETIRE, SILENT } from "./scripts.ts";
import type { SharedStore } from "./store.ts";

/** Interval of the reports, and the age at which one is too old, in milliseconds. */
export interface PresenceTimes {
  readonly every: number;
  readonly valid: number;
}

/**
 * The times of `countersign serve`. A message waits for `valid` and the time limit of a command at most, which together
 * are less than the time that shims and mail servers wait.
 */
export const PRESENCE_TIMES: PresenceTimes = { every: 3000, valid: 10_000 };

/** How long a host that does not report prevents rejections: as long as its mail may bounce. In seconds. */
const HOST_LIFETIME = (SENT_DAYS + 1) * DAY_SECONDS;

/** A store of a host that reports. */
export interface PresentStore extends SharedStore {
  /** Reports, unless a message is being held or Redis does not know of one. @throws {Fail} `temporary` */
  report(): Promise<void>;
  /** Makes this host silent at once, because it stops. Never throws. */
  retire(): Promise<void>;
}

/** The host, and what it does about mail that is not remembered. */
export interface PresentHost {
  /** Its id, which no other host has. */
  readonly id: string;
  /** Notes that a message is sent and not remembered. */
  readonly noteForgotten: () => void;
  /** Whether Redis knows of all such messages. */
  readonly allReported: () => boolean;
}

/** Returns the store with which this host reports. */
export function presentIn(store: RedisStore, host: PresentHost, times: PresenceTimes = PRESENCE_TIMES): PresentStore {
  /** When doors no longer rely on the last report, in milliseconds of `performance.now()`. */
  let relied = -Infinity;
  /** The number of messages that are being held. */
  let held = 0;
  let retired = false;
  return {
    sent: (hashes) => store.sent(hashes),
    entries: (by) => store.entries(by),
    issue: (names, expires, text) => store.issue(names, expires, text),
    claim: (name) => store.claim(name),
    settle: (claim, state) => store.settle(claim, state),
    noteForgotten: (time) => store.noteForgotten(time),
    lastForgotten: () => store.lastForgotten(),
    async rememberSent(hash, message) {
      try {
        await store.rememberSent(hash, message);
      } catch (error) {
        held++;
        for (let left; (left = relied - performance.now()) > 0;) await new Promise((done) => setTimeout(done, left));
        // A shim may send the message although this process ends, and reports later itself.
        host.noteForgotten();
        held--;
        throw error;
      }
    },
    async report() {
      const now = await store.time();
      if (held > 0 || retired || !host.allReported()) return;
      // A command may arrive late, for example after Redis was suspended. It has no effect after its deadline.
      relied = performance.now() + store.limits.command + times.valid;
      const done = await store.script(REPORT, ["hosts"], [host.id, now + store.limits.command / 1000, HOST_LIFETIME]);
      if (done === 1) relied = performance.now() + times.valid;
    },
    async retire() {
      retired = true;
      await store.script(RETIRE, ["hosts"], [host.id, Math.ceil(times.valid / 1000) + 1]).catch(() => {});
    },
    async silentHost() {
      const found = await store.script(SILENT, ["hosts"], [host.id, times.valid / 1000]);
      return typeof found === "string" && found !== "" ? found : undefined;
    },
  };
}
