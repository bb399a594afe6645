/** `countersign config`: prints the settings, as a settings file. */
import { stringify } from "smol-toml";
import { absolutePath, type ConfigSource, type Settings } from "../lib/settings/parse.ts";
import { REPEATED, TABLES, TOP } from "../lib/settings/schema.ts";
import type { Setting } from "../lib/settings/values.ts";
import { configFile, loadSettings } from "../io/system/load.ts";
import { atMost, runCommand } from "./arguments.ts";
import { plain, say } from "./terminal.ts";

const HELP = `Usage: countersign config [--all] [--config FILE]
Prints the settings that differ from the defaults, with absolute paths. The output is a settings file; its first line
names the file that was read. countersign.conf(5) describes the settings.

  --all          Print every setting
  --config FILE  Settings file. Default: ~/.config/countersign/config.toml

Example: countersign config
`;

/** Runs the command. @returns the exit status */
export function config(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["config"], flags: ["all"] }, (options) => {
    atMost(options, 0);
    const source = configFile(options.value("config"));
    const settings = loadSettings(source, "users");
    say(`# ${plain(source.file)}\n${printSettings(settings, source, options.has("all")).trimEnd()}`);
  });
}

/**
 * Returns the settings as TOML, from which parseConfig() reads the same settings.
 *
 * @param all also those with their default value
 */
export function printSettings(settings: Settings, source: ConfigSource, all: boolean): string {
  const shown = (table: Readonly<Record<string, Setting<unknown>>>, values: object): Record<string, unknown> => {
    return Object.fromEntries(
      Object.entries(values).filter(([name, value]) => {
        const setting = Object.hasOwn(table, name) ? table[name] : undefined;
        return setting !== undefined && (all || !isDefault(setting, value, source));
      }),
    );
  };
  const parts: Record<string, unknown> = shown(TOP, settings);
  for (const name of Object.keys(REPEATED) as (keyof typeof REPEATED)[]) {
    if (settings[name].length > 0) parts[name] = settings[name].map((one) => shown(REPEATED[name], one));
  }
  for (const [name, table] of Object.entries(TABLES)) {
    const part = shown(table, settings[name as keyof typeof TABLES]);
    if (Object.keys(part).length > 0) parts[name] = part;
  }
  return stringify(parts);
}

function isDefault({ fallback, read }: Setting<unknown>, value: unknown, source: ConfigSource): boolean {
  if (fallback === undefined) return false;
  return JSON.stringify(read(fallback, (path) => absolutePath(path, source))) === JSON.stringify(value);
}
