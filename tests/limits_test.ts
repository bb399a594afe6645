/**
 * Memory limits as set by softlimit, Dovecot and systemd: soft limits are raised, hard limits that are too low are
 * reported.
 */
import assert from "node:assert/strict";
import { launcherText } from "../build/install/launcher.ts";
import { Home, isFile, oneLine, ROOT } from "./rig.ts";
import { signed } from "./stub.ts";

const MAIL = "From: greg@example.org\nTo: ann@example.net\nSubject: Hello\nMessage-ID: <1@example.org>\n\nHi.\n";
/** More than the limits below. */
const BIG = MAIL + "0123456789abcdef".repeat(64 * 1024 * 60);

const SHELLS = [["/bin/sh"], ["/bin/bash", "--posix"], ["/bin/mksh"], ["/bin/busybox", "sh"]];

/** An installed launcher of the countersign command. */
function countersign(home: Home): string {
  const flags = `--frozen --config ${ROOT}/deno.json`;
  const entry = `${ROOT}/main.ts`;
  return home.write(
    "countersign",
    launcherText({ program: "countersign", rights: "", deno: "deno", entry, flags, cache: "" }),
    0o755,
  );
}

/** [program, its command line, exit status] */
const programs: [string, (home: Home) => string[] | Promise<string[]>, number][] = [
  ["the shim", () => [`${ROOT}/shim/shim`, "ann@example.net"], 0],
  ["the hook", (home) => [`${ROOT}/hooks/incoming`, "--maildir", `${home.path}/out`], 99],
  ["countersign log", (home) => [countersign(home), "log"], 0],
  ["countersign verify", (home) => [countersign(home), "verify", signed()], 0],
  ["countersign sign", (home) => [countersign(home), "sign", "greg@example.org"], 0],
  ["countersign sandbox", (home) => [countersign(home), "sandbox"], 0],
  ["countersign explain", (home) => [countersign(home), "explain", "-"], 0],
];

const ENV = { SENDER: "ann@example.net", EXT: "", HOST: "example.org" };

for (const shell of SHELLS) {
  const run = (home: Home, limits: string, argv: string[], input = MAIL) =>
    home.run(["/bin/sh", "-c", `${limits} && exec "$@"`, "sh", ...shell, ...argv], input, ENV);
  const ignore = !isFile(shell[0]!);

  for (const [what, argv, status] of programs) {
    Deno.test({ name: `${what} under small soft limits, ${shell.join(" ")}`, ignore }, async () => {
      using home = new Home();
      const ran = await run(home, "ulimit -S -v 50000 && ulimit -S -d 50000", await argv(home));
      assert.deepEqual([ran.code, ran.stderr], [status, ""]);
      if (status !== 0 || what === "the shim") assert.equal(home.mails("out").length, 1);
    });
  }

  for (
    const [limits, message] of [
      ["ulimit -v 50000", "address space is 50000 KB, but Deno needs 41000000 KB"],
      ["ulimit -v 8000000", "address space is 8000000 KB"],
      ["ulimit -S -v 50000 && ulimit -H -v 100000", "address space is 100000 KB"],
      ["ulimit -d 20000", "data is 20000 KB, but Deno needs 50000 KB"],
    ] as const
  ) {
    Deno.test(
      { name: `the hard limit of ${limits} is reported with a temporary status; ${shell.join(" ")}`, ignore },
      async () => {
        using home = new Home();
        const pattern = new RegExp(`: the hard limit of ${message}`, "m");
        oneLine(await run(home, limits, [`${ROOT}/shim/shim`, "ann@example.net"]), 75, pattern);
        oneLine(await run(home, limits, [`${ROOT}/hooks/incoming`, "--as", "condredirect"]), 111, pattern);
        oneLine(await run(home, limits, [`${ROOT}/hooks/incoming`, "--maildir", `${home.path}/out`]), 75, pattern);
        assert.deepEqual(home.mails("out"), []);
      },
    );
  }
}

Deno.test("hard limits that suffice for Deno suffice for a message larger than them", async () => {
  using home = new Home();
  const line = 'ulimit -S -v 50000; ulimit -S -d 10000; ulimit -H -v 41000000; ulimit -H -d 50000; exec "$@"';
  const ran = await home.run(["/bin/sh", "-c", line, "sh", `${ROOT}/shim/shim`, "ann@example.net"], BIG);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.ok(home.mails("out")[0]!.length > BIG.length);
});
