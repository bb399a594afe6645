/**
 * Checks the mail servers that query `countersign serve` through the socket `lookup`: OpenSMTPD with its filter, Exim
 * with the lines of contrib/exim/door, and qmail-smtpd with hooks/queue.
 */
import { START } from "./serve.ts";
import { type Finding, findingsOf, type Programs, type TextFile } from "./finding.ts";
import { USUAL_LOOKUP } from "../../lib/paths.ts";

/** The settings that the checks need. */
export interface ClientContext {
  readonly programs: Programs;
  /** The socket `lookup`, and the folder of the other sockets; empty if serve is not configured. */
  readonly lookup: string;
  readonly folder: string;
  readonly srsDomains: readonly string[];
  /** Returns whether there is certainly no such file. */
  missing(path: string): boolean;
  /**
   * Returns the first of these users that exists, and why they cannot open a socket; undefined if they can, or if that
   * is unknown.
   */
  denied(socket: string, users: readonly string[], groups: "primary" | "all"): SocketDenied | undefined;
}

/** A user, and why they cannot open a socket. */
export interface SocketDenied {
  readonly user: string;
  readonly why: string;
}

/** Where the configurations are. */
export const OPENSMTPD_FILES = ["/etc/smtpd.conf", "/etc/mail/smtpd.conf"];
export const EXIM_FILES = ["/etc/exim4/exim4.conf", "/etc/exim4/exim4.conf.template", "/etc/exim/exim.conf"];
export const TCPRULES_FILES = ["/etc/tcp.smtp", "/etc/tcprules.d/tcp.smtp", "/home/vpopmail/etc/tcp.smtp"];

const NO_LISTENER = "Nothing listens there, so all mail is accepted unexamined.";
const NOT_QUERIED = "countersign serve cannot be queried, so all mail is accepted unexamined.";
const QUEUED = "Bounces to signed addresses stay in the queue.";

/** Checks smtpd.conf, if it names the filter. */
export function checkOpenSmtpd({ file, text }: TextFile, context: ClientContext): Finding[] {
  const { list, add } = findingsOf(file);
  const lines = linesOf(text);
  const defined = lines.map(({ line, number }) => ({ line, number, match: FILTER.exec(line) })).find(({ match }) =>
    match
  );
  if (defined?.match == null) return [];
  const { line, number, match: [, name = "", command = ""] } = defined;
  const program = command.split(/\s+/).find((word) => /\/opensmtpd$/.test(word)) ?? "";
  const trouble = context.programs.trouble(program);
  if (trouble !== undefined) {
    add(
      "opensmtpd-program",
      trouble,
      number,
      "smtpd does not start without its filter.",
      "Correct the path of hooks/opensmtpd",
    );
  }
  checkSocket(line, number, context, add);
  checkPresent("lookup", context.lookup, NOT_QUERIED, number, context, add);
  // smtpd gives a filter the primary group alone.
  const own = /\buser\s+"?([\w.-]+)/.exec(line.slice(line.lastIndexOf('"')))?.[1];
  checkAccess(context.lookup, own === undefined ? SMTPD_USERS : [own], "primary", number, context, add);
  const named = new RegExp(`\\bfilter\\s+(?:"${escaped(name)}"|${escaped(name)}\\b|\\{[^}]*"${escaped(name)}")`);
  const chained = lines.some((one) => new RegExp(`\\bchain\\b.*"?${escaped(name)}\\b`).test(one.line));
  if (!chained && !lines.some((one) => /^listen\b/.test(one.line) && named.test(one.line))) {
    add(
      "opensmtpd-listener",
      `No listener uses the filter ${name}`,
      number,
      "smtpd starts it and never asks it.",
      `listen on … port 25 filter "${name}"`,
    );
  }
  for (const domain of context.srsDomains) {
    // A table may contain the domain.
    if (lines.some((one) => /^match\b/.test(one.line) && (one.line.includes(domain) || one.line.includes("<")))) {
      continue;
    }
    add(
      "opensmtpd-match",
      `No match line accepts mail for ${domain}`,
      undefined,
      "smtpd rejects all bounces to signed addresses.",
      `match from any for domain "${domain}" action "countersign"`,
    );
  }
  return list;
}

const SMTPD_USERS = ["opensmtpd", "_smtpd", "smtpd"];
const EXIM_USERS = ["Debian-exim", "exim"];

const FILTER = /^filter\s+"?([^\s"]+)"?\s+proc(?:-exec)?\s+"([^"]*\/hooks\/opensmtpd\b[^"]*)"/;

