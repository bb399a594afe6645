/** What `init` must know: from its options, from what was found, or asked on the terminal. */
import { parseAddress } from "../lib/address.ts";
import { Fail, quote } from "../lib/fail.ts";
import type { Settings } from "../lib/settings/parse.ts";
import type { Arguments } from "./arguments.ts";
import { choice } from "./words.ts";
import { PRESET_NAMES, programOf } from "../lib/settings/presets.ts";
import { type Found, type Machine, presetFor } from "./machine.ts";

/** What goes into the settings. */
export interface Answers {
  readonly addresses: readonly string[];
  /** Empty: none. */
  readonly srsDomain: string;
  readonly transport:
    | { readonly maildir: string }
    | { readonly smtp: Smarthost }
    | { readonly preset: string; readonly command: readonly string[] };
  readonly spam: string;
  /** Where the hook itself delivers when it is all that a dot-qmail file holds; empty: the MTA always delivers. */
  readonly inbox: string;
  /** Answer challenges about one's own messages: each answer is a contract, so it is asked, and "no" the default. */
  readonly challenges: boolean;
}

/** A submission server; empty, or 0, where the settings' own default is meant. */
export type Smarthost = Pick<
  Settings["transport"],
  "host" | "port" | "security" | "ca" | "user" | "password_file"
>;

/** Asks for a text, the default offered; undefined: nothing is to be asked. */
export type Ask = (question: string, fallback: string, check: (text: string) => void) => string;

/** All answers. @throws {Fail} `usage`, `config` */
export function answers(given: Arguments, found: Found, machine: Machine, home: string, ask?: Ask): Answers {
  const asked = (question: string, fallback: string, check: (text: string) => void): string => {
    if (ask !== undefined) return ask(question, fallback, check);
    check(fallback);
    return fallback;
  };
  const path = (text: string) => absolute(text, home);

  const addresses = given.has("address")
    ? given.values("address")
    : split(asked("Your addresses, with spaces between", found.addresses[0]?.address ?? "", (text) => {
      checkAddresses(split(text));
    }));
  checkAddresses(addresses);
  // Never a guess: mail for a domain that does not reach the hook would be lost.
  const srsDomain = given.value("srs-domain") ??
    asked("The domain of your SRS addresses; its mail must come to you (empty: none)", "", checkDomain(addresses));
  checkDomain(addresses)(srsDomain);
  const transport = transportOf(given, found, machine, path, asked);
  const spam = path(given.value("spam") ?? asked("The maildir for forged bounces", found.spam, checkPath));
  const inbox = "preset" in transport && transport.preset === "qmail-inject" ? inboxBeside(spam, home) : "";
  const contract = "Answer challenges of lists about your own messages? Each answer enters you into their contract";
  const challenges = given.has("challenges") || asked(`${contract} (yes or no)`, "no", checkYesNo) === "yes";
  return { addresses, srsDomain, transport, spam, inbox, challenges };
}

/** The maildir to which a spam folder of Maildir++ belongs, else the usual one. */
function inboxBeside(spam: string, home: string): string {
  return /^(.+)\/\.[^/]+$/.exec(spam)?.[1] ?? `${home}/Maildir`;
}

function transportOf(
  given: Arguments,
  found: Found,
  machine: Machine,
  path: (text: string) => string,
  asked: Ask,
): Answers["transport"] {
  const via = choice(given, "via", ["command", "smtp", "maildir"]) ?? "command";
  for (const [needed, names] of Object.entries(MEANT)) {
    const odd = names.find((name) => given.has(name));
    if (odd !== undefined && via !== needed) throw new Fail("usage", `Option --${odd} needs --via ${needed}`);
  }
  if (via === "smtp") return { smtp: smarthost(given, path, asked) };
  if (via === "maildir") {
    return { maildir: path(given.value("maildir") ?? asked("The maildir for mail that leaves", "~/out", checkPath)) };
  }
  const { injector } = found;
  const named = given.value("preset");
  // What was found may be another program than the one that is named.
  const usual = () => named === undefined || named === injector?.preset ? injector?.program ?? "" : usualProgram(named);
  const command = split(given.value("command") ?? asked("The program that takes your mail", usual(), checkCommand));
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

/** Options that have a meaning with one way out alone. */
export const MEANT = {
  command: ["command", "preset"],
  smtp: ["host", "port", "security", "ca", "user", "password-file"],
  maildir: ["maildir"],
};

function smarthost(given: Arguments, path: (text: string) => string, asked: Ask): Smarthost {
  const host = given.value("host") ?? asked("The server that takes your mail, as smtp.example.org", "", checkHost);
  checkHost(host);
  const port = given.value("port") ?? "0";
  if (!/^\d{1,5}$/.test(port)) throw new Fail("usage", `Option --port is ${quote(port)}, not a number`);
  // Nobody speaks TLS from the start there (RFC 8314 section 3.3).
  const usual = port === "587" ? "starttls" : "tls";
  const security = choice(given, "security", ["tls", "starttls", "none"]) ?? usual;
  const ca = given.value("ca") === undefined ? "" : path(given.value("ca")!);
  const user = given.value("user") ?? asked("Your user name there (empty: no login)", "", () => {});
  const file = given.value("password-file");
  if (user === "") {
    if (file !== undefined) throw new Fail("usage", "Option --password-file needs --user");
    return { host, port: Number(port), security, ca, user, password_file: "" };
  }
  const password_file = path(file ?? asked("The file that has, or is to have, your password", PASSWORD, checkPath));
  return { host, port: Number(port), security, ca, user, password_file };
}

const PASSWORD = "~/.config/countersign/password";

function checkHost(text: string): void {
  if (text === "") throw new Fail("usage", "No server given", { fix: "give --host" });
}

const split = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

/** `~` is the home, what is relative is meant from where we are. */
function absolute(text: string, home: string): string {
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

function checkYesNo(text: string): void {
  if (text !== "yes" && text !== "no") throw new Fail("usage", `Answer ${quote(text)} is not yes or no`);
}

function checkCommand(text: string): void {
  const [program] = split(text);
  if (program === undefined) {
    throw new Fail("usage", "No mail program found", { fix: "give --command, or --via maildir" });
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
