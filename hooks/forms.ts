/**
 * The challenges that can be known for what they are, by the outermost header
 * alone: nested messages lie (Mailman 2 encloses one whose answer would discard
 * the post). Each form is that of the program's source, to the letter.
 */
import { type Address, parseAddressList } from "../lib/address.ts";
import { type Header, value, values } from "../lib/message.ts";

/** A challenge, as its header presents it. */
export interface Form {
  /** The program behind it. */
  readonly program: string;
  /** Where the answer goes; that alone confirms. */
  readonly answerTo: string;
  /** The addresses of which one must be the entry's list. A leading `*` stands for any local part. */
  readonly lists: readonly string[];
  /** The address that is subscribed by an answer; it must be one of ours. */
  readonly subscriber?: string;
  /** The Subject of the answer. */
  readonly subject: string;
  /** The body of the answer. */
  readonly body: string;
  /** May the answer say `Auto-Submitted: auto-replied`? Some programs drop such mail. */
  readonly autoSubmitted: boolean;
  /** The line behind which the returned message stands, where it is not a MIME part. */
  readonly separator?: string;
  /** It shows headers alone: no body line need agree. */
  readonly headerOnly: boolean;
  /** It shows nothing of the message: answered only for a request that is remembered, and only if settings say so. */
  readonly request: boolean;
}

/** What a form is read from: fields that must be there once. */
interface Outer {
  readonly fromName: string;
  readonly from: Address;
  readonly subject: string;
  readonly replyTo: Address | undefined;
  readonly header: Header;
}

type Recognise = (outer: Outer) => Partial<Form> & Pick<Form, "answerTo" | "lists"> | undefined;

