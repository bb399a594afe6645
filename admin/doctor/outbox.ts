/** Checks the outbox: something must run it, and nothing must stay in it for long. */
import { formatAddress } from "../../lib/address.ts";
import { Fail } from "../../lib/fail.ts";
import { lineOf, type Settings } from "../../lib/settings/parse.ts";
import { unsent } from "../../outgoing/outbox/progress.ts";
import { lastRunFile } from "../../io/outbox/run.ts";
import { idsIn, listEntries, outboxFolder } from "../../io/outbox/store.ts";
import { lastChange } from "../files.ts";
import { isFile } from "./filesystem.ts";
import type { DoctorContext } from "./context.ts";
import type { Finding } from "./finding.ts";
import { run } from "./programs.ts";
import { findingOf } from "./settings.ts";

/** Minutes within which a runner must have run, unless a timer or cron job is found. */
const MAX_PAUSE_MINUTES = 15;

/** Hours after which a message in the outbox is reported. */
const MAX_WAIT_HOURS = 24;

/** Findings about entries; more would hide the others. */
const MAX_ENTRIES = 5;

/** Adds the findings about the outbox. */
export async function checkOutbox(context: DoctorContext, settings: Settings): Promise<void> {
  const { findings, now } = context;
  const outbox = outboxFolder(settings.state.folder);
  if (settings.outbox.when !== "never") findings.push(...await withoutRunner(context, outbox));
  try {
    findings.push(...settings.outbox.when === "never" ? abandoned(outbox) : waiting(outbox, now), ...setAside(outbox));
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    findings.push({ ...findingOf("outbox-unreadable", error, outbox), why: "Mail in the outbox is not sent." });
  }
}

async function withoutRunner({ file, home, now }: DoctorContext, outbox: string): Promise<Finding[]> {
  const last = lastChange(lastRunFile(outbox));
  const pause = last === undefined ? Infinity : Math.abs(now.getTime() - last.getTime()) / 60_000;
  if (pause <= MAX_PAUSE_MINUTES) return [];
  const wants = "systemd/user/timers.target.wants/countersign-outbox.timer";
  if ([`${home}/.config/${wants}`, `/etc/${wants}`].some(isFile)) return [];
  if (hasRunner((await run(["/usr/bin/crontab", "-l"])).out)) return [];
  return [{
    id: "outbox-not-run",
    what: last === undefined
      ? "Nothing has run the outbox yet"
      : `Nothing has run the outbox since ${last.toISOString().slice(0, 16).replace("T", " ")} UTC`,
    where: { file: file.file, line: lineOf(file.text, "outbox", "when", 0) },
    why: "Mail in the outbox is not sent.",
    fix: "systemctl --user enable --now countersign-outbox.timer, or the crontab line of contrib/outbox",
  }];
}

/** Whether a crontab has a line that runs the outbox. */
export const hasRunner = (crontab: string): boolean =>
  crontab.split("\n").some((line) => /^[^#]*(?:\boutbox (?:run|flush)\b|\/(?:shim|sendmail) -q)/.test(line));

/** What was kept before the outbox was turned off. */
function abandoned(outbox: string): Finding[] {
  const count = idsIn(`${outbox}/queue`).length;
  if (count === 0) return [];
  const what = `${count} ${count === 1 ? "message waits" : "messages wait"} in the outbox, and outbox.when is "never"`;
  const fix = "countersign outbox flush, or countersign outbox delete ALL";
  return [{
    id: "outbox-abandoned",
    what,
    where: { file: `${outbox}/queue` },
    why: "Nothing sends these messages.",
    fix,
  }];
}

function waiting(outbox: string, now: Date): Finding[] {
  const old = listEntries(outbox).filter(({ entry }) =>
    entry === undefined || now.getTime() - entry.created > MAX_WAIT_HOURS * 3_600_000
  );
  const found = old.slice(0, MAX_ENTRIES).map(({ id, entry, damage, unreadable }): Finding => {
    const where = { file: `${outbox}/queue/${id}` };
    if (unreadable !== undefined) {
      const fix = "Make the files of the entry readable and writable for you: chown and chmod u+rw";
      return {
        id: "outbox-unreadable",
        what: `Entry ${id} of the outbox cannot be read`,
        where,
        why: `${unreadable}. It is not sent.`,
        fix,
      };
    }
    if (entry === undefined) {
      const fix = "countersign outbox run moves it out of the queue";
      return {
        id: "outbox-damaged",
        what: `Entry ${id} of the outbox is damaged`,
        where,
        why: `${damage}. It is not sent.`,
        fix,
      };
    }
    const hours = Math.floor((now.getTime() - entry.created) / 3_600_000);
    const [first] = unsent(entry);
    const reply = first === undefined || first.reply === "" ? "No attempt was made" : first.reply;
    return {
      id: "outbox-waiting",
      what: `A message${first ? ` to ${formatAddress(first.address)}` : ""} has been in the outbox for ${hours} hours`,
      where,
      why: entry.hold ? "It is on hold." : `${reply}.`,
      fix: entry.hold ? `countersign outbox release ${id}` : `countersign outbox flush ${id}`,
    };
  });
  if (old.length <= MAX_ENTRIES) return found;
  const [where, fix] = [{ file: `${outbox}/queue` }, "countersign outbox list"];
  return [...found, {
    id: "outbox-waiting-more",
    what: `${old.length - MAX_ENTRIES} more messages have been waiting as long`,
    where,
    why: "See the findings above.",
    fix,
  }];
}

function setAside(outbox: string): Finding[] {
  const reasons = {
    damaged: "They cannot be read, so they are not sent.",
    undelivered: "Some recipients were rejected, and the sender could not be notified by mail.",
  };
  return Object.entries(reasons).flatMap(([folder, why]) => {
    const count = idsIn(`${outbox}/${folder}`).length;
    const what = `${count} ${count === 1 ? "message" : "messages"} of the outbox: ${folder}`;
    const fix = "Inspect them, and remove their folders";
    return count === 0 ? [] : [{ id: "outbox-set-aside", what, where: { file: `${outbox}/${folder}` }, why, fix }];
  });
}
