/**
 * sweep, with a fault at each step: it is killed, the disk is full, access is denied, another program renames or
 * removes the message. No message is lost or doubled, and the next sweep finishes the work.
 */
import assert from "node:assert/strict";
import { filesBelow, ROOT } from "../rig.ts";
import { forged, Laptop } from "../admin/sweep.ts";
import { ALL, killedAt } from "./matrix.ts";
import type { SweepJob, SweepResult } from "./sweep_driver.ts";

/** What a sweep does with the message. */
interface Route {
  readonly what: string;
  readonly args: readonly string[];
  readonly incoming?: string;
  /** Where the message is at first. */
  readonly file: string;
  /** The maildir in which it ends; by default that for spam. */
  readonly end?: string;
  readonly marked?: boolean;
}

/** A folder on another file system than that of temporary folders; undefined if there is none. */
function elsewhere(): string | undefined {
  try {
    const [here, there] = [Deno.statSync(Deno.env.get("TMPDIR") || "/tmp"), Deno.statSync("/dev/shm")];
    return here.dev === there.dev ? undefined : Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "countersign-" });
  } catch {
    return undefined;
  }
}

const other = elsewhere();
if (other !== undefined) globalThis.addEventListener("unload", () => Deno.removeSync(other, { recursive: true }));

/** Stands for the maildir on the other file system. */
const OTHER = "OTHER";

const ROUTES: readonly Route[] = [
  { what: "moved, unread", args: [], file: "new/1.x" },
  { what: "moved, read", args: [], file: "cur/1.x:2," },
  { what: "moved with a mark", args: ["--mark"], file: "new/1.x", marked: true },
  {
    what: "marked",
    args: ["--mark"],
    incoming: 'forged = "mark"',
    file: "cur/1.x:2,",
    end: "Mail/Inbox",
    marked: true,
  },
  ...(other === undefined ? [] : [{ what: "moved to another file system", args: ["--spam", OTHER], file: "new/1.x" }]),
];

const MAIL = forged();

/** All copies of the message, in the maildirs and in Other. */
function copies(home: SweepHome): { path: string; mail: string }[] {
  const folders = [`${home.path}/Mail/Inbox`, `${home.path}/Mail/Spam`, `${home.path}/Mail/Other`, home.other];
  return folders.flatMap((folder) => [...filesBelow(`${folder}/new`), ...filesBelow(`${folder}/cur`)]).map((path) => {
    return { path, mail: Deno.readTextFileSync(path).replace(/^X-Countersign: (?:forged|suspect); .*\n/, "") };
  });
}

/** A home, and a spam maildir on another file system. */
class SweepHome extends Laptop {
  readonly other = `${other}/${crypto.randomUUID()}/Spam`;
}

function newHome(route: Route): SweepHome {
  const home = new SweepHome(route.incoming);
  home.put(route.file, MAIL);
  return home;
}

/** A sweep of this home with a fault at this step; -1 for none. */
function jobFor({ path, other }: SweepHome, route: Route, at = -1, fault = "none"): SweepJob {
  const maildir = `${path}/Mail/Inbox`;
  const args = route.args.map((arg) => arg === OTHER ? other : arg);
  return { home: path, maildir, args: [maildir, "--quiet", ...args], at, fault };
}

/** Runs jobs in one process. @returns their results, fewer if it was killed */
async function drive(jobs: readonly SweepJob[]): Promise<SweepResult[]> {
  const file = Deno.makeTempFileSync({ prefix: "countersign-" });
  Deno.writeTextFileSync(file, JSON.stringify(jobs));
  try {
    const argv = ["run", "-q", "--frozen", "-A", `--config=${ROOT}/deno.json`, `${ROOT}/tests/faults/sweep_driver.ts`];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: [...argv, file], stdin: "null" }).output();
    return new TextDecoder().decode(stdout).split("\n").slice(0, -1).map((line) => JSON.parse(line));
  } finally {
    Deno.removeSync(file);
  }
}

/** Runs jobs that kill their process. */
async function driveKilled(jobs: readonly SweepJob[]): Promise<void> {
  const queue = [...jobs];
  const worker = async () => {
    for (let job; (job = queue.shift()) !== undefined;) assert.deepEqual(await drive([job]), []);
  };
  await Promise.all([worker(), worker()]);
}

const FAULTS = ["kill", "disk", "denied", "read", "flags", "elsewhere"];

/**
 * Faults for which one route is enough: sweep takes the same steps for a message that has been read, under another
 * name. Only what other programs do to that name differs.
 */
const repeats = ({ what }: Route, fault: string) => what === "moved, read" && /^(?:kill|disk|denied)$/.test(fault);

for (const route of ROUTES) {
  for (const fault of FAULTS) {
    if (fault === (route.file.startsWith("new/") ? "flags" : "read")) continue;
    if (!ALL && repeats(route, fault)) continue;
    Deno.test(`sweep, a message that is ${route.what}, ${fault} at each step`, async () => {
      using homes = new DisposableStack();
      const [whole] = await drive([jobFor(homes.use(newHome(route)), route)]);
      const { steps } = whole!;
      // Before this one, only settings are read.
      const begin = steps.indexOf("mkdirSync");
      assert.ok(begin > 0 && steps.length - begin > 10);
      const numbers = fault === "kill" ? killedAt(steps) : [...steps.keys()];
      const runs = numbers.filter((at) => at >= begin).map((at) => ({ at, home: homes.use(newHome(route)) }));
      const jobs = runs.map(({ at, home }) => jobFor(home, route, at, fault));
      if (fault === "kill") await driveKilled(jobs);
      else assert.equal((await drive(jobs)).length, jobs.length);
      const what = (at: number) => `${fault} at step ${at}, ${steps[at]}`;
      for (const { at, home } of runs) {
        const between = copies(home);
        // A copy that was not finished is not visible.
        assert.ok(between.length > 0 && between.every(({ mail }) => mail === MAIL), what(at));
      }
      const next = await drive(runs.map(({ home }) => jobFor(home, route)));
      assert.deepEqual(next.map(({ code }) => code), runs.map(() => 0));
      for (const { at, home } of runs) {
        const after = copies(home);
        const moved = fault === "elsewhere" && after.some(({ path }) => path.includes("/Mail/Other/"));
        // See markInPlace().
        const doubled = moved && route.end !== undefined && at === steps.indexOf("renameSync");
        assert.equal(after.length, doubled ? 2 : 1, `${what(at)}: ${after.map(({ path }) => path)}`);
        for (const { path, mail } of after) {
          assert.equal(mail, MAIL, what(at));
          if (moved) continue;
          assert.ok(path.includes(`/${route.end ?? "Spam"}/`), `${what(at)}: ${path}`);
          if (route.marked) assert.match(Deno.readTextFileSync(path), /^X-Countersign: /, what(at));
        }
      }
    });
  }
}
