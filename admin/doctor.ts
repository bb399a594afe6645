/** `countersign doctor`: looks at what is set up, and says what will not work, and what mends it. */
import type { Settings } from "../lib/config.ts";
import { parseAddress } from "../lib/address.ts";
import { Fail, show } from "../lib/fail.ts";
import { configFile, loadIdentities, loadSettings } from "../lib/host.ts";
import { identityName } from "../lib/identity.ts";
import { type Arguments, atMost, runCommand } from "./arguments.ts";
import { beside } from "./beside.ts";
import { checkClock } from "./doctor/clock.ts";
import { checkDns, type Resolver } from "./doctor/dns.ts";
import { type Finding, printFindings, type Programs, type TextFile } from "./doctor/finding.ts";
import { hookCall } from "./doctor/hookline.ts";
import { checkHarmless, checkInjectorFile, checkPrograms, harmless, INJECTOR_FILES } from "./doctor/injector.ts";
import { checkLogged } from "./doctor/log.ts";
import { checkLoop, nobody } from "./doctor/loop.ts";
import {
  look,
  lookAt,
  namesIn,
  onPath,
  ownLog,
  programsOf,
  run,
  see,
  seeUp,
  systemDns,
  userId,
  withNetwork,
} from "./doctor/look.ts";
import { checkMaildrop } from "./doctor/maildrop.ts";
import { checkMutt } from "./doctor/mutt.ts";
import { muttCommands } from "./doctor/muttrc.ts";
import { checkForward, checkPostfix, type PostfixCase } from "./doctor/postfix.ts";
import { checkPermissions } from "./doctor/permissions.ts";
import { checkProcmail } from "./doctor/procmail.ts";
import { checkQmail } from "./doctor/qmail.ts";
import { checkAnswer, resultIn, trials } from "./doctor/round.ts";
import { checkKeys, checkSettings, findingOf, identityLine } from "./doctor/settings.ts";
import { checkSmarthost } from "./doctor/smarthost.ts";
import { checkFolder, checkLog } from "./doctor/state.ts";
import { identityMeant } from "./given.ts";
import { permissions, permissionsFile } from "./permissions.ts";
import { isRich, json, say } from "./terminal.ts";

const HELP = `Usage: countersign doctor [--json] [--hook FILE] [--postconf FILE] [--dns [--host ADDRESS]]
                          [--loop [--address ADDRESS] [--to ADDRESS] [--wait SECONDS]] [--config FILE]
Looks at settings, keys, folders, the program that takes your mail, muttrc, .qmail, .mailfilter, .procmailrc, .forward
and Postfix, and has the hook judge a signed address and a forged one (which is two lines an identity in its log).
Says what is wrong, where, what comes of it, and what mends it. Nothing is changed, and without --loop nothing is sent.

  --json             for programs: {"findings": [{"what", "where": {"file", "line"}, "why", "mend"}], "notes": []}
  --hook FILE        the hook, where it is not the one that was installed with this program
  --postconf FILE    main.cf, master.cf, or what postconf prints of another machine; may be repeated
  --dns              also asks DNS for MX, SPF and DMARC of the domains
  --host ADDRESS     with --dns: a host or address that sends your mail, to be found in SPF; may be repeated
  --loop             also sends a message to somebody who is not there, and waits for its bounce to come home
  --address ADDRESS  with --loop: an address of yours to send from; may be repeated. Default: each
  --to ADDRESS       with --loop: one that another server refuses. Default: one in a domain that does not exist
  --wait SECONDS     with --loop: how long the bounce may take. Default: 60
  --config FILE      settings, instead of ~/.config/countersign/config.toml

Ends with 0 when nothing is wrong, with 1 when something is, with 78 when the settings cannot be read.

Example: countersign doctor --dns --host mail.example.org
Example: countersign doctor --loop --to nobody@example.net`;

/** Options that say more about another one. */
const WITH = { host: "dns", address: "loop", to: "loop", wait: "loop" } as const;

/** What is known when the checks begin. */
interface Visit {
  readonly given: Arguments;
  readonly home: string;
  readonly now: Date;
  /** The settings file, and what it says, when it could be read. */
  readonly file: TextFile;
  readonly settings: Settings | undefined;
  readonly programs: Programs;
  /** The files of --postconf. */
  readonly postconf: readonly TextFile[];
  readonly findings: Finding[];
  readonly notes: string[];
}

