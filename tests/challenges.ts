/**
 * The challenges in tests/samples/challenges, changed to be about a message that was sent:
 * the quoted message is signed by plan() and replaces the original, and the text
 * around it is unchanged. No processes are run and no files written.
 */
import type { Delivery } from "../incoming/delivery.ts";
import type { Verdict } from "../incoming/verdict.ts";
import type { DecideContext } from "../io/state/lookups.ts";
import { formatAddress, parseAddress } from "../lib/address.ts";
import { decodeLatin1, encodeLatin1 } from "../lib/bytes.ts";
import { COMPARED_FIELDS } from "../lib/compared.ts";
import { parseConfig, type Settings } from "../lib/settings/parse.ts";
import { dayOf } from "../lib/date.ts";
import type { Identity } from "../lib/settings/identity.ts";
import {
  type Entry,
  entryName,
  type Found,
  LEDGER_DAYS,
  type LedgerView,
  listDigest,
  messageDigest,
} from "../lib/entry.ts";
import { sealedEntry } from "../io/state/seal.ts";
import { parseHead, printHead, value } from "../lib/message.ts";
import { TAG_FIELD } from "../lib/tag.ts";
import { plan } from "../outgoing/plan.ts";
import { isRemembered } from "../outgoing/rules.ts";
import { ROOT, SECRET } from "./rig.ts";
import { randomBytes } from "./random.ts";

const FOLDER = `${ROOT}/tests/samples/challenges`;
/** The unchanged samples as binary strings, by name without `.eml`. */
export const SAMPLES: ReadonlyMap<string, string> = new Map(
  [...Deno.readDirSync(FOLDER)].filter(({ name }) => name.endsWith(".eml")).sort((a, b) => a.name < b.name ? -1 : 1)
    .map(({ name }) => [name.slice(0, -".eml".length), decodeLatin1(Deno.readFileSync(`${FOLDER}/${name}`))]),
);

/** The placeholder for the tag in the samples. */
export const PLACEHOLDER = "X-Msgauth-Tag: 7a08f934bd27cb376958ca060ebb69e3080187d0\n";

/** Noon of the day on which the samples were made. */
export const now: Date = new Date("2026-11-20T12:00:00Z");
/** The time that many days later. */
export const day = (days: number): Date => new Date(now.getTime() + days * 86_400_000);

const identity = (address: string, secret: string): Identity => ({
  address: parseAddress(address),
  srsDomain: "",
  keys: [{ id: "k1", created: dayOf(day(-100)), secret: new TextEncoder().encode(secret) }],
});
/** The recipient of the samples. */
export const joe: Identity = identity("joe@example.net", SECRET);
/** Another identity of the same user. */
export const chair: Identity = identity("chair@club.example", `${SECRET}, of the club`);

/** The lists and people in the samples, to which mail is remembered. */
export const LISTS = ["qmail@list.cr.yp.to", "test@lists.example.org", "dev@lists.example.org"];

/** Settings that answer challenges from the lists and people in the samples. */
export function settings(challenge = "answer = true", more = ""): Settings {
  const lists = JSON.stringify(LISTS);
  return parseConfig(
    `[[identity]]\naddress = "joe@example.net"\n[[identity]]\naddress = "chair@club.example"\nkeys = "chair"\n` +
      `[transport]\nvia = "maildir"\nmaildir = "/out"\n[[rule]]\nto = ["ann@example.org"]\nconfirm = true\n` +
      `[challenge]\nlists = ${lists}\n${challenge}\n${more}`,
    { file: "/etc/config.toml", home: "/home/joe" },
  );
}

/** A ledger in memory that tests can inspect. */
export class Memory implements LedgerView {
  found: Found[] = [];
  add(entry: Entry, state: Found["state"] = "issued"): string {
    const name = entryName(entry);
    this.found.push({ name, state, entry });
    return name;
  }
  find(by: { messageId: string } | { list: string }): Promise<Found[]> {
    const wanted = "messageId" in by ? messageDigest(by.messageId) : listDigest(by.list);
    return Promise.resolve(this.found.filter(({ name }) => name.split("-")["messageId" in by ? 0 : 1] === wanted));
  }
}

