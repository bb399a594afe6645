/** `countersign keys`: lists, creates, retires and imports keys. */
import { type Bytes, timingSafeEqual } from "../lib/bytes.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { dayOf, printDay } from "../lib/date.ts";
import { Fail, quote, reason } from "../lib/fail.ts";
import { configFile, loadIdentities, loadSettings } from "../io/system/load.ts";
import { canonicalAddress, type Identity } from "../lib/settings/identity.ts";
import {
  type Key,
  KEY_LIFETIME_DAYS,
  MIN_SECRET_BYTES,
  parseKeys,
  signingKey,
  validKeys,
} from "../lib/settings/keys.ts";
import { type Arguments, atMost, runCommand } from "./arguments.ts";
import { changeAtomically, createAtomically, isThere } from "./files.ts";
import { importedSecrets, SECRET_SOURCES } from "./imported_secrets.ts";
import { ids, keepsAll, newSecret, nextId, retiredKeys, withFirst, withLast, withRetired } from "./keyfile.ts";
import { choice, day, selectIdentity } from "./option_values.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign keys list|new|retire|import [--address ADDRESS] [--config FILE]
Manages the keys of your addresses. Secrets are never shown, and keys are never deleted: a retired key remains in the
file as a comment.

  list         List each key with its id, its date and its use
  new          Add a key that signs from now on, or from a later day; older keys still verify. Creates the key file if
               it is missing
  retire ID    Retire a key: mail signed with it is no longer recognized
  import FILE  Import the secrets of other software from a file, or from standard input ("-"). They verify, and do not
               sign

  --address ADDRESS   Whose keys; required if you have several addresses
  --config FILE       Settings file
  --signs-from DATE   With new: the first day on which the key signs. On several hosts, choose a day ahead, and copy the
                      key file to all of them before

For import:
  --from PROGRAM      Software that used the secrets: ${SECRET_SOURCES.join(", ")}
  --newline keep|cut  Whether the line end belongs to the secret. Default: as that software treats it.
                      Mail::SRS (srs --secretfile) and batv-tools keep it, the others cut it
  --id ID             Id of the key; its last digit is its key number in prvs addresses, 0 without a digit
  --created DATE      Date of the key, which verifies for ${KEY_LIFETIME_DAYS} days from then. Default: that of the signing key
  --sign              Sign with the first imported secret from now on

Of Exim, only prvs is compatible, not SRS. Use --id with the key number that Exim used.

