/** One sweep of one maildir: judges messages that arrived since the last one, and moves forged ones. */
import { dayOf } from "../../lib/date.ts";
import { digest } from "../../lib/digest.ts";
import { Fail, reason } from "../../lib/fail.ts";
import type { JudgeContext } from "../../incoming/verdict.ts";
import { record } from "../../hooks/record.ts";
import { after } from "../../io/system/timer.ts";
import { cleanMaildir } from "../../io/transport/leftovers.ts";
import { makeFolders, makeMaildir } from "../../io/transport/maildir.ts";
import { plain } from "../terminal.ts";
import { type JudgedMail, judgeFile } from "./judged.ts";
import { listMaildir, type MailFile, onFile, pathOf } from "./mailbox.ts";
import { fingerprint, Moved } from "./moved.ts";
import { moveTo } from "./move.ts";
import { describeMail, type SweepReport } from "./report.ts";
import { copyTo, markInPlace } from "./rewrite.ts";
import { folderTimes, Seen } from "./seen.ts";

/** How to sweep. */
export interface SweepOptions {
  /** The maildir for forged messages. */
  readonly spam: string;
  /** Forged messages that arrived longer ago are left. */
  readonly days: number;
  /** Add a result field. */
  readonly mark: boolean;
  /** Change nothing. */
  readonly dryRun: boolean;
  /** Also judge messages that were seen before. */
  readonly all: boolean;
}

const DAY_MS = 86_400_000;

/** Sweeps a maildir. @throws {Fail} when the maildir or the state cannot be used; the report has other failures */
export async function sweepMaildir(
  maildir: string,
  options: SweepOptions,
  context: JudgeContext,
  report: SweepReport,
  stop?: AbortSignal,
): Promise<void> {
  const folder = `${context.settings.state.folder}/sweep/${digest(maildir)}`;
  try {
    // If two sweeps run at the same time, the second one waits, and finds the messages that the first one has seen.
    using _lock = options.dryRun ? undefined : await lock(folder, stop);
    await new Pass(maildir, folder, options, context, report).run(stop);
  } catch (error) {
    if (isBug(error) || error instanceof Fail) throw error;
    throw new Fail("temporary", `Maildir cannot be swept: ${reason(error)}`, { file: maildir, cause: error });
  }
}

/** Milliseconds between two attempts to lock. Waiting for the kernel could not be interrupted. */
const WAIT_MS = 100;

/** Locks the state of a maildir, and creates its folder. The kernel releases the lock of a killed program. */
async function lock(folder: string, stop: AbortSignal | undefined): Promise<Deno.FsFile> {
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = Deno.openSync(`${folder}/lock`, { write: true, create: true, mode: 0o600 });
    for (; !file.tryLockSync(true); await after(WAIT_MS)) {
      if (!stop?.aborted) continue;
      file.close();
      throw new Fail("temporary", "Another sweep is running", { file: folder });
    }
    // doctor reports when the last sweep was.
    file.utimeSync(new Date(), new Date());
    return file;
  } catch (error) {
    if (error instanceof Fail) throw error;
    throw new Fail("temporary", `State cannot be written: ${reason(error)}`, { file: folder, cause: error });
  }
}

class Pass {
  readonly #maildir: string;
  readonly #folder: string;
  readonly #options: SweepOptions;
  readonly #context: JudgeContext;
  readonly #report: SweepReport;
  readonly #moved: Moved;

  constructor(maildir: string, folder: string, options: SweepOptions, context: JudgeContext, report: SweepReport) {
    this.#maildir = maildir;
    this.#folder = folder;
    this.#options = options;
    this.#context = context;
    this.#report = report;
    this.#moved = new Moved(`${folder}/moved`);
  }