/** A part of the examination; most do nothing without settings. */
type Part = (visit: Visit, settings: Settings) => Promise<void> | void;

// The log is looked at before the hook writes to it.
const PARTS: readonly Part[] = [keys, folders, permitted, injectorPart, logged, round];

/**
 * Examines.
 *
 * @param dns asked with `--dns`; default: the system's, where it may be asked
 * @returns 0 clean, 1 with findings, 78 when the settings cannot be read
 */
export function doctor(name: string, args: readonly string[], dns?: Resolver): Promise<number> {
  const values = ["config", "hook", "postconf", ...Object.keys(WITH)];
  const usage = { help: HELP, values, flags: ["json", "dns", "loop"] };
  return runCommand(name, args, usage, async (given) => {
    atMost(given, 0);
    for (const [name, needed] of Object.entries(WITH)) {
      if (given.value(name) !== undefined && !given.has(needed)) {
        throw new Fail("usage", `Option --${name} has no meaning without --${needed}`);
      }
    }
    const patience = secondsOf(given.value("wait"));
    const to = given.value("to") ?? nobody();
    parseAddress(to);
    const visit = begin(given);
    const { settings, findings, notes } = visit;
    if (settings !== undefined) {
      for (const part of PARTS) await part(visit, settings);
      if (given.has("dns")) await askDns(visit, settings, dns ?? await systemDns(), args);
    }
    mutt(visit);
    await filters(visit);
    if (settings !== undefined && given.has("loop")) await loop(visit, settings, to, patience);
    if (given.has("json")) say(json({ findings, notes }));
    else say(printFindings(findings, notes, isRich(Deno.stdout) && !Deno.env.get("NO_COLOR")));
    return settings === undefined ? 78 : findings.length > 0 ? 1 : 0;
  });
}

function begin(given: Arguments): Visit {
  const postconf = given.values("postconf").map(mustLook);
  const place = configFile(given.value("config"));
  const findings: Finding[] = [];
  let settings: Settings | undefined;
  try {
    settings = loadSettings(place);
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    findings.push(findingOf(error, place.file));
  }
  const now = new Date();
  const file = look(place.file) ?? { file: place.file, text: "" };
  if (settings !== undefined) findings.push(...checkSettings(file, settings, now));
  return {
    given,
    home: place.home,
    now,
    file,
    settings,
    programs: programsOf(place.home),
    postconf,
    findings,
    notes: [],
  };
}

function keys({ file, now, findings }: Visit, settings: Settings): void {
  let right = true;
  for (const [nth, one] of settings.identity.entries()) {
    const where = { file: file.file, line: identityLine(file.text, nth) };
    try {
      loadIdentities({ ...settings, identity: [one] });
    } catch (error) {
      if (!(error instanceof Fail)) throw error;
      right = false;
      const found = findingOf(error, one.keys);
      const missing = see(one.keys).kind === "nothing";
      findings.push(missing ? { ...found, where, mend: `countersign keys new --address ${one.address}` } : found);
      continue;
    }
    const text = look(one.keys);
    if (text !== undefined) findings.push(...checkKeys(text, one.address, now));
  }
  if (!right) return;
  try {
    loadIdentities(settings);
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    const last = settings.identity.length - 1;
    const where = { file: file.file, line: identityLine(file.text, last) };
    findings.push({
      ...findingOf(error, file.file),
      where,
      mend: "countersign keys new --address ADDRESS, for one of them",
    });
  }
}

function folders({ findings, notes }: Visit, settings: Settings): void {
  const user = Deno.uid() ?? 0;
  const { state, incoming, transport, challenge, tag } = settings;
  const check = (path: string, purpose: string, own = false) => {
    if (path !== "") findings.push(...checkFolder(seeUp(path), purpose, user, own));
  };
  const before = findings.length;
  check(state, "the folder of the state: log, ledger, what was sent", true);
  for (const part of ["ledger", "ledger/issued", "ledger/claimed", "ledger/spent", "sent"]) {
    // What is below it cannot be right, either.
    if (findings.length > before) break;
    if (see(`${state}/${part}`).kind !== "nothing") check(`${state}/${part}`, "a part of the state", true);
  }
  if (findings.length === before) findings.push(...checkLog(see(`${state}/log`), user));
  if (incoming.spam_command.length === 0) check(incoming.spam, "where forged bounces go (incoming.spam)");
  check(incoming.inbox, "where genuine bounces go (incoming.inbox)");
  if (challenge.answer) check(challenge.answered, "where answered challenges go (challenge.answered)");
  if (tag.pymsgauth !== "") check(tag.pymsgauth, "where pymsgauth's tokens are (tag.pymsgauth)");
  if (transport.via === "maildir") {
    check(transport.maildir, "where what you send goes (transport.maildir)");
    notes.push(`transport.via is "maildir": what you send is kept in ${transport.maildir} and goes nowhere`);
  }
}

