/** The envelope and message that an MTA or delivery agent passes to a hook, each in its own way. */
import { type Address, parseAddressList } from "../lib/address.ts";
import { type Header, named, value } from "../lib/message.ts";

/** The calling program, as given with `--as`; never guessed. */
export type Caller = "qmail" | "maildrop" | "procmail" | "postfix" | "filter" | "condredirect";

/** The names for `--as`. */
export const CALLERS: readonly Caller[] = ["qmail", "maildrop", "procmail", "postfix", "filter", "condredirect"];

/** The envelope sender of qmail's double bounces. */
export const DOUBLE_BOUNCE = "#@[]";

/** The envelope of one message for one recipient: all that is known before its first line. */
export interface Received {
  /** The envelope sender; null for the null sender, undefined when unknown. `#@[]` is qmail's double bounce. */
  readonly sender: string | null | undefined;
  /** The recipient before any rewriting, in each form that the caller provides. */
  readonly recipients: readonly string[];
}

/** One message for one recipient. */
export interface Delivery extends Received {
  readonly header: Header;
  /** The beginning of the message, and the offset of its body. */
  readonly prefix: Uint8Array;
  readonly bodyStart: number;
  /** Whether the message ends within `prefix`. */
  readonly whole?: boolean;
  /** The end of a longer message, if it could be read; it may overlap `prefix`. */
  readonly tail?: Uint8Array;
  /** Whether some bytes of the message are neither in `prefix` nor in `tail`. */
  readonly unread?: boolean;
  /** Whether the header was cut and continues in the body. */
  readonly cut?: boolean;
}

/** Returns whether the message is known, or only its envelope. */
export const isMessage = (one: Received | Delivery): one is Delivery => "header" in one;

/** Looks up an environment variable. */
export type Env = (name: string) => Promise<string | undefined>;

/** Sender and recipient given on the command line, which take precedence. */
export interface Given {
  readonly sender?: string | undefined;
  readonly recipient?: string | undefined;
}

/**
 * Returns whether an address contains bytes that are not UTF-8, which Deno replaces by U+FFFD. Such an address is
 * neither signed by us nor an identity, and a retry cannot change that: as a sender it is treated as a person, as a
 * recipient as somebody else.
 */
export const isUnreadable = (address: string): boolean => address.includes("\ufffd");

/** Returns the address in a path. RFC 5321 section 4.1.1.3: source routes are accepted and ignored. */
export const withoutRoute = (path: string): string => path.replace(/^@[^:]*:/, "");

/** Returns the envelope as this caller describes it. */
export async function envelope(
  caller: Caller,
  header: Header,
  env: Env,
  given: Given,
): Promise<Received> {
  const qmail = caller === "qmail" || caller === "condredirect";
  const onTop = qmail ? [] : writtenHere(header);
  const sender = given.sender ?? await env("SENDER") ?? value(onTop, "Return-Path");
  const names = given.recipient !== undefined
    ? [given.recipient]
    : qmail
    ? await qmailRecipients(env)
    : await otherRecipients(onTop, env);
  return {
    sender: sender === undefined ? undefined : nullOr(sender),
    recipients: [...new Set(names.map(withoutBrackets).filter((name) => name !== "" && !isUnreadable(name)))],
  };
}

/** Removes the angle brackets that some programs keep from the SMTP command. */
const withoutBrackets = (address: string): string => address.replace(/^<(.*)>$/s, "$1");

/** Returns null for the null sender, which Postfix's pipe(8) writes as `MAILER-DAEMON`. */
function nullOr(sender: string): string | null {
  const bare = withoutBrackets(sender);
  return bare === "" || /^mailer-daemon$/i.test(bare) ? null : bare;
}

/**
 * Returns the recipients as described in qmail-command(8). RECIPIENT and LOCAL include the prefix of a virtual domain
 * (`greg-srs-SRS0=…`), DEFAULT and EXT do not. EXT3 and EXT4 are split at every `-`, so they are not used.
 */
async function qmailRecipients(env: Env): Promise<string[]> {
  const host = await env("HOST") ?? "";
  const [byDefault, ext, recipient] = [await env("DEFAULT"), await env("EXT"), await env("RECIPIENT")];
  return [byDefault && `${byDefault}@${host}`, ext && `${ext}@${host}`, recipient].map((name) => name ?? "");
}

/**
 * Returns the recipient for other callers. Under maildrop and procmail, DEFAULT is a mailbox and HOST is the machine.
 * If the recipient before rewriting is known, only that counts: mail to a role alias that was expanded to an identity
 * is not a bounce to that identity.
 */
async function otherRecipients(onTop: Header, env: Env): Promise<string[]> {
  const original = await env("ORIGINAL_RECIPIENT") || value(onTop, "X-Original-To");
  return [original || await env("RECIPIENT") || value(onTop, "Delivered-To") || ""];
}

/** Returns the fields that the last MTA added above its Received field. Fields of the sender are below it. */
function writtenHere(header: Header): Header {
  const received = header.findIndex((one) => named(one, "Received"));
  return received < 0 ? [] : header.slice(0, received);
}

/** Returns the only address in a text; undefined when there is none or more than one. */
export function addressIn(text: string): Address | undefined {
  try {
    const [mailbox, ...more] = parseAddressList(text);
    return more.length === 0 ? mailbox?.address ?? undefined : undefined;
  } catch {
    return undefined;
  }
}
