/** No way out commits once the launcher is not the parent any more. */
import assert from "node:assert/strict";
import { LAUNCHER } from "../../../io/system/environment.ts";
import { Home, ROOT } from "../../rig.ts";
import { Sink } from "../../smtp_sink.ts";
import { got, stub } from "../../stub.ts";

/** [the way, its settings, how much of the message arrived] */
const ways: [string, (home: Home, sink: Sink) => string, (home: Home, sink: Sink) => string][] = [
  ["maildir", () => 'via = "maildir"\nmaildir = "~/out"\n', (home) => home.mails("out").join()],
  ["program", (home) => `command = ["${stub(home)}"]\n`, got],
  ["program, by a spool", (home) => `command = ["${stub(home)}"]\nspool = true\n`, got],
  [
    "server",
    (_, { port }) => `via = "smtp"\nhost = "127.0.0.1"\nport = ${port}\nsecurity = "none"\n`,
    (_, { taken }) => taken.map(({ mail }) => mail).join(),
  ],
];

for (const [way, settings, arrived] of ways) {
  for (const how of ["whole", "streams"]) {
    Deno.test(`${way}, a message that ${how}: sent only while the launcher lives`, async () => {
      using home = new Home();
      await using sink = new Sink();
      const identity = '[[identity]]\naddress = "greg@example.org"\n';
      const text = `${identity}[transport]\npreset = "sendmail"\n${settings(home, sink)}`;
      // A process of its own: other tests run in this one, and would see what is set in its environment.
      const program = `${ROOT}/tests/io/transport/commit_program.ts`;
      const deno = [Deno.execPath(), "run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`, program];
      const run = async (env: Record<string, string>) => {
        const { code, stderr } = await home.run([...deno, text, how], "", { ...env });
        assert.ok(code === 0 || code === 75, stderr);
        return code;
      };
      for (const gone of [String(Deno.ppid), "1", "0", ""]) {
        assert.equal(await run({ [LAUNCHER]: gone }), 75, gone);
        // A program may have been started, and killed before its input ended.
        assert.doesNotMatch(arrived(home, sink), /Hi/);
      }
      assert.equal(await run({ [LAUNCHER]: String(Deno.pid) }), 0);
      assert.match(arrived(home, sink), /Hi/);
      assert.equal(await run({}), 0);
    });
  }
}
