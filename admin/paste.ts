/** Returns the lines of contrib/ to paste, with the values of this installation. */
import { type Mailbox, pathOf } from "../lib/settings/mailbox.ts";
import { SNIPPETS } from "./snippets.ts";

/** The values that replace the examples. */
export interface SnippetValues {
  /** Absolute paths of the shim, the hook and `countersign`. */
  readonly shim: string;
  readonly hook: string;
  readonly countersign: string;
  /** The settings file, if it is not the default one. */
  readonly config: string | undefined;
  readonly home: string;
  /** The mailbox to which the hook delivers where nothing else does. */
  readonly mailbox: Mailbox;
  readonly user: string;
  readonly address: string;
  /** Empty for none; snippets for an SRS domain are then omitted. */
  readonly srsDomain: string;
  /** Whether challenges are answered. They come as ordinary mail, which the hook must then get. */
  readonly challenges: boolean;
}

/** Lines for one file. */
export interface Paste {
  /** The file, as text for the user. */
  readonly into: string;
  readonly text: string;
}

/** A snippet and the file that it belongs to. */
interface SnippetTarget {
  readonly into: string;
  readonly name: keyof typeof SNIPPETS;
  /** Whether the snippet is for an SRS domain only. */
  readonly srs?: true;
}

/** Snippets for outgoing mail, by mail program or preset. */
const OUT: Record<string, SnippetTarget> = {
  mutt: { into: "~/.muttrc", name: "mutt/muttrc" },
  neomutt: { into: "~/.neomuttrc", name: "neomutt/neomuttrc" },
  aerc: { into: "your account in ~/.config/aerc/accounts.conf", name: "aerc/accounts.conf" },
  alpine: { into: "~/.pinerc", name: "alpine/pinerc" },
  "s-nail": { into: "~/.mailrc", name: "s-nail/mailrc" },
  nmh: { into: "~/.mh_profile", name: "nmh/mh_profile" },
  git: { into: "~/.gitconfig", name: "git/gitconfig" },
  exim: { into: "the main section of exim.conf", name: "exim/exim.conf" },
};

/** Snippets for incoming mail, by preset, filter, or program that fetches it. */
const IN: Record<string, readonly SnippetTarget[]> = {
  "qmail-inject": [
    {
      into: "/var/qmail/control/virtualdomains (and the domain into rcpthosts; then SIGHUP to qmail-send)",
      name: "qmail/virtualdomains",
      srs: true,
    },
    { into: "~/.qmail-srs-default", name: "qmail/greg/.qmail-srs-default", srs: true },
    { into: "~/.qmail", name: "qmail/greg/.qmail" },
  ],
  postfix: [
    { into: "/etc/postfix/main.cf", name: "postfix/pipe/main.cf", srs: true },
    { into: "/etc/postfix/master.cf", name: "postfix/pipe/master.cf", srs: true },
    { into: "~/.forward (unless maildrop or procmail delivers)", name: "postfix/local/forward" },
  ],
  maildrop: [{ into: "~/.mailfilter, mode 0600, at its top", name: "maildrop/mailfilter" }],
  procmail: [{ into: "~/.procmailrc, at its top", name: "procmail/procmailrc" }],
  mbsync: [{ into: "a script that you run instead of mbsync, with the maildir of your inbox", name: "mbsync/fetch" }],
  fetchmail: [{ into: "the user's part of ~/.fetchmailrc", name: "fetchmail/fetchmailrc" }],
  getmail: [{ into: "getmailrc, in place of its [destination]", name: "getmail/getmailrc" }],
  fdm: [{ into: "~/.fdm.conf, in place of the action that delivers", name: "fdm/fdm.conf" }],
};

/** Returns the lines for outgoing mail; `programs` are mail programs and a preset. */
export function pastesOut(programs: readonly string[], values: SnippetValues): Paste[] {
  const targets = programs.flatMap((program) => OUT[program] ?? []);
  const pastes = targets.map(({ into, name }) => ({ into, text: fillIn(name, values) }));
  if (values.config === undefined) return pastes;
  const variable = { into: "~/.profile", text: `export COUNTERSIGN_CONFIG='${values.config}'` };
  return [variable, ...pastes];
}

/** Returns the lines for incoming mail; `programs` are a preset, filters, and programs that fetch mail. */
export function pastesIn(programs: readonly string[], values: SnippetValues): Paste[] {
  return programs.flatMap((program) => IN[program] ?? [])
    .filter(({ srs }) => srs !== true || values.srsDomain !== "")
    .map(({ into, name }) => ({ into, text: fillIn(name, values) }));
}

/** The lines for maildrop and procmail that decide whether a message needs the hook. */
const CONDITION = /^# Ordinary mail [^]*?^(COUNTERSIGN_HOOK=.*\n)[^]*?(?=^if \(\$COUNTERSIGN_HOOK|^# W: )/m;

const HOOK = "/usr/local/lib/countersign/hooks/incoming";
const SWEEP = "/usr/local/bin/countersign sweep";

/** Returns a snippet with its examples replaced; longer examples are listed first. */
function fillIn(name: keyof typeof SNIPPETS, values: SnippetValues): string {
  const { shim, hook, countersign, config, home, mailbox, user, address, srsDomain } = values;
  const whole = SNIPPETS[name].join("\n");
  const text = values.challenges ? whole.replace(CONDITION, "$1") : whole;
  const named = text.includes("--config ");
  const format = "mbox" in mailbox ? "mbox" : "maildir";
  const replacements: Record<string, string> = {
    "/home/greg/.config/countersign/config.toml": config ?? `${home}/.config/countersign/config.toml`,
    // getmail takes the program and its arguments apart.
    [`path = ${HOOK}`]: `path = ${hook}`,
    'arguments = ("--as"': `arguments = (${config === undefined ? "" : `"--config", "${config}", `}"--as"`,
    [HOOK]: config === undefined || named ? hook : `${hook} --config ${config}`,
    "/usr/local/bin/shim": shim,
    [SWEEP]: `${countersign} sweep${config === undefined ? "" : ` --config ${config}`}`,
    '"greg@example.org"': `"${address}"`,
    "Greg <greg@example.org>": address,
    "|@srs.example.org": srsDomain === "" ? "" : `|@${srsDomain}`,
    "srs.example.org": srsDomain,
    "user=greg": `user=${user}`,
    "greg-srs": `${user}-srs`,
    "--maildir /home/greg/Maildir": `--${format} ${pathOf(mailbox)}`,
    '"--maildir", "/home/greg/Maildir"': `"--${format}", "${pathOf(mailbox)}"`,
    "/home/greg": home,
  };
  // In one pass, so that inserted values are not replaced again.
  const pattern = Object.keys(replacements).map((example) => example.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  return text.replace(new RegExp(pattern, "g"), (example) => replacements[example]!);
}