  async run(stop?: AbortSignal): Promise<void> {
    const { all, dryRun } = this.#options;
    const seen = new Seen(`${this.#folder}/seen`);
    const [began, today] = [Date.now(), dayOf(this.#context.now)];
    const times = folderTimes(this.#maildir);
    if (!all && seen.isCurrent(times)) return;
    seen.load();
    let complete = true;
    const [done, failed] = [[] as string[], new Set<string>()];
    for (const mail of listMaildir(this.#maildir)) {
      if (stop?.aborted) {
        complete = false;
        break;
      }
      const skipped = !all && seen.has(mail.unique) || isDeleted(mail) || (seen.first || all) && this.#isOld(mail);
      if (skipped || await this.#handle(mail)) done.push(mail.unique);
      else failed.add(mail.unique);
    }
    if (failed.size > 0) complete = false;
    // A second file of the same name was not seen before.
    for (const unique of done) if (!failed.has(unique)) seen.add(unique, today);
    if (dryRun) return;
    seen.save(complete ? times : undefined, began, today);
    this.#moved.expire(today);
    for (const one of [this.#maildir, this.#options.spam]) cleanMaildir(one, this.#context.now);
  }

  /** Whether a read message was there long before the first sweep. */
  #isOld(mail: MailFile): boolean {
    if (mail.folder === "new") return false;
    try {
      const { mtime } = Deno.statSync(pathOf(this.#maildir, mail));
      return mtime !== null && this.#olderThanLimit(mtime);
    } catch {
      return false; // it is looked up when it is judged
    }
  }

  #olderThanLimit(time: Date): boolean {
    return this.#context.now.getTime() - time.getTime() > this.#options.days * DAY_MS;
  }

  /** Judges a message and acts. @returns false if that was not possible, so that it must be tried again */
  async #handle(mail: MailFile): Promise<boolean> {
    const path = pathOf(this.#maildir, mail);
    try {
      const judged = await onFile(this.#maildir, mail, (one) => judgeFile(pathOf(this.#maildir, one), this.#context));
      if (judged === undefined) this.#report.gone++;
      else await this.#act(mail, judged);
      return true;
    } catch (error) {
      // Without the permission to ask countersign serve, no message can be judged.
      if (isBug(error) || error instanceof Fail && error.cause instanceof Deno.errors.NotCapable) throw error;
      const file = error instanceof Fail ? error.file : undefined;
      this.#report.fail(path, error instanceof Fail && file === path ? error.message : reason(error));
      return false;
    }
  }

  async #act(mail: MailFile, judged: JudgedMail): Promise<void> {
    const { verdict, delivery } = judged;
    const report = this.#report;
    if (verdict.action === "spam") await this.#fileSpam(mail, judged);
    else if (this.#options.mark && verdict.mark && await this.#mark(mail, judged)) report.marked++;
    report.results[verdict.result]++;
    // A hook would not log mail that does not concern us either, and it would fill the log.
    if (verdict.action === "spam" || verdict.result === "other" || this.#options.dryRun) return;
    record(this.#context, delivery, verdict, { outcome: "go-on", reason: verdict.reason });
  }

  async #mark(mail: MailFile, judged: JudgedMail): Promise<boolean> {
    if (this.#options.dryRun) return true;
    const what = "The result cannot be added";
    const mark = (one: MailFile) => markInPlace(this.#maildir, one, judged);
    return await this.#change(mail, what, () => onFile(this.#maildir, mail, mark)) ?? false;
  }

  /** Changes a message. @param what what an error of the system means */
  async #change<T>(mail: MailFile, what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isBug(error) || error instanceof Fail) throw error;
      throw new Fail("temporary", `${what}: ${reason(error)}`, { file: pathOf(this.#maildir, mail) });
    }
  }

  async #fileSpam(mail: MailFile, judged: JudgedMail): Promise<void> {
    const { verdict, delivery } = judged;
    const { spam, mark, dryRun } = this.#options;
    const [report, moved, today] = [this.#report, this.#moved, dayOf(this.#context.now)];
    const arrival = judged.arrived;
    const print = fingerprint(delivery.header, delivery.prefix.subarray(delivery.bodyStart));
    const leave = (why: string) => {
      if (!dryRun) record(this.#context, delivery, verdict, { outcome: "go-on", reason: `${verdict.reason}; ${why}` });
    };
    // The index of sent mail may have forgotten the message that such a bounce is about.
    if (this.#olderThanLimit(arrival)) {
      report.old++;
      return leave("left, because it arrived too long ago");
    }
    if (moved.wasMoved(print, mail.unique)) {
      report.movedBack++;
      return leave("left, because it was moved back");
    }
    let file: string | undefined = pathOf(this.#maildir, mail);
    if (!dryRun) {
      const what = `Message cannot be moved to ${plain(spam)}`;
      file = await this.#change(mail, what, () => {
        makeFolders(spam);
        makeMaildir(spam);
        moved.begin(print, mail.unique, today);
        return onFile(this.#maildir, mail, (one) => {
          return mark ? copyTo(spam, this.#maildir, one, judged, true) : moveTo(spam, this.#maildir, one, judged);
        });
      });
      if (file === undefined) return void report.gone++;
      moved.end(print, today);
      record(this.#context, delivery, verdict, { outcome: "filed", reason: verdict.reason });
    }
    const { result, reason } = verdict;
    report.moved.push({ maildir: this.#maildir, file, result, reason, ...describeMail(delivery.header, arrival) });
  }
}

/** Whether the user has deleted the message, which then only waits to be removed. */
const isDeleted = ({ name }: MailFile): boolean => /[:;!]2,[A-Za-z]*T/.test(name);

/** Whether an error is neither a Fail nor a system error. */
const isBug = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
