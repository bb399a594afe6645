/** `countersign doctor`: finds configuration problems and suggests fixes. */
import { parseAddress } from "../lib/address.ts";
import { Fail, quote } from "../lib/fail.ts";
import { atMost, runCommand } from "./arguments.ts";
import { filters, mutt } from "./doctor/callers.ts";
import { type Resolver, systemDns } from "./doctor/resolver.ts";
import { printFindings } from "./doctor/finding.ts";
import { nonexistentAddress } from "./doctor/loop.ts";
import { askDns, loop } from "./doctor/network.ts";
import { INSTALLATION_CHECKS } from "./doctor/installation.ts";
import { noteWithConfig, withConfig } from "./doctor/config_option.ts";
import { createContext } from "./doctor/context.ts";
import { mailClients } from "./doctor/mail_clients.ts";
import { redactJson, redactorFor } from "./redact.ts";
import { isRich, json, say } from "./terminal.ts";

const HELP = `Usage: countersign doctor [--json] [--redact] [--hook FILE] [--postconf FILE] [--sent MAILBOX]
                          [--dns [--host ADDRESS]] [--loop [--address ADDRESS] [--to ADDRESS] [--wait SECONDS]]
                          [--config FILE]
Finds configuration problems and suggests fixes. Checks the settings, keys, folders, the mail program, muttrc, .qmail,
.mailfilter, .procmailrc, .forward, Postfix and the milters of Sendmail, and lets the hook judge a genuine and a forged
bounce for each identity (which adds two lines to its log). Logs in to each account, and tests the senders of its
identities. Opens a session on each socket of countersign serve, and tests the door with a forged address. Connects to
each address of countersign submitd, and tries a wrong password of root and of an unknown user. Nothing is changed, and
nothing is sent without --loop.

  --json             Print JSON, as documented in countersign(1)
  --redact           Replace addresses, host names, paths and logins, for an issue report
  --hook FILE        Hook to check. Default: the one installed with this program
  --postconf FILE    main.cf, master.cf or postconf output of another machine; may be repeated
  --sent MAILBOX     Mailbox with your sent mail; may be repeated. Counts mail of the last 30 days that was not sent
                     through the shim
  --dns              Also check MX, SPF and DMARC of the domains
  --host ADDRESS     With --dns: host or address that sends your mail, to be checked against SPF; may be repeated
  --loop             Also send an undeliverable message, and wait for its bounce
  --address ADDRESS  With --loop: address of yours to send from; may be repeated. Default: all
  --to ADDRESS       With --loop: recipient that another server rejects. Default: an address in a nonexistent domain
  --wait SECONDS     With --loop: how long to wait for the bounce. Default: 60
  --config FILE      Settings file. Default: ~/.config/countersign/config.toml

Exits 0 without findings, 1 with findings, and 78 if the settings cannot be read.

Example: countersign doctor --dns --host mail.example.org
Example: countersign doctor --loop --to nobody@example.net`;

/** Options that require another one. */
const REQUIRED_OPTIONS = { host: "dns", address: "loop", to: "loop", wait: "loop" } as const;

/**
 * Runs the command.
 *
 * @param dns the resolver for `--dns`; by default that of the system, if the program may use the network
 * @returns the exit status: 0 without findings, 1 with findings, 78 if the settings cannot be read
 */
export function doctor(name: string, args: readonly string[], dns?: Resolver): Promise<number> {
  const values = ["config", "hook", "postconf", "sent", ...Object.keys(REQUIRED_OPTIONS)];
  const usage = { help: HELP, values, flags: ["json", "redact", "dns", "loop"] };
  return runCommand(name, args, usage, async (options) => {
    atMost(options, 0);
    for (const [name, needed] of Object.entries(REQUIRED_OPTIONS)) {
      if (options.value(name) !== undefined && !options.has(needed)) {
        throw new Fail("usage", `Option --${name} requires --${needed}`);
      }
    }
    const timeoutMs = parseSeconds(options.value("wait"));
    const to = options.value("to") ?? nonexistentAddress();
    parseAddress(to);
    const context = createContext(options);
    const { settings, findings, notes } = context;
    if (settings !== undefined) {
      for (const check of INSTALLATION_CHECKS) await check(context, settings);
      if (options.has("dns")) await askDns(context, settings, dns ?? await systemDns(), args);
    }
    mutt(context);
    await mailClients(context);
    await filters(context);
    if (settings !== undefined && options.has("loop")) await loop(context, settings, to, timeoutMs);
    const config = options.value("config");
    const fixable = withConfig(findings, config);
    const described = notes.map((note) => noteWithConfig(note, config));
    const redact = options.has("redact") ? redactorFor(context.home, settings) : (text: string) => text;
    const report = json({ findings: fixable, notes: described });
    if (options.has("json")) say(options.has("redact") ? redactJson(report, redact) : report);
    else say(redact(printFindings(fixable, described, isRich(Deno.stdout) && !Deno.env.get("NO_COLOR"))));
    return settings === undefined ? 78 : findings.length > 0 ? 1 : 0;
  });
}

/** Parses a number of seconds. @returns milliseconds @throws {Fail} `usage` */
function parseSeconds(text = "60"): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text) * 1000;
  throw new Fail("usage", `Option --wait is ${quote(text)}, not a number of seconds such as 60`);
}
