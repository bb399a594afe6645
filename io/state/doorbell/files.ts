/** The state of a doorbell in the files of one folder. */
import { type Address, parseAddress } from "../../../lib/address.ts";
import { dayOf } from "../../../lib/date.ts";
import { Fail } from "../../../lib/fail.ts";
import type { Key } from "../../../lib/settings/keys.ts";
import { folderOf, type Service } from "../../../lib/settings/doorbell.ts";
import type { Facts, Lookup, Standing } from "../../../incoming/doorbell/decide.ts";
import { mailboxOf } from "../../../incoming/doorbell/mailbox.ts";
import { daily } from "../daily.ts";
import {
  addressHashes,
  expireAddresses,
  forgetAddress,
  hashesOf,
  listAddresses,
  setStanding,
  standingOf,
} from "./addresses.ts";
import { beginAsking, interruptedAsking } from "./asking.ts";
import {
  claimHeld,
  expireHeld,
  findHeld,
  heldIn,
  hold,
  markChallenged,
  openHeld,
  readHeld,
  removeHeld,
} from "./held.ts";
import { namesIn } from "./folder.ts";
import { listHeld, removeUnreadable } from "./list.ts";
import { type HeldName, nextToChallenge, toEvict } from "./names.ts";
import { expireCounters, withQuota } from "./quota.ts";
import type { Challenged, Claim, ExpiredCounts, HeldItem, HeldRecord, ListedAddress, ListedMessage } from "./store.ts";

/** A challenge that this process has to send. */
export interface DueChallenge {
  readonly id: string;
  readonly record: HeldRecord;
  /** The beginning of the request. */
  readonly prefix: Uint8Array;
  /** Ends it, because it was certainly not sent: it is sent later. */
  failed(): Promise<void>;
  /** Ends it in all other cases. If the process is killed before, it is sent again. */
  done(): void;
}

/** Bytes of a request that are read to quote it. */
const QUOTED_BYTES = 64 * 1024;

/** Maximum number of requests that are passed over at a time, because their addresses have had enough challenges. */
const MAX_SKIPPED = 50;

/** Part of the bytes for held messages that one message may take. */
const SHARE = 10;

/** The state of one service. */
export class DoorbellFiles {
  readonly #folder: string;

  constructor(state: string, readonly service: Service, readonly keys: readonly Key[], readonly now: Date) {
    this.#folder = folderOf(service, state);
  }

