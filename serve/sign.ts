/**
 * The role `sign`: signs the mail of authenticated clients for the identities that list their login, as the shim does
 * for its user. On errors it defers the message, which the client still has.
 */
import { formatAddress, parseAddress } from "../lib/address.ts";
import type { Address } from "../lib/address.ts";
import { utf8ToLatin1 } from "../lib/bytes.ts";
import { LEDGER_BODY_BYTES } from "../lib/entry.ts";
import { errorText, Fail, isRejection, reason } from "../lib/fail.ts";
import { type Event, logAddress } from "../lib/log.ts";
import { type Field, type Header, named, valueOf } from "../lib/message.ts";
import { loggedMessageId, messageIdBody } from "../lib/message_id.ts";
import { canonicalAddress, type Identity, identityOf } from "../lib/settings/identity.ts";
import { secretsById, validKeys } from "../lib/settings/keys.ts";
import { TAG_FIELD, verifyTag } from "../lib/tag.ts";
import { receivedBefore } from "../outgoing/login.ts";
import { alreadyRelayed, ownership } from "../outgoing/owner.ts";
import { type Plan, plan, RANDOM_BYTES } from "../outgoing/plan.ts";
import { remember } from "../io/state/remember.ts";
import { rememberIn } from "../io/state/stores.ts";
import { logTogether } from "../io/system/log.ts";
import { headerEdits, sendmailEdits } from "./edits.ts";
import type { Engine } from "./engine.ts";
import type { Loaded } from "./loaded.ts";
import { ACTIONS, type Answer, type Edit } from "./milter/protocol.ts";
import type { Content, MailFrom, MilterMessage, MilterRole } from "./milter/session.ts";
import { reply } from "./reply.ts";

/** The role, with the settings that the engine holds when a message begins. */
export function signRole(engine: Engine): MilterRole {
  return {
    actions: ACTIONS.addHeader | ACTIONS.changeHeader | ACTIONS.changeSender,
    bodyBytes: LEDGER_BODY_BYTES,
    skipsBody: true,
    mail: (from) => new OutgoingMessage(from, engine.loaded, new Date()),
  };
}

class OutgoingMessage implements MilterMessage {
  readonly #from: MailFrom;
  readonly #loaded: Loaded;
  readonly #now: Date;
  readonly #recipients: string[] = [];

