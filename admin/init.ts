/** `countersign init`: creates settings, keys and folders, and prints the lines to paste. */
import { type ConfigSource, parseConfig, type Settings } from "../lib/settings/parse.ts";
import { maildirsAmong } from "../lib/settings/mailbox.ts";
import { dayOf, printDay } from "../lib/date.ts";
import { errorText, Fail, reason } from "../lib/fail.ts";
import { configFile, loadIdentities, loadSettings } from "../io/system/load.ts";
import { configOption, nextSteps, notesOn, pastesInOrder, printPastes, snippetValues } from "./init_advice.ts";
import { answers, type Ask, ENTER, VIA_OPTIONS } from "./init_questions.ts";
import { screenText } from "./init_screen.ts";
import { checkSubmitOptions, SUBMIT_HELP, SUBMIT_VALUES } from "./init_submit_options.ts";
import { type Arguments, atMost, runCommand } from "./arguments.ts";
import { createAtomically, isThere, lastChange, makeFolder } from "./files.ts";
import { newSecret, printKey } from "./keyfile.ts";
import { inspect, thisMachine } from "./machine.ts";
import { writeSandbox } from "./sandbox.ts";
import { settingsText } from "./settings_text.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign init [option ...]
Creates settings, a key for each of your addresses and the folders, and prints the lines to paste into the configuration
of the mail programs that it finds, as many as fit on a screen. On a terminal it asks for what the options do not state,
which is at most five questions. Existing files are never overwritten.

  --address ADDRESS   Your address; may be repeated
  --srs-domain NAME   Domain of your SRS addresses, such as srs.example.org, whose mail must be delivered to you.
                      Without it envelope senders are not signed, and bounces are recognized by the tag alone
  --via command|smtp|maildir  Send through another program (the default), directly to a server, or into a maildir for
                      trying it out
  --command 'WORDS'   Mail program with its first arguments
  --preset NAME       How the mail program is called, if its name does not show it
  --host NAME         With --via smtp: server, by the name in its certificate
  --port NUMBER       With --via smtp: port of the server. Default: 465, or 587 with starttls
  --security tls|starttls|none  With --via smtp: TLS from the start (the default), STARTTLS, or a server on this machine
  --user NAME         With --via smtp: login name. Default: no login
  --password-file FILE  With --user: file with the password (mode 0600); it may be created later
  --ca FILE           With --via smtp: certificate of a private CA
  --maildir DIR       With --via maildir: the maildir
  --spam DIR          Maildir for forged bounces
  --inbox DIR         Your mailbox, to which the hook delivers where nothing after it does: a maildir, or mbox:FILE
  --challenges        Answer challenges about messages that you sent. By each answer you accept the contract that the
                      challenge states, for that message
  --config FILE       Settings file to create; keys are created beside it
  --yes               Do not ask; use the options and what was found
  --print             Print what would be written, and write nothing
  --print-all         Print all lines to paste, with comments; if the settings exist, for these, and write nothing

${SUBMIT_HELP}
Example: countersign init --address greg@example.org --srs-domain srs.example.org
Example: countersign init --address greg@example.org --via smtp --host smtp.example.org --user greg
Example: countersign init --submit --certificate /etc/letsencrypt/live/mx.example.org/fullchain.pem
`;

const VALUES = ["address", "srs-domain", "via", ...Object.values(VIA_OPTIONS).flat(), "spam", "inbox", "config"];
const FLAGS = ["challenges", "yes", "print", "print-all"];

/** Runs the command. @returns the exit status */
export function init(name: string, args: readonly string[]): Promise<number> {
  return runCommand(
    name,
    args,
    { help: HELP, values: [...VALUES, ...SUBMIT_VALUES], flags: [...FLAGS, "submit"] },
    async (options) => {
      atMost(options, 0);
      checkSubmitOptions(options, [...VALUES.filter((one) => one !== "config"), "challenges", "print-all"]);
      if (options.has("submit")) {
        const { initSubmit } = await import("./init_submit.ts");
        return await initSubmit(options, isTerminal() && !options.has("yes") ? ask : undefined);
      }
      const { file, home } = configFile(options.value("config"), true);
      if (!home.startsWith("/")) throw new Fail("config", "HOME is not set");
      const printOnly = options.has("print");
      if (!printOnly && isThere(file)) {
        if (options.has("print-all")) return await printAll(options, { file, home });
        const fix =
          "edit it and run countersign sandbox, use --print or --print-all, or name another file with --config";
        throw new Fail("config", "Settings file already exists", { file, fix });
      }
      const interactive = isTerminal() && !options.has("yes");
      if (!interactive && !options.has("yes") && !printOnly) {
        throw new Fail("usage", "Standard input is not a terminal", { fix: "give --yes or --print" });
      }
      const found = await inspect(thisMachine, home);
      if (interactive) say(ENTER);
      const known = answers(options, found, thisMachine, home, interactive ? ask : undefined);
      const today = dayOf(new Date());
      const text = settingsText(known, printDay(today), home);
      const settings = parseConfig(text, { file, home });
      if (printOnly) say(`# ${file}\n${text}`);
      const done = printOnly ? [] : create(settings, { file, home }, text, today);
      const values = snippetValues(settings, { file, home }, found.user);
      const clue = options.has("address")
        ? undefined
        : found.addresses.find((one) => one.address === known.addresses[0]);
      const notes = [
        ...done,
        ...clue === undefined ? [] : [`Address found in ${clue.from}: ${clue.address}`],
        ...notesOn(settings, values, found),
      ].map((line) => line.replaceAll(`${home}/`, "~/"));
      const next = nextSteps(settings, values);
      if (options.has("print-all")) {
        say([...notes, ""].join("\n"));
        printPastes(settings, found, values);
        return say(["", ...next].join("\n"));
      }
      const pastes = pastesInOrder(settings, found, values);
      say(screenText({ notes, pastes, printAll: `countersign init --print-all${configOption(values)}`, next }));
    },
  );
}

