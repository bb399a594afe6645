/** What doctor asks of DNS. */

/** Asks DNS. An answer that does not exist is an empty list; no answer is an error. */
export interface Resolver {
  mx(name: string): Promise<readonly string[]>;
  txt(name: string): Promise<readonly string[]>;
  /** A and AAAA. */
  address(name: string): Promise<readonly string[]>;
}

/** DNS did not answer. */
export class NoAnswer extends Error {}
