/** `countersign doorbell`: manages held messages and the addresses that a service knows; or it is the hook itself. */
import { parseAddress } from "../lib/address.ts";
import { errorText, Fail, quote, reason } from "../lib/fail.ts";
import { information } from "../lib/information.ts";
import type { Service } from "../lib/settings/doorbell.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { doorbell as hook, serviceOf } from "../hooks/doorbell.ts";
import { sendChallenges } from "../io/doorbell/challenge.ts";
import { release as releaseClaim } from "../io/doorbell/release.ts";
import { DoorbellFiles } from "../io/state/doorbell/files.ts";
import { configFile, loadSettings, readDoorbellKeys } from "../io/system/load.ts";
import { writeOut } from "../io/system/input.ts";
import { printError } from "../io/system/log.ts";
import { abortOnSignal } from "../io/system/signals.ts";
import { printDay } from "../lib/date.ts";
import { runCommand } from "./arguments.ts";
import { importAddresses, readAddressList } from "./doorbell_import.ts";
import { plain, say } from "./terminal.ts";

const HELP = `Usage: countersign doorbell list|run [--service NAME] [--config FILE]
       countersign doorbell allow|deny|forget [--service NAME] ADDRESS ...
       countersign doorbell allow|deny [--service NAME] --file FILE
       countersign doorbell release|delete [--service NAME] ID ...
Manages the messages that a doorbell holds until their senders confirm them, and the addresses that it knows. The hook
itself is hooks/doorbell.

  list            Print the held messages and the remembered, allowed and denied addresses
  run             Send the challenges that had to wait, and remove what has expired. Start it every hour from cron
                  where few messages arrive
  allow ADDRESS   Treat an address as confirmed, without expiry. The program runs for it without a challenge
                  only with doorbell.remember_ok
  deny ADDRESS    Ignore messages from an address
  forget ADDRESS  Forget a remembered, allowed or denied address
  release ID      Act on a message as if its sender had confirmed it. A message without a program is printed
  delete ID       Delete a message, also one that cannot be read

  --file FILE     Allow or deny the addresses in a file, one on each line, or none of them if a line is not an address.
                  Denied ones stay denied. The list of pm-jacookie is ~/.cookie-cache-whitelist
  --service NAME  The [[doorbell]] in the settings. Default: all for list and run, otherwise the only one
  --config FILE   Settings file

A message is held, or its program is running. If the program was killed, the message is interrupted or kept, and only
release or delete changes it, because it is unknown what the program did.

Example: countersign doorbell list
`;

const VERBS = ["list", "run", "allow", "deny", "forget", "release", "delete"] as const;
type Verb = typeof VERBS[number];

/** Runs the command, or the hook if no word of the command is given. @returns the exit status */
export function doorbell(name: string, args: readonly string[]): Promise<number> {
  const end = args.indexOf("--");
  const own = args.slice(0, end < 0 ? args.length : end);
  const word = VERBS.find((one) => own[0] === one);
  if (word === undefined && !own.some((one) => information(one, HELP) !== undefined)) return hook(name, args);
  return runCommand(name, args, { help: HELP, values: ["service", "config", "file"] }, async (options) => {
    const operands = options.operands.slice(1);
    const file = options.value("file");
    if (file !== undefined && word !== "allow" && word !== "deny") {
      throw new Fail("usage", `Option --file cannot be combined with ${word}`);
    }
    const settings = loadSettings(configFile(options.value("config")));
    if (word === "list" || word === "run") {
      if (operands.length > 0) throw new Fail("usage", `Unknown argument ${quote(operands[0]!)}`);
      const named = options.value("service");
      let status = 0;
      for (const service of named === undefined ? settings.doorbell : [serviceOf(settings, named)]) {
        const state = stateOf(settings, service);
        if (settings.doorbell.length > 1) say(`${service.name}:`);
        status = Math.max(status, word === "list" ? list(name, state) : await run(name, state, settings));
      }
      return status;
    }
    const state = stateOf(settings, serviceOf(settings, options.value("service") ?? ""));
    if (file !== undefined) {
      if (operands.length > 0) throw new Fail("usage", `Unknown argument ${quote(operands[0]!)}`);
      return importFile(name, file, word === "allow" ? "allowed" : "denied", state);
    }
    if (operands.length === 0) {
      const what = word === "release" || word === "delete" ? "ID" : "ADDRESS";
      throw new Fail("usage", `${what} is missing`, { fix: `doorbell ${word} ${what}` });
    }
    let status = 0;
    for (const one of operands) status = Math.max(status, await change(name, word!, one, state, settings));
    return status;
  });
}