/** The kinds, in order; the first that fits counts. */
const FORMS: readonly [string, Recognise][] = [
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

/** What this header presents; undefined: no challenge that we know. */
export function recognise(header: Header): Form | undefined {
  const [from, ...moreFrom] = mailboxes(header, "From");
  const replyTos = mailboxes(header, "Reply-To");
  const subjects = values(header, "Subject");
  if (!from?.address || moreFrom.length > 0 || replyTos.length > 1 || subjects.length > 1) return undefined;
  const replyTo = replyTos[0]?.address ?? undefined;
  const outer = { fromName: from.name, from: from.address, subject: subjects[0] ?? "", replyTo, header };
  for (const [program, ask] of FORMS) {
    const found = ask(outer);
    if (found === undefined) continue;
    const subject = `Re: ${outer.subject}`.trim();
    const rest = { subject, body: "", autoSubmitted: false, headerOnly: false, request: false };
    return { program, ...rest, ...found };
  }
  return undefined;
}

function mailboxes(header: Header, name: string) {
  try {
    return values(header, name).flatMap((text) => parseAddressList(text));
  } catch {
    return [];
  }
}

const text = ({ local, domain }: Address): string => `${local}@${domain}`;

/** The address in From alone confirms (jdebp FGA; pymsgauth compares the name so). */
function qsecretary({ fromName, from }: Outer) {
  if (fromName !== "The qsecretary program") return undefined;
  return { answerTo: text(from), lists: [`*@${from.domain}`], separator: TOP_OF_MESSAGE, autoSubmitted: true };
}

function qconfirm({ fromName, from }: Outer) {
  const local = /^(.+)-qconfirm-\d+\.\d+\.\d+$/.exec(from.local)?.[1];
  if (fromName !== "The qconfirm program" || local === undefined) return undefined;
  return { answerTo: text(from), lists: [`${local}@${from.domain}`], separator: TOP_OF_MESSAGE, autoSubmitted: true };
}

/** Reply-To of a subscription: list-sc.TIME.COOKIE-user=host. */
const COOKIE = /^(.+)-(sc|uc)\.\d+\.[a-p]{20}-([^=]+)=([^=]+)$/;

/** ezmlm 0.53 and ezmlm-idx: confirm subscribe, confirm unsubscribe. */
function ezmlmRequest({ from, subject, replyTo, header }: Outer) {
  const [, list, kind, user, host] = COOKIE.exec(replyTo?.local ?? "") ?? [];
  if (replyTo === undefined || list === undefined || !isEzmlm(header, list, replyTo.domain)) return undefined;
  const whole = `${list}@${replyTo.domain}`;
  const verb = kind === "sc" ? "subscribe to" : "unsubscribe from";
  const right = text(from) === `${list}-help@${replyTo.domain}` &&
    values(header, "Delivered-To").includes(`responder for ${whole}`) &&
    (subject === `confirm ${verb} ${whole}` || subject === "ezmlm response") && addressedTo(header, `${user}@${host}`);
  if (!right) return undefined;
  const command = kind === "sc" ? "subscribe" : "unsubscribe";
  return {
    answerTo: text(replyTo),
    subscriber: `${user}@${host}`,
    lists: [`${list}-${command}@${replyTo.domain}`, `${list}-${command}-${user}=${host}@${replyTo.domain}`],
    separator: subject === "ezmlm response"
      ? "--- Below this line is a copy of the request I received."
      : "--- Enclosed is a copy of the request I received.",
    headerOnly: true,
  };
}

/** ezmlm-idx: confirm a post. Its Return-Path would discard it. */
function ezmlmPost({ from, subject, replyTo, header }: Outer) {
  const list = /^(.+)-confirm-\d+\.\d+\.[a-p]{20}$/.exec(replyTo?.local ?? "")?.[1];
  if (replyTo === undefined || list === undefined || !isEzmlm(header, list, replyTo.domain)) return undefined;
  const whole = `${list}@${replyTo.domain}`;
  if (text(from) !== `${list}-owner@${replyTo.domain}` || subject !== `Confirm post to ${whole}`) return undefined;
  return { answerTo: text(replyTo), lists: [whole], separator: "--- Enclosed, please find the posted message." };
}

function isEzmlm(header: Header, list: string, host: string): boolean {
  const all = values(header, "Mailing-List");
  return all.length === 1 && all[0] === `contact ${list}-help@${host}; run by ezmlm`;
}

function addressedTo(header: Header, address: string): boolean {
  return mailboxes(header, "To").some(({ address: to }) => to && text(to).toLowerCase() === address.toLowerCase());
}

/** TMDA: the cookie is in Reply-To; it shows the message, its header, or neither, as its owner set it. */
function tmda({ replyTo, header }: Outer) {
  const local = /^(.+)-confirm-\d+\.\d+\.[0-9a-f]{6}$/.exec(replyTo?.local ?? "")?.[1];
  const is = (name: string, pattern: RegExp) => pattern.test(value(header, name) ?? "");
  const right = is("X-Delivery-Agent", /^TMDA\//) && is("Auto-Submitted", /^auto-replied$/i) &&
    is("Precedence", /^bulk$/i) && is("In-Reply-To", /^<[^<>]+>$/);
  if (replyTo === undefined || local === undefined || !right) return undefined;
  return { answerTo: text(replyTo), lists: [`${local}@${replyTo.domain}`] };
}

function isSympa({ from, header }: Outer): boolean {
  return from.local.toLowerCase() === "sympa" && /^auto-replied$/i.test(value(header, "Auto-Submitted") ?? "");
}

function sympaConfirm(outer: Outer) {
  if (!isSympa(outer) || !/^CONFIRM [0-9a-f]{8,64}$/.test(outer.subject)) return undefined;
  return { answerTo: text(outer.from), lists: [`*@${outer.from.domain}`], subject: outer.subject };
}

function sympaAuth(outer: Outer) {
  if (!isSympa(outer) || !/^AUTH [0-9a-f]{8,64} (?:subscribe|signoff|unsubscribe) \S/.test(outer.subject)) {
    return undefined;
  }
  return { answerTo: text(outer.from), lists: [text(outer.from)], subject: outer.subject, request: true };
}

/** Mailman 3 does not look at Auto-Submitted; it drops Precedence. */
function mailman3({ from, subject, header }: Outer) {
  const list = /^(.+)-confirm\+[0-9a-f]{40}$/.exec(from.local)?.[1];
  const verb = /^Your confirmation is needed to (join|leave) the (\S+) mailing list\.$/.exec(subject);
  if (list === undefined || verb === null || !/^auto-generated$/i.test(value(header, "Auto-Submitted") ?? "")) {
    return undefined;
  }
  if (verb[2] !== `${list}@${from.domain}`) return undefined;
  return {
    answerTo: text(from),
    lists: requests(list, from.domain, verb[1] === "join"),
    autoSubmitted: true,
    request: true,
  };
}

function mailman2({ from, subject, header }: Outer) {
  const list = /^(.+)-request$/.exec(from.local)?.[1];
  const right = /^confirm [0-9a-f]{40}$/.test(subject) && /^yes$/i.test(value(header, "X-List-Administrivia") ?? "") &&
    value(header, "X-BeenThere") === `${list}@${from.domain}`;
  if (list === undefined || !right) return undefined;
  const lists = [...requests(list, from.domain, true), ...requests(list, from.domain, false)];
  return { answerTo: text(from), lists, subject, request: true };
}

function majordomo2({ from, subject }: Outer) {
  const token = /^([0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}) : CONFIRM from \S+ \((?:un)?subscribe\)$/.exec(subject)?.[1];
  if (from.local.toLowerCase() !== "majordomo" || token === undefined) return undefined;
  return { answerTo: text(from), lists: [text(from)], subject: `${token}`, body: "accept\n", request: true };
}

/** Where a person sends a request about a list. */
function requests(list: string, host: string, join: boolean): string[] {
  const verbs = join ? ["join", "subscribe", "request"] : ["leave", "unsubscribe", "request"];
  return verbs.map((verb) => `${list}-${verb}@${host}`);
}
