/** With a spool inject() keeps the same guarantees, and the program starts only when the message is complete. */
import assert from "node:assert/strict";
import { decodeLatin1 } from "../../../lib/bytes.ts";
import { Fail } from "../../../lib/fail.ts";
import type { SpawnOptions } from "../../../io/transport/child.ts";
import { inject } from "../../../io/transport/inject.ts";
import { cleanSpool } from "../../../io/transport/spool.ts";
import { countingDisk } from "../disk.ts";
import { chunks } from "./chunks.ts";
import { HEAD, LARGE, message, ProgramFolder } from "./injected.ts";

class Folder extends ProgramFolder {
  readonly spool = `${this.path}/state/spool`;
  /** The names in the spool folder; spool files have none. */
  left(): string[] {
    return [...Deno.readDirSync(this.spool)].map(({ name }) => name);
  }
  override options(script: string, more: Partial<SpawnOptions> = {}): SpawnOptions {
    return super.options(script, { spool: this.spool, ...more });
  }
}

const isRunning = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) Z/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
};

Deno.test("The program reads the unchanged message from its beginning", async () => {
  using folder = new Folder();
  const all = Uint8Array.from({ length: 3 * 256 * 1024 + 7 }, (_, at) => (at * 31) % 256);
  assert.deepEqual(await inject(folder.options('cat >"$D/got"'), message(all.slice(0, 1000), all.slice(1000))), {
    code: 0,
    lastLine: "",
  });
  assert.equal(folder.read("got"), decodeLatin1(HEAD) + decodeLatin1(all));
  assert.deepEqual(folder.left(), []);
});

Deno.test("Standard input is a private file without a name, open for reading only", async () => {
  using folder = new Folder();
  const script = `ls "$D/state/spool" | wc -l >"$D/names"; stat -Lc '%a %h %s' /dev/stdin >"$D/stat"
ls -l /proc/$PPID/fd | grep -c "^l-wx.*$D/.*(deleted)" >"$D/written"; cat /proc/self/fdinfo/0 >"$D/info"; stat -c %a "$D/state/spool" >"$D/mode"`;
  await inject(folder.options(script), message("body\n"));
  assert.equal(folder.read("names")!.trim(), "0");
  assert.equal(folder.read("stat"), `600 0 ${HEAD.length + "body\n".length}\n`);
  assert.match(folder.read("info")!, /^pos:\t0\nflags:\t0?[0-7]*0\n/, "at the beginning, read-only");
  assert.equal(folder.read("written"), "0\n", "closed for writing");
  assert.equal(folder.read("mode"), "700\n");
});

Deno.test("A program gets exactly the given arguments and environment", async () => {
  using folder = new Folder();
  const spawnOptions = folder.options('printf "%s|" "$@" >"$D/args"; tr "\\0" "\\n" </proc/self/environ >"$D/env"');
  const hostile = '$(touch "$D/pwned") `id` ; *';
  assert.ok(Deno.env.get("HOME"), "a variable that could leak");
  await inject({ ...spawnOptions, argv: [...spawnOptions.argv, "name", hostile, "", "-x"] }, message());
  assert.equal(folder.read("args"), `${hostile}||-x|`);
  assert.equal(folder.read("pwned"), undefined);
  const names = folder.read("env")!.trim().split("\n").map((line) => line.split("=")[0]!);
  assert.deepEqual(names.filter((name) => !["PWD", "SHLVL", "_", "OLDPWD"].includes(name)).sort(), ["D", "PATH"]);
});

Deno.test("The exit status and the last line on standard error are returned", async () => {
  using folder = new Folder();
  const rows: [string, number, string][] = [
    ["cat >/dev/null", 0, ""],
    ["exit 1", 1, ""],
    ["echo first >&2; echo 'no such user' >&2; exit 67", 67, "no such user"],
    ["yes line | head -n 100000 >&2; printf 'last\\033' >&2; exit 255", 255, "last"],
    // Without a pipe it is not noticed that the program did not read everything.
    ["head -c 10 >/dev/null; exit 0", 0, ""],
  ];
  for (const [script, code, lastLine] of rows) {
    assert.deepEqual(await inject(folder.options(script), message(LARGE)), { code, lastLine }, script);
  }
});

