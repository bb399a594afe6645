/** The settings and identities of a login. */
import { Fail } from "../../lib/fail.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { settingsOf } from "../../lib/settings/submission.ts";
import { isMissing } from "../../io/system/files.ts";
import { loadIdentities, loadSettings } from "../../io/system/load.ts";
import type { Authenticated } from "../auth/backend.ts";
import { DataRejected } from "../content_source.ts";
import type { Submitter } from "../submission.ts";

/**
 * Loads what a login sends with: the settings in its own home (a fourth field in the file of logins), those that
 * `submit.user_settings` names, or those of submitd, of which it has the identities that name it. A login without any
 * of these sends unsigned, where {@link passesUnconfigured} permits it.
 *
 * @throws {Fail} `config`, `permission`, `temporary`; {@link DataRejected} if no identity belongs to the login
 */
export function submitterOf({ login, home }: Authenticated, own: Settings): Submitter {
  const file = ownFile(login, home, own.submit.user_settings);
  if (passesUnconfigured(own) && (file === undefined || isMissing(file))) {
    return { settings: own, identities: [], login };
  }
  if (file === undefined) {
    const identities = loadIdentities(own).filter((one) => one.logins?.includes(login));
    if (identities.length === 0) throw new DataRejected("550 5.7.1", "This login may not send as any address");
    return { settings: own, identities, login };
  }
  const settings = loadSettings({ file, home: home || folderOf(file) });
  return { settings, identities: loadIdentities(settings), login };
}

/**
 * Whether logins without settings send unsigned. With identities in the settings they do not: they could send in the
 * name of those.
 */
export const passesUnconfigured = ({ unconfigured, identity }: Settings): boolean =>
  unconfigured === "pass" && identity.length === 0;

function ownFile(login: string, home: string, template: string): string | undefined {
  if (home !== "") return `${home}/.config/countersign/config.toml`;
  if (template === "") return undefined;
  const file = settingsOf(template, login);
  if (file === undefined) throw new Fail("config", "The login cannot be used in a file name");
  return file;
}

const folderOf = (file: string) => file.slice(0, file.lastIndexOf("/"));
