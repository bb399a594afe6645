/** The heart of the way out: from what a mail program gave us to what is handed over. Reads and writes nothing. */
import { type Address, formatAddress, formatMailbox, parseAddress, parseAddressList } from "../lib/address.ts";
import { base32, textToBinary } from "../lib/bytes.ts";
import type { Settings } from "../lib/config.ts";
import { rfc5322Date } from "../lib/day.ts";
import { Fail, reason, show } from "../lib/fail.ts";
import { type Identity, identityName, identityOf } from "../lib/identity.ts";
import { keyDigit, signingKey as keyFor } from "../lib/keys.ts";
import { field, type Header, named, valueOf, values, without } from "../lib/message.ts";
import { prvsSign } from "../lib/prvs.ts";
import type { Scheme } from "../lib/settings.ts";
import { srsForward } from "../lib/srs.ts";
import { signTag, TAG_FIELD } from "../lib/tag.ts";
import type { Handover } from "../transport/presets.ts";
import type { Call } from "./flags.ts";
import { schemeFor } from "./rules.ts";

/** What is looked up before planning. */
export interface Context {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
  readonly now: Date;
}

/** What is handed over, and why. */
export interface Plan {
  readonly handover: Handover;
  readonly header: Header;
  /** The envelope sender's scheme; `given` for a message that is not ours to sign. */
  readonly scheme: Scheme | "given";
  /** The identity that signed; undefined when nobody did. */
  readonly identity: Identity | undefined;
  /** Sentences for the log: what was chosen against expectation. */
  readonly notes: readonly string[];
}

/** Octets that a local part may have (RFC 5321 section 4.5.3.1.1). */
const LOCAL_LIMIT = 64;

/**
 * Plans one message.
 *
 * @throws {Fail} `usage` without recipients, `data` for a header that cannot be understood
 */
export async function plan(call: Call, given: Header, context: Context): Promise<Plan> {
  const notes: string[] = [];
  const recipients = findRecipients(call, given);
  let header = without(given, "Bcc", "Resent-Bcc", "Return-Path");
  // The header as it came is asked: a Resent-Bcc alone says that the message was under way. Then it is not ours to
  // complete, either: our From on a stranger's mail would make it look like ours.
  const under = underWay(given);
  if (!under) header = completed(call, header, context);
  const identity = under ? undefined : signer(call, header, context);
  if (identity === undefined) {
    return { handover: { sender: call.sender, recipients, dsn: call.dsn }, header, scheme: "given", identity, notes };
  }
  const { scheme, sender } = await chooseSender(senderOf(call, identity, context), recipients, context, notes);
  if (context.settings.tag.sign) header = await tagged(header, identity, context);
  return { handover: { sender, recipients, dsn: call.dsn }, header, scheme, identity, notes };
}

function findRecipients(call: Call, header: Header): Address[] {
  const found = [...call.recipients];
  if (call.recipientsFrom !== "arguments") {
    // RFC 5322 section 3.6.6: a resent message goes where the Resent- fields say.
    const resent = header.some((one) => named(one, "Resent-To", "Resent-Cc", "Resent-Bcc"));
    for (const name of resent ? ["Resent-To", "Resent-Cc", "Resent-Bcc"] : ["To", "Cc", "Bcc"]) {
      for (const value of values(header, name)) {
        for (const { address } of headerAddresses(name, value)) if (address !== null) found.push(address);
      }
    }
  }
  const unique = new Map(found.map((one) => [`${one.local}@${one.domain.toLowerCase()}`, one]));
  if (unique.size === 0) throw new Fail("usage", "No recipients are given");
  return [...unique.values()];
}

function headerAddresses(name: string, value: string) {
  if (/[\r\0]/.test(value)) throw new Fail("data", `Field ${name} holds a CR or NUL`);
  try {
    return parseAddressList(value, { bare: true });
  } catch (error) {
    throw new Fail("data", `Field ${name}: ${reason(error)}`);
  }
}

/** What cron and small scripts leave out (RFC 5322 section 3.6), added before the tag is made over it. */
function completed(call: Call, header: Header, context: Context): Header {
  const has = (name: string) => header.some((one) => named(one, name));
  const out = header.filter((one) => !named(one, "Message-ID") || valueOf(one) !== ""); // an empty one is none
  const author = call.sender === undefined ? context.identities[0]?.address : call.sender;
  if (!has("From") && author) out.push(field("From", formatMailbox(call.fullName, author)));
  if (!has("Date")) out.push(field("Date", rfc5322Date(context.now)));
  if (!out.some((one) => named(one, "Message-ID"))) {
    const random = base32(crypto.getRandomValues(new Uint8Array(15)));
    const domain = author?.domain || context.identities[0]?.address.domain || "localhost";
    out.push(field("Message-ID", `<${random}@${domain}>`));
  }
  return out;
}

