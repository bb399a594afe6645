/** SIGKILL of the launcher alone: the program that it started notices this, and delivers and sends nothing. */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
import { signed } from "../stub.ts";
import { BODY, CONFIG, FaultHome, isWhole, letter, STORES } from "./home.ts";
import { soakRoute } from "./soak_launcher.ts";
import { ROUTES } from "./routes.ts";

const TO = "ann@example.net";
const LARGE = "a line of the body, as many others are\n".repeat(16 * 1024);
const SHELLS = [[], ["/bin/bash", "--posix"], ["/bin/mksh"], ["/bin/busybox", "sh"]];

function shellExists(path: string | undefined): boolean {
  try {
    return path === undefined || Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Waits until the condition holds. */
async function until(condition: () => boolean, failure: string): Promise<void> {
  for (const deadline = Date.now() + 30_000; !condition();) {
    assert.ok(Date.now() < deadline, failure);
    await new Promise((done) => setTimeout(done, 5));
  }
}

const exists = (path: string) => {
  try {
    return Deno.lstatSync(path) !== undefined;
  } catch {
    return false;
  }
};

const hasFiles = (folder: string) => exists(folder) && [...Deno.readDirSync(folder)].length > 0;

/** Whether a child of this process runs Deno. */
function hasDenoChild(pid: number): boolean {
  try {
    const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ");
    return children.some((child) => Deno.readTextFileSync(`/proc/${child}/cmdline`).includes("deno"));
  } catch {
    return false;
  }
}

interface Orphaned {
  readonly what: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: () => Record<string, string>;
  readonly config: (home: FaultHome) => string;
  /** Whether the program has begun to process the message, so that the launcher can be killed in mid-body. */
  readonly begun: (home: FaultHome) => boolean;
  readonly arrived: (home: FaultHome) => readonly string[];
}

const injectorReads = (home: FaultHome) => exists(`${home.path}/reads`);
const SHIM = { program: `${ROOT}/shim/shim`, args: [TO] };
const hook = (args: readonly string[], RECIPIENT: () => string) => ({
  program: `${ROOT}/hooks/incoming`,
  args: ["--as", "maildrop", ...args],
  env: () => ({ SENDER: "", RECIPIENT: RECIPIENT() }),
});
const forged = () => "SRS0=AAAAAAAA=AA=example.org=greg@srs.example.org";
const orphanedPrograms: readonly Orphaned[] = [
  {
    what: "the shim, streaming",
    ...SHIM,
    config: (h) => h.config(),
    begun: injectorReads,
    arrived: (h) => h.taken(TO),
  },
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
    begun: injectorReads,
    arrived: (home) => home.taken("greg@example.org"),
  },
];

/** Starts a program and kills its launcher once `kill` returns true. @returns what arrived after all have ended */
async function killLauncher(
  orphaned: Orphaned,
  shell: readonly string[],
  body: string,
  kill: (home: FaultHome, pid: number) => boolean,
) {
  using home = new FaultHome();
  Deno.mkdirSync(`${home.path}/Inbox`);
  home.write("bin/injector", `#!/bin/sh\nhead -c 1000 >/dev/null\n: >"$HOME/reads"\n${STORES}`, 0o755);
  home.write(CONFIG, orphaned.config(home), 0o600);
  const [program, ...args] = [...shell, orphaned.program, ...orphaned.args];
  const child = new Deno.Command(program!, {
    args,
    cwd: home.path,
    clearEnv: true,
    env: { HOME: home.path, PATH: `${home.path}/bin:/usr/bin:/bin`, ...home.env, ...orphaned.env?.() },
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(new TextEncoder().encode(letter(TO, body)));
  await until(() => kill(home, child.pid), "the program does not start");
  child.kill("SIGKILL");
  assert.equal((await child.status).signal, "SIGKILL");
  await written.catch(() => {});
  await writer.close().catch(() => {});
  await home.quiet();
  return orphaned.arrived(home);
}

for (const shell of SHELLS) {
  for (const program of orphanedPrograms) {
    const name = `only the launcher is killed in mid-body, ${[program.what, ...shell].join(", ")}: nothing arrives`;
    Deno.test({ name, ignore: !shellExists(shell[0]) }, async () => {
      assert.deepEqual(await killLauncher(program, shell, LARGE, program.begun), []);
    });
  }
}

for (const program of orphanedPrograms) {
  Deno.test(`only the launcher is killed before its program reads, ${program.what}: nothing arrives`, async () => {
    assert.deepEqual(await killLauncher(program, [], BODY, (_, pid) => hasDenoChild(pid)), []);
  });
}

Deno.test("the injector is not started until a small message has been read to its end", async () => {
  using home = new FaultHome();
  home.write("bin/injector", `#!/bin/sh\n: >"$HOME/reads"\n${STORES}`, 0o755);
  home.write(CONFIG, home.config());
  const child = home.start(TO);
  const writer = child.stdin.getWriter();
  const bytes = new TextEncoder().encode(letter(TO));
  await writer.write(bytes.subarray(0, -10));
  // Wait until the shim has read everything that was written and blocks in its next read.
  const bytesRead = () => Deno.readTextFileSync(`/proc/${child.pid}/io`).match(/^rchar: (\d+)/)![1];
  let last: string | undefined;
  for (let same = 0; same < 20;) {
    await new Promise((done) => setTimeout(done, 10));
    const now = bytesRead();
    [same, last] = [now === last ? same + 1 : 0, now];
  }
  assert.equal(home.read("reads"), "");
  assert.ok(!injectorReads(home), "the injector must not run yet");
  await writer.write(bytes.subarray(-10));
  await writer.close();
  assert.ok((await child.status).success);
  assert.ok(isWhole(home.taken(TO)[0]!));
});

Deno.test("messages through the launchers with random kills: none lost, no unexplained copies", async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  for (const route of ROUTES) {
    for (const victim of ["launcher", "both"] as const) {
      const { lost, wrong } = await soakRoute(route, 5, victim, seed);
      assert.deepEqual({ lost, wrong }, { lost: 0, wrong: 0 }, `${route.what}, ${victim}, seed ${seed}`);
    }
  }
});
