/** `countersign init`: creates settings, keys and folders, and prints the lines to paste. */
import { type ConfigSource, parseConfig, type Settings } from "../lib/settings/parse.ts";
import { maildirsAmong } from "../lib/settings/mailbox.ts";
import { dayOf, printDay } from "../lib/date.ts";
import { errorText, Fail, reason } from "../lib/fail.ts";
import { configFile, loadIdentities } from "../io/system/load.ts";
import { type Answers, answers, type Ask, VIA_OPTIONS } from "./init_questions.ts";
import { checkSubmitOptions, SUBMIT_HELP, SUBMIT_VALUES } from "./init_submit_options.ts";
import { type Arguments, atMost, runCommand } from "./arguments.ts";
import { installedPrograms } from "./programs.ts";
import { createAtomically, isThere, lastChange, makeFolder } from "./files.ts";
import { newSecret, printKey } from "./keyfile.ts";
import { type Found, inspect, thisMachine } from "./machine.ts";
import { type Paste, pastesIn, pastesOut, type SnippetValues } from "./paste.ts";
import { writeSandbox } from "./sandbox.ts";
import { settingsText } from "./settings_text.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign init [option ...]
Creates settings, a key for each of your addresses and the folders, and prints the lines to paste into the configuration
of the mail programs that it finds. On a terminal it asks for what the options do not state. Existing files are never
overwritten.

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
  --challenges        Answer challenges about messages that you sent. By each answer you accept the contract that the
                      challenge states, for that message
  --config FILE       Settings file to create; keys are created beside it
  --yes               Do not ask; use the options and what was found
  --print             Print what would be written, and write nothing

${SUBMIT_HELP}
Example: countersign init --address greg@example.org --srs-domain srs.example.org
Example: countersign init --address greg@example.org --via smtp --host smtp.example.org --user greg
Example: countersign init --submit --certificate /etc/letsencrypt/live/mx.example.org/fullchain.pem
`;

const VALUES = ["address", "srs-domain", "via", ...Object.values(VIA_OPTIONS).flat(), "spam", "config"];

/** Runs the command. @returns the exit status */
export function init(name: string, args: readonly string[]): Promise<number> {
  return runCommand(
    name,
    args,
    { help: HELP, values: [...VALUES, ...SUBMIT_VALUES], flags: ["challenges", "yes", "print", "submit"] },
    async (options) => {
      atMost(options, 0);
      checkSubmitOptions(options, [...VALUES.filter((one) => one !== "config"), "challenges"]);
      if (options.has("submit")) {
        const { initSubmit } = await import("./init_submit.ts");
        return await initSubmit(options, isTerminal() && !options.has("yes") ? ask : undefined);
      }
      const { file, home } = configFile(options.value("config"), true);
      if (!home.startsWith("/")) throw new Fail("config", "HOME is not set");
      const printOnly = options.has("print");
      if (!printOnly && isThere(file)) {
        const fix = "use --print, or name another file with --config";
        throw new Fail("config", "Settings file already exists", { file, fix });
      }
      const interactive = isTerminal() && !options.has("yes");
      if (!interactive && !options.has("yes") && !printOnly) {
        throw new Fail("usage", "Standard input is not a terminal", { fix: "give --yes or --print" });
      }
      const found = await inspect(thisMachine, home);
      const known = answers(options, found, thisMachine, home, interactive ? ask : undefined);
      const today = dayOf(new Date());
      const text = settingsText(known, printDay(today), home);
      const settings = parseConfig(text, { file, home });
      const keyFiles = settings.identity.map((one) => one.keys);

      if (printOnly) say(`# ${file}\n${text}`);
      else {
        if (interactive && !confirm(`Write ${file}?`)) throw new Fail("usage", "Nothing was written");
        makeFolder(file.slice(0, file.lastIndexOf("/")));
        const created = keyFiles.filter((one) =>
          createAtomically(one, `${printKey({ id: "k1", created: today, secret: newSecret() })}\n`)
        );
        makeFolder(settings.state.folder);
        const { spam, inbox } = settings.incoming;
        const maildirs = maildirsAmong([spam, inbox]);
        for (const one of maildirs) for (const part of ["tmp", "new", "cur"]) makeFolder(`${one}/${part}`);
        // Existing key files are kept. They are read now, so that an error in one is found before the first message.
        for (const identity of loadIdentities(settings)) void identity.keys;
        // The settings are written last, so that they never exist without the rest.
        if (!createAtomically(file, text)) {
          throw new Fail("config", "Settings file was created by another program and is left as it is", { file });
        }
        const sandbox = restrict(settings, { file, home });
        for (const one of keyFiles) say(`${created.includes(one) ? "Written" : "Kept"}: ${one}`);
        say(
          `Written: ${file}\n${sandbox}\nFolders: ${[settings.state.folder, ...maildirs].join(", ")}`,
        );
      }
      printAdvice(options, known, found, snippetValues(file, home, found.user, known));
    },
  );
}

