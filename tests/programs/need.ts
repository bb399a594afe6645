/**
 * Tests with real programs. One whose program is missing is skipped and says
 * so; with CI=true or COUNTERSIGN_TEST_INSTALL=1 Debian's package is installed
 * first, and with CI=true a program that is still missing is a failure.
 */

/** Registers a test, as Deno.test does. */
export type Test = (name: string, run: (t: Deno.TestContext) => void | Promise<void>) => void;

/**
 * What registers tests that need this program.
 *
 * @param pack its Debian package, with spaces between when it takes several
 */
export async function need(program: string, pack = program): Promise<Test> {
  return tests(await lacking(program, pack));
}

/** Installs the program if that is wanted, and tells what is missing then; empty when it is here. */
export async function lacking(program: string, pack = program): Promise<string> {
  if (!isThere(program) && mayFetch()) {
    await alone(() =>
      apt("install", "-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", ...pack.split(" "))
    );
  }
  return isThere(program) ? "" : `${program} is not here: install ${pack}`;
}

/** May something be fetched for a test? */
export function mayFetch(): boolean {
  return Deno.env.get("CI") === "true" || Deno.env.get("COUNTERSIGN_TEST_INSTALL") === "1";
}

/** What registers tests; when something is missing they are skipped and say what, with CI=true they fail. */
export function tests(missing: string): Test {
  return (name, run) =>
    Deno.test({
      name: missing === "" ? name : `${name} (${missing})`,
      ignore: missing !== "" && Deno.env.get("CI") !== "true",
      fn: missing === "" ? run : () => Promise.reject(new Error(`${missing}, and CI=true asks for it`)),
    });
}

/** Programs of administrators are often outside a user's PATH, those of nmh and git have folders of their own. */
function isThere(program: string): boolean {
  const usual = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/bin/mh:/usr/lib/git-core";
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

/** One at a time, with lists that are read: test files run side by side. What cannot be had shows later as missing. */
export async function alone(work: () => Promise<void>): Promise<void> {
  const name = `${Deno.env.get("TMPDIR") || "/tmp"}/countersign-tests-apt.${Deno.uid()}.lock`;
  using lock = Deno.openSync(name, { read: true, write: true, create: true, mode: 0o600 });
  await lock.lock(true); // Gone with the file, also when the process dies.
  // The lists are read once by a test run: the file holds the process that did it.
  const mine = String(Deno.pid);
  if (Deno.readTextFileSync(name) !== mine) {
    await apt("update", "-q");
    Deno.writeTextFileSync(name, mine);
  }
  await work();
}

async function apt(...args: string[]): Promise<void> {
  // sudo drops the environment, so it goes through env.
  const argv = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args];
  if (Deno.uid() !== 0) argv.unshift("sudo", "-n");
  try {
    const { code, stderr } = await new Deno.Command(argv[0]!, { args: argv.slice(1), stdin: "null" }).output();
    if (code !== 0) console.error(`apt-get ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  } catch (error) {
    console.error(`apt-get ${args.join(" ")}: ${error}`);
  }
}
