/** Asks Exim and qmail what happens to a bounce to a signed address, with `exim -bt` and qmail-showctl. */
import type { Settings } from "../../lib/settings/parse.ts";
import { canonicalAddress } from "../../lib/settings/identity.ts";
import { type DoctorContext, readableIdentities } from "./context.ts";
import { isFile } from "./filesystem.ts";
import type { Finding } from "./finding.ts";
import { domainOf } from "./postfix_bounces.ts";
import { run } from "./programs.ts";
import { checkVirtualUsers, thisMachine } from "./qmail_users.ts";
import { testBounces } from "./test_bounces.ts";

const EXIM = ["/usr/sbin/exim4", "/usr/sbin/exim", "/usr/exim/bin/exim", "/usr/local/sbin/exim"];
const SHOWCTL = "/var/qmail/bin/qmail-showctl";

/** An identity's own address, and a valid signed address, which is not shown. */
export interface SignedIdentity {
  readonly address: string;
  readonly signed: string;
}

/** Returns the identities that sign with SRS. */
export const signedIdentities = (settings: Settings, now: Date): SignedIdentity[] =>
  (readableIdentities(settings) ?? []).flatMap((identity) => {
    const [bounce] = testBounces(identity, settings, now);
    const address = canonicalAddress(identity);
    return bounce?.signed === "SRS address" ? [{ address, signed: bounce.recipient }] : [];
  });

/** Adds the findings about the Exim and the qmail of this machine. */
export async function askOthers({ findings, now }: DoctorContext, settings: Settings): Promise<void> {
  const identities = signedIdentities(settings, now);
  const exim = EXIM.find(isFile);
  // The addresses are input, because others could read a signed address among the arguments.
  const ask = async (program: string, address: string) => (await run([program, "-bt"], `${address}\n`)).out;
  if (exim !== undefined) findings.push(...await checkExim(exim, identities, (address) => ask(exim, address)));
  if (!isFile(SHOWCTL)) return;
  const { out } = await run([SHOWCTL]);
  findings.push(...checkShowctl(out, identities));
  findings.push(...checkVirtualUsers(out, identities.map(({ signed }) => signed), thisMachine()));
}

/**
 * Checks Exim, if it delivers the mail of an identity on this machine.
 *
 * @param ask returns the output of `exim -bt` for an address
 */
export async function checkExim(
  exim: string,
  identities: readonly SignedIdentity[],
  ask: (address: string) => Promise<string>,
): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const { address, signed } of identities) {
    if (!isLocal(await ask(address))) continue;
    const said = await ask(signed);
    if (isLocal(said)) continue;
    const domain = domainOf(signed);
    const [, why] = / is undeliverable:? ?(.*)$/m.exec(said) ?? [];
    found.push({
      id: "exim-srs-domain",
      what: why === undefined
        ? `Exim does not deliver mail for ${domain} on this machine`
        : `Exim cannot deliver to a signed address in ${domain}: ${why === "" ? "undeliverable" : why}`,
      where: { file: exim },
      why: `It delivers mail to ${address}, but bounces to its signed addresses do not reach the hook.`,
      fix: `Add ${domain} to local_domains, with the router of contrib/exim; to test: ${exim} -bt`,
    });
  }
  return found;
}

/** Returns whether an address is routed to a transport on this machine: without a host to which it is sent. */
const isLocal = (said: string): boolean => / transport = /.test(said) && !/^\s+host /m.test(said);

/** Checks the output of qmail-showctl, if qmail accepts mail for the domain of an identity. */
export function checkShowctl(text: string, identities: readonly SignedIdentity[]): Finding[] {
  const found: Finding[] = [];
  // qmail-smtpd reads only the compiled form of morercpthosts.
  const used = text.replace(/^morercpthosts: [^]*?^(?=morercpthosts\.cdb: Oops! .* doesn't\.$)/m, "");
  const all = (pattern: RegExp) => [...used.matchAll(pattern)].map(([, one]) => one!.toLowerCase());
  const accepted = all(/^SMTP clients may send messages to recipients at (\S+?)\.?$/gm);
  const locals = all(/^Messages for (\S+) are delivered locally\.?$/gm);
  // A line without a user is an exception: mail for that domain is sent to another host.
  const virtual = all(/^Virtual domain: ([^:\s]+):\S/gm);
  const local = [...locals, ...virtual];
  const contains = (list: readonly string[], domain: string) =>
    list.some((one) => one === domain || one.startsWith(".") && domain.endsWith(one));
  for (const { address, signed } of identities) {
    const [own, domain] = [domainOf(address), domainOf(signed)];
    if (!contains(local, own)) continue;
    const add = (
      id: "qmail-rcpthosts" | "qmail-virtualdomains",
      what: string,
      why: string,
      name: string,
      line: string,
    ) =>
      void found.push({
        id,
        what,
        where: { file: `/var/qmail/control/${name}` },
        why,
        fix: `echo ${line} >>/var/qmail/control/${name}${name === "rcpthosts" ? "" : "; pkill -HUP qmail-send"}`,
      });
    // Without rcpthosts qmail-smtpd accepts everything.
    if (accepted.length > 0 && !contains(accepted, domain)) {
      const why = "qmail-smtpd rejects every bounce: sorry, that domain isn't in my list of allowed rcpthosts.";
      add("qmail-rcpthosts", `qmail-smtpd does not accept mail for ${domain}`, why, "rcpthosts", domain);
    }
    if (locals.includes(domain) && virtual.includes(domain)) {
      found.push({
        id: "qmail-virtualdomains",
        what: `${domain} is in locals, so that qmail does not use its line in virtualdomains`,
        where: { file: "/var/qmail/control/locals" },
        why: "A signed address is then the name of a user, who does not exist.",
        fix: `Remove ${domain} from locals; pkill -HUP qmail-send`,
      });
    }
    if (!contains(local, domain)) {
      const why = "qmail sends bounces to another host, or to itself in a loop.";
      const user = address.slice(0, address.lastIndexOf("@"));
      add(
        "qmail-virtualdomains",
        `qmail does not deliver mail for ${domain} locally`,
        why,
        "virtualdomains",
        `${domain}:${user}-srs`,
      );
    }
  }
  return found;
}