function permitted({ file, home, findings, notes }: Visit, settings: Settings): void {
  const path = permissionsFile(file.file);
  const there = look(path);
  try {
    const wanted = permissions(settings, { file: file.file, home });
    if (there !== undefined) findings.push(...checkPermissions(there, wanted));
    else {notes.push(
        "Shim and hook may read, write and run what you may: countersign permit holds them to the settings",
      );}
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    notes.push(`Shim and hook may read, write and run what you may: ${error.message}`);
  }
}

async function injectorPart({ file, programs, findings, notes }: Visit, settings: Settings): Promise<void> {
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

async function round({ given, file, now, programs, findings, notes }: Visit, settings: Settings): Promise<void> {
  const hook = given.value("hook") ?? decodeURIComponent(new URL("hooks/incoming", Deno.mainModule).pathname);
  const wrong = programs.trouble(hook);
  if (wrong !== undefined) {
    if (!given.has("hook") && wrong === "is not there") {
      notes.push("There is no hook beside this program: name it with --hook, and it will be tried");
      return;
    }
    const [what, why] = [`The hook ${hook} ${wrong}`, "Nothing that comes back is judged."];
    findings.push({ what, where: { file: hook }, why, mend: "deno task install" });
    return;
  }
  let identities;
  try {
    identities = loadIdentities(settings);
  } catch (error) {
    if (error instanceof Fail) return; // That is said already.
    throw error;
  }
  await ownLog(settings.state);
  for (const identity of identities) {
    for (const trial of await trials(identity, settings, now)) {
      const argv = [hook, "--as", "filter", "--config", file.file, "--sender", "", "--recipient", trial.recipient];
      const { code, out, said } = await run(argv, trial.message);
      const answer = { code, result: resultIn(out), said };
      const found = checkAnswer(hook, file.file, trial, answer);
      findings.push(...found);
      if (found.length > 0) return; // One of a kind is enough.
    }
  }
}

function logged({ now, findings }: Visit, settings: Settings): void {
  const log = look(`${settings.state}/log`);
  if (log !== undefined) findings.push(...checkClock(log, now), ...checkLogged(log, settings, now));
}

/** Where each mutt looks for its settings; the first that is there counts. */
function muttFiles(home: string): [string, string[]][] {
  const config = Deno.env.get("XDG_CONFIG_HOME") || `${home}/.config`;
  const mutt = [`${home}/.muttrc`, `${home}/.mutt/muttrc`, `${config}/mutt/muttrc`];
  const neomutt = [`${home}/.neomuttrc`, `${home}/.neomutt/neomuttrc`, `${config}/neomutt/neomuttrc`];
  return [["/etc/Muttrc", mutt], ["/etc/neomuttrc", neomutt]];
}

function mutt({ home, settings, programs, findings }: Visit): void {
  const read = (path: string) => look(path)?.text;
  const identities = settings?.identity.map(({ address }) => address.toLowerCase());
  for (const [site, own] of muttFiles(home)) {
    const file = own.find((path) => see(path).kind === "file");
    if (file === undefined) continue;
    const commands = [...muttCommands(site, home, read), ...muttCommands(file, home, read)];
    const shim = onPath("shim") ?? "/usr/local/bin/shim";
    findings.push(...checkMutt({ file, home, commands, identities, programs, onPath, shim }));
  }
}

async function filters({ file, postconf, home, settings, programs, findings, notes }: Visit): Promise<void> {
  const place = settings === undefined || settings.incoming.inbox !== "" || settings.incoming.forward;
  const qmail = lookAt(namesIn(home).filter((name) => /^\.qmail(-|$)/.test(name)).map((name) => `${home}/${name}`));
  const { kind, mode } = see(home);
  const bits = kind === "folder" ? { home: { path: home, mode } } : {};
  findings.push(...checkQmail(qmail, { programs, place, ...bits }));
  const maildrop = lookAt([`${home}/.mailfilter`]);
  for (const file of maildrop) findings.push(...checkMaildrop(file, programs));
  const procmail = lookAt([`${home}/.procmailrc`]);
  for (const file of procmail) findings.push(...checkProcmail(file, programs));

  const srsDomains = [...new Set(settings?.identity.map((one) => one.srs_domain.toLowerCase()) ?? [])];
  const local = ["postfix", "sendmail"].includes(settings?.transport.preset ?? "");
  const context: PostfixCase = {
    programs,
    place,
    srsDomains: srsDomains.filter((domain) => domain !== ""),
    smtp: postconf.length > 0 || !local,
    config: file.file,
    stateTrouble: (user) => {
      const uid = userId(user);
      if (settings === undefined || uid === undefined) return undefined;
      return checkFolder(seeUp(settings.state), "the folder of the state", uid, true)[0];
    },
  };
  const forward = lookAt([`${home}/.forward`]);
  for (const file of forward) findings.push(...checkForward(file, context));
  const postfix = postconf.length > 0 ? postconf : await postfixFiles();
  findings.push(...checkPostfix(postfix, context));

  const all = [...qmail, ...maildrop, ...procmail, ...forward, ...postfix];
  if (!all.some(({ text }) => hookCall(text) !== undefined)) {
    notes.push("No mail filter that can be seen from here calls the hook: contrib/ has lines for each");
  }
}

function mustLook(path: string): TextFile {
  const file = look(path);
  if (file === undefined) throw new Fail("usage", `File ${path} of --postconf cannot be read`);
  return file;
}

/** The configuration of the Postfix on this machine, with the names that it gives itself. */
async function postfixFiles(): Promise<TextFile[]> {
  const postconf = ["/usr/sbin/postconf", "/usr/local/sbin/postconf"].find((path) => see(path).kind === "file");
  if (postconf === undefined) return [];
  const folder = (await run([postconf, "-h", "config_directory"])).out.trim();
  if (folder === "") return [];
  const names = (await run([postconf, "mydomain", "myhostname"])).out;
  return [{ file: `${folder}/main.cf`, text: names }, ...lookAt([`${folder}/main.cf`, `${folder}/master.cf`])];
}

/** The last of all: it takes its time, and what else is wrong may be why it fails. */
async function loop(visit: Visit, settings: Settings, to: string, patience: number): Promise<void> {
  const { given, file, findings, notes } = visit;
  if (settings.transport.via === "maildir") return; // that it goes nowhere is said already
  const shim = beside((path) => see(path).kind === "file").shim ?? onPath("shim");
  if (shim === undefined) {
    notes.push("No message was sent: there is no shim beside this program, and none in PATH");
    return;
  }
  let identities;
  try {
    identities = loadIdentities(settings);
  } catch (error) {
    if (error instanceof Fail) return; // That is said already.
    throw error;
  }
  const asked = given.values("address").map((one) => identityMeant(identities, one));
  const from = (asked.length > 0 ? asked : identities).map((one) => ({
    name: identityName(one),
    where: { file: file.file, line: identityLine(file.text, identities.indexOf(one)) },
  }));
  const send = (argv: readonly string[], message: string) => run(argv, message, { COUNTERSIGN_CONFIG: file.file });
  const seen = await checkLoop({ from, to, patience, settings, shim, send });
  findings.push(...seen.findings);
  notes.push(...seen.notes);
}

/** Milliseconds. @throws {Fail} `usage` */
function secondsOf(text = "60"): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text) * 1000;
  throw new Fail("usage", `Option --wait is ${show(text)}, not a number of seconds as 60`);
}

async function askDns(
  visit: Visit,
  settings: Settings,
  dns: Resolver | undefined,
  args: readonly string[],
): Promise<void> {
  const { given, file, findings, notes } = visit;
  if (dns === undefined) {
    notes.push(`DNS was not asked: this program may not use the network. So it may: ${withNetwork("doctor", args)}`);
    return;
  }
  const where = (nth: number) => ({ file: file.file, line: identityLine(file.text, nth) });
  const found = await checkDns(settings, where, given.values("host"), dns);
  findings.push(...found.findings);
  notes.push(...found.notes);
}
