/**
 * The key files that `countersign keys` manages: one for each identity, those of doorbells, and one for forwarded mail.
 */
import { type Bytes, timingSafeEqual } from "../lib/bytes.ts";
import { Fail } from "../lib/fail.ts";
import { canonicalAddress, type Identity } from "../lib/settings/identity.ts";
import { type Key, parseKeys } from "../lib/settings/keys.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { serviceOf } from "../hooks/doorbell.ts";
import { readDoorbellKeys, readForwardingKeys } from "../io/system/load.ts";
import type { Service } from "../lib/settings/doorbell.ts";
import type { Arguments } from "./arguments.ts";
import { changeAtomically, isThere } from "./files.ts";
import { siteUser } from "./identities.ts";
import { keepsAll } from "./keyfile.ts";
import { selectIdentity } from "./option_values.ts";

/** What the keys of a file are for. */
export interface KeyOwner {
  /** The address of an identity, or `forwarded mail`. */
  readonly name: string;
  readonly file: string;
  /** The mode of a new file. */
  readonly mode: number;
  /** The option that creates the file; empty for an identity. */
  readonly option: string;
  /** The keys. @throws {Fail} if the file cannot be read */
  keys(): readonly Key[];
}

/** Returns the owner that the options name: `--forwarding`, or an identity. @throws {Fail} `usage`, `config` */
export function selectOwner(settings: Settings, identities: readonly Identity[], options: Arguments): KeyOwner {
  const [first, second] = ["forwarding", "doorbell", "address"].filter((name) => {
    return options.has(name) || options.value(name) !== undefined;
  });
  if (second !== undefined) throw new Fail("usage", `Options --${first} and --${second} cannot be combined`);
  if (first === "doorbell") return ofDoorbell(settings, serviceOf(settings, options.value("doorbell")!));
  if (first !== "forwarding") return ofIdentity(settings, selectIdentity(identities, options.value("address")));
  const owner = ofForwarding(settings);
  if (owner === undefined) {
    const fix = "set it, or have its lines printed with countersign keys import --forwarding --settings FILE";
    throw new Fail("config", "forwarding.domain is not set", { fix });
  }
  return owner;
}

/** Returns all owners, or the one that the options name. */
export function listOwners(settings: Settings, identities: readonly Identity[], options: Arguments): KeyOwner[] {
  if (["forwarding", "doorbell", "address"].some((name) => options.has(name) || options.value(name) !== undefined)) {
    return [selectOwner(settings, identities, options)];
  }
  const forwarding = ofForwarding(settings);
  const doorbells = doorbellsOf(settings);
  return [...identities.map((one) => ofIdentity(settings, one)), ...doorbells, ...forwarding ? [forwarding] : []];
}

/** Returns another owner that has one of these secrets; undefined if there is none. */
export function otherOwner(
  secrets: readonly Bytes[],
  owner: KeyOwner,
  settings: Settings,
  identities: readonly Identity[],
): KeyOwner | undefined {
  const forwarding = ofForwarding(settings);
  const all = identities.map((one) => ofIdentity(settings, one));
  // These are created with their first key.
  const others = [...doorbellsOf(settings), ...forwarding ? [forwarding] : []];
  all.push(...others.filter((one) => isThere(one.file)));
  return all.find((other) => other.file !== owner.file && secrets.some((secret) => holds(other.keys(), secret)));
}

/** Returns whether one of the keys has this secret. */
export const holds = (keys: readonly Pick<Key, "secret">[], secret: Bytes): boolean =>
  keys.some((key) => timingSafeEqual(key.secret, secret));

/** Changes a key file. The result must be a valid key file with all keys that it had, in use or retired. */
export function changeKeys({ file, option }: KeyOwner, edit: (text: string) => string): void {
  const fix = `countersign keys new${option && ` ${option}`}`;
  if (!isThere(file)) throw new Fail("config", "Key file does not exist", { file, fix });
  changeAtomically(file, (text) => {
    const changed = edit(text);
    parseKeys(changed, file);
    if (!keepsAll(text, changed)) throw new Fail("system", "A key would be lost, so nothing was changed", { file });
    return changed;
  });
}

function ofIdentity(settings: Settings, identity: Identity): KeyOwner {
  const name = canonicalAddress(identity);
  const { keys: file, group } = settings.identity.find(({ address }) => address.toLowerCase() === name)!;
  return { name, file, mode: group ? 0o640 : 0o600, option: "", keys: () => identity.keys };
}

function ofForwarding(settings: Settings): KeyOwner | undefined {
  const { domain, keys: file } = settings.forwarding;
  if (domain === "") return undefined;
  const option = "--forwarding";
  return { name: "forwarded mail", file, mode: 0o640, option, keys: () => readForwardingKeys(settings) };
}

const doorbellsOf = (settings: Settings): KeyOwner[] => settings.doorbell.map((one) => ofDoorbell(settings, one));

function ofDoorbell(settings: Settings, service: Service): KeyOwner {
  const { name, keys: file } = service;
  const option = `--doorbell ${name}`;
  return {
    name: `doorbell ${name}`,
    file,
    mode: 0o600,
    option,
    keys: () => readDoorbellKeys(service, siteUser(settings)),
  };
}
