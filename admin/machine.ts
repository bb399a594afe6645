/** Finds the mail programs, filters and addresses of this machine. Changes nothing. */
import { entries, parametersOf } from "./doctor/postconf.ts";

/** Access to the machine. */
export interface Machine {
  /** Whether a file or folder exists. */
  exists(path: string): boolean;
  /** The path with links resolved; the path itself if it is missing. */
  real(path: string): string;
  /** The text of a file; undefined if it cannot be read. */
  read(path: string): string | undefined;
  /** An environment variable. */
  env(name: string): Promise<string | undefined>;
}

/** An address that is probably the user's, and where it was found. */
export interface Clue {
  readonly address: string;
  readonly from: string;
}

/** The program that sends the mail. */
export interface Injector {
  readonly preset: string;
  readonly program: string;
}

/** What was found. */
export interface Found {
  readonly user: string;
  readonly addresses: readonly Clue[];
  /** The user's mail programs, by their folders in contrib/. */
  readonly mailers: readonly string[];
  readonly injector: Injector | undefined;
  /** maildrop or procmail, as far as installed. */
  readonly filters: readonly string[];
  /** The programs that the user has configured to fetch mail, by their folders in contrib/. */
  readonly fetchers: readonly string[];
  /** The folder for spam. */
  readonly spam: string;
  /** The mbox file to which Postfix delivers the user's mail, as Debian configures it; undefined if it does not. */
  readonly mbox: string | undefined;
}

/** The machine that this program runs on. */
export const thisMachine: Machine = {
  exists(path) {
    try {
      return Deno.statSync(path) !== undefined;
    } catch {
      return false;
    }
  },
  real(path) {
    try {
      return Deno.realPathSync(path);
    } catch {
      return path;
    }
  },
  read(path) {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      return undefined; // the address may be found elsewhere
    }
  },
  env: (name) => Promise.resolve(Deno.env.get(name)),
};

/** Mail programs of users, each with its folder in contrib/. */
const MAILERS: Record<string, string> = {
  mutt: "mutt",
  neomutt: "neomutt",
  aerc: "aerc",
  alpine: "alpine",
  "s-nail": "s-nail",
  mhmail: "nmh",
  git: "git",
};

/** Programs that fetch mail, and their files below the home directory. */
const FETCHERS: Record<string, readonly string[]> = {
  mbsync: [".mbsyncrc", ".config/isyncrc"],
  fetchmail: [".fetchmailrc"],
  getmail: [".config/getmail/getmailrc", ".getmail/getmailrc"],
  fdm: [".fdm.conf"],
};

/** Searches the machine. */
export async function inspect(machine: Machine, home: string): Promise<Found> {
  const folders = [...(await machine.env("PATH") ?? "").split(":"), "/usr/sbin", "/usr/bin", "/usr/bin/mh"];
  const has = (program: string) => folders.some((folder) => folder !== "" && machine.exists(`${folder}/${program}`));
  const user = await machine.env("USER") || await machine.env("LOGNAME") || basename(home);
  return {
    user,
    addresses: await clues(machine, home, user),
    mailers: Object.entries(MAILERS).filter(([program]) => has(program)).map(([, folder]) => folder),
    injector: injector(machine),
    filters: ["maildrop", "procmail"].filter(has),
    fetchers: Object.entries(FETCHERS).filter(([program, files]) => {
      return has(program) && files.some((file) => machine.exists(`${home}/${file}`));
    }).map(([program]) => program),
    spam: [".Spam", ".Junk", ".spam"].map((name) => `${home}/Maildir/${name}`).find(machine.exists) ??
      `${home}/Maildir/.Spam`,
    mbox: postfixMbox(machine, home, user),
  };
}

