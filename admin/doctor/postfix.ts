/** Checks the configuration of Postfix: main.cf and master.cf, or the output of postconf. */
import { type Finding, findingsOf, type Programs, type TextFile } from "./finding.ts";
import type { FindingId } from "./ids.ts";
import { callsHook, type HookCall, hookCall, unusableFix } from "./hook_call.ts";
import { checkPipeArguments } from "./pipe_call.ts";
import { entries, type Entry, type Parameters, parametersOf, type Service } from "./postconf.ts";

/** What the checks need besides the files. */
export interface PostfixContext {
  /** The SRS domains, in lower case. */
  readonly srsDomains: readonly string[];
  /** Whether Postfix itself is asked if it accepts mail for them. */
  readonly isAsked: boolean;
  /** Whether incoming.inbox or incoming.forward is set, so that the hook itself delivers. */
  readonly hasDestination: boolean;
  readonly programs: Programs;
  /** Whether mail is submitted to this Postfix by SMTP, so that the restrictions of smtpd apply. */
  readonly smtp: boolean;
  /** The settings file; hooks with other settings are not checked against them. */
  readonly config: string;
  /**
   * Returns why a system user, in this group or their primary one, cannot use the state; undefined if they can, or if
   * it is unknown.
   */
  readonly stateTrouble: (user: string, group: string | undefined) => Pick<Finding, "what" | "fix"> | undefined;
}

type Add = (id: FindingId, what: string, at: Entry, why: string, fix: string) => void;

/** Checks the files together, because they refer to each other. */
export function checkPostfix(files: readonly TextFile[], context: PostfixContext): Finding[] {
  const found: Finding[] = [];
  const add: Add = (id, what, at, why, fix) => {
    const { list, add } = findingsOf(at.file);
    add(id, what, at.line, why, fix);
    found.push(...list);
  };
  const { parameters, services } = entries(files);
  const value = parametersOf(parameters);
  for (const service of services) {
    const call = service.program === "pipe" ? hookCall(service.text) : undefined;
    if (call !== undefined) checkPipe(service, call, value, context, add);
  }
  const [mailbox, command] = [value.entry("mailbox_command"), hookCall(value.text("mailbox_command"))];
  if (mailbox !== undefined && command !== undefined) {
    checkCall(mailbox, command, context, add);
    checkMacros(mailbox, add);
  }
  checkMasquerade(value, context, add);
  checkRepeated(value, add);
  if (context.smtp) checkLogin(value, services, context, add);
  return found;
}

/** Checks ~/.forward, whose commands local(8) runs. */
export function checkForward({ file, text, mode }: TextFile, context: PostfixContext): Finding[] {
  const { list, add } = findingsOf(file);
  const lines = text.split("\n");
  if (!callsHook(text)) return list;
  if (mode !== undefined && (mode & 0o002) !== 0) {
    add(
      "forward-mode",
      "The file is world-writable",
      undefined,
      "Postfix then ignores it, and nothing is checked.",
      `chmod o-w ${file}`,
    );
  }
  for (const [index, line] of lines.entries()) {
    const call = /^\s*#/.test(line) ? undefined : hookCall(line);
    if (call === undefined) continue;
    const at = { file, line: index + 1, text: line };
    const addAt: Add = (id, what, at, why, fix) => add(id, what, at.line, why, fix);
    checkCall(at, call, context, addAt);
    checkMacros(at, addAt);
  }
  return list;
}

/** Checks for the macros of pipe(8) in a command of local(8), for which they are variables that are not set. */
function checkMacros(at: Entry, add: Add): void {
  const [macro] = /\$[({]?(?:sender|recipient|original_recipient)\b[)}]?/.exec(at.text) ?? [];
  if (macro === undefined) return;
  const why =
    "It is a macro of pipe(8) and empty here, so all mail seems to come from the null sender or to have no recipient.";
  add(
    "postfix-macro",
    `The hook is run with ${macro}`,
    at,
    why,
    "Remove it: local(8) sets SENDER and ORIGINAL_RECIPIENT",
  );
}

