/** What is ours: keys, folders, permissions, the way out, the log, the hook. */
import type { Settings } from "../../lib/settings/parse.ts";
import { errorText, Fail } from "../../lib/fail.ts";
import { loadIdentities } from "../../io/system/load.ts";
import { VERSION } from "../../lib/version.ts";
import { RecentCount, recentSentence } from "../audit/passed.ts";
import { beside } from "../programs.ts";
import { sharedSecret } from "../shared_secret.ts";
import { isGroupWritable, isThere, realPath } from "../files.ts";
import { formerSandboxFile, sandboxFile } from "../../lib/paths.ts";
import { ordinaryAddresses, permissions, printSandbox } from "../../lib/settings/sandbox.ts";
import { checkClock } from "./clock.ts";
import { checkHarmless, checkInjectorFile, checkPrograms, harmless, INJECTOR_FILES } from "./injector.ts";
import { checkLogged } from "./log.ts";
import { openLog } from "./logfile.ts";
import { look, lookAt, ownLog, run, see, seeUp } from "./look.ts";
import { checkSandbox, former, unreadable } from "./sandbox.ts";
import { checkAnswer, resultIn, trials } from "./round.ts";
import { checkKeys, findingOf, identityLine } from "./settings.ts";
import { checkSmarthost } from "./smarthost.ts";
import { checkFolder, checkLog } from "./state.ts";
import { type DoctorContext, soundIdentities } from "./context.ts";

/** A part of the examination; without settings there is nothing to look at. */
type Part = (visit: DoctorContext, settings: Settings) => Promise<void> | void;

/** In this order: the log is looked at before the hook writes to it. */
export const OURS: readonly Part[] = [keys, folders, sandboxed, shimItself, injectorPart, logged, sentMail, round];

function keys({ file, now, findings }: DoctorContext, settings: Settings): void {
  let right = true;
  for (const [nth, one] of settings.identity.entries()) {
    const where = { file: file.file, line: identityLine(file.text, nth) };
    try {
      void loadIdentities({ ...settings, identity: [one] })[0]!.keys;
    } catch (error) {
      if (!(error instanceof Fail)) throw error;
      right = false;
      const found = findingOf(error, one.keys);
      const missing = see(one.keys).kind === "nothing";
      findings.push(missing ? { ...found, where, fix: `countersign keys new --address ${one.address}` } : found);
      continue;
    }
    const text = look(one.keys);
    if (text !== undefined) findings.push(...checkKeys(text, one.address, now));
  }
  const shared = right ? sharedSecret(loadIdentities(settings)) : undefined;
  if (shared === undefined) return;
  const last = settings.identity.findIndex(({ address }) => address.toLowerCase() === shared[1]);
  findings.push({
    what: `${shared[0]} and ${shared[1]} have the same secret in their key files`,
    where: { file: file.file, line: identityLine(file.text, last) },
    why: "Each signs for the other, and everybody who sees mail of both can tell that they belong together.",
    fix: `countersign keys new --address ${shared[1]}, then remove the shared key from its file`,
  });
}

function folders({ findings, notes }: DoctorContext, settings: Settings): void {
  const user = Deno.uid() ?? 0;
  const { state, incoming, transport, challenge, tag } = settings;
  const check = (path: string, purpose: string, own = false) => {
    if (path !== "") findings.push(...checkFolder(seeUp(path), purpose, user, own));
  };
  const before = findings.length;
  check(state.folder, "the folder of the state: log, ledger, what was sent", true);
  const spool = transport.spool ? ["spool"] : [];
  for (const part of ["ledger", "sent", ...spool]) {
    // What is below it cannot be right, either.
    if (findings.length > before) break;
    if (see(`${state.folder}/${part}`).kind !== "nothing") {
      check(`${state.folder}/${part}`, "a part of the state", true);
    }
  }
  if (findings.length === before) findings.push(...checkLog(see(`${state.folder}/log`), user));
  if (incoming.spam_command.length === 0) check(incoming.spam, "where forged bounces go (incoming.spam)");
  check(incoming.inbox, "where genuine bounces go (incoming.inbox)");
  if (challenge.answer) check(challenge.answered, "where answered challenges go (challenge.answered)");
  if (tag.pymsgauth !== "") check(tag.pymsgauth, "where pymsgauth's tokens are (tag.pymsgauth)");
  if (transport.via === "maildir") {
    check(transport.maildir, "where what you send goes (transport.maildir)");
    notes.push(`transport.via is "maildir": what you send is kept in ${transport.maildir} and goes nowhere`);
  }
}

const WIDE = "Shim and hook may read, write and run what you may";

