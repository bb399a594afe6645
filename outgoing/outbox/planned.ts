/** Makes an entry of the outbox from the plan of a message. */
import type { Address } from "../../lib/address.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import type { Plan } from "../plan.ts";
import type { OutboxEntry } from "./entry.ts";

/** Returns the entry of a planned message. @param size of the message in bytes */
export function plannedEntry(plan: Plan, identities: readonly Identity[], size: number, now: Date): OutboxEntry {
  const { envelope, scheme, account, signed } = plan;
  return {
    created: now.getTime(),
    next: now.getTime(),
    size,
    account: account?.account.name ?? "",
    sender: { address: scheme === "srs" || scheme === "prvs" ? signed?.address : envelope.sender, scheme },
    dsn: envelope.dsn,
    recipients: envelope.recipients.map((address) => ({ address, state: "waiting", reply: "", reported: false })),
    owner: ownerOf(plan, identities),
    attempts: 0,
    unreachable: false,
    hold: false,
    report: false,
  };
}

/**
 * Returns who gets the report about rejected recipients: the identity, otherwise the envelope sender. Without a given
 * sender the user of the program wrote the message. There is no report about a message with the null sender (RFC 5321
 * section 4.5.5).
 */
function ownerOf({ envelope, identity }: Plan, identities: readonly Identity[]): Address | undefined {
  if (identity !== undefined) return identity.address;
  if (envelope.sender === undefined) return identities[0]?.address;
  return envelope.sender ?? undefined;
}
