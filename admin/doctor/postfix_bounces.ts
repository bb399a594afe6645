/**
 * Follows a bounce to a signed address through the Postfix of this machine: accepted, as whose, and by which service?
 */
import type { Finding } from "./finding.ts";
import type { FindingId } from "./ids.ts";
import { nearest } from "../../lib/nearest.ts";
import { hookCall } from "./hook_call.ts";
import type { PostfixQueries } from "./postfix_queries.ts";

/** How Postfix classifies a domain, and what follows (ADDRESS_CLASS_README of Postfix). */
const CLASSES = [
  { list: "mydestination", recipients: "local_recipient_maps", transport: "local_transport" },
  { list: "virtual_alias_domains", recipients: undefined, transport: undefined },
  { list: "virtual_mailbox_domains", recipients: "virtual_mailbox_maps", transport: "virtual_transport" },
  { list: "relay_domains", recipients: "relay_recipient_maps", transport: "relay_transport" },
] as const;
type AddressClass = typeof CLASSES[number];

/** Letters in which a misspelt domain differs: an `srs.` beside a `mail.` is not a misspelling. */
const MAX_MISSPELT = 2;

/** The tables that rewrite a recipient. smtpd(8) accepts a recipient that one of them has. */
const REWRITING = ["recipient_canonical_maps", "canonical_maps", "virtual_alias_maps"];

/** What the checks need. */
export interface BouncesContext {
  readonly queries: PostfixQueries;
  /** The identities: their own address, and a valid signed address, which is not shown. */
  readonly identities: readonly { readonly address: string; readonly signed: string }[];
}

/** Checks the way of bounces to each identity. Findings refer to parameters in main.cf. */
export async function checkBounces({ queries, identities }: BouncesContext): Promise<Finding[]> {
  const found: Finding[] = [];
  const done = new Set<string>();
  const place = { file: `${queries.folder}/main.cf` };
  const add = (id: FindingId, what: string, why: string, fix: string) => {
    if (!done.has(what)) found.push({ id, what, where: place, why, fix });
    done.add(what);
  };
  const receives = [...queries.services.values()].some(runsHook);
  for (const { address, signed } of identities) {
    const [own, domain] = [domainOf(address), domainOf(signed)];
    const home = await classOf(own, queries);
    // A machine that only sends does not accept mail for the identity, whose bounces go elsewhere.
    if (!receives && (home === undefined || home === "unknown")) continue;
    const kind = await classOf(domain, queries);
    if (kind === "unknown") continue; // a table cannot be queried, which is reported
    if (kind === undefined) {
      const similar = nearest(domain, acceptedWords(queries), MAX_MISSPELT);
      add(
        "postfix-srs-domain",
        `Postfix does not accept mail for ${domain}`,
        `It rejects every bounce: Relay access denied. ${
          similar === undefined
            ? "A domain in mydestination does not include its subdomains."
            : `It accepts ${similar}.`
        }`,
        similar === undefined
          ? `relay_domains = ${domain}, and transport_maps, as in contrib/postfix/pipe`
          : `Correct the spelling in identity.srs_domain, or in ${queries.folder}/main.cf`,
      );
      continue;
    }
    await checkRecipient(kind, domain, signed, queries, add);
  }
  for (const { parameter, table, said } of queries.trouble) {
    if (/Permission denied/.test(said)) continue; // it may hold passwords
    const why = "Postfix defers the mail for which it needs the table, or uses an old version of it.";
    add("postfix-table", `Table ${table} of ${parameter}: ${said}`, why, tableFix(parameter, table, queries));
  }
  return found;
}

/** Returns the fix for a table that cannot be queried; postalias(1) builds the tables with the format of aliases(5). */
function tableFix(parameter: string, table: string, queries: PostfixQueries): string {
  if (/^(?:hash|btree|lmdb|cdb|dbm|sdbm):/.test(table)) {
    const isAliases = queries.words("alias_maps").some((word) => word.replace(/^proxy:/, "") === table);
    return `${isAliases ? "postalias" : "postmap"} ${table}, or correct ${parameter}`;
  }
  const asksServer = /\b(?:socketmap|tcp|ldap|mysql|pgsql|memcache):/.test(table);
  return asksServer ? `Start the server that it queries, or correct ${parameter}` : `Correct ${parameter}`;
}

type Add = (id: FindingId, what: string, why: string, fix: string) => void;

