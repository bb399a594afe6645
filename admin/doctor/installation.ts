/** Checks the installation: keys, folders, sandbox, shim, transport, log and hook. */
import { asksLookup } from "../../lib/settings/lookup.ts";
import { mailboxOf } from "../../lib/settings/mailbox.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { errorText, Fail } from "../../lib/fail.ts";
import { VERSION } from "../../lib/version.ts";
import { NOT_COUNTED, RecentCount, recentSentence } from "../audit/recent.ts";
import { installedPrograms } from "../programs.ts";
import { readIdentities, siteAccount } from "../identities.ts";
import { sharedSecret } from "../shared_secret.ts";
import { isGroupWritable, isThere, realPath } from "../files.ts";
import { formerSandboxFile, sandboxFile } from "../../lib/paths.ts";
import { permissions, sandboxText } from "../../lib/settings/sandbox.ts";
import { checkClock } from "./clock.ts";
import { checkInjectorFile, checkPrograms, checkVersionCommand, INJECTOR_FILES, versionCommand } from "./injector.ts";
import { install, unusableFix } from "./hook_call.ts";
import { checkLogged } from "./log.ts";
import { checkLimits, limitedProcesses } from "./limits.ts";
import { openLog } from "./logfile.ts";
import { isFile, pathAndParents, pathInfo, textFile, textFiles } from "./filesystem.ts";
import { createLogAsOwner, run } from "./programs.ts";
import { checkOutbox } from "./outbox.ts";
import { checkSandbox, outdated, unreadable } from "./sandbox.ts";
import { checkAnswer, resultIn, testBounces } from "./test_bounces.ts";
import { checkKeys, findingOf, identityLine } from "./settings.ts";
import { checkDoorbells } from "./doorbell.ts";
import { checkDoorbellCalls } from "./doorbell_calls.ts";
import { checkMaps } from "./maps.ts";
import { checkServe } from "./serve.ts";
import { missingState } from "./serve_state.ts";
import { checkSubmit } from "./submit.ts";
import { checkAccounts } from "./accounts.ts";
import { checkFolder, checkLog, unreadableLog } from "./state.ts";
import { checkMbox } from "./mbox.ts";
import { type DoctorContext, readableIdentities } from "./context.ts";
import { checkUserKeys } from "./user_keys.ts";

/** A check, which needs the settings. */
type Check = (context: DoctorContext, settings: Settings) => Promise<void> | void;

/** The checks in order: the log is checked before the hook appends to it. */
export const INSTALLATION_CHECKS: readonly Check[] = [
  keys,
  folders,
  checkSandboxFile,
  checkShim,
  checkTransport,
  checkOutbox,
  checkRecentLog,
  countSentMail,
  checkHook,
  checkServe,
  checkSubmit,
  checkMaps,
  checkDoorbells,
  checkDoorbellCalls,
  ({ now, findings }, settings) => void findings.push(...checkUserKeys(settings, now)),
];

function keys({ file, now, findings }: DoctorContext, settings: Settings): void {
  let right = true;
  for (const [nth, one] of settings.identity.entries()) {
    const where = { file: file.file, line: identityLine(file.text, nth) };
    try {
      void readIdentities({ ...settings, identity: [one] })[0]!.keys;
    } catch (error) {
      if (!(error instanceof Fail)) throw error;
      right = false;
      const missing = pathInfo(one.keys).kind === "missing";
      const found = findingOf(missing ? "key-file-missing" : "key-file-unusable", error, one.keys);
      findings.push(missing ? { ...found, where, fix: `countersign keys new --address ${one.address}` } : found);
      continue;
    }
    const text = textFile(one.keys);
    if (text !== undefined) findings.push(...checkKeys(text, one.address, now));
  }
  const shared = right ? sharedSecret(readIdentities(settings)) : undefined;
  if (shared === undefined) return;
  const last = settings.identity.findIndex(({ address }) => address.toLowerCase() === shared[1]);
  findings.push({
    id: "key-shared",
    what: `${shared[0]} and ${shared[1]} have the same secret in their key files`,
    where: { file: file.file, line: identityLine(file.text, last) },
    why: "Each signs for the other, and everybody who sees mail of both can tell that they belong together.",
    fix: `countersign keys new --address ${shared[1]}, then remove the shared key from its file`,
  });
}

