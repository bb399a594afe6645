/** What `init` must know: from its options, from what was found, or asked on the terminal. */
import { parseAddress } from "../lib/address.ts";
import { Fail, reason, show } from "../lib/fail.ts";
import type { Arguments } from "./arguments.ts";
import { choice } from "./given.ts";
import { type Found, type Machine, presetFor } from "./machine.ts";

/** What goes into the settings. */
export interface Answers {
  readonly addresses: readonly string[];
  /** Empty: none. */
  readonly srsDomain: string;
  readonly transport: { readonly maildir: string } | { readonly preset: string; readonly command: readonly string[] };
  readonly spam: string;
  /** Answer challenges about one's own messages: each answer is a contract, so it is asked, and "no" the default. */
  readonly challenges: boolean;
}

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
  const contract = "Answer challenges of lists about your own messages? Each answer enters you into their contract";
  const challenges = given.has("challenges") || asked(`${contract} (yes or no)`, "no", checkYesNo) === "yes";
  return { addresses, srsDomain, transport, spam, challenges };
}

function transportOf(
  given: Arguments,
  found: Found,
  machine: Machine,
  path: (text: string) => string,
  asked: Ask,
): Answers["transport"] {
  const via = choice(given, "via", ["command", "maildir", "smtp"]);
  if (via === "smtp") throw new Fail("usage", "Via smtp is not there yet: name a program with --command, as msmtp");
  if (via === "maildir") {
    if (given.has("command") || given.has("preset")) {
      throw new Fail("usage", "Options --command and --preset have no meaning with --via maildir");
    }
    return { maildir: path(given.value("maildir") ?? asked("The maildir for mail that leaves", "~/out", checkPath)) };
  }
  if (given.has("maildir")) throw new Fail("usage", "Option --maildir needs --via maildir");
  const { injector } = found;
  const command = split(
    given.value("command") ?? asked("The program that takes your mail", injector?.program ?? "", checkCommand),
  );
  checkCommand(command.join(" "));
  const own = command.length === 1 && command[0] === injector?.program ? injector?.preset : undefined;
  const preset = given.value("preset") ?? own ?? presetFor(command[0]!, machine);
  if (preset === undefined) {
    throw new Fail("usage", `Say with --preset how ${show(command[0]!)} is called: sendmail, msmtp, exim, …`);
  }
  return { preset, command };
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
  if (all.length === 0) throw new Fail("usage", "No address of yours was found: give --address");
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
      throw new Fail("usage", `SRS domain ${show(domain)} is the address's own: SRS needs another, as srs.${domain}`);
    }
  };
}

function checkYesNo(text: string): void {
  if (text !== "yes" && text !== "no") throw new Fail("usage", `Write yes or no, not ${show(text)}`);
}

function checkCommand(text: string): void {
  const [program] = split(text);
  if (program === undefined) throw new Fail("usage", "No mail program was found: give --command, or --via maildir");
  if (!program.startsWith("/")) throw new Fail("usage", `Program ${show(program)} is not an absolute path`);
}

function inUsage(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    throw new Fail("usage", reason(error));
  }
}
