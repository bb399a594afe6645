/** What a machine has: mail programs in front and behind, filters, addresses. Looks, and changes nothing. */

/** What is looked at. */
export interface Machine {
  /** Is there such a file or folder? */
  exists(path: string): boolean;
  /** Where a path leads, links followed; the path itself when it is not there. */
  real(path: string): string;
  /** The text of a file. */
  read(path: string): string | undefined;
  /** A variable of the environment. */
  env(name: string): Promise<string | undefined>;
}

/** An address that is probably the user's, and where it stands. */
export interface Clue {
  readonly address: string;
  readonly from: string;
}

/** The program that takes the mail. */
export interface Injector {
  readonly preset: string;
  readonly program: string;
}

/** What was found. */
export interface Found {
  readonly user: string;
  readonly addresses: readonly Clue[];
  /** Mail programs in front, by their folders in contrib/. */
  readonly mailers: readonly string[];
  readonly injector: Injector | undefined;
  /** maildrop, procmail. */
  readonly filters: readonly string[];
  /** The folder for spam. */
  readonly spam: string;
}

/** The machine that we run on. */
export const here: Machine = {
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
      return undefined; // only a clue less
    }
  },
  env: (name) => Promise.resolve(Deno.env.get(name)),
};

/** Programs in front, each with the folder of contrib/ that is for it. */
const MAILERS: Record<string, string> = {
  mutt: "mutt",
  neomutt: "neomutt",
  aerc: "aerc",
  alpine: "alpine",
  "s-nail": "s-nail",
  mhmail: "nmh",
  git: "git",
};

/** Looks around. */
export async function look(machine: Machine, home: string): Promise<Found> {
  const folders = [...(await machine.env("PATH") ?? "").split(":"), "/usr/sbin", "/usr/bin", "/usr/bin/mh"];
  const has = (program: string) => folders.some((folder) => folder !== "" && machine.exists(`${folder}/${program}`));
  const user = await machine.env("USER") || await machine.env("LOGNAME") || basename(home);
  return {
    user,
    addresses: await clues(machine, home, user),
    mailers: Object.entries(MAILERS).filter(([program]) => has(program)).map(([, folder]) => folder),
    injector: injector(machine),
    filters: ["maildrop", "procmail"].filter(has),
    spam: [".Spam", ".Junk", ".spam"].map((name) => `${home}/Maildir/${name}`).find(machine.exists) ??
      `${home}/Maildir/.Spam`,
  };
}

/** Where people and programs write an address down, the surest first. */
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
  // A name without a dot is a machine's, not one that anybody could write to.
  if (host?.includes(".")) add(`${user}@${host}`, "/etc/mailname");
  return found;
}

/** By what stands where sendmail does: of two that are installed, that one is in use. */
function injector(machine: Machine): Injector | undefined {
  const sendmail = "/usr/sbin/sendmail";
  const qmail = "/var/qmail/bin/qmail-inject";
  if (machine.exists(qmail)) return { preset: "qmail-inject", program: qmail };
  if (machine.exists(sendmail)) {
    const target = basename(machine.real(sendmail));
    const named: Record<string, string> = { exim4: "exim", exim: "exim", dma: "dma", msmtp: "msmtp" };
    const preset = named[target];
    if (preset !== undefined) return { preset, program: machine.real(sendmail) };
    // Ours, where another program has made room for the shim.
    if (target !== "shim" && target !== "countersign") {
      return { preset: sendmailPreset(machine), program: sendmail };
    }
    const moved = `${sendmail}.real`;
    if (machine.exists(moved)) return { preset: sendmailPreset(machine), program: moved };
  }
  const msmtp = "/usr/bin/msmtp";
  return machine.exists(msmtp) ? { preset: "msmtp", program: msmtp } : undefined;
}

/** Whose /usr/sbin/sendmail is it? */
function sendmailPreset(machine: Machine): string {
  if (machine.exists("/etc/postfix/main.cf")) return "postfix";
  if (machine.exists("/etc/nullmailer") && machine.exists("/usr/sbin/nullmailer-send")) return "nullmailer";
  return "sendmail";
}

/** The preset of a program that the user names; undefined when its name does not tell. */
export function presetFor(program: string, machine: Machine): string | undefined {
  const name = basename(program);
  if (/^sendmail(?:\..+)?$/.test(name)) return sendmailPreset(machine);
  const names: Record<string, string> = { exim4: "exim" };
  const known = ["qmail-inject", "exim", "msmtp", "dma"];
  const preset = names[name] ?? name;
  return known.includes(preset) ? preset : undefined;
}

const basename = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
