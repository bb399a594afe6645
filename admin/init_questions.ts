/** Collects what `init` needs to know: from options, from what was found on the machine, or by asking on the terminal. */
import { parseAddress } from "../lib/address.ts";
import { Fail, quote } from "../lib/fail.ts";
import type { Settings } from "../lib/settings/parse.ts";
import type { Arguments } from "./arguments.ts";
import { choice } from "./option_values.ts";
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
  /** The maildir for a hook that is the only line of a dot-qmail file; empty if the MTA always delivers. */
  readonly inbox: string;
  /** Whether challenges are answered. Each answer enters into a contract, so that the default is no. */
  readonly challenges: boolean;
}

/** A submission server; empty values, or 0, stand for the default of the setting. */
export type Smarthost = Pick<
  Settings["transport"],
  "host" | "port" | "security" | "ca" | "user" | "password_file"
>;

/** Asks a question on the terminal, offering a default. */
export type Ask = (question: string, fallback: string, check: (text: string) => void) => string;

/** Returns all answers; without `ask`, takes the defaults. @throws {Fail} `usage`, `config` */
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
      "SRS domain, whose mail must be delivered to you (empty for none)",
      "",
      checkDomain(addresses),
    );
  checkDomain(addresses)(srsDomain);
  const transport = transportOf(options, found, machine, path, askOrDefault);
  const spam = path(options.value("spam") ?? askOrDefault("Maildir for forged bounces", found.spam, checkPath));
  const inbox = "preset" in transport && transport.preset === "qmail-inject" ? inboxOf(spam, home) : "";
  const contract =
    "Answer challenges about messages that you sent? By each answer you accept the contract that it states";
  const challenges = options.has("challenges") || askOrDefault(`${contract} (yes or no)`, "no", checkYesNo) === "yes";
  return { addresses, srsDomain, transport, spam, inbox, challenges };
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
  const command = split(
    options.value("command") ?? askOrDefault("Program that sends your mail", usual(), checkCommand),
  );
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

function smarthost(options: Arguments, path: (text: string) => string, askOrDefault: Ask): Smarthost {
  const host = options.value("host") ?? askOrDefault("Submission server, such as smtp.example.org", "", checkHost);
  checkHost(host);
  const port = options.value("port") ?? "0";
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
  const password_file = path(
    file ?? askOrDefault("File with your password; it may be created later", PASSWORD, checkPath),
  );
  return { host, port: Number(port), security, ca, user, password_file };
}

const PASSWORD = "~/.config/countersign/password";

function checkHost(text: string): void {
  if (text === "") throw new Fail("usage", "No server given", { fix: "give --host" });
}

const split = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

/** Returns an absolute path; `~` is the home directory, and relative paths start at the current one. */
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
