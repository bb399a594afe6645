/** Adds the table `[submit]`, and a login for identities that have none, to the text of a settings file. */
import { stringify } from "smol-toml";
import { Fail } from "../lib/fail.ts";
import { type ConfigSource, lineOf, parseConfig, type Settings } from "../lib/settings/parse.ts";
import type { SubmitAnswers } from "./init_submit_questions.ts";

/** The settings that make a file one of submitd. */
const OWN = ["auth", "certificate", "key"] as const;

/**
 * Returns the text with the settings added; everything else is kept as it is.
 *
 * @throws {Fail} `config` if submitd is configured already, or the file has a form to which nothing can be added
 */
export function withSubmit(text: string, before: Settings, answers: SubmitAnswers, source: ConfigSource): string {
  const { file, home } = source;
  const present = OWN.find((name) => before.submit[name] !== "");
  if (present !== undefined) {
    const line = lineOf(text, "submit", present, 0);
    throw new Fail("config", "submitd is configured already", { file, line, fix: "edit the table [submit]" });
  }
  const lines = text.replace(/\n*$/, "\n").split("\n").slice(0, -1);
  const added = stringify(shortened(answers.submit, home)).trim().split("\n");
  const head = lines.findIndex((line) => /^\s*\[\s*submit\s*\]/.test(line));
  if (head < 0) {
    lines.push("", "# Who sends mail by `countersign submitd`, and where it listens.", "[submit]", ...added);
  } else lines.splice(head + 1, 0, ...added);
  // From the end, so that the numbers of the lines before stay the same.
  for (let nth = before.identity.length - 1; nth >= 0 && answers.login !== ""; nth--) {
    if (before.identity[nth]!.logins.length > 0) continue;
    const line = lineOf(text, "identity", "address", nth);
    lines.splice(line + (head >= 0 && head < line ? added.length : 0), 0, loginLine(answers.login));
  }
  const result = `${lines.join("\n")}\n`;
  if (isAdded(result, before, answers, source)) return result;
  throw new Fail("config", "The settings cannot be added to this file", { file, fix: "add what --print shows" });
}

/** Returns the lines to add by hand. */
export function submitText({ submit, login }: SubmitAnswers, home: string): string {
  const table = stringify({ submit: shortened(submit, home) }).trim();
  return login === "" ? table : `# Below each [[identity]] without a login:\n${loginLine(login)}\n\n${table}`;
}

const loginLine = (login: string): string => stringify({ logins: [login] }).trim();

function shortened(submit: SubmitAnswers["submit"], home: string): Partial<Settings["submit"]> {
  const short = (path: string) => path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
  const { certificate = "", key = "" } = submit;
  return { ...submit, certificate: short(certificate), key: short(key) };
}

/** Whether the new text is what was intended, and changes nothing else. */
function isAdded(text: string, before: Settings, { submit, login }: SubmitAnswers, source: ConfigSource): boolean {
  let after: Settings;
  try {
    after = parseConfig(text, source);
  } catch (error) {
    // A value that is not valid has a message of its own. A table that already exists in another form has none.
    if (error instanceof Fail && error.cause === undefined) throw error;
    return false;
  }
  const logins = login === "" ? [] : [login];
  const identity = before.identity.map((one) => ({ ...one, logins: one.logins.length > 0 ? one.logins : logins }));
  const { plainLists: _, ...rest } = before;
  const wanted = { ...rest, identity, submit: { ...before.submit, ...submit } };
  return JSON.stringify(after) === JSON.stringify(wanted);
}
