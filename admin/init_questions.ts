/**
 * Collects what `init` needs to know: from options, from what was found on the machine, or by asking on the terminal.
 */
import { parseAddress } from "../lib/address.ts";
import { Fail, quote } from "../lib/fail.ts";
import type { Settings } from "../lib/settings/parse.ts";
import type { Arguments } from "./arguments.ts";
import { choice } from "./option_values.ts";
import { withPath } from "../lib/settings/mailbox.ts";
import { serverName } from "../lib/settings/values.ts";
import { PRESET_NAMES, programOf } from "../lib/settings/presets.ts";
import { type Found, type Machine, presetFor } from "./machine.ts";

/** The values for the settings. */
export interface Answers {
  readonly addresses: readonly string[];
  /** Empty for none. */
  readonly srsDomain: string;
  readonly transport:
    | { readonly maildir: string }
    | { readonly smtp: Smarthost }
    | { readonly preset: string; readonly command: readonly string[] };
  readonly spam: string;
  /**
   * The mailbox of a hook after which nothing delivers: the only line of a dot-qmail file, or under Postfix. Else
   * empty.
   */
  readonly inbox: string;
  /** Whether challenges are answered. Each answer enters into a contract, so that the default is no. */
  readonly challenges: boolean;
}

/** A submission server; empty values, or 0, stand for the default of the setting. */
export type Smarthost = Pick<
  Settings["transport"],
  "host" | "port" | "security" | "ca" | "user" | "password_file"
>;

/** What is said before the first question. */
export const ENTER = "Press Enter to accept the answer shown. Nothing is written before the last answer.";

/** Asks a question on the terminal, offering a default. */
export type Ask = (question: string, fallback: string, check: (text: string) => void) => string;

/**
 * Returns all answers; without `ask`, takes the defaults. Asks at most five questions: addresses, SRS domain, program,
 * or server and login, the mailbox where Postfix delivers to an mbox, and challenges.
 *
 * @throws {Fail} `usage`, `config`
 */
export function answers(options: Arguments, found: Found, machine: Machine, home: string, ask?: Ask): Answers {
  const askOrDefault = (question: string, fallback: string, check: (text: string) => void): string => {
    if (ask !== undefined) return ask(question, fallback, check);
    check(fallback);
    return fallback;
  };
  const path = (text: string) => absolute(text, home);

  const addresses = options.has("address")
    ? options.values("address")
    : split(askOrDefault("Your addresses, separated by spaces", found.addresses[0]?.address ?? "", (text) => {
      checkAddresses(split(text));
    }));
  checkAddresses(addresses);
  // No default: bounces to a domain whose mail does not reach the hook would be lost.
  const srsDomain = options.value("srs-domain") ??
    askOrDefault(
      "SRS domain (its mail must reach you; empty for none)",
      "",
      checkDomain(addresses),
    );
  checkDomain(addresses)(srsDomain);
  const transport = transportOf(options, found, machine, path, askOrDefault);
  const spam = withPath(options.value("spam") ?? found.spam, path);
  const preset = "preset" in transport ? transport.preset : "";
  const inbox = options.has("inbox")
    ? withPath(options.value("inbox")!, path)
    : preset === "qmail-inject"
    ? inboxOf(spam, home)
    : preset === "postfix" && found.mbox !== undefined
    ? mailbox(askOrDefault(...mailboxQuestion(found.mbox, machine), checkPath), found.mbox, path)
    : "";
  const contract = "Answer challenges? By answering you accept the contract that they state";
  const challenges = options.has("challenges") || yesOrNo(askOrDefault, contract, false);
  return { addresses, srsDomain, transport, spam, inbox, challenges };
}

/** Programs by which the hook locks an mbox. */
const LOCKERS = ["/usr/bin/dotlockfile", "/usr/bin/perl"];

/** The question where the hook delivers instead of Postfix, and the default: the same file, if the hook can lock it. */
function mailboxQuestion(mbox: string, machine: Machine): [string, string] {
  const fallback = LOCKERS.every(machine.exists) ? `mbox:${mbox}` : "~/Maildir";
  return [`Your mailbox (Postfix delivers to ${mbox}), or a maildir`, fallback];
}

/** Returns the value of incoming.inbox. `mbox` is a file in this format, even if the answer is only its path. */
function mailbox(answer: string, mbox: string, path: (text: string) => string): string {
  const value = withPath(answer, path);
  return value === mbox ? `mbox:${mbox}` : value;
}

/** Returns the maildir that a Maildir++ spam folder belongs to; otherwise ~/Maildir. */
function inboxOf(spam: string, home: string): string {
  return /^(.+)\/\.[^/]+$/.exec(spam)?.[1] ?? `${home}/Maildir`;
}

