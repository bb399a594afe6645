/**
 * Checks whether this host itself makes backscatter: what Postfix accepts and cannot deliver later, it returns to a
 * sender that is usually forged (BACKSCATTER_README of Postfix).
 */
import type { Finding } from "./finding.ts";
import type { FindingId } from "./ids.ts";
import { classOf, domainOf, runsHook, transportOf } from "./postfix_bounces.ts";
import type { PostfixQueries } from "./postfix_queries.ts";
import type { Resolver } from "./resolver.ts";

const RETURNS = "It is accepted first and returned later, to senders that are usually forged.";

/** Domains per list that are examined; more would take too long. */
const MAX_DOMAINS = 50;

/** Checks the lists of recipients, and aliases of whole domains. */
export async function checkBackscatter(queries: PostfixQueries): Promise<Finding[]> {
  const found: Finding[] = [];
  const where = { file: `${queries.folder}/main.cf` };
  const add = (id: FindingId, what: string, why: string, fix: string) => void found.push({ id, what, where, why, fix });
  const empty = (name: string) => queries.value(name) === "";
  // It asks the next host about each recipient.
  const verifies = [...queries.values].some(([name, value]) =>
    /^smtpd_\w+_restrictions$/.test(name) && /\breject_unverified_recipient\b/.test(value)
  );
  if (!verifies) {
    if (!empty("mydestination") && empty("local_recipient_maps") && empty("luser_relay")) {
      add(
        "backscatter-local",
        "Postfix accepts mail for local users who do not exist: local_recipient_maps is empty",
        RETURNS,
        "postconf -X local_recipient_maps",
      );
    }
    if (!empty("virtual_mailbox_domains") && empty("virtual_mailbox_maps")) {
      add(
        "backscatter-virtual",
        "Postfix accepts mail for all addresses in virtual_mailbox_domains: virtual_mailbox_maps is empty",
        RETURNS,
        "List the mailboxes in virtual_mailbox_maps, or add reject_unverified_recipient to smtpd_recipient_restrictions",
      );
    }
    const relayed = empty("relay_recipient_maps") ? await relayedDomains(queries) : [];
    if (relayed.length > 0) {
      add(
        "backscatter-relay",
        `Postfix relays mail for all addresses in ${listed(relayed)}: relay_recipient_maps is empty`,
        `What the next host rejects, this host returns to senders that are usually forged.`,
        "List the recipients in relay_recipient_maps, or add reject_unverified_recipient to smtpd_recipient_restrictions",
      );
    }
  }
  for (const domain of await acceptedDomains(queries)) {
    const target = await queries.find("virtual_alias_maps", ["", `@${domain}`]);
    if (target === undefined) continue;
    const [first = ""] = target.split(/[\s,]+/);
    const elsewhere = first.includes("@") && await classOf(domainOf(first), queries) === undefined;
    if (!first.startsWith("@") && !elsewhere) continue;
    add(
      "backscatter-catch-all",
      `virtual_alias_maps passes all addresses of ${domain} to ${first}`,
      `Addresses that do not exist are accepted, too. ${RETURNS}`,
      `Replace @${domain} with a line for each address`,
    );
  }
  return found;
}

/**
 * Checks that the domains for which Postfix relays still name this host in their MX records.
 *
 * @param hosts names and addresses of this host, besides those that Postfix knows
 */
export async function checkRelayedMx(
  queries: PostfixQueries,
  hosts: readonly string[],
  dns: Pick<Resolver, "mx" | "address">,
): Promise<Finding[]> {
  const found: Finding[] = [];
  const names = [queries.value("myhostname"), ...hosts].map((name) => name.toLowerCase());
  const addresses = new Set([...names, ...queries.words("proxy_interfaces"), ...queries.words("inet_interfaces")]);
  for (const name of names) for (const one of await dns.address(name)) addresses.add(one);
  for (const domain of await relayedDomains(queries)) {
    const exchanges = (await dns.mx(domain)).map((name) => name.toLowerCase());
    // Without an MX record the domain itself is the host (RFC 5321 section 5.1).
    const all = exchanges.length > 0 ? exchanges : [domain];
    const resolved = await Promise.all(all.map((name) => dns.address(name)));
    if (all.some((name) => names.includes(name)) || resolved.flat().some((one) => addresses.has(one))) continue;
    found.push({
      id: "backscatter-mx",
      what: `Postfix relays mail for ${domain}, whose MX no longer names this host but ${listed(all)}`,
      where: { file: `${queries.folder}/main.cf` },
      why: "Only spammers still deliver it here; what the new hosts reject, this host returns to forged senders.",
      fix: `Remove ${domain} from relay_domains; if one of the hosts is this one: countersign doctor --dns --host NAME`,
    });
  }
  return found;
}

/** Returns the domains in relay_domains that are passed to another host, and not to the hook. */
async function relayedDomains(queries: PostfixQueries): Promise<string[]> {
  const out: string[] = [];
  for (const domain of await domainsIn("relay_domains", queries)) {
    const kind = await classOf(domain, queries);
    if (kind === undefined || kind === "unknown" || kind.list !== "relay_domains") continue;
    const [service = ""] = (await transportOf(`postmaster@${domain}`, kind, queries) ?? "").split(":");
    const entry = queries.services.get(`${service} unix`);
    if (entry === undefined || !runsHook(entry)) out.push(domain);
  }
  return out;
}

async function acceptedDomains(queries: PostfixQueries): Promise<Set<string>> {
  const lists = ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"];
  return new Set((await Promise.all(lists.map((name) => domainsIn(name, queries)))).flat());
}

/** Returns the domains of a list: words, and the keys of tables that postmap(1) can print. */
async function domainsIn(name: string, queries: PostfixQueries): Promise<string[]> {
  const out: string[] = [];
  for (const word of queries.words(name)) {
    if (!/[:/!]/.test(word)) out.push(word);
    else if (/^(?:proxy:)?(?:hash|btree|lmdb|cdb|inline|texthash):/.test(word)) {
      const { out: text } = await queries.run(["postmap", "-c", queries.folder, "-s", word.replace(/^proxy:/, "")]);
      for (const line of text.split("\n")) out.push(line.split("\t")[0]!);
    }
  }
  return out.map((one) => one.toLowerCase()).filter((one) => /^[\w-][\w.-]*\.[\w-]+$/.test(one)).slice(0, MAX_DOMAINS);
}

/** Returns whether Postfix accepts mail from other hosts. */
export function isPublic(queries: PostfixQueries): boolean {
  const interfaces = queries.words("inet_interfaces");
  const local = interfaces.every((one) => /^(?:loopback-only|localhost|127\.[\d.]+|\[?::1\]?)$/.test(one));
  return !local && [...queries.services.keys()].some((name) => /^(?:\S*:)?(?:smtp|25) (?:inet|pass)$/.test(name));
}

const listed = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
