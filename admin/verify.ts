/** `countersign verify`: checks whether a signed address is valid. */
import { configFile, loadSettings } from "../io/system/load.ts";
import { checkSignedAlone } from "../incoming/checks/keys.ts";
import type { Verdict } from "../incoming/verdict.ts";
import { runCommand } from "./arguments.ts";
import { readIdentities } from "./identities.ts";
import { operand, time } from "./option_values.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign verify ADDRESS [--now DATE] [--config FILE]
Prints whether the address is valid, late, forged, unjudged or unsigned, and the reason.
Exits 0 if it is valid, and 1 if it is not.

  --now DATE     Judge as of this day, such as 2026-11-20
  --config FILE  Settings file. Default: ~/.config/countersign/config.toml

Example: countersign verify SRS0=dIn3Rvqp=2W=example.org=greg@srs.example.org
`;

/** Runs the command. @returns the exit status: 0 for a valid address, 1 for every other */
export function verify(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["now", "config"] }, (options) => {
    const [text, now] = [operand(options, "ADDRESS"), time(options, "now")];
    const settings = loadSettings(configFile(options.value("config")));
    const identities = readIdentities(settings);
    const found = checkSignedAlone({ sender: null, recipients: [text] }, { settings, identities, now });
    const [word, why] = inWords(found);
    say(`${word}: ${why}`);
    return word === "valid" ? 0 : 1;
  });
}

function inWords(found: Verdict | string): [word: string, why: string] {
  if (typeof found === "string") return ["unsigned", found];
  const { result, reason } = found;
  // The postmaster of the SRS domain, or the address of another user.
  if (result === "other") return ["unsigned", reason];
  const word = result === "genuine" ? "valid" : result === "late" || result === "unjudged" ? result : "forged";
  return [word, reason.replace(/^(?:valid|expired) /, "")]; // as the word says
}
