/** `countersign sign`: prints the signed envelope sender for an address. */
import { formatAddress, parseAddress } from "../lib/address.ts";
import { Fail } from "../lib/fail.ts";
import { configFile, loadSettings } from "../io/system/load.ts";
import { sign as signSender } from "../outgoing/sender.ts";
import { runCommand } from "./arguments.ts";
import { readIdentities } from "./identities.ts";
import { choice, operand, selectIdentity, time } from "./option_values.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign sign ADDRESS [--scheme srs|prvs] [--now DATE] [--config FILE]
Prints the signed envelope sender that mail from one of your addresses gets.

  --scheme srs|prvs  Scheme of the address. Default: the setting \`sender\`
  --now DATE         Sign as of this day, such as 2026-11-20
  --config FILE      Settings file. Default: ~/.config/countersign/config.toml

Example: countersign sign greg@example.org --scheme srs
`;

/** Runs the command. @returns the exit status */
export function sign(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["scheme", "now", "config"] }, (options) => {
    const text = operand(options, "ADDRESS");
    const [wanted, now] = [choice(options, "scheme", ["srs", "prvs"]), time(options, "now")];
    const settings = loadSettings(configFile(options.value("config")));
    const identities = readIdentities(settings);
    const identity = selectIdentity(identities, text);
    const scheme = wanted ?? settings.sender;
    if (scheme === "plain") throw new Fail("usage", 'The settings have sender = "plain"', { fix: "give --scheme" });
    const signed = signSender(scheme, identity, { settings, now }, parseAddress(text));
    if (typeof signed === "string") throw new Fail("config", `No ${scheme} address can be made: ${signed}`);
    say(formatAddress(signed));
  });
}