  constructor(from: MailFrom, loaded: Loaded, now: Date) {
    [this.#from, this.#loaded, this.#now] = [from, loaded, now];
  }

  recipient(address: string): Answer {
    this.#recipients.push(address);
    return "continue";
  }

  data(): Answer {
    return "continue";
  }

  async end(content: Content): Promise<{ answer: Answer; edits?: Edit[] }> {
    try {
      const { edits, event } = await this.#sign(content);
      await this.#log({ id: loggedMessageId(content.header), result: "passed", ...event });
      return { answer: "accept", edits };
    } catch (error) {
      // A message that cannot be parsed will not be parsed on a retry either.
      const permanent = error instanceof Fail && error.kind === "data";
      await this.#log({
        id: loggedMessageId(content.header),
        result: permanent ? "refused" : "deferred",
        why: errorText(error),
      });
      // The client must not learn why a key cannot be read.
      const text = permanent ? reason(error) : "The message cannot be signed now, try again later";
      return { answer: { reply: reply(permanent ? "554 5.6.0" : "451 4.3.0", text) } };
    }
  }

  async #sign(content: Content): Promise<{ edits: Edit[]; event: Event }> {
    const { settings } = this.#loaded;
    const { header } = content;
    const signers = this.#signers(header);
    // The part of the header beyond the limit may contain a second From.
    if (content.cut) return await this.#pass(header, signers, "the header is too long");
    const [sender, recipients] = [addressOf(this.#from.sender), this.#recipients.map(addressOf)];
    const tags = header.filter((one) => named(one, TAG_FIELD));
    // The tag of a message that is re-sent belongs to its first sender.
    const resent = header.some((one) => /^Resent-/i.test(one.name));
    const authors = resent ? [] : this.#judgedAuthors(header, signers);
    const [tag, ...others] = tags;
    const signedBy = tag && others.length === 0 ? this.#verified(valueOf(tag), header, authors) : undefined;
    if (signedBy !== undefined) {
      const own = this.#from.login !== undefined || !alreadyRelayed(header);
      const forgotten = own ? await this.#rememberAs(header, [signedBy], true) : undefined;
      const event = { identity: canonicalAddress(signedBy), scheme: "none", why: "already signed", forgotten };
      return { edits: [], event };
    }

    // An address that cannot be parsed belongs to no identity and matches no rule.
    const readable = sender !== undefined && recipients.every((one) => one !== undefined);
    if (signers.length === 0 || !readable) {
      const why = !readable ? "an address cannot be read" : this.#notASigner();
      return await this.#pass(header, signers, why, authors);
    }
    // With a login, the Received field of webmail does not mean that the message was relayed.
    const hidden = this.#from.login === undefined ? new Set<Field>() : receivedBefore(header);
    const request = {
      sender,
      fullName: "",
      recipientsFrom: "arguments",
      recipients: recipients.filter((one) => one !== undefined),
      dsn: {},
    } as const;
    const random = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
    const context = { settings, identities: signers, now: this.#now, random };
    const visible = header.filter((one) => !hidden.has(one));
    const planned = plan(request, visible, context);
    if (planned.identity === undefined) {
      const concerned = alreadyRelayed(visible) ? [] : planned.sent?.identities;
      return await this.#pass(header, signers, planned.why ?? "", authors, concerned);
    }
    const forgotten = await remember(planned, content.body, content.whole, settings, this.#now);
    const edits = [...senderEdit(planned, this.#from.sender), ...this.#headerEdits(header, planned.header, hidden)];
    const event = { ...describe(planned), id: loggedMessageId(planned.header), forgotten, result: "signed" };
    return { edits, event };
  }

  /** Returns the identities for which this client may send. */
  #signers(header: Header): readonly Identity[] {
    const { settings, identities } = this.#loaded;
    const { login, local } = this.#from;
    if (login !== undefined) return identities.filter((one) => one.logins?.includes(login));
    // Mail that was relayed to this machine, and is forwarded by a local program, is not local mail.
    const relayed = header.some((one) => named(one, "Received", "Delivered-To"));
    return local && settings.serve.sign_local && !relayed ? identities : [];
  }

  /** Returns the authors whose tags can be verified. An unreadable key is an error only if the client signs with it. */
  #judgedAuthors(header: Header, signers: readonly Identity[]): readonly Identity[] {
    const { authors } = ownership(header, { ...this.#loaded, now: this.#now });
    return authors.filter((one) => {
      try {
        return one.keys.length > 0;
      } catch (error) {
        if (signers.includes(one)) throw error;
        return false;
      }
    });
  }

  #headerEdits(given: Header, planned: Header, hidden?: ReadonlySet<Field>): Edit[] {
    return (this.#from.postfix ? headerEdits : sendmailEdits)(given, planned, hidden);
  }

  #notASigner(): string {
    if (this.#from.login !== undefined) return "no identity names the login";
    return this.#from.local ? "sent on this machine without a login" : "the client has not logged in";
  }

  /**
   * Accepts a message unsigned. Bounces of it may still be recognized by the Message-ID.
   *
   * @param concerned the identities of the client to which bounces and replies may be sent
   */
  async #pass(
    header: Header,
    signers: readonly Identity[],
    why: string,
    authors: readonly Identity[] = [],
    concerned: readonly Identity[] = [],
  ): Promise<{ edits: Edit[]; event: Event }> {
    const { identities } = this.#loaded;
    const { sender } = this.#from;
    // An invalid tag of an identity could be mistaken for a valid one.
    const judged = authors.length > 0 && !alreadyRelayed(header);
    const planned = judged ? header.filter((one) => !named(one, TAG_FIELD)) : header;
    const owner = sender === null ? undefined : identityOf(signers, sender) ?? identityOf(identities, sender);
    const own = owner && !alreadyRelayed(header) ? [owner] : [];
    const forgotten = await this.#rememberAs(header, [...new Set([...own, ...concerned])], false);
    const identity = owner ?? concerned[0];
    const event = { identity: identity && canonicalAddress(identity), scheme: "none", why, forgotten };
    return { edits: this.#headerEdits(header, planned), event };
  }

  /** Returns the author whose key made this tag for this message; undefined for an invalid or expired tag. */
  #verified(tag: string, header: Header, authors: readonly Identity[]): Identity | undefined {
    const fields = header.filter((one) => named(one, "Message-ID"));
    const [id] = fields;
    if (id === undefined || fields.length > 1) return undefined;
    return authors.find((author) => {
      const secrets = secretsById(validKeys(author.keys, this.#now));
      try {
        verifyTag(tag, canonicalAddress(author), messageIdBody(id), { secrets, now: this.#now });
        return true;
      } catch (error) {
        if (!isRejection(error)) throw error;
        return false;
      }
    });
  }

  /** Remembers a message. Errors do not stop the mail: they are returned for the log. */
  async #rememberAs(header: Header, senders: readonly Identity[], signed: boolean): Promise<string | undefined> {
    const id = header.find((one) => named(one, "Message-ID"));
    if (id === undefined) return undefined;
    const { settings } = this.#loaded;
    try {
      for (const one of senders) await rememberIn(settings, one, messageIdBody(id), signed, this.#now);
      return undefined;
    } catch (error) {
      return reason(error);
    }
  }

  async #log(event: Event): Promise<void> {
    const { settings } = this.#loaded;
    const address = addressOf(this.#from.sender);
    const sender = address === undefined ? "unreadable" : logAddress(address, settings.log_addresses);
    const login = this.#from.login ?? (this.#from.local ? "local" : "none");
    await logTogether(settings, {
      direction: "out",
      at: "sign",
      login,
      sender,
      recipients: this.#recipients.length,
      ...event,
    });
  }
}

function describe({ scheme, identity, envelope, notes, error, warning }: Plan): Event {
  const { sender } = envelope;
  return {
    identity: identity && canonicalAddress(identity),
    scheme,
    sender: sender ? formatAddress(sender) : undefined,
    note: notes.join("; "),
    error,
    warning,
  };
}

function senderEdit({ envelope }: Plan, given: string | null): Edit[] {
  const { sender } = envelope;
  if (!sender) return [];
  const address = formatAddress(sender);
  return address === given ? [] : [{ kind: "sender", path: `<${utf8ToLatin1(address)}>` }];
}

/** Returns null for the null sender; undefined if the text is not an address. */
function addressOf(text: string | null): Address | null | undefined;
function addressOf(text: string): Address | undefined;
function addressOf(text: string | null): Address | null | undefined {
  if (text === null) return null;
  try {
    return parseAddress(text);
  } catch {
    return undefined;
  }
}
