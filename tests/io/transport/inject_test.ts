import assert from "node:assert/strict";
import { decodeLatin1, utf8 } from "../../../lib/bytes.ts";
import { Fail } from "../../../lib/fail.ts";
import type { SpawnOptions } from "../../../io/transport/child.ts";
import { inject } from "../../../io/transport/inject.ts";

/** A folder for what the programs leave behind. */
class Folder {
  readonly path = Deno.makeTempDirSync({ prefix: "countersign-" });
  read(name: string): Uint8Array | undefined {
    try {
      return Deno.readFileSync(`${this.path}/${name}`);
    } catch {
      return undefined;
    }
  }
  /** Waits for the program to come so far. */
  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise((next) => setTimeout(next, 5));
  }
  async pid(): Promise<number> {
    await this.until(() => this.read("pid") !== undefined && decodeLatin1(this.read("pid")!).endsWith("\n"));
    return Number(decodeLatin1(this.read("pid")!));
  }
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

const runs = (pid: number): boolean => {
  try {
    // A zombie is still there, but runs no more; none is left when it was reaped.
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
};

/** A program: sh with this script, the folder in $D. */
function call(folder: Folder, script: string, more: Partial<SpawnOptions> = {}): SpawnOptions {
  return {
    argv: ["/bin/sh", "-c", script],
    environment: { D: folder.path, PATH: "/usr/bin:/bin" },
    timeout: 0,
    ...more,
  };
}

async function* chunks(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield await Promise.resolve(typeof part === "string" ? utf8(part) : part);
}
const HEAD = utf8("Subject: x\n\n");
const message = (...parts: (string | Uint8Array)[]) => ({ head: HEAD, body: chunks(...parts) });
/** More than any pipe holds. */
const LARGE = new Uint8Array(4 * 1024 * 1024).fill(65);
/** Commits at the end of input, as every mail program does. */
const COMMITS = 'echo $$ >"$D/pid"; cat >"$D/mail"; : >"$D/committed"';

Deno.test("The whole message arrives, byte for byte, from one buffer that is used again", async () => {
  using folder = new Folder();
  const all = Uint8Array.from({ length: 3 * 256 * 1024 + 7 }, (_, at) => (at * 31) % 256);
  const body = async function* () {
    const buffer = new Uint8Array(64 * 1024);
    for (let at = 0; at < all.length; at += buffer.length) {
      const part = all.subarray(at, at + buffer.length);
      buffer.set(part);
      yield await Promise.resolve(buffer.subarray(0, part.length));
      buffer.fill(0);
    }
  };
  assert.deepEqual(await inject(call(folder, COMMITS), { head: HEAD, body: body() }), { code: 0, lastLine: "" });
  const got = folder.read("mail")!;
  assert.equal(decodeLatin1(got.subarray(0, HEAD.length)), decodeLatin1(HEAD));
  assert.equal(decodeLatin1(got.subarray(HEAD.length)), decodeLatin1(all));
  assert.ok(folder.read("committed"));
});

Deno.test("The status and the last line of a program are told", async () => {
  using folder = new Folder();
  const good = async (script: string, code: number, lastLine: string) => {
    const ended = await inject(call(folder, `cat >"$D/mail"; ${script}`), message("body\n"));
    assert.deepEqual(ended, { code, lastLine }, script);
  };
  await good("exit 1", 1, "");
  await good("exit 75", 75, "");
  await good("exit 255", 255, "");
  await good("echo first >&2; echo 'no such user' >&2; exit 67", 67, "no such user");
  await good("printf 'no newline' >&2; exit 67", 67, "no newline");
  await good("printf 'a\\r\\n\\r\\n\\n' >&2; exit 67", 67, "a");
  await good("printf 'a\\033[31mb\\tc' >&2; exit 67", 67, "a [31mb c");
  await good("echo 'to stdout'; exit 67", 67, "");
  await good("echo 'all is well' >&2; exit 0", 0, "");
  await good(`printf '%1000s' x | tr ' ' y >&2; exit 1`, 1, "y".repeat(200));
  await good("yes line | head -n 100000 >&2; echo last >&2; exit 1", 1, "last");
});

Deno.test("A program gets its arguments and environment as they are, and nothing else", async () => {
  using folder = new Folder();
  const hostile = '$(touch "$D/pwned") `id` ; *';
  const script = 'cat >"$D/mail"; printf "%s|" "$@" >"$D/args"; env >"$D/env"';
  const given = call(folder, script);
  Deno.env.set("COUNTERSIGN_TEST", "leaked");
  try {
    await inject({ ...given, argv: [...given.argv, "name", hostile, "", "-x"] }, message());
  } finally {
    Deno.env.delete("COUNTERSIGN_TEST");
  }
  assert.equal(decodeLatin1(folder.read("args")!), `${hostile}||-x|`);
  assert.equal(folder.read("pwned"), undefined);
  const names = decodeLatin1(folder.read("env")!).trim().split("\n").map((line) => line.split("=")[0]);
  // PWD and its like are the shell's own.
  assert.deepEqual(names.filter((name) => !["PWD", "SHLVL", "_", "OLDPWD"].includes(name!)).sort(), ["D", "PATH"]);
});

/** Runs, expects this failure, and that the program is gone without having taken the part for the whole. */
async function undone(
  folder: Folder,
  given: SpawnOptions,
  body: AsyncIterable<Uint8Array>,
  kind: string,
): Promise<Error> {
  let failed: Error | undefined;
  await inject(given, { head: HEAD, body }).catch((error) => failed = error);
  assert.ok(failed instanceof Fail, `${failed}`);
  assert.equal(failed.kind, kind);
  const pid = await folder.pid();
  assert.ok(!runs(pid), "killed and reaped");
  assert.equal(folder.read("committed"), undefined, "nothing is committed");
  return failed;
}

Deno.test("An error in the body kills the program before its input ends", async () => {
  for (const first of [utf8("half"), LARGE]) {
    using folder = new Folder();
    const body = async function* () {
      yield first;
      await folder.pid();
      throw new Fail("io", "no more");
    };
    assert.equal((await undone(folder, call(folder, COMMITS), body(), "io")).message, "no more");
  }
});

Deno.test("What inspect finds kills the program, too", async () => {
  using folder = new Folder();
  const body = async function* () {
    yield utf8("fine\n");
    await folder.pid();
    yield utf8("not fine\n");
  };
  const seen: string[] = [];
  const inspect = (chunk: Uint8Array) => {
    seen.push(decodeLatin1(chunk));
    if (decodeLatin1(chunk).startsWith("not")) throw new Fail("data", "not fine");
  };
  await undone(folder, call(folder, COMMITS, { inspect }), body(), "data");
  assert.deepEqual(seen, [decodeLatin1(HEAD), "fine\n", "not fine\n"], "every piece is looked at, the header first");
  assert.ok(!decodeLatin1(folder.read("mail") ?? new Uint8Array(0)).includes("not fine"), "and before it is written");
});

Deno.test("A signal kills the program, while the body is awaited", async () => {
  using folder = new Folder();
  const controller = new AbortController();
  const never = Promise.withResolvers<void>();
  const body = async function* () {
    yield utf8("half");
    await folder.pid();
    controller.abort();
    await never.promise;
  };
  const given = call(folder, COMMITS, { signal: controller.signal });
  assert.match((await undone(folder, given, body(), "temporary")).message, /signal/);
  never.resolve();
});

Deno.test("A signal kills the program, while it does not read", async () => {
  using folder = new Folder();
  const controller = new AbortController();
  const given = call(folder, `echo $$ >"$D/pid"; exec sleep 1000`, { signal: controller.signal });
  const failed = undone(folder, given, chunks(LARGE), "temporary");
  await folder.pid();
  controller.abort();
  await failed;
});

Deno.test("A signal kills the program, after it has read everything", async () => {
  using folder = new Folder();
  const controller = new AbortController();
  const script = `cat >"$D/mail"; echo $$ >"$D/pid"; exec sleep 1000`;
  const failed = undone(folder, call(folder, script, { signal: controller.signal }), chunks("body"), "temporary");
  await folder.pid();
  controller.abort();
  await failed;
});

Deno.test("A program that commits after the signal has committed: its own status counts", async () => {
  using folder = new Folder();
  const controller = new AbortController();
  const script = `cat >"$D/mail"; echo $$ >"$D/pid"; while [ ! -e "$D/go" ]; do sleep 0.05; done; : >"$D/committed"`;
  const ended = inject(call(folder, script, { signal: controller.signal }), message("body"));
  await folder.pid();
  controller.abort();
  Deno.writeTextFileSync(`${folder.path}/go`, "");
  assert.deepEqual(await ended, { code: 0, lastLine: "" });
  assert.ok(folder.read("committed"));
});

Deno.test("What a wrapper has started is killed with it", async () => {
  using folder = new Folder();
  const body = async function* () {
    yield utf8("half");
    await folder.pid();
    throw new Fail("io", "no more");
  };
  // The wrapper is the program; the one that would commit is its child, which init reaps when it likes.
  const inner = COMMITS.replaceAll("$D", folder.path);
  const given = call(folder, `/bin/sh -c '${inner}'; exit $?`);
  await assert.rejects(inject(given, { head: HEAD, body: body() }), { kind: "io" });
  const pid = await folder.pid();
  const state = () => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "")[0];
    } catch {
      return undefined;
    }
  };
  await folder.until(() => state() === undefined || state() === "Z");
  assert.equal(folder.read("committed"), undefined);
});