/** Prints all lines to paste for existing settings. */
async function printAll(options: Arguments, source: ConfigSource): Promise<void> {
  const other = [...VALUES, ...FLAGS].find((one) => !["config", "print-all", "yes"].includes(one) && options.has(one));
  if (other !== undefined) {
    const fix = "--print-all uses them; leave the other options out, or add --print";
    throw new Fail("usage", `Settings file already exists, and option --${other} is given`, { file: source.file, fix });
  }
  const settings = loadSettings(source);
  const found = await inspect(thisMachine, source.home);
  printPastes(settings, found, snippetValues(settings, source, found.user));
}

/** Creates everything; existing keys are kept. @returns lines that say what was written */
function create(settings: Settings, source: ConfigSource, text: string, today: number): string[] {
  const { file } = source;
  makeFolder(file.slice(0, file.lastIndexOf("/")));
  const keyFiles = settings.identity.map((one) => one.keys);
  const created = keyFiles.filter((one) =>
    createAtomically(one, `${printKey({ id: "k1", created: today, secret: newSecret() })}\n`)
  );
  makeFolder(settings.state.folder);
  const maildirs = maildirsAmong([settings.incoming.spam, settings.incoming.inbox]);
  for (const one of maildirs) for (const part of ["tmp", "new", "cur"]) makeFolder(`${one}/${part}`);
  // Existing key files are kept. They are read now, so that an error in one is found before the first message.
  for (const identity of loadIdentities(settings)) void identity.keys;
  // The settings are written last, so that they never exist without the rest.
  if (!createAtomically(file, text)) {
    throw new Fail("config", "Settings file was created by another program and is left as it is", { file });
  }
  const [sandbox, problem] = restrict(settings, source);
  const kept = keyFiles.filter((one) => !created.includes(one));
  const folder = file.slice(0, file.lastIndexOf("/") + 1);
  const written = [file, ...sandbox, ...named(created)].map((one) =>
    one.startsWith(folder) ? one.slice(folder.length) : one
  );
  return [
    `Written in ${folder}: ${written.join(", ")}`,
    ...kept.length === 0 ? [] : [`Kept: ${named(kept).join(", ")}`],
    ...problem,
    `Folders: ${[settings.state.folder, ...maildirs].join(", ")}`,
  ];
}

/** Returns the files, or their number if there are many, such as those of a user with ten addresses. */
const named = (files: readonly string[]): readonly string[] => files.length > 2 ? [`${files.length} key files`] : files;

/**
 * Writes the sandbox file. If that is impossible, because of a path that cannot be listed, `init` continues without it.
 */
function restrict(settings: Settings, source: ConfigSource): [written: string[], problem: string[]] {
  try {
    return [[writeSandbox(settings, source, lastChange(source.file))], []];
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    return [[], [
      `No sandbox file was written, so shim and hook may read, write and run what you may:  ${errorText(error)}`,
    ]];
  }
}

/** Asks on the terminal. An answer that is not valid does not end the program: the question is asked again. */
const ask: Ask = (question, fallback, check) => {
  for (;;) {
    const answer = prompt(`${question}:`, fallback);
    if (answer === null) throw new Fail("usage", "Nothing was written"); // Ctrl-D
    try {
      check(answer);
      return answer;
    } catch (error) {
      say(reason(error));
    }
  }
};

const isTerminal = (): boolean => Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
