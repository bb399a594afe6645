/**
 * Recognizes challenges by the outermost header alone (Mailman 2, for example, encloses a message whose answer would
 * discard the post). Each form follows the source of its program exactly, and so does the address to which an answer is
 * sent: the list's name, the program's keyword and a cookie. No other mailbox is ever written to.
 */
import { type Address, canonical, formatAddress, parseAddressList } from "../../lib/address.ts";
import { type Header, named, value, valueOf, values } from "../../lib/message.ts";
import type { Request } from "../../lib/requests.ts";

/** A challenge, as described by its header. */
export interface Form {
  /** The program that sent it. */
  readonly program: string;
  /** The address of the answer; mail to it confirms. */
  readonly answerTo: string;
  /** The addresses to which the message may have been sent; `*@HOST` when the challenge does not name its list. */
  readonly lists: readonly string[];
  /** The address that an answer subscribes or unsubscribes. */
  readonly subscriber?: string;
  /** The Subject of the answer: our own, or the command with a cookie if the program requires it. */
  readonly subject: string;
  /** The body of the answer. */
  readonly body: string;
  /** Whether the answer may contain `Auto-Submitted: auto-replied`. Some programs discard such mail. */
  readonly autoSubmitted: boolean;
  /** The line after which the returned message begins when it is not a MIME part. */
  readonly separator?: string;
  /** It returns headers only, so no line of the body has to match. */
  readonly headerOnly: boolean;
  /** The request to confirm, when the message is not returned; answered only with `challenge.requests`. */
  readonly request?: Pick<Request, "command" | "list">;
}

/** What a form is recognized by: fields that must occur exactly once, and the text of the body. */
interface Outer {
  readonly fromName: string;
  readonly from: Address;
  readonly subject: string;
  readonly replyTo: Address | undefined;
  /** The only mailbox in To. */
  readonly to: string | undefined;
  readonly header: Header;
  readonly body: string;
}

type Recognize = (outer: Outer) => Partial<Form> & Pick<Form, "answerTo" | "lists"> | undefined;

/** The kinds of challenges; the first match counts. */
const FORMS: readonly [string, Recognize][] = [
  ["qsecretary", qsecretary],
  ["qconfirm", qconfirm],
  ["ezmlm", ezmlmRequest],
  ["ezmlm", ezmlmPost],
  ["TMDA", tmda],
  ["Sympa", sympaConfirm],
  ["Sympa", sympaAuth],
  ["Mailman 3", mailman3],
  ["Mailman 2", mailman2],
  ["Majordomo 2", majordomo2],
];

const TOP_OF_MESSAGE = "--- Below this line is the top of your message.";

/** The Subject of an answer when the program ignores it; no program has a command of this name. */
const OWN_SUBJECT = "Confirmation";

/**
 * Recognizes a challenge by its outermost header.
 *
 * @param body the beginning of its body, the only place where Majordomo 2 names the list
 * @returns the form, or undefined when it is not a challenge
 */
export function recognize(header: Header, body = ""): Form | undefined {
  const [from, ...moreFrom] = mailboxes(header, "From");
  const replyTos = mailboxes(header, "Reply-To");
  const [to, ...moreTo] = mailboxes(header, "To");
  const subjects = values(header, "Subject");
  if (!from?.address || moreFrom.length > 0 || replyTos.length > 1 || subjects.length > 1) return undefined;
  const outer: Outer = {
    fromName: from.name,
    from: from.address,
    subject: subjects[0] ?? "",
    replyTo: replyTos[0]?.address ?? undefined,
    to: to?.address && moreTo.length === 0 ? canonical(to.address) : undefined,
    header,
    body,
  };
  for (const [program, ask] of FORMS) {
    const found = ask(outer);
    if (found === undefined) continue;
    return { program, subject: OWN_SUBJECT, body: "", autoSubmitted: false, headerOnly: false, ...found };
  }
  return undefined;
}

/** A second field already means that there is more than one mailbox, and programs do not write longer fields. */
const [MAX_FIELDS, MAX_FIELD_LENGTH] = [2, 8 * 1024];

function mailboxes(header: Header, name: string) {
  const fields = header.filter((one) => named(one, name)).slice(0, MAX_FIELDS);
  if (fields.some(({ raw }) => raw.length > MAX_FIELD_LENGTH)) return [];
  try {
    return fields.flatMap((one) => parseAddressList(valueOf(one)));
  } catch {
    return [];
  }
}

/** Returns whether a reply would go to From, where some programs put their cookie. */
const repliesToFrom = ({ from, replyTo }: Outer): boolean =>
  replyTo === undefined || formatAddress(replyTo) === formatAddress(from);

