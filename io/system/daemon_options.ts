/** The command line of a daemon. */
import { Fail, quote } from "../../lib/fail.ts";
import { information } from "../../lib/information.ts";

/**
 * Parses the arguments of a daemon, whose only option names its settings file.
 *
 * @param command its name in `countersign help NAME`
 * @param help its help text
 * @returns the text that the arguments ask for, or the options
 * @throws {Fail} `usage`
 */
export function daemonOptions(command: string, args: readonly string[], help: string): string | { config?: string } {
  const text = args.map((word) => information(word, help)).find((one) => one !== undefined);
  if (text !== undefined) return text;
  const [first, ...more] = args;
  if (first === undefined) return {};
  const [, name = "", value = more.shift()] = /^--(\w+)(?:=(.*))?$/s.exec(first) ?? [];
  const see = `see countersign help ${command}`;
  if (name !== "config") throw new Fail("usage", `Unknown option ${quote(first)}: ${see}`);
  if (value === undefined || value === "") throw new Fail("usage", "Option --config needs a value");
  if (more.length > 0) throw new Fail("usage", `Unknown argument ${quote(more[0]!)}: ${see}`);
  return { config: value };
}