/** Checks a call of the hook by any part of Postfix. */
function checkCall(at: Entry, call: HookCall, { hasDestination, programs }: PostfixContext, add: Add): void {
  const wrong = programs.trouble(call.program);
  if (wrong !== undefined) {
    add(
      "postfix-hook-unusable",
      `${call.program} ${wrong}`,
      at,
      "Postfix defers the mail for the hook, or bounces it if it runs the hook through a shell.",
      unusableFix(call.program, wrong),
    );
  }
  if (call.as !== "postfix") {
    const why = "Postfix bounces on every status other than 0, 71 and 75, so mail filed as spam (99) is bounced.";
    add(
      "postfix-caller",
      `The hook is run with --as ${call.as ?? "nothing"}, but the caller is Postfix`,
      at,
      why,
      "incoming --as postfix",
    );
  }
  if (!call.delivers && !hasDestination) {
    const why = "Nothing delivers after the hook here, so it defers genuine mail.";
    const fix = "incoming --as postfix --maildir DIR, or --mbox FILE";
    add("postfix-no-destination", "The hook has no destination", at, why, fix);
  }
}

/** Checks a service of pipe(8). */
function checkPipe(service: Service, call: HookCall, value: Parameters, context: PostfixContext, add: Add): void {
  checkCall(service, call, context, add);
  const attribute = (name: string) => new RegExp(`\\s${name}=(\\S*)`).exec(service.text)?.[1];
  const flags = attribute("flags") ?? "";
  if (/[hu]/.test(flags)) {
    add(
      "pipe-flags",
      `Service ${service.name} has flags=${flags}`,
      service,
      "h and u fold the address to lower case, but its hash is case-sensitive.",
      `flags=${flags.replace(/[hu]/g, "")}`,
    );
  }
  if (attribute("null_sender") !== "") {
    const why = "Without it the null sender of a bounce arrives as MAILER-DAEMON.";
    add("pipe-null-sender", `Service ${service.name} has no null_sender=`, service, why, "null_sender= before argv=");
  }
  for (const { id, what, why, fix } of checkPipeArguments(service.name, wordsAfter(call.program, service.text))) {
    add(id, what, service, why, fix);
  }
  if (!call.config) {
    const why = "pipe(8) does not set HOME: the hook finds no settings, and all mail stays queued.";
    add(
      "pipe-settings",
      `Service ${service.name} does not name the settings`,
      service,
      why,
      "incoming --as postfix --config FILE",
    );
  }
  const [user = "", group] = attribute("user")?.split(":") ?? [];
  const sameSettings = service.text.split(/[\s=]+/).includes(context.config);
  const trouble = sameSettings && user !== "" ? context.stateTrouble(user, group) : undefined;
  if (trouble !== undefined) {
    const why = "The hook cannot write its log or answer challenges, or it defers mail that it cannot judge.";
    add("pipe-user", `Service ${service.name} runs the hook as ${user}: ${trouble.what}`, service, why, trouble.fix);
  }
  const limit = `${service.name}_destination_recipient_limit`;
  if (value.text(limit) !== "1") {
    const why = "The hook judges one recipient at a time, and defers messages with more.";
    add("pipe-recipient-limit", `${limit} is not 1`, value.entry(limit) ?? service, why, `postconf -e ${limit}=1`);
  }
  if (!context.isAsked) checkDomains(service, value, context.srsDomains, add);
}

/** The parameters that list domains for which Postfix accepts mail. */
const ACCEPTED = ["relay_domains", "virtual_mailbox_domains", "virtual_alias_domains", "mydestination"];

