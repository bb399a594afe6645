/** Output that cannot be written: a full disk is reported in one line, a closed pipe is not. */
import assert from "node:assert/strict";
import { Home, oneLine } from "../rig.ts";
import { COUNTERSIGN } from "./run.ts";

/** Each command that prints, with an address of an identity, and an empty message. */
const COMMANDS = [
  "help",
  "doctor --help",
  "init --print --address greg@example.org --via maildir --maildir out",
  "keys list",
  "sign greg@example.org",
  "explain",
  "explain --out -- ann@example.net",
  "audit Maildir",
  "doctor",
  "log",
  "plain",
  "expire",
  "sandbox --print",
  "sweep Maildir",
];

/** A home in which each of these commands prints something. */
function printingHome(): Home {
  const home = new Home();
  home.write(".local/state/countersign/log", "time=2026-11-20T00:00:00Z direction=in result=other\n");
  home.write(".config/countersign/plain-lists", "list@example.net\n");
  home.write("Maildir/new/1", "From: jo@b.example\n\nHi.\n");
  Deno.mkdirSync(`${home.path}/Maildir/cur`);
  return home;
}

const noFullDevice = (await Deno.lstat("/dev/full").catch(() => undefined))?.isCharDevice !== true;

for (const command of COMMANDS) {
  Deno.test({ name: `countersign ${command}, onto a full disk`, ignore: noFullDevice }, async () => {
    using home = printingHome();
    const ran = await home.run(["/bin/sh", "-c", '"$@" >/dev/full', "sh", ...COUNTERSIGN, ...command.split(" ")]);
    oneLine(ran, 74, /^\w+: Standard output cannot be written: No space left on device/);
  });

  Deno.test(`countersign ${command}, to a closed pipe`, async () => {
    using home = printingHome();
    // The pipe is closed before anything is written.
    const line = 'mkfifo pipe && { exec 3<>pipe 4>pipe 3<&-; "$@" >&4 4>&-; echo $? >status; }';
    const ran = await home.run(["/bin/sh", "-c", line, "sh", ...COUNTERSIGN, ...command.split(" ")]);
    assert.deepEqual([ran.stdout, ran.stderr, home.read("status")], ["", "", "0\n"]);
  });
}
