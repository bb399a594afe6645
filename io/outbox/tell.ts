/** Notifies the user of what prevents the outbox from sending: at most once a day for each cause. */
import { Fail, reason } from "../../lib/fail.ts";
import { concat, utf8 } from "../../lib/bytes.ts";
import { dayOf, rfc5322Date } from "../../lib/date.ts";
import { field, printHead } from "../../lib/message.ts";
import { daily } from "../state/daily.ts";
import { log } from "../system/log.ts";
import { deliverToMaildir } from "../transport/maildir.ts";
import type { OutboxContext } from "./context.ts";

/** Notices that this process has already given. */
const told = new Set<string>();

/**
 * Prints a line, which cron mails and the journal records, and delivers a notice to the maildir of reports if there is
 * one. It is not sent by mail, because sending mail may be what fails.
 *
 * @param cause what the notice is about, such as an account; it is the name of a file
 */
export async function tellOnce(context: OutboxContext, cause: string, what: string): Promise<void> {
  const { settings, clock } = context;
  const now = clock();
  const name = `outbox-${cause.replace(/[^\w.@+-]/g, "_").slice(0, 100)}`;
  // Two sessions of this process may fail at the same moment.
  const once = `${settings.state.folder} ${name} ${dayOf(now)}`;
  if (told.has(once)) return;
  told.add(once);
  await daily(settings.state.folder, name, now, async () => {
    await tell(context, what);
    return true;
  });
}

/** Gives notice of an event that does not repeat. */
export async function tell({ settings, identities, clock, print }: OutboxContext, what: string): Promise<void> {
  print(what);
  const now = clock();
  log(settings, { direction: "out", result: "notice", why: what });
  const { report } = settings.outbox;
  const to = identities[0]?.address; // there may be none any more, after the outbox was turned off
  if (report === "" || to === undefined) return;
  const fields = [
    field("From", `Countersign outbox <${to.local}@${to.domain}>`),
    field("To", `${to.local}@${to.domain}`),
    field("Subject", "The outbox cannot send"),
    field("Date", rfc5322Date(now)),
    field("Message-ID", `<${crypto.randomUUID()}.outbox@${to.domain}>`),
    field("Auto-Submitted", "auto-generated"),
    field("MIME-Version", "1.0"),
    field("Content-Type", "text/plain; charset=utf-8"),
    field("Content-Transfer-Encoding", "8bit"),
  ];
  const text = `${what}\n\nThe messages are kept. See: countersign outbox list\n`;
  try {
    await deliverToMaildir(report, { head: concat(printHead(fields), utf8(text)), body: nothing() });
  } catch (error) {
    print(error instanceof Fail ? reason(error) : `Bug: ${reason(error)}`);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
