/** Counts what the clients of an address do: their connections, and their failed logins. */

/** How often a login may fail on a connection. */
export const MAX_TRIES = 3;
/** How often logins from a network may fail within that many milliseconds. */
const [MAX_FAILURES, FAILURE_MS] = [20, 600_000];

/** Maximum number of addresses whose failures are remembered; more would be a distributed attack. */
const MAX_REMEMBERED = 10_000;

/** The clients of a server. */
export class Clients {
  readonly #open = new Map<string, number>();
  /** When the logins of a network have failed, in milliseconds. */
  readonly #failures = new Map<string, number[]>();
  #count = 0;

  /** @param total maximum number of connections; @param each that of a network */
  constructor(readonly total: number, readonly each: number) {}

  /** Number of open connections. */
  get count(): number {
    return this.#count;
  }

  /** Counts a connection. @returns a function for its end; undefined if it must be rejected */
  open(ip: string, now: number): (() => void) | undefined {
    const network = networkOf(ip);
    const before = this.#open.get(network) ?? 0;
    if (this.#count >= this.total || before >= this.each || this.#recent(network, now).length >= MAX_FAILURES) {
      return undefined;
    }
    this.#count++;
    this.#open.set(network, before + 1);
    let closed = false;
    return () => {
      if (closed) return;
      closed = true;
      this.#count--;
      const left = this.#open.get(network)! - 1;
      if (left > 0) this.#open.set(network, left);
      else this.#open.delete(network);
    };
  }

  /** Counts a wrong login. @param tries those of the connection, with this one. @returns whether more are allowed */
  failed(ip: string, tries: number, now: number): boolean {
    const network = networkOf(ip);
    const all = [...this.#recent(network, now), now].slice(-MAX_FAILURES);
    this.#failures.delete(network); // so that the oldest come first
    this.#failures.set(network, all);
    if (this.#failures.size > MAX_REMEMBERED) this.#failures.delete(this.#failures.keys().next().value!);
    return tries < MAX_TRIES && all.length < MAX_FAILURES;
  }

  #recent(network: string, now: number): number[] {
    const recent = (this.#failures.get(network) ?? []).filter((time) => now - time < FAILURE_MS && time <= now);
    if (recent.length === 0) this.#failures.delete(network);
    return recent;
  }
}

/** Returns an IPv4 address as it is, and the /64 of an IPv6 address, which one customer has. */
export function networkOf(ip: string): string {
  const plain = plainAddress(ip);
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = plain.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : Array(Math.max(8 - front.length - back.length, 0)).fill("0");
  return [...front, ...zeros, ...back].slice(0, 4).map((part) => part.replace(/^0+(?=.)/, "")).join(":");
}

/** Returns the address without the prefix of an IPv4 address on a socket for both. */
export const plainAddress = (ip: string): string => ip.toLowerCase().replace(/^::ffff:(?=\d+\.)/, "");