/** Prints what was assumed, what remains to be done, and the lines to paste. */
function printAdvice(options: Arguments, known: Answers, found: Found, values: SnippetValues): void {
  const clue = options.has("address") ? undefined : found.addresses.find((one) => one.address === known.addresses[0]);
  if (clue !== undefined) say(`Address found in ${clue.from}: ${clue.address}`);
  if (known.srsDomain === "") {
    say("No SRS domain: envelope senders are not signed, and bounces are recognized by the tag alone");
  }
  const odd = [values.shim, values.hook, values.config ?? "", values.home].find((path) => /[^\w./+@:-]/.test(path));
  if (odd !== undefined) {
    say(`This path may need quoting in some configuration files: ${odd}`);
  }
  const password = "smtp" in known.transport ? known.transport.smtp.password_file : "";
  if (password !== "" && !thisMachine.exists(password)) {
    say(`Write your password to ${password}, as its only line: (umask 077; cat >${password})`);
  }
  const preset = "preset" in known.transport ? [known.transport.preset] : [];
  printPastes("Outgoing mail", "For the programs that send it:", pastesOut([...found.mailers, ...preset], values));
  const incoming = [...preset, ...found.filters, ...found.fetchers];
  printPastes("Incoming mail", "For the programs that deliver it:", pastesIn(incoming, values));
}

function printPastes(title: string, use: string, pastes: readonly Paste[]): void {
  if (pastes.length === 0) {
    say(`\n${title}: no known program was found; see contrib/ for other programs`);
    return;
  }
  say(`\n${title}. ${use}`);
  for (const { into, text } of pastes) say(`\n--- ${into}\n${text}`);
}

function snippetValues(file: string, home: string, user: string, known: Answers): SnippetValues {
  const { shim = "/usr/local/bin/shim", hook = "/usr/local/lib/countersign/hooks/incoming" } = installedPrograms(
    thisMachine.exists,
  );
  // Hooks run without COUNTERSIGN_CONFIG, so that another settings file must be named on their command line.
  const config = file === `${home}/.config/countersign/config.toml` ? undefined : file;
  return {
    shim,
    hook,
    countersign: shim.endsWith("/bin/shim") ? shim.replace(/shim$/, "countersign") : "/usr/local/bin/countersign",
    config,
    home,
    user,
    address: known.addresses[0]!,
    srsDomain: known.srsDomain,
    challenges: known.challenges,
  };
}

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

/** Writes the sandbox file. If that is impossible, because of a path that cannot be listed, `init` continues without it. */
function restrict(settings: Settings, source: ConfigSource): string {
  try {
    return `Written: ${writeSandbox(settings, source, lastChange(source.file))}`;
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    return `Shim and hook may read, write and run what you may: ${errorText(error)}`;
  }
}

const isTerminal = (): boolean => Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
