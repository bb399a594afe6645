/** `countersign init`: settings, keys and folders for a user who has none, and the lines to paste. */
import { type ConfigSource, parseConfig, type Settings } from "../lib/settings/parse.ts";
import { dayOf, printDay } from "../lib/date.ts";
import { errorText, Fail, reason } from "../lib/fail.ts";
import { configFile, loadIdentities } from "../io/system/load.ts";
import { type Answers, answers, type Ask, MEANT } from "./init_questions.ts";
import { type Arguments, atMost, runCommand } from "./arguments.ts";
import { beside } from "./programs.ts";
import { createWhole, isThere, lastChange, makeFolder } from "./files.ts";
import { newSecret, printKey } from "./keyfile.ts";
import { type Found, here, look } from "./machine.ts";
import { type Filling, type Paste, pastesIn, pastesOut } from "./paste.ts";
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

Example: countersign init --address greg@example.org --srs-domain srs.example.org
Example: countersign init --address greg@example.org --via smtp --host smtp.example.org --user greg
`;

const VALUES = ["address", "srs-domain", "via", ...Object.values(MEANT).flat(), "spam", "config"];

/** Runs the command. @returns the exit status */
export function init(name: string, args: readonly string[]): Promise<number> {
  return runCommand(
    name,
    args,
    { help: HELP, values: VALUES, flags: ["challenges", "yes", "print"] },
    async (given) => {
      atMost(given, 0);
      const { file, home } = configFile(given.value("config"), true);
      if (!home.startsWith("/")) throw new Fail("config", "HOME is not set");
      const only = given.has("print");
      if (!only && isThere(file)) {
        const fix = "use --print, or name another file with --config";
        throw new Fail("config", "Settings file already exists", { file, fix });
      }
      const asks = isTerminal() && !given.has("yes");
      if (!asks && !given.has("yes") && !only) {
        throw new Fail("usage", "Standard input is not a terminal", { fix: "give --yes or --print" });
      }
      const found = await look(here, home);
      const known = answers(given, found, here, home, asks ? ask : undefined);
      const today = dayOf(new Date());
      const text = settingsText(known, printDay(today), home);
      const settings = parseConfig(text, { file, home });
      const keyFiles = settings.identity.map((one) => one.keys);

      if (only) say(`# ${file}\n${text}`);
      else {
        if (asks && !confirm(`Write ${file}?`)) throw new Fail("usage", "Nothing was written");
        makeFolder(file.slice(0, file.lastIndexOf("/")));
        const made = keyFiles.filter((one) =>
          createWhole(one, `${printKey({ id: "k1", created: today, secret: newSecret() })}\n`)
        );
        makeFolder(settings.state.folder);
        const { spam, inbox } = settings.incoming;
        const maildirs = [spam, inbox].filter((one) => one !== "");
        for (const one of maildirs) for (const part of ["tmp", "new", "cur"]) makeFolder(`${one}/${part}`);
        // Key files that were there are kept, and read now: an error in one must not be left to the first message.
        for (const identity of loadIdentities(settings)) void identity.keys;
        // The settings come last: with them everything is there.
        if (!createWhole(file, text)) {
          throw new Fail("config", "Settings file was created by another program and is left as it is", { file });
        }
        const sandbox = restrict(settings, { file, home });
        for (const one of keyFiles) say(`${made.includes(one) ? "Written" : "Kept"}: ${one}`);
        say(
          `Written: ${file}\n${sandbox}\nFolders: ${[settings.state.folder, ...maildirs].join(", ")}`,
        );
      }
      tell(given, known, found, filling(file, home, found.user, known));
    },
  );
}

/** What was found out without being asked, and what is to be pasted. */
function tell(given: Arguments, known: Answers, found: Found, lines: Filling): void {
  const clue = given.has("address") ? undefined : found.addresses.find((one) => one.address === known.addresses[0]);
  if (clue !== undefined) say(`Your address is taken from ${clue.from}: ${clue.address}`);
  if (known.srsDomain === "") {
    say("No SRS domain: envelope senders stay as they are, bounces are known by the tag alone");
  }
  const odd = [lines.shim, lines.hook, lines.config ?? "", lines.home].find((path) => /[^\w./+@:-]/.test(path));
  if (odd !== undefined) {
    say(`Some programs cannot take this path as it is, look twice where it stands: ${odd}`);
  }
  const password = "smtp" in known.transport ? known.transport.smtp.password_file : "";
  if (password !== "" && !here.exists(password)) {
    say(`Your password is to be the one line of ${password}: (umask 077; cat >${password})`);
  }
  const preset = "preset" in known.transport ? [known.transport.preset] : [];
  show("Mail that goes out", "For the mail program that you use:", pastesOut(found.mailers, lines));
  show("Mail that comes in", "For what delivers your mail:", pastesIn([...preset, ...found.filters], lines));
}

function show(title: string, what: string, pastes: readonly Paste[]): void {
  if (pastes.length === 0) {
    say(`\n${title}: no program that is known was found; contrib/ has lines for more of them`);
    return;
  }
  say(`\n${title}. ${what}`);
  for (const { into, text } of pastes) say(`\n--- ${into}\n${text}`);
}

function filling(file: string, home: string, user: string, known: Answers): Filling {
  const { shim = "/usr/local/bin/shim", hook = "/usr/local/lib/countersign/hooks/incoming" } = beside(here.exists);
  // A hook has none of the variables by which another place could be named.
  const config = file === `${home}/.config/countersign/config.toml` ? undefined : file;
  return { shim, hook, config, home, user, address: known.addresses[0]!, srsDomain: known.srsDomain };
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

/** A path that cannot be expressed is no reason to have no settings. */
function restrict(settings: Settings, place: ConfigSource): string {
  try {
    return `Written: ${writeSandbox(settings, place, lastChange(place.file))}`;
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    return `Shim and hook may read, write and run what you may: ${errorText(error)}`;
  }
}

const isTerminal = (): boolean => Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
