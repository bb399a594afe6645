/** The names of held messages, from which everything is known that is needed to list, evict and challenge them. */
import { digest } from "../../../lib/digest.ts";
import type { Challenged } from "./store.ts";

/** A held message, as its name describes it: `TIME.ID.DOMAIN.SIZE.CHALLENGED`. */
export interface HeldName {
  /** The whole name, perhaps with flags that a mail program has added. */
  readonly name: string;
  readonly time: number;
  readonly id: string;
  /** A digest of the domain that is asked. */
  readonly domain: string;
  readonly size: number;
  readonly challenged: Challenged;
}

const NAME = /^(\d{1,12})\.([a-z2-7]{12})\.([0-9a-f]{16})\.(\d{1,12})\.(later|sent|never)(?::2,\w*)?$/;

/** Parses a name; undefined if it is not one of ours. */
export function parseName(name: string): HeldName | undefined {
  const [, time, id, domain, size, challenged] = NAME.exec(name) ?? [];
  if (id === undefined) return undefined;
  return { name, time: Number(time), id, domain: domain!, size: Number(size), challenged: challenged as Challenged };
}

/** Formats a name. */
export function printName({ time, id, domain, size, challenged }: Omit<HeldName, "name">): string {
  return `${time}.${id}.${domain}.${size}.${challenged}`;
}

/** Returns the digest of an address's domain. */
export function domainDigest(address: string): string {
  return digest(address.slice(address.lastIndexOf("@") + 1).toLowerCase()).slice(0, 16);
}

/** Returns the sums of a weight by domain. */
function sums(all: readonly HeldName[], weight: (one: HeldName) => number): Map<string, number> {
  const out = new Map<string, number>();
  for (const one of all) out.set(one.domain, (out.get(one.domain) ?? 0) + weight(one));
  return out;
}

const RANK: Record<Challenged, number> = { never: 0, later: 1, sent: 2 };

const byAge = (a: HeldName, b: HeldName) => a.time - b.time || (a.id < b.id ? -1 : 1);

/**
 * Returns the messages that must go so that the others are within the limits: the oldest of the domain that holds most,
 * so that a flood from one domain does not displace the messages of others.
 *
 * A flood may also come from as many domains. Among domains that hold the same, those go first that nobody was asked
 * about, and then those to be challenged later: few can be challenged in an hour, so that the challenged ones stay.
 * They are not preferred beyond half of the limit, or nobody new would ever be challenged.
 *
 * @param newest the ID of the message that has just arrived, which stays
 */
export function toEvict(held: readonly HeldName[], maxCount: number, maxBytes: number, newest = ""): HeldName[] {
  const left = [...held].sort(byAge);
  const out: HeldName[] = [];
  let bytes = left.reduce((sum, { size }) => sum + size, 0);
  while (left.length > maxCount || bytes > maxBytes) {
    const others = left.filter(({ id }) => id !== newest);
    if (others.length === 0) break;
    const found = sums(others, left.length > maxCount ? () => 1 : ({ size }) => size);
    const most = Math.max(...found.values());
    const prefers = left.filter(({ challenged }) => challenged === "sent").length <= maxCount / 2;
    const rank = ({ challenged }: HeldName) => prefers ? RANK[challenged] : Math.min(RANK[challenged], 1);
    const candidates = others.filter(({ domain }) => found.get(domain) === most);
    const { domain } = candidates.reduce((a, b) => rank(b) < rank(a) ? b : a);
    const at = left.findIndex((one) => one.domain === domain && one.id !== newest);
    const [gone] = left.splice(at, 1) as [HeldName];
    out.push(gone);
    bytes -= gone.size;
  }
  return out;
}

/**
 * Returns the message to challenge next: the oldest one of the next domain after `last`, in the order of digests.
 *
 * @param last the digest of the domain that was challenged last
 */
export function nextToChallenge(held: readonly HeldName[], last: string): HeldName | undefined {
  const later = held.filter(({ challenged }) => challenged === "later");
  const domains = [...new Set(later.map(({ domain }) => domain))].sort();
  const domain = domains.find((one) => one > last) ?? domains[0];
  return later.filter((one) => one.domain === domain).sort((a, b) => a.time - b.time)[0];
}
