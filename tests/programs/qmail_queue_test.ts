/** hooks/queue as QMAILQUEUE, with a driver for qmail-smtpd, and the socket `lookup` of an engine. */
import assert from "node:assert/strict";
import { rememberSent } from "../../io/state/sent.ts";
import { Home, qsbmf, ROOT } from "../rig.ts";
import { FORGED, LETTER, LIE, PLAIN, srs } from "../serve/at_door.ts";
import { EngineHome } from "../serve/engine.ts";
import { LookupServer } from "../serve/lookup/asking.ts";
import { qmailSmtpd, queued, queueStub, type SmtpdOptions } from "./qmail_smtpd.ts";

const QUEUE = `${ROOT}/hooks/queue`;
const CONTACT = "Contact: joe@example.org";

/** An engine with its socket, a qmail-queue, and what hooks/queue needs in its environment. */
class Site implements AsyncDisposable {
  readonly home = new Home();
  private constructor(readonly engine: EngineHome, readonly server: LookupServer) {}

  static async start(): Promise<Site> {
    const engine = new EngineHome(`contact = "joe@example.org"\nmoved = "moved"`);
    const server = await LookupServer.start({ loaded: () => engine.engine.loaded, store: undefined });
    const site = new Site(engine, server);

    engine.write("moved", "ann@example.org ann@example.net\n");
    assert.equal(engine.engine.reload(), undefined);
    rememberSent(`${engine.path}/state/sent`, engine.identity("greg"), "<known@example.org>", false, new Date());
    queueStub(site.home);
    return site;
  }

  get env(): Record<string, string> {
    return {
      COUNTERSIGN_QUEUE: `${this.home.path}/bin/qmail-queue`,
      COUNTERSIGN_LOOKUP: this.server.path,
      COUNTERSIGN_CONFIG: `${this.engine.path}/site.toml`,
      TMPDIR: this.home.path,
    };
  }

  send(sender: string, recipients: string[], mail: string | Uint8Array, options: SmtpdOptions = {}) {
    const message = typeof mail === "string" ? new TextEncoder().encode(mail) : mail;
    const env = { ...this.env, ...options.env };
    return qmailSmtpd(this.home, QUEUE, { sender, recipients, message }, { ...options, env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.engine[Symbol.dispose]();
    this.home[Symbol.dispose]();
  }
}

Deno.test("hooks/queue rejects what the door would reject", async (t) => {
  await using site = await Site.start();
  const forged = `554 This is a bounce of a message that was not sent from here. ${CONTACT} (#5.7.1)`;
  const noAddress = `554 No such address. ${CONTACT} (#5.1.1)`;
  const known = qsbmf(PLAIN, LIE.replace("lie@spam.example", "known@example.org"));
  const rows: [what: string, sender: string, recipients: string[], mail: string, reply: string][] = [
    ["a bad hash", "", [srs("greg", "mallory")], FORGED, noAddress],
    ["a bad hash, from a person", "jo@b.example", [srs("greg", "mallory")], LETTER, noAddress],
    ["a forged bounce to the plain address", "", [PLAIN], FORGED, forged],
    [
      "an address that has moved",
      "jo@b.example",
      ["ann@example.org"],
      LETTER,
      `554 The address has changed, please write to <ann@example.net>. ${CONTACT} (#5.1.6)`,
    ],
    ["two recipients that do not exist", "", [srs("greg", "mallory"), srs("ann", "mallory")], FORGED, noAddress],
    ["a valid signed address", "", [srs()], FORGED, "250 ok"],
    ["a bounce of a remembered message", "", [PLAIN], known, "250 ok"],
    ["a person", "jo@b.example", [PLAIN], LETTER, "250 ok"],
    ["one recipient of two exists", "", [srs("greg", "mallory"), PLAIN], FORGED, "250 ok"],
    ["an unrelated recipient", "", ["joe@c.example"], FORGED, "250 ok"],
    ["bytes outside ASCII in addresses", "\xff@b.example", ["\xfe@example.org"], LETTER, "250 ok"],
  ];
  for (const [what, sender, recipients, mail, reply] of rows) {
    await t.step(what, async () => {
      const before = queued(site.home).length;
      const sent = await site.send(sender, recipients, mail);
      assert.equal(sent.reply, reply, sent.stderr);
      assert.equal(queued(site.home).length - before, reply === "250 ok" ? 1 : 0);
      const netqmail = await site.send(sender, recipients, mail, { notqmail: false });
      const plain = "554 mail server permanently rejected message (#5.3.0)";
      assert.equal(netqmail.reply, reply === "250 ok" ? reply : plain, netqmail.stderr);
    });
  }
});
