/** `countersign keys import`: adds the secrets of other software to a key file. */
import type { Bytes } from "../lib/bytes.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { dayOf, printDay } from "../lib/date.ts";
import { Fail, quote, reason } from "../lib/fail.ts";
import type { Identity } from "../lib/settings/identity.ts";
import { MIN_SECRET_BYTES, parseKeys } from "../lib/settings/keys.ts";
import type { Arguments } from "./arguments.ts";
import { createAtomically, isThere } from "./files.ts";
import { importedSecrets, SECRET_SOURCES } from "./imported_secrets.ts";
import { changeKeys, holds, type KeyOwner, otherOwner, selectOwner } from "./key_owner.ts";
import { ids, withFirst, withLast } from "./keyfile.ts";
import { choice, day } from "./option_values.ts";
import { forwardingTable, parsePostsrsd, type PostsrsdSettings } from "./postsrsd.ts";
import { say } from "./terminal.ts";

/** Imports the secrets in a file, or those that the settings of postsrsd name. */
export async function importKeys(
  settings: Settings,
  identities: readonly Identity[],
  options: Arguments,
  operand: string | undefined,
): Promise<void> {
  const postsrsd = postsrsdOf(options, operand);
  if (postsrsd !== undefined && settings.forwarding.domain === "") {
    return say(
      `${forwardingTable(postsrsd)}\n${notesOf(postsrsd)}\nAdd these lines to the settings, and run the command again`,
    );
  }
  const path = postsrsd?.secrets ?? operand;
  if (path === undefined) throw new Fail("usage", "FILE is missing");
  const source = postsrsd === undefined ? choice(options, "from", SECRET_SOURCES) : "postsrsd";
  if (source === undefined) {
    throw new Fail("usage", "Option --from is missing", { fix: `use one of ${SECRET_SOURCES.join(", ")}` });
  }
  const newline = choice(options, "newline", ["keep", "cut"]);
  const owner = selectOwner(settings, identities, options);
  const secrets = importedSecrets(await bytesOf(path), source, newline && newline === "keep");
  const other = otherOwner(secrets, owner, settings, identities);
  if (other !== undefined) throw new Fail("data", `The secret is already in the key file of ${other.name}`);
  // The first key of forwarded mail must sign.
  const isNew = owner.option === "--forwarding" && !isThere(owner.file);
  const sign = options.has("sign") || isNew;
  const added = addKeys(owner, secrets, options, sign, isNew);
  if (added.length === 0) return say("Nothing was imported: the file already contains these secrets");
  if (isNew) say(`Written: ${owner.file}`);
  say(`${added.join(", ")} ${added.length > 1 ? "verify" : "verifies"} for ${owner.name}`);
  if (sign && secrets.some((secret) => secret.length < MIN_SECRET_BYTES)) {
    const instead = owner.option === "--forwarding" ? "mail is not rewritten" : "mail is sent unsigned";
    say(`A secret with fewer than ${MIN_SECRET_BYTES} bytes does not sign: an older key signs, or ${instead}`);
  }
  if (postsrsd !== undefined) compare(postsrsd, settings);
  else if (source === "postsrsd" || source === "mail-srs") say(shortHashes(source, owner, settings));
}

/** Length of the hashes that postsrsd and Mail::SRS write, unless they are configured otherwise. */
const USUAL_HASH_LENGTH = 4;

/** Returns what must be set for the addresses that the other software has written. */
function shortHashes(source: string, { option }: KeyOwner, { srs, forwarding }: Settings): string {
  const [table, length] = option === "--forwarding" ? ["forwarding", forwarding.hash_length] : ["srs", srs.hash_length];
  const needed = `${table}.hash_length = ${USUAL_HASH_LENGTH}`;
  if (length <= USUAL_HASH_LENGTH) return `Its addresses verify: ${needed} is set`;
  return `Note: unless it is configured otherwise, ${source} writes ${USUAL_HASH_LENGTH} characters of the hash. Such addresses
verify only with ${needed}; now it is ${length}. To accept them, add to the settings, as long as they are in use:

[${table}]
hash_length = ${USUAL_HASH_LENGTH}`;
}

