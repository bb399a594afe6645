/** No transport commits a message after the launcher has died. */
import assert from "node:assert/strict";
import { LAUNCHER } from "../../../io/system/environment.ts";
import { Home, ROOT } from "../../rig.ts";
import { Sink } from "../../smtp_sink.ts";
import { stub, stubInput } from "../../stub.ts";

/** [transport, its settings, what has arrived] */
const TRANSPORTS: [string, (home: Home, sink: Sink) => string, (home: Home, sink: Sink) => string][] = [
  ["maildir", () => 'via = "maildir"\nmaildir = "~/out"\n', (home) => home.mails("out").join()],
  ["program", (home) => `command = ["${stub(home)}"]\n`, stubInput],
  ["program with a spool", (home) => `command = ["${stub(home)}"]\nspool = true\n`, stubInput],
  [
    "server",
    (_, { port }) => `via = "smtp"\nhost = "127.0.0.1"\nport = ${port}\nsecurity = "none"\n`,
    (_, { accepted }) => accepted.map(({ mail }) => mail).join(),
  ],
];

for (const [transport, settings, arrived] of TRANSPORTS) {
  for (const how of ["whole", "streams"]) {
    Deno.test(`${transport}, message ${how}: sent only while the launcher is running`, async () => {
      using home = new Home();
      await using sink = new Sink();
      const identity = '[[identity]]\naddress = "greg@example.org"\n';
      const text = `${identity}[transport]\npreset = "sendmail"\n${settings(home, sink)}`;
      // A separate process, because other tests share the environment of this one.
      const program = `${ROOT}/tests/io/transport/send_program.ts`;
      const deno = [Deno.execPath(), "run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`, program];
      const run = async (env: Record<string, string>) => {
        const { code, stderr } = await home.run([...deno, text, how], "", { ...env });
        assert.ok(code === 0 || code === 75, stderr);
        return code;
      };
      for (const launcher of [String(Deno.ppid), "1", "0", ""]) {
        assert.equal(await run({ [LAUNCHER]: launcher }), 75, launcher);
        // A program may have been started, but was killed before its input ended.
        assert.doesNotMatch(arrived(home, sink), /Hi/);
      }
      assert.equal(await run({ [LAUNCHER]: String(Deno.pid) }), 0);
      assert.match(arrived(home, sink), /Hi/);
      assert.equal(await run({}), 0);
    });
  }
}
