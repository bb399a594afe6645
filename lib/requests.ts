/**
 * Recognizes requests to list software: to subscribe to a list or to unsubscribe from it. Parsing is strict, because
 * the request decides which confirmation is sent later. An ambiguous message requests nothing.
 */
import { type Address, canonical, parseAddress } from "./address.ts";
import { decodeLatin1 } from "./bytes.ts";
import { type Header, named, value } from "./message.ts";

/** A request. */
export interface Request {
  readonly command: "subscribe" | "unsubscribe";
  /** The list, lower case. */
  readonly list: string;
  /** The subscriber that the message names, in lower case; undefined for the sender of the message. */
  readonly subscriber?: string;
}

/** A message to list software. */
export interface RequestMessage {
  readonly header: Header;
  readonly body: Uint8Array;
  /** Whether this is the whole body. */
  readonly whole: boolean;
}

/** The command words of Majordomo, Sympa and Mailman for either request. */
const COMMANDS: Readonly<Record<string, Request["command"]>> = {
  subscribe: "subscribe",
  sub: "subscribe",
  join: "subscribe",
  unsubscribe: "unsubscribe",
  unsub: "unsubscribe",
  signoff: "unsubscribe",
  sig: "unsubscribe",
  leave: "unsubscribe",
};

/** Other words that one of the programs treats as a command, in a line or in the Subject. */
const OTHER_WORDS =
  /^(?:accept|add|approve|auth|cancel|confirm|del|delete|distribute|echo|end|get|help|index|info|invite|last|list|lists|modindex|password|quit|reject|remind|remove|review|set|stats|stop|verify|which|who|whoami)$/;

/** The longest line that is read as a command, in octets. */
const MAX_COMMAND_BYTES = 200;
/** The longest body that contains one command and a signature, in octets. */
const MAX_BODY_BYTES = 4 * 1024;

// list-subscribe, list-unsubscribe-user=host (ezmlm); list+subscribe (mlmmj); list-join, list-leave (Mailman).
const BY_ADDRESS = /^(.+)[-+](subscribe|unsubscribe|join|leave)$/i;
const FOR_SUBSCRIBER = /^(.+)[-+](subscribe|unsubscribe)[-+]([^=]+)=([^=]+)$/i;
const LIST_REQUEST = /^(.+)-request$/i;
const PROGRAMS = /^(?:majordomo|sympa|listserv)$/i;

/** Returns what a message to this recipient requests; undefined for nothing, or nothing certain. */
export function requestIn(recipient: Address, message: RequestMessage): Request | undefined {
  const { local, domain } = recipient;
  const at = (list: string) => `${list}@${domain}`.toLowerCase();
  const [, list, verb] = BY_ADDRESS.exec(local) ?? [];
  if (list !== undefined) return { command: COMMANDS[verb!.toLowerCase()]!, list: at(list) };
  const [, theirs, command, user, host] = FOR_SUBSCRIBER.exec(local) ?? [];
  if (theirs !== undefined) {
    return {
      command: COMMANDS[command!.toLowerCase()]!,
      list: at(theirs),
      subscriber: `${user}@${host}`.toLowerCase(),
    };
  }
  const own = LIST_REQUEST.exec(local)?.[1];
  if (own === undefined && !PROGRAMS.test(local)) return undefined;
  const words = commandIn(message, own !== undefined)?.split(" ") ?? [];
  const word = (words[0] ?? "").toLowerCase();
  if (!Object.hasOwn(COMMANDS, word)) return undefined;
  // LIST-request implies the list; for other addresses the command names it. The subscriber's address or name may
  // follow.
  const rest = words.slice(own === undefined ? 2 : 1);
  const name = own ?? listName(words[1], domain);
  const subscriber = subscriberIn(rest, own !== undefined);
  if (name === undefined || subscriber === null) return undefined;
  return { command: COMMANDS[word]!, list: at(name), ...(subscriber && { subscriber }) };
}

/** Returns the list that a command names, without its domain; undefined if that is not the program's own. */
function listName(word: string | undefined, domain: string): string | undefined {
  const [, name, host] = /^([A-Za-z0-9][A-Za-z0-9._+-]{0,99})(?:@([A-Za-z0-9.-]{1,255}))?$/.exec(word ?? "") ?? [];
  return host === undefined || host.toLowerCase() === domain.toLowerCase() ? name : undefined;
}

/** Returns the address in the rest of a command; undefined when there is none, null when it cannot be parsed. */
function subscriberIn(rest: readonly string[], listRequest: boolean): string | null | undefined {
  const text = rest.join(" ").replace(/^address=/i, "");
  if (!text.includes("@")) return listRequest && text !== "" ? null : undefined;
  try {
    return canonical(parseAddress(text.replace(/^<(.*)>$/, "$1")));
  } catch {
    return null;
  }
}

/** Returns the only command in Subject and body; undefined when there is none or more than one. */
function commandIn({ header, body, whole }: RequestMessage, readsBoth: boolean): string | undefined {
  if (!whole || body.length > MAX_BODY_BYTES || !isPlainText(header)) return undefined;
  const lines = decodeLatin1(body).split("\n").map(squeezed);
  const end = lines.findIndex((line) => /^(?:--|end|quit)$/i.test(line));
  const commands = lines.slice(0, end < 0 ? undefined : end).filter((line) => line !== "");
  const subject = squeezed(value(header, "Subject") ?? "");
  const word = subject.split(" ", 1)[0]!.toLowerCase();
  // Mailman reads Subject and body, Majordomo the body, Sympa either.
  if (isCommandWord(word) && (readsBoth || subject !== commands[0])) commands.push(subject);
  const [command, ...more] = commands;
  return command === undefined || more.length > 0 || command.length > MAX_COMMAND_BYTES ? undefined : command;
}

const isCommandWord = (word: string): boolean => Object.hasOwn(COMMANDS, word) || OTHER_WORDS.test(word);

const squeezed = (line: string): string => line.replace(/\s+/g, " ").trim();

/** Returns whether every program reads the body as plain lines: it is not HTML, not multipart and not encoded. */
function isPlainText(header: Header): boolean {
  const bodies = (name: string) =>
    header.filter((one) => named(one, name)).map(({ raw }) => raw.replace(/^[^:]*:\s*/, ""));
  return bodies("Content-Type").every((type) => /^text\/plain\s*(?:;|$)/i.test(type)) &&
    bodies("Content-Transfer-Encoding").every((encoding) => /^(?:7bit|8bit|binary)\s*$/i.test(encoding));
}
