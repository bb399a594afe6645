/** Explains how the shim would send a message, for `countersign explain --out`. Changes nothing. */
import { formatAddress } from "../../lib/address.ts";
import { accountsIn } from "../../lib/settings/accounts.ts";
import { printServer, serverOf, type Settings } from "../../lib/settings/parse.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { canonicalAddress } from "../../lib/settings/identity.ts";
import type { Head } from "../../lib/message.ts";
import type { RequestMessage } from "../../lib/requests.ts";
import type { Scheme } from "../../lib/settings/schema.ts";
import { argumentsFor } from "../../lib/settings/presets.ts";
import { parseFlags } from "../../shim/flags.ts";
import { plan, RANDOM_BYTES } from "../../outgoing/plan.ts";
import { isRemembered, schemeFor } from "../../outgoing/rules.ts";

/** One recipient of a message. */
export interface PlannedRecipient {
  readonly address: string;
  /** The scheme that the rules give for this recipient alone. */
  readonly wanted: Scheme;
  /** Whether the message is entered in the ledger, so that a challenge from this recipient will be answered. */
  readonly remembered: boolean;
}

/** The message as it would be sent. */
export interface OutgoingExplanation {
  readonly scheme: Scheme | "none";
  /** Why the message is not signed; set if the scheme is `none`. */
  readonly why: string | undefined;
  readonly identity: string | undefined;
  /** Null for the null sender, undefined if the program that sends the mail chooses it. */
  readonly sender: string | null | undefined;
  readonly recipients: readonly PlannedRecipient[];
  /** Header fields that are added, and the names of those that are removed. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly notes: readonly string[];
  /** The `[[account]]` that sends the message, and why. */
  readonly account?: { readonly name: string; readonly because: string };
  /** The program that sends the message and its arguments, or the server, or the maildir. */
  readonly transport: readonly string[];
}

/** Program names that the arguments may begin with. */
const PROGRAMS = ["shim", "sendmail", "qmail-inject"];

/**
 * Parses the arguments of the shim. `-bs`, `-bp`, `-q` and `-bi` are options of the real program.
 *
 * @throws {Fail} `usage`
 */
export function readCommand(argv: readonly string[]): { real: string } | { call: Parameters<typeof plan>[0] } {
  const [first = "", ...rest] = argv;
  const name = first.slice(first.lastIndexOf("/") + 1);
  const named = PROGRAMS.includes(name);
  const invocation = parseFlags(named ? name : "shim", named ? rest : argv);
  if (invocation.mode === "send") return { call: invocation.request };
  return { real: invocation.mode === "real" ? invocation.what : `--${invocation.mode}` };
}

/** Explains a message. @throws {Fail} as the shim does */
export function explainOutgoing(
  call: Parameters<typeof plan>[0],
  message: RequestMessage & Pick<Head, "headStart">,
  settings: Settings,
  identities: readonly Identity[],
  now: Date,
): OutgoingExplanation {
  const original = message.header;
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
  const mailboxLine = message.headStart > 0;
  const planned = plan(call, original, {
    settings,
    identities,
    accounts: accountsIn(settings),
    now,
    random,
    mailboxLine,
  });
  const { envelope, header, scheme, why, identity, sent } = planned;
  const { transport } = settings;
  const before = new Set(original.map((one) => one.raw));
  const after = new Set(header.map((one) => one.raw));
  return {
    scheme,
    why,
    identity: identity && canonicalAddress(identity),
    sender: envelope.sender && formatAddress(envelope.sender),
    recipients: envelope.recipients.map((one) => ({
      address: formatAddress(one),
      wanted: schemeFor(one, settings),
      remembered: sent?.signed === true && isRemembered(one, settings, { ...message, header }),
    })),
    added: header.map((one) => one.raw).filter((raw) => !before.has(raw)),
    removed: original.filter((one) => !after.has(one.raw)).map((one) => one.name),
    ...settings.account.length > 0 && planned.account
      ? { account: { name: planned.account.account.name, because: planned.account.because } }
      : {},
    notes: [...planned.notes, planned.error, planned.warning].filter((one) => one !== undefined),
    transport: transport.via === "maildir"
      ? [transport.maildir]
      : transport.via === "smtp"
      ? [printServer(serverOf(planned.account!.account))]
      : argumentsFor(transport.preset, transport.command, envelope),
  };
}
