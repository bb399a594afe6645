/** After a year of mail with killed programs, only files that are still useful are left. */
import assert from "node:assert/strict";
import { dayOf } from "../../lib/date.ts";
import { type Entry, entryName, LEDGER_DAYS } from "../../lib/entry.ts";
import { tidy as tidyHook } from "../../hooks/tidy.ts";
import { tidy as tidyShim } from "../../io/outgoing/tidy.ts";
import { daily } from "../../io/state/daily.ts";
import { fileLedger } from "../../io/state/ledger.ts";
import { rememberSent, SENT_DAYS } from "../../io/state/sent.ts";
import { day, joe, settings, someEntry } from "../challenges.ts";
import { filesBelow } from "../rig.ts";

/** Runs without fsync, which would take minutes for a year of mail and is not needed here. */
function withoutSync<T>(run: () => Promise<T>): () => Promise<T> {
  return async () => {
    const { syncSync } = Deno.FsFile.prototype;
    Deno.FsFile.prototype.syncSync = () => {};
    try {
      return await run();
    } finally {
      Deno.FsFile.prototype.syncSync = syncSync;
    }
  };
}

class Folder {
  readonly path = Deno.makeTempDirSync({ prefix: "countersign-" });
  readonly state = `${this.path}/state`;
  readonly settings = {
    ...settings("answer = true"),
    state: { ...settings().state, folder: this.state },
    transport: { ...settings().transport, maildir: `${this.path}/out` },
    incoming: { ...settings().incoming, spam: `${this.path}/spam`, inbox: `${this.path}/inbox` },
    challenge: { ...settings("answer = true").challenge, answered: `${this.path}/answered` },
  };

