/** What is pasted where: the lines of contrib/, filled in with what was found. */
import { SNIPPETS } from "./snippets.ts";

/** What goes into the lines. */
export interface Filling {
  /** The shim, and the hook, absolute. */
  readonly shim: string;
  readonly hook: string;
  /** The settings, when they do not stand where the programs look for them. */
  readonly config: string | undefined;
  readonly home: string;
  readonly user: string;
  readonly address: string;
  /** Empty: there is none, and no lines for it. */
  readonly srsDomain: string;
}

/** Lines for one file. */
export interface Paste {
  /** Where they go. */
  readonly into: string;
  readonly text: string;
}

interface Place {
  readonly into: string;
  readonly name: keyof typeof SNIPPETS;
  /** Only with an SRS domain. */
  readonly srs?: true;
}

/** For programs in front: mailers by name. */
const OUT: Record<string, Place> = {
  mutt: { into: "~/.muttrc", name: "mutt/muttrc" },
  neomutt: { into: "~/.neomuttrc", name: "neomutt/neomuttrc" },
  aerc: { into: "your account in ~/.config/aerc/accounts.conf", name: "aerc/accounts.conf" },
  alpine: { into: "~/.pinerc", name: "alpine/pinerc" },
  "s-nail": { into: "~/.mailrc", name: "s-nail/mailrc" },
  nmh: { into: "~/.mh_profile", name: "nmh/mh_profile" },
  git: { into: "~/.gitconfig", name: "git/gitconfig" },
};

/** For what brings the mail: injectors by preset, filters by name. */
const IN: Record<string, readonly Place[]> = {
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
  exim: [{ into: "the main section of exim.conf", name: "exim/exim.conf" }],
  maildrop: [{ into: "~/.mailfilter, mode 0600, at its top", name: "maildrop/mailfilter" }],
  procmail: [{ into: "~/.procmailrc, at its top", name: "procmail/procmailrc" }],
};

/** The lines for mail that goes out. */
export function pastesOut(mailers: readonly string[], filling: Filling): Paste[] {
  const places = mailers.map((name) => OUT[name]!);
  const pastes = places.map(({ into, name }) => ({ into, text: filled(name, filling) }));
  if (filling.config === undefined) return pastes;
  const variable = { into: "~/.profile", text: `export COUNTERSIGN_CONFIG='${filling.config}'` };
  return [variable, ...pastes];
}

/** The lines for mail that comes in; `programs` are a preset and filters. */
export function pastesIn(programs: readonly string[], filling: Filling): Paste[] {
  return programs.flatMap((program) => IN[program] ?? [])
    .filter(({ srs }) => srs !== true || filling.srsDomain !== "")
    .map(({ into, name }) => ({ into, text: filled(name, filling) }));
}

const HOOK = "/usr/local/lib/countersign/hooks/incoming";

/** A snippet with its examples replaced, longer ones first. */
function filled(name: keyof typeof SNIPPETS, filling: Filling): string {
  const { shim, hook, config, home, user, address, srsDomain } = filling;
  const text = SNIPPETS[name].join("\n");
  const named = text.includes("--config ");
  const values: Record<string, string> = {
    "/home/greg/.config/countersign/config.toml": config ?? `${home}/.config/countersign/config.toml`,
    [HOOK]: config === undefined || named ? hook : `${hook} --config ${config}`,
    "/usr/local/bin/shim": shim,
    "Greg <greg@example.org>": address,
    "|@srs.example.org": srsDomain === "" ? "" : `|@${srsDomain}`,
    "srs.example.org": srsDomain,
    "user=greg": `user=${user}`,
    "greg-srs": `${user}-srs`,
    "/home/greg": home,
  };
  // All at once: what was filled in is not looked at again.
  const pattern = Object.keys(values).map((example) => example.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  return text.replace(new RegExp(pattern, "g"), (example) => values[example]!);
}
