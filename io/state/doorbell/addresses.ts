/**
 * Remembered, allowed and denied addresses: a file for each, `addresses/HH/HASH`, so that a lookup costs the same
 * however many there are. HASH is a keyed hash, so that no file name contains text of a stranger.
 */
import { type Address, canonical, parseAddress } from "../../../lib/address.ts";
import { dayOf, parseDay, printDay } from "../../../lib/date.ts";
import { purposeMac } from "../../../lib/hmac.ts";
import { type Key, signingKey, validKeys } from "../../../lib/settings/keys.ts";
import type { Standing } from "../../../incoming/doorbell/decide.ts";
import { readIfPresent, tryRemove } from "../../system/files.ts";
import { namesIn, trouble } from "./folder.ts";
import { replace } from "./quota.ts";
import type { ListedAddress } from "./store.ts";

/** Returns the hash of an address under each key that verifies; the one to write with first. */
export function addressHashes(keys: readonly Key[], address: Address, now: Date): string[] {
  return hashesOf(keys, canonical(address), now);
}

/** Returns the hashes of an address that is printed in a form of its own. */
export function hashesOf(keys: readonly Key[], address: string, now: Date): string[] {
  const first = signingKey(keys, now);
  const all = [...(first === undefined ? [] : [first]), ...validKeys(keys, now).filter((key) => key !== first)];
  return all.map(({ secret }) => purposeMac(secret, "cookie", ["address", address]).subarray(0, 16).toHex());
}

/** Returns what is known about an address; undefined if nothing is. */
export function standingOf(folder: string, hashes: readonly string[], now: Date): Standing | undefined {
  for (const hash of hashes) {
    const found = parse(readIfPresent(pathOf(folder, hash)));
    if (found !== undefined && (found.until === undefined || found.until >= dayOf(now))) return found.standing;
  }
  return undefined;
}

/** Notes what is known about an address. @param until the last day, for remembered addresses */
export function setStanding(folder: string, hash: string, address: Address, standing: Standing, until?: number): void {
  const path = pathOf(folder, hash);
  try {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw trouble(path, error);
  }
  replace(path, `${until === undefined ? standing : printDay(until)} ${canonical(address)}\n`);
}

/** Forgets an address. @returns whether anything was known about it */
export function forgetAddress(folder: string, hashes: readonly string[]): boolean {
  const found = hashes.map((hash) => pathOf(folder, hash)).filter((path) => readIfPresent(path) !== undefined);
  found.forEach(tryRemove);
  return found.length > 0;
}

/** Lists all addresses, in alphabetical order. */
export function listAddresses(folder: string, now: Date): ListedAddress[] {
  const all = [...filesIn(folder)].flatMap((path) => parse(readIfPresent(path)) ?? []);
  return all.filter(({ until }) => until === undefined || until >= dayOf(now))
    .sort((a, b) => a.address < b.address ? -1 : 1);
}

/** Removes addresses that are no longer remembered. @returns their number */
export function expireAddresses(folder: string, now: Date): number {
  let gone = 0;
  for (const path of filesIn(folder)) {
    const until = parse(readIfPresent(path))?.until;
    if (until === undefined || until >= dayOf(now)) continue;
    tryRemove(path);
    gone++;
  }
  return gone;
}

function* filesIn(folder: string): Generator<string> {
  for (const shard of namesIn(`${folder}/addresses`)) {
    for (const name of namesIn(`${folder}/addresses/${shard}`)) {
      if (/^[0-9a-f]{32}$/.test(name)) yield `${folder}/addresses/${shard}/${name}`;
    }
  }
}

const pathOf = (folder: string, hash: string): string => `${folder}/addresses/${hash.slice(0, 2)}/${hash}`;

function parse(text: string | undefined): ListedAddress | undefined {
  const [, word = "", address = ""] = /^(\S+) (.+)\n?$/.exec(text ?? "") ?? []; // a quoted local part may have spaces
  try {
    parseAddress(address);
  } catch {
    return undefined;
  }
  if (word === "allowed" || word === "denied") return { address, standing: word };
  const until = parseDay(word);
  return until === undefined ? undefined : { address, standing: "remembered", until };
}
