/**
 * Runs the outbox: attempts entries that are due, the oldest first. Each account has its own workers, so that a server
 * that does not respond delays only its own mail, and several runners share the work through locks on the entries.
 */
import { errorText, Fail, provesMissing } from "../../lib/fail.ts";
import { isDue } from "../../outgoing/outbox/progress.ts";
import { checkLauncher } from "../transport/commit.ts";
import { daily } from "../state/daily.ts";
import { isMissing, writeStamp } from "../system/files.ts";
import { after } from "../system/timer.ts";
import type { OutboxContext } from "./context.ts";
import { deliver, tellAboutLogin } from "./deliver.ts";
import { pausedBecause } from "./pause.ts";
import { cleanOutbox, type Listed, listEntries, lockEntry, moveAside } from "./store.ts";
import { tell, tellOnce } from "./tell.ts";

/** Sessions at once: for one account, and in all. */
const [MAX_PER_ACCOUNT, MAX_SESSIONS] = [2, 16];

/**
 * Entries of an account that other processes are sending, after which a run adds no session for it. cron starts a run
 * each minute, and while a server does not respond each would wait with two more sessions. The limit is above that of
 * one run, because a run whose connections broke when the laptop was suspended must not stop the next one.
 */
const MAX_BUSY_PER_ACCOUNT = 6;

/**
 * Milliseconds after which the queue is read again while a session lasts: if there is other work, and if there is none.
 */
const [RESCAN_MS, RESCAN_IDLE_MS] = [10_000, 1_000];

/** Milliseconds after which a run may try an entry again that it has tried, or that another runner has locked. */
const RETRY_MS = 60_000;

/** The file whose modification time is that of the last run. */
export const lastRunFile = (outbox: string): string => `${outbox}/last-run`;

/** Runs until nothing is due. @throws {Fail} `temporary` when the outbox cannot be read */
export async function runOutbox(context: OutboxContext): Promise<void> {
  const { settings, outbox, clock } = context;
  noteRun(outbox, clock());
  await daily(settings.state.folder, "outbox", clock(), () => cleanOutbox(outbox, clock()) >= 0);
  await new Run(context).all();
}

class Run {
  /** Entries to try, by account. */
  #waiting = new Map<string, string[]>();
  #sessions = new Map<string, number>();
  /** Entries that other processes were sending when this run tried them. */
  #busy = new Map<string, number>();
  #active = new Set<Promise<void>>();
  /** When an entry was tried, in milliseconds of `performance.now()`. */
  #tried = new Map<string, number>();
  /** Whether an account was found to work in this run. */
  #reached = new Map<string, boolean>();

  constructor(readonly context: OutboxContext) {}

  async all(): Promise<void> {
    let scanned = -Infinity;
    for (;;) {
      if (this.#mayStart()) {
        const since = performance.now() - scanned;
        if (since >= (!this.#idle() ? RESCAN_MS : this.#active.size === 0 ? 0 : RESCAN_IDLE_MS)) {
          await this.#scan();
          scanned = performance.now();
        }
        this.#start();
      }
      if (this.#active.size === 0) return;
      await Promise.race([...this.#active, after(RESCAN_IDLE_MS)]);
    }
  }

  /** Whether all entries that were read were tried. Those of an account that does not work are left to the next run. */
  #idle(): boolean {
    return [...this.#waiting].every(([account, ids]) => ids.length === 0 || this.#reached.get(account) === false);
  }

  /** Whether further attempts make sense: neither this process nor its launcher was stopped. */
  #mayStart(): boolean {
    if (this.context.signal.aborted) return false;
    try {
      checkLauncher();
      return true;
    } catch {
      return false;
    }
  }

  async #scan(): Promise<void> {
    const { outbox, clock } = this.context;
    this.#waiting.clear();
    this.#busy.clear();
    const now = clock().getTime();
    for (const one of listEntries(outbox)) {
      const { id, entry } = one;
      if (one.damage !== undefined) await this.#setAside(one);
      else if (entry === undefined) await tellOnce(this.context, "unreadable", `Entry ${id}: ${one.unreadable}`);
      else if (performance.now() - (this.#tried.get(id) ?? -Infinity) >= RETRY_MS) {
        // Mail that waited for a server is tried at once when the server works again.
        const again = entry.unreachable && !entry.hold && this.#reached.get(entry.account) === true;
        if (!again && !isDue(entry, now)) continue;
        const paused = again ? undefined : pausedBecause(this.context, entry.account, now);
        if (paused !== undefined) {
          if (paused !== "") await tellAboutLogin(this.context, entry.account, paused);
          continue;
        }
        const ids = this.#waiting.get(entry.account);
        if (ids === undefined) this.#waiting.set(entry.account, [id]);
        else ids.push(id);
      }
    }
  }

  #start(): void {
    for (const [account, ids] of this.#waiting) {
      // The other entries of an account that does not work stay due, and the next run tries one of them.
      if (this.#reached.get(account) === false) continue;
      while (ids.length > 0 && this.#active.size < MAX_SESSIONS) {
        const sessions = this.#sessions.get(account) ?? 0;
        if (sessions >= MAX_PER_ACCOUNT || (this.#busy.get(account) ?? 0) >= MAX_BUSY_PER_ACCOUNT) break;
        this.#sessions.set(account, sessions + 1);
        const work = this.#attempt(account, ids.shift()!).finally(() => {
          this.#sessions.set(account, this.#sessions.get(account)! - 1);
          this.#active.delete(work);
        });
        this.#active.add(work);
      }
    }
  }

  async #attempt(account: string, id: string): Promise<void> {
    const { outbox, clock } = this.context;
    this.#tried.set(id, performance.now());
    try {
      const found = lockEntry(outbox, id);
      if (found === undefined) {
        if (!isMissing(`${outbox}/queue/${id}`)) this.#busy.set(account, (this.#busy.get(account) ?? 0) + 1);
        return;
      }
      using locked = found.locked;
      // Another runner may have tried it since it was listed.
      const again = found.entry.unreachable && this.#reached.get(account) === true;
      if (found.entry.hold || (!again && !isDue(found.entry, clock().getTime()))) return;
      const reached = await deliver(this.context, locked, found.entry);
      if (reached !== undefined) this.#reached.set(account, reached);
    } catch (error) {
      // One entry never stops the others.
      await tellOnce(this.context, error instanceof Fail ? error.kind : "bug", `Entry ${id}: ${errorText(error)}`);
    }
  }

  async #setAside({ id, damage }: Listed): Promise<void> {
    const what = "An entry of the outbox is damaged and is not sent";
    let place: string;
    try {
      place = moveAside(this.context.outbox, id, "damaged");
    } catch (error) {
      if (error instanceof Fail && provesMissing(error.cause)) return; // another runner moved it first
      return await tellOnce(this.context, "damaged", `${what}: ${damage}: ${id}: ${errorText(error)}`);
    }
    await tell(this.context, `${what}: ${damage}: ${place}`);
  }
}

function noteRun(outbox: string, now: Date): void {
  try {
    writeStamp(lastRunFile(outbox), now);
  } catch {
    // On a full disk mail is still sent.
  }
}
