/** Reports rejected recipients to the sender: in the maildir of reports, or by a message through the outbox. */
import { formatAddress } from "../../lib/address.ts";
import { inOnePiece, type Message, parseHead } from "../../lib/message.ts";
import { loggedMessageId } from "../../lib/message_id.ts";
import type { OutboxEntry } from "../../outgoing/outbox/entry.ts";
import { unreported } from "../../outgoing/outbox/progress.ts";
import { composeReport, MAX_RETURNED_BYTES } from "../../outgoing/outbox/report.ts";
import { log } from "../system/log.ts";
import { deliverToMaildir } from "../transport/maildir.ts";
import type { OutboxContext } from "./context.ts";
import { createEntry, type LockedEntry } from "./store.ts";

/**
 * Reports the rejected recipients of an entry.
 *
 * @returns whether it could be reported; otherwise the sender cannot be notified, and the entry must be kept
 * @throws {Fail} `temporary` when the report cannot be written
 */
export async function report(context: OutboxContext, locked: LockedEntry, entry: OutboxEntry): Promise<boolean> {
  const { owner } = entry;
  // A report about a report could be answered by a report.
  if (entry.report || owner === undefined) return false;
  const { settings, outbox, clock } = context;
  const message = await locked.message();
  const { header } = parseHead(message.head, true)!;
  const event = { direction: "out", id: loggedMessageId(header), entry: locked.id, result: "reported" };
  const { notify } = entry.dsn;
  if (notify !== undefined && !notify.split(",").includes("failure")) { // RFC 3461 section 4.1: it was not asked for
    log(settings, { ...event, note: `no report: NOTIFY=${notify}` });
    return true;
  }
  const now = clock();
  const returned = message.whole && entry.size <= MAX_RETURNED_BYTES && entry.dsn.ret !== "hdrs"
    ? (await inOnePiece(message)).head
    : undefined;
  const { head, body } = composeReport({
    owner,
    recipients: unreported(entry),
    created: new Date(entry.created),
    envid: entry.dsn.envid,
    header,
    message: returned,
  }, { now, unique: crypto.randomUUID().replaceAll("-", ""), mta: owner.domain || "localhost" });
  const text: Message = { head, body: once(body), whole: true };
  if (settings.outbox.report !== "") {
    const file = await deliverToMaildir(settings.outbox.report, text);
    log(settings, { ...event, route: file });
    return true;
  }
  using created = await createEntry(outbox, text);
  created.commit({
    created: now.getTime(),
    next: now.getTime(),
    size: head.length + body.length,
    account: entry.account,
    sender: { address: null, scheme: "none" },
    dsn: {},
    recipients: [{ address: owner, state: "waiting", reply: "", reported: false }],
    owner,
    attempts: 0,
    unreachable: false,
    hold: false,
    report: true,
  });
  log(settings, { ...event, route: `outbox ${created.id}` });
  return true;
}

/** Keeps an entry that cannot be reported. @returns what to print */
export function keepUndelivered(context: OutboxContext, locked: LockedEntry, entry: OutboxEntry): string {
  const place = locked.setAside();
  const [first] = unreported(entry);
  const to = first === undefined ? "" : ` for ${formatAddress(first.address)}`;
  const what = entry.report ? "report" : "message";
  log(context.settings, { direction: "out", entry: locked.id, result: "undelivered", route: place });
  return `A ${what}${to} was rejected, and the sender cannot be notified by mail: ${place}`;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