function folders({ findings, notes }: DoctorContext, settings: Settings): void {
  const user = Deno.uid() ?? 0;
  const { state, incoming, transport, outbox, challenge, tag } = settings;
  const check = (path: string, purpose: string, own = false) => {
    if (path !== "") findings.push(...checkFolder(pathAndParents(path), purpose, user, own));
  };
  const before = findings.length;
  check(state.folder, "the state folder, with the log, the ledger and the index of sent mail", true);
  const spool = transport.spool ? ["spool"] : [];
  for (const part of ["ledger", "sent", ...spool]) {
    // Its subfolders would only repeat the finding.
    if (findings.length > before) break;
    if (pathInfo(`${state.folder}/${part}`).kind !== "missing") {
      check(`${state.folder}/${part}`, "part of the state", true);
    }
  }
  if (findings.length === before) findings.push(...checkLog(pathInfo(`${state.folder}/log`), user));
  const checkBox = (value: string, purpose: string) => {
    const mailbox = mailboxOf(value);
    if ("maildir" in mailbox) check(mailbox.maildir, `the maildir ${purpose}`);
    else findings.push(...checkMbox(pathAndParents(mailbox.mbox), `the mailbox ${purpose}`, user, isFile));
  };
  if (incoming.spam_command.length === 0) checkBox(incoming.spam, "for forged bounces (incoming.spam)");
  checkBox(incoming.inbox, "for delivered mail (incoming.inbox)");
  if (challenge.answer) check(challenge.answered, "the maildir for answered challenges (challenge.answered)");
  if (tag.pymsgauth !== "") check(tag.pymsgauth, "the folder with the tokens of pymsgauth (tag.pymsgauth)");
  check(outbox.report, "the maildir for reports (outbox.report)");
  if (transport.via === "maildir") {
    check(transport.maildir, "the maildir for the mail you send (transport.maildir)");
    notes.push(`transport.via is "maildir": the mail you send is stored in ${transport.maildir} and not sent`);
  }
}

const UNRESTRICTED = "Shim and hook may read, write and run what you may";

function checkSandboxFile({ file, home, findings, notes }: DoctorContext, settings: Settings): void {
  const path = sandboxFile(file.file);
  const there = textFile(path);
  try {
    const wanted = permissions(settings, { file: file.file, home }, realPath, isGroupWritable);
    if (there !== undefined) {
      findings.push(...checkSandbox(there, sandboxText(wanted, settings)));
    } else if (isThere(path)) findings.push(unreadable(pathInfo(path)));
    else if (isThere(formerSandboxFile(file.file))) findings.push(outdated(formerSandboxFile(file.file)));
    else notes.push(`${UNRESTRICTED}: countersign sandbox restricts them to what the settings need`);
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    notes.push(`${UNRESTRICTED}: ${errorText(error)}`);
  }
}

/** Runs the shim instead of comparing its text, because a modified launcher may work. */
async function checkShim({ findings }: DoctorContext): Promise<void> {
  const { shim } = installedPrograms(isFile);
  if (shim === undefined) return;
  const { code, out, said } = await run([shim, "--version"]);
  if (code === 0 && out === `countersign ${VERSION}\n`) return;
  const why = "Outgoing mail may be lost or sent unsigned.";
  const what = `The shim ${shim} --version does not print version ${VERSION}; it exits ${code}${said && `: ${said}`}`;
  findings.push({ id: "shim-version", what, where: { file: shim }, why, fix: `In a checkout: ${install(shim)}` });
}

