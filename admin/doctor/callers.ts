/** Checks the callers of shim and hook: mutt, the mail filters of the user, and Postfix. */
import { dayOf, printDay } from "../../lib/date.ts";
import { installedPrograms } from "../programs.ts";
import { lookupSocket } from "../../lib/settings/lookup.ts";
import { socketDenied } from "./client_access.ts";
import {
  checkEximDoor,
  checkOpenSmtpd,
  checkTcpRules,
  EXIM_FILES,
  OPENSMTPD_FILES,
  TCPRULES_FILES,
} from "./clients.ts";
import { checkMaildrop } from "./maildrop.ts";
import { callsHook } from "./hook_call.ts";
import { isFile, namesIn, pathInfo, textFile, textFiles } from "./filesystem.ts";
import { onPath, run } from "./programs.ts";
import { checkMilters } from "./milters.ts";
import { checkMutt, makesUpFrom } from "./mutt.ts";
import { muttCommands } from "./muttrc.ts";
import { checkMisspelt } from "./misspelt.ts";
import { pipeStateTrouble } from "./pipe_state.ts";
import { askOthers } from "./mta_asked.ts";
import { askPostfix, postfixPrograms, unreadableConfiguration } from "./postfix_asked.ts";
import { checkForward, checkPostfix, type PostfixContext } from "./postfix.ts";
import { checkPostfixMaps } from "./postfix_maps.ts";
import { checkProcmail } from "./procmail.ts";
import { checkQmail } from "./qmail.ts";
import { checkSendmail } from "./sendmail.ts";
import { checkSweep, lastSweep } from "./sweep.ts";
import type { Finding, TextFile } from "./finding.ts";
import type { DoctorContext } from "./context.ts";

/** Checks the settings of mutt and neomutt. */
export function mutt({ home, settings, programs, findings, notes }: DoctorContext): void {
  const read = (path: string) => textFile(path)?.text;
  const identities = settings?.identity.map(({ address }) => address.toLowerCase());
  for (const [site, own] of muttFiles(home)) {
    const file = own.find(isFile);
    if (file === undefined) continue;
    const commands = [...muttCommands(site, home, read), ...muttCommands(file, home, read)];
    const shim = installedPrograms(isFile).shim ?? onPath("shim") ?? "/usr/local/bin/shim";
    findings.push(...checkMutt({ file, home, commands, identities, programs, onPath, shim }));
    // A server, unlike a mail program, has no default for the sender of mail that is not signed.
    if (settings?.transport.via === "smtp" && Deno.env.get("EMAIL") === undefined && makesUpFrom(commands)) {
      notes.push(
        `${file} does not set from: mutt writes your login name at this computer's name, which must be an identity`,
      );
    }
  }
}

/** Returns the paths at which mutt and neomutt search for their settings; the first existing one is used. */
function muttFiles(home: string): [string, string[]][] {
  const config = Deno.env.get("XDG_CONFIG_HOME") || `${home}/.config`;
  const mutt = [`${home}/.muttrc`, `${home}/.mutt/muttrc`, `${config}/mutt/muttrc`];
  const neomutt = [`${home}/.neomuttrc`, `${home}/.neomutt/neomuttrc`, `${config}/neomutt/neomuttrc`];
  return [["/etc/Muttrc", mutt], ["/etc/neomuttrc", neomutt]];
}