/** Checks by the text alone that Postfix accepts mail for the SRS domains. */
function checkDomains(service: Service, value: Parameters, srsDomains: readonly string[], add: Add): void {
  const words = ACCEPTED.flatMap((name) =>
    value.text(name).toLowerCase().split(/[\s,]+/).filter((word) => word !== "").map((word) => ({ name, word }))
  );
  // By default only relay_domains matches subdomains, too.
  const matches = value.text("parent_domain_matches_subdomains") || "relay_domains";
  for (const domain of srsDomains) {
    // A domain may also be listed in a table, which is not read.
    const listed = words.some(({ name, word }) =>
      /[:/$]/.test(word) || domain === word || matches.includes(name) && domain.endsWith(`.${word}`)
    );
    if (words.length === 0 || listed) continue;
    add(
      "postfix-srs-domain",
      `Postfix does not accept mail for ${domain}`,
      value.entry("relay_domains") ?? service,
      "Postfix rejects every bounce: Relay access denied.",
      `relay_domains = ${domain}`,
    );
  }
}

/** Returns the words after the program in a service; `{ … }` makes one argument of several words. */
function wordsAfter(program: string, text: string): string[] {
  const rest = text.slice(text.indexOf(program) + program.length);
  return (rest.match(/\{[^{}]*\}(?=\s|$)|\S+/g) ?? []).map((word) => word.replace(/^\{\s*(.*?)\s*\}$/s, "$1"));
}

/** Checks masquerade_domains; see postconf(5): the first match counts, and `!` makes an exception. */
function checkMasquerade(value: Parameters, { srsDomains }: PostfixContext, add: Add): void {
  const entry = value.entry("masquerade_domains");
  const classes = value.text("masquerade_classes");
  if (entry === undefined || (classes !== "" && !classes.includes("envelope_sender"))) return;
  for (const domain of srsDomains) {
    const words = value.text("masquerade_domains").toLowerCase().split(/[\s,]+/).filter((word) => word !== "");
    const first = words.find((word) =>
      domain === word.replace(/^!/, "") || domain.endsWith(`.${word.replace(/^!/, "")}`)
    );
    if (first === undefined || first.startsWith("!") || first === domain) continue;
    add(
      "postfix-masquerade",
      `masquerade_domains changes ${domain} to ${first}`,
      entry,
      "The signed sender gets another domain, and its bounces do not reach the hook.",
      `masquerade_domains = !${domain} ${words.join(" ")}`,
    );
  }
}

/** Parameters that several folders of contrib set. */
const SHARED = [
  "non_smtpd_milters",
  "recipient_canonical_maps",
  "relay_domains",
  "sender_canonical_maps",
  "smtpd_milters",
  "smtpd_recipient_restrictions",
  "smtpd_sender_login_maps",
  "transport_maps",
  "virtual_alias_domains",
  "virtual_alias_maps",
];

/** Checks for parameters that are set several times: pasted lines replace those above them. */
function checkRepeated(value: Parameters, add: Add): void {
  for (const name of SHARED) {
    const last = value.entry(name);
    const lost = value.all().find((one) => one.name === name && one.file === last?.file && one.text !== last.text);
    if (last === undefined || lost === undefined) continue;
    add(
      "postfix-set-twice",
      `${name} is set in line ${lost.line}, and again in line ${last.line}`,
      last,
      "Postfix uses the last value only.",
      "Set it once, with both values",
    );
  }
}

/** Checks for restrictions that require the sender to belong to the login. */
function checkLogin(value: Parameters, services: readonly Service[], { srsDomains }: PostfixContext, add: Add): void {
  if (srsDomains.length === 0 || /\b(?:pcre|regexp):/.test(value.text("smtpd_sender_login_maps"))) return;
  const rule = /\breject_(?:authenticated_|known_)?sender_login_mismatch\b/;
  const places = [...value.all().filter(({ name }) => /^smtpd_\w+_restrictions$/.test(name)), ...services];
  for (const one of places) {
    const found = rule.exec(one.text);
    if (found === null || /\bcheck_sender_access\b/.test(one.text.slice(0, found.index))) continue;
    add(
      "postfix-login-mismatch",
      `${found[0]} rejects senders in ${srsDomains.join(", ")}`,
      one,
      "Signed senders do not belong to a login, so the mail you send is rejected.",
      `check_sender_access inline:{${srsDomains.map((domain) => ` ${domain}=OK`).join("")} } before ${found[0]}`,
    );
  }
}
