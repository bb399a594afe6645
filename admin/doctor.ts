/** `countersign doctor`: looks at what is set up, and says what will not work, and what fixes it. */
import { parseAddress } from "../lib/address.ts";
import { Fail, quote } from "../lib/fail.ts";
import { atMost, runCommand } from "./arguments.ts";
import { filters, mutt } from "./doctor/callers.ts";
import type { Resolver } from "./doctor/resolver.ts";
import { printFindings } from "./doctor/finding.ts";
import { systemDns } from "./doctor/look.ts";
import { nobody } from "./doctor/loop.ts";
import { askDns, loop } from "./doctor/network.ts";
import { OURS } from "./doctor/installation.ts";
import { begin } from "./doctor/context.ts";
import { isRich, json, say } from "./terminal.ts";

const HELP = `Usage: countersign doctor [--json] [--hook FILE] [--postconf FILE] [--sent MAILBOX]
                          [--dns [--host ADDRESS]] [--loop [--address ADDRESS] [--to ADDRESS] [--wait SECONDS]]
                          [--config FILE]
Looks at settings, keys, folders, the program that takes your mail, muttrc, .qmail, .mailfilter, .procmailrc, .forward
and Postfix, and has the hook judge a signed address and a forged one (which is two lines an identity in its log).
Says what is wrong, where, what comes of it, and what fixes it. Nothing is changed, and without --loop nothing is sent.

  --json             for programs: {"findings": [{"what", "where": {"file", "line"}, "why", "fix"}], "notes": []}
  --hook FILE        the hook, where it is not the one that was installed with this program
  --postconf FILE    main.cf, master.cf, or what postconf prints of another machine; may be repeated
  --sent MAILBOX     where your sent mail is; may be repeated. Counts what of the last 30 days did not pass the shim
  --dns              also asks DNS for MX, SPF and DMARC of the domains
  --host ADDRESS     with --dns: a host or address that sends your mail, to be found in SPF; may be repeated
  --loop             also sends a message to somebody who is not there, and waits for its bounce to come home
  --address ADDRESS  with --loop: an address of yours to send from; may be repeated. Default: each
  --to ADDRESS       with --loop: one that another server refuses. Default: one in a domain that does not exist
  --wait SECONDS     with --loop: how long the bounce may take. Default: 60
  --config FILE      settings, instead of ~/.config/countersign/config.toml

Ends with 0 when nothing is wrong, with 1 when something is, with 78 when the settings cannot be read.

Example: countersign doctor --dns --host mail.example.org
Example: countersign doctor --loop --to nobody@example.net`;

/** Options that say more about another one. */
const WITH = { host: "dns", address: "loop", to: "loop", wait: "loop" } as const;

/**
 * Examines.
 *
 * @param dns asked with `--dns`; default: the system's, where it may be asked
 * @returns 0 clean, 1 with findings, 78 when the settings cannot be read
 */
export function doctor(name: string, args: readonly string[], dns?: Resolver): Promise<number> {
  const values = ["config", "hook", "postconf", "sent", ...Object.keys(WITH)];
  const usage = { help: HELP, values, flags: ["json", "dns", "loop"] };
  return runCommand(name, args, usage, async (given) => {
    atMost(given, 0);
    for (const [name, needed] of Object.entries(WITH)) {
      if (given.value(name) !== undefined && !given.has(needed)) {
        throw new Fail("usage", `Option --${name} has no meaning without --${needed}`);
      }
    }
    const timeoutMs = secondsOf(given.value("wait"));
    const to = given.value("to") ?? nobody();
    parseAddress(to);
    const visit = begin(given);
    const { settings, findings, notes } = visit;
    if (settings !== undefined) {
      for (const part of OURS) await part(visit, settings);
      if (given.has("dns")) await askDns(visit, settings, dns ?? await systemDns(), args);
    }
    mutt(visit);
    await filters(visit);
    if (settings !== undefined && given.has("loop")) await loop(visit, settings, to, timeoutMs);
    if (given.has("json")) say(json({ findings, notes }));
    else say(printFindings(findings, notes, isRich(Deno.stdout) && !Deno.env.get("NO_COLOR")));
    return settings === undefined ? 78 : findings.length > 0 ? 1 : 0;
  });
}

/** Milliseconds. @throws {Fail} `usage` */
function secondsOf(text = "60"): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text) * 1000;
  throw new Fail("usage", `Option --wait is ${quote(text)}, not a number of seconds as 60`);
}