/** Adds the secrets that the file does not have. @returns the ids of their keys, that of the first secret first */
function addKeys(
  owner: KeyOwner,
  secrets: readonly Bytes[],
  options: Arguments,
  sign: boolean,
  isNew: boolean,
): string[] {
  const asked = day(options, "created");
  const wanted = options.value("id");
  if (wanted !== undefined && !/^[a-z0-9]{1,8}$/.test(wanted)) {
    throw new Fail("usage", `Option --id ${quote(wanted)} is not 1 to 8 characters of a-z and 0-9`);
  }
  const added: string[] = [];
  const edit = (text: string): string => {
    const present = text === "" ? [] : parseKeys(text, owner.file);
    const fresh = secrets.filter((secret) => !holds(present, secret));
    const created = asked ?? (sign ? dayOf(new Date()) : present[0]!.created);
    if (wanted !== undefined && fresh.length > 1) {
      throw new Fail("usage", "Option --id can be used with one secret only");
    }
    if (wanted !== undefined && fresh.length > 0 && ids(text).includes(wanted)) {
      throw new Fail("usage", `Key id ${wanted} is or was the id of another key`);
    }
    // The first imported secret is the one that signed; of keys with the same date, the last line signs.
    let changed = text;
    for (const secret of fresh.toReversed()) {
      const key = { id: wanted ?? freeId(changed), created, secret };
      changed = sign ? withLast(changed, [key]) : withFirst(changed, [key]);
      added.unshift(key.id);
    }
    const signs = parseKeys(changed, owner.file)[0];
    if (fresh.length > 0 && added.includes(signs!.id) !== sign) {
      const what = sign ? "would not sign, because there is a newer one" : "would sign";
      throw new Fail("usage", `With --created ${printDay(created)} the imported key ${what}`);
    }
    return changed;
  };
  if (!isNew) changeKeys(owner, edit);
  else if (!createAtomically(owner.file, edit(""), owner.mode)) {
    throw new Fail("temporary", "Another process has created the key file", { file: owner.file });
  }
  return added;
}

/** Reads the settings of postsrsd that the options name; undefined without them. */
function postsrsdOf(options: Arguments, operand: string | undefined): PostsrsdSettings | undefined {
  const file = options.value("settings");
  if (file === undefined) return undefined;
  if (!options.has("forwarding")) throw new Fail("usage", "Option --settings is for --forwarding only");
  if (operand !== undefined || options.has("from")) {
    throw new Fail("usage", "Option --settings cannot be combined with FILE or --from");
  }
  try {
    return parsePostsrsd(textOf(file), textOf);
  } catch (error) {
    if (!(error instanceof Fail) || error.file !== undefined) throw error;
    throw new Fail(error.kind, error.message, { file, fix: error.fix, cause: error });
  }
}

const notesOf = ({ notes }: PostsrsdSettings): string => notes.map((note) => `\nNote: ${note}`).join("");

/** Reports differences from the settings of postsrsd, whose addresses must still be reversed. */
function compare({ domain, hashLength, notes }: PostsrsdSettings, { forwarding, srs }: Settings): void {
  const differ = (what: string) => say(`Note: ${what}, so bounces to its addresses are rejected`);
  if (domain.toLowerCase() !== forwarding.domain.toLowerCase()) differ(`the domain of postsrsd is ${domain}`);
  if (hashLength < forwarding.hash_length) differ(`postsrsd writes ${hashLength} characters of the hash`);
  for (const note of notes) say(`Note: ${note}`);
  if (srs.alphabet === "base64url") {
    say(
      'Note: until postsrsd is stopped on every host, set srs.alphabet = "base64": before 2.2.6 it does not read - and _',
    );
  }
}

/**
 * Returns an unused id without a final digit, which is key number 0 in prvs, as in batv-tools; `nextId` never returns
 * one.
 */
function freeId(text: string): string {
  const taken = ids(text);
  for (let n = 0;; n++) {
    const id = `old${n === 0 ? "" : letters(n)}`;
    if (!taken.includes(id)) return id;
  }
}

/** Returns a number as letters: 1 is `b`, 26 is `ba`. */
function letters(n: number): string {
  const last = String.fromCharCode(97 + n % 26);
  return n < 26 ? last : letters(Math.floor(n / 26)) + last;
}

async function bytesOf(path: string): Promise<Uint8Array> {
  if (path === "-") return new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
  return readFile(path);
}

const textOf = (path: string): string => new TextDecoder().decode(readFile(path));

function readFile(path: string): Uint8Array {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    throw new Fail("io", `File cannot be read: ${reason(error)}`, { file: path, cause: error });
  }
}