function transportOf(
  options: Arguments,
  found: Found,
  machine: Machine,
  path: (text: string) => string,
  askOrDefault: Ask,
): Answers["transport"] {
  const via = choice(options, "via", ["command", "smtp", "maildir"]) ?? "command";
  for (const [needed, names] of Object.entries(VIA_OPTIONS)) {
    const odd = names.find((name) => options.has(name));
    if (odd !== undefined && via !== needed) throw new Fail("usage", `Option --${odd} needs --via ${needed}`);
  }
  if (via === "smtp") return { smtp: smarthost(options, path, askOrDefault) };
  if (via === "maildir") {
    return { maildir: path(options.value("maildir") ?? askOrDefault("Maildir for outgoing mail", "~/out", checkPath)) };
  }
  const { injector } = found;
  const named = options.value("preset");
  // The program that was found may not be the one that --preset names.
  const usual = () => named === undefined || named === injector?.preset ? injector?.program ?? "" : usualProgram(named);
  const question = "Program that sends your mail, or your provider's server";
  const answer = options.value("command") ?? askOrDefault(question, usual(), (text) => {
    if (named !== undefined || !isServer(text)) checkCommand(text);
  });
  if (!options.has("command") && named === undefined && isServer(answer)) {
    return { smtp: smarthost(options, path, askOrDefault, answer) };
  }
  const command = split(answer);
  checkCommand(command.join(" "));
  const own = command.length === 1 && command[0] === injector?.program ? injector?.preset : undefined;
  const preset = named ?? own ?? presetFor(command[0]!, machine);
  if (preset === undefined) {
    const fix = `give --preset with one of ${PRESET_NAMES.join(", ")}`;
    throw new Fail("usage", `No preset known for ${quote(command[0]!)}`, { fix });
  }
  return { preset, command };
}

function usualProgram(preset: string): string {
  let program = "";
  inUsage(() => program = programOf(preset, []));
  return program;
}

/** The options that are valid with one value of --via only. */
export const VIA_OPTIONS = {
  command: ["command", "preset"],
  smtp: ["host", "port", "security", "ca", "user", "password-file"],
  maildir: ["maildir"],
};

/** Whether this is the name of a server, and not the path of a program. */
const isServer = (text: string): boolean => /^[\w-]+(?:\.[\w-]+)+(?::\d+)?$/.test(text);

/** @param known the server, if it is known already */
function smarthost(options: Arguments, path: (text: string) => string, askOrDefault: Ask, known?: string): Smarthost {
  const server = known ?? options.value("host") ??
    askOrDefault("Submission server, such as smtp.example.org", "", checkServer);
  checkServer(server);
  const { host, port: itsPort } = withPort(server);
  const port = options.value("port") ?? itsPort ?? "0";
  if (!/^\d{1,5}$/.test(port)) throw new Fail("usage", `Option --port is ${quote(port)}, not a number`);
  // Port 587 uses STARTTLS (RFC 8314 section 3.3).
  const usual = port === "587" ? "starttls" : "tls";
  const security = choice(options, "security", ["tls", "starttls", "none"]) ?? usual;
  const ca = options.value("ca") === undefined ? "" : path(options.value("ca")!);
  const user = options.value("user") ?? askOrDefault("Login name (empty for no login)", "", () => {});
  const file = options.value("password-file");
  if (user === "") {
    if (file !== undefined) throw new Fail("usage", "Option --password-file needs --user");
    return { host, port: Number(port), security, ca, user, password_file: "" };
  }
  return { host, port: Number(port), security, ca, user, password_file: path(file ?? PASSWORD) };
}

const PASSWORD = "~/.config/countersign/password";

function checkServer(text: string): void {
  if (text === "") throw new Fail("usage", "No server given", { fix: "give --host" });
  inUsage(() => serverName(withPort(text).host));
}

/** Splits NAME:PORT, as providers write it. An IPv6 address has more colons. */
function withPort(text: string): { host: string; port?: string } {
  const [, host, port] = /^([^:]*):(\d{1,5})$/.exec(text) ?? [];
  return host === undefined || port === undefined ? { host: text } : { host, port };
}

const split = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

/** Returns an absolute path; `~` is the home directory, and relative paths start at the current one. */
export function absolute(text: string, home: string): string {
  checkPath(text);
  if (/^~(?:\/|$)/.test(text)) return home + text.slice(1);
  return text.startsWith("/") ? text : `${Deno.cwd()}/${text}`;
}

function checkPath(text: string): void {
  if (text === "") throw new Fail("usage", "The path is empty");
}

function checkAddresses(all: readonly string[]): void {
  if (all.length === 0) throw new Fail("usage", "No address found", { fix: "give --address" });
  for (const address of all) inUsage(() => parseAddress(address));
  if (new Set(all.map((one) => one.toLowerCase())).size < all.length) {
    throw new Fail("usage", "An address is given twice");
  }
}

function checkDomain(addresses: readonly string[]): (text: string) => void {
  return (domain) => {
    if (domain === "") return;
    inUsage(() => parseAddress(`x@${domain}`));
    if (addresses.some((one) => one.toLowerCase().endsWith(`@${domain.toLowerCase()}`))) {
      const fix = `use another one, such as srs.${domain}`;
      throw new Fail("usage", `SRS domain ${quote(domain)} is the domain of the address itself`, { fix });
    }
  };
}

/** Asks a question with yes or no. @param usual the answer that Enter stands for */
export function yesOrNo(ask: Ask, question: string, usual: boolean): boolean {
  const answer = ask(`${question} (${usual ? "Y/n" : "y/N"})`, "", (text) => {
    if (!/^(?:y|yes|n|no)?$/i.test(text)) throw new Fail("usage", `Answer ${quote(text)} is not yes or no`);
  });
  return answer === "" ? usual : /^y/i.test(answer);
}

function checkCommand(text: string): void {
  const [program] = split(text);
  if (program === undefined) {
    throw new Fail("usage", "No mail program found", { fix: "give --command, or --via smtp" });
  }
  if (!program.startsWith("/")) throw new Fail("usage", `Program ${quote(program)} is not an absolute path`);
}

function inUsage(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    throw new Fail("usage", error.message, { fix: error.fix });
  }
}
