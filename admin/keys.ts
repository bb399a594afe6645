/** `countersign keys`: lists, creates, retires and imports keys. */
import type { Settings } from "../lib/settings/parse.ts";
import { dayOf, printDay } from "../lib/date.ts";
import { Fail, quote } from "../lib/fail.ts";
import { configFile, loadSettings } from "../io/system/load.ts";
import type { Identity } from "../lib/settings/identity.ts";
import { KEY_LIFETIME_DAYS, MIN_SECRET_BYTES, parseKeys, signingKey, validKeys } from "../lib/settings/keys.ts";
import { type Arguments, atMost, runCommand } from "./arguments.ts";
import { readIdentities } from "./identities.ts";
import { createAtomically, isThere } from "./files.ts";
import { importKeys } from "./import_keys.ts";
import { SECRET_SOURCES } from "./imported_secrets.ts";
import { changeKeys, listOwners, selectOwner } from "./key_owner.ts";
import { newSecret, nextId, retiredKeys, withLast, withRetired } from "./keyfile.ts";
import { day } from "./option_values.ts";
import { say } from "./terminal.ts";

const HELP =
  `Usage: countersign keys list|new|retire|import [--address ADDRESS | --doorbell NAME | --forwarding] [--config FILE]
Manages the keys of your addresses, of doorbells, and of forwarded mail. Secrets are never shown, and keys are never
deleted: a retired key remains in the file as a comment.

  list         List each key with its id, its date and its use
  new          Add a key that signs from now on, or from a later day; older keys still verify. Creates the key file if
               it is missing
  retire ID    Retire a key: mail signed with it is no longer recognized
  import FILE  Import the secrets of other software from a file, or from standard input ("-"). They verify but do not
               sign

  --address ADDRESS   The address whose keys to manage; required if you have several
  --doorbell NAME     Manage the keys of this service (doorbell.keys)
  --forwarding        Manage the keys of forwarded mail (forwarding.keys)
  --config FILE       Settings file
  --signs-from DATE   With new: the first day on which the key signs. With several hosts, choose a later day, and copy
                      the key file to all of them before that day

For import:
  --from PROGRAM      Software that used the secrets: ${SECRET_SOURCES.join(", ")}
  --newline keep|cut  Whether the line end belongs to the secret. Default: as that software treats it.
                      Mail::SRS (srs --secretfile) and batv-tools keep it, the others cut it
  --id ID             Id of the key; its last digit is its key number in prvs addresses, 0 without a digit
  --created DATE      Date of the key, which verifies for ${KEY_LIFETIME_DAYS} days from then. Default: that of the signing key
  --sign              Sign with the first imported secret from now on. Default for a new file of --forwarding
  --settings FILE     With --forwarding: settings of postsrsd (/etc/default/postsrsd or postsrsd.conf). Print the table
                      [forwarding] for them; once it is configured, import the secrets that they name

Only Exim's prvs is compatible, not its SRS. Use --id with the key number that Exim used.

Example: countersign keys import --from postsrsd /etc/postsrsd.secret
Example: countersign keys import --forwarding --settings /etc/default/postsrsd
`;

const VALUES = ["address", "doorbell", "config", "signs-from", "from", "newline", "id", "created", "settings"];

/** Runs the command. @returns the exit status */
export function keys(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: VALUES, flags: ["sign", "forwarding"] }, async (options) => {
    const [verb = "", ...operands] = options.operands;
    const run = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
    if (run === undefined) {
      const what = verb === "" ? "Subcommand is missing" : `Unknown subcommand ${quote(verb)}`;
      throw new Fail("usage", what, { fix: `use one of ${Object.keys(VERBS).join(", ")}` });
    }
    if (verb !== "new" && options.has("signs-from")) {
      throw new Fail("usage", "Option --signs-from is for new only");
    }
    const own = ["from", "newline", "id", "created", "sign", "settings"].find((option) => options.has(option));
    if (own !== undefined && verb !== "import") throw new Fail("usage", `Option --${own} is for import only`);
    atMost(options, verb === "retire" || verb === "import" ? 2 : 1);
    const settings = loadSettings(configFile(options.value("config")));
    await run(settings, readIdentities(settings), options, operands[0]);
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
  const now = new Date();
  for (const { name, file, keys: read } of listOwners(settings, identities, options)) {
    const keys = read();
    say(`${name}  ${file}`);
    const valid = validKeys(keys, now);
    const signs = signingKey(keys, now);
    for (const key of keys) {
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
  const owner = selectOwner(settings, identities, options);
  const { name, file, mode } = owner;
  const today = dayOf(new Date());
  const created = day(options, "signs-from") ?? today;
  if (created < today) throw new Fail("usage", `Option --signs-from ${printDay(created)} is in the past`);
  let id = "";
  const added = (text: string) => {
    id = nextId(text);
    return withLast(text, [{ id, created, secret: newSecret() }]);
  };
  if (isThere(file) || !createAtomically(file, added(""), mode)) {
    changeKeys(owner, added);
  } else say(`Written: ${file}`);
  const from = created === today ? "now on" : `${printDay(created)} on. Copy ${file} to all hosts before`;
  say(`${id} signs for ${name} from ${from}`);
}

function retire(settings: Settings, identities: readonly Identity[], options: Arguments, id: string | undefined): void {
  if (id === undefined) throw new Fail("usage", "ID is missing", { fix: "countersign keys list" });
  const owner = selectOwner(settings, identities, options);
  const { name, file, option } = owner;
  const now = new Date();
  changeKeys(owner, (text) => {
    if (signingKey(parseKeys(text, file), now)?.id === id) {
      throw new Fail("usage", `Key ${id} is the one that signs`, {
        fix: "create another one first with countersign keys new",
      });
    }
    return withRetired(text, id, dayOf(now));
  });
  const effect = option === "--forwarding"
    ? "bounces of mail that was forwarded with it are rejected"
    : option !== ""
    ? "cookies that it made are not valid, and addresses that it remembered are forgotten"
    : "bounces of mail that it signed count as forged";
  say(`${id} of ${name} is retired: ${effect}`);
}
