/**
 * Checks DNS for the SRS domains and that of forwarded mail: MX, SPF (RFC 7208), and the alignment that DMARC requires
 * (RFC 7489 section 3.1).
 */
import type { Settings } from "../../lib/settings/parse.ts";
import type { Finding, Where } from "./finding.ts";
import type { FindingId } from "./ids.ts";
import { NoAnswer, type Resolver } from "./resolver.ts";
import { senderAllowed } from "./spf.ts";

/**
 * Checks the domains of all identities, and that of forwarded mail.
 *
 * @param where returns the line of an identity in the settings
 * @param hosts addresses or names of the hosts that send
 */
export async function checkDns(
  settings: Settings,
  where: (nth: number) => Where,
  hosts: readonly string[],
  dns: Resolver,
): Promise<{ findings: Finding[]; notes: string[] }> {
  const findings: Finding[] = [];
  const notes = new Set<string>();
  const done = new Set<string>();
  type DomainCheckFunction = (domain: DomainCheck) => Promise<void>;
  const checkAll = async (srs: string, place: () => Where, checks: readonly [string, DomainCheckFunction][]) => {
    const add: DomainCheck["add"] = (id, what, why, fix) => void findings.push({ id, what, where: place(), why, fix });
    for (const [name, check] of checks) {
      const once = `${check.name} ${name}${check === checkDmarc ? ` ${srs}` : ""}`;
      if (srs === "" || done.has(once)) continue;
      done.add(once);
      try {
        await check({ name, srs, hosts, dns, add });
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        notes.add(`DNS does not answer for ${name}: ${error.message}`);
      }
    }
  };
  for (const [nth, { address, srs_domain }] of settings.identity.entries()) {
    const srs = srs_domain.toLowerCase();
    const own = address.slice(address.lastIndexOf("@") + 1).toLowerCase();
    await checkAll(srs, () => where(nth), [[srs, checkMx], [srs, checkSpf], [own, checkDmarc]]);
  }
  // Forwarded mail is not aligned with its From field anyway.
  const forwarding = settings.forwarding.domain.toLowerCase();
  await checkAll(forwarding, () => ({ file: where(0).file }), [[forwarding, checkMx], [forwarding, checkSpf]]);
  return { findings, notes: [...notes] };
}

/** A domain to be checked. */
interface DomainCheck {
  readonly name: string;
  readonly srs: string;
  readonly hosts: readonly string[];
  readonly dns: Resolver;
  readonly add: (id: FindingId, what: string, why: string, fix: string) => void;
}

async function checkMx({ name, dns, add }: DomainCheck): Promise<void> {
  const why = "Bounces cannot be delivered, and many servers reject a sender that cannot receive mail.";
  const hosts = await dns.mx(name);
  if (hosts.length === 0) {
    // Without an MX record mail is delivered to the address of the domain itself (RFC 5321 section 5.1).
    if ((await dns.address(name)).length === 0) {
      add(
        "dns-mx-missing",
        `${name} has no MX record`,
        why,
        `${name}. IN MX 10 mail.example.org. (the host with the hook)`,
      );
    }
  } else if (hosts.every((host) => host === "." || host === "")) {
    add(
      "dns-mx-null",
      `The MX record of ${name} states that it does not accept mail`,
      why,
      `${name}. IN MX 10 mail.example.org.`,
    );
  } else {
    for (const host of hosts) {
      if ((await dns.address(host)).length > 0) continue;
      add(
        "dns-mx-address",
        `MX host ${host} of ${name} has no address`,
        why,
        `${host}. IN A 192.0.2.1 (its own), or another MX`,
      );
    }
  }
}

async function checkSpf({ name, hosts, dns, add }: DomainCheck): Promise<void> {
  const records = (await dns.txt(name)).filter((text) => /^v=spf1(?: |$)/i.test(text));
  if (records.length === 0) {
    const why = "Receivers check the domain of the signed sender, not that of the From field.";
    return add(
      "dns-spf-missing",
      `${name} has no SPF record`,
      why,
      `${name}. IN TXT "v=spf1 mx -all" (with the hosts that send)`,
    );
  }
  if (records.length > 1) {
    const why = "More than one record is an error (RFC 7208 section 4.5), and mail is rejected.";
    return add("dns-spf-several", `${name} has ${records.length} SPF records`, why, "Merge them into one record");
  }
  for (const host of hosts) {
    const addresses = /^[\d.]+$|:/.test(host) ? [host] : await dns.address(host);
    if (addresses.length === 0) {
      add(
        "dns-host-address",
        `Host ${host} has no address`,
        "It cannot be checked against SPF.",
        "Correct the name after --host",
      );
    }
    for (const address of addresses) {
      const result = await senderAllowed(name, address, dns);
      if (result === "pass") continue;
      const [what, why] = result === "error"
        ? [`The SPF record of ${name} cannot be evaluated`, "Receivers treat it as an error and reject mail."]
        : [
          `SPF of ${name} returns ${result} for ${address}`,
          "Mail from there with the signed sender is rejected or filed as spam.",
        ];
      const ip = address.includes(":") ? "ip6" : "ip4";
      const fixed = records[0]!.replace(/^v=spf1/i, `v=spf1 ${ip}:${address}`);
      const id = result === "error" ? "dns-spf-error" : "dns-spf-host";
      add(id, what, why, result === "error" ? `Correct it: "${records[0]}"` : `${name}. IN TXT "${fixed}"`);
      if (result === "error") return;
    }
  }
}

/** Checks the DMARC policy of the domain, or that of its closest parent with one. */
async function checkDmarc({ name, srs, dns, add }: DomainCheck): Promise<void> {
  const labels = name.split(".");
  for (let at = 0; at < labels.length - 1; at++) {
    const domain = labels.slice(at).join(".");
    const record = (await dns.txt(`_dmarc.${domain}`)).find((text) => /^v=DMARC1\s*(?:;|$)/.test(text));
    if (record === undefined) continue;
    if (/;\s*aspf\s*=\s*s\s*(?:;|$)/i.test(record)) {
      add(
        "dns-dmarc-strict",
        `The DMARC record of ${domain} has aspf=s`,
        `SPF is then not aligned, because the signed sender is in ${srs}, not in ${name}. Only DKIM can pass.`,
        `_dmarc.${domain}. IN TXT "${record.replace(/;\s*aspf\s*=\s*s\s*(?=;|$)/i, "")}", or sign with DKIM`,
      );
    }
    return;
  }
}
