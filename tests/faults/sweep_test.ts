/**
 * sweep, with a fault at each step: it is killed, the disk is full, access is denied, another program renames or removes
 * the message. No message is lost or doubled, and the next sweep finishes the work.
 */
import assert from "node:assert/strict";
import { filesBelow, ROOT } from "../rig.ts";
import { forged, Laptop } from "../admin/sweep.ts";

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

/** Runs sweep with a fault. */
async function drive(home: SweepHome, route: Route, at: number, fault: string) {
  const args = route.args.map((arg) => arg === OTHER ? home.other : arg);
  const inbox = `${home.path}/Mail/Inbox`;
  const argv = [Deno.execPath(), "run", "-q", "--frozen", "-A", `--config=${ROOT}/deno.json`];
  const driver = `${ROOT}/tests/faults/sweep_driver.ts`;
  return await home.run([...argv, driver, String(at), fault, inbox, inbox, "--quiet", ...args]);
}

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

/** Runs work on these items, some at once. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item; (item = queue.shift()) !== undefined;) await work(item);
  };
  await Promise.all([worker(), worker(), worker()]);
}

const FAULTS = ["kill", "disk", "denied", "read", "flags", "elsewhere"];

for (const route of ROUTES) {
  for (const fault of FAULTS) {
    if (fault === "read" && !route.file.startsWith("new/") || fault === "flags" && route.file.startsWith("new/")) {
      continue;
    }
    if (fault === "denied" && route !== ROUTES[0]) continue; // handled as a full disk is
    Deno.test(`sweep, a message that is ${route.what}, ${fault} at each step`, async () => {
      using first = newHome(route);
      const { steps }: { steps: string[] } = JSON.parse((await drive(first, route, -1, "none")).stdout);
      // Before this one, only settings are read.
      const begin = steps.indexOf("mkdirSync");
      assert.ok(begin > 0 && steps.length - begin > 10);
      await each([...steps.keys()].slice(begin), async (at) => {
        using home = newHome(route);
        const what = `${fault} at step ${at}, ${steps[at]}`;
        await drive(home, route, at, fault);
        const between = copies(home);
        // A copy that was not finished is not visible.
        assert.ok(between.length > 0 && between.every(({ mail }) => mail === MAIL), what);
        const next = await drive(home, route, -1, "none");
        assert.deepEqual([next.code, next.stderr], [0, ""], what);
        const after = copies(home);
        const moved = fault === "elsewhere" && after.some(({ path }) => path.includes("/Mail/Other/"));
        // See markInPlace().
        const doubled = moved && route.end !== undefined && at === steps.indexOf("renameSync");
        assert.equal(after.length, doubled ? 2 : 1, `${what}: ${after.map(({ path }) => path)}`);
        for (const { path, mail } of after) {
          assert.equal(mail, MAIL, what);
          if (moved) continue;
          assert.ok(path.includes(`/${route.end ?? "Spam"}/`), `${what}: ${path}`);
          if (route.marked) assert.match(Deno.readTextFileSync(path), /^X-Countersign: /, what);
        }
      });
    });
  }
}
