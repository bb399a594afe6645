/**
 * Writes the shell completions in contrib/completions/:
 *
 *     deno run -A build/docs/completions.ts
 *
 * Commands and options are taken from the help texts; tests/programs/completions_test.ts compares them.
 */
import { type Command, commands, type Option } from "./commands.ts";

const NOTE = "# Made by build/docs/completions.ts; change the commands' help instead.";

/** Returns the text of each file in contrib/completions/. */
export async function completions(): Promise<Record<string, string>> {
  const all = await commands();
  return { "countersign.bash": bash(all), "_countersign": zsh(all), "countersign.fish": fish(all) };
}

/** Matches three or more words that a help text lists as choices: `who runs it: qmail, maildrop, procmail`. */
const CHOICES = /(?:^|: )([a-z][a-z-]*(?:[,;] [a-z][a-z-]*){2,})(?= \(|;|$)/;

/** The completions of a value: words, files, folders, or none. */
type Value = readonly string[] | "file" | "folder" | "none";

function valueOf({ value = "", text }: Option): Value {
  if (value.includes("|")) return value.split("|");
  if (value !== "" && CHOICES.test(text)) return CHOICES.exec(text)![1]!.split(/[,;] /);
  return value === "FILE" || value === "MAILBOX" ? "file" : value === "DIR" || value === "MAILDIR" ? "folder" : "none";
}

/** Returns the words that a command accepts first, as in `keys list|new`; those of `help` are the commands. */
function wordsOf({ name, usage }: Command, all: readonly Command[]): string[] {
  if (name === "help") return all.map((one) => one.name);
  const first = new RegExp(`^countersign ${name} ([a-z|]+)(?= |$)`);
  return [...new Set(usage.flatMap((line) => first.exec(line)?.[1]?.split("|") ?? []))];
}

/** Returns whether the command accepts files as operands. */
function takesFiles({ usage, parts }: Command): boolean {
  const terms = parts.flatMap((part) => typeof part === "string" ? [] : part.map(({ term }) => term));
  const operands = [...usage, ...terms].map((line) => line.replace(/--[a-z-]+[ =]\S+/g, ""));
  return operands.some((line) => /\b(?:FILE|MAILBOX|MAILDIR)\b/.test(line));
}

/** All commands accept `--help`. */
const HELP: Option = { name: "help", value: undefined, text: "Print the usage" };
const optionsOf = (command: Command) => ["help", "version"].includes(command.name) ? [] : [...command.options, HELP];

function bash(all: readonly Command[]): string {
  const values = new Map<string, string[]>();
  for (const command of all) {
    for (const option of command.options.filter(({ value }) => value !== undefined)) {
      const value = valueOf(option);
      const reply = value === "none"
        ? "return"
        : value === "file"
        ? "compopt -o default && return"
        : value === "folder"
        ? "compopt -o dirnames && return"
        : `words="${value.join(" ")}" command=`;
      values.set(reply, [...values.get(reply) ?? [], `${command.name}:--${option.name}`]);
    }
  }
  const lines = (list: string[]) => list.map((line) => `    ${line}`).join("\n");
  return `${NOTE}
_countersign() {
  local word=\${COMP_WORDS[COMP_CWORD]} former=\${COMP_WORDS[COMP_CWORD - 1]} command=\${COMP_WORDS[1]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${all.map(({ name }) => name).join(" ")}" -- "$word"))
    return
  fi
  # bash splits --direction=in into three words.
  if [ "$word" = = ]; then word=
  elif [ "$former" = = ]; then former=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case $command:$former in
${lines([...values].map(([reply, options]) => `${options.join(" | ")})\n      ${reply} ;;`))}
  esac
  case $command in
${
    lines(all.flatMap((command) => {
      const words = [...wordsOf(command, all), ...optionsOf(command).map(({ name }) => `--${name}`)].join(" ");
      const files = takesFiles(command) ? "compopt -o default\n      " : "";
      return words === "" ? [] : [`${command.name})\n      ${files}words="${words}" ;;`];
    }))
  }
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _countersign countersign
`;
}

function zsh(all: readonly Command[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  // These characters are delimiters in a specification of _arguments.
  const plain = (text: string) => first(text).replace(/[[\]:\\]/g, "\\$&");
  const action = (option: Option): string => {
    if (option.value === undefined) return "";
    const value = valueOf(option);
    const how = value === "file"
      ? "_files"
      : value === "folder"
      ? "_files -/"
      : value === "none"
      ? " "
      : `(${value.join(" ")})`;
    return `:${option.value.includes("|") ? option.name : option.value.toLowerCase()}:${how}`;
  };
  const specs = (command: Command) => {
    const words = wordsOf(command, all);
    return [
      ...optionsOf(command).map((option) => {
        return `${option.value === undefined ? "" : "*"}--${option.name}[${plain(option.text)}]${action(option)}`;
      }),
      ...(words.length > 0 ? [`1:word:(${words.join(" ")})`] : []),
      ...(takesFiles(command) ? ["*:file:_files"] : []),
    ].map((spec) => `      ${quote(spec)}`).join(" \\\n");
  };
  return `#compdef countersign
${NOTE}
local -a commands
commands=(
${all.map(({ name, summary }) => `  ${quote(`${name}:${first(summary).replaceAll(":", "\\:")}`)}`).join("\n")}
)
if (( CURRENT == 2 )); then
  _describe command commands
  return
fi
local command=$words[2]
shift words
(( CURRENT-- ))
case $command in
${
    all.filter((command) => specs(command) !== "").map((command) => {
      return `  ${command.name})\n    _arguments \\\n${specs(command)} ;;`;
    }).join("\n")
  }
esac
`;
}

function fish(all: readonly Command[]): string {
  const quote = (text: string) => `'${text.replace(/[\\']/g, "\\$&")}'`;
  const lines = [NOTE, "complete -c countersign -n __fish_use_subcommand -f"];
  for (const { name, summary } of all) {
    lines.push(`complete -c countersign -n __fish_use_subcommand -a ${name} -d ${quote(first(summary))}`);
  }
  for (const command of all) {
    const start = `complete -c countersign -n 'contains -- ${command.name} (commandline -opc)[2]'`;
    if (!takesFiles(command)) lines.push(`${start} -f`);
    const words = wordsOf(command, all);
    if (words.length > 0) lines.push(`${start} -a ${quote(words.join(" "))}`);
    for (const option of optionsOf(command)) {
      const value = option.value === undefined ? undefined : valueOf(option);
      const takes = value === undefined
        ? ""
        : value === "file"
        ? " -r -F"
        : value === "folder"
        ? " -x -a '(__fish_complete_directories)'"
        : value === "none"
        ? " -x"
        : ` -x -a ${quote(value.join(" "))}`;
      lines.push(`${start} -l ${option.name}${takes} -d ${quote(first(option.text))}`);
    }
  }
  return lines.join("\n") + "\n";
}

/** Returns the first clause of a text, which fits on a line beside a word. */
function first(text: string): string {
  return text.replace(/^[Ww]ith --[a-z-]+: /, "").split(/[;.:] | \(/)[0]!.replace(/[`.]+$|`/g, "");
}

if (import.meta.main) {
  const folder = new URL("../../contrib/completions/", import.meta.url);
  Deno.mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(await completions())) Deno.writeTextFileSync(new URL(name, folder), text);
}
