/** Loads what all roles use: the settings, and the files that they name. */
import { errorText, Fail } from "../lib/fail.ts";
import type { Identity } from "../lib/settings/identity.ts";
import { canonicalAddress } from "../lib/settings/identity.ts";
import type { Moved } from "../lib/settings/moved.ts";
import type { ConfigSource, Settings } from "../lib/settings/parse.ts";
import { loadIdentities, loadSettings, readMoved } from "../io/system/load.ts";

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
}

/**
 * Reads the settings and every file that they name.
 *
 * @throws {Fail} `config`, `permission` for settings, lists or moved addresses that cannot be used, and when no key can
 *   be read
 */
export function load(source: ConfigSource): Loaded {
  const settings = loadSettings(source);
  void settings.plainLists?.some; // read on first use otherwise
  const moved = readMoved(settings);
  const identities = loadIdentities(settings);
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
  return { settings, identities, moved, unreadable };
}

/** Returns the files whose change requires loading them again. */
export function filesOf({ file }: ConfigSource, { settings }: Pick<Loaded, "settings">): string[] {
  const { plain_lists, serve: { moved }, identity } = settings;
  return [...new Set([file, plain_lists, moved, ...identity.map((one) => one.keys)])].filter((path) => path !== "");
}

/** Returns the messages about keys that cannot be read. */
export function keyProblems({ unreadable }: Loaded): string[] {
  return [...unreadable].map(([identity, why]) =>
    `${canonicalAddress(identity)} is neither signed for nor judged: ${why}`
  );
}