/** An entry with placeholder digests, for tests of the store. */
export const someEntry = (change: Partial<Entry> = {}): Entry => ({
  messageId: "1@example.net",
  list: "test@lists.example.org",
  from: "joe@example.net",
  expires: dayOf(now) + LEDGER_DAYS,
  alone: true,
  fields: COMPARED_FIELDS.map((name) => `digest of ${name}`),
  body: { key: "k1", sealed: "", whole: true },
  ...change,
});

/** A message as sent, and what is remembered about it. */
export interface Sent {
  /** Header and body, a binary string. */
  readonly mail: string;
  readonly entries: readonly Entry[];
  /** The line of the tag, with its line ending. */
  readonly tagLine: string;
  readonly messageId: string;
}

/** Sends a message to the recipients in its header, as the shim does. */
export async function send(
  message: string,
  when: Date = now,
  config: Settings = settings("requests = true\nanswer = true"),
): Promise<Sent> {
  const bytes = encodeLatin1(message);
  const { header, bodyStart } = parseHead(bytes, true)!;
  const request = { sender: undefined, fullName: "", recipientsFrom: "header", recipients: [], dsn: {} } as const;
  const planned = plan(request, header, {
    settings: config,
    identities: [joe, chair],
    now: when,
    random: randomBytes(),
  });
  if (planned.identity === undefined) throw new Error("the message was not signed");
  const body = bytes.subarray(bodyStart);
  const { identity, header: sent, envelope: { recipients } } = planned;
  const outgoing = { identity, recipients, header: sent, body, whole: true };
  const lists = recipients.filter((recipient) => isRemembered(recipient, config, outgoing));
  const entries = await Promise.all(lists.map(async (list) => (await sealedEntry(list, outgoing, when))!));
  const head = decodeLatin1(printHead(planned.header));
  return {
    mail: head + decodeLatin1(body),
    entries,
    tagLine: `${TAG_FIELD}: ${value(planned.header, TAG_FIELD)}\n`,
    messageId: value(planned.header, "Message-ID")!,
  };
}

/** Splits a sample at the quoted message: text before, message, text after. */
export function cut(sample: string): [frame: string, quoted: string, rest: string] {
  const start = sample.lastIndexOf(PLACEHOLDER);
  if (start < 0) throw new Error("the sample quotes no tag");
  const boundary = /^Content-Type: multipart\/mixed; boundary="?([^"\n]+)"?$/im.exec(sample)?.[1];
  // The line ending before a boundary belongs to the boundary (RFC 2046 section 5.1.1).
  const end = boundary === undefined ? sample.length : sample.lastIndexOf(`\n--${boundary}--`);
  return [sample.slice(0, start), sample.slice(start + PLACEHOLDER.length, end), sample.slice(end)];
}

/** A challenge about a sent message: the text before the quoted message, that message, and the text after it. */
export interface Challenge {
  readonly frame: string;
  readonly sent: Sent;
  readonly rest: string;
  readonly mail: string;
}

/** The sample, changed to be about a sent message, which `edit` may change before it is sent. */
export async function genuine(
  name: string,
  edit: (message: string) => string = (message) => message,
): Promise<Challenge> {
  const [frame, quoted, rest] = cut(SAMPLES.get(name)!);
  const sent = await send(edit(quoted));
  return { frame, sent, rest, mail: frame + sent.mail + rest };
}

/** A challenge as a hook receives it. */
export function delivery(mail: string, recipient = "joe@example.net"): Delivery {
  const prefix = encodeLatin1(mail);
  const { header, bodyStart } = parseHead(prefix, true)!;
  const sender = value(header, "Return-Path")?.replace(/^<(.*)>$/, "$1");
  return { sender: sender || null, recipients: [recipient], header, prefix, bodyStart, whole: true };
}

/** A context with these entries, all issued. */
export function context(
  entries: readonly Entry[],
  config: Settings = settings(),
): DecideContext & { ledger: Memory } {
  const ledger = new Memory();
  for (const entry of entries) ledger.add(entry);
  return { settings: config, identities: [joe, chair], now, ledger };
}

/** A summary of an answer; undefined when there is none. */
export function answerOf({ action, answer, identity }: Verdict): Record<string, unknown> | undefined {
  if (action !== "answer" || answer === undefined || identity === undefined) return undefined;
  const { answerTo, subject, body } = answer.form;
  return { to: answerTo, subject, body, from: formatAddress(answer.author), ...answer.spends };
}
