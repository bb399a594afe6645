/** What both roles work with: the settings and identities of the moment, which a reload replaces as a whole. */
import { errorText, Fail } from "../lib/fail.ts";
import { canonicalAddress, type Identity } from "../lib/settings/identity.ts";
import type { ConfigSource, Settings } from "../lib/settings/parse.ts";
import { loadIdentities, loadSettings } from "../io/system/load.ts";
import { printError } from "../io/system/log.ts";

/** Settings, and the identities in them. */
export interface Loaded {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
}

/** Holds what was loaded last without an error. */
export class Engine {
  readonly #source: ConfigSource;
  #loaded: Loaded;

  /** @throws {Fail} for settings that cannot be used, and when no key can be read */
  constructor(source: ConfigSource) {
    this.#source = source;
    this.#loaded = load(source);
  }

  /** The settings and identities; a message keeps those with which it began. */
  get loaded(): Loaded {
    return this.#loaded;
  }

  /** Loads all files again. What was loaded before is kept when that fails. @returns why it failed */
  reload(): string | undefined {
    try {
      const loaded = load(this.#source);
      // The sockets stay where they are until the next start.
      const { socket_folder } = this.#loaded.settings.serve;
      if (loaded.settings.serve.socket_folder !== socket_folder) {
        throw new Fail("config", "serve.socket_folder was changed, which needs a restart");
      }
      this.#loaded = loaded;
      return undefined;
    } catch (error) {
      return errorText(error);
    }
  }
}

/** Reads every key file now. One that cannot be read is tried again whenever it is needed, until it can be. */
function load(source: ConfigSource): Loaded {
  const settings = loadSettings(source);
  const identities = loadIdentities(settings);
  let readable = 0;
  for (const identity of identities) {
    try {
      readable += identity.keys.length;
    } catch (error) {
      printError("serve", `${canonicalAddress(identity)} is neither signed for nor judged: ${errorText(error)}`);
    }
  }
  if (readable === 0) throw new Fail("config", "No key file can be read");
  return { settings, identities };
}