/** Expects that inject() fails before the program was started. */
async function neverStarted(
  folder: Folder,
  options: Partial<SpawnOptions>,
  body: AsyncIterable<Uint8Array>,
): Promise<Fail> {
  let failed: unknown;
  await inject(folder.options(': >"$D/started"; cat >"$D/got"', options), { head: HEAD, body }).catch((error) =>
    failed = error
  );
  assert.ok(failed instanceof Fail, `${failed}`);
  assert.equal(folder.read("started"), undefined);
  return failed;
}

Deno.test("The program is not started if the message is incomplete", async () => {
  const broken = async function* () {
    yield* chunks("half");
    throw new Fail("io", "no more");
  };
  const inspect = (chunk: Uint8Array) => {
    if (decodeLatin1(chunk).startsWith("not")) throw new Fail("data", "not fine");
  };
  const rows: [string, Partial<SpawnOptions>, AsyncIterable<Uint8Array>, string, RegExp][] = [
    ["an error in the body", {}, broken(), "io", /^no more$/],
    ["an error of inspect", { inspect }, chunks("fine", "not fine"), "data", /^not fine$/],
    ["a signal that arrived earlier", { signal: AbortSignal.abort() }, chunks("body"), "temporary", /signal/],
  ];
  for (const [what, options, body, kind, says] of rows) {
    using folder = new Folder();
    const failed = await neverStarted(folder, options, body);
    assert.deepEqual([failed.kind, says.test(failed.message)], [kind, true], what);
    assert.deepEqual(folder.left(), [], what);
  }
});

Deno.test("A disk full error that only sync reports is found before the program starts", async () => {
  using folder = new Folder();
  const syncs = await countingDisk("syncSync", async () => {
    const failed = await neverStarted(folder, {}, chunks("body"));
    assert.deepEqual([failed.kind, failed.message.split(": ")[1]], ["temporary", "No space left on device"]);
  }, () => true);
  assert.equal(syncs, 1);
  assert.deepEqual(folder.left(), []);
});

Deno.test("A signal while waiting for the body, or at its end, prevents the start", async () => {
  for (const rest of ["is awaited", "ends"]) {
    using folder = new Folder();
    const controller = new AbortController();
    const never = Promise.withResolvers<void>();
    const body = async function* () {
      yield* chunks("half");
      controller.abort();
      if (rest === "is awaited") await never.promise;
    };
    const failed = await neverStarted(folder, { signal: controller.signal }, body());
    assert.equal(failed.kind, "temporary", rest);
    never.resolve();
  }
});

Deno.test("A signal kills the program with its child processes", async () => {
  using folder = new Folder();
  const controller = new AbortController();
  const script = `/bin/sh -c 'echo $$ >"$D/pid"; exec sleep 1000'; exit $?`;
  const failed = inject(folder.options(script, { signal: controller.signal }), message("body"));
  const pid = await folder.pid();
  controller.abort();
  await assert.rejects(failed, { kind: "temporary", message: /signal/ });
  await folder.until(() => !isRunning(pid));
});

Deno.test("If the program commits after the signal, its own status counts", async () => {
  using folder = new Folder();
  const controller = new AbortController();
  const script = `cat >"$D/got"; echo $$ >"$D/pid"; while [ ! -e "$D/go" ]; do sleep 0.05; done; exit 0`;
  const ended = inject(folder.options(script, { signal: controller.signal }), message("body"));
  await folder.pid();
  controller.abort();
  Deno.writeTextFileSync(`${folder.path}/go`, "");
  assert.deepEqual(await ended, { code: 0, lastLine: "" });
});

Deno.test("A program that takes too long is killed", async () => {
  using folder = new Folder();
  const failed = inject(folder.options('echo $$ >"$D/pid"; exec sleep 1000', { timeout: 1 }), message("body"));
  await assert.rejects(failed, { kind: "temporary", message: "/bin/sh took longer than 1 s and was killed" });
  assert.ok(!isRunning(await folder.pid()));
});

