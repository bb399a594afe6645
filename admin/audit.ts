/** `countersign audit`: replays archived mail and counts the verdicts of the hook. Changes nothing. */
import { parseAddress } from "../lib/address.ts";
import { utf8ToLatin1 } from "../lib/bytes.ts";
import { asksLookup } from "../lib/settings/lookup.ts";
import { parseConfig, type Settings } from "../lib/settings/parse.ts";
import { Fail, reason } from "../lib/fail.ts";
import { abortOnSignal } from "../io/system/signals.ts";
import type { Result } from "../incoming/verdict.ts";
import { configFile, loadSettings } from "../io/system/load.ts";
import type { Identity } from "../lib/settings/identity.ts";
import { type Arguments, runCommand } from "./arguments.ts";
import { readIdentities } from "./identities.ts";
import { HeaderFields, scanHeader } from "./audit/header.ts";
import { Hashes } from "./audit/hashes.ts";
import { type ArchivedMessage, extent, messagesIn } from "./audit/mailboxes.ts";
import { auditPage } from "./audit/page.ts";
import { checkPage, writePage } from "./audit/page_file.ts";
import { NOT_COUNTED, RecentCount } from "./audit/recent.ts";
import { Progress } from "./audit/progress.ts";
import { replayMessage } from "./audit/replay.ts";
import { auditText } from "./audit/report.ts";
import { sentId } from "./audit/sent_id.ts";
import { audited, type Bounces, type Judged, Tally } from "./audit/tally.ts";
import { dayOf, printDay } from "../lib/date.ts";
import { json, say } from "./terminal.ts";

const HELP =
  `Usage: countersign audit MAILBOX... [--sent MAILBOX] [--address ADDRESS] [--json] [--html FILE [--overwrite]]
Replays your archive: reads mailboxes (maildirs, mbox files, folders of .eml files, and everything below them) and
reports the verdict that each message would have got, with the number of bounces in each month. Only headers are read,
and the beginning and the end of bounces. Nothing is changed. Ctrl-C prints the results so far.

  --sent MAILBOX     Mailbox with your sent mail; may be repeated. A bounce that returns or names one of its Message-IDs
                     is known, as it is to the hook. Sent mail itself is not judged. Also counts how much of that of
                     the last 30 days was not sent through the shim
  --address ADDRESS  Your address; may be repeated. Settings are not read, so that you can run audit before init
  --json             Print all counts and the speed as JSON, as documented in countersign(1)
  --html FILE        Also write a page with a chart and tables
  --overwrite        Replace an existing page
  --config FILE      Settings file. Default: ~/.config/countersign/config.toml

genuine      proved to answer mail of yours      suspect      a forged bounce that would only be marked
known        names a message that you sent       forged       a bounce of mail that you did not send
late         to a signed address that expired    unsure       a bounce too long to be read to its end
unsolicited  from the null sender, not a bounce  other        all other mail

Example: countersign audit ~/Maildir --sent ~/Maildir/.Sent --html audit.html
Example: countersign audit --address greg@example.org ~/Mail/inbox.mbox
`;

/** How bounces with these results are counted; those with other results are counted as forged, or not at all. */
const BOUNCES: Partial<Record<Result, keyof Bounces>> = {
  genuine: "verified",
  late: "verified",
  known: "known",
  unsure: "unrecognized",
};

/** Interval at which signals are handled and the progress bar is updated, in milliseconds. */
const YIELD_MS = 50;

