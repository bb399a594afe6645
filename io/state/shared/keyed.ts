/**
 * Ledger and index of sent mail in a shared store. Names are HMACs and entries are encrypted, both with keys of the
 * identity that sent the message.
 */
import { dayOf } from "../../../lib/date.ts";
import { type Entry, type Found, type Ledger, parseEntry, printEntry } from "../../../lib/entry.ts";
import { timingSafeEqual, utf8 } from "../../../lib/bytes.ts";
import { Fail } from "../../../lib/fail.ts";
import { purposeMac, type Secret } from "../../../lib/hmac.ts";
import { canonicalAddress, type Identity } from "../../../lib/settings/identity.ts";
import type { SentMessage } from "../../../incoming/need.ts";
import type { StoredEntry } from "../entry_files.ts";
import { seal, unseal } from "../seal.ts";
import { candidateHashes, latestSent, sentHash } from "../sent.ts";
import { type EntryNames, MAX_HASHES, MAX_NAMES, type SharedStore } from "./store.ts";

const NAME_BYTES = 16;

/** Returns the latest of the messages that this identity sent; `signed` is false if any of them left without a tag. */
export async function findSent(
  store: SharedStore,
  identity: Identity,
  messageIds: readonly string[],
  now: Date,
): Promise<SentMessage | undefined> {
  const hashes = [...candidateHashes(identity, messageIds)].slice(0, MAX_HASHES).map((hash) => hash.toHex());
  return hashes.length === 0 ? undefined : latestSent(await store.sent(hashes), now);
}

/** Remembers that this identity sent this message. */
export async function rememberKeyed(
  store: SharedStore,
  identity: Identity,
  messageId: string,
  signed: boolean,
  now: Date,
): Promise<void> {
  await store.rememberSent(sentHash(identity, messageId, now).toHex(), { day: dayOf(now), signed });
}

/** Returns the ledger in this store. */
export function keyedLedger(store: SharedStore): Ledger {
  return {
    find: (by, senders) => find(store, by, senders),
    issue: (entry, sender) => issue(store, entry, sender),
    claim: (name) => store.claim(name),
    settle: (claim, state) => store.settle(claim, state),
    expire: () => Promise.resolve(0), // the store expires entries itself
  };
}

/** A key of an identity, by which its entries are named. */
interface NamingKey {
  readonly secret: Secret;
  readonly address: string;
}

const keysOf = (identity: Identity): NamingKey[] =>
  identity.keys.map(({ secret }) => ({ secret, address: canonicalAddress(identity) }));

function nameOf(kind: "message" | "list", text: string, { secret, address }: NamingKey): string {
  return purposeMac(secret, "ledger", [kind, address, text]).subarray(0, NAME_BYTES).toHex();
}

function entryName({ messageId, list }: Pick<Entry, "messageId" | "list">, key: NamingKey): string {
  return `${nameOf("message", messageId, key)}-${nameOf("list", list, key)}`;
}

async function find(
  store: SharedStore,
  by: Parameters<Ledger["find"]>[0],
  senders: readonly Identity[],
): Promise<Found[]> {
  const [kind, text] = "messageId" in by
    ? ["message", by.messageId] as const
    : ["list", by.list.toLowerCase()] as const;
  const keys = new Map(senders.flatMap(keysOf).map((key) => [nameOf(kind, text, key), key]));
  const found: Found[] = [];
  // A user has a few identities, but at a site many may match one pattern.
  for (const names of chunks([...keys.keys()], MAX_NAMES)) {
    for (const stored of await store.entries(kind === "message" ? { messages: names } : { lists: names })) {
      const key = keys.get(stored.name.split("-")[kind === "message" ? 0 : 1] ?? "");
      const entry = key && await opened(stored, key);
      if (entry !== undefined) found.push({ name: stored.name, state: stored.state, entry });
    }
  }
  return found.sort((a, b) => a.name < b.name ? -1 : 1);
}

function* chunks<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}

async function issue(store: SharedStore, entry: Entry, sender: Identity): Promise<void> {
  const keys = keysOf(sender);
  const key = keys.find((_, nth) => sender.keys[nth]!.id === entry.body.key);
  if (key === undefined) throw new Fail("config", "The entry was not made with a key of its sender");
  // An entry that was issued before the key was changed has another name.
  const others = keys.filter((one) => one !== key).map((one) => entryName(entry, one));
  const names: EntryNames = [entryName(entry, key), ...others.slice(0, MAX_NAMES - 1)];
  await store.issue(names, entry.expires, await closed(entry, key));
}

/** The length of the nonce at the beginning of an encrypted body, in base64. */
const NONCE_LENGTH = 16;

/**
 * Encrypts an entry: the first line is the entry without its body, the second is the body, which is already encrypted.
 * A search by list needs only the first line. That line contains the nonce of the body, so that the body of another
 * message cannot be substituted.
 */
async function closed(entry: Entry, { secret }: NamingKey): Promise<string> {
  const { sealed, ...body } = entry.body;
  const nonce = sealed.slice(0, NONCE_LENGTH);
  const front = await seal(secret, utf8(printEntry({ ...entry, body: { ...body, sealed: nonce } })));
  return `${front}\n${sealed}\n`;
}

/** Returns the entry in a text; undefined if it was encrypted with another key or for another name. */
async function opened({ name, text }: StoredEntry, key: NamingKey): Promise<Entry | undefined> {
  const [front = "", sealed = ""] = text.split("\n");
  const plain = await unseal(key.secret, front);
  const entry = plain && parseEntry(new TextDecoder().decode(plain));
  if (entry === undefined || !timingSafeEqual(utf8(entryName(entry, key)), utf8(name))) return undefined;
  if (sealed !== "" && sealed.slice(0, NONCE_LENGTH) !== entry.body.sealed) return undefined;
  return { ...entry, body: { ...entry.body, sealed } };
}