  /** Looks up what a decision needs. */
  lookUp(lookup: Lookup): Facts {
    if (lookup.need === "held") return { held: findHeld(this.#folder, lookup.id) ?? null };
    return { standing: this.standing(parseAddress(lookup.address)) ?? null };
  }

  /** Returns whether a message with this ID is here, in whatever state: then it was delivered before. */
  has(id: string): boolean {
    return findHeld(this.#folder, id) !== undefined;
  }

  /**
   * Holds a message, and removes others that are beyond the limits.
   *
   * @returns how many were removed; undefined if another process holds the same message already
   * @throws {TooLarge}; {Fail} `temporary`
   */
  async hold(
    id: string,
    record: HeldRecord,
    message: AsyncIterable<Uint8Array>,
    challenged: Challenged,
  ): Promise<number | undefined> {
    const { max_held, max_bytes } = this.service;
    const limit = Math.floor(max_bytes / SHARE);
    const options = { challenged, limit, now: this.now };
    const locked = <T>(work: () => T) => withQuota(this.#folder, this.now, work);
    const held = await hold(this.#folder, id, record, message, options, locked);
    if (held === undefined) return undefined;
    return toEvict(held, max_held, max_bytes, id).filter((one) => removeHeld(this.#folder, one)).length;
  }

  /** Claims a message. Of several processes one gets it. @param from where an administrator claims it from */
  claim(id: string, from?: "held" | "kept" | "interrupted"): Claim | undefined {
    return claimHeld(this.#folder, id, from);
  }

  /** Lists all messages, oldest first. One that cannot be read is listed with the error. */
  list(): ListedMessage[] {
    return listHeld(this.#folder);
  }

  /** Removes a listed message that cannot be claimed, because it cannot be read. @returns whether it was there */
  removeUnreadable(item: HeldItem): boolean {
    return removeUnreadable(this.#folder, item);
  }

  /**
   * Returns the next request whose challenge is due, after counting it; undefined if there is none, or none may be sent
   * in this hour. Requests of an address that has had enough challenges are not challenged.
   */
  async nextChallenge(): Promise<DueChallenge | undefined> {
    for (let skipped = 0; skipped < MAX_SKIPPED; skipped++) {
      const due = await this.#nextDue();
      if (due === "none") return undefined;
      if (due === "skipped") continue;
      const { held, done } = due;
      const opened = openHeld(this.#folder, held);
      if (opened === undefined) {
        done();
        continue;
      }
      const { record, file } = opened;
      const prefix = new Uint8Array(QUOTED_BYTES);
      const count = file.readSync(prefix) ?? 0;
      file.close();
      const failed = async () => {
        await withQuota(this.#folder, this.now, (quota) => {
          quota.uncount(this.#counted(record)!, Math.floor(this.now.getTime() / 1000));
          markChallenged(this.#folder, held, "later");
          done(); // while no other process can begin to send it, which would use the same file
        });
      };
      return { id: held.id, record, prefix: prefix.subarray(0, count), failed, done };
    }
    return undefined;
  }

  async #nextDue(): Promise<{ held: HeldName; done: () => void } | "skipped" | "none"> {
    // Most messages find nothing to do, and need no lock.
    if (!this.#mayBeDue()) return "none";
    return await withQuota(this.#folder, this.now, (quota) => {
      this.#askAgain();
      if (quota.left(this.service.hourly) <= 0) return "none";
      const next = nextToChallenge(heldIn(this.#folder), quota.turn());
      if (next === undefined) return "none";
      const record = this.#recordOf(next);
      const hash = record && this.#counted(record);
      const may = hash !== undefined && quota.mayAsk(hash) && record!.expires >= dayOf(this.now);
      const done = may ? beginAsking(this.#folder, next.id) : undefined;
      let held: HeldName | undefined;
      try {
        // Counted first: if that fails, the request is still to be challenged.
        if (may) {
          quota.setTurn(next.domain);
          quota.count(hash);
        }
        held = markChallenged(this.#folder, next, may ? "sent" : "never");
        if (may && held === undefined) quota.uncount(hash, Math.floor(this.now.getTime() / 1000));
      } finally {
        if (held === undefined) done?.();
      }
      return held === undefined || done === undefined ? "skipped" : { held, done };
    });
  }

  #mayBeDue(): boolean {
    return heldIn(this.#folder).some(({ challenged }) => challenged === "later") ||
      namesIn(`${this.#folder}/asking`).length > 0;
  }

  /** Makes challenges due again whose process was killed. They count, because they may have been sent. */
  #askAgain(): void {
    for (const id of interruptedAsking(this.#folder)) {
      const held = heldIn(this.#folder).find((one) => one.id === id && one.challenged === "sent");
      if (held !== undefined) markChallenged(this.#folder, held, "later");
    }
  }

  /** Returns the hash under which challenges to an address are counted. */
  #counted({ address }: HeldRecord): string | undefined {
    return hashesOf(this.keys, mailboxOf(parseAddress(address)), this.now)[0];
  }

  /** Returns a record; undefined for a message that was moved, or that something has damaged. */
  #recordOf(held: HeldName): HeldRecord | undefined {
    try {
      return readHeld(this.#folder, held);
    } catch {
      return undefined;
    }
  }

  /** Returns what is known about an address. */
  standing(address: Address): Standing | undefined {
    return standingOf(this.#folder, addressHashes(this.keys, address, this.now), this.now);
  }

  /** Notes what is known about an address. @param until the last day, for remembered addresses */
  setStanding(address: Address, standing: Standing, until?: number): void {
    const [hash, ...others] = addressHashes(this.keys, address, this.now);
    if (hash === undefined) throw new Fail("config", "No key is valid", { file: this.service.keys });
    setStanding(this.#folder, hash, address, standing, until);
    forgetAddress(this.#folder, others); // only now: a denied address must not become unknown if the disk is full
  }

  /** Forgets an address. @returns whether anything was known about it */
  forget(address: Address): boolean {
    return forgetAddress(this.#folder, addressHashes(this.keys, address, this.now));
  }

  /** Lists the addresses. */
  addresses(): ListedAddress[] {
    return listAddresses(this.#folder, this.now);
  }

  /** Removes what has expired. */
  expire(): ExpiredCounts {
    const before = new Date(this.now.getTime() - (this.service.lifetime + 1) * 86_400_000);
    const held = expireHeld(this.#folder, before);
    expireCounters(this.#folder, this.now);
    return { held, addresses: expireAddresses(this.#folder, this.now) };
  }

  /** Does that with the first message of a day. @param report gets the counts */
  async expireDaily(report: (counts: ExpiredCounts) => void): Promise<void> {
    await daily(this.#folder, "expire", this.now, () => {
      report(this.expire());
      return true;
    });
  }
}
