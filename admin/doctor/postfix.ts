/** Postfix: main.cf and master.cf, or what postconf prints of them. */
import { type Finding, findingsOf, type Programs, type TextFile } from "./finding.ts";
import { type HookCall, hookCall } from "./hookline.ts";
import { entries, type Entry, type Parameters, parametersOf, type Service } from "./postconf.ts";

/** What is known besides the files. */
export interface PostfixCase {
  /** Domains of SRS addresses, lower case. */
  readonly srsDomains: readonly string[];
  /** Has the hook a place of its own in the settings: incoming.inbox or incoming.forward? */
  readonly place: boolean;
  readonly programs: Programs;
  /** Does the mail reach this Postfix by SMTP, where the restrictions of smtpd hold? */
  readonly smtp: boolean;
  /** The settings file: only a hook that is given this one is ours to judge. */
  readonly config: string;
  /** Why a user of the system cannot write the state; undefined: he can, or nobody knows. */
  readonly stateTrouble: (user: string) => Pick<Finding, "what" | "fix"> | undefined;
}

type Add = (what: string, at: Entry, why: string, fix: string) => void;

/** Checks the files together: what one says may be about the other. */
export function checkPostfix(files: readonly TextFile[], given: PostfixCase): Finding[] {
  const found: Finding[] = [];
  const add: Add = (what, at, why, fix) => {
    const { list, add } = findingsOf(at.file);
    add(what, at.line, why, fix);
    found.push(...list);
  };
  const { parameters, services } = entries(files);
  const value = parametersOf(parameters);
  for (const service of services) {
    const call = service.program === "pipe" ? hookCall(service.text) : undefined;
    if (call !== undefined) checkPipe(service, call, value, given, add);
  }
  const [mailbox, command] = [value.entry("mailbox_command"), hookCall(value.text("mailbox_command"))];
  if (mailbox !== undefined && command !== undefined) checkCall(mailbox, command, given, add);
  checkMasquerade(value, given, add);
  if (given.smtp) checkLogin(value, services, given, add);
  return found;
}

/** A line of ~/.forward, which local(8) runs. */
export function checkForward({ file, text, mode }: TextFile, given: PostfixCase): Finding[] {
  const { list, add } = findingsOf(file);
  const lines = text.split("\n");
  if (!lines.some((line) => hookCall(line) !== undefined)) return list;
  if (mode !== undefined && (mode & 0o002) !== 0) {
    add(
      "The file is world-writable",
      undefined,
      "Postfix then ignores it, and nothing is checked.",
      `chmod o-w ${file}`,
    );
  }
  for (const [index, line] of lines.entries()) {
    const call = /^\s*#/.test(line) ? undefined : hookCall(line);
    if (call === undefined) continue;
    checkCall(
      { file, line: index + 1, text: line },
      call,
      given,
      (what, at, why, fix) => add(what, at.line, why, fix),
    );
  }
  return list;
}

/** What holds however Postfix runs the hook. */
function checkCall(at: Entry, call: HookCall, { place, programs }: PostfixCase, add: Add): void {
  const wrong = programs.trouble(call.program);
  if (wrong !== undefined) {
    add(
      `${call.program} ${wrong}`,
      at,
      "Postfix bounces all mail to the hook.",
      "deno task install, or fix the path",
    );
  }
  if (call.as !== "postfix") {
    const why = "Postfix bounces on every status other than 0, 71 and 75, so that mail filed as spam (99) is bounced.";
    add(
      `The hook is run with --as ${call.as ?? "nothing"}, but the caller is Postfix`,
      at,
      why,
      "incoming --as postfix",
    );
  }
  if (!call.delivers && !place) {
    const why = "Nothing delivers after the hook here, so that it defers genuine mail.";
    add("The hook has no destination", at, why, "incoming --as postfix --maildir DIR");
  }
}

