/** Checks that mutt and neomutt send through the shim, with the address of an identity as sender. */
import { formatAddress, parseAddressList } from "../../lib/address.ts";
import { quote } from "../../lib/fail.ts";
import { type Finding, findingsOf, type Programs, type Where } from "./finding.ts";
import type { FindingId } from "./ids.ts";
import type { MuttCommand } from "./muttrc.ts";

/** The settings of mutt, and what is needed to check them. */
export interface MuttContext {
  /** The file that mutt reads first. */
  readonly file: string;
  readonly home: string;
  readonly commands: readonly MuttCommand[];
  /** Addresses of the identities, in lower case; undefined if the settings could not be read. */
  readonly identities: readonly string[] | undefined;
  readonly programs: Programs;
  /** Finds a program in PATH; undefined if it is missing. */
  readonly onPath: (name: string) => string | undefined;
  /** The path of the shim, for the suggested fix. */
  readonly shim: string;
}

/** An assignment to a setting. */
interface Assignment {
  readonly name: string;
  readonly value: string;
  readonly command: MuttCommand;
}

/** Checks a muttrc with the files that it sources. */
export function checkMutt(context: MuttContext): Finding[] {
  const { file, commands } = context;
  const found: Finding[] = [];
  const add: Add = (id, what, at, why, fix) => {
    const { list, add } = findingsOf(at.file);
    add(id, what, at.line, why, fix);
    found.push(...list);
  };
  const all = commands.flatMap(assignments);
  const last = (name: string) => all.findLast((one) => one.name === name && !one.command.hooked);
  const line = `set sendmail="${context.shim}"`;

  const smtp = last("smtp_url");
  if (smtp !== undefined && smtp.value !== "") {
    add(
      "mutt-smtp",
      "mutt speaks SMTP itself",
      smtp.command,
      "With smtp_url mutt does not run sendmail, and nothing is signed.",
      "unset smtp_url",
    );
  }
  const everywhere = last("sendmail");
  if (everywhere === undefined) {
    add(
      "mutt-no-shim",
      "mutt does not send through the shim: sendmail is not set",
      { file },
      "Its mail is not signed.",
      line,
    );
  }
  const sendmails = all.filter((one) => one.name === "sendmail" && one.command.hooked);
  for (const { value, command } of everywhere === undefined ? sendmails : [everywhere, ...sendmails]) {
    const wrong = sendmailWrong(value, context);
    if (wrong !== undefined) add(wrong.id, wrong.what, command, wrong.why, line);
  }

  const wait = all.findLast((one) => one.name === "sendmail_wait");
  if (wait !== undefined && Number(wait.value) !== 0) {
    add(
      "mutt-sendmail-wait",
      `sendmail_wait is ${wait.value}`,
      wait.command,
      "mutt does not wait for the shim's status and takes a failure for sent: the message is lost.",
      "set sendmail_wait=0",
    );
  }
  checkSenders(context, all, add);
  return found;
}

/**
 * Returns whether mutt makes up its address, from the login name and the name of the computer. $EMAIL is the caller's.
 */
export function makesUpFrom(commands: readonly MuttCommand[]): boolean {
  const header = commands.some(({ words: [verb, field] }) => verb === "my_hdr" && /^from:/i.test(field ?? ""));
  return !header && !commands.flatMap(assignments).some(({ name }) => name === "from" || name === "hostname");
}

function sendmailWrong(value: string, context: MuttContext): Pick<Finding, "id" | "what" | "why"> | undefined {
  const [word = "", second] = value.split(" ").filter((one) => one !== "");
  const why = "Mail from mutt is not signed.";
  if (/["'\\]/.test(value)) {
    return {
      id: "mutt-sendmail-quotes",
      what: `sendmail is ${value}: mutt splits it at spaces and does not support quotes`,
      why: "mutt would run another program and send nothing.",
    };
  }
  const path = word.replace(/^~(?=\/)|^\$HOME(?=\/)/, context.home);
  const program = path.startsWith("/") ? path : context.onPath(path);
  const wrong = program === undefined ? "is not in PATH" : context.programs.trouble(program);
  if (wrong !== undefined) {
    return { id: "mutt-sendmail-unusable", what: `sendmail: ${word} ${wrong}`, why: "mutt cannot send mail." };
  }
  const command = /\/countersign$/.test(program!) && second === "shim";
  return command || context.programs.isShim(program!)
    ? undefined
    : { id: "mutt-other-sendmail", what: `sendmail is ${word}, which is not the shim`, why };
}

type Add = (id: FindingId, what: string, at: Where, why: string, fix: string) => void;

/** Checks that `from` and envelope_from_address each have one address, which is an identity. */
function checkSenders({ identities }: MuttContext, all: readonly Assignment[], add: Add): void {
  const uses = all.filter(isUse);
  // A hook may enable it for some messages; otherwise the last assignment counts.
  const used = uses.some(({ value, command }) => command.hooked && value === "yes") ||
    uses.findLast(({ command }) => !command.hooked)?.value === "yes";
  for (const one of all) {
    const envelope = one.name === "envelope_from_address";
    if ((!envelope && (one.name !== "from" || one.command.hooked)) || /[`$]/.test(one.value)) continue;
    const addresses = addressesIn(one.value);
    const [first] = addresses;
    if (first === undefined) continue;
    if (envelope && !used) {
      add(
        "mutt-envelope-unused",
        "envelope_from_address is set, use_envelope_from is not",
        one.command,
        "mutt then gives no envelope sender, and the address does nothing.",
        "set use_envelope_from=yes",
      );
    }
    if (envelope && addresses.length > 1) {
      add(
        "mutt-envelope-several",
        `envelope_from_address has ${addresses.length} addresses`,
        one.command,
        "mutt writes to the second as if it were a recipient.",
        `set envelope_from_address="${first}"`,
      );
    }
    if (identities !== undefined && !identities.includes(first.toLowerCase())) {
      add(
        "mutt-identity",
        `${one.name} ${quote(first)} is not an identity in the settings`,
        one.command,
        "Mail with this sender is sent unchanged, unsigned and without a tag.",
        `In config.toml: [[identity]] address = "${first}", with its own key file`,
      );
    }
  }
}

const isUse = ({ name }: Assignment): boolean => name === "use_envelope_from" || name === "envelope_from";

function addressesIn(value: string): string[] {
  try {
    return parseAddressList(value).flatMap(({ address }) => address === null ? [] : [formatAddress(address)]);
  } catch {
    return []; // A local name, or syntax that only mutt understands.
  }
}

/** Returns the assignments of a `set`, `unset`, `toggle` or `reset`; booleans have the value `yes` or an empty one. */
function assignments(command: MuttCommand): Assignment[] {
  const [verb, ...rest] = command.words;
  if (!["set", "unset", "reset", "toggle"].includes(verb ?? "")) return [];
  return rest.flatMap((word) => {
    const [, front = "", name = "", value] = /^(no|inv|&|\?)?([a-z_]+)(?:[-+]?=(.*))?$/s.exec(word) ?? [];
    if (name === "" || front === "?") return [];
    const off = verb === "unset" || verb === "reset" || front === "no" || front === "&";
    return [{ name, value: off ? "" : value ?? "yes", command }];
  });
}
