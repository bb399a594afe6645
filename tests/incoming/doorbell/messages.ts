/** Services, keys and messages for tests of the decider. */
import { parseHead } from "../../../lib/message.ts";
import { parseConfig } from "../../../lib/settings/parse.ts";
import { parseKeys } from "../../../lib/settings/keys.ts";
import type { Identity } from "../../../lib/settings/identity.ts";
import { parseAddress } from "../../../lib/address.ts";
import type { Received } from "../../../incoming/delivery.ts";

export const NOW = new Date("2026-11-20T05:32:58Z");
export const TODAY = 20_777;
export const KEYS = parseKeys("k1 2026-11-01 a secret of the doorbell", "keys");
export const GREG: Identity = {
  address: parseAddress("greg@example.org"),
  srsDomain: "srs.example.org",
  get keys(): never {
    throw new Error("The doorbell needs no key of an identity");
  },
};

/** A service with these settings. */
export function service(more = "", name = "svc", address = "svc@example.org") {
  const text = `[[identity]]\naddress = "greg@example.org"\n[transport]\npreset = "exim"\n` +
    `[[doorbell]]\nname = "${name}"\naddress = "${address}"\n${more}\n`;
  return parseConfig(text, { file: "/c/config.toml", home: "/" }).doorbell[0]!;
}

/** A header. */
export const header = (text: string) => parseHead(new TextEncoder().encode(`${text.trim()}\n\n`), true)!.header;

/** An envelope. */
export const envelope = (sender: Received["sender"], ...recipients: string[]): Received => ({ sender, recipients });
