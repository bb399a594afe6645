/** `countersign sign`: the envelope sender that mail from an address gets today. */
import { type Address, formatAddress, parseAddress } from "../lib/address.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { Fail } from "../lib/fail.ts";
import { configFile, loadIdentities, loadSettings } from "../io/system/load.ts";
import type { Identity } from "../lib/settings/identity.ts";
import { runCommand } from "./arguments.ts";
import { choice, identityMeant, operand, time } from "./words.ts";
import { say } from "./terminal.ts";

/** The shim's own way to sign, which main.ts hands in: the address, or why there is none. */
export type Sign = (
  scheme: "srs" | "prvs",
  identity: Identity,
  context: { settings: Settings; now: Date },
  used: Address,
) => Address | string;

const HELP = `Usage: countersign sign ADDRESS [--scheme srs|prvs] [--now DATE] [--config FILE]
Prints the signed envelope sender that mail from one of your addresses gets.

  --scheme  Scheme, srs or prvs. Default: the setting \`sender\`
  --now     Sign as of this day, such as 2026-11-20
  --config  Settings file

Example: countersign sign greg@example.org --scheme srs
`;

/** Runs the command. @returns the exit status */
export function sign(name: string, args: readonly string[], signer: Sign): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["scheme", "now", "config"] }, (given) => {
    const text = operand(given, "ADDRESS");
    const [wanted, now] = [choice(given, "scheme", ["srs", "prvs"]), time(given, "now")];
    const settings = loadSettings(configFile(given.value("config")));
    const identities = loadIdentities(settings);
    const identity = identityMeant(identities, text);
    const scheme = wanted ?? settings.sender;
    if (scheme === "plain") throw new Fail("usage", 'The settings have sender = "plain"', { fix: "give --scheme" });
    const signed = signer(scheme, identity, { settings, now }, parseAddress(text));
    if (typeof signed === "string") throw new Fail("config", `There is no ${scheme} address: ${signed}`);
    say(formatAddress(signed));
  });
}
