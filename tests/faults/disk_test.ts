/** Full and read-only file systems, and folders without write permission, for everything that is written. */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
import { signed } from "../stub.ts";
import { BODY, CONFIG, FaultHome, letter, onceOrKept, STATE } from "./home.ts";
import { mountingTest, run, STATES, WITHOUT_OVERRIDE } from "./mounts.ts";

const TO = "list@example.net";
const CHALLENGE_SETTINGS = `[challenge]\nanswer = true\nlists = ["*@example.net"]\n`;

/**
 * A folder on the broken file system, and what happens to a message: it is sent where only state is lost, and kept
 * where the message itself cannot be written.
 */
const OUT: [folder: string, transport: string, expected: "sent" | "kept"][] = [
  [STATE, "", "sent"],
  [`${STATE}/ledger`, "", "sent"],
  [`${STATE}/sent`, "", "sent"],
  [STATE, "spool = true\n", "kept"],
  [`${STATE}/spool`, "spool = true\n", "kept"],
  ["out", 'via = "maildir"\nmaildir = "~/out"\n', "kept"],
];

for (const [state, spoil] of Object.entries(STATES)) {
  mountingTest(`shim, ${state} file system: a message is sent whole and once, or kept`, async () => {
    for (const [folder, transport, expected] of OUT) {
      const what = `${folder} ${state}, ${transport.trim()}`;
      using home = new FaultHome();
      home.write(CONFIG, home.config(transport, CHALLENGE_SETTINGS));
      Deno.mkdirSync(`${home.path}/${folder}`, { recursive: true });
      assert.ok(run("/bin/mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", `${home.path}/${folder}`), what);
      try {
        const send = async () => {
          const { code } = await home.shim([TO], letter(TO));
          const mails = [...home.taken(TO), ...home.mails("out")];
          for (const { name } of Deno.readDirSync(`${home.path}/taken`)) Deno.removeSync(`${home.path}/taken/${name}`);
          return { code, mails };
        };
        const before = await send();
        onceOrKept(before.code, before.mails, `${what}, before`);
        const earlier = home.mails("out").length;
        spoil(`${home.path}/${folder}`);
        const { code, mails } = await send();
        assert.equal(code, expected === "sent" ? 0 : 75, what);
        onceOrKept(code, mails.slice(earlier), what);
      } finally {
        run("/bin/umount", `${home.path}/${folder}`);
      }
    }
  });

  mountingTest(`hook, ${state} file system: a bounce is delivered whole and once, or deferred`, async () => {
    const forged = "SRS0=AAAAAAAA=AA=example.org=greg@srs.example.org";
    const rows: [string, string, string[], number][] = [
      ["Spam", forged, [], 75],
      ["Inbox", signed(), ["--maildir", "Inbox"], 75],
      [STATE, forged, [], 99],
    ];
    for (const [folder, to, args, status] of rows) {
      const what = `${folder} ${state}`;
      using home = new FaultHome();
      home.write(CONFIG, home.config("", '[incoming]\nspam = "~/Spam"\n'));
      Deno.mkdirSync(`${home.path}/${folder}`, { recursive: true });
      assert.ok(run("/bin/mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", `${home.path}/${folder}`), what);
      try {
        for (const box of ["tmp", "new", "cur"]) Deno.mkdirSync(`${home.path}/${folder}/${box}`);
        spoil(`${home.path}/${folder}`);
        const mail = `From: MAILER-DAEMON@example.net\nTo: ${to}\nSubject: failure\n\n${BODY}`;
        const env = { SENDER: "", RECIPIENT: to };
        const { code } = await home.hook(["--as", "maildrop", ...args], mail, env);
        assert.equal(code, status, what);
        const mails = [...home.mails("Spam"), ...home.mails("Inbox")];
        assert.equal(mails.length, status === 75 ? 0 : 1, what);
        assert.ok(mails.every((one) => one.endsWith(`\n\n${BODY}`)), what);
      } finally {
        run("/bin/umount", `${home.path}/${folder}`);
      }
    }
  });
}

Deno.test("shim, folders without write permission: a message is sent whole and once, or kept", async () => {
  for (const [folder, transport, expected] of OUT) {
    using home = new FaultHome();
    home.write(CONFIG, home.config(transport, CHALLENGE_SETTINGS));
    Deno.mkdirSync(`${home.path}/${folder}`, { recursive: true });
    Deno.chmodSync(`${home.path}/${folder}`, 0o500);
    try {
      const { code } = await home.run([...WITHOUT_OVERRIDE, `${ROOT}/shim/shim`, TO], letter(TO));
      assert.equal(code, expected === "sent" ? 0 : 75, folder);
      assert.equal([...Deno.readDirSync(`${home.path}/${folder}`)].length, 0, "nothing could be written");
      onceOrKept(code, [...home.taken(TO), ...home.mails("out")], `${folder} ${transport.trim()}`);
    } finally {
      Deno.chmodSync(`${home.path}/${folder}`, 0o700);
    }
  }
});