/** Does anything show that the message was sent before? */
function underWay(header: Header): boolean {
  return header.some((one) => named(one, "Received", "Delivered-To") || /^Resent-/i.test(one.name));
}

/**
 * The identity that this message is signed for, if it is our own: every From
 * address and the given sender are identities. What procmail forwards comes
 * here too; signing it would make us an oracle.
 */
function signer(call: Call, header: Header, context: Context): Identity | undefined {
  if (call.sender === null) return undefined;
  if (call.sender !== undefined && own(call.sender, context) === undefined) return undefined;
  const authors: (Identity | undefined)[] = [];
  for (const value of values(header, "From")) {
    try {
      for (const { address } of parseAddressList(value, { bare: true })) {
        authors.push(address ? own(address, context) : undefined);
      }
    } catch {
      return undefined; // A From that nobody can read is nobody's.
    }
  }
  return authors.every((one) => one !== undefined) ? authors[0] : undefined;
}

function own(address: Address, { settings, identities }: Context): Identity | undefined {
  return identityOf(identities, address.domain === "" ? { ...address, domain: settings.domain } : address);
}

/** The identity whose address the envelope sender is made from. */
function senderOf(call: Call, author: Identity, context: Context): Identity {
  return call.sender ? own(call.sender, context)! : author;
}

async function chooseSender(
  identity: Identity,
  recipients: readonly Address[],
  context: Context,
  notes: string[],
): Promise<{ scheme: Scheme; sender: Address }> {
  const { settings } = context;
  const order: Scheme[] = settings.mixed === "plain" ? ["plain", "prvs", "srs"] : ["srs", "prvs", "plain"];
  const wanted = new Set(recipients.map((one) => schemeFor(one, settings)));
  const chosen = order.find((scheme) => wanted.has(scheme))!;
  if (wanted.size > 1) notes.push(`recipients disagree (${[...wanted].sort().join(", ")}): ${chosen}`);

  // What cannot be had becomes the next weaker thing, never an address that would not come home.
  for (const scheme of { srs: ["srs", "prvs"], prvs: ["prvs"], plain: [] }[chosen] as Scheme[]) {
    const signed = await sign(scheme, identity, context);
    if (typeof signed !== "string") return { scheme, sender: signed };
    notes.push(signed);
  }
  return { scheme: "plain", sender: identity.address };
}

/** The signed address, or why there is none. */
export async function sign(scheme: Scheme, identity: Identity, { settings, now }: Context): Promise<Address | string> {
  const name = identityName(identity);
  const key = signingKey(identity, now);
  if (scheme === "prvs" && !settings.prvs.receive) return "prvs is not receivable";
  if (scheme === "srs" && identity.srsDomain === "") return `${name} has no srs_domain`;
  // SRS0=…="a b"@x is no address (RFC 5321 section 4.1.2): MTAs would repair it, each in its way.
  if (identity.address.local.includes('"')) return `${name} has a quoted local part, ${scheme} cannot hold it`;
  const signed = parseAddress(
    scheme === "srs"
      ? await srsForward(name, identity.srsDomain, {
        secrets: [key.secret],
        hashLength: settings.srs.hash_length,
        alphabet: settings.srs.alphabet,
        separator: settings.srs.separator,
        now,
      })
      : await prvsSign(name, {
        secret: key.secret,
        keyNumber: keyDigit(key),
        lifetime: settings.prvs.lifetime,
        delimiter: settings.prvs.delimiter,
        now,
      }),
  );
  const octets = textToBinary(signed.local).length;
  return octets > LOCAL_LIMIT ? `${scheme} local part would have ${octets} octets` : signed;
}

function signingKey(identity: Identity, now: Date) {
  const key = keyFor(identity.keys, now);
  if (key === undefined) {
    const why = "all are too old, or of a day that lies ahead";
    throw new Fail("config", `No key of ${formatAddress(identity.address)} can sign today: ${why}`);
  }
  return key;
}

/** Exactly one tag: a former one, from a draft or a template, is taken off. */
async function tagged(header: Header, identity: Identity, { now }: Context): Promise<Header> {
  const clean = without(header, TAG_FIELD);
  const [id, ...more] = values(clean, "Message-ID");
  if (id === undefined || more.length > 0) {
    throw new Fail("data", `The message has ${more.length + 1} Message-ID fields`);
  }
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f]/.test(id)) throw new Fail("data", `Message-ID ${show(id)} holds a control character`);
  const key = signingKey(identity, now);
  return [
    ...clean,
    field(TAG_FIELD, await signTag(identityName(identity), id, { key: key.id, secret: key.secret, now })),
  ];
}
