/**
 * Checks that users of a site who have settings of their own sign with keys that the site has, too. Only root can see
 * both.
 */
import { parseKeys, signingKey } from "../../lib/settings/keys.ts";
import { parseConfig, type Settings } from "../../lib/settings/parse.ts";
import { accounts } from "./access.ts";
import { textFile } from "./filesystem.ts";
import type { Finding } from "./finding.ts";

/**
 * Returns the findings about the identities that list logins.
 *
 * @param homeOf returns the home of a login; undefined if it has none
 */
export function checkUserKeys(settings: Settings, now: Date, homeOf = homes()): Finding[] {
  const findings: Finding[] = [];
  for (const identity of settings.identity) {
    const address = identity.address.toLowerCase();
    for (const home of new Set(identity.logins.map(homeOf))) {
      const users = home === undefined ? undefined : keysOf(home, address, identity.srs_domain.toLowerCase());
      if (users === undefined || users === identity.keys) continue;
      const without = [[identity.keys, users], [users, identity.keys]].find(([from, to]) => lacks(to!, from!, now));
      if (without === undefined) continue;
      const [from, to] = without;
      findings.push({
        id: "key-of-user-differs",
        what: `The key in ${from} that signs for ${address} is not in ${to}`,
        where: { file: users },
        why: "Bounces of the mail that it signs are filed as forged by the program that lacks it.",
        fix: "Let both files have the same keys: copy the lines that one of them lacks",
      });
    }
  }
  return findings;
}

/** Returns the function that returns the home of a login, which may have a domain. */
function homes(): (login: string) => string | undefined {
  const known = new Map(accounts().map(({ name, home }) => [name, home]));
  return (login) => known.get(login.replace(/@.*$/s, ""));
}

/** Returns the key file with which a user signs for this address; undefined if their settings do not have it. */
function keysOf(home: string, address: string, srsDomain: string): string | undefined {
  const found = textFile(`${home}/.config/countersign/config.toml`);
  try {
    const { identity } = parseConfig(found?.text ?? "", { file: found?.file ?? "", home });
    return identity.find((one) => one.address.toLowerCase() === address && one.srs_domain.toLowerCase() === srsDomain)
      ?.keys;
  } catch {
    return undefined; // the user's own doctor reports it
  }
}

/**
 * Returns whether a file has a key that signs, and another file does not have it. False if one of them cannot be read.
 */
function lacks(path: string, other: string, now: Date): boolean {
  try {
    const [mine, theirs] = [path, other].map((one) => parseKeys(textFile(one)?.text ?? "", one));
    const secret = signingKey(theirs!, now)?.secret.toHex();
    return secret !== undefined && mine!.length > 0 && !mine!.some((key) => key.secret.toHex() === secret);
  } catch {
    return false;
  }
}
