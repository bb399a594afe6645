/**
 * Is it a challenge about a message of ours that may be answered? An answer is
 * a contract, so all must agree: the form, the tag, the entry of the ledger, and
 * what is quoted of the message. Anything else is delivered.
 */
import { parseAddressList } from "../lib/address.ts";
import { dayOf } from "../lib/day.ts";
import { isRejection } from "../lib/fail.ts";
import { type Identity, identityName, identityOf } from "../lib/identity.ts";
import { validKeys } from "../lib/keys.ts";
import { disagreement, type Found } from "../lib/ledger.ts";
import { type Header, value, values } from "../lib/message.ts";
import { bareMessageId } from "../lib/message_id.ts";
import { TAG_FIELD, verifyTag } from "../lib/tag.ts";
import { TOKEN_FIELD } from "../state/pymsgauth.ts";
import type { Delivery } from "./delivery.ts";
import { type Form, recognise } from "./forms.ts";
import type { Answer, Context, Verdict } from "./judge.ts";
import { quotedMessages } from "./quoted.ts";

/** Answered when it is about a message of ours, delivered with a mark when it was answered before; else no verdict. */
export async function checkChallenge(delivery: Delivery, context: Context): Promise<Verdict | string> {
  if (!context.settings.challenge.answer || context.ledger === undefined) return "challenges are not answered";
  const form = recognise(delivery.header);
  if (form === undefined) return "no challenge";
  const old = form.program === "qsecretary" ? pymsgauth(form, delivery, context) : undefined;
  if (old !== undefined) return old;
  const found = form.request ? await request(form, context) : await message(form, delivery, context);
  if (typeof found === "string") return `a challenge of ${form.program}, but ${found}`;
  const { identity, entry } = found;
  if (entry.state !== "issued") return again(form, entry.state, identity);
  const inReplyTo = value(delivery.header, "Message-ID");
  const answer: Answer = { form, spends: { entry: entry.name }, inReplyTo };
  const reason = `a challenge of ${form.program} about a message of ${identityName(identity)}`;
  return { action: "answer", check: "challenge", result: "challenge", reason, identity, mark: true, answer };
}

/** What was answered, or perhaps was, is for the user to decide. */
function again(form: Form, state: "claimed" | "spent", identity: Identity): Verdict {
  const why = state === "spent" ? "it was answered before" : "an answer was begun and perhaps sent";
  const reason = `a challenge of ${form.program} about a message of ours; ${why}: look yourself`;
  return { action: "deliver", check: "challenge", result: "challenge", reason, identity, mark: true };
}

/** What shows nothing of the message: only a request that the user himself sent will do, the only one there is. */
async function request(form: Form, context: Context): Promise<{ identity: Identity; entry: Found } | string> {
  if (!context.settings.challenge.requests) return "it shows nothing of our message";
  const entries: Found[] = [];
  for (const list of form.lists) entries.push(...await context.ledger!.find({ list }));
  const open = entries.filter(({ entry }) => entry.expires >= dayOf(context.now));
  const issued = open.filter(({ state }) => state === "issued");
  const entry = issued[0] ?? open[0];
  const identity = entry && identityOf(context.identities, entry.entry.from);
  if (entry === undefined || identity === undefined) return "no request of ours is remembered";
  return issued.length > 1 ? "more than one request of ours is open" : { identity, entry };
}

async function message(
  form: Form,
  delivery: Delivery,
  { identities, ledger, now }: Context,
): Promise<{ identity: Identity; entry: Found } | string> {
  const { subscriber } = form;
  if (subscriber !== undefined && !identityOf(identities, subscriber)) return "it subscribes somebody else";
  const { prefix, bodyStart, whole = false } = delivery;
  const [quoted, ...more] = quotedMessages(prefix, bodyStart, whole, form.separator);
  if (quoted === undefined || more.length > 0) {
    return `it returns ${more.length === 0 ? "no message" : "several messages"}`;
  }
  const { header } = quoted;
  const [tags, ids] = [values(header, TAG_FIELD), values(header, "Message-ID")];
  if (tags.length !== 1 || ids.length !== 1) return "the returned header has not one tag and one Message-ID";
  const repliedTo = form.program === "TMDA" ? value(delivery.header, "In-Reply-To") : ids[0];
  if (bareMessageId(repliedTo ?? "") !== bareMessageId(ids[0]!)) return "it answers another message";
  const identity = author(header, identities);
  if (identity === undefined) return "the returned From is not an identity";
  const secrets = Object.fromEntries(validKeys(identity.keys, now).map((key) => [key.id, key.secret]));
  try {
    await verifyTag(tags[0]!, identityName(identity), ids[0]!, { secrets, now });
  } catch (error) {
    if (!isRejection(error)) throw error;
    return "the returned tag is not ours";
  }
  const found = await ledger!.find({ messageId: bareMessageId(ids[0]!) });
  const open = found.filter(({ entry }) => {
    return fits(entry.list, form.lists) && entry.from === identityName(identity) && entry.expires >= dayOf(now);
  });
  // A message to two lists of one host gets two challenges, each of which spends one entry.
  const entry = open.find(({ state }) => state === "issued") ?? open[0];
  if (entry === undefined) return "no message to that list is remembered";
  const why = await disagreement(
    entry.entry,
    header,
    quoted.body,
    form.headerOnly || (quoted.headerOnly && form.program === "TMDA"),
  );
  return why ?? { identity, entry };
}

/** Mail that went out with a token of pymsgauth, which says no more than that its file is there. */
function pymsgauth(form: Form, delivery: Delivery, context: Context): Verdict | undefined {
  if (!isListHost(form, context)) return undefined;
  const { prefix, bodyStart, whole = false } = delivery;
  const quoted = quotedMessages(prefix, bodyStart, whole, form.separator);
  const tokens = values(quoted[0]?.header ?? [], TOKEN_FIELD);
  const identity = author(quoted[0]?.header ?? [], context.identities);
  const token = tokens[0];
  if (quoted.length !== 1 || tokens.length !== 1 || token === undefined || identity === undefined) return undefined;
  const state = context.token?.(token);
  if (state === undefined) return undefined;
  if (state === "claimed") return again(form, state, identity);
  const reason = `a challenge of qsecretary about a message of ${identityName(identity)}, by its token of pymsgauth`;
  const answer: Answer = { form, spends: { token }, inReplyTo: value(delivery.header, "Message-ID") };
  return { action: "answer", check: "challenge", result: "challenge", reason, identity, mark: true, answer };
}

/** pymsgauth remembered no list, only the domains that its challenges come from. */
function isListHost({ lists }: Form, { settings }: Context): boolean {
  const host = (list: string) => list.slice(list.lastIndexOf("@") + 1).toLowerCase();
  return settings.challenge.lists.some((list) => lists.some((one) => host(one) === host(list)));
}

/** The one author, if he is an identity. */
function author(header: Header, identities: readonly Identity[]): Identity | undefined {
  try {
    const all = values(header, "From").flatMap((from) => parseAddressList(from));
    return all.length === 1 && all[0]!.address ? identityOf(identities, all[0]!.address) : undefined;
  } catch {
    return undefined;
  }
}

function fits(list: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const wanted = pattern.toLowerCase();
    return wanted.startsWith("*@") ? list.endsWith(wanted.slice(1)) : list === wanted;
  });
}
