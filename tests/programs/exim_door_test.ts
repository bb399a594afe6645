/** The real Exim with contrib/exim/door, which queries the socket `lookup`. */
import assert from "node:assert/strict";
import { rememberSent } from "../../io/state/sent.ts";
import { lookups } from "../../serve/lookup/conversation.ts";
import { listenAt } from "../../serve/sockets/listen.ts";
import { SocketServer } from "../../serve/sockets/server.ts";
import { qsbmf, ROOT } from "../rig.ts";
import { FORGED, LETTER, LIE, PLAIN, srs } from "../serve/at_door.ts";
import { EngineHome } from "../serve/engine.ts";
import { Sink } from "../smtp_sink.ts";
import { MAIN, prepareExim, toSmarthost } from "./exim.ts";
import { freePort, smtp, until } from "./postfix.ts";
import { type Root, unpacked } from "./unpacked.ts";

const { test, unpack } = await unpacked("exim4-daemon-light");
const CONTACT = 'joe ("postmaster"), joe@example.org';

/** Writes exim.conf with the snippet, and starts Exim on this port. */
function startExim(root: Root, port: number, sink: Sink): void {
  prepareExim(root);
  const [, main, rcpt, data] = Deno.readTextFileSync(`${ROOT}/contrib/exim/door/exim.conf`).split(
    /^# .*\n(?:# .*\n)*/m,
  );
  root.write(
    "etc/exim4/exim4.conf",
    `primary_hostname = mx.example.org
${MAIN}${main}
tls_advertise_hosts =
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${port}
acl_smtp_rcpt = rcpt
acl_smtp_data = data
begin acl
rcpt:
${rcpt}  accept
data:
${data}  accept
${toSmarthost(sink.port)}`,
  );
  root.start(["/usr/sbin/exim4", "-bdf"]);
}

/** Sends these commands. @returns the replies, without line ends */
async function session(port: number, lines: string[]): Promise<string[]> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(4096);
  const replies: string[] = [];
  for (const line of ["", "EHLO stranger.example", ...lines]) {
    if (line !== "") await connection.write(new TextEncoder().encode(`${line}\r\n`));
    let text = "";
    while (!/^\d{3} .*\r\n$/m.test(text)) {
      text += new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
    }
    replies.push(text.trimEnd().replaceAll("\r\n", "|"));
  }
  return replies.slice(2);
}

test("Exim rejects what the door would reject", async (t) => {
  await using sink = new Sink();
  await using root = await unpack();
  using home = new EngineHome(`contact = ${JSON.stringify(CONTACT)}`);
  const greg = home.identity("greg");
  rememberSent(`${home.path}/state/sent`, greg, "<known@example.org>", false, new Date());
  Deno.mkdirSync(`${root.path}/run/countersign`);
  const path = `${root.path}/run/countersign/lookup`;
  const reports: string[] = [];
  const listen = async () => {
    const context = { loaded: () => home.engine.loaded, store: undefined };
    const server = new SocketServer(await listenAt(path), lookups(context), (what) => void reports.push(what));
    Deno.chownSync(path, 0, 8); // the group of Exim, as a setgid folder would set it
    return server;
  };
  const server = await listen();
  const port = freePort();
  startExim(root, port, sink);
  await until("Exim", async () => {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return true;
    } catch {
      return false;
    }
  }, () => root.read("var/log/exim4/mainlog") + root.read("var/log/exim4/paniclog"));

  const refused = (status: string, text: string) => `550-${status} ${text}\r\n550 ${status} Contact: ${CONTACT}\r\n`;
  const forged = refused("5.7.1", "This is a bounce of a message that was not sent from here");
  const noAddress = refused("5.1.1", "No such address");
  const known = qsbmf(PLAIN, LIE.replace("lie@spam.example", "known@example.org"));
  const rows: [what: string, sender: string, recipient: string, mail: string, expected: string | RegExp][] = [
    ["a bad hash", "", srs("greg", "mallory"), FORGED, noAddress],
    ["a bad hash, from a person", "jo@b.example", srs("greg", "mallory"), LETTER, noAddress],
    ["a forged bounce to the plain address", "", PLAIN, FORGED, forged],
    ["with bytes outside ASCII", "", PLAIN, `${FORGED}\n\u00ff`, forged],
    ["a valid signed address", "", srs(), FORGED, /^250 /],
    ["a bounce of a remembered message", "", PLAIN, known, /^250 /],
    ["a person", "jo@b.example", PLAIN, LETTER, /^250 /],
    ["a quotation mark in an address", '"a\\"b"@b.example', PLAIN, LETTER, /^250 /],
    ["an unrelated recipient", "", "ann@b.example", FORGED, /^250 /],
  ];
  for (const [what, sender, recipient, mail, expected] of rows) {
    await t.step(what, async () => {
      const reply = await smtp(port, sender, recipient, mail);
      if (typeof expected === "string") assert.equal(reply, expected);
      else assert.match(reply, expected, root.read("var/log/exim4/mainlog"));
    });
  }
  await t.step("a bounce has one recipient at a time", async () => {
    const replies = await session(port, ["MAIL FROM:<>", `RCPT TO:<${PLAIN}>`, "RCPT TO:<ann@example.org>"]);
    assert.deepEqual(
      replies.map((one) => one.slice(0, 9)),
      ["250 OK", "250 Accep", "452 4.5.3"].map((one) => one.slice(0, 9)),
    );
  });
  await t.step("without serve, mail is accepted", async () => {
    await server.close(0);
    assert.match(await smtp(port, "", PLAIN, FORGED), /^250 /);
    assert.deepEqual(reports, []);
  });
});
