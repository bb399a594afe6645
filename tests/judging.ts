/** Helpers for tests of judge(): two identities, deliveries and signed addresses. */
import type { Delivery } from "../incoming/delivery.ts";
import type { DecideContext } from "../io/state/lookups.ts";
import { parseAddress } from "../lib/address.ts";
import { encodeLatin1, utf8 } from "../lib/bytes.ts";
import { parseConfig } from "../lib/settings/parse.ts";
import { dayOf } from "../lib/date.ts";
import { canonicalAddress, type Identity } from "../lib/settings/identity.ts";
import { parseHead } from "../lib/message.ts";
import { srsForward } from "../lib/srs.ts";
import type { SentMessage } from "../incoming/need.ts";
import type { SentView } from "../io/state/lookups.ts";

/** The current time in these tests. */
export const now: Date = new Date("2026-11-26T12:00:00Z");
/** The time that many days later. */
export const day = (days: number): Date => new Date(now.getTime() + days * 86_400_000);

/** An identity with one key of at least 16 bytes that is 100 days old. */
export function identity(address: string, srsDomain: string, more: Partial<Identity> = {}): Identity {
  const { local } = parseAddress(address);
  const key = { id: "k1", created: dayOf(day(-100)), secret: utf8(`not a real secret of ${local}'s`) };
  return { address: parseAddress(address), srsDomain, keys: [key], ...more };
}

/** The first identity. */
export const greg: Identity = identity("greg@example.org", "srs.example.org");
/** Another identity of the same user, with its own SRS domain. */
export const chair: Identity = identity("chair@club.example", "srs.club.example");

/** Settings and identities; `more` is TOML after the tables that all tests need, `top` is before them. */
export function context(more = "", top = "", identities: readonly Identity[] = [greg, chair]): DecideContext {
  const tables = identities.map((identity, nth) =>
    `[[identity]]\naddress = "${
      canonicalAddress(identity)
    }"\nsrs_domain = "${identity.srsDomain}"\nkeys = "keys${nth}"\n`
  );
  const text = `${top}\n${tables.join("")}[transport]\nvia = "maildir"\nmaildir = "/out"\n${more}`;
  return { settings: parseConfig(text, { file: "/etc/c.toml", home: "/home/greg" }), identities, now };
}

/** A message as a hook receives it, from a binary string. */
export function delivery(
  sender: Delivery["sender"],
  recipient: string | string[],
  mail: string | Uint8Array<ArrayBuffer>,
  whole = true,
): Delivery {
  const prefix = typeof mail === "string" ? encodeLatin1(mail) : mail;
  const { header, bodyStart } = parseHead(prefix, true)!;
  return { sender, recipients: [recipient].flat(), header, prefix, bodyStart, whole };
}

/** A signed address of this identity, or of `address` signed with its key. */
export function signedAddress(by: Identity, address = canonicalAddress(by), when = now): string {
  const options = { secrets: [by.keys[0]!.secret], hashLength: 8, alphabet: "base64url" as const, now: when };
  return srsForward(address, by.srsDomain, options);
}

/** An index in which one identity sent these messages. */
export function remembered(by: Identity, messages: Readonly<Record<string, SentMessage>>): SentView {
  return (identity, ids) => {
    const found = identity === by ? ids.map((id) => messages[id]).find((message) => message !== undefined) : undefined;
    return Promise.resolve(found);
  };
}