/** Checks the configuration of Exim, if it contains the lines of contrib/exim/door. */
export function checkEximDoor({ file, text }: TextFile, context: ClientContext): Finding[] {
  const { list, add } = findingsOf(file);
  const lines = linesOf(text);
  const macro = (name: string) => {
    const found = lines.find(({ line }) => new RegExp(`^${name}\\s*=`).test(line));
    return found && { number: found.number, value: found.line.replace(/^[^=]*=\s*/, "") };
  };
  const lookup = macro("COUNTERSIGN_LOOKUP");
  if (lookup === undefined) return [];
  if (context.lookup !== "" && lookup.value !== context.lookup) {
    add(
      "exim-lookup",
      `COUNTERSIGN_LOOKUP is ${lookup.value}, but serve listens on ${context.lookup}`,
      lookup.number,
      NO_LISTENER,
      `COUNTERSIGN_LOOKUP = ${context.lookup}`,
    );
  }
  const map = macro("COUNTERSIGN_MAP");
  if (map !== undefined && context.folder !== "" && map.value !== `${context.folder}/map`) {
    add(
      "exim-map",
      `COUNTERSIGN_MAP is ${map.value}, but serve listens on ${context.folder}/map`,
      map.number,
      QUEUED,
      `COUNTERSIGN_MAP = ${context.folder}/map`,
    );
  }
  checkPresent("lookup", context.lookup, NOT_QUERIED, lookup.number, context, add);
  if (map !== undefined && context.folder !== "") {
    checkPresent("map", `${context.folder}/map`, QUEUED, map.number, context, add);
  }
  checkAccess(context.lookup, EXIM_USERS, "all", lookup.number, context, add);
  const uses = (what: RegExp) => lines.some(({ line }) => what.test(line));
  if (!uses(/request":"judge"/)) {
    add(
      "exim-acl",
      "COUNTERSIGN_LOOKUP is set, but no ACL uses it",
      lookup.number,
      "Forged bounces are accepted.",
      "Add the lines for the ACLs of contrib/exim/door/exim.conf",
    );
  } else if (!uses(/"length":/)) {
    add(
      "exim-data",
      "The ACL for DATA does not query Countersign",
      lookup.number,
      "Bounces to the plain address are accepted unexamined, one recipient at a time.",
      "Add the lines for the ACL for DATA of contrib/exim/door/exim.conf",
    );
  } else if (!uses(/^message_body_newlines\s*(?:=\s*(?:true|yes))?$/)) {
    add(
      "exim-newlines",
      "message_body_newlines is not set",
      undefined,
      "The body that Countersign judges is one long line, so a returned header is not found.",
      "Set message_body_newlines = true in the main section",
    );
  }
  return list;
}

/** Checks the rules of tcpserver, if one of them starts hooks/queue. */
export function checkTcpRules({ file, text }: TextFile, context: ClientContext): Finding[] {
  const { list, add } = findingsOf(file);
  for (const { line, number } of linesOf(text)) {
    const queue = /,QMAILQUEUE=(["'/])(.*?\/hooks\/queue)\1/.exec(line)?.[2];
    if (queue === undefined) continue;
    const trouble = context.programs.trouble(queue);
    if (trouble !== undefined) {
      add(
        "qmail-program",
        trouble,
        number,
        "qmail-smtpd defers all mail (451 unable to exec qq).",
        "Correct the path of hooks/queue",
      );
    }
    checkSocket(line, number, context, add);
    checkPresent("lookup", context.lookup, NOT_QUERIED, number, context, add);
    const next = valueOf(line, "COUNTERSIGN_QUEUE") ?? "/var/qmail/bin/qmail-queue";
    const broken = context.programs.trouble(next);
    if (broken !== undefined) {
      add(
        "qmail-queue",
        broken,
        number,
        "hooks/queue starts it, so that all mail is deferred (81).",
        "Set COUNTERSIGN_QUEUE",
      );
    }
    if (/,RELAYCLIENT=/.test(line)) {
      add(
        "qmail-relay",
        "The line sets RELAYCLIENT and QMAILQUEUE",
        number,
        "Mail of clients that may relay is not examined.",
        "Remove QMAILQUEUE, unless its program also does something else",
      );
    }
  }
  return list;
}

type Add = ReturnType<typeof findingsOf>["add"];

/** Reports a client that uses another socket than the one on which serve listens. */
function checkSocket(line: string, number: number, { lookup }: ClientContext, add: Add): void {
  const asked = valueOf(line, "COUNTERSIGN_LOOKUP") ?? USUAL_LOOKUP;
  if (lookup === "" || asked === lookup) return;
  add(
    "lookup-socket",
    `hooks/queue uses the socket ${asked}, but serve listens on ${lookup}`,
    number,
    NO_LISTENER,
    `Set COUNTERSIGN_LOOKUP=${lookup}`,
  );
}

/** Reports a socket that does not exist: with systemd, only those whose units are enabled do. */
function checkPresent(
  name: "lookup" | "map",
  path: string,
  why: string,
  number: number,
  { missing }: ClientContext,
  add: Add,
): void {
  if (path === "" || !missing(path)) return;
  const fix = `${START}; with systemd, enable countersign-${name}.socket with ListenStream=${path}`;
  add(`${name}-missing`, `The socket ${path} does not exist`, number, why, fix);
}

/** Reports a user who cannot open the socket. */
function checkAccess(
  socket: string,
  users: readonly string[],
  groups: "primary" | "all",
  number: number,
  { denied }: ClientContext,
  add: Add,
): void {
  const found = socket === "" ? undefined : denied(socket, users, groups);
  if (found === undefined) return;
  const { user, why } = found;
  const fix = `Set SocketGroup= in countersign-lookup.socket to the group of ${user}`;
  add("lookup-denied", `${user} cannot open the socket lookup: ${why}`, number, NOT_QUERIED, fix);
}

/** Returns the value of a variable: in a command line, or in a rule of tcpserver with any character as quotes. */
function valueOf(line: string, name: string): string | undefined {
  const [, quote, rest] = new RegExp(`\\b${name}=(.)(.*)$`).exec(line) ?? [];
  if (quote === undefined || rest === undefined) return undefined;
  if (/["']/.test(quote)) return rest.slice(0, rest.indexOf(quote) < 0 ? undefined : rest.indexOf(quote));
  return (quote + rest).split(/[\s"',]/)[0];
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The lines without comments; a line that ends in a backslash is continued. */
function linesOf(text: string): { line: string; number: number }[] {
  const out: { line: string; number: number }[] = [];
  let open = false;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (!open && (line === "" || line.startsWith("#"))) continue;
    const part = line.replace(/\\$/, "");
    if (open) out.at(-1)!.line += ` ${part}`;
    else out.push({ line: part, number: index + 1 });
    open = line.endsWith("\\");
  }
  return out;
}
