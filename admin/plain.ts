/** `countersign plain`: manages the lists that get mail with the plain address as envelope sender. */
import { Fail, quote } from "../lib/fail.ts";
import { configFile, loadSettings, readPlainLists } from "../io/system/load.ts";
import { listAddress, parseLists, withList, withoutList } from "../lib/settings/lists.ts";
import { runCommand } from "./arguments.ts";
import { changeAtomically, createAtomically } from "./files.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign plain list [--config FILE]
       countersign plain add LIST@HOST ...
       countersign plain remove LIST@HOST ...
Manages the mailing lists that get mail with your plain address as envelope sender. Many lists accept postings only
from subscribers, whom they recognize by this address. (Subscribing and other commands to lists are sent with the plain
address in any case.) The lists are kept in the file named by the setting plain_lists. For patterns, or for another
scheme than plain, use a [[rule]] in the settings.

Example: countersign plain add qmail@list.cr.yp.to
`;

/** Runs the command. @returns the exit status */
export function plain(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["config"] }, (options) => {
    const [word = "list", ...more] = [...options.operands, ...options.rest ?? []];
    if (word !== "list" && word !== "add" && word !== "remove") {
      throw new Fail("usage", `Unknown argument ${quote(word)}`, { fix: "use list, add or remove" });
    }
    if (word === "list" && more.length > 0) throw new Fail("usage", `Unknown argument ${quote(more[0]!)}`);
    if (word !== "list" && more.length === 0) {
      throw new Fail("usage", "No list given", { fix: `plain ${word} LIST@HOST` });
    }
    const named = [...new Set(more.map(address))];
    const source = configFile(options.value("config"));
    const settings = loadSettings(source);
    const path = settings.plain_lists;
    // A faulty file has already failed in loadSettings.
    const listed = parseLists(readPlainLists(settings), path);
    if (word === "list") {
      for (const one of [...new Set(listed)].sort()) say(one);
    } else if (word === "add") {
      const fresh = named.filter((one) => !listed.includes(one));
      if (fresh.length > 0) add(path, fresh, source.file);
    } else {
      const absent = named.find((one) => !listed.includes(one));
      if (absent !== undefined) throw new Fail("usage", `List ${absent} is not in this file`, { file: path });
      changeAtomically(path, (text) => named.reduce(withoutList, text));
    }
  });
}

/** Adds lists. A new file is as readable as the settings, because the shim needs both to send. */
function add(path: string, fresh: readonly string[], settingsFile: string): void {
  const all = (text: string) => {
    // Another process may have added some in the meantime.
    const listed = parseLists(text, path);
    return fresh.filter((one) => !listed.includes(one)).reduce(withList, text);
  };
  if (exists(path)) return changeAtomically(path, all);
  if (!createAtomically(path, all(""))) return changeAtomically(path, all);
  Deno.chmodSync(path, Deno.statSync(settingsFile).mode! & 0o644);
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function address(text: string): string {
  try {
    return listAddress(text);
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    throw new Fail("usage", error.message, { fix: error.fix });
  }
}