async function checkRecipient(kind: AddressClass, domain: string, signed: string, queries: PostfixQueries, add: Add) {
  let target: string | undefined;
  for (const name of REWRITING) {
    target = await queries.find(name, addressKeys(target ?? signed, kind, queries)) ?? target;
  }
  const recipients = kind.recipients === undefined ? undefined : queries.value(kind.recipients);
  const listed = target !== undefined || recipients === "" ||
    recipients !== undefined &&
      await queries.find(kind.recipients!, addressKeys(signed, kind, queries)) !== undefined;
  if (!listed && !queries.trouble.some(({ parameter }) => [...REWRITING, kind.recipients].includes(parameter))) {
    const table = kind.recipients ?? "virtual_alias_maps";
    add(
      "postfix-recipient",
      `Postfix accepts mail for ${domain}, but no signed address in it`,
      `${domain} is in ${kind.list}, and ${table} has no entry for it: every bounce is rejected as to an unknown user.`,
      `Move ${domain} to relay_domains, as in contrib/postfix/pipe, or add @${domain} to ${table}`,
    );
    return;
  }
  const [first = ""] = (target ?? signed).split(/[\s,]+/);
  const final = first.includes("@") ? first : `${first}@${queries.value("myorigin")}`;
  const at = target === undefined ? kind : await classOf(domainOf(final), queries);
  if (at === "unknown") return;
  const transport = await transportOf(final, at, queries);
  if (transport === undefined || queries.trouble.some(({ parameter }) => parameter === "transport_maps")) return;
  const [service = ""] = transport.split(":");
  const entry = queries.services.get(`${service} unix`);
  if (entry === undefined) {
    add(
      "postfix-service",
      `The service ${service}, to which Postfix passes mail for ${domain}, is not in master.cf`,
      "Every bounce stays in the queue: mail transport unavailable.",
      `Add ${service} to ${queries.folder}/master.cf, as in contrib/postfix/pipe`,
    );
    return;
  }
  const hook = [...queries.services.values()].find(runsHook);
  // Other transports, such as LMTP to Dovecot, may lead to the hook in ways that cannot be seen here.
  if (hook === undefined || runsHook(entry) || !["smtp", "relay"].includes(service)) return;
  const own = hook.split(/\s+/)[0];
  add(
    "postfix-transport",
    `Postfix passes mail for ${domain} to ${transport}, and not to the service ${own}, which runs the hook`,
    "Bounces leave this machine, or return to it in a loop.",
    `transport_maps = inline:{ ${domain}=${own}: }`,
  );
}

/** Returns the class of a domain; undefined for one of another host, `unknown` if a table cannot be queried. */
export async function classOf(domain: string, queries: PostfixQueries): Promise<AddressClass | undefined | "unknown"> {
  let unsure = false;
  for (const one of CLASSES) {
    const listed = await queries.lists(one.list, domain);
    if (listed) return one;
    unsure ||= listed === undefined;
  }
  return unsure ? "unknown" : undefined;
}

/** Returns the transport of an address, by transport(5): the address, the domain, its parents, and `*`. */
export async function transportOf(
  address: string,
  kind: AddressClass | undefined,
  queries: PostfixQueries,
): Promise<string | undefined> {
  const labels = domainOf(address).split(".");
  const parents = labels.slice(1).map((_, nth) => `.${labels.slice(nth + 1).join(".")}`);
  const found = await queries.find("transport_maps", [address, labels.join("."), ...parents, "*"]);
  if (found !== undefined && !found.startsWith(":") && found !== "") return found;
  const name = kind === undefined ? "default_transport" : kind.transport;
  return name === undefined ? undefined : queries.value(name);
}

/** Returns the keys with which Postfix looks up an address: whole, without its extension, and `@domain`. */
export function addressKeys(address: string, kind: AddressClass | undefined | "unknown", queries: PostfixQueries) {
  const [local, domain] = [address.slice(0, address.lastIndexOf("@")), domainOf(address)];
  const at = [...local].findIndex((char, nth) => nth > 0 && queries.value("recipient_delimiter").includes(char));
  const bare = at < 0 ? [] : [local.slice(0, at)];
  const isLocal = kind !== undefined && kind !== "unknown" && kind.list === "mydestination";
  return [
    address,
    ...bare.map((one) => `${one}@${domain}`),
    ...isLocal ? [local, ...bare] : [],
    `@${domain}`,
  ];
}

/** Returns the domains that are named in the lists, for suggestions. */
const acceptedWords = (queries: PostfixQueries): string[] =>
  CLASSES.flatMap(({ list }) => queries.words(list)).filter((word) => /^[\w.-]+\.[\w-]+$/.test(word))
    .map((word) => word.toLowerCase());

export const domainOf = (address: string): string => address.slice(address.lastIndexOf("@") + 1).toLowerCase();

/** Returns whether an entry of master.cf runs the hook with pipe(8). */
export const runsHook = (entry: string): boolean => entry.split(/\s+/)[7] === "pipe" && hookCall(entry) !== undefined;
