/** The checks that use the network, which run only with --dns and --loop. */
import type { Settings } from "../../lib/settings/parse.ts";
import { canonicalAddress } from "../../lib/settings/identity.ts";
import { siteAccount } from "../identities.ts";
import { installedPrograms } from "../programs.ts";
import { selectIdentity } from "../option_values.ts";
import { checkDns } from "./dns.ts";
import { checkRelayedMx } from "./backscatter.ts";
import { machineQueries } from "./postfix_asked.ts";
import { NoAnswer, type Resolver } from "./resolver.ts";
import { isFile } from "./filesystem.ts";
import { onPath, run, withNetwork } from "./programs.ts";
import { checkLoop } from "./loop.ts";
import { identityLine } from "./settings.ts";
import { type DoctorContext, readableIdentities } from "./context.ts";

/** Checks DNS; adds a note if the program may not use the network. */
export async function askDns(
  context: DoctorContext,
  settings: Settings,
  dns: Resolver | undefined,
  args: readonly string[],
): Promise<void> {
  const { options, file, findings, notes } = context;
  if (dns === undefined) {
    notes.push(
      `DNS was not queried, because this program may not use the network. With permission: ${
        withNetwork("doctor", args)
      }`,
    );
    return;
  }
  const where = (nth: number) => ({ file: file.file, line: identityLine(file.text, nth) });
  const found = await checkDns(settings, where, options.values("host"), dns);
  findings.push(...found.findings);
  notes.push(...found.notes);
  const queries = options.value("postconf") === undefined ? await machineQueries() : undefined;
  if (queries === undefined || typeof queries === "string") return; // the check of Postfix reports it
  try {
    findings.push(...await checkRelayedMx(queries, options.values("host"), dns));
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    notes.push(`DNS does not answer for a domain in relay_domains: ${error.message}`);
  }
}

/** Sends the test messages. This is the last check, because it is slow and the other findings may explain a failure. */
export async function loop(context: DoctorContext, settings: Settings, to: string, timeoutMs: number): Promise<void> {
  const { options, file, findings, notes } = context;
  if (settings.transport.via === "maildir") return; // a note says that mail is not sent
  const shim = installedPrograms(isFile).shim ?? onPath("shim");
  if (shim === undefined) {
    notes.push("No message was sent: no shim was found with this program or in PATH");
    return;
  }
  const identities = readableIdentities(settings);
  if (identities === undefined) return;
  const asked = [...new Set(options.values("address").map((one) => selectIdentity(identities, one)))];
  const from = (asked.length > 0 ? asked : identities).map((one) => ({
    name: canonicalAddress(one),
    where: { file: file.file, line: identityLine(file.text, identities.indexOf(one)) },
  }));
  const as = siteAccount(settings);
  const send = (argv: readonly string[], message: string) => run(argv, message, { COUNTERSIGN_CONFIG: file.file }, as);
  const seen = await checkLoop({ from, to, timeoutMs, settings, shim, send });
  findings.push(...seen.findings);
  notes.push(...seen.notes);
}
