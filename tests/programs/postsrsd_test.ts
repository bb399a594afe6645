/** The real postsrsd of Debian: beside Countersign in one SRS domain, and replaced by it with its own secret. */
import assert from "node:assert/strict";
import { importedSecrets } from "../../admin/imported_secrets.ts";
import { forwardingTable, parsePostsrsd } from "../../admin/postsrsd.ts";
import { utf8 } from "../../lib/bytes.ts";
import { replyTo } from "../../serve/map/maps.ts";
import { CREATED, qsbmf } from "../rig.ts";
import { EngineHome } from "../serve/engine.ts";
import { Sink } from "../smtp_sink.ts";
import { lacking } from "./need.ts";
import { freePort, smtp, until } from "./postfix.ts";
import { MapsHost } from "./postfix_maps.ts";
import { GREG, LETTER, LIE, MAIN, plainSnippet, srs } from "./site.ts";
import { type Root, unpacked } from "./unpacked.ts";

const { test, unpack } = await unpacked("postsrsd");
const SECRET = "c2VjcmV0IG9mIHBvc3RzcnNkMTIz";

/** The daemon, with the settings of its package for this domain. */
class Postsrsd {
  private constructor(readonly forward: number, readonly reverse: number) {}

  static async start(root: Root, domain: string): Promise<Postsrsd> {
    const one = new Postsrsd(freePort(), freePort());
    root.write("etc/postsrsd.secret", SECRET, 0o600);
    const ports = ["-f", String(one.forward), "-r", String(one.reverse), "-l", "127.0.0.1"];
    root.start([
      "/usr/sbin/postsrsd",
      "-s",
      "/etc/postsrsd.secret",
      "-d",
      domain,
      "-a",
      "=",
      "-n4",
      "-N4",
      "-X",
      ...ports,
    ]);
    await until("postsrsd", () => one.ask("reverse", "x").then(() => true, () => false));
    return one;
  }

  /** Asks one of its tables (tcp_table(5)). @returns the value; undefined if it has none */
  async ask(table: "forward" | "reverse", key: string): Promise<string | undefined> {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: this[table] });
    await connection.write(utf8(`get ${encodeURI(key)}\n`));
    const buffer = new Uint8Array(4096);
    const reply = new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
    return /^200 (.*)\n$/.exec(reply) === null ? undefined : decodeURIComponent(/^200 (.*)\n$/.exec(reply)![1]!);
  }
}

test("with its secret and settings, each program reverses the addresses of the other, in the alphabet of Mail::SRS", async () => {
  await using root = await unpack();
  const postsrsd = await Postsrsd.start(root, "fwd.example.net");
  const template = root.read("usr/share/postsrsd/postsrsd.template").replace(
    "#SRS_DOMAIN=example.com",
    "SRS_DOMAIN=fwd.example.net",
  );
  const table = forwardingTable(parsePostsrsd(template, () => ""));
  const [secret] = importedSecrets(utf8(SECRET), "postsrsd");
  const start = (more = "") => {
    const home = new EngineHome(`${table}\n${more}`);
    home.write("forwarding-keys", `old ${CREATED} base64:${secret!.toBase64()}\n`, 0o600);
    assert.equal(home.engine.reload(), undefined);
    return home;
  };
  const ask = (home: EngineHome, map: string, key: string) => {
    const reply = replyTo(`${map} ${key}`, () => home.engine.loaded);
    return reply.startsWith("OK ") ? reply.slice(3) : undefined;
  };
  using migrating = start('[srs]\nalphabet = "base64"');
  using migrated = start();
  const many = Array.from({ length: 40 }, (_, nth) => `jo${nth}@b.example`);
  const senders = ["Jo.Public@B.Example", "jo+x=y@b.example", "SRS0=abcd=KA=c.example=jo@b.example", ...many];
  const odd = { read: 0, unread: 0 };
  for (const sender of senders) {
    const theirs = await postsrsd.ask("forward", sender);
    assert.equal(ask(migrating, "srs-forward", sender), theirs);
    assert.equal(await postsrsd.ask("reverse", theirs!), sender);
    const ours = ask(migrated, "srs-forward", sender)!;
    for (const home of [migrating, migrated]) {
      assert.deepEqual([ask(home, "srs-back", theirs!), ask(home, "srs-back", ours)], [sender, sender]);
    }
    // Version 1 does not know the other alphabet, as docs/forwarding.md says.
    if (ours !== theirs) odd[await postsrsd.ask("reverse", ours) === undefined ? "unread" : "read"]++;
  }
  assert.ok(odd.read === 0 && odd.unread > 0, JSON.stringify(odd));
});

const missing = await lacking("postfix");
if (missing === "") {
  test("postsrsd still runs in the SRS domain of an identity: the addresses of both are reversed, others are rejected", async () => {
    await using root = await unpack();
    const postsrsd = await Postsrsd.start(root, "srs.example.org");
    await using sink = new Sink();
    await using host = await MapsHost.start({
      main: `${MAIN}${plainSnippet("policy/main.cf")}mynetworks = 127.0.0.9/32
sender_canonical_maps = tcp:127.0.0.1:${postsrsd.forward}
sender_canonical_classes = envelope_sender
recipient_canonical_maps = tcp:127.0.0.1:${postsrsd.reverse}
recipient_canonical_classes = envelope_recipient
local_transport = smtp:[127.0.0.1]:${sink.port}
transport_maps = inline:{ b.example=smtp:[127.0.0.1]:${sink.port} }
`,
      config: `[srs]\nothers = "pass"\n`,
    });
    const { port } = host.postfix;
    const forwarded = await postsrsd.ask("forward", "jo@b.example");
    const rows: [address: string, delivered: string][] = [[srs(GREG), `${GREG}@example.org`], [
      forwarded!,
      "jo@b.example",
    ]];
    for (const [nth, [address, delivered]] of rows.entries()) {
      assert.match(await smtp(port, "", address, LETTER), /^250/, host.trouble());
      await until("delivery", () => sink.accepted.length === nth + 1, host.trouble);
      assert.deepEqual(sink.accepted[nth]!.to, [delivered]);
    }
    const own = await postsrsd.ask("forward", `${GREG}@example.org`);
    const wrong = [srs(GREG, new Date(), "mallory"), forwarded!.replace(/=..../, "=AAAA"), "x@srs.example.org"];
    for (const address of wrong) assert.match(await smtp(port, "", address, qsbmf("x", LIE)), /^550 5\.1\.1 /, address);
    // The secret of postsrsd proves nothing about an identity.
    assert.match(await smtp(port, "", own!, qsbmf("x", LIE)), /^550 5\.1\.1 /);
  });
}
