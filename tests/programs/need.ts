/**
 * Tests with real programs. A test whose program is missing is skipped, and its name says so. With CI=true or
 * COUNTERSIGN_TEST_INSTALL=1 the Debian package is installed first, and with CI=true a missing program is a failure.
 */
import { MODULES, PROGRAMS } from "./packages.ts";

/** Registers a test, as Deno.test does. */
export type Test = (name: string, run: (t: Deno.TestContext) => void | Promise<void>) => void;

/**
 * Returns a function that registers tests which need this program.
 *
 * @param pack its Debian package, or several separated by spaces
 */
export async function need(program: string, pack = program): Promise<Test> {
  return tests(await lacking(program, pack));
}

/** Installs the program if allowed. @returns a description of what is still missing, or an empty string */
export function lacking(program: string, pack = program): Promise<string> {
  if (!Object.hasOwn(PROGRAMS, program)) throw new Error(`Add ${program} to tests/programs/packages.ts`);
  return fetched(() => isInstalled(program), program, pack);
}

/** Like {@link lacking}, for a module of Perl. */
export function lackingPerl(module: keyof typeof MODULES): Promise<string> {
  return fetched(() => hasModule(module), module, MODULES[module]);
}

function hasModule(module: string): boolean {
  try {
    return new Deno.Command("perl", { args: [`-M${module}`, "-e1"], stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function fetched(present: () => boolean, what: string, pack: string): Promise<string> {
  if (!present() && mayFetch()) await withAptLock(() => install(pack.split(" ")));
  return present() ? "" : `${what} is missing: install ${pack}`;
}

/** Installs what is missing of everything that tests need, if allowed. What fails is tried again by the tests. */
export async function fetchAll(): Promise<void> {
  const missing = [
    ...Object.entries(PROGRAMS).filter(([program]) => !isInstalled(program)),
    ...Object.entries(MODULES).filter(([module]) => !hasModule(module)),
  ].flatMap(([, pack]) => pack.split(" "));
  if (missing.length > 0 && mayFetch()) await withAptLock(() => install([...new Set(missing)]));
}

const install = (packages: string[]): Promise<void> =>
  apt("install", "-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", ...packages);

/** Whether packages may be fetched for tests. */
export function mayFetch(): boolean {
  return Deno.env.get("CI") === "true" || Deno.env.get("COUNTERSIGN_TEST_INSTALL") === "1";
}

/** Returns a function that registers tests. If something is missing they are skipped, or fail with CI=true. */
export function tests(missing: string): Test {
  return (name, run) =>
    Deno.test({
      name: missing === "" ? name : `${name} (${missing})`,
      ignore: missing !== "" && Deno.env.get("CI") !== "true",
      fn: missing === "" ? run : () => Promise.reject(new Error(`${missing}, which CI=true requires`)),
    });
}

/** Looks in PATH and in the folders of administrative programs, nmh, git and Dovecot. */
function isInstalled(program: string): boolean {
  const usual = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/bin/mh:/usr/lib/git-core:/usr/lib/dovecot";
  const folders = `${Deno.env.get("PATH") ?? ""}:${usual}`.split(":");
  return folders.some((folder) => {
    try {
      const { isFile, mode } = Deno.statSync(`${folder}/${program}`);
      return isFile && ((mode ?? 0) & 0o111) !== 0;
    } catch {
      return false;
    }
  });
}

/** Runs apt work under a lock, because test files run in parallel, and with current package lists. */
export async function withAptLock(work: () => Promise<void>): Promise<void> {
  const name = `${Deno.env.get("TMPDIR") || "/tmp"}/countersign-tests-apt.${Deno.uid()}.lock`;
  using lock = Deno.openSync(name, { read: true, write: true, create: true, mode: 0o600 });
  await lock.lock(true); // released with the file, also if the process dies
  // The lists are updated once per test run: the file contains the id of the process that did it.
  const pid = String(Deno.pid);
  if (Deno.readTextFileSync(name) !== pid) {
    await apt("update", "-q");
    Deno.writeTextFileSync(name, pid);
  }
  await work();
}

async function apt(...args: string[]): Promise<void> {
  // sudo drops the environment, so env sets it.
  const argv = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args];
  if (Deno.uid() !== 0) argv.unshift("sudo", "-n");
  try {
    const { code, stderr } = await new Deno.Command(argv[0]!, { args: argv.slice(1), stdin: "null" }).output();
    if (code !== 0) console.error(`apt-get ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  } catch (error) {
    console.error(`apt-get ${args.join(" ")}: ${error}`);
  }
}
