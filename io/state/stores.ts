/**
 * Chooses where sent mail and the ledger are stored: in the files of `state.folder`, or in a shared store, whose
 * modules are loaded on demand.
 */
import type { SentMessage } from "../../incoming/need.ts";
import type { Ledger } from "../../lib/entry.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { asksLookup, lookupSocket } from "../../lib/settings/lookup.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { clearUnreported, isOver, lastForgotten, type Note, noteForgotten, remembersAll } from "./forgotten.ts";
import { fileLedger } from "./ledger.ts";
import { rememberSent, sentIndex } from "./sent.ts";
import type { SharedStore } from "./shared/store.ts";

/** The settings that determine the store. */
export type StateSettings = Pick<Settings, "state" | "serve">;

/** The stores of this process, by settings. Only `countersign serve` has one; other programs use its socket. */
const own = new Map<string, SharedStore>();

const nameOf = ({ state }: StateSettings): string => `${state.redis} ${state.folder}`;

/** Uses this store for these settings in this process. @returns a function that stops using it */
export function useStore(settings: StateSettings, store: SharedStore): () => void {
  const name = nameOf(settings);
  own.set(name, store);
  return () => void own.delete(name);
}

/** Returns the shared store of these settings; undefined when their files are used. */
async function sharedStore(settings: StateSettings): Promise<SharedStore | undefined> {
  if (!asksLookup(settings)) return undefined;
  return own.get(nameOf(settings)) ?? (await import("./shared/ask.ts")).askedStore(lookupSocket(settings));
}

/** Returns the ledger of these settings. */
export function ledgerOf(settings: StateSettings): Ledger {
  if (!asksLookup(settings)) return fileLedger(`${settings.state.folder}/ledger`);
  const ledger = async () => {
    const [store, { keyedLedger }] = [await sharedStore(settings), await import("./shared/keyed.ts")];
    return keyedLedger(store!);
  };
  return {
    find: async (by, senders) => await (await ledger()).find(by, senders),
    issue: async (entry, sender) => await (await ledger()).issue(entry, sender),
    claim: async (name) => await (await ledger()).claim(name),
    settle: async (claim, state) => await (await ledger()).settle(claim, state),
    expire: async (today, limit) => await (await ledger()).expire(today, limit),
  };
}

/** Returns the index of sent mail of these settings. */
export function sentOf(
  settings: StateSettings,
  now: Date,
): (identity: Identity, messageIds: readonly string[]) => Promise<SentMessage | undefined> | SentMessage | undefined {
  if (!asksLookup(settings)) return sentIndex(`${settings.state.folder}/sent`, now);
  return async (identity, messageIds) => {
    const [store, { findSent }] = [await sharedStore(settings), await import("./shared/keyed.ts")];
    return await findSent(store!, identity, messageIds, now);
  };
}

/**
 * Remembers that this identity sent this message. A failure is noted, so that no door rejects a bounce of the message,
 * which is sent nevertheless.
 *
 * @throws {Fail} when it is uncertain whether it is remembered; errors of the file system
 */
export async function rememberIn(
  settings: StateSettings,
  identity: Identity,
  messageId: string,
  signed: boolean,
  now: Date,
): Promise<void> {
  try {
    const store = await sharedStore(settings);
    if (store === undefined) return rememberSent(`${settings.state.folder}/sent`, identity, messageId, signed, now);
    const { rememberKeyed } = await import("./shared/keyed.ts");
    await rememberKeyed(store, identity, messageId, signed, now);
    await reportForgotten(settings, store);
  } catch (error) {
    noteForgotten(settings.state.folder, now, asksLookup(settings) ? "unreported" : "forgotten");
    throw error;
  }
}

/** Reports to the store that mail was not remembered while it was unreachable. Never throws. */
export async function reportForgotten({ state }: Pick<StateSettings, "state">, store: SharedStore): Promise<void> {
  const time = lastForgotten(state.folder, "unreported");
  if (time === undefined || time === Infinity) return;
  try {
    await store.noteForgotten(time);
    clearUnreported(state.folder, time);
  } catch {
    // The note stays here, and is reported later.
  }
}

/** The reason when mail of the last 30 days was sent and not remembered. */
export const FORGOTTEN = "a message was sent within the last 30 days without being remembered";

/**
 * Returns why it is not certain that all mail of the last 30 days is remembered, by every host; undefined if it is.
 *
 * @throws {Fail} `temporary` when the store cannot be used
 */
export async function whyUncertain(settings: StateSettings, now: Date): Promise<string | undefined> {
  const store = await sharedStore(settings);
  // In this order: a host reports again only after the store knows which mail it has not remembered.
  const silent = await store?.silentHost?.();
  if (silent !== undefined) return `host ${silent.slice(0, 8)} has not reported to Redis that it remembers sent mail`;
  const last = await store?.lastForgotten();
  const notes: Note[] = store === undefined ? ["forgotten"] : ["forgotten", "unreported"];
  const all = notes.every((note) => remembersAll(settings.state.folder, now, note)) && isOver(last, now);
  return all ? undefined : FORGOTTEN;
}