  /** Writes a file as a program that was killed at this time leaves it behind. */
  leave(name: string, when: Date): void {
    const path = `${this.path}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, "half");
    Deno.utimeSync(path, when, when);
  }

  /** All files and empty folders, relative to the folder. */
  all(folder = this.path): string[] {
    const names = [...Deno.readDirSync(folder)];
    if (names.length === 0) return [`${folder.slice(this.path.length + 1)}/`];
    return names.flatMap(({ name, isDirectory }) =>
      isDirectory ? this.all(`${folder}/${name}`) : [`${folder}/${name}`.slice(this.path.length + 1)]
    ).sort();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

const entry = (messageId: string, list: string, when: Date): Entry =>
  someEntry({ messageId, list, expires: dayOf(when) + LEDGER_DAYS });

let serial = 0;
/** A file name as deliverToMaildir() makes it. */
const deliveryName = () => `1795000000.P4711R${String(serial++).padStart(20, "0")}.countersign`;

Deno.test(
  "a year of mail to lists with killed programs: the number of files does not grow",
  withoutSync(async () => {
    using folder = new Folder();
    const ledger = fileLedger(`${folder.state}/ledger`);
    const inbox = { maildir: `${folder.path}/user/Maildir` };
    const counts: number[] = [];
    for (let nth = 0; nth < 365; nth++) {
      const now = day(nth);
      // Six ledger entries, more than one tidy run removes. One is answered, and one hook dies while answering.
      const lists = Array.from({ length: 6 }, (_, one) => `list${one}@example.org`);
      for (const list of lists) await ledger.issue(entry(`${nth}@example.net`, list, now));
      await ledger.settle((await ledger.claim(entryName(entry(`${nth}@example.net`, lists[0]!, now))))!, "spent");
      await ledger.claim(entryName(entry(`${nth}@example.net`, lists[1]!, now)));
      rememberSent(`${folder.state}/sent`, joe, `<${nth}@example.net>`, true, now);
      // What killed programs leave: a temporary ledger file, an index file without its entry, a spool, and partial
      // deliveries to each maildir.
      const [message, list] = entryName(entry(`killed${nth}@example.net`, lists[0]!, now)).split("-");
      const expires = dayOf(now) + LEDGER_DAYS;
      folder.leave(`state/ledger/${expires}/messages/${message}/.${list}.4711.${crypto.randomUUID()}`, now);
      folder.leave(`state/ledger/${expires}/lists/${list}/${message}`, now);
      folder.leave(`state/spool/4711.${crypto.randomUUID()}`, now);
      for (const maildir of ["out", "spam", "inbox", "answered", "user/Maildir"]) {
        folder.leave(`${maildir}/tmp/${deliveryName()}`, now);
      }
      for (let message = 0; message < 3; message++) {
        await tidyShim(folder.settings, now);
        await tidyHook(folder.settings, inbox, now);
      }
      counts.push(folder.all().length);
    }
    const [first, last] = [Math.max(...counts.slice(60, 120)), Math.max(...counts.slice(-60))];
    assert.ok(last <= first, `${first} files after three months, ${last} after a year`);

    // One message a year later removes all of this.
    const later = day(2 * 365);
    await tidyShim(folder.settings, later);
    await tidyHook(folder.settings, inbox, later);
    const left = folder.all().filter((name) => !/\/tmp\/$/.test(name));
    assert.deepEqual(left.map((name) => name.replace(/maildir-.*/, "maildir")), [
      "state/daily/incoming",
      "state/daily/maildir",
      "state/daily/shim",
      "state/ledger/",
      "state/sent/",
      "state/spool/",
    ]);
  }),
);

Deno.test("recent files and files of other programs are kept", async () => {
  using folder = new Folder();
  const now = day(0);
  const hours = (count: number) => new Date(now.getTime() - count * 3_600_000);
  const inbox = { maildir: `${folder.path}/user/Maildir` };
  const kept: [string, Date][] = [
    [`out/tmp/${deliveryName()}`, hours(35)],
    [`spam/tmp/${deliveryName()}`, hours(35)],
    [`user/Maildir/tmp/${deliveryName()}`, hours(35)],
    [`spam/new/${deliveryName()}`, hours(999)],
    [`spam/cur/${deliveryName()}`, hours(999)],
    ["spam/tmp/1795000000.4711.host", hours(999)],
    [`other/tmp/${deliveryName()}`, hours(999)],
    ["state/spool/young", hours(23)],
    ["state/log", hours(9999)],
    ["state/ledger/notes", hours(9999)],
  ];
  const removed: [string, Date][] = [
    [`out/tmp/${deliveryName()}`, hours(37)],
    [`spam/tmp/${deliveryName()}`, hours(37)],
    [`user/Maildir/tmp/${deliveryName()}`, hours(37)],
    ["state/spool/old", hours(25)],
    ["state/daily/gone", hours(24 * (SENT_DAYS + 2))],
  ];
  for (const [name, when] of [...kept, ...removed]) folder.leave(name, when);
  await tidyShim(folder.settings, now);
  await tidyHook(folder.settings, inbox, now);
  const left = filesBelow(folder.path).filter((path) => !path.includes("/daily/"));
  assert.deepEqual(left, kept.map(([name]) => `${folder.path}/${name}`).sort());
});

Deno.test(
  "daily() runs a task once a day, and many expired entries are removed in several runs",
  withoutSync(async () => {
    using folder = new Folder();
    let runs = 0;
    const once = (when: Date, finished = true) =>
      daily(folder.state, "x", when, () => {
        runs++;
        return finished;
      });
    await once(day(0), false);
    await once(day(0));
    await once(day(0));
    assert.equal(runs, 2, "it is repeated until it has finished");
    await once(day(1));
    await once(day(-5));
    assert.equal(runs, 4, "it runs on any other day, also an earlier one, as a clock may be set back");
    await daily(folder.state, "y", day(0), () => {
      throw new Error("the disk is gone");
    });

    const ledger = fileLedger(`${folder.state}/ledger`);
    for (let nth = 0; nth < 450; nth++) await ledger.issue(entry(`${nth}@example.net`, "x@example.org", day(-20)));
    const left: number[] = [];
    for (let message = 0; message < 4; message++) {
      await tidyShim(folder.settings, day(0));
      left.push((await ledger.find({ list: "x@example.org" })).length);
    }
    assert.deepEqual(left, [250, 50, 0, 0]);
  }),
);

Deno.test("a state folder that cannot be written does not stop mail", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(folder.state, "not a folder");
  await tidyShim(folder.settings, day(0));
  await tidyHook(folder.settings, { maildir: "/nonexistent" }, day(0));
});
