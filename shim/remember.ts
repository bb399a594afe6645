/** What the shim writes down about a message before it leaves, so that what comes back about it can be known. */
import { formatAddress } from "../lib/address.ts";
import type { Settings } from "../lib/config.ts";
import { reason } from "../lib/fail.ts";
import { identityName } from "../lib/identity.ts";
import { bodyLines, makeEntry } from "../lib/ledger.ts";
import { fileLedger } from "../state/ledger.ts";
import { rememberSent } from "../state/sent.ts";
import type { Plan } from "./plan.ts";
import { isRemembered } from "./rules.ts";

/** Bytes of body that are wanted for the ledger's lines. */
export const BODY_WANTED = 64 * 1024;

/**
 * Remembers a message before it leaves. Mail matters more than memory: an error is only logged, and what comes back
 * about the message is then judged without it.
 *
 * @param body the beginning of the body as it leaves
 * @returns what went wrong
 */
export async function remember(
  { header, identity, sent, handover }: Plan,
  body: Uint8Array,
  whole: boolean,
  settings: Settings,
  now: Date,
): Promise<string | undefined> {
  if (sent === undefined) return undefined;
  try {
    const folder = `${settings.state}/sent`;
    for (const one of sent.identities) await rememberSent(folder, one, sent.messageId, sent.signed, now);
    // A challenge is answered only about a message with a tag.
    if (identity === undefined || !sent.signed) return undefined;
    const lists = handover.recipients.filter((one) => isRemembered(one, settings));
    if (lists.length === 0) return undefined;
    const ledger = fileLedger(`${settings.state}/ledger`);
    for (const list of lists) {
      await ledger.issue(
        await makeEntry(identityName(identity), formatAddress(list), header, bodyLines(body, whole), now),
      );
    }
    return undefined;
  } catch (error) {
    return reason(error);
  }
}
