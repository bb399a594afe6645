/**
 * `countersign expire`: removes expired state and leftover files of killed programs, as shim and hook do once a day.
 */
import { configFile, loadSettings } from "../io/system/load.ts";
import { expireState } from "../io/state/expire.ts";
import { DoorbellFiles } from "../io/state/doorbell/files.ts";
import { cleanMaildir } from "../io/transport/leftovers.ts";
import { cleanOutbox, outboxFolder } from "../io/outbox/store.ts";
import { cleanSpool } from "../io/transport/spool.ts";
import { atMost, runCommand } from "./arguments.ts";
import { cleanDrafts } from "./files.ts";
import { sandboxFile } from "../lib/paths.ts";
import { maildirsAmong } from "../lib/settings/mailbox.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign expire [--config FILE]
Removes state that shim and hook no longer need: expired ledger entries, whose challenges are no longer answered, and
months of the index of sent mail that have expired. Also removes leftovers of killed programs: files in the spool and
beside the settings after a day, and files in tmp of the configured maildirs and of the outbox after 36 hours. Shim and
hook do the same once a day, except beside the settings. For doorbells, removes held messages that were not confirmed
and addresses that are no longer remembered.

Example: countersign expire
`;

/** Runs the command. @returns the exit status */
export function expire(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["config"] }, async (options) => {
    atMost(options, 0);
    const source = configFile(options.value("config"));
    const { state, incoming, challenge, transport, identity, plain_lists, doorbell } = loadSettings(source, true);
    const now = new Date();
    // Nothing here needs a key.
    const bells = doorbell.map((service) => new DoorbellFiles(state.folder, service, [], now).expire());
    const { entries, periods } = await expireState(state.folder, now, Infinity);
    const maildirs = new Set(maildirsAmong([incoming.spam, incoming.inbox, challenge.answered, transport.maildir]));
    const written = [source.file, sandboxFile(source.file), plain_lists, ...identity.map(({ keys }) => keys)];
    const leftovers = sum([
      cleanSpool(`${state.folder}/spool`, now),
      cleanOutbox(outboxFolder(state.folder), now),
      ...[...maildirs].map((maildir) => cleanMaildir(maildir, now)),
      ...written.map((path) => cleanDrafts(path, now)),
    ]);
    const removed = [
      `${count(entries, "entry", "entries")} of the ledger`,
      `${count(periods, "month", "months")} of sent mail`,
      ...(bells.length === 0 ? [] : [
        count(sum(bells.map(({ held }) => held)), "held message", "held messages"),
        count(sum(bells.map(({ addresses }) => addresses)), "remembered address", "remembered addresses"),
      ]),
      ...(leftovers === 0 ? [] : [`${count(leftovers, "file", "files")} of killed programs`]),
    ];
    say(`${removed.join(", ")} removed`);
  });
}

const sum = (all: readonly number[]) => all.reduce((one, other) => one + other, 0);
const count = (n: number, one: string, more: string) => `${n} ${n === 1 ? one : more}`;