/** Returns the addresses in configuration files, the most reliable first. */
async function clues(machine: Machine, home: string, user: string): Promise<Clue[]> {
  const found: Clue[] = [];
  const add = (address: string | undefined, from: string) => {
    if (address !== undefined && /^[^\s@"<>]+@[^\s@"<>]+$/.test(address)) found.push({ address, from });
  };
  add(await machine.env("EMAIL"), "EMAIL");
  for (const name of [".muttrc", ".mutt/muttrc", ".config/mutt/muttrc", ".neomuttrc", ".config/neomutt/neomuttrc"]) {
    const from = /^\s*set\s[^#\n]*?\bfrom\s*=\s*["']?(?:[^"'\n]*<)?([^\s"'<>]+@[^\s"'<>]+)/m;
    add(from.exec(machine.read(`${home}/${name}`) ?? "")?.[1], `~/${name}`);
  }
  for (const name of [".gitconfig", ".config/git/config"]) {
    add(/^\s*email\s*=\s*"?([^\s"]+)/m.exec(machine.read(`${home}/${name}`) ?? "")?.[1], `~/${name}`);
  }
  const host = machine.read("/etc/mailname")?.trim();
  // A name without a dot is not a mail domain.
  if (host?.includes(".")) add(`${user}@${host}`, "/etc/mailname");
  return found;
}

/** Finds the program that sends mail. If several are installed, /usr/sbin/sendmail shows which one is in use. */
function injector(machine: Machine): Injector | undefined {
  const sendmail = "/usr/sbin/sendmail";
  const qmail = "/var/qmail/bin/qmail-inject";
  if (machine.exists(qmail)) return { preset: "qmail-inject", program: qmail };
  if (machine.exists(sendmail)) {
    const target = basename(machine.real(sendmail));
    const named: Record<string, string> = { exim4: "exim", exim: "exim", dma: "dma", msmtp: "msmtp" };
    const preset = named[target];
    if (preset !== undefined) return { preset, program: machine.real(sendmail) };
    // If the shim took this path, the real program was renamed.
    if (target !== "shim" && target !== "countersign") {
      return { preset: sendmailPreset(machine), program: sendmail };
    }
    const moved = `${sendmail}.real`;
    if (machine.exists(moved)) return { preset: sendmailPreset(machine), program: moved };
  }
  const msmtp = "/usr/bin/msmtp";
  return machine.exists(msmtp) ? { preset: "msmtp", program: msmtp } : undefined;
}

/** Postfix parameters that may let a program other than local(8) deliver. */
const OTHER_DELIVERY = ["mailbox_command", "mailbox_command_maps", "mailbox_transport", "mailbox_transport_maps"];

/**
 * Returns the mbox file to which Postfix delivers; undefined if it delivers elsewhere, or where a .forward file
 * decides.
 */
function postfixMbox(machine: Machine, home: string, user: string): string | undefined {
  const file = "/etc/postfix/main.cf";
  const text = machine.read(file);
  if (text === undefined || machine.exists(`${home}/.forward`)) return undefined;
  const parameters = parametersOf(entries([{ file, text }]).parameters);
  if (OTHER_DELIVERY.some((name) => parameters.text(name) !== "")) return undefined;
  const own = parameters.text("home_mailbox");
  const path = own === "" ? `${parameters.text("mail_spool_directory") || "/var/mail"}/${user}` : `${home}/${own}`;
  return path.endsWith("/") || path.includes("//") ? undefined : path;
}

/** Returns the preset of the MTA that /usr/sbin/sendmail belongs to. */
function sendmailPreset(machine: Machine): string {
  if (machine.exists("/etc/postfix/main.cf")) return "postfix";
  if (machine.exists("/etc/nullmailer") && machine.exists("/usr/sbin/nullmailer-send")) return "nullmailer";
  return "sendmail";
}

/** Returns the preset of a program; undefined if its name does not show it. */
export function presetFor(program: string, machine: Machine): string | undefined {
  const name = basename(program);
  if (/^sendmail(?:\..+)?$/.test(name)) return sendmailPreset(machine);
  return presetNamed(name);
}

/** Returns the preset of a program with this name; undefined if the name does not show it. */
export function presetNamed(name: string): string | undefined {
  const names: Record<string, string> = { exim4: "exim" };
  const known = ["qmail-inject", "exim", "msmtp", "dma"];
  const preset = names[name] ?? name;
  return known.includes(preset) ? preset : undefined;
}

const basename = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
