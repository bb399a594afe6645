/** The real OpenSMTPD with the filter of contrib/opensmtpd, and the socket `lookup` of an engine. */
import assert from "node:assert/strict";
import { rememberSent } from "../../io/state/sent.ts";
import { lookups } from "../../serve/lookup/conversation.ts";
import { listenAt } from "../../serve/sockets/listen.ts";
import { SocketServer } from "../../serve/sockets/server.ts";
import { qsbmf, ROOT } from "../rig.ts";
import { FORGED, LETTER, LIE, PLAIN, srs } from "../serve/at_door.ts";
import { EngineHome } from "../serve/engine.ts";
import { Sink } from "../smtp_sink.ts";
import { OpenSmtpd, opensmtpd, SMTPD } from "./opensmtpd.ts";
import { Installed, smtp } from "./postfix.ts";

const { test, unpack } = await opensmtpd();
const CONTACT = "joe@example.org";

test("OpenSMTPD rejects what the door would reject", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using installed = await Installed.make(ROOT);
  using home = new EngineHome(`contact = ${JSON.stringify(CONTACT)}\nmoved = "moved"`);
  home.write("moved", "ann@example.org ann@example.net\n");
  assert.equal(home.engine.reload(), undefined);
  const greg = home.identity("greg");
  rememberSent(`${home.path}/state/sent`, greg, "<known@example.org>", false, new Date());
  await using server = new OpenSmtpd(root, installed);
  const reports: string[] = [];
  const listen = async () => {
    const context = { loaded: () => home.engine.loaded, store: undefined };
    const one = new SocketServer(await listenAt(server.socket), lookups(context), (what) => void reports.push(what));
    Deno.chownSync(server.socket, 0, SMTPD);
    Deno.chmodSync(server.socket, 0o660);
    return one;
  };
  const lookup = await listen();
  await server.start(`filter "countersign" proc-exec "${server.filter}"
listen on 127.0.0.1 port ${server.port} filter "countersign"
action "relay" relay host "smtp://127.0.0.1:${sink.port}"
match from any for any action "relay"
`);
  const refused = (status: string, text: string) => `550 ${status} ${text}. Contact: ${CONTACT}\r\n`;
  const forged = refused("5.7.1", "This is a bounce of a message that was not sent from here");
  const noAddress = refused("5.1.1", "No such address");
  const known = qsbmf(PLAIN, LIE.replace("lie@spam.example", "known@example.org"));
  const rows: [what: string, sender: string, recipient: string, mail: string, expected: string | RegExp][] = [
    ["a bad hash", "", srs("greg", "mallory"), FORGED, noAddress],
    ["a bad hash, from a person", "jo@b.example", srs("greg", "mallory"), LETTER, noAddress],
    ["a forged bounce to the plain address", "", PLAIN, FORGED, forged],
    ["a valid signed address", "", srs(), FORGED, /^250 /],
    ["a bounce of a remembered message", "", PLAIN, known, /^250 /],
    ["a person", "jo@b.example", PLAIN, LETTER, /^250 /],
    ["an unrelated recipient", "", "joe@b.example", FORGED, /^250 /],
  ];
  for (const [what, sender, recipient, mail, expected] of rows) {
    await t.step(what, async () => {
      const reply = await smtp(server.port, sender, recipient, mail);
      if (typeof expected === "string") assert.equal(reply, expected, server.log());
      else assert.match(reply, expected, server.log());
    });
  }
  await t.step("without serve, mail is accepted", async () => {
    await lookup.close(0);
    assert.match(await smtp(server.port, "", PLAIN, FORGED), /^250 /);
    assert.ok(server.runs);
    assert.deepEqual(reports, []);
  });
});
