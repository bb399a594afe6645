/** Sends the challenges that are due. */
import { parseAddress } from "../../lib/address.ts";
import { decodeLatin1 } from "../../lib/bytes.ts";
import { Fail } from "../../lib/fail.ts";
import { parseHead } from "../../lib/message.ts";
import { accountsIn } from "../../lib/settings/accounts.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { composeChallenge, languagesOf } from "../../incoming/doorbell/challenge.ts";
import { makeCookie } from "../../incoming/doorbell/cookie.ts";
import { accountOf } from "../../outgoing/account.ts";
import type { DoorbellFiles, DueChallenge } from "../state/doorbell/files.ts";
import { isPermanent } from "../transport/outcome.ts";
import { Unfinished } from "../transport/rejected.ts";
import { send } from "../transport/send.ts";
import { termsFor } from "./terms.ts";

/** Maximum number of challenges that one message sends, so that it does not wait for a backlog. */
export const MAX_AT_ONCE = 5;

/** What became of a challenge. */
export interface SentChallenge {
  readonly id: string;
  readonly address: string;
  /** Why it was not sent. */
  readonly error?: unknown;
}

/** Sends challenges until none is due, at most `most`. A failure ends it, because the next one would fail, too. */
export async function sendChallenges(
  state: DoorbellFiles,
  settings: Settings,
  most: number,
  abort: AbortSignal,
): Promise<SentChallenge[]> {
  const out: SentChallenge[] = [];
  while (out.length < most) {
    const due = await state.nextChallenge();
    if (due === undefined) break;
    const { id, record: { address } } = due;
    let error: unknown;
    try {
      await sendChallenge(due, state, settings, abort);
    } catch (thrown) {
      error = thrown;
    }
    // If it may have been sent, or will never be accepted, it is not sent again.
    if (error === undefined || error instanceof Unfinished || isPermanent(error)) due.done();
    else await due.failed();
    out.push({ id, address, error });
    if (error !== undefined) break;
  }
  return out;
}

async function sendChallenge(
  { id, record, prefix }: DueChallenge,
  { service, keys, now }: DoorbellFiles,
  settings: Settings,
  abort: AbortSignal,
): Promise<void> {
  const to = parseAddress(record.address);
  const cookie = makeCookie(service, keys, { id, address: to, expires: record.expires }, now);
  if (cookie === undefined) throw new Fail("config", "No key can sign", { file: service.keys });
  const { header, bodyStart } = parseHead(prefix, true)!;
  const own = parseAddress(service.address);
  const messageId = `<${crypto.randomUUID()}@${own.domain}>`;
  const request = { header, body: decodeLatin1(prefix.subarray(bodyStart)) };
  const terms = termsFor(service, languagesOf(header));
  const { head, body } = composeChallenge(service, to, cookie, request, terms, { now, messageId });
  const message = {
    head,
    body: (async function* () {
      yield await Promise.resolve(body);
    })(),
    whole: true,
  };
  const account = accountOf(accountsIn(settings), own);
  await send(settings, account, { sender: null, recipients: [to], dsn: {} }, message, abort);
}