/** Runs the command. @returns the exit status */
export function audit(name: string, args: readonly string[]): Promise<number> {
  const takes = { values: ["sent", "address", "html", "config"], flags: ["json", "overwrite"] };
  return runCommand(name, args, { help: HELP, ...takes }, async (options) => {
    const mailboxes = [...options.operands, ...options.rest ?? []];
    if (mailboxes.length === 0) throw new Fail("usage", "No mailbox given", { fix: "countersign audit ~/Maildir" });
    const page = options.value("html");
    // Checked first, so that a long run does not end with an error.
    if (page !== undefined) checkPage(page, options.has("overwrite"));
    for (const path of options.values("sent")) checkReadable("Sent mail", path);
    for (const path of mailboxes) checkReadable("Mailbox", path);
    const configuration = load(options);
    // What a shared store remembers is not in the files.
    const inFiles = !asksLookup(configuration.settings);
    const counts = options.values("sent").length > 0 && options.values("address").length === 0;
    const recent = counts && inFiles
      ? new RecentCount(configuration.settings, configuration.identities, new Date())
      : undefined;
    const scan = new Scan(configuration, abortOnSignal(), recent);
    for (const path of options.values("sent")) await scan.readSent(path);
    const seconds = await scan.readMail(mailboxes);
    const { settings, identities } = configuration;
    const result = audited(
      scan.tally,
      {
        mailboxes,
        date: printDay(dayOf(new Date())),
        refuses: {
          forged: settings.incoming.forged === "refuse",
          unsigned: identities.some(({ refuseUnsigned }) => refuseUnsigned === true),
        },
      },
      seconds,
      options.values("sent").length === 0 ? null : scan.sent.size,
      scan.stopped,
      recent?.notCounted === undefined ? recent?.counts : undefined,
      counts && !inFiles ? NOT_COUNTED : recent?.notCounted,
    );
    say(options.has("json") ? json(result) : auditText(result));
    if (page !== undefined) writePage(page, auditPage(result), options.has("overwrite"));
    if (result.messages + result.skipped === 0 && result.unreadable.count + result.compressed.count > 0) {
      throw new Fail("input", "No mailbox could be read");
    }
  });
}

/** The configuration that the audit uses. */
interface Configuration {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
  /** Whether the identities are only addresses, without keys. */
  readonly keyless: boolean;
}

function load(options: Arguments): Configuration {
  const addresses = options.values("address");
  if (addresses.length === 0) {
    const source = configFile(options.value("config"));
    const settings = loadSettings(source);
    return { settings, identities: readIdentities(settings), keyless: false };
  }
  if (options.value("config") !== undefined) {
    throw new Fail("usage", "Option --address cannot be combined with --config");
  }
  // With --address every setting has its default.
  const text = `[[identity]]\naddress = "nobody@invalid.invalid"\n[transport]\nvia = "maildir"\nmaildir = "/none"\n`;
  const identities = addresses.map((text) => ({ address: parseAddress(text), srsDomain: "", keys: [] }));
  return { settings: parseConfig(text, { file: "/none", home: "/none" }), identities, keyless: true };
}

/** One audit of all mailboxes. */
class Scan {
  readonly tally = new Tally();
  readonly sent = new Hashes();
  readonly #fields: HeaderFields;
  readonly #sentPaths = new Set<string>();
  readonly #progress = new Progress();
  #configuration: Configuration;
  #stop: AbortSignal;
  #recent: RecentCount | undefined;

