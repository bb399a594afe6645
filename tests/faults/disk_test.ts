/** Real full disks, real read-only ones, folders of somebody else: each in the place of each thing that is written. */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
import { signed } from "../stub.ts";
import { BODY, CONFIG, FaultHome, letter, onceOrKept, STATE } from "./home.ts";

const root = Deno.uid() === 0;

/** Runs it as a test, or says why not. */
function rootly(name: string, run: () => Promise<void>): void {
  const ignore = !root || !mayMount();
  Deno.test({ name: ignore ? `${name} (only root may mount)` : name, ignore, fn: run });
}

const run = (program: string, ...args: string[]) =>
  new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync().success;

function mayMount(): boolean {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-" });
  try {
    return run("/bin/mount", "-t", "tmpfs", "tmpfs", folder) && run("/bin/umount", folder);
  } catch {
    return false;
  } finally {
    Deno.removeSync(folder);
  }
}

/** What is done to a disk of its own: filled to the last byte, or made read-only. */
const STATES = {
  full: (path: string) => {
    using file = Deno.openSync(`${path}/.fill`, { write: true, createNew: true });
    try {
      for (;;) if (file.writeSync(new Uint8Array(4096)) === 0) break;
    } catch {
      // Full.
    }
  },
  "read-only": (path: string) => assert.ok(run("/bin/mount", "-o", "remount,ro", path)),
} as const;

const TO = "list@example.net";
const REMEMBERS = `[challenge]\nanswer = true\nlists = ["*@example.net"]\n`;

/** A place that is on the bad disk, and what a message then does: `goes` where mail matters more than what is lost. */
const OUT: [place: string, transport: string, ends: "goes" | "kept"][] = [
  [STATE, "", "goes"],
  [`${STATE}/ledger`, "", "goes"],
  [`${STATE}/sent`, "", "goes"],
  [STATE, "spool = true\n", "kept"],
  [`${STATE}/spool`, "spool = true\n", "kept"],
  ["out", 'via = "maildir"\nmaildir = "~/out"\n', "kept"],
];

for (const [state, spoil] of Object.entries(STATES)) {
  rootly(`out, a disk that is ${state}: a message is whole and once, or kept`, async () => {
    for (const [place, transport, ends] of OUT) {
      const what = `${place} ${state}, ${transport.trim()}`;
      using home = new FaultHome();
      home.write(CONFIG, home.config(transport, REMEMBERS));
      Deno.mkdirSync(`${home.path}/${place}`, { recursive: true });
      assert.ok(run("/bin/mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", `${home.path}/${place}`), what);
      try {
        const sends = async () => {
          const { code } = await home.shim([TO], letter(TO));
          const mails = [...home.taken(TO), ...home.mails("out")];
          for (const { name } of Deno.readDirSync(`${home.path}/taken`)) Deno.removeSync(`${home.path}/taken/${name}`);
          return { code, mails };
        };
        const before = await sends();
        onceOrKept(before.code, before.mails, `${what}, before`);
        const there = home.mails("out").length;
        spoil(`${home.path}/${place}`);
        const { code, mails } = await sends();
        assert.equal(code, ends === "goes" ? 0 : 75, what);
        onceOrKept(code, mails.slice(there), what);
      } finally {
        run("/bin/umount", `${home.path}/${place}`);
      }
    }
  });

  rootly(`in, a disk that is ${state}: a bounce is whole and once, or comes again`, async () => {
    const forged = "SRS0=AAAAAAAA=AA=example.org=greg@srs.example.org";
    const rows: [string, string, string[], number][] = [
      ["Spam", forged, [], 75],
      ["Inbox", signed(), ["--maildir", "Inbox"], 75],
      [STATE, forged, [], 99],
    ];
    for (const [place, to, args, status] of rows) {
      const what = `${place} ${state}`;
      using home = new FaultHome();
      home.write(CONFIG, home.config("", '[incoming]\nspam = "~/Spam"\n'));
      Deno.mkdirSync(`${home.path}/${place}`, { recursive: true });
      assert.ok(run("/bin/mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", `${home.path}/${place}`), what);
      try {
        for (const box of ["tmp", "new", "cur"]) Deno.mkdirSync(`${home.path}/${place}/${box}`);
        spoil(`${home.path}/${place}`);
        const mail = `From: MAILER-DAEMON@example.net\nTo: ${to}\nSubject: failure\n\n${BODY}`;
        const env = { SENDER: "", RECIPIENT: to };
        const { code } = await home.hook(["--as", "maildrop", ...args], mail, env);
        assert.equal(code, status, what);
        const mails = [...home.mails("Spam"), ...home.mails("Inbox")];
        assert.equal(mails.length, status === 75 ? 0 : 1, what);
        assert.ok(mails.every((one) => one.endsWith(`\n\n${BODY}`)), what);
      } finally {
        run("/bin/umount", `${home.path}/${place}`);
      }
    }
  });
}

/** Root is one to whom modes mean nothing, until this is taken from him. */
const OBEYS = root ? ["/usr/bin/setpriv", "--bounding-set=-dac_override,-dac_read_search"] : [];

Deno.test("folders that may not be written: whole and once, or kept", async () => {
  for (const [place, transport, ends] of OUT) {
    using home = new FaultHome();
    home.write(CONFIG, home.config(transport, REMEMBERS));
    Deno.mkdirSync(`${home.path}/${place}`, { recursive: true });
    Deno.chmodSync(`${home.path}/${place}`, 0o500);
    try {
      const { code } = await home.run([...OBEYS, `${ROOT}/shim/shim`, TO], letter(TO));
      assert.equal(code, ends === "goes" ? 0 : 75, place);
      assert.equal([...Deno.readDirSync(`${home.path}/${place}`)].length, 0, "nothing could be written there");
      onceOrKept(code, [...home.taken(TO), ...home.mails("out")], `${place} ${transport.trim()}`);
    } finally {
      Deno.chmodSync(`${home.path}/${place}`, 0o700);
    }
  }
});
