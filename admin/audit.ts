/** `countersign audit`: what the hook would have done with the mail of the past. Changes nothing. */
import { parseAddress } from "../lib/address.ts";
import { utf8ToLatin1 } from "../lib/bytes.ts";
import { parseConfig, type Settings } from "../lib/settings/parse.ts";
import { Fail, quote, reason } from "../lib/fail.ts";
import { abortOnSignal } from "../io/system/signals.ts";
import { configFile, loadIdentities, loadSettings } from "../io/system/load.ts";
import type { Identity } from "../lib/settings/identity.ts";
import { type Arguments, runCommand } from "./arguments.ts";
import { findPlaces, Places } from "./audit/header.ts";
import { Hashes } from "./audit/hashes.ts";
import { extent, type Letter, letters } from "./audit/mailboxes.ts";
import { auditPage } from "./audit/page.ts";
import { RecentCount } from "./audit/passed.ts";
import { Progress } from "./audit/progress.ts";
import { auditText } from "./audit/report.ts";
import { sentId } from "./audit/sent_id.ts";
import { audited, type Judged, type Kind, Tally } from "./audit/tally.ts";
import { json, say } from "./terminal.ts";

/** admin/audit/replay.ts, handed in by main.ts. */
export interface Hook {
  judgePast(
    past: {
      prefix: Uint8Array;
      whole: boolean;
      sender: string | null | undefined;
      now: Date;
      tail: Letter["tail"];
      sent: (messageIds: readonly string[]) => boolean;
    },
    settings: Settings,
    identities: readonly Identity[],
  ): Promise<{
    readonly result: Kind;
    readonly bounceSender: boolean;
    readonly sign: string | undefined;
    readonly plain: boolean;
    readonly domain: string;
    readonly bodyStart: number;
  }>;
}

const HELP = `Usage: countersign audit MAILBOX... [--sent MAILBOX] [--address ADDRESS] [--json] [--html FILE]
Replays your archive: reads mailboxes (maildirs, mbox files, folders of .eml files, and everything below them) and
reports the verdict that each message would have got, with the number of bounces in each month. Only headers are read,
and the beginning and the end of bounces. Nothing is changed. Ctrl-C prints the results so far.

  --sent MAILBOX     Mailbox with your sent mail; may be repeated. A bounce that returns or names one of its Message-IDs
                     is known, as it is to the hook. Sent mail itself is not judged. Also counts how much of it, in the
                     last 30 days, did not pass the shim
  --address ADDRESS  Your address; may be repeated. Settings are not read, so that you can run audit before init
  --json             Print all counts and the speed as JSON, as documented in countersign(1)
  --html FILE        Also write a page with a chart and tables
  --config FILE      Settings file. Default: ~/.config/countersign/config.toml

genuine      proved to answer mail of yours      suspect      a forged bounce that would only be marked
known        names a message that you sent       forged       a bounce of mail that you did not send
late         to a signed address that expired    unsure       a bounce too long to be read to its end
unsolicited  from the null sender, not a bounce  other        all other mail

Example: countersign audit ~/Maildir --sent ~/Maildir/.Sent --html audit.html
Example: countersign audit --address greg@example.org ~/Mail/inbox.mbox
`;

/** How long signals and the progress line wait, in milliseconds. */
const TURN = 50;

/** Runs the command. @returns the exit status */
export function audit(name: string, args: readonly string[], hook: Hook): Promise<number> {
  const takes = { values: ["sent", "address", "html", "config"], flags: ["json"] };
  return runCommand(name, args, { help: HELP, ...takes }, async (given) => {
    const mailboxes = [...given.operands, ...given.rest ?? []];
    if (mailboxes.length === 0) throw new Fail("usage", "No mailbox given", { fix: "countersign audit ~/Maildir" });
    const page = given.value("html");
    // Before a long run, not after it.
    if (page !== undefined) checkFolder(page);
    for (const path of given.values("sent")) checkThere(path);
    const own = load(given);
    const recent = given.values("sent").length > 0 && given.values("address").length === 0
      ? new RecentCount(own.settings, own.identities, new Date())
      : undefined;
    const scan = new Scan(own, hook, abortOnSignal(), recent);
    for (const path of given.values("sent")) await scan.readSent(path);
    const seconds = await scan.readMail(mailboxes);
    const result = audited(
      scan.tally,
      seconds,
      given.values("sent").length === 0 ? null : scan.sent.size,
      scan.stopped,
      recent?.counts,
    );
    say(given.has("json") ? json(result) : auditText(result));
    if (page !== undefined) writePage(page, auditPage(result));
  });
}

interface Own {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
}

function load(given: Arguments): Own {
  const addresses = given.values("address");
  const place = configFile(given.value("config"));
  if (addresses.length === 0) {
    const settings = loadSettings(place);
    return { settings, identities: loadIdentities(settings) };
  }
  if (given.value("config") !== undefined) throw new Fail("usage", "Option --address has no meaning with --config");
  // What every setting is when nobody sets it.
  const text = `[[identity]]\naddress = "nobody@invalid.invalid"\n[transport]\nvia = "maildir"\nmaildir = "/none"\n`;
  const identities = addresses.map((text) => ({ address: parseAddress(text), srsDomain: "", keys: [] }));
  return { settings: parseConfig(text, place), identities };
}

/** One run over all mailboxes. */
class Scan {
  readonly tally = new Tally();
  readonly sent = new Hashes();
  readonly #places: Places;
  readonly #sentPaths = new Set<string>();
  readonly #progress = new Progress();
  #own: Own;
  #hook: Hook;
  #stop: AbortSignal;
  #recent: RecentCount | undefined;

