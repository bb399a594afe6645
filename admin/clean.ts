/** `countersign clean`: removes what has expired, and what killed programs left. They do it too, once a day. */
import { configFile, loadSettings } from "../io/system/load.ts";
import { expireState } from "../io/state/expire.ts";
import { cleanMaildir } from "../io/transport/leftovers.ts";
import { cleanSpool } from "../io/transport/spool.ts";
import { atMost, runCommand } from "./arguments.ts";
import { cleanDrafts } from "./files.ts";
import { permissionsFile } from "../lib/paths.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign clean [--config FILE]
Removes what the shim and the hook no longer need to remember: expired entries of the ledger, whose challenges are not
answered any more, and months of the index of sent mail that are over. Also removes what killed programs left: files in
the spool and beside the settings after a day, in tmp of the configured maildirs after 36 hours. The programs do the
same once a day, except beside the settings.

Example: countersign clean
`;

/** Runs the command. @returns the exit status */
export function clean(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["config"] }, async (given) => {
    atMost(given, 0);
    const place = configFile(given.value("config"));
    const { state, incoming, challenge, transport, identity, plain_lists } = loadSettings(place);
    const now = new Date();
    const { entries, periods } = await expireState(state, now, Infinity);
    const maildirs = new Set([incoming.spam, incoming.inbox, challenge.answered, transport.maildir]);
    const written = [place.file, permissionsFile(place.file), plain_lists, ...identity.map(({ keys }) => keys)];
    const left = cleanSpool(`${state}/spool`, now) + sum([...maildirs].map((one) => cleanMaildir(one, now))) +
      sum(written.map((path) => cleanDrafts(path, now)));
    const gone = [
      `${count(entries, "entry", "entries")} of the ledger`,
      `${count(periods, "month", "months")} of sent mail`,
      ...(left === 0 ? [] : [`${count(left, "file", "files")} of killed programs`]),
    ];
    say(`${gone.join(", ")} removed`);
  });
}

const sum = (all: readonly number[]) => all.reduce((one, other) => one + other, 0);
const count = (n: number, one: string, more: string) => `${n} ${n === 1 ? one : more}`;