function sandboxed({ file, home, findings, notes }: DoctorContext, settings: Settings): void {
  const path = sandboxFile(file.file);
  const there = look(path);
  try {
    const wanted = permissions(settings, { file: file.file, home }, realPath, isGroupWritable);
    if (there !== undefined) findings.push(...checkSandbox(there, printSandbox(wanted, ordinaryAddresses(settings))));
    else if (isThere(path)) findings.push(unreadable(path));
    else if (isThere(formerSandboxFile(file.file))) findings.push(former(formerSandboxFile(file.file)));
    else notes.push(`${WIDE}: countersign sandbox restricts them to what the settings need`);
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    notes.push(`${WIDE}: ${errorText(error)}`);
  }
}

/** Its answer, not its text: a launcher that somebody has changed may be right. */
async function shimItself({ findings }: DoctorContext): Promise<void> {
  const { shim } = beside((path) => see(path).kind === "file");
  if (shim === undefined) return;
  const { code, out, said } = await run([shim, "--version"]);
  if (code === 0 && out === `countersign ${VERSION}\n`) return;
  const why = "It is unknown what becomes of outgoing mail.";
  const what = `The shim ${shim} does not answer as version ${VERSION} does, but with ${code}${said && `: ${said}`}`;
  findings.push({ what, where: { file: shim }, why, fix: "deno task install" });
}

async function injectorPart({ file, programs, findings, notes }: DoctorContext, settings: Settings): Promise<void> {
  const wrong = checkPrograms(file, settings, programs);
  findings.push(...wrong);
  const server = await checkSmarthost(file, settings);
  findings.push(...server.findings);
  if (server.note !== undefined) notes.push(server.note);
  if (settings.transport.via !== "command") return;
  const argv = harmless(settings);
  if (argv !== undefined && wrong.length === 0) {
    const { code, said } = await run(argv);
    findings.push(...checkHarmless(file.file, argv, code, said));
  }
  const { preset } = settings.transport;
  for (const one of lookAt(INJECTOR_FILES[preset] ?? [])) findings.push(...checkInjectorFile(preset, one));
}

function logged({ now, findings }: DoctorContext, settings: Settings): void {
  const log = openLog(`${settings.state.folder}/log`);
  if (log !== undefined) findings.push(...checkClock(log, now), ...checkLogged(log, settings, now));
}

/** Mail that a phone or a webmail sent: its bounces look like forged ones. */
function sentMail({ given, now, findings, notes }: DoctorContext, settings: Settings): void {
  const mailboxes = given.values("sent");
  const identities = mailboxes.length > 0 ? soundIdentities(settings) : undefined;
  if (identities === undefined) return;
  const recent = new RecentCount(settings, identities, now);
  for (const mailbox of mailboxes) {
    const unreadable = (path: string, why: string) => void notes.push(`${path} is not counted: ${why}`);
    recent.addMailbox(mailbox, { unreadable, passed: 0, done: 0 });
  }
  const sentence = recentSentence(recent.counts);
  if (sentence === undefined) return;
  if (recent.counts.unknown === 0) notes.push(sentence);
  else {
    findings.push({
      what: sentence,
      where: { file: mailboxes[0]! },
      why: "A genuine bounce of mail that did not pass the shim cannot be distinguished from a forged one.",
      fix: 'Send it through a server that passes it to the shim, or in [incoming]: forged = "mark"',
    });
  }
}

async function round(
  { given, file, now, programs, findings, notes }: DoctorContext,
  settings: Settings,
): Promise<void> {
  const hook = given.value("hook") ?? beside((path) => see(path).kind === "file").hook;
  if (hook === undefined) {
    notes.push("No hook was found beside this program; name it with --hook to check it");
    return;
  }
  const wrong = programs.trouble(hook);
  if (wrong !== undefined) {
    const [what, why] = [`The hook ${hook} ${wrong}`, "Bounces are not judged."];
    findings.push({ what, where: { file: hook }, why, fix: "deno task install" });
    return;
  }
  const identities = soundIdentities(settings);
  if (identities === undefined) return;
  await ownLog(settings.state.folder);
  for (const identity of identities) {
    for (const trial of trials(identity, settings, now)) {
      const argv = [hook, "--as", "filter", "--config", file.file, "--sender", "", "--recipient", trial.recipient];
      const { code, out, said } = await run(argv, trial.message);
      const answer = { code, result: resultIn(out), said };
      const found = checkAnswer(hook, file.file, trial, answer);
      findings.push(...found);
      if (found.length > 0) return; // One of a kind is enough.
    }
  }
}
