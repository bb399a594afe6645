/** Asks the tables of Postfix that are queried with the envelope sender how they change a signed one. */
import type { Finding } from "./finding.ts";
import { addressKeys, classOf, domainOf } from "./postfix_bounces.ts";
import type { PostfixQueries } from "./postfix_queries.ts";

/** Tables with an entry for a sender that mail with the signed one does not get, and the effect. */
const CHOOSING = [
  ["sender_dependent_relayhost_maps", "Signed mail takes the default route, and not the relay host of this sender."],
  ["sender_dependent_default_transport_maps", "Signed mail takes the default route, and not that of this sender."],
  ["smtp_sasl_password_maps", "Postfix logs in to the relay host without this password, or not at all."],
  ["sender_bcc_maps", "No copy of signed mail is sent."],
] as const;

/** Tables that replace a sender, each with the parameter that lists the addresses to which it applies. */
const REPLACING = [
  ["sender_canonical_maps", "sender_canonical_classes"],
  ["canonical_maps", "canonical_classes"],
  ["smtp_generic_maps", undefined],
] as const;

/** Checks the tables for each identity: with its own address, and with a signed one. */
export async function checkSenders(
  queries: PostfixQueries,
  identities: readonly { readonly address: string; readonly signed: string }[],
): Promise<Finding[]> {
  const found: Finding[] = [];
  const where = { file: `${queries.folder}/main.cf` };
  for (const { address, signed } of identities) {
    const keysOf = async (one: string) => addressKeys(one, await classOf(domainOf(one), queries), queries);
    const [plainKeys, signedKeys] = [await keysOf(address), await keysOf(signed)];
    const domain = domainOf(signed);
    for (const [name, why] of CHOOSING) {
      if (name === "smtp_sasl_password_maps" && queries.value("smtp_sender_dependent_authentication") !== "yes") {
        continue;
      }
      const [plain, own] = [await queries.find(name, plainKeys), await queries.find(name, signedKeys)];
      if (plain === undefined || plain === own) continue;
      found.push({
        id: "postfix-sender-table",
        what: `${name} has an entry for ${address}, but not for its signed senders`,
        where,
        why,
        fix: `Add @${domain} to the table, with the same value as ${address}`,
      });
    }
    for (const [name, classes] of REPLACING) {
      if (classes !== undefined && !/\benvelope_sender\b/.test(queries.value(classes))) continue;
      const other = await queries.find(name, signedKeys);
      if (other === undefined) continue;
      found.push({
        id: "postfix-sender-replaced",
        what: `${name} replaces the signed senders of ${address}`,
        where,
        why: `They become ${domainOf(other) === domain ? "another address" : `addresses in ${domainOf(other)}`}, so ` +
          "that bounces do not reach the hook, or look forged.",
        fix: `Remove what matches @${domain} from the table`,
      });
    }
  }
  return found;
}