/** Checks the configuration that runs the hook, or should. */
export async function filters(doctor: DoctorContext): Promise<void> {
  const { file, postconf, home, settings, programs, findings, notes } = doctor;
  const hasDestination = settings === undefined || settings.incoming.inbox !== "" || settings.incoming.forward;
  const unreadable = (path: string, why: string) => void findings.push(unreadableFilter(path, why));
  // Configuration of the machine, which a user need not be able to read.
  const unchecked = (path: string, why: string) => void notes.push(`${path} is not checked: ${why}`);
  const unlisted = (path: string, why: string) =>
    void findings.push({ ...unreadableFilter(path, why), what: `The home directory cannot be read: ${why}` });
  const names = namesIn(home, unlisted).filter((name) => /^\.qmail(-|$)/.test(name));
  const qmail = textFiles(names.map((name) => `${home}/${name}`), unreadable);
  const { kind, mode } = pathInfo(home);
  const bits = kind === "folder" ? { home: { path: home, mode } } : {};
  findings.push(...checkQmail(qmail, { programs, hasDestination, ...bits }));
  const maildrop = textFiles([`${home}/.mailfilter`], unreadable);
  for (const file of maildrop) findings.push(...checkMaildrop(file, programs));
  const procmail = textFiles([`${home}/.procmailrc`], unreadable);
  for (const file of procmail) findings.push(...checkProcmail(file, programs));
  if (settings?.challenge.answer || settings?.tag.pymsgauth) {
    for (const file of [...maildrop, ...procmail]) findings.push(...checkOrdinary(file));
  }

  const srsDomains = [...new Set(settings?.identity.map((one) => one.srs_domain.toLowerCase()) ?? [])];
  const local = ["postfix", "sendmail"].includes(settings?.transport.preset ?? "");
  const folder = settings?.serve.socket_folder ?? "";
  const context: PostfixContext = {
    programs,
    hasDestination,
    srsDomains: srsDomains.filter((domain) => domain !== ""),
    // With countersign serve clients submit with their plain sender, which must belong to their login.
    smtp: (postconf.length > 0 || !local) && folder === "",
    isAsked: postconf.length === 0,
    config: file.file,
    stateTrouble: (user, group) => settings && pipeStateTrouble(settings, user, group),
  };
  const forward = textFiles([`${home}/.forward`], unreadable);
  for (const file of forward) findings.push(...checkForward(file, context));
  const machine = postconf.length > 0 ? postconf : await postfixFiles(unchecked);
  const postfix = "id" in machine ? [] : machine;
  if ("id" in machine) findings.push(machine);
  findings.push(...checkPostfix(postfix, context));
  if (settings !== undefined && postconf.length === 0) await askOthers(doctor, settings);
  if (settings !== undefined && postconf.length === 0 && postfix.length > 0) {
    const folder = postfix[0]!.file.replace(/\/main\.cf$/, "");
    await askPostfix(doctor, settings, folder);
  }
  if (settings !== undefined && folder !== "") {
    const logins = settings.identity.some((one) => one.logins.length > 0);
    findings.push(...checkMilters(postfix, { folder, logins }));
    const { domain, exclude } = settings.forwarding;
    const { srsDomains } = context;
    findings.push(...checkPostfixMaps(postfix, { folder, srsDomains, forwarding: domain.toLowerCase(), exclude }));
    for (const file of textFiles(["/etc/mail/sendmail.cf"], unchecked)) {
      findings.push(...checkSendmail(file, { folder, logins }));
    }
  }

  if (settings !== undefined) findings.push(...checkSweep(settings.state.folder, new Date()));
  const clients = {
    programs,
    lookup: settings ? lookupSocket(settings) : "",
    folder,
    srsDomains: context.srsDomains,
    denied: socketDenied,
    missing: (path: string) => pathInfo(path).kind === "missing",
  };
  for (const file of textFiles(OPENSMTPD_FILES, unchecked)) findings.push(...checkOpenSmtpd(file, clients));
  for (const file of textFiles(EXIM_FILES, unchecked)) findings.push(...checkEximDoor(file, clients));
  for (const file of textFiles(TCPRULES_FILES, unchecked)) findings.push(...checkTcpRules(file, clients));

  const all = [...qmail, ...maildrop, ...procmail, ...forward, ...postfix];
  const hook = installedPrograms(isFile).hook ?? "/usr/local/lib/countersign/hooks/incoming";
  for (const one of all) findings.push(...checkMisspelt(one, programs, hook));
  if (!all.some(({ text }) => callsHook(text))) {
    const swept = settings && lastSweep(settings.state.folder);
    notes.push(
      swept === undefined
        ? "No mail filter found here calls the hook. To see the lines to add: countersign init --print-all"
        : `Mail is judged by countersign sweep, last on ${printDay(dayOf(swept))}`,
    );
  }
}

/** Checks for the lines of contrib that keep ordinary mail from the hook. */
function checkOrdinary({ file, text }: TextFile): Finding[] {
  const line = text.split("\n").findIndex((one) => /^\s*COUNTERSIGN_HOOK\s*=\s*"?(?:0|no)\b/.test(one)) + 1;
  return line === 0 ? [] : [{
    id: "filter-skips-hook",
    what: "Ordinary mail does not reach the hook, which must see challenges",
    where: { file, line },
    why: "Challenges arrive as ordinary mail, so none is answered.",
    fix: "Remove the lines that set COUNTERSIGN_HOOK, and the condition that uses it",
  }];
}

/** Returns the finding for a filter that cannot be read, and is therefore not checked. */
function unreadableFilter(file: string, why: string): Finding {
  return {
    id: "filter-unreadable",
    what: `A mail filter cannot be read: ${why}`,
    where: { file },
    why: "It is not checked; under qmail the hook defers mail if it cannot read the file that runs it.",
    fix: `chmod u+r ${file}, or run doctor as its owner`,
  };
}

/** Returns the configuration of the Postfix on this machine, with its domain and host name; or a finding. */
async function postfixFiles(unchecked: (path: string, why: string) => void): Promise<TextFile[] | Finding> {
  const programs = postfixPrograms();
  if (programs === undefined) return [];
  const { code, out, said } = await run([`${programs}/postconf`, "-h", "config_directory"]);
  if (code !== 0) return unreadableConfiguration("/etc/postfix", said);
  const folder = out.trim();
  const names = (await run([`${programs}/postconf`, "mydomain", "myhostname", "queue_directory"])).out;
  return [
    { file: `${folder}/main.cf`, text: names },
    ...textFiles([`${folder}/main.cf`, `${folder}/master.cf`], unchecked),
  ];
}
