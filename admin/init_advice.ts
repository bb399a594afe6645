/** What `init` says about a new configuration: what was assumed, what to paste, and what to do next. */
import { parseDay, printDay } from "../lib/date.ts";
import { mailboxOf, pathOf } from "../lib/settings/mailbox.ts";
import type { ConfigSource, Settings } from "../lib/settings/parse.ts";
import { type Found, thisMachine } from "./machine.ts";
import { type Paste, pastesIn, pastesOut, type SnippetValues } from "./paste.ts";
import { installedPrograms } from "./programs.ts";
import { say } from "./terminal.ts";

/** Returns the values for the lines to paste. */
export function snippetValues(settings: Settings, { file, home }: ConfigSource, user: string): SnippetValues {
  const { shim = "/usr/local/bin/shim", hook = "/usr/local/lib/countersign/hooks/incoming" } = installedPrograms(
    thisMachine.exists,
  );
  const [identity] = settings.identity;
  return {
    shim,
    hook,
    countersign: shim.endsWith("/bin/shim") ? shim.replace(/shim$/, "countersign") : "/usr/local/bin/countersign",
    // Hooks run without COUNTERSIGN_CONFIG, so that another settings file must be named on their command line.
    config: file === `${home}/.config/countersign/config.toml` ? undefined : file,
    home,
    mailbox: mailboxOf(settings.incoming.inbox || `${home}/Maildir`),
    user,
    address: identity?.address ?? "",
    srsDomain: identity?.srs_domain ?? "",
    challenges: settings.challenge.answer,
  };
}

/** Returns the option that names the settings file, for commands that are printed. */
export const configOption = ({ config, home }: SnippetValues): string =>
  config === undefined ? "" : ` --config ${shellWord(config, home)}`;

/** The preset of the program that sends the mail, which may receive it, too. */
const presetsOf = ({ transport }: Settings): string[] => transport.via === "command" ? [transport.preset] : [];

/** Returns the lines for outgoing mail. The address that a user has already set for mutt, maybe with a name, stays. */
function outgoingPastes(found: Found, preset: readonly string[], values: SnippetValues): Paste[] {
  const isSet = found.addresses.some(({ address, from }) => address === values.address && /mutt/.test(from));
  const lines = /\n# Only mail from .*\nset from=.*/;
  return pastesOut([...found.mailers, ...preset], values).map((paste) =>
    isSet ? { ...paste, text: paste.text.replace(lines, "") } : paste
  );
}

/** Prints all lines to paste, with their comments. */
export function printPastes(settings: Settings, found: Found, values: SnippetValues): void {
  const preset = presetsOf(settings);
  const print = (title: string, use: string, pastes: readonly Paste[]) => {
    if (pastes.length === 0) return say(`${title}: no known program was found; see contrib/ for other programs`);
    say(`${title}. ${use}`);
    for (const { into, text } of pastes) say(`\n--- ${into}\n${text}`);
  };
  print("Outgoing mail", "For the programs that send it:", outgoingPastes(found, preset, values));
  say("");
  const incoming = [...preset, ...found.filters, ...found.fetchers];
  print("Incoming mail", "For the programs that deliver it:", pastesIn(incoming, values));
}

/**
 * Returns the lines to paste, first for mail programs that are configured, or else the first one, then for incoming
 * mail, the shortest first, then for other mail programs.
 */
export function pastesInOrder(settings: Settings, found: Found, values: SnippetValues): Paste[] {
  const preset = presetsOf(settings);
  const out = outgoingPastes(found, preset, values);
  const configured = out.filter(({ into }) => thisMachine.exists(into.replace(/^~/, values.home)));
  const inUse = configured.length > 0 ? configured : out.slice(0, 1);
  const incoming = pastesIn([...preset, ...found.filters, ...found.fetchers], values)
    .sort((a, b) => a.text.length - b.text.length);
  return [...inUse, ...incoming, ...out.filter((one) => !inUse.includes(one))];
}

/** Returns what the user should know about these settings. */
export function notesOn(settings: Settings, values: SnippetValues, found: Found): string[] {
  const notes: string[] = [];
  if (values.srsDomain === "") {
    notes.push("No SRS domain: bounces are recognized by the tag alone (to add one later, set srs_domain)");
  }
  const odd = [values.shim, values.hook, values.config ?? "", values.home].find((path) => /[^\w./+@:-]/.test(path));
  if (odd !== undefined) notes.push(`This path may need quoting in some configuration files: ${odd}`);
  if (found.mbox !== undefined && presetsOf(settings).includes("postfix") && settings.incoming.inbox !== "") {
    const path = pathOf(values.mailbox);
    const mutt = found.mailers.find((one) => one === "mutt" || one === "neomutt");
    const read = mutt === undefined ? "read it there" : `in ${mutt}: set spoolfile=${path}`;
    if ("mbox" in values.mailbox) notes.push(`Postfix delivers to ${found.mbox} (mbox), and the hook to ${path}`);
    else {notes.push(
        `Postfix delivers to ${found.mbox} (mbox), but with the line for ~/.forward`,
        `all your mail goes to ${path}; ${read}`,
      );}
  }
  return notes;
}

/** Returns what remains to be done after pasting. */
export function nextSteps(settings: Settings, values: SnippetValues): string[] {
  const { transport: { password_file: password }, incoming: { spam, grace } } = settings;
  const lines: string[] = [];
  if (password !== "" && !thisMachine.exists(password)) {
    lines.push(`Write your password to ${password}, as its only line: (umask 077; cat >${password})`);
  }
  const until = printDay(parseDay(settings.since)! + grace);
  const word = (text: string) => shellWord(text, values.home);
  const filed = mailboxOf(spam);
  const show = "mbox" in filed ? `tail ${word(filed.mbox)}` : `ls ${word(filed.maildir)}/new`;
  const judge = (to: string) =>
    `  ${word(values.hook)} --as maildrop --sender '' --recipient ${word(to)}${configOption(values)}`;
  if (values.srsDomain !== "") {
    lines.push(`Forged bounces are only marked until ${until}. To see one filed now:`);
    lines.push("echo test |", `${judge(`x@${values.srsDomain}`)}; ${show}`);
  } else {
    lines.push(`Forged bounces are only marked until ${until}. To see one filed now,`);
    lines.push(`set grace = 0 below [incoming] and run:`);
    lines.push("printf 'From: MAILER-DAEMON\\nX-Failed-Recipients: x@y.example\\n\\nNo.\\n' |");
    lines.push(`${judge(values.address)}; ${show}`);
  }
  lines.push(`Next: countersign doctor${configOption(values)}`);
  return lines;
}

/** Quotes a word for the shell, if needed; otherwise the home directory is written as `~`. */
function shellWord(text: string, home: string): string {
  if (!/^[\w./+@:=-]+$/.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  return text.startsWith(`${home}/`) ? `~${text.slice(home.length)}` : text;
}
