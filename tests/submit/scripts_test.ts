/** reup, checknotroot and checkpassword: their statuses, and what the program behind them gets. */
import assert from "node:assert/strict";
import { Home, oneLine, type Ran } from "../rig.ts";
import { CHAIN, currentUser, usersFile } from "./talk.ts";

const root = Deno.uid() === 0;

/** Runs a script that counts its runs and exits as its argument says for each run. */
async function reup(home: Home, options: string[], statuses: number[]): Promise<[code: number, runs: string]> {
  const cases = statuses.map((status, at) => `${at + 1}) exit ${status} ;;`).join(" ");
  const program = home.write(
    "program",
    `#!/bin/sh\nprintf %s, "$REUP" >>"$HOME/runs"\ncase $REUP in ${cases} esac\nexit 0\n`,
    0o755,
  );
  const { code } = await home.run([`${CHAIN}/reup`, ...options, program]);
  return [code, home.read("runs")];
}

const RUNS: [options: string[], statuses: number[], code: number, runs: string][] = [
  [[], [0], 0, "1,"],
  [[], [1, 1, 0], 0, "1,2,3,"],
  [[], [1, 12], 12, "1,2,"],
  [["-t", "2"], [3, 4, 0], 4, "1,2,"],
  [["-t2"], [3, 4, 0], 4, "1,2,"],
  [["-t", "0"], [1, 1, 1, 1, 1, 1, 0], 0, "1,2,3,4,5,6,7,"],
  [["-t", "3"], [0], 0, "1,"],
  [["-t", "5"], [126], 1, "1,"],
  [["-t", "5"], [137], 1, "1,"],
];
for (const [options, statuses, code, runs] of RUNS) {
  Deno.test(`reup ${options.join(" ")}: ${statuses.join(" ")}`, async () => {
    using home = new Home();
    assert.deepEqual(await reup(home, options, statuses), [code, runs]);
  });
}

Deno.test("reup and checknotroot: wrong arguments", async () => {
  using home = new Home();
  for (const args of [[], ["-t"], ["-t", "x", "true"], ["-t", "5"], ["-x", "true"]]) {
    assert.equal((await home.run([`${CHAIN}/reup`, ...args])).code, 1, args.join(" "));
  }
  oneLine(await home.run([`${CHAIN}/checknotroot`]), 1, /^usage: checknotroot program/);
});

Deno.test("checknotroot runs a program, except as root", async () => {
  using home = new Home();
  const ran = await home.run([`${CHAIN}/checknotroot`, "echo", "a  b"]);
  if (root) oneLine(ran, 1, /^checknotroot: WAS RUNNING AS ROOT, TERMINATING$/m);
  else assert.deepEqual([ran.code, ran.stdout], [0, "a  b\n"]);
  if (!root) return;
  const as = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  Deno.chmodSync(home.path, 0o755);
  const script = home.write("checknotroot", Deno.readTextFileSync(`${CHAIN}/checknotroot`), 0o755);
  const other = await home.run([...as, script, "echo", "a  b"]);
  assert.deepEqual([other.code, other.stdout], [0, "a  b\n"]);
});

/** Runs checkpassword with these bytes on descriptor 3. */
function check(home: Home, bytes: string, ...args: string[]): Promise<Ran> {
  return home.run(["/bin/sh", "-c", 'exec "$0" "$@" 3<&0', `${CHAIN}/checkpassword`, ...args], bytes);
}

const REPORT = ["sh", "-c", 'echo "$USER $HOME $(pwd) $(id -un)"; [ ! -e /dev/fd/3 ]'];

Deno.test("checkpassword runs the program as the user, in the home, without descriptor 3", async () => {
  using home = new Home();
  const user = root ? "nobody" : currentUser();
  const file = await usersFile(home, user);
  Deno.chmodSync(home.path, 0o755);
  const right = await check(home, "greg\0secret\0\0", "-a", `file:${file}`, ...REPORT);
  assert.deepEqual([right.code, right.stdout], [0, `${user} ${home.path} ${home.path} ${user}\n`], right.stderr);
  const statuses: [bytes: string, args: string[], code: number][] = [
    ["greg\0wrong\0\0", ["true"], 1],
    ["eve\0secret\0\0", ["true"], 1],
    ["greg\0secret\0\0", ["sh", "-c", "exit 77"], 77],
    ["greg\0secret\0\0", ["/no/such/program"], 127],
    ["greg\0secret\0\0", ["/"], 126],
    ["greg\0secret", ["true"], 2],
    ["", ["true"], 2],
    [`greg\0${"x".repeat(600)}\0\0`, ["true"], 2],
    ["greg\0secret\0\0", [], 2],
  ];
  for (const [bytes, args, code] of statuses) {
    assert.equal((await check(home, bytes, "-a", `file:${file}`, ...args)).code, code, JSON.stringify([bytes, args]));
  }
});

Deno.test("checkpassword: no source, or one that cannot be asked", async () => {
  using home = new Home();
  const file = home.write("open", "", 0o644);
  for (
    const [source, code] of [[`file:${file}`, 111], ["dovecot:/nonexistent", 111], ["file:/nonexistent", 111], [
      "pam:x",
      2,
    ]]
  ) {
    assert.equal((await check(home, "greg\0secret\0\0", "-a", `${source}`, "true")).code, code, `${source}`);
  }
  const closed = await home.run(["/bin/sh", "-c", `exec "$0" "$@" 3<&-`, `${CHAIN}/checkpassword`, "true"]);
  assert.equal(closed.code, 2);
});

Deno.test("checkpassword: root, numbers, and users that do not exist cannot log in", async () => {
  using home = new Home();
  const hash = (await usersFile(home), home.read("users").split(":")[1]!);
  const lines = ["root", "0", "nosuchuser"].map((login) => `${login}:${hash}\n`).join("");
  home.write("users", `${lines}alias:${hash}:root\nslash:${hash}\nwith/slash:${hash}\n`, 0o600);
  for (const login of ["root", "0", "nosuchuser", "alias", "with/slash"]) {
    const { code } = await check(home, `${login}\0secret\0\0`, "-a", `file:${home.path}/users`, "echo", "served");
    assert.equal(code, 1, login);
  }
});
