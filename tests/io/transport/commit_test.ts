/** No way out commits once the launcher is not the parent any more. */
import assert from "node:assert/strict";
import { utf8 } from "../../../lib/bytes.ts";
import { parseConfig } from "../../../lib/settings/parse.ts";
import { LAUNCHER } from "../../../io/system/environment.ts";
import { send } from "../../../io/transport/send.ts";
import { Rejected } from "../../../io/transport/rejected.ts";
import { Home } from "../../rig.ts";
import { Sink } from "../../smtp_sink.ts";
import { got, stub } from "../../stub.ts";

const HEAD = utf8("Subject: x\n\n");
const TO_ANN = {
  sender: { local: "greg", domain: "example.org" },
  recipients: [{ local: "ann", domain: "example.net" }],
  dsn: {},
};

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
  for (const whole of [true, false]) {
    Deno.test(`${way}, a message that ${whole ? "has been read" : "streams"}: sent only while the launcher lives`, async () => {
      const home = new Home();
      await using sink = new Sink();
      // The program's environment is that of this process.
      const before = Deno.env.get("HOME");
      Deno.env.set("HOME", home.path);
      try {
        const identity = '[[identity]]\naddress = "greg@example.org"\n';
        const text = `${identity}[transport]\npreset = "sendmail"\n${settings(home, sink)}`;
        const place = { file: `${home.path}/config.toml`, home: home.path };
        const sendIt = async () => {
          const body = async function* () {
            yield await Promise.resolve(utf8("Hi.\n"));
          };
          await send(parseConfig(text, place), TO_ANN, { head: HEAD, body: body(), whole });
        };
        for (const gone of [String(Deno.pid), "1", "0", ""]) {
          Deno.env.set(LAUNCHER, gone);
          await assert.rejects(sendIt(), (error) => error instanceof Rejected && error.code === 75);
          // A program may have been started, and killed before its input ended.
          assert.doesNotMatch(arrived(home, sink), /Hi/);
        }
        for (const alive of [String(Deno.ppid), undefined]) {
          if (alive === undefined) Deno.env.delete(LAUNCHER);
          else Deno.env.set(LAUNCHER, alive);
          await sendIt();
        }
        assert.match(arrived(home, sink), /Hi/);
      } finally {
        Deno.env.delete(LAUNCHER);
        Deno.env.set("HOME", before!);
        home[Symbol.dispose]();
      }
    });
  }
}
