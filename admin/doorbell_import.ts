/** Imports a list of addresses, such as the one that pm-jacookie kept of those who had confirmed. */
import { type Address, canonical, parseAddress } from "../lib/address.ts";
import { Fail, quote, reason } from "../lib/fail.ts";
import { isUnreadable } from "../incoming/delivery.ts";
import type { DoorbellFiles } from "../io/state/doorbell/files.ts";
import { readIfPresent } from "../io/system/files.ts";

/** A list of addresses, and the lines of it that are none. */
export interface AddressList {
  readonly addresses: readonly Address[];
  readonly wrong: readonly { readonly line: number; readonly why: string }[];
}

/** Reads a file with an address on each line. Empty lines and those that begin with # are skipped. */
export function readAddressList(file: string): AddressList {
  const text = readIfPresent(file);
  if (text === undefined) throw new Fail("usage", "The file does not exist", { file });
  const [addresses, wrong]: [Map<string, Address>, { line: number; why: string }[]] = [new Map(), []];
  for (const [nth, raw] of text.split("\n").entries()) {
    const one = raw.trim();
    if (one === "" || one.startsWith("#")) continue;
    try {
      if (isUnreadable(one) || one.length > 254) throw new Fail("data", `${quote(one)} is not an address`);
      const address = parseAddress(one);
      addresses.set(canonical(address), address);
    } catch (error) {
      if (!(error instanceof Fail)) throw error;
      wrong.push({ line: nth + 1, why: reason(error) });
    }
  }
  return { addresses: [...addresses.values()], wrong };
}

/** How many addresses were imported, were known so before, and are denied, which an import does not change. */
export interface ImportCounts {
  readonly imported: number;
  readonly known: number;
  readonly denied: number;
}

/** Imports addresses. If one cannot be written, those before it are as they were. @throws {Fail} `temporary` */
export function importAddresses(
  state: DoorbellFiles,
  addresses: readonly Address[],
  standing: "allowed" | "denied",
): ImportCounts {
  const before = new Map(state.addresses().map((one) => [one.address, one]));
  const written: Address[] = [];
  let denied = 0;
  try {
    for (const address of addresses) {
      const now = before.get(canonical(address))?.standing;
      if (now === standing) continue;
      if (now === "denied") {
        denied++;
        continue;
      }
      written.push(address); // also if it fails in the middle
      state.setStanding(address, standing);
    }
  } catch (error) {
    for (const address of written) {
      const old = before.get(canonical(address));
      if (old === undefined) state.forget(address);
      else state.setStanding(address, old.standing, old.until);
    }
    throw error;
  }
  return { imported: written.length, known: addresses.length - written.length - denied, denied };
}
