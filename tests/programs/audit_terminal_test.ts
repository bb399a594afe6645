/** `countersign audit` on a terminal: the progress bar, which is removed at the end, and Ctrl-C. */
import assert from "node:assert/strict";
import { COUNTERSIGN } from "../admin/run.ts";
import { Home } from "../rig.ts";
import { needOnTerminal, Terminal } from "./terminal.ts";

const test = await needOnTerminal("sed");

/** Messages in the mailbox, and how often it is given, so that audit runs until it is interrupted. */
const [COUNT, REPEATS] = [500, 2000];

/** A home with a mailbox. */
function mailbox(): Home {
  const home = new Home();
  const mail = "Return-Path: <jo@b.example>\nFrom: jo@b.example\nDate: 20 Nov 2026 05:32:58 -0000\n\nHi.\n";
  for (let n = 0; n < COUNT; n++) home.write(`box/${n}.eml`, mail);
  return home;
}

const audit = (...args: string[]) => [...COUNTERSIGN, "audit", "--address", "greg@example.org", ...args];

const BAR = /^\[#*-*\] (\d+) % {2}[\d,]+ messages, [\d,]+ a second, \S+ left$/m;

test("the progress bar grows, and Ctrl-C replaces it by the results so far", async () => {
  using home = mailbox();
  await using terminal = await Terminal.open(home, audit(...Array<string>(REPEATS).fill("box")));
  await terminal.shows(BAR);
  const percent = async () => Number(BAR.exec(await terminal.screen())?.[1] ?? 0);
  const first = await percent();
  await terminal.shows(/^\[#+-*\] /m);
  assert.ok(await percent() >= first);
  await terminal.press("C-c");
  const screen = await terminal.shows(/^Interrupted: these are the results so far\.$/m);
  assert.doesNotMatch(screen, BAR);
  const [, read = ""] = /^([\d,]+) messages in /m.exec(screen) ?? [];
  const count = Number(read.replaceAll(",", ""));
  assert.ok(count > 0 && count < COUNT * REPEATS, screen);
});

test("without a terminal there is no progress bar, and no trace of it in the output", async () => {
  using home = mailbox();
  const ran = await home.run(audit(...Array<string>(20).fill("box")));
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.ok(!ran.stdout.includes("\x1b") && !/\d % {2}/.test(ran.stdout), ran.stdout);
});
