/** SIGKILL of the launcher alone: the program behind it, which nobody tells, delivers and sends nothing. */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
import { signed } from "../stub.ts";
import { BODY, CONFIG, FaultHome, isWhole, letter } from "./home.ts";
import { soakWay } from "./soak_launcher.ts";
import { WAYS } from "./ways.ts";

const TO = "ann@example.net";
const LARGE = "a line of the body, as many others are\n".repeat(16 * 1024);
const SHELLS = [[], ["/bin/bash", "--posix"], ["/bin/mksh"], ["/bin/busybox", "sh"]];

function there(path: string | undefined): boolean {
  try {
    return path === undefined || Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Waits until it is so. */
async function until(so: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 30_000; !so();) {
    assert.ok(Date.now() < end, what);
    await new Promise((done) => setTimeout(done, 5));
  }
}

const isThere = (path: string) => {
  try {
    return Deno.lstatSync(path) !== undefined;
  } catch {
    return false;
  }
};

const hasFiles = (folder: string) => isThere(folder) && [...Deno.readDirSync(folder)].length > 0;

/** A process below this one that runs Deno. */
function denoBelow(pid: number): boolean {
  try {
    const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ");
    return children.some((child) => Deno.readTextFileSync(`/proc/${child}/cmdline`).includes("deno"));
  } catch {
    return false;
  }
}

interface Orphan {
  readonly what: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: () => Record<string, string>;
  readonly config: (home: FaultHome) => string;
  /** When the launcher is killed: the body has not ended then. */
  readonly begun: (home: FaultHome) => boolean;
  readonly arrived: (home: FaultHome) => readonly string[];
}

const reads = (home: FaultHome) => isThere(`${home.path}/reads`);
const SHIM = { program: `${ROOT}/shim/shim`, args: [TO] };
const hook = (args: readonly string[], RECIPIENT: () => string) => ({
  program: `${ROOT}/hooks/incoming`,
  args: ["--as", "maildrop", ...args],
  env: () => ({ SENDER: "", RECIPIENT: RECIPIENT() }),
});
const forged = () => "SRS0=AAAAAAAA=AA=example.org=greg@srs.example.org";
const orphans: readonly Orphan[] = [
  { what: "the shim, streaming", ...SHIM, config: (h) => h.config(), begun: reads, arrived: (h) => h.taken(TO) },
  {
    what: "the shim, into a maildir",
    ...SHIM,
    config: (home) => home.config('via = "maildir"\nmaildir = "~/out"\n'),
    begun: (home) => hasFiles(`${home.path}/out/tmp`),
    arrived: (home) => home.mails("out"),
  },
  {
    what: "the hook, delivering",
    ...hook(["--maildir", "Inbox"], signed),
    config: (home) => home.config(),
    begun: (home) => hasFiles(`${home.path}/Inbox/tmp`),
    arrived: (home) => home.mails("Inbox"),
  },
  {
    what: "the hook, filing spam",
    ...hook([], forged),
    config: (home) => home.config("", '[incoming]\nspam = "~/Spam"\n'),
    begun: (home) => hasFiles(`${home.path}/Spam/tmp`),
    arrived: (home) => home.mails("Spam"),
  },
  {
    what: "the hook, forwarding",
    ...hook(["--forward"], signed),
    config: (home) => home.config(),
    begun: reads,
    arrived: (home) => home.taken("greg@example.org"),
  },
];

/** Starts it; `kill` says when. @returns what arrived when nothing runs any more */
async function orphan(
  one: Orphan,
  shell: readonly string[],
  body: string,
  kill: (home: FaultHome, pid: number) => boolean,
) {
  using home = new FaultHome();
  Deno.mkdirSync(`${home.path}/Inbox`);
  home.write("bin/injector", `#!/bin/sh\nhead -c 1000 >/dev/null\n: >"$HOME/reads"\n${TAKES}`, 0o755);
  home.write(CONFIG, one.config(home), 0o600);
  const [program, ...args] = [...shell, one.program, ...one.args];
  const child = new Deno.Command(program!, {
    args,
    cwd: home.path,
    clearEnv: true,
    env: { HOME: home.path, PATH: `${home.path}/bin:/usr/bin:/bin`, ...home.env, ...one.env?.() },
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(new TextEncoder().encode(letter(TO, body)));
  await until(() => kill(home, child.pid), "it does not begin");
  child.kill("SIGKILL");
  assert.equal((await child.status).signal, "SIGKILL");
  await written.catch(() => {});
  await writer.close().catch(() => {});
  await home.quiet();
  return one.arrived(home);
}

const TAKES = `for to; do :; done
cat >"$HOME/taken/.$to.$$" && mv "$HOME/taken/.$to.$$" "$HOME/taken/$to.$$"
`;

for (const shell of SHELLS) {
  for (const one of orphans) {
    const name = `the launcher is killed alone in mid-body, ${[one.what, ...shell].join(", ")}: nothing arrives`;
    Deno.test({ name, ignore: !there(shell[0]) }, async () => {
      assert.deepEqual(await orphan(one, shell, LARGE, one.begun), []);
    });
  }
}

for (const one of orphans) {
  Deno.test(`the launcher is killed alone before its program reads, ${one.what}: nothing arrives`, async () => {
    assert.deepEqual(await orphan(one, [], BODY, (_, pid) => denoBelow(pid)), []);
  });
}

Deno.test("an injector is not started before a small message is whole", async () => {
  using home = new FaultHome();
  home.write("bin/injector", `#!/bin/sh\n: >"$HOME/reads"\n${TAKES}`, 0o755);
  home.write(CONFIG, home.config());
  const child = home.start(TO);
  const writer = child.stdin.getWriter();
  const bytes = new TextEncoder().encode(letter(TO));
  await writer.write(bytes.subarray(0, -10));
  // By then it has read the rest, and waits in a read that nothing ends.
  const waits = () => Deno.readTextFileSync(`/proc/${child.pid}/io`).match(/^rchar: (\d+)/)![1];
  let last: string | undefined;
  for (let same = 0; same < 20;) {
    await new Promise((done) => setTimeout(done, 10));
    const now = waits();
    [same, last] = [now === last ? same + 1 : 0, now];
  }
  assert.equal(home.read("reads"), "");
  assert.ok(!reads(home), "the injector runs");
  await writer.write(bytes.subarray(-10));
  await writer.close();
  assert.ok((await child.status).success);
  assert.ok(isWhole(home.taken(TO)[0]!));
});

Deno.test("messages by the launchers with random kills: none lost, none that nobody was killed for", async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  for (const way of WAYS) {
    for (const victim of ["launcher", "both"] as const) {
      const { lost, wrong } = await soakWay(way, 5, victim, seed);
      assert.deepEqual({ lost, wrong }, { lost: 0, wrong: 0 }, `${way.what}, ${victim}, seed ${seed}`);
    }
  }
});
