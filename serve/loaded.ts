/** Loads what all roles use: the settings, and the files that they name. */
import { errorText, Fail } from "../lib/fail.ts";
import type { Identity } from "../lib/settings/identity.ts";
import { canonicalAddress } from "../lib/settings/identity.ts";
import type { Key } from "../lib/settings/keys.ts";
import { checkSeparate } from "../lib/settings/forwarding.ts";
import type { Moved } from "../lib/settings/moved.ts";
import type { ConfigSource, Settings } from "../lib/settings/parse.ts";
import { loadIdentities, loadSettings, readForwardingKeys, readMoved } from "../io/system/load.ts";

/** The keys of forwarded mail, or why they cannot be read. */
export type ForwardingKeys = { readonly keys: readonly Key[] } | { readonly problem: string };

/** Settings, identities and moved addresses, loaded at one time. */
export interface Loaded {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
  readonly moved: Moved;
  /**
   * Identities whose keys cannot be read, with the error. Another host that has the keys may sign for them, so neither
   * they nor their SRS domains can be judged here.
   */
  readonly unreadable: ReadonlyMap<Identity, string>;
  /** Undefined if `forwarding.domain` is not set. */
  readonly forwarding: ForwardingKeys | undefined;
}

/**
 * Reads the settings and every file that they name.
 *
 * @param identitiesIn loads the identities
 * @throws {Fail} `config`, `permission` for settings, lists or moved addresses that cannot be used, and when no key can
 *   be read
 */
export function load(source: ConfigSource, identitiesIn: (settings: Settings) => Identity[] = loadIdentities): Loaded {
  const settings = loadSettings(source);
  void settings.plainLists?.some; // read on first use otherwise
  const moved = readMoved(settings);
  const identities = identitiesIn(settings);
  const unreadable = new Map<Identity, string>();
  for (const identity of identities) {
    try {
      void identity.keys;
    } catch (error) {
      unreadable.set(identity, errorText(error));
    }
  }
  if (unreadable.size === identities.length) {
    throw new Fail("config", `No key file can be read: ${[...unreadable.values()][0]}`);
  }
  const forwarding = loadForwarding(settings);
  if (forwarding !== undefined && "keys" in forwarding) {
    checkSeparate(forwarding.keys, identities.filter((one) => !unreadable.has(one)), settings);
  }
  return { settings, identities, moved, unreadable, forwarding };
}

function loadForwarding(settings: Settings): ForwardingKeys | undefined {
  if (settings.forwarding.domain === "") return undefined;
  try {
    return { keys: readForwardingKeys(settings) };
  } catch (error) {
    return { problem: errorText(error) };
  }
}

/** Returns the files whose change requires loading them again. */
export function filesOf({ file }: ConfigSource, { settings }: Pick<Loaded, "settings">): string[] {
  const { plain_lists, serve: { moved }, identity, forwarding } = settings;
  const keys = [...identity.map((one) => one.keys), ...forwarding.domain === "" ? [] : [forwarding.keys]];
  return [...new Set([file, plain_lists, moved, ...keys])].filter((path) => path !== "");
}

/** Returns the messages about keys that cannot be read. */
export function keyProblems({ unreadable, forwarding }: Loaded): string[] {
  const identities = [...unreadable].map(([identity, why]) =>
    `${canonicalAddress(identity)} is neither signed for nor judged: ${why}`
  );
  if (forwarding === undefined || "keys" in forwarding) return identities;
  return [...identities, `Mail to be forwarded is deferred: ${forwarding.problem}`];
}
