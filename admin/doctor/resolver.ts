/** The DNS queries that doctor needs. */

/** Queries DNS. Returns an empty list if there are no such records, and throws {@link NoAnswer} if DNS does not answer. */
export interface Resolver {
  mx(name: string): Promise<readonly string[]>;
  txt(name: string): Promise<readonly string[]>;
  /** Returns A and AAAA records. */
  address(name: string): Promise<readonly string[]>;
}

/** DNS did not answer. */
export class NoAnswer extends Error {}
