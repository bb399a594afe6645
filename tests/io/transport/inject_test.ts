import assert from "node:assert/strict";
import { decodeLatin1, utf8 } from "../../../lib/bytes.ts";
import { Fail } from "../../../lib/fail.ts";
import type { SpawnOptions } from "../../../io/transport/child.ts";
import { inject } from "../../../io/transport/inject.ts";
import { chunks } from "./chunks.ts";
import { HEAD, LARGE, message, ProgramFolder } from "./injected.ts";

const isRunning = (pid: number): boolean => {
  try {
    // A zombie also has this folder: it disappears when the process was reaped.
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
};

/** Commits at the end of input, as every mail program does. */
const COMMITS = 'echo $$ >"$D/pid"; cat >"$D/mail"; : >"$D/committed"';

Deno.test("The message arrives unchanged although its chunks share one buffer", async () => {
  using folder = new ProgramFolder();
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
  assert.deepEqual(await inject(folder.options(COMMITS), { head: HEAD, body: body() }), { code: 0, lastLine: "" });
  assert.equal(folder.read("mail"), decodeLatin1(HEAD) + decodeLatin1(all));
  assert.notEqual(folder.read("committed"), undefined);
});

Deno.test("The exit status and the last line on standard error are returned", async () => {
  using folder = new ProgramFolder();
  const good = async (script: string, code: number, lastLine: string) => {
    const ended = await inject(folder.options(`cat >"$D/mail"; ${script}`), message("body\n"));
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
  await good("echo 'all is well' >&2; exit 0", 0, "all is well");
  await good(`printf '%1000s' x | tr ' ' y >&2; exit 1`, 1, "y".repeat(200));
  await good("yes line | head -n 100000 >&2; echo last >&2; exit 1", 1, "last");
});

/** [script, what is passed on] */
const heard: [string, string][] = [
  ["exit 0", ""],
  ["echo one >&2; exit 0", "one\n"],
  ["echo one >&2; echo two >&2; printf three >&2; exit 0", "one\ntwo\nthree"],
  ["echo one >&2; exit 1", ""],
  ["echo one >&2; echo two >&2; exit 1", "one\n"],
  ["printf 'one\\n\\ntwo\\n\\n' >&2; exit 1", "one\n\n"],
  // A line that is cut in the error message is passed on, too.
  [`printf '%300s' x | tr ' ' y >&2; exit 1`, `${"y".repeat(299)}x`],
  ["yes line | head -n 100000 >&2; echo last >&2; exit 1", "line\n".repeat(100_000)],
];
for (const [script, expected] of heard) {
  for (const spooled of [false, true]) {
    Deno.test(`All of standard error is heard, except the last line of a failure: ${script} (spool ${spooled})`, async () => {
      using folder = new ProgramFolder();
      let text = "";
      const more = { hear: (part: string) => void (text += part), ...(spooled && { spool: `${folder.path}/spool` }) };
      await inject(folder.options(`cat >"$D/mail"; ${script}`, more), message("body\n"));
      assert.equal(text, expected);
    });
  }
}

const SESSION = "220 mx\n250-mx\n250 SIZE\n354 go\n250 2.0.0 4AX Message accepted for delivery\n221 2.0.0 bye\n";
/** [standard output, the reply that is reported] */
const transcripts: [string, string | undefined][] = [
  ["", undefined],
  ["nothing of the kind\n", undefined],
  [SESSION, "250 2.0.0 4AX Message accepted for delivery"],
  [SESSION.replace(/^/gm, "<-- ").replaceAll("\n", "\r\n"), "250 2.0.0 4AX Message accepted for delivery"],
  ["220 mx\n250 ok\n550 5.1.1 No\n221 bye\n", "550 5.1.1 No"],
];
for (const [printed, reply] of transcripts) {
  for (const spooled of [false, true]) {
    Deno.test(`The last reply in a transcript: ${JSON.stringify(printed)} (spool ${spooled})`, async () => {
      using folder = new ProgramFolder();
      Deno.writeTextFileSync(`${folder.path}/printed`, printed);
      const more = { transcript: true, ...(spooled && { spool: `${folder.path}/spool` }) };
      const script = 'cat >"$D/mail"; cat "$D/printed"';
      const ended = await inject(folder.options(script, more), message("body\n"));
      assert.deepEqual(ended, { code: 0, lastLine: "", ...(reply !== undefined && { reply }) });
      // Otherwise standard output is not read.
      assert.deepEqual(await inject(folder.options(script), message("body\n")), { code: 0, lastLine: "" });
    });
  }
}

Deno.test("The last reply in the transcript of a program that leaves a child behind", async () => {
  using folder = new ProgramFolder();
  const script = 'cat >"$D/mail"; echo "250 ok"; sleep 60 & echo $! >"$D/pid"';
  for (const spool of [{}, { spool: `${folder.path}/spool` }]) {
    const ended = await inject(folder.options(script, { transcript: true, ...spool }), message("body\n"));
    Deno.kill(await folder.pid(), "SIGKILL");
    assert.deepEqual(ended, { code: 0, lastLine: "", reply: "250 ok" });
  }
});

Deno.test("A program gets exactly the given arguments and environment", async () => {
  using folder = new ProgramFolder();
  const hostile = '$(touch "$D/pwned") `id` ; *';
  const script = 'cat >"$D/mail"; printf "%s|" "$@" >"$D/args"; env >"$D/env"';
  const spawnOptions = folder.options(script);
  assert.ok(Deno.env.get("HOME"), "a variable that could leak");
  await inject({ ...spawnOptions, argv: [...spawnOptions.argv, "name", hostile, "", "-x"] }, message());
  assert.equal(folder.read("args")!, `${hostile}||-x|`);
  assert.equal(folder.read("pwned"), undefined);
  const names = folder.read("env")!.trim().split("\n").map((line) => line.split("=")[0]);
  // The shell adds PWD and others.
  assert.deepEqual(names.filter((name) => !["PWD", "SHLVL", "_", "OLDPWD"].includes(name!)).sort(), ["D", "PATH"]);
});

/**
 * Expects that inject() fails with this kind, and that the program was killed without committing the partial message.
 */
async function failsWithoutCommit(
  folder: ProgramFolder,
  spawnOptions: SpawnOptions,
  body: AsyncIterable<Uint8Array>,
  kind: string,
): Promise<Error> {
  let failed: Error | undefined;
  await inject(spawnOptions, { head: HEAD, body }).catch((error) => failed = error);
  assert.ok(failed instanceof Fail, `${failed}`);
  assert.equal(failed.kind, kind);
  const pid = await folder.pid();
  assert.ok(!isRunning(pid), "killed and reaped");
  assert.equal(folder.read("committed"), undefined, "nothing was committed");
  return failed;
}

Deno.test("An error in the body kills the program before its input ends", async () => {
  for (const first of [utf8("half"), LARGE]) {
    using folder = new ProgramFolder();
    const body = async function* () {
      yield first;
      await folder.pid();
      throw new Fail("io", "no more");
    };
    assert.equal((await failsWithoutCommit(folder, folder.options(COMMITS), body(), "io")).message, "no more");
  }
});

Deno.test("An error of inspect kills the program", async () => {
  using folder = new ProgramFolder();
  const body = async function* () {
    yield utf8("fine\n");
    await folder.pid();
    yield utf8("not fine\n");
  };
  const inspected: string[] = [];
  const inspect = (chunk: Uint8Array) => {
    inspected.push(decodeLatin1(chunk));
    if (decodeLatin1(chunk).startsWith("not")) throw new Fail("data", "not fine");
  };
  await failsWithoutCommit(folder, folder.options(COMMITS, { inspect }), body(), "data");
  assert.deepEqual(
    inspected,
    [decodeLatin1(HEAD), "fine\n", "not fine\n"],
    "every chunk is inspected, the header first",
  );
  assert.ok(
    !(folder.read("mail") ?? "").includes("not fine"),
    "a chunk is inspected before it is written",
  );
});

Deno.test("A signal while waiting for the body kills the program", async () => {
  using folder = new ProgramFolder();
  const controller = new AbortController();
  const never = Promise.withResolvers<void>();
  const body = async function* () {
    yield utf8("half");
    await folder.pid();
    controller.abort();
    await never.promise;
  };
  const spawnOptions = folder.options(COMMITS, { signal: controller.signal });
  assert.match((await failsWithoutCommit(folder, spawnOptions, body(), "temporary")).message, /signal/);
  never.resolve();
});

Deno.test("A signal kills a program that does not read", async () => {
  using folder = new ProgramFolder();
  const controller = new AbortController();
  const spawnOptions = folder.options(`echo $$ >"$D/pid"; exec sleep 1000`, { signal: controller.signal });
  const failed = failsWithoutCommit(folder, spawnOptions, chunks(LARGE), "temporary");
  await folder.pid();
  controller.abort();
  await failed;
});

Deno.test("A signal kills a program that has read everything", async () => {
  using folder = new ProgramFolder();
  const controller = new AbortController();
  const script = `cat >"$D/mail"; echo $$ >"$D/pid"; exec sleep 1000`;
  const failed = failsWithoutCommit(
    folder,
    folder.options(script, { signal: controller.signal }),
    chunks("body"),
    "temporary",
  );
  await folder.pid();
  controller.abort();
  await failed;
});

Deno.test("If the program commits after the signal, its own status counts", async () => {
  using folder = new ProgramFolder();
  const controller = new AbortController();
  const script = `cat >"$D/mail"; echo $$ >"$D/pid"; while [ ! -e "$D/go" ]; do sleep 0.05; done; : >"$D/committed"`;
  const ended = inject(folder.options(script, { signal: controller.signal }), message("body"));
  await folder.pid();
  controller.abort();
  Deno.writeTextFileSync(`${folder.path}/go`, "");
  assert.deepEqual(await ended, { code: 0, lastLine: "" });
  assert.notEqual(folder.read("committed"), undefined);
});

Deno.test("Child processes of the program are killed with it", async () => {
  using folder = new ProgramFolder();
  const body = async function* () {
    yield utf8("half");
    await folder.pid();
    throw new Fail("io", "no more");
  };
  // The process that would commit is a child of the program; init may reap it later.
  const inner = COMMITS.replaceAll("$D", folder.path);
  const spawnOptions = folder.options(`/bin/sh -c '${inner}'; exit $?`);
  await assert.rejects(inject(spawnOptions, { head: HEAD, body: body() }), { kind: "io" });
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

Deno.test("A child process that keeps the pipe open does not delay the result", async () => {
  using folder = new ProgramFolder();
  const script = 'sleep 1000 <&0 >/dev/null 2>&1 & echo $! >"$D/pid"; exit 75';
  assert.deepEqual(await inject(folder.options(script), message(LARGE)), { code: 75, lastLine: "" });
  Deno.kill(await folder.pid(), "SIGKILL");
});

Deno.test("A signal that arrived earlier prevents everything", async () => {
  using folder = new ProgramFolder();
  const spawnOptions = folder.options(COMMITS, { signal: AbortSignal.abort() });
  await assert.rejects(inject(spawnOptions, message("body")), { kind: "temporary", message: /signal/ });
  assert.equal(folder.read("committed"), undefined);
});

Deno.test("A program that takes too long is killed, whether it reads or not", async () => {
  const timesOut = async (script: string, body: string | Uint8Array) => {
    using folder = new ProgramFolder();
    const failed = await failsWithoutCommit(folder, folder.options(script, { timeout: 2 }), chunks(body), "temporary");
    assert.equal(failed.message, "/bin/sh took longer than 2 s and was killed");
  };
  const pid = 'echo $$ >"$D/pid"';
  await Promise.all([
    timesOut(`${pid}; exec sleep 1000`, LARGE),
    timesOut(`${pid}; exec sleep 1000`, "small"),
    timesOut(`${pid}; cat >"$D/mail"; exec sleep 1000`, LARGE),
    timesOut(`${pid}; trap '' TERM; cat >"$D/mail"; while :; do sleep 0.1; done`, "small"),
  ]);
});

Deno.test("A program that cannot be run is a system error", async () => {
  using folder = new ProgramFolder();
  Deno.writeTextFileSync(`${folder.path}/plain`, "not a program\n", { mode: 0o644 });
  for (const program of ["/nonexistent/program", folder.path, `${folder.path}/plain`, `${folder.path}/plain/x`]) {
    const spawnOptions = folder.options("", { argv: [program] });
    await assert.rejects(inject(spawnOptions, message()), (error: Fail) => {
      assert.equal(error.kind, "system", `${error}`);
      assert.ok(error.message.startsWith(JSON.stringify(program)), error.message);
      return true;
    });
  }
});

Deno.test("Success before the whole message was read is a temporary failure", async () => {
  using folder = new ProgramFolder();
  for (const script of ["exit 0", "head -c 10 >/dev/null; exit 0", "exec <&-; sleep 0.1; exit 0"]) {
    const failed = inject(folder.options(script), message(LARGE));
    await assert.rejects(failed, { kind: "temporary", message: /did not read the whole message/ }, script);
  }
});

Deno.test("If the program fails before it has read everything, its status counts", async () => {
  using folder = new ProgramFolder();
  for (const script of ["echo 'no such user' >&2; exit 67", "exec <&-; echo 'no such user' >&2; exit 67"]) {
    assert.deepEqual(await inject(folder.options(script), message(LARGE)), { code: 67, lastLine: "no such user" });
  }
});

Deno.test("An error in the body is reported even if the program has already ended", async () => {
  for (const status of [0, 67]) {
    using folder = new ProgramFolder();
    // The program reads the header and the empty line, then ends.
    const script = `read line; read line; echo $$ >"$D/pid"; exit ${status}`;
    const body = async function* () {
      const pid = await folder.pid();
      await folder.until(() => !isRunning(pid));
      if (status >= 0) throw new Fail("io", "no more");
      yield utf8("");
    };
    await failsWithoutCommit(folder, folder.options(script), body(), "io");
  }
});

Deno.test("A program killed by a signal of others is a temporary failure", async () => {
  using folder = new ProgramFolder();
  for (const signal of ["TERM", "KILL", "SEGV"]) {
    const failed = inject(folder.options(`cat >"$D/mail"; kill -${signal} $$`), message("body"));
    await assert.rejects(failed, { kind: "temporary", message: `/bin/sh was killed by SIG${signal}` });
  }
});

Deno.test("A grandchild that keeps standard error open does not delay the result", async () => {
  for (const [status, lastLine] of [[0, "no such user"], [67, "no such user"]] as const) {
    using folder = new ProgramFolder();
    const script = `cat >"$D/mail"; echo 'no such user' >&2; sleep 1000 & echo $! >"$D/pid"; exit ${status}`;
    const ended = await inject(folder.options(script), message("body"));
    const pid = await folder.pid();
    assert.ok(isRunning(pid), "the grandchild is still running");
    Deno.kill(pid, "SIGKILL");
    assert.deepEqual(ended, { code: status, lastLine });
  }
});