  constructor(own: Own, hook: Hook, stop: AbortSignal, recent: RecentCount | undefined) {
    this.#own = own;
    this.#places = new Places(own.identities.map(({ srsDomain }) => srsDomain).filter((one) => one !== ""));
    this.#hook = hook;
    this.#stop = stop;
    this.#recent = recent;
  }

  get stopped(): boolean {
    return this.#stop.aborted;
  }

  /** Remembers the Message-IDs of a mailbox. */
  async readSent(path: string): Promise<void> {
    try {
      this.#sentPaths.add(Deno.realPathSync(path));
    } catch {
      // It is named as not readable below.
    }
    const places = this.#places;
    this.tally.done = 0;
    this.#progress.begin(() => extent([path]));
    const turns = new Turns(this.#stop, () => this.#progress.show(this.tally.done, this.sent.size, "sent messages"));
    for (const letter of letters([path], this.tally)) {
      this.#look(letter, false);
      const id = sentId(letter.bytes, letter.whole, places.idStart, places.idEnd);
      if (id !== undefined) this.sent.add(id);
      if (this.#recent !== undefined) this.#recent.add(letter);
      if (turns.due() && !await turns.take()) break;
    }
    this.#progress.end();
  }

  /** Judges all mail. @returns the seconds it took */
  async readMail(paths: readonly string[]): Promise<number> {
    const { tally } = this;
    const places = this.#places;
    const begun = performance.now();
    tally.done = 0;
    this.#progress.begin(() => extent(paths, this.#sentPaths));
    const turns = new Turns(this.#stop, () => this.#progress.show(tally.done, tally.messages, "messages"));
    if (!this.stopped) {
      for (const letter of letters(paths, tally, this.#sentPaths)) {
        this.#look(letter, true);
        if (places.person && !places.signed) tally.other(places.month);
        else tally.add(await this.#judge(letter));
        if (turns.due() && !await turns.take()) break;
      }
    }
    this.#progress.end();
    return (performance.now() - begun) / 1000;
  }

  /** Finds the fields; reads on only where what was read does not tell all. */
  #look(letter: Letter, sender: boolean): void {
    const places = this.#places;
    findPlaces(letter.bytes, places, sender);
    const enough = sender ? places.person && places.month >= 0 : places.idEnd > 0;
    if (enough || places.bodyStart >= 0 || letter.whole) return;
    letter.more();
    findPlaces(letter.bytes, places, sender);
  }

  async #judge(letter: Letter): Promise<Judged> {
    letter.more();
    // The buffer is used again, and not all who look into it may know that it is a part of a larger one.
    const prefix = letter.bytes.slice();
    const { whole } = letter;
    const { month, day, lineEnd } = this.#places;
    const now = month < 0 ? new Date() : new Date(Date.UTC(Math.floor(month / 12), month % 12, day));
    const past = {
      prefix,
      whole,
      sender: senderOfLine(prefix, lineEnd),
      now,
      // In the form of bareMessageId().
      tail: letter.tail,
      sent: (ids: readonly string[]) => ids.some((id) => this.sent.has(utf8ToLatin1(id))),
    };
    const seen = await this.#hook.judgePast(past, this.#own.settings, this.#own.identities);
    const { result, sign } = seen;
    if (result === "forged" || result === "suspect") {
      const domain = seen.domain === "" ? "unknown" : seen.domain;
      return { kind: result, month, bounce: "unanswered", domain, door: seen.bounceSender && seen.plain };
    }
    if (!seen.bounceSender || sign === undefined) return { kind: result, month };
    const bounce =
      ({ genuine: "proved", late: "proved", known: "answering", unsure: "unanswered" } as const)[result as string];
    return bounce === undefined ? { kind: result, month } : { kind: result, month, bounce };
  }
}

/** `From sender date` of an mbox; undefined when it does not tell. */
function senderOfLine(prefix: Uint8Array, end: number): string | null | undefined {
  if (end === 0) return undefined;
  const word = new TextDecoder().decode(prefix.subarray(5, Math.min(end, 512))).split(/\s/)[0]!;
  if (/^(?:<>|mailer-daemon)$/i.test(word)) return null;
  return /[^?]@[^?]/.test(word) ? word : undefined;
}

/** Reading is synchronous; signals and the terminal get their turn now and then. */
class Turns {
  #stop: AbortSignal;
  #show: () => Promise<void>;
  #last = performance.now();
  #count = 0;

  constructor(stop: AbortSignal, show: () => Promise<void>) {
    this.#stop = stop;
    this.#show = show;
  }

  due(): boolean {
    return (++this.#count & 63) === 0 && performance.now() - this.#last >= TURN;
  }

  /** @returns false: stop */
  async take(): Promise<boolean> {
    await this.#show();
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#last = performance.now();
    return !this.#stop.aborted;
  }
}

/** Without what was sent, all bounces would count as forged. */
function checkThere(path: string): void {
  try {
    Deno.statSync(path);
  } catch (error) {
    throw new Fail("io", `Sent mail cannot be read: ${reason(error)}`, { file: path, cause: error });
  }
}

function checkFolder(file: string): void {
  const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) || "/" : ".";
  let why = `${quote(folder)} is not a folder`;
  try {
    if (Deno.statSync(folder).isDirectory) return;
  } catch (error) {
    why = reason(error);
  }
  throw new Fail("io", `Page cannot be written: ${why}`, { file });
}

function writePage(file: string, text: string): void {
  try {
    Deno.writeTextFileSync(file, text);
  } catch (error) {
    throw new Fail("io", `Page cannot be written: ${reason(error)}`, { file, cause: error });
  }
}