function stateOf(settings: Settings, service: Service): DoorbellFiles {
  return new DoorbellFiles(settings.state.folder, service, readDoorbellKeys(service), new Date());
}

function list(name: string, state: DoorbellFiles): number {
  let status = 0;
  for (const { id, state: now, challenged, time, size, record, error } of state.list()) {
    const when = new Date(time * 1000).toISOString().slice(0, 16).replace("T", " ");
    const item = `${id}  ${now.padEnd(11)}  ${when}  ${String(size).padStart(9)}`;
    if (record === undefined) {
      say(`${item}  (cannot be read)`);
      printError(name, errorText(error));
      status = 75;
      continue;
    }
    const asked = challenged === undefined
      ? ""
      : { sent: "challenged", later: "to be challenged", never: "nobody is asked" }[challenged];
    const about = record.author === record.address
      ? ""
      : `From is ${record.author === undefined ? "not a single address" : plain(record.author)}`;
    const notes = [asked, about].filter((one) => one !== "").join("; ");
    say(`${item}  ${plain(record.address)}${notes && `  (${notes})`}`);
  }
  for (const { address, standing, until } of state.addresses()) {
    say(`${plain(address)}  ${standing}${until === undefined ? "" : ` until ${printDay(until)}`}`);
  }
  return status;
}

async function run(name: string, state: DoorbellFiles, settings: Settings): Promise<number> {
  const sent = await sendChallenges(state, settings, state.service.hourly, abortOnSignal());
  const failed = sent.filter(({ error }) => error !== undefined);
  for (const { id, error } of failed) printError(name, `Challenge about ${id} could not be sent: ${reason(error)}`);
  const { held, addresses } = state.expire();
  say(`${sent.length - failed.length} challenges sent; ${held} messages and ${addresses} addresses expired`);
  return failed.length > 0 ? 75 : 0;
}

/** Most wrong lines that are printed. */
const MAX_PRINTED = 20;

/** Allows or denies all addresses in a file, or none. @returns the exit status */
function importFile(name: string, file: string, standing: "allowed" | "denied", state: DoorbellFiles): number {
  const { addresses, wrong } = readAddressList(file);
  if (wrong.length > 0) {
    for (const { line, why } of wrong.slice(0, MAX_PRINTED)) printError(name, `${file}:${line}: ${why}`);
    const count = wrong.length === 1 ? "A line is not an address" : `${wrong.length} lines are not addresses`;
    printError(name, `${count}; nothing was imported`);
    return 65;
  }
  const { imported, known, denied } = importAddresses(state, addresses, standing);
  const rest = [[known, "known before"], [denied, "denied, which stay so"]].filter(([count]) => count !== 0);
  say([`${imported} addresses ${standing}`, ...rest.map(([count, what]) => `${count} ${what}`)].join("; "));
  return 0;
}

/** Changes one message or address. @returns the exit status */
async function change(
  name: string,
  verb: Exclude<Verb, "list" | "run">,
  operand: string,
  state: DoorbellFiles,
  settings: Settings,
): Promise<number> {
  if (verb === "release" || verb === "delete") return await settle(name, verb, operand, state, settings);
  const address = parseAddress(operand);
  if (verb === "forget") {
    if (state.forget(address)) return 0;
    printError(name, `Nothing is known about ${operand}`);
    return 64;
  }
  state.setStanding(address, verb === "allow" ? "allowed" : "denied");
  return 0;
}

async function settle(
  name: string,
  verb: "release" | "delete",
  id: string,
  state: DoorbellFiles,
  settings: Settings,
): Promise<number> {
  const found = state.list().find((one) => one.id === id);
  if (found === undefined || found.state === "running") {
    printError(name, found === undefined ? `No message ${quote(id)}` : `The program of ${id} is running`);
    return found === undefined ? 64 : 75;
  }
  const changed = () => new Fail("temporary", `Message ${id} was changed by another process`);
  if (found.record === undefined) {
    if (verb === "release") throw found.error;
    if (!state.removeUnreadable(found)) throw changed();
    return 0;
  }
  const claim = state.claim(id, found.state);
  if (claim === undefined) throw changed();
  if (verb === "delete") {
    claim.settle("done");
    return 0;
  }
  const { program } = claim.record;
  if (program.length === 0) {
    try {
      for await (const chunk of claim.body()) await writeOut(chunk);
    } catch (error) {
      claim.settle("held"); // it was not printed whole
      throw error;
    }
    claim.settle("done");
    return 0;
  }
  const { outcome, why, said } = await releaseClaim(
    claim,
    { program },
    "confirmed",
    settings,
    state.service,
    abortOnSignal(),
  );
  say(`${id}: ${why}${said ? `: ${said}` : ""}`);
  return outcome === "defer" ? 75 : 0;
}
