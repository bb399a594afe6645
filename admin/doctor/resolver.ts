/** Queries DNS for doctor. */
import { reason } from "../../lib/fail.ts";

/**
 * Queries DNS. Returns an empty list if there are no such records, and throws {@link NoAnswer} if DNS does not answer.
 */
export interface Resolver {
  mx(name: string): Promise<readonly string[]>;
  txt(name: string): Promise<readonly string[]>;
  /** Returns A and AAAA records. */
  address(name: string): Promise<readonly string[]>;
}

/** DNS did not answer. */
export class NoAnswer extends Error {}

/** Returns the resolver of this machine; undefined if the program may not use the network. */
export async function systemDns(): Promise<Resolver | undefined> {
  if ((await Deno.permissions.query({ name: "net" })).state !== "granted") return undefined;
  return {
    mx: async (name) =>
      (await ask(() => Deno.resolveDns(name, "MX"))).map(({ exchange }) => exchange.replace(/(.)\.$/, "$1")),
    txt: async (name) => (await ask(() => Deno.resolveDns(name, "TXT"))).map((parts) => parts.join("")),
    address: async (name) => [
      ...await ask(() => Deno.resolveDns(name, "A")),
      ...await ask(() => Deno.resolveDns(name, "AAAA")),
    ],
  };
}

async function ask<T>(question: () => Promise<T[]>): Promise<T[]> {
  try {
    return await question();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new NoAnswer(reason(error));
  }
}
