/**
 * An injector that is missing, not executable or slow, hangs, or closes its input early: the message is sent whole and
 * once, or kept.
 */
import assert from "node:assert/strict";
import type { Job } from "./driver.ts";
import { BODY, CONFIG, FaultHome, isWhole, KEYS, letter, onceOrKept, STORES } from "./home.ts";

const TO = "ann@example.net";
/** Larger than the buffer of a pipe. */
const LARGE = "a line of the body, as many others are\n".repeat(8000);

/** Runs the shim once with this script, or the program that the function creates, as its injector. */
async function runOnce(
  program: string | ((home: FaultHome) => string),
  { spool = false, body = BODY, more = "" }: { spool?: boolean; body?: string; more?: string } = {},
): Promise<{ status: number; mails: string[] }> {
  using home = new FaultHome();
  const path = typeof program === "string" ? home.write("bin/program", `#!/bin/sh\n${program}`, 0o755) : program(home);
  const files = { [CONFIG]: home.config(`command = ["${path}"]\nspool = ${spool}\n${more}`), [KEYS]: home.keys };
  const job: Job = { program: "shim", args: [TO], input: letter(TO, body), files };
  const { results } = await home.drive([job]);
  await home.quiet();
  return { status: results[0]!.status, mails: home.taken(TO) };
}

for (const spool of [false, true]) {
  Deno.test(`a program that cannot be run, spool = ${spool}: exit 71, kept`, async () => {
    const rows: [string, (home: FaultHome) => string][] = [
      ["missing", () => "/nonexistent/program"],
      ["not executable", (home) => home.write("bin/plain", `#!/bin/sh\n${STORES}`, 0o644)],
      ["a folder", (home) => home.path],
      ["without its interpreter", (home) => home.write("bin/odd", "#!/nonexistent/sh\n", 0o755)],
    ];
    for (const [what, program] of rows) {
      const { status, mails } = await runOnce(program, { spool });
      assert.deepEqual([status, mails], [71, []], what);
    }
  });

  Deno.test(`a slow program, spool = ${spool}: sent`, async () => {
    const rows = [`sleep 0.3\n${STORES}`, `${STORES}sleep 0.3\n`, `head -c 0 >/dev/null; sleep 0.1; ${STORES}`];
    for (const program of rows) {
      const { status, mails } = await runOnce(program, { spool, body: LARGE });
      assert.equal(status, 0);
      onceOrKept(status, mails, program, LARGE);
    }
  });

  Deno.test(`a program that hangs, spool = ${spool}: killed and kept`, async () => {
    const rows = [
      "exec sleep 1000",
      "head -c 5000 >/dev/null; exec sleep 1000",
      "cat >/dev/null; exec sleep 1000",
      "(cat >/dev/null; exec sleep 1000); exit 0",
    ];
    const all = await Promise.all(
      rows.map((program) => runOnce(program, { spool, body: LARGE, more: "timeout = 1\n" })),
    );
    for (const [at, { status, mails }] of all.entries()) assert.deepEqual([status, mails], [75, []], rows[at]);
  });

  Deno.test(`a program that closes its input early, spool = ${spool}`, async () => {
    const head = letter(TO, "").length; // the shim adds fields, so input is also closed within those
    const cuts = [0, 1, head, head + LARGE.length / 2];
    for (const bytes of cuts) {
      for (const status of [0, 67, 75]) {
        const reads = bytes === 0 ? "" : `head -c ${bytes} >/dev/null\n`;
        const got = await runOnce(`${reads}exec <&-\nexit ${status}\n`, { spool, body: LARGE });
        // A broken pipe is noticed. How much of a file was read is unknown, so the program's success is believed.
        const expected = status === 0 && !spool ? 75 : status;
        assert.deepEqual([got.status, got.mails], [expected, []], `byte ${bytes}, status ${status}`);
      }
    }
  });
}

/** Kills the shim in mid-body, after the program has begun to read. @returns what the program took */
async function killedInMidBody(spool: boolean): Promise<string[]> {
  using home = new FaultHome();
  home.write("bin/injector", `#!/bin/sh\n: >"$HOME/reads"\n${STORES}`, 0o755);
  home.write(CONFIG, home.config(`spool = ${spool}\n`));
  const child = home.start(TO);
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(letter(TO, LARGE)));
  // All but the end is written. When streaming, the program reads now; with a spool the shim waits for the end.
  const begun = () => {
    try {
      return spool ? [...Deno.readDirSync(`/proc/${child.pid}/fd`)].some(({ name }) => isSpool(child.pid, name)) : [
        ...Deno.readDirSync(home.path),
      ].some(({ name }) => name === "reads");
    } catch {
      return false;
    }
  };
  const end = Date.now() + 30_000;
  while (!begun()) {
    assert.ok(Date.now() < end, "the shim does not start");
    await new Promise((done) => setTimeout(done, 5));
  }
  child.kill("SIGKILL");
  assert.equal((await child.status).signal, "SIGKILL");
  await writer.close().catch(() => {});
  await home.quiet();
  assert.equal(home.read("reads"), "");
  return home.taken(TO);
}

function isSpool(pid: number, fd: string): boolean {
  try {
    return /\/spool\/\S+ \(deleted\)$/.test(Deno.readLinkSync(`/proc/${pid}/fd/${fd}`));
  } catch {
    return false;
  }
}

Deno.test("SIGKILL in mid-body: when streaming, a partial message is sent; with a spool, none", async () => {
  const parts = await killedInMidBody(false);
  assert.equal(parts.length, 1, "the documented gap");
  // The injector got what had been written by then, without the end.
  assert.ok(!isWhole(parts[0]!, `${LARGE}the end\n`));
  assert.deepEqual(await killedInMidBody(true), []);
});
