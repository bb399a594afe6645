/** What goes over the network, and only when it is asked for: DNS, and a message with its bounce. */
import type { Settings } from "../../lib/settings/parse.ts";
import { canonicalAddress } from "../../lib/settings/identity.ts";
import { beside } from "../programs.ts";
import { identityMeant } from "../words.ts";
import { checkDns } from "./dns.ts";
import type { Resolver } from "./resolver.ts";
import { onPath, run, see, withNetwork } from "./look.ts";
import { checkLoop } from "./loop.ts";
import { identityLine } from "./settings.ts";
import { type DoctorContext, soundIdentities } from "./context.ts";

/** Asks DNS; what it may not ask is a note. */
export async function askDns(
  visit: DoctorContext,
  settings: Settings,
  dns: Resolver | undefined,
  args: readonly string[],
): Promise<void> {
  const { given, file, findings, notes } = visit;
  if (dns === undefined) {
    notes.push(
      `DNS was not queried, because this program may not use the network. With permission: ${
        withNetwork("doctor", args)
      }`,
    );
    return;
  }
  const where = (nth: number) => ({ file: file.file, line: identityLine(file.text, nth) });
  const found = await checkDns(settings, where, given.values("host"), dns);
  findings.push(...found.findings);
  notes.push(...found.notes);
}

/** The last of all: it takes its time, and what else is wrong may be why it fails. */
export async function loop(visit: DoctorContext, settings: Settings, to: string, timeoutMs: number): Promise<void> {
  const { given, file, findings, notes } = visit;
  if (settings.transport.via === "maildir") return; // that it goes nowhere is said already
  const shim = beside((path) => see(path).kind === "file").shim ?? onPath("shim");
  if (shim === undefined) {
    notes.push("No message was sent: no shim was found beside this program or in PATH");
    return;
  }
  const identities = soundIdentities(settings);
  if (identities === undefined) return;
  const asked = [...new Set(given.values("address").map((one) => identityMeant(identities, one)))];
  const from = (asked.length > 0 ? asked : identities).map((one) => ({
    name: canonicalAddress(one),
    where: { file: file.file, line: identityLine(file.text, identities.indexOf(one)) },
  }));
  const send = (argv: readonly string[], message: string) => run(argv, message, { COUNTERSIGN_CONFIG: file.file });
  const seen = await checkLoop({ from, to, timeoutMs, settings, shim, send });
  findings.push(...seen.findings);
  notes.push(...seen.notes);
}