/**
 * A reply to From confirms (jdebp FGA), and pymsgauth compares the name in the same way. The source is not available,
 * so the local part must have the form that ezmlm and qconfirm use: LIST-confirm- and a cookie, which may be preceded
 * by a time and a process id.
 */
function qsecretary(outer: Outer) {
  const { fromName, from } = outer;
  const list = /^(.+)-confirm-(?:\d{1,20}\.){0,2}[0-9a-z]{20,64}$/.exec(from.local)?.[1];
  if (fromName !== "The qsecretary program" || list === undefined || !repliesToFrom(outer)) return undefined;
  return {
    answerTo: formatAddress(from),
    lists: [`${list}@${from.domain}`],
    separator: TOP_OF_MESSAGE,
    autoSubmitted: true,
  };
}

function qconfirm(outer: Outer) {
  const { fromName, from } = outer;
  const local = /^(.+)-qconfirm-\d{1,20}\.\d{1,20}\.\d{1,20}$/.exec(from.local)?.[1];
  if (fromName !== "The qconfirm program" || local === undefined || !repliesToFrom(outer)) return undefined;
  return {
    answerTo: formatAddress(from),
    lists: [`${local}@${from.domain}`],
    separator: TOP_OF_MESSAGE,
    autoSubmitted: true,
  };
}

/** Reply-To of a subscription: list-sc.TIME.COOKIE-user=host. */
const COOKIE = /^(.+)-(sc|uc)\.\d{1,20}\.[a-p]{20}-([^=]+)=([^=]+)$/;

/** ezmlm 0.53 and ezmlm-idx: confirm subscribe, confirm unsubscribe. */
function ezmlmRequest({ from, subject, replyTo, to, header }: Outer) {
  const [, list, kind, user, host] = COOKIE.exec(replyTo?.local ?? "") ?? [];
  if (replyTo === undefined || list === undefined || !isEzmlm(header, list, replyTo.domain)) return undefined;
  const whole = `${list}@${replyTo.domain}`;
  const verb = kind === "sc" ? "subscribe to" : "unsubscribe from";
  const isValid = formatAddress(from) === `${list}-help@${replyTo.domain}` &&
    values(header, "Delivered-To").includes(`responder for ${whole}`) &&
    (subject === `confirm ${verb} ${whole}` || subject === "ezmlm response") && to === `${user}@${host}`.toLowerCase();
  if (!isValid) return undefined;
  const command = kind === "sc" ? "subscribe" : "unsubscribe";
  return {
    answerTo: formatAddress(replyTo),
    subscriber: `${user}@${host}`,
    lists: [`${list}-${command}@${replyTo.domain}`, `${list}-${command}-${user}=${host}@${replyTo.domain}`],
    separator: subject === "ezmlm response"
      ? "--- Below this line is a copy of the request I received."
      : "--- Enclosed is a copy of the request I received.",
    headerOnly: true,
  };
}

/** ezmlm-idx: confirm a post. Mail to its Return-Path would discard the post. */
function ezmlmPost({ from, subject, replyTo, header }: Outer) {
  const list = /^(.+)-confirm-\d{1,20}\.\d{1,20}\.[a-p]{20}$/.exec(replyTo?.local ?? "")?.[1];
  if (replyTo === undefined || list === undefined || !isEzmlm(header, list, replyTo.domain)) return undefined;
  const whole = `${list}@${replyTo.domain}`;
  if (formatAddress(from) !== `${list}-owner@${replyTo.domain}` || subject !== `Confirm post to ${whole}`) {
    return undefined;
  }
  return {
    answerTo: formatAddress(replyTo),
    lists: [whole],
    separator: "--- Enclosed, please find the posted message.",
  };
}

function isEzmlm(header: Header, list: string, host: string): boolean {
  const all = values(header, "Mailing-List");
  return all.length === 1 && all[0] === `contact ${list}-help@${host}; run by ezmlm`;
}