Example: countersign keys import --from postsrsd /etc/postsrsd.secret
`;

const VALUES = ["address", "config", "signs-from", "from", "newline", "id", "created"];

/** The identity whose keys are changed, their file, and the other identities. */
interface KeyOwner {
  readonly identity: Identity;
  readonly file: string;
  readonly others: readonly Identity[];
}

/** Runs the command. @returns the exit status */
export function keys(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: VALUES, flags: ["sign"] }, async (options) => {
    const [verb = "", ...operands] = options.operands;
    const run = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
    if (run === undefined) {
      const what = verb === "" ? "Subcommand is missing" : `Unknown subcommand ${quote(verb)}`;
      throw new Fail("usage", what, { fix: `use one of ${Object.keys(VERBS).join(", ")}` });
    }
    if (verb !== "new" && options.has("signs-from")) {
      throw new Fail("usage", "Option --signs-from is for new only");
    }
    const own = ["from", "newline", "id", "created", "sign"].find((option) => options.has(option));
    if (own !== undefined && verb !== "import") throw new Fail("usage", `Option --${own} is for import only`);
    atMost(options, verb === "retire" || verb === "import" ? 2 : 1);
    const settings = loadSettings(configFile(options.value("config")));
    await run(settings, loadIdentities(settings), options, operands[0]);
  });
}

type Verb = (
  settings: Settings,
  identities: readonly Identity[],
  options: Arguments,
  operand: string | undefined,
) => Promise<void> | void;

const VERBS: Record<string, Verb> = { list, new: create, retire, import: importKeys };

function list(settings: Settings, identities: readonly Identity[], options: Arguments): void {
  const asked = options.value("address");
  const now = new Date();
  for (const identity of asked === undefined ? identities : [selectIdentity(identities, asked)]) {
    const file = fileOf(settings, identity);
    say(`${canonicalAddress(identity)}  ${file}`);
    const valid = validKeys(identity.keys, now);
    const signs = signingKey(identity.keys, now);
    for (const key of identity.keys) {
      const until = `verifies until ${printDay(key.created + KEY_LIFETIME_DAYS - 1)}`;
      const use = key === signs
        ? `signs; ${until}`
        : valid.includes(key)
        ? `${until}${key.secret.length < MIN_SECRET_BYTES ? "; its secret is too short to sign" : ""}`
        : key.created > dayOf(now)
        ? `signs from ${printDay(key.created)}, verifies from the day before`
        : "not used: expired";
      say(`  ${key.id.padEnd(8)}  ${printDay(key.created)}  ${use}`);
    }
    for (const { id, created, retired } of retiredKeys(Deno.readTextFileSync(file))) {
      say(`  ${id.padEnd(8)}  ${created}  retired ${retired}`);
    }
  }
}

function create(settings: Settings, identities: readonly Identity[], options: Arguments): void {
  const { identity, file } = ownerOf(settings, identities, options);
  const today = dayOf(new Date());
  const created = day(options, "signs-from") ?? today;
  if (created < today) throw new Fail("usage", `Option --signs-from ${printDay(created)} is in the past`);
  let id = "";
  const added = (text: string) => {
    id = nextId(text);
    return withLast(text, [{ id, created, secret: newSecret() }]);
  };
  if (isThere(file) || !createAtomically(file, added(""), isGroup(settings, identity) ? 0o640 : 0o600)) {
    change(file, added);
  } else say(`Written: ${file}`);
  const from = created === today ? "now on" : `${printDay(created)} on. Copy ${file} to all hosts before`;
  say(`${id} signs for ${canonicalAddress(identity)} from ${from}`);
}

function retire(settings: Settings, identities: readonly Identity[], options: Arguments, id: string | undefined): void {
  if (id === undefined) throw new Fail("usage", "ID is missing", { fix: "countersign keys list" });
  const { identity, file } = ownerOf(settings, identities, options);
  const now = new Date();
  change(file, (text) => {
    if (signingKey(parseKeys(text, file), now)?.id === id) {
      throw new Fail("usage", `Key ${id} is the one that signs`, {
        fix: "create another one first with countersign keys new",
      });
    }
    return withRetired(text, id, dayOf(now));
  });
  say(`${id} of ${canonicalAddress(identity)} is retired: bounces of mail that it signed count as forged`);
}

async function importKeys(
  settings: Settings,
  identities: readonly Identity[],
  options: Arguments,
  path: string | undefined,
): Promise<void> {
  if (path === undefined) throw new Fail("usage", "FILE is missing");
  const source = choice(options, "from", SECRET_SOURCES);
  if (source === undefined) {
    throw new Fail("usage", "Option --from is missing", { fix: `use one of ${SECRET_SOURCES.join(", ")}` });
  }
  const newline = choice(options, "newline", ["keep", "cut"]);
  const { identity, file, others } = ownerOf(settings, identities, options);
  const secrets = importedSecrets(await bytesOf(path), source, newline && newline === "keep");
  const asked = day(options, "created");
  const sign = options.has("sign");
  const wanted = options.value("id");
  if (wanted !== undefined && !/^[a-z0-9]{1,8}$/.test(wanted)) {
    throw new Fail("usage", `Option --id ${quote(wanted)} is not 1 to 8 characters of a-z and 0-9`);
  }
  const added: string[] = [];
  change(file, (text) => {
    const present = parseKeys(text, file);
    const fresh = secrets.filter((secret) => !holds(present, secret));
    for (const other of others) {
      if (fresh.some((secret) => holds(other.keys, secret))) {
        throw new Fail("data", `The secret is already in the key file of ${canonicalAddress(other)}`);
      }
    }
    const created = asked ?? (sign ? dayOf(new Date()) : present[0]!.created);
    if (wanted !== undefined && fresh.length > 1) {
      throw new Fail("usage", "Option --id is for one secret, but there are several");
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
    const signs = parseKeys(changed, file)[0];
    if (fresh.length > 0 && added.includes(signs!.id) !== sign) {
      const what = sign ? "would not sign, because there is a newer one" : "would sign";
      throw new Fail("usage", `With --created ${printDay(created)} the imported key ${what}`);
    }
    return changed;
  });
  if (added.length === 0) return say("Nothing was imported: the file already has these secrets");
  say(`${added.join(", ")} ${added.length > 1 ? "verify" : "verifies"} for ${canonicalAddress(identity)}`);
  if (sign && secrets.some((secret) => secret.length < MIN_SECRET_BYTES)) {
    say(
      `A secret with fewer than ${MIN_SECRET_BYTES} bytes does not sign: an older key signs, or mail is sent unsigned`,
    );
  }
}

/** Returns an unused id without a final digit, which is key number 0 in prvs, as in batv-tools; `nextId` never returns one. */
function freeId(text: string): string {
  const taken = ids(text);
  for (let n = 0;; n++) {
    const id = `old${n === 0 ? "" : letters(n)}`;
    if (!taken.includes(id)) return id;
  }
}

/** Returns a number in letters: 1 is `b`, 26 is `ba`. */
function letters(n: number): string {
  const last = String.fromCharCode(97 + n % 26);
  return n < 26 ? last : letters(Math.floor(n / 26)) + last;
}

const holds = (keys: readonly Key[], secret: Bytes) => keys.some((key) => timingSafeEqual(key.secret, secret));

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    if (path !== "-") return Deno.readFileSync(path);
    return new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
  } catch (error) {
    throw new Fail("io", `File cannot be read: ${reason(error)}`, { file: path, cause: error });
  }
}

function ownerOf(settings: Settings, identities: readonly Identity[], options: Arguments): KeyOwner {
  const identity = selectIdentity(identities, options.value("address"));
  return { identity, file: fileOf(settings, identity), others: identities.filter((one) => one !== identity) };
}

/** Returns the path of the key file of an identity. */
const fileOf = (settings: Settings, identity: Identity): string => settingsOf(settings, identity).keys;

/** Whether the group of the key file may read it. */
const isGroup = (settings: Settings, identity: Identity): boolean => settingsOf(settings, identity).group;

function settingsOf(settings: Settings, identity: Identity): Settings["identity"][number] {
  return settings.identity.find(({ address }) => address.toLowerCase() === canonicalAddress(identity))!;
}

/** Changes a key file. The result must be a valid key file with all keys that it had, in use or retired. */
function change(file: string, edit: (text: string) => string): void {
  if (!isThere(file)) throw new Fail("config", "Key file does not exist", { file, fix: "countersign keys new" });
  changeAtomically(file, (text) => {
    const changed = edit(text);
    parseKeys(changed, file);
    if (!keepsAll(text, changed)) throw new Fail("system", "A key would be lost, so nothing was changed", { file });
    return changed;
  });
}
