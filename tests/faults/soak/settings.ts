/** The settings of everyone in the soak: the users on the machine, the virtual logins, and what the site adds. */
import { sandboxFile } from "../../../lib/paths.ts";
import { permissions, sandboxText } from "../../../lib/settings/sandbox.ts";
import { parseConfig } from "../../../lib/settings/parse.ts";
import type { User } from "./mail.ts";

/** Places that the settings name. */
export interface Places {
  readonly home: string;
  readonly state: string;
  readonly lookup: string;
  readonly port: number;
}

const identity = (user: User, keys: string) =>
  `[[identity]]\naddress = "${user}@example.org"\nsrs_domain = "srs.example.org"\nlogins = ["${user}"]\nkeys = "${keys}"\n`;

const state = ({ state, lookup }: Places) =>
  `[state]\nfolder = "${state}"\nshared = true\n${lookup === "" ? "" : `lookup = "${lookup}"\n`}`;

const toPostfix = (port: number) =>
  `[transport]\nvia = "smtp"\nhost = "127.0.0.1"\nport = ${port}\nsecurity = "none"\n`;

/** The address of the doorbell's service. */
export const SERVICE = "svc@bell.example.org";

/** A user with shim, hook and a doorbell. */
export function userSettings(user: User, places: Places): string {
  return `${identity(user, `${places.home}/.config/countersign/keys`)}${state(places)}` +
    `[transport]\npreset = "postfix"\nspool = true\n[incoming]\nspam = "${places.home}/Maildir/.Spam"\n` +
    `[[doorbell]]\nname = "svc"\naddress = "${SERVICE}"\nkeys = "${places.home}/.config/countersign/doorbell-keys"\n` +
    `hourly = 10000\nmax_held = 10000\n`;
}

/** The same user's outbox. */
export function outboxSettings(user: User, places: Places): string {
  return `${identity(user, `${places.home}/.config/countersign/keys`)}${state(places)}${toPostfix(places.port)}` +
    `[outbox]\nwhen = "always"\nreport = "${places.home}/reports"\n`;
}

/** A virtual login of submitd. */
export function virtualSettings(user: User, places: Places): string {
  return `${identity(user, `${places.home}/keys`)}${state(places)}${toPostfix(places.port)}`;
}

/** Writes settings with their sandbox file. */
export function writeSettings(file: string, text: string, home: string): void {
  const settings = parseConfig(text, { file, home });
  const given = permissions(settings, { file, home });
  Deno.writeTextFileSync(`${file}.new`, text);
  Deno.renameSync(`${file}.new`, file);
  // The launcher checks which of the two files is newer.
  const before = new Date(Date.now() - 1000);
  Deno.utimeSync(file, before, before);
  Deno.writeTextFileSync(
    sandboxFile(file),
    sandboxText(given, settings),
  );
}
