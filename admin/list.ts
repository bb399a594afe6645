/** `countersign list`: the lists to which mail goes with the plain sender, because they know subscribers by it. */
import { Fail, quote, reason } from "../lib/fail.ts";
import { configFile, loadSettings, readPlainLists } from "../io/system/load.ts";
import { listAddress, parseLists, withList, withoutList } from "../lib/settings/lists.ts";
import { runCommand } from "./arguments.ts";
import { changeWhole, createWhole } from "./files.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign list [--config FILE]
       countersign list add LIST@HOST ...
       countersign list remove LIST@HOST ...
Mail to these lists goes with your plain address as envelope sender: they take postings from subscribers alone, and
know them by it. (Subscribing and other commands to lists are plain anyway.) They stand in the file that the setting
plain_lists names. Patterns, and other senders than the plain one, are for a [[rule]] in the settings.

Example: countersign list add qmail@list.cr.yp.to
`;

/** Runs the command. @returns the exit status */
export function list(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["config"] }, (given) => {
    const [word, ...more] = [...given.operands, ...given.rest ?? []];
    if (word !== undefined && word !== "add" && word !== "remove") {
      throw new Fail("usage", `Unknown argument ${quote(word)}: say add or remove`);
    }
    if (word !== undefined && more.length === 0) throw new Fail("usage", `Say which list: list ${word} LIST@HOST`);
    const named = [...new Set(more.map(address))];
    const place = configFile(given.value("config"));
    const settings = loadSettings(place);
    const path = settings.plain_lists;
    // What is wrong with the file was said when the settings were read.
    const there = parseLists(readPlainLists(settings), path);
    if (word === undefined) {
      for (const one of [...new Set(there)].sort()) say(one);
    } else if (word === "add") {
      const fresh = named.filter((one) => !there.includes(one));
      if (fresh.length > 0) add(path, fresh, place.file);
    } else {
      const absent = named.filter((one) => !there.includes(one));
      if (absent.length > 0) throw new Fail("usage", `${absent.join(", ")} is not in ${path}`);
      changeWhole(path, (text) => named.reduce(withoutList, text));
    }
  });
}

/** Whoever may read the settings may read the lists: without them there is no sending. */
function add(path: string, fresh: readonly string[], settingsFile: string): void {
  const all = (text: string) => {
    // Another may have added it in the meantime.
    const there = parseLists(text, path);
    return fresh.filter((one) => !there.includes(one)).reduce(withList, text);
  };
  if (exists(path)) return changeWhole(path, all);
  if (!createWhole(path, all(""))) return changeWhole(path, all);
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
    throw new Fail("usage", `List ${reason(error).replace(/^Address /, "")}`);
  }
}