Deno.test("A program that cannot be run is a system error", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(`${folder.path}/plain`, "not a program\n", { mode: 0o644 });
  Deno.writeTextFileSync(`${folder.path}/odd`, "#!/nonexistent/shell\n", { mode: 0o755 });
  for (const program of ["/nonexistent/program", folder.path, `${folder.path}/plain`, `${folder.path}/odd`]) {
    await assert.rejects(inject(folder.options("", { argv: [program] }), message()), (error: Fail) => {
      assert.equal(error.kind, "system", `${error}`);
      assert.ok(error.message.startsWith(`${JSON.stringify(program)} cannot be run: `), error.message);
      return true;
    });
    assert.deepEqual(folder.left(), []);
  }
});

Deno.test("A program killed by any signal of others is a temporary failure", async () => {
  const rows = [["TERM", "SIGTERM"], ["KILL", "SIGKILL"], ["34", "an unknown signal"]] as const;
  for (const [signal, named] of rows) {
    using folder = new Folder();
    for (const spool of [folder.spool, undefined]) {
      const { spool: _, ...rest } = folder.options(`cat >"$D/mail"; kill -${signal} $$`);
      const failed = inject(spool === undefined ? rest : { ...rest, spool }, message("body"));
      await assert.rejects(failed, { kind: "temporary", message: `/bin/sh was killed by ${named}` });
    }
  }
});

Deno.test("A grandchild that keeps files open does not delay the result", async () => {
  using folder = new Folder();
  const script = `sleep 1000 <&0 & echo $! >"$D/pid"; echo 'no such user' >&2; exit 67`;
  const ended = await inject(folder.options(script), message("body"));
  const pid = await folder.pid();
  assert.ok(isRunning(pid), "the grandchild is still running");
  Deno.kill(pid, "SIGKILL");
  assert.deepEqual(ended, { code: 67, lastLine: "no such user" });
});

Deno.test("A spool folder that cannot be written is a temporary failure with its path", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(`${folder.path}/state`, "no folder");
  const failed = await neverStarted(folder, {}, chunks("body"));
  assert.equal(failed.kind, "temporary");
  assert.ok(failed.message.startsWith("Spool cannot be written: ") && failed.file === folder.spool, failed.message);
});

Deno.test("A disk error while the message is written is reported; short writes are continued", async () => {
  for (const fails of [1, 5, Infinity]) {
    using folder = new Folder();
    const body = chunks("a body longer than three\n");
    await countingDisk("writeSync", async () => {
      if (fails < Infinity) assert.match((await neverStarted(folder, {}, body)).message, /No space left/);
      else assert.equal((await inject(folder.options('cat >"$D/got"'), { head: HEAD, body })).code, 0);
    }, (nth) => nth === fails);
    assert.equal(folder.read("got"), fails < Infinity ? undefined : `${decodeLatin1(HEAD)}a body longer than three\n`);
    assert.deepEqual(folder.left(), []);
  }
});

Deno.test("Spool files left by killed programs are removed after a day, and nothing else", async () => {
  using folder = new Folder();
  assert.equal(cleanSpool(folder.spool, new Date()), 0, "no spool yet");
  await inject(folder.options("exit 0"), message("body"));
  const put = (name: string, hours: number) => {
    Deno.writeTextFileSync(`${folder.spool}/${name}`, "");
    const then = new Date(Date.now() - hours * 3_600_000);
    Deno.utimeSync(`${folder.spool}/${name}`, then, then);
  };
  put("old", 25);
  put("new", 23);
  put("ahead", -100);
  Deno.mkdirSync(`${folder.spool}/folder`);
  assert.equal(cleanSpool(folder.spool, new Date()), 1);
  assert.deepEqual(folder.left().sort(), ["ahead", "folder", "new"]);
  put("old", 25);
  await inject(folder.options("exit 0"), message("body"));
  assert.deepEqual(folder.left().sort(), ["ahead", "folder", "new"], "the next message removes it");

  // What cannot be removed does not protect the others.
  for (const name of ["old", "busy"]) put(name, 25);
  const { removeSync } = Deno;
  let failed: string | URL | undefined;
  Deno.removeSync = (path, options) => {
    if (failed === undefined || failed === path) throw new Error(`${failed = path} is busy`);
    removeSync(path, options);
  };
  try {
    assert.equal(cleanSpool(folder.spool, new Date()), 1);
  } finally {
    Deno.removeSync = removeSync;
  }
});