/** TMDA: the cookie is in Reply-To; it can be configured to return the message, its header, or neither. */
function tmda({ replyTo, header }: Outer) {
  const local = /^(.+)-confirm-\d{1,20}\.\d{1,20}\.[0-9a-f]{6}$/.exec(replyTo?.local ?? "")?.[1];
  const is = (name: string, pattern: RegExp) => pattern.test(value(header, name) ?? "");
  const isValid = is("X-Delivery-Agent", /^TMDA\//) && is("Auto-Submitted", /^auto-replied$/i) &&
    is("Precedence", /^bulk$/i) && is("In-Reply-To", /^<[^<>]+>$/);
  if (replyTo === undefined || local === undefined || !isValid) return undefined;
  return { answerTo: formatAddress(replyTo), lists: [`${local}@${replyTo.domain}`] };
}

function isSympa(outer: Outer): boolean {
  return outer.from.local.toLowerCase() === "sympa" && repliesToFrom(outer) &&
    /^auto-replied$/i.test(value(outer.header, "Auto-Submitted") ?? "");
}

function sympaConfirm(outer: Outer) {
  if (!isSympa(outer) || !/^CONFIRM [0-9a-f]{8,64}$/.test(outer.subject)) return undefined;
  return { answerTo: formatAddress(outer.from), lists: [`*@${outer.from.domain}`], subject: outer.subject };
}

/** Sympa looks up the key and compares list and command; it does not need the name after them again. */
function sympaAuth(outer: Outer) {
  const [, key, verb, list] =
    /^AUTH ([0-9a-f]{8,64}) (subscribe|signoff|unsubscribe) ([a-z0-9][\w.+-]{0,99})(?: .*)?$/.exec(outer.subject) ?? [];
  const { domain } = outer.from;
  if (!isSympa(outer) || list === undefined || outer.to === undefined) return undefined;
  const join = verb === "subscribe";
  return {
    answerTo: formatAddress(outer.from),
    lists: [formatAddress(outer.from), ...requestAddresses(list, domain, join)],
    subscriber: outer.to,
    subject: `AUTH ${key} ${verb} ${list}`,
    request: request(list, domain, join),
  };
}

/** Mailman 3 ignores Auto-Submitted but discards mail with Precedence. */
function mailman3(outer: Outer) {
  const { from, subject, header, to } = outer;
  const list = /^(.+)-confirm\+[0-9a-f]{40}$/.exec(from.local)?.[1];
  const verb = /^Your confirmation is needed to (join|leave) the (\S+) mailing list\.$/.exec(subject);
  const isValid = /^auto-generated$/i.test(value(header, "Auto-Submitted") ?? "") && repliesToFrom(outer);
  if (list === undefined || verb === null || to === undefined || !isValid) return undefined;
  if (verb[2] !== `${list}@${from.domain}`) return undefined;
  return { ...mailman(outer, list, verb[1] === "join", to), autoSubmitted: true };
}

/** Requires VERP_CONFIRMATIONS; without it the Subject is `confirm COOKIE` and does not say join or leave. */
function mailman2(outer: Outer) {
  const { from, subject, header, to } = outer;
  const list = /^(.+)-confirm\+[0-9a-f]{40}$/.exec(from.local)?.[1];
  const verb = /^Your confirmation is required to (join|leave) the (\S+) mailing list$/.exec(subject);
  const isValid = /^yes$/i.test(value(header, "X-List-Administrivia") ?? "") && repliesToFrom(outer) &&
    value(header, "X-BeenThere") === `${list}@${from.domain}`;
  if (list === undefined || verb === null || to === undefined || !isValid) return undefined;
  if (verb[2]!.toLowerCase() !== list.toLowerCase()) return undefined; // the name of the list may contain capitals
  return mailman(outer, list, verb[1] === "join", to);
}

function mailman({ from }: Outer, list: string, join: boolean, to: string) {
  return {
    answerTo: formatAddress(from),
    lists: requestAddresses(list, from.domain, join),
    subscriber: to,
    request: request(list, from.domain, join),
  };
}

/** Majordomo 2: the body quotes the command and names its sender. */
function majordomo2(outer: Outer) {
  const { from, subject, body, to } = outer;
  const [, token, verb] =
    /^([0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}) : CONFIRM from \S+ \(((?:un)?subscribe)\)$/.exec(subject) ?? [];
  if (from.local.toLowerCase() !== "majordomo" || token === undefined || !repliesToFrom(outer)) return undefined;
  const lines = body.split("\n").map((line) => line.trim());
  const commands = lines.flatMap((line) => /^"((?:un)?subscribe) ([\w.+-]{1,100})(?: [^"]*)?"$/.exec(line) ?? []);
  const [, command, list] = commands; // one match and its two groups
  if (commands.length !== 3 || command !== verb || to === undefined) return undefined;
  if (!lines.some((line) => line.toLowerCase() === `by ${to}.`)) return undefined;
  return {
    answerTo: formatAddress(from),
    lists: [formatAddress(from)],
    subscriber: to,
    subject: token,
    body: "accept\n",
    request: request(list!, from.domain, verb === "subscribe"),
  };
}

function request(list: string, host: string, join: boolean): Form["request"] {
  return { command: join ? "subscribe" : "unsubscribe", list: `${list}@${host}`.toLowerCase() };
}

/** The addresses to which subscribers send requests about a list. */
function requestAddresses(list: string, host: string, join: boolean): string[] {
  const verbs = join ? ["join", "subscribe", "request"] : ["leave", "unsubscribe", "request"];
  return verbs.map((verb) => `${list}-${verb}@${host}`);
}
