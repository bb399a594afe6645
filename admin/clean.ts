/** `countersign clean`: takes away what is remembered and of no use any more. The shim does it too, a little at a time. */
import { dayOf } from "../lib/day.ts";
import * as host from "../lib/host.ts";
import { fileLedger } from "../state/ledger.ts";
import { cleanSent } from "../state/sent.ts";
import { cleanSpool } from "../transport/spool.ts";
import { atMost, runCommand } from "./arguments.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign clean [--config FILE]
Removes expired entries of the ledger (messages to lists, whose challenges are not answered any more) and the days of
the index of sent mail that are over, and what one that was killed left in the spool a day ago. Nothing else; what
cannot be read is left for you to look at.

Example: countersign clean
`;

/** Runs the command. @returns the exit status */
export function clean(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["config"] }, async (given) => {
    atMost(given, 0);
    const { state } = host.loadSettings(host.configFile(given.value("config")));
    const now = new Date();
    const entries = await fileLedger(`${state}/ledger`).clean(dayOf(now), Infinity);
    const days = cleanSent(`${state}/sent`, now);
    const left = cleanSpool(`${state}/spool`, now);
    const gone = [
      `${count(entries, "entry", "entries")} of the ledger`,
      `${count(days, "day", "days")} of sent mail`,
      ...(left === 0 ? [] : [`${count(left, "file", "files")} of the spool`]),
    ];
    say(`${gone.join(", ")} removed`);
  });
}

const count = (n: number, one: string, more: string) => `${n} ${n === 1 ? one : more}`;
