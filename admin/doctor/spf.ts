/**
 * Evaluates SPF (RFC 7208) as far as needed for the user's own records: without macros; `ptr` and `exists` never match.
 */
import type { Resolver } from "./resolver.ts";

/** Limit of DNS lookups in one evaluation (RFC 7208 section 4.6.4). */
const MAX_LOOKUPS = 10;

/** The result of SPF for an address. */
export type SpfResult = "pass" | "fail" | "softfail" | "neutral" | "none" | "error";

const RESULTS: Record<string, SpfResult> = { "+": "pass", "-": "fail", "~": "softfail", "?": "neutral" };

/** Returns whether an address may send for the domain. */
export async function senderAllowed(
  domain: string,
  address: string,
  dns: Pick<Resolver, "mx" | "txt" | "address">,
  asked = { count: 0 },
): Promise<SpfResult> {
  const records = (await dns.txt(domain)).filter((text) => /^v=spf1(?: |$)/i.test(text));
  if (records.length === 0) return "none";
  if (records.length > 1) return "error";
  const terms = records[0]!.split(/ +/).slice(1).filter((term) => term !== "");
  let redirect: string | undefined;
  for (const term of terms) {
    const [, sign = "", name = "", value = "", bits = ""] =
      /^([-+~?]?)([a-z0-9_.-]+)(?:[:=](.*?))?((?:\/\d+)?(?:\/\/\d+)?)$/i.exec(term) ?? [];
    const mechanism = name.toLowerCase();
    if (["a", "mx", "include", "redirect", "ptr", "exists"].includes(mechanism) && ++asked.count > MAX_LOOKUPS) {
      return "error";
    }
    if (mechanism === "redirect") {
      redirect = value;
      continue;
    }
    if (name === "" || (mechanism === "include" && value === "")) return "error";
    const target = value || domain;
    let match = false;
    if (mechanism === "all") match = true;
    else if (mechanism === "ip4" || mechanism === "ip6") match = within(address, value + bits);
    else if (mechanism === "a") match = await among([target], address, bits, dns);
    else if (mechanism === "mx") match = await among(await dns.mx(target), address, bits, dns);
    else if (mechanism === "include") {
      const inner = await senderAllowed(target, address, dns, asked);
      if (inner === "error" || inner === "none") return "error";
      match = inner === "pass";
    }
    if (match) return RESULTS[sign || "+"]!;
  }
  if (redirect === undefined) return "neutral";
  const result = await senderAllowed(redirect, address, dns, asked);
  return result === "none" ? "error" : result;
}

async function among(hosts: readonly string[], address: string, bits: string, dns: Pick<Resolver, "address">) {
  const [, four = "", six = ""] = /^(\/\d+)?(?:\/(\/\d+))?$/.exec(bits) ?? [];
  for (const host of hosts) {
    for (const one of await dns.address(host)) {
      if (within(address, one + (one.includes(":") ? six : four))) return true;
    }
  }
  return false;
}

/** Whether an address is in a network. */
export function within(address: string, network: string): boolean {
  const [base = "", length] = network.split("/");
  const [a, b] = [bitsOf(address), bitsOf(base)];
  if (a === undefined || b === undefined || a.length !== b.length) return false;
  const count = length === undefined ? a.length : Number(length);
  return a.slice(0, count) === b.slice(0, count);
}

/** Returns an address as a string of bits; undefined if it is malformed. */
function bitsOf(address: string): string | undefined {
  if (!address.includes(":")) {
    const parts = address.split(".").map(Number);
    const right = parts.length === 4 && parts.every((part) => Number.isInteger(part) && part >= 0 && part < 256);
    return right ? parts.map((part) => part.toString(2).padStart(8, "0")).join("") : undefined;
  }
  const [head = "", tail, more] = address.split("::");
  const groups = (text: string) => text === "" ? [] : text.split(":");
  const [front, back] = [groups(head), groups(tail ?? "")];
  const gap = tail === undefined ? 0 : 8 - front.length - back.length;
  const all = [...front, ...Array(Math.max(gap, 0)).fill("0"), ...back];
  if (more !== undefined || all.length !== 8 || !all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return all.map((group) => parseInt(group, 16).toString(2).padStart(16, "0")).join("");
}
