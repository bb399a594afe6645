/** The user for whom ofmipd accepts mail: their settings, identities and rules. */
import { Fail } from "../lib/fail.ts";
import type { Identity } from "../lib/settings/identity.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { plainEnv } from "../io/system/environment.ts";
import { isMissing, readPrivateFile, WRITABLE } from "../io/system/files.ts";
import { configFile, loadIdentities, loadSettings } from "../io/system/load.ts";
import { type NameRules, parseNameRules } from "./ofmipd_rules.ts";

/** What is needed to send for a user. */
export interface User {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
  readonly rules: NameRules;
  /** The login, as AUTHUP_USER or USER names it. */
  readonly login: string;
}

/**
 * Loads the settings of the user that this process runs as.
 *
 * @param file the file of rules; undefined for `~/.ofmipd/rules`, if it exists; empty for none
 * @throws {Fail} `config`, `permission`, `temporary`
 */
export function loadUser(file: string | undefined): User {
  const settings = loadSettings(configFile(), true);
  const identities = loadIdentities(settings);
  return {
    settings,
    identities,
    rules: loadRules(file ?? usualFile(), identities),
    login: plainEnv("AUTHUP_USER") || plainEnv("USER"),
  };
}

function usualFile(): string {
  const file = `${plainEnv("HOME")}/.ofmipd/rules`;
  return isMissing(file) ? "" : file;
}

function loadRules(file: string, identities: readonly Identity[]): NameRules {
  if (file === "") return new Map();
  if (file.endsWith(".cdb")) {
    throw new Fail("config", "Rules file is a CDB, not a text file", { file, fix: "name the input of ofmipname" });
  }
  return parseNameRules(readPrivateFile("File of rules", file, WRITABLE), file, identities);
}
