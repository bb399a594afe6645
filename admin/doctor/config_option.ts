/** Adds `--config` to the commands in findings, if doctor was given it: without it they would change other settings. */
import type { Finding } from "./finding.ts";

/** A command of countersign that reads the settings, without the option. */
const COMMAND =
  /\bcountersign (?:keys (?:new|retire)|keys|plain (?:add|remove)|plain|sandbox|log|init|doctor|explain|audit|expire|serve)\b(?![^;,]*--config)/g;

/** Returns the findings with the option in their fixes. @param config its value; undefined if it was not given */
export function withConfig(findings: readonly Finding[], config: string | undefined): Finding[] {
  return findings.map((one) => ({ ...one, fix: commandsWithConfig(one.fix, config) }));
}

/** Returns a text with the option after each command. */
export function commandsWithConfig(text: string, config: string | undefined): string {
  if (config === undefined) return text;
  const word = /^[\w@%+=:,./-]+$/.test(config) ? config : `'${config.replaceAll("'", "'\\''")}'`;
  return text.replace(COMMAND, (command) => `${command} --config ${word}`);
}

/** Returns a note with the option after each command that it suggests, which follow a colon. */
export function noteWithConfig(note: string, config: string | undefined): string {
  const at = note.indexOf(": ");
  return at < 0 ? note : note.slice(0, at) + commandsWithConfig(note.slice(at), config);
}
