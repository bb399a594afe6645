/** Loads the settings and the files that they name: lists, keys, passwords, certificates. */
import { sandboxFile } from "../../lib/paths.ts";
import { parseAddress } from "../../lib/address.ts";
import { fromBase64 } from "../../lib/bytes.ts";
import { Fail, provesMissing } from "../../lib/fail.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { type Key, parseKeys } from "../../lib/settings/keys.ts";
import { plainLists } from "../../lib/settings/lists.ts";
import type { Service } from "../../lib/settings/doorbell.ts";
import { type Moved, parseMoved } from "../../lib/settings/moved.ts";
import { NO_IDENTITY, parseConfig, type Settings } from "../../lib/settings/parse.ts";
import { plainEnv } from "./environment.ts";
import { checkOwn, isMissing, readPrivateFile, unreadable, WRITABLE } from "./files.ts";

/** Maximum size of the file of plain lists: about two million lists. */
const MAX_LISTS_BYTES = 64 * 1024 * 1024;

/**
 * Returns the settings file: `path`, or COUNTERSIGN_CONFIG, or the user's, or the system's.
 *
 * @param own never the system's file, because the user is about to create their own
 */
export function configFile(path?: string, own = false): { file: string; home: string } {
  const home = plainEnv("HOME");
  const named = path || plainEnv("COUNTERSIGN_CONFIG");
  if (named !== "") return { file: named.startsWith("/") ? named : `${Deno.cwd()}/${named}`, home };
  const users = `${plainEnv("XDG_CONFIG_HOME") || `${home}/.config`}/countersign/config.toml`;
  const site = "/etc/countersign/config.toml";
  if (own || !isMissing(users) || isMissing(site)) return { file: users, home };
  // The sandbox of a user's own settings does not permit the system's file. Report the user's file as missing then.
  const { state } = Deno.permissions.querySync({ name: "read", path: site });
  return { file: state === "granted" ? site : users, home };
}

/**
 * Reads and checks the settings; the plain lists are read on first use.
 *
 * @param unconfigured accepts settings without an identity, for the programs to which `unconfigured = "pass"` applies,
 *   and for submitd, whose users have settings of their own
 * @throws {Fail} `config`, naming the file
 */
export function loadSettings(
  source: { file: string; home: string },
  unconfigured: boolean | "users" = false,
): Settings {
  checkSandboxFile(sandboxFile(source.file));
  // The file names programs to run, so only its owner may write it.
  const settings = parseConfig(
    readPrivateFile("Settings file", source.file, WRITABLE, { fix: "countersign init" }),
    source,
  );
  const passes = unconfigured === true && settings.unconfigured === "pass";
  if (settings.identity.length === 0 && !passes && unconfigured !== "users") {
    throw new Fail("config", NO_IDENTITY[0], { file: source.file, fix: NO_IDENTITY[1] });
  }
  return { ...settings, plainLists: plainLists(() => readPlainLists(settings), settings.plain_lists) };
}

/** Returns the text of the file of plain lists; empty if it is missing. @throws {Fail} `config`, `permission` */
export function readPlainLists({ plain_lists: path }: Settings): string {
  return isMissing(path) ? "" : readPrivateFile("File of lists", path, WRITABLE, { limit: MAX_LISTS_BYTES });
}

/** Returns the addresses that have moved. @throws {Fail} `config`, `permission` */
export function readMoved({ serve: { moved: path } }: Settings): Moved {
  if (path === "") return new Map();
  return parseMoved(readPrivateFile("File of moved addresses", path, WRITABLE, { limit: MAX_LISTS_BYTES }), path);
}

/**
 * Returns the identities. Each key file is read on first use, because a site may have a thousand.
 *
 * Reading one throws {@link Fail} `config`, or `permission` if others can read the key file.
 *
 * @param owner another user to whom the key files may belong
 */
export function loadIdentities(settings: Settings, owner?: number): Identity[] {
  return settings.identity.map((one) => ({
    address: parseAddress(one.address.toLowerCase()),
    also: one.also.map((pattern) => pattern.toLowerCase()),
    srsDomain: one.srs_domain.toLowerCase(),
    logins: one.logins,
    refuseUnsigned: one.refuse_unsigned,
    // With `group` the key belongs to one user, and the hook of the site may read it.
    ...(one.group ? { user: one.address.toLowerCase() } : {}),
    get keys(): readonly Key[] {
      const keys = parseKeys(
        readPrivateFile("Key file", one.keys, one.group ? 0o037 : 0o077, {
          lent: one.group,
          owner,
          fix: `countersign keys new --address ${one.address}`,
        }),
        one.keys,
      );
      Object.defineProperty(this, "keys", { value: keys });
      return keys;
    },
  }));
}

/** Returns the keys for forwarded mail, which its group may read. @throws {Fail} `config`, `permission` */
export function readForwardingKeys({ forwarding: { keys: path } }: Settings): Key[] {
  const fix = "countersign keys new --forwarding";
  return parseKeys(readPrivateFile("Key file", path, 0o037, { lent: true, fix }), path);
}

/**
 * Returns the keys of a doorbell.
 *
 * @param owner another user to whom the file may belong
 * @throws {Fail} `config`; `permission` if others can read the file
 */
export function readDoorbellKeys({ name, keys: path }: Service, owner?: number): Key[] {
  const fix = `countersign keys new --doorbell ${name}`;
  return parseKeys(readPrivateFile("Key file", path, 0o077, { owner, fix }), path);
}

/** Returns the password in a file, its only line. @throws {Fail} `config`; `permission` if others can read the file */
export function readPassword(path: string): string {
  const fix = "write the password to it, on a single line";
  const password = readPrivateFile("Password file", path, 0o077, { fix }).replace(/\r?\n$/, "");
  if (/^[^\0\r\n]+$/.test(password)) return password;
  throw new Fail("config", "Password file does not contain exactly one line", { file: path, fix });
}

/**
 * Returns certificates in PEM. The file must not be writable by others, who could then impersonate the server.
 *
 * @throws {Fail} `config`, `permission`
 */
export function readCertificates(path: string): string {
  const fix = "write the certificate of the CA to it, or remove transport.ca";
  const pem = readPrivateFile("CA file", path, WRITABLE, { fix });
  // What follows a line in PEM format, up to the next.
  const blocks = pem.split(/^-----BEGIN CERTIFICATE-----\s*$/m).slice(1);
  if (blocks.length > 0 && blocks.every(isCertificate)) return pem;
  const what = blocks.length > 0 ? "a damaged certificate" : "no certificate in PEM format";
  throw new Fail("config", `CA file contains ${what}`, { file: path, fix });
}

/** Returns whether this begins with a certificate in base64 that is not cut off: a DER sequence of the right length. */
function isCertificate(block: string): boolean {
  const [base64, end] = block.split(/^-----END CERTIFICATE-----\s*$/m);
  let der: Uint8Array;
  try {
    der = fromBase64(base64!);
  } catch {
    return false;
  }
  const lengthBytes = (der[1] ?? 0) - 0x80;
  if (end === undefined || der[0] !== 0x30 || lengthBytes < 1 || lengthBytes > 3) return false;
  const length = der.subarray(2, 2 + lengthBytes).reduce((sum, byte) => sum * 256 + byte, 0);
  return der.length === 2 + lengthBytes + length;
}

/**
 * Checks owner and mode of the sandbox file, if it exists. Without it the launcher permits what the user may do.
 *
 * @throws {Fail} `permission`; `config` or `temporary` when it cannot be looked at
 */
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