async function checkTransport(
  { file, now, programs, findings, notes }: DoctorContext,
  settings: Settings,
): Promise<void> {
  const wrong = checkPrograms(file, settings, programs);
  findings.push(...wrong);
  const server = await checkAccounts(file, settings, readableIdentities(settings) ?? [], now);
  findings.push(...server.findings);
  notes.push(...server.notes);
  if (settings.transport.via !== "command") return;
  const argv = versionCommand(settings);
  if (argv !== undefined && wrong.length === 0) {
    const { code, said } = await run(argv);
    findings.push(...checkVersionCommand(file.file, argv, code, said));
  }
  const { preset } = settings.transport;
  for (const one of textFiles(INJECTOR_FILES[preset] ?? [])) findings.push(...checkInjectorFile(preset, one));
}

function checkRecentLog({ now, findings }: DoctorContext, settings: Settings): void {
  const path = `${settings.state.folder}/log`;
  const log = openLog(path, (why) => void findings.push(unreadableLog(path, why)));
  if (log !== undefined) findings.push(...checkClock(log, now), ...checkLogged(log, settings, now));
}

/** Counts mail that was not sent through the shim, whose bounces look like forged ones. */
function countSentMail({ options, now, findings, notes }: DoctorContext, settings: Settings): void {
  const mailboxes = options.values("sent");
  const identities = mailboxes.length > 0 ? readableIdentities(settings) : undefined;
  if (identities === undefined) return;
  if (asksLookup(settings)) {
    notes.push(NOT_COUNTED);
    return;
  }
  const recent = new RecentCount(settings, identities, now);
  for (const mailbox of mailboxes) {
    const unreadable = (path: string, why: string) => void notes.push(`${path} is not counted: ${why}`);
    const compressed = (path: string) => unreadable(path, "it is compressed");
    recent.addMailbox(mailbox, { unreadable, compressed, skipped: 0, done: 0 });
  }
  if (recent.notCounted !== undefined) return void notes.push(recent.notCounted);
  const sentence = recentSentence(recent.counts);
  if (sentence === undefined) return;
  if (recent.counts.unknown === 0) notes.push(sentence);
  else {
    findings.push({
      id: "sent-past-shim",
      what: sentence,
      where: { file: mailboxes[0]! },
      why: "A genuine bounce of mail that was not sent through the shim cannot be distinguished from a forged one.",
      fix: 'Send it through a server that passes it to the shim, or in [incoming]: forged = "mark"',
    });
  }
}

async function checkHook(
  { options, file, now, programs, findings, notes }: DoctorContext,
  settings: Settings,
): Promise<void> {
  const given = options.value("hook");
  const hook = given === undefined || given.startsWith("/")
    ? given ?? installedPrograms(isFile).hook
    : `${Deno.cwd()}/${given}`;
  if (hook === undefined) {
    notes.push("No hook was found with this program; use --hook to check one");
    return;
  }
  const wrong = programs.trouble(hook);
  if (wrong !== undefined) {
    const [what, why] = [`The hook ${hook} ${wrong}`, "Bounces are not judged."];
    findings.push({ id: "hook-unusable", what, where: { file: hook }, why, fix: unusableFix(hook, wrong) });
    return;
  }
  findings.push(...await checkLimits(hook, await limitedProcesses(run), run));
  const identities = readableIdentities(settings);
  if (identities === undefined) return;
  const missing = missingState(settings);
  if (missing !== undefined) return void findings.push(missing);
  await createLogAsOwner(settings.state.folder);
  const as = siteAccount(settings);
  for (const identity of identities) {
    for (const bounce of testBounces(identity, settings, now)) {
      const envelope = ["--sender", "", "--recipient", bounce.recipient];
      const argv = [hook, "--as", "filter", "--probe", "--config", file.file, ...envelope];
      const { code, out, said } = await run(argv, bounce.message, {}, as);
      const answer = { code, result: resultIn(out), said };
      const found = checkAnswer(hook, file.file, bounce, answer);
      findings.push(...found);
      if (found.length > 0) return; // Further bounces would only repeat the finding.
    }
  }
}