  constructor(configuration: Configuration, stop: AbortSignal, recent: RecentCount | undefined) {
    this.#configuration = configuration;
    this.#fields = new HeaderFields(
      configuration.identities.map(({ srsDomain }) => srsDomain).filter((one) => one !== ""),
    );
    this.#stop = stop;
    this.#recent = recent;
  }

  get stopped(): boolean {
    return this.#stop.aborted;
  }

  /** Adds the Message-IDs of a mailbox to those of sent mail. */
  async readSent(path: string): Promise<void> {
    try {
      this.#sentPaths.add(Deno.realPathSync(path));
    } catch {
      // The error is reported below, when the mailbox is read.
    }
    const fields = this.#fields;
    this.tally.done = 0;
    this.#progress.begin(() => extent([path]));
    const pauses = new Pauses(this.#stop, () => this.#progress.show(this.tally.done, this.sent.size, "sent messages"));
    for (const message of messagesIn([path], this.tally)) {
      this.#scan(message, false);
      const id = sentId(message.bytes, message.whole, fields.idStart, fields.idEnd);
      if (id !== undefined) this.sent.add(id);
      if (this.#recent !== undefined) this.#recent.add(message);
      if (pauses.due() && !await pauses.take()) break;
    }
    this.#progress.end();
  }

  /** Judges all messages. @returns the duration in seconds */
  async readMail(paths: readonly string[]): Promise<number> {
    const { tally } = this;
    const fields = this.#fields;
    const begun = performance.now();
    tally.done = 0;
    this.#progress.begin(() => extent(paths, this.#sentPaths));
    const pauses = new Pauses(this.#stop, () => this.#progress.show(tally.done, tally.messages, "messages"));
    if (!this.stopped) {
      for (const message of messagesIn(paths, tally, this.#sentPaths)) {
        this.#scan(message, true);
        if (fields.person && !fields.signed) tally.count(fields.month, "other");
        else tally.add(await this.#judge(message));
        if (pauses.due() && !await pauses.take()) break;
      }
    }
    this.#progress.end();
    return (performance.now() - begun) / 1000;
  }

  /** Finds the header fields; reads more of the message only if they are not in the part that was read. */
  #scan(message: ArchivedMessage, sender: boolean): void {
    const fields = this.#fields;
    scanHeader(message.bytes, fields, sender);
    const enough = sender ? fields.person && fields.month >= 0 : fields.idEnd > 0;
    if (enough || fields.bodyStart >= 0 || message.whole) return;
    message.more();
    scanHeader(message.bytes, fields, sender);
  }

  async #judge(message: ArchivedMessage): Promise<Judged> {
    message.more();
    // A copy, because the buffer is reused, and because callers may access the underlying ArrayBuffer.
    const prefix = message.bytes.slice();
    const { whole } = message;
    const { month, day, lineEnd } = this.#fields;
    const now = month < 0 ? new Date() : new Date(Date.UTC(Math.floor(month / 12), month % 12, day));
    const replayed = {
      prefix,
      whole,
      sender: senderOfLine(prefix, lineEnd),
      now,
      tail: message.tail,
      // `ids` are in the form of bareMessageId().
      sent: (ids: readonly string[]) => ids.some((id) => this.sent.has(utf8ToLatin1(id))),
    };
    const { settings, identities, keyless } = this.#configuration;
    const judged = await replayMessage(replayed, settings, identities, keyless);
    const { result, evidence } = judged;
    const unsigned = judged.nullSender && judged.plain;
    if (result === "forged" || result === "suspect") {
      const domain = judged.domain === "" ? "unknown" : judged.domain;
      return {
        result,
        month,
        bounce: "unrecognized",
        domain,
        rejectable: judged.bounceSender && judged.plain,
        unsigned,
      };
    }
    const bounce = BOUNCES[result];
    const isBounce = bounce !== undefined && judged.bounceSender && evidence !== undefined;
    return isBounce ? { result, month, bounce, unsigned } : { result, month, unsigned };
  }
}

/** Returns the sender in the `From sender date` line of an mbox; undefined if there is none. */
function senderOfLine(prefix: Uint8Array, end: number): string | null | undefined {
  if (end === 0) return undefined;
  const word = new TextDecoder().decode(prefix.subarray(5, Math.min(end, 512))).split(/\s/)[0]!;
  if (/^(?:<>|mailer-daemon)$/i.test(word)) return null;
  return /[^?]@[^?]/.test(word) ? word : undefined;
}

/** Interrupts the synchronous reading at intervals, so that signals are handled and progress is shown. */
class Pauses {
  #stop: AbortSignal;
  #show: () => Promise<void>;
  #last = performance.now();
  #count = 0;

  constructor(stop: AbortSignal, show: () => Promise<void>) {
    this.#stop = stop;
    this.#show = show;
  }

  due(): boolean {
    return (++this.#count & 63) === 0 && performance.now() - this.#last >= YIELD_MS;
  }

  /** @returns whether to continue */
  async take(): Promise<boolean> {
    await this.#show();
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#last = performance.now();
    return !this.#stop.aborted;
  }
}

/** Checks that a path can be read. Without the sent mail, for example, all bounces would count as forged. */
function checkReadable(what: string, path: string): void {
  let why = "it is neither a file nor a folder";
  try {
    const info = Deno.statSync(path);
    if (info.isFile) return Deno.openSync(path).close();
    if (info.isDirectory) return void Deno.readDirSync(path)[Symbol.iterator]().next();
  } catch (error) {
    why = reason(error);
  }
  throw new Fail("input", `${what} cannot be read: ${why}`, { file: path });
}