Deno.test("A program that ends while its child holds the pipe is not waited for", async () => {
  using folder = new Folder();
  const script = 'sleep 1000 <&0 >/dev/null 2>&1 & echo $! >"$D/pid"; exit 75';
  assert.deepEqual(await inject(call(folder, script), message(LARGE)), { code: 75, lastLine: "" });
  Deno.kill(await folder.pid(), "SIGKILL");
});

Deno.test("A signal from before stops everything", async () => {
  using folder = new Folder();
  const given = call(folder, COMMITS, { signal: AbortSignal.abort() });
  await assert.rejects(inject(given, message("body")), { kind: "temporary", message: /signal/ });
  assert.equal(folder.read("committed"), undefined);
});

Deno.test("A program that takes too long is killed, before and after it has read", async () => {
  const late = async (script: string, body: string | Uint8Array) => {
    using folder = new Folder();
    const failed = await undone(folder, call(folder, script, { timeout: 2 }), chunks(body), "temporary");
    assert.equal(failed.message, "/bin/sh took longer than 2 s and was killed");
  };
  const pid = 'echo $$ >"$D/pid"';
  await Promise.all([
    late(`${pid}; exec sleep 1000`, LARGE),
    late(`${pid}; exec sleep 1000`, "small"),
    late(`${pid}; cat >"$D/mail"; exec sleep 1000`, LARGE),
    late(`${pid}; trap '' TERM; cat >"$D/mail"; while :; do sleep 0.1; done`, "small"),
  ]);
});

