/**
 * The engine as a milter: sessions per second on 8 connections, compared with a milter that does nothing and with opendkim, and
 * memory after many sessions. The times include the client, which is the same for all.
 */
import { srsForward } from "../lib/srs.ts";
import { CREATED, SECRET } from "../build/rig/home.ts";
import { qsbmf } from "../build/rig/mails.ts";
import { type BenchHome, TIMES } from "./home.ts";
import { idleMilter } from "./idle_milter.ts";
import { median } from "./measure.ts";
import { content, envelope, type Sessions, sessions, type Step } from "./milter_client.ts";
import type { Table } from "./report.ts";

const CONNECTIONS = 8;
/** Milliseconds of one turn; a run of 40 repetitions has three turns. */
const TURN_MS = 2000;
const TURNS = Math.max(1, Math.round(TIMES / 13));
/** Sessions before memory is measured: a million in a full run. */
const MANY_SESSIONS = TIMES * 25_000;

const GREG = "greg@example.org";
const LIE = `From: ${GREG}\nMessage-ID: <lie@spam.example>\nSubject: Pills\n\n${"Buy these now!\n".repeat(100)}`;
const LETTER = `From: ${GREG}\nTo: jo@b.example\nMessage-ID: <1@example.org>\nDate: Fri, 20 Nov 2026 10:00:00 +0000\n` +
  `Subject: Lunch?\n\n${"At one?\n".repeat(200)}`;

/** A milter that runs until it is disposed. */
class Milter {
  private constructor(readonly child: Deno.ChildProcess, readonly path: string) {}

  static async start(argv: readonly string[], path: string, env: Record<string, string>): Promise<Milter> {
    const [program, ...args] = argv;
    const child = new Deno.Command(program!, {
      args,
      clearEnv: true,
      env,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    })
      .spawn();
    for (let tries = 0; tries < 400; tries++) {
      try {
        (await Deno.connect({ transport: "unix", path })).close();
        return new Milter(child, path);
      } catch {
        await new Promise((next) => setTimeout(next, 50));
      }
    }
    throw new Error(`${program} does not listen on ${path}`);
  }

  /** The resident set in MB: of the process, and of those that it has started. */
  get mb(): number {
    const { stdout } = new Deno.Command("ps", {
      args: ["-o", "rss=", "--pid", String(this.child.pid), "--ppid", String(this.child.pid)],
    }).outputSync();
    const kb = new TextDecoder().decode(stdout).trim().split("\n").map(Number);
    return Math.round(Math.max(...kb) / 102.4) / 10;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGTERM");
    await this.child.status;
  }
}

/** A kind of session with a milter. */
interface Setup {
  readonly name: string;
  readonly path: string;
  readonly steps: readonly Step[];
  readonly runs: Sessions[];
}

/** Measures the sessions of all milters in turns, then the memory of the engine. */
export async function door(home: BenchHome): Promise<Table[]> {
  const folder = home.folder("site/sockets");
  home.write("site/keys", `k1 ${CREATED} ${SECRET}\n`, 0o600);
  home.write(
    "site/config.toml",
    `[[identity]]\naddress = "${GREG}"\nsrs_domain = "srs.example.org"\nkeys = "keys"\nlogins = ["greg"]\n` +
      `[state]\nfolder = "state"\nshared = true\n[transport]\npreset = "postfix"\n[incoming]\nforged = "refuse"\n` +
      `[serve]\nsocket_folder = "sockets"\n`,
  );
  const forgedAddress = srsForward(GREG, "srs.example.org", { secrets: ["mallory"], hashLength: 8, now: new Date() });
  const person = [...envelope("jo@b.example", GREG), ...content(LETTER, "a", "")];
  const bounce = (data: string, end: string) => [...envelope("", GREG), ...content(qsbmf(GREG, LIE), data, end)];
  const signing = (end: string) => [...envelope(GREG, "jo@b.example", "c", "greg"), ...content(LETTER, "c", end)];

  const { env } = home.withoutCache();
  const argv = [`${await home.installed()}/bin/countersign`, "serve", "--config", `${home.path}/site/config.toml`];
  await using engine = await Milter.start(argv, `${folder}/sign`, env);
  const begun = engine.mb;
  const setup = (name: string, path: string, steps: readonly Step[]): Setup => ({ name, path, steps, runs: [] });
  const setups: Setup[] = [];
  await using peers = new AsyncDisposableStack();
  const idle = await idleMilter(home, `${folder}/idle`);
  if (idle !== undefined) {
    peers.use(await Milter.start(idle, `${folder}/idle`, env));
    setups.push(setup("a milter in C that does nothing, bounce", `${folder}/idle`, bounce("c", "a")));
  }
  const opendkim = "/usr/sbin/opendkim";
  if (exists(opendkim)) {
    const args = ["-f", "-x", "/dev/null", "-b", "v", "-p", `unix:${folder}/opendkim`];
    peers.use(await Milter.start([opendkim, ...args], `${folder}/opendkim`, env));
    setups.push(setup("opendkim, looks for signatures in a bounce", `${folder}/opendkim`, bounce("c", "a")));
  }
  setups.push(
    setup("door, from a person", `${folder}/door`, person),
    setup("door, forged address", `${folder}/door`, envelope("", forgedAddress, "y")),
    setup("door, forged bounce", `${folder}/door`, bounce("c", "y")),
    setup("sign", `${folder}/sign`, signing("a")),
  );
  for (let turn = 0; turn <= TURNS; turn++) {
    for (const { path, steps, runs } of setups) {
      const run = await sessions(path, steps, CONNECTIONS, { ms: TURN_MS });
      if (turn > 0) runs.push(run);
    }
  }
  const rows = setups.map(({ name, runs }) => ({ name, rate: Math.round(median(runs.map(({ rate }) => rate))) }));
  const p99 = (name: string) => median(setups.find((one) => one.name === name)!.runs.map((run) => run.p99));
  for (const { name } of setups) console.error(`bench: ${name}: p99 ${p99(name).toFixed(1)} ms`);

  const half = Math.ceil(MANY_SESSIONS / 2);
  const first = await sessions(`${folder}/door`, person, CONNECTIONS, { count: 1000 });
  await sessions(`${folder}/door`, person, CONNECTIONS, { count: half });
  await sessions(`${folder}/door`, bounce("c", "y"), CONNECTIONS, { count: half });
  const last = await sessions(`${folder}/door`, person, CONNECTIONS, { count: 1000 });
  const memory = [
    { name: "the engine when it has started", ms: first.median, mb: begun },
    { name: "after many sessions", ms: last.median, mb: engine.mb },
  ];
  return [{ title: "door, milter sessions at 8 connections", rows }, { title: "door, time and memory", rows: memory }];
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
