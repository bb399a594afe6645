/** `countersign verify`: checks whether a signed address is valid. */
import type { Settings } from "../lib/settings/parse.ts";
import { configFile, loadIdentities, loadSettings } from "../io/system/load.ts";
import type { Identity } from "../lib/settings/identity.ts";
import { runCommand } from "./arguments.ts";
import { operand, time } from "./words.ts";
import { say } from "./terminal.ts";

/** The check of the hook that main.ts passes in; returns its answer to a bounce to this address. */
export type Check = (
  delivery: { sender: null; recipients: string[]; header: []; prefix: Uint8Array; bodyStart: number },
  context: { settings: Settings; identities: readonly Identity[]; now: Date },
) => string | { result: string; reason: string };

const HELP = `Usage: countersign verify ADDRESS [--now DATE] [--config FILE]
Prints the result that a bounce to this address would get, valid, late, forged or unjudged, and the reason.
Exits 0 if the address is valid, and 1 if it is not.

  --now     Judge as of this day, such as 2026-11-20
  --config  Settings file

Example: countersign verify SRS0=dIn3Rvqp=2W=example.org=greg@srs.example.org
`;

/** Runs the command. @returns the exit status: 0 for a valid address, 1 for every other */
export function verify(name: string, args: readonly string[], check: Check): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["now", "config"] }, (options) => {
    const [text, now] = [operand(options, "ADDRESS"), time(options, "now")];
    const settings = loadSettings(configFile(options.value("config")));
    const identities = loadIdentities(settings);
    const delivery = { sender: null, recipients: [text], header: [] as [], prefix: new Uint8Array(), bodyStart: 0 };
    const found = check(delivery, { settings, identities, now });
    const [word, why] = inWords(found);
    say(`${word}: ${why}`);
    return word === "valid" ? 0 : 1;
  });
}

function inWords(found: string | { result: string; reason: string }): [word: string, why: string] {
  if (typeof found === "string") return ["unsigned", found];
  const { result, reason } = found;
  // The postmaster of the SRS domain, or the address of another user.
  if (result === "other") return ["unsigned", reason];
  const word = result === "genuine" ? "valid" : result === "late" || result === "unjudged" ? result : "forged";
  return [word, reason.replace(/^(?:valid|expired) /, "")]; // as the word says
}
