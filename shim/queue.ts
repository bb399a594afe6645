/** The queue options of sendmail, for the outbox. This module is loaded on demand. */
import type { Settings } from "../lib/settings/parse.ts";
import { utf8 } from "../lib/bytes.ts";
import { printQueue } from "../outgoing/outbox/list.ts";
import { writeOut } from "../io/system/input.ts";
import { printError } from "../io/system/log.ts";
import { abortOnSignal } from "../io/system/signals.ts";
import { outboxContext } from "../io/outbox/context.ts";
import { runOutbox } from "../io/outbox/run.ts";
import { idsIn, listEntries, outboxFolder } from "../io/outbox/store.ts";

/** Sends what was kept before the outbox was turned off. */
export async function runRest(name: string, settings: Settings): Promise<void> {
  if (idsIn(`${outboxFolder(settings.state.folder)}/queue`).length > 0) await queue(name, "-q", settings);
}

/** Prints the outbox for `mailq` and `-bp`, or runs it for `-q`. @returns the exit status */
export async function queue(name: string, what: string, settings: Settings): Promise<number> {
  if (what === "-q") {
    await runOutbox(outboxContext(settings, abortOnSignal(), (line) => printError(name, line)));
    return 0;
  }
  const listed = listEntries(outboxFolder(settings.state.folder));
  const entries = listed.flatMap(({ id, entry }) => entry === undefined ? [] : [{ id, entry }]);
  await writeOut(utf8(printQueue(entries).map((line) => `${line}\n`).join("")));
  for (const { id, damage, unreadable } of listed) {
    const why = damage ?? unreadable;
    if (why !== undefined) printError(name, `Entry ${id}: ${why}`);
  }
  return 0;
}