Deno.test("A program that cannot be run is an error of the system", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(`${folder.path}/plain`, "not a program\n", { mode: 0o644 });
  for (const program of ["/nonexistent/program", folder.path, `${folder.path}/plain`, `${folder.path}/plain/x`]) {
    const given = call(folder, "", { argv: [program] });
    await assert.rejects(inject(given, message()), (error: Fail) => {
      assert.equal(error.kind, "system", `${error}`);
      assert.ok(error.message.startsWith(JSON.stringify(program)), error.message);
      return true;
    });
  }
});

Deno.test("Success before the whole message was read is none", async () => {
  using folder = new Folder();
  for (const script of ["exit 0", "head -c 10 >/dev/null; exit 0", "exec <&-; sleep 0.1; exit 0"]) {
    const failed = inject(call(folder, script), message(LARGE));
    await assert.rejects(failed, { kind: "temporary", message: /did not read the whole message/ }, script);
  }
});

Deno.test("Failure before the whole message was read is the program's own", async () => {
  using folder = new Folder();
  for (const script of ["echo 'no such user' >&2; exit 67", "exec <&-; echo 'no such user' >&2; exit 67"]) {
    assert.deepEqual(await inject(call(folder, script), message(LARGE)), { code: 67, lastLine: "no such user" });
  }
});

Deno.test("An error in the body is told even when the program has ended already", async () => {
  for (const status of [0, 67]) {
    using folder = new Folder();
    // It reads the header and its empty line, then ends.
    const script = `read line; read line; echo $$ >"$D/pid"; exit ${status}`;
    const body = async function* () {
      const pid = await folder.pid();
      await folder.until(() => !runs(pid));
      if (status >= 0) throw new Fail("io", "no more");
      yield utf8("");
    };
    await undone(folder, call(folder, script), body(), "io");
  }
});

Deno.test("A program killed by somebody else is a temporary failure", async () => {
  using folder = new Folder();
  for (const signal of ["TERM", "KILL", "SEGV"]) {
    const failed = inject(call(folder, `cat >"$D/mail"; kill -${signal} $$`), message("body"));
    await assert.rejects(failed, { kind: "temporary", message: `/bin/sh was killed by SIG${signal}` });
  }
});

Deno.test("A grandchild that holds standard error open holds up nobody", async () => {
  for (const [status, lastLine] of [[0, ""], [67, "no such user"]] as const) {
    using folder = new Folder();
    const script = `cat >"$D/mail"; echo 'no such user' >&2; sleep 1000 & echo $! >"$D/pid"; exit ${status}`;
    const ended = await inject(call(folder, script), message("body"));
    const pid = await folder.pid();
    assert.ok(runs(pid), "the grandchild is still there");
    Deno.kill(pid, "SIGKILL");
    assert.deepEqual(ended, { code: status, lastLine });
  }
});