/** A service of pipe(8). */
function checkPipe(service: Service, call: HookCall, value: Parameters, given: PostfixCase, add: Add): void {
  checkCall(service, call, given, add);
  const attribute = (name: string) => new RegExp(`\\s${name}=(\\S*)`).exec(service.text)?.[1];
  const flags = attribute("flags") ?? "";
  if (/[hu]/.test(flags)) {
    add(
      `Service ${service.name} has flags=${flags}`,
      service,
      "h and u fold the address to lower case, but its hash is case-sensitive.",
      `flags=${flags.replace(/[hu]/g, "")}`,
    );
  }
  if (attribute("null_sender") !== "") {
    const why = "Without it the null sender of a bounce arrives as MAILER-DAEMON.";
    add(`Service ${service.name} has no null_sender=`, service, why, "null_sender= before argv=");
  }
  if (!/\$\{?original_recipient\}?/.test(service.text)) {
    const why = "If a map rewrites the address, the hook cannot see that it was signed.";
    add(
      `Service ${service.name} does not pass the original recipient`,
      service,
      why,
      "${sender} ${original_recipient}",
    );
  }
  if (!call.config) {
    const why = "pipe(8) does not set HOME: the hook finds no settings, and all mail stays queued.";
    add(`Service ${service.name} does not name the settings`, service, why, "incoming --as postfix --config FILE");
  }
  const [user = ""] = attribute("user")?.split(":") ?? [];
  const ours = service.text.split(/[\s=]+/).includes(given.config);
  const trouble = ours && user !== "" ? given.stateTrouble(user) : undefined;
  if (trouble !== undefined) {
    const why = "The hook cannot write its log or answer challenges.";
    add(`Service ${service.name} runs the hook as ${user}: ${trouble.what}`, service, why, trouble.fix);
  }
  const limit = `${service.name}_destination_recipient_limit`;
  if (value.text(limit) !== "1") {
    const why = "The hook judges one recipient at a time, and defers messages with more.";
    add(`${limit} is not 1`, value.entry(limit) ?? service, why, `postconf -e ${limit}=1`);
  }
  const lists = ["relay_domains", "virtual_mailbox_domains", "virtual_alias_domains", "mydestination"];
  const open = lists.map((name) => value.text(name)).filter((text) => text !== "");
  for (const domain of given.srsDomains) {
    const words = open.flatMap((text) => text.toLowerCase().split(/[\s,]+/)).filter((word) => word !== "");
    // A domain of another service, or one that stands in a table, cannot be seen from here.
    if (
      open.length === 0 || words.some((word) => /[:/$]/.test(word) || domain === word || domain.endsWith(`.${word}`))
    ) continue;
    const why = "Postfix rejects every bounce: Relay access denied.";
    add(
      `Postfix does not accept mail for ${domain}`,
      value.entry("relay_domains") ?? service,
      why,
      `relay_domains = ${domain}`,
    );
  }
}

/** postconf(5), masquerade_domains: the first that fits counts, `!` excepts. */
function checkMasquerade(value: Parameters, { srsDomains }: PostfixCase, add: Add): void {
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
      `masquerade_domains changes ${domain} to ${first}`,
      entry,
      "The signed sender gets another domain, and its bounces do not reach the hook.",
      `masquerade_domains = !${domain} ${words.join(" ")}`,
    );
  }
}

/** Senders that must belong to the login. */
function checkLogin(value: Parameters, services: readonly Service[], { srsDomains }: PostfixCase, add: Add): void {
  if (srsDomains.length === 0 || /\b(?:pcre|regexp):/.test(value.text("smtpd_sender_login_maps"))) return;
  const rule = /\breject_(?:authenticated_|known_)?sender_login_mismatch\b/;
  const places = [...value.all().filter(({ name }) => /^smtpd_\w+_restrictions$/.test(name)), ...services];
  for (const one of places) {
    const found = rule.exec(one.text);
    if (found === null || /\bcheck_sender_access\b/.test(one.text.slice(0, found.index))) continue;
    add(
      `${found[0]} refuses the senders of ${srsDomains.join(", ")}`,
      one,
      "Signed senders belong to no login: what you send is refused.",
      `check_sender_access inline:{${srsDomains.map((domain) => ` ${domain}=OK`).join("")} } before ${found[0]}`,
    );
  }
}
