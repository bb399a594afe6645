/** Loads the settings and the files that they name: lists, keys, passwords, certificates. */
import { sandboxFile } from "../../lib/paths.ts";
import { parseAddress } from "../../lib/address.ts";
import { Fail, provesMissing } from "../../lib/fail.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { type Key, parseKeys } from "../../lib/settings/keys.ts";
import { plainLists } from "../../lib/settings/lists.ts";
import { parseConfig, type Settings } from "../../lib/settings/parse.ts";
import { plainEnv } from "./environment.ts";
import { checkOwn, isMissing, readPrivateFile, unreadable, WRITABLE } from "./files.ts";

/** Longest file of lists: some two million. */
const MAX_LISTS_BYTES = 64 * 1024 * 1024;

/**
 * The settings file: `given`, or COUNTERSIGN_CONFIG, or that of the user, or that of the system.
 *
 * @param own never that of the system: a user is about to make his
 */
export function configFile(given?: string, own = false): { file: string; home: string } {
  const home = plainEnv("HOME");
  const named = given || plainEnv("COUNTERSIGN_CONFIG");
  if (named !== "") return { file: named.startsWith("/") ? named : `${Deno.cwd()}/${named}`, home };
  const users = `${plainEnv("XDG_CONFIG_HOME") || `${home}/.config`}/countersign/config.toml`;
  const site = "/etc/countersign/config.toml";
  if (own || !isMissing(users) || isMissing(site)) return { file: users, home };
  // The sandbox of a user's own settings does not include the site's: then the user's are the ones that are gone.
  const { state } = Deno.permissions.querySync({ name: "read", path: site });
  return { file: state === "granted" ? site : users, home };
}

/** Reads and checks the settings; the plain lists when they are first asked for. @throws {Fail} `config`, naming the file */
export function loadSettings(place: { file: string; home: string }): Settings {
  checkSandboxFile(sandboxFile(place.file));
  // It names programs that we run: nobody else may write it.
  const settings = parseConfig(
    readPrivateFile("Settings file", place.file, WRITABLE, { fix: "countersign init" }),
    place,
  );
  return { ...settings, plainLists: plainLists(() => readPlainLists(settings), settings.plain_lists) };
}

/** The text of the file of plain lists; empty when there is none. @throws {Fail} `config`, `permission` */
export function readPlainLists({ plain_lists: path }: Settings): string {
  return isMissing(path) ? "" : readPrivateFile("File of lists", path, WRITABLE, { limit: MAX_LISTS_BYTES });
}

/**
 * The identities. A key file is read when a message first needs it: a site may have a thousand.
 *
 * Reading one throws {@link Fail} `config`, or `permission` for a key file that others can read.
 */
export function loadIdentities(settings: Settings): Identity[] {
  return settings.identity.map((one) => ({
    address: parseAddress(one.address.toLowerCase()),
    also: one.also.map((pattern) => pattern.toLowerCase()),
    srsDomain: one.srs_domain.toLowerCase(),
    logins: one.logins,
    // With `group` the key is one user's, lent to the hook of the site.
    ...(one.group ? { user: one.address.toLowerCase() } : {}),
    get keys(): readonly Key[] {
      const keys = parseKeys(
        readPrivateFile("Key file", one.keys, one.group ? 0o037 : 0o077, {
          lent: one.group,
          fix: `countersign keys new --address ${one.address}`,
        }),
        one.keys,
      );
      Object.defineProperty(this, "keys", { value: keys });
      return keys;
    },
  }));
}

/** The password in a file: its one line. @throws {Fail} `config`; `permission` for a file that others can read */
export function readPassword(path: string): string {
  const fix = "write the password to it, on a single line";
  const password = readPrivateFile("Password file", path, 0o077, { fix }).replace(/\r?\n$/, "");
  if (/^[^\0\r\n]+$/.test(password)) return password;
  throw new Fail("config", "Password file does not contain exactly one line", { file: path, fix });
}

/** Certificates in PEM. Whoever may write the file could be the server. @throws {Fail} `config`, `permission` */
export function readCertificates(path: string): string {
  const fix = "write the certificate of the CA to it, or remove transport.ca";
  const pem = readPrivateFile("CA file", path, WRITABLE, { fix });
  if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
  throw new Fail("config", "CA file contains no certificate in PEM format", { file: path, fix });
}

/** Without the file the launcher permits what the user may do. @throws {Fail} as for all files that the user must own */
function checkSandboxFile(path: string): void {
  const what = "Sandbox file";
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    if (provesMissing(error)) return;
    throw unreadable(what, path, error);
  }
  checkOwn(what, path, info, WRITABLE);
}
