/** Checks that some mail program sends through the shim, or through a server that signs. */
import type { Settings } from "../../lib/settings/parse.ts";
import { installedPrograms } from "../programs.ts";
import type { DoctorContext } from "./context.ts";
import { isFile, textFiles } from "./filesystem.ts";
import type { TextFile } from "./finding.ts";
import { checkGit } from "./git.ts";
import { openLog } from "./logfile.ts";
import { onPath, run } from "./programs.ts";

/** Files below the home in which mail programs name the program that sends. */
const FILES = [
  ".mailrc",
  ".config/s-nail/snailrc",
  ".pinerc",
  ".config/aerc/accounts.conf",
  ".mh_profile",
  ".mmh/profile",
  ".muttrc",
  ".mutt/muttrc",
  ".config/mutt/muttrc",
  ".neomuttrc",
  ".neomutt/neomuttrc",
  ".config/neomutt/neomuttrc",
  ".emacs",
  ".emacs.d/init.el",
  ".config/emacs/init.el",
  ".gnus",
  ".gitconfig",
  ".config/git/config",
  ".config/alot/config",
  ".sup/config.yaml",
];
const SITE_FILES = ["/etc/mail.rc", "/etc/s-nail.rc", "/etc/nmh/mts.conf", "/etc/Muttrc", "/etc/neomuttrc"];

/** The paths at which mail programs expect sendmail. */
const SENDMAIL = ["/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/bin/sendmail"];

/** Lines of the log that are read in search of sent mail. */
const MAX_LINES = 10_000;

/** Checks git, and whether any mail program is configured. */
export async function mailClients(context: DoctorContext): Promise<void> {
  const { home, settings, programs, findings, file } = context;
  const shim = installedPrograms(isFile).shim ?? onPath("shim") ?? "/usr/local/bin/shim";
  const git = onPath("git");
  const ask = async (args: readonly string[]) =>
    git === undefined ? "" : (await run([git, ...args], "", { GIT_CONFIG_NOSYSTEM: "1" })).out;
  const isServed = settings !== undefined && hasServer(settings);
  const found = await checkGit({ git: ask, programs, onPath, shim, isServed });
  findings.push(...found.findings);
  // With a maildir in place of a server nothing is sent, which a note says.
  if (settings === undefined || isServed || found.sends || settings.transport.via === "maildir") return;
  if (SENDMAIL.some((path) => isFile(path) && programs.isShim(path)) || mayHaveSent(settings)) return;
  // The checks of mutt and git report a wrong program in their files.
  const own = textFiles(FILES.map((name) => `${home}/${name}`));
  const configured = ({ file, text }: TextFile) =>
    /muttrc$/.test(file) || (/git/.test(file) ? /\bsendemail\b/.test(text) : SHIM.test(text));
  if (own.some(configured) || textFiles(SITE_FILES).some(({ text }) => SHIM.test(text))) return;
  findings.push({
    id: "client-none",
    what: "No mail program found here sends through the shim, and it has not sent anything yet",
    where: { file: file.file },
    why: "Your mail is not signed, and genuine bounces look forged.",
    fix: `Let your mail program run ${shim} as its sendmail: countersign init --print-all prints the lines`,
  });
}

const SHIM = /\/shim\b|\bcountersign\b/;

/** Returns whether mail is signed by a server: clients then need no shim. */
const hasServer = ({ serve, submit }: Settings): boolean => serve.socket_folder !== "" || submit.auth !== "";

/** Returns whether the log has a line about sent mail, or may have one because it cannot be read. */
function mayHaveSent(settings: Settings): boolean {
  let left = MAX_LINES;
  let isUnreadable = false;
  const log = openLog(`${settings.state.folder}/log`, () => isUnreadable = true);
  for (const { text } of log?.lines() ?? []) {
    if (/ (?:direction|way)=out /.test(text)) return true;
    if (--left === 0) break;
  }
  return isUnreadable;
}
