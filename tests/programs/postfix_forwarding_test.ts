/** Forwarding with SRS in place of postsrsd: two real Postfix, with contrib/postfix/forwarding. */
import assert from "node:assert/strict";
import { Page } from "../page.ts";
import { fieldOf, qsbmf, SECRET } from "../rig.ts";
import { Sink } from "../smtp_sink.ts";
import { srsForward } from "../../mod.ts";
import { freePort, needPostfix, Postfix, smtp, until } from "./postfix.ts";
import { forwardingIn, MapsHost, replaced } from "./postfix_maps.ts";
import { GREG, LETTER, LIE, MAIN, plainSnippet, srs } from "./site.ts";

const test = await needPostfix();
const FORWARDED = /^SRS0=[\w-]{8}=[A-Z2-7]{2}=sender\.example=jo@forward\.example\.org$/;
const CONFIG = replaced(plainSnippet("forwarding/config.toml"), "/etc/countersign/keys/forwarding", "forwarding-keys");

/** The forwarder, another site that rejects bob@other.example after it has accepted the message, and all mailboxes. */
class Forwarding implements AsyncDisposable {
  private constructor(readonly sink: Sink, readonly far: Postfix, readonly near: MapsHost) {}

  static async start({ main, master = "" }: { main: string; master?: string }): Promise<Forwarding> {
    const [sink, port] = [new Sink(), freePort()];
    const far = await Postfix.start({
      main: `myhostname = mx.other.example
mydestination =
mynetworks = 127.0.0.0/8
relay_domains = other.example
smtpd_reject_unlisted_recipient = no
transport_maps = inline:{ bob@other.example=error:5.1.1:nobody-here, forward.example.org=smtp:[127.0.0.1]:${port}, { * = smtp:[127.0.0.1]:${sink.port} } }
`,
    });
    const aliases = `${far.folder}/aliases`;
    Deno.writeTextFileSync(aliases, "list bob@other.example\ncarol carol@other.example\npostmaster /dev/null\n");
    const near = await MapsHost.start({
      port,
      config: CONFIG,
      main: MAIN +
        replaced(
          main,
          "inline:{ {",
          "inline:{ { alias@example.org = bob@other.example }, { dora@example.org = dora@other.example }, {",
        ) +
        `alias_maps = texthash:${aliases}
transport_maps = inline:{ other.example=smtp:[127.0.0.1]:${far.port}, sender.example=smtp:[127.0.0.1]:${sink.port} }
smtpd_recipient_restrictions = reject_unauth_destination
mynetworks = 127.0.0.9/32
`,
      master,
    });
    return new Forwarding(sink, far, near);
  }

  /** Sends a message to the forwarder. */
  send = (sender: string, recipient: string, mail = LETTER) => smtp(this.near.postfix.port, sender, recipient, mail);

  /** Returns the nth message that any mailbox has received, counted from 1. */
  async mail(nth: number) {
    await until(`message ${nth}`, () => this.sink.accepted.length >= nth, this.trouble);
    return this.sink.accepted[nth - 1]!;
  }

  trouble = () => `near ${this.near.trouble()}\nfar ${this.far.log}`;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.near[Symbol.asyncDispose]();
    await this.far[Symbol.asyncDispose]();
    await this.sink[Symbol.asyncDispose]();
  }
}

/** A sender as it is forwarded, with the keys of this test; the secret of another host by default is wrong. */
const forward = (sender: string, secret = "a secret for forwarded mail only", age = 0) =>
  srsForward(sender, "forward.example.org", {
    secrets: [secret],
    hashLength: 8,
    alphabet: "base64url",
    now: new Date(Date.now() - age * 86_400_000),
  });

test("a message is forwarded to a second Postfix, and its bounce comes back to the sender", async (t) => {
  await using forwarding = await Forwarding.start({ main: plainSnippet("forwarding/main.cf") });
  const { far, near } = forwarding;
  let count = 0;
  const next = () => forwarding.mail(++count);
  const from = (mail: { from: string; to: string[] }, recipient: string): string => {
    assert.deepEqual(mail.to, [recipient], forwarding.trouble());
    return mail.from;
  };

  await t.step("the bounce of the other server", async () => {
    assert.match(await forwarding.send("jo@sender.example", "alias@example.org"), /^250/);
    const bounce = await next();
    assert.equal(from(bounce, "jo@sender.example"), "");
    assert.match(fieldOf(bounce.mail, "From"), /MAILER-DAEMON@mx\.other\.example/);
    assert.match(far.log, /from=<SRS0=[\w-]{8}=..=sender\.example=jo@forward\.example\.org>/);
  });

  await t.step("docs/forwarding.md: what the maps return", async () => {
    const page = new Page("docs/forwarding.md");
    const [, there, back] = replaced(page.block(/postmap -q/), "/var/spool/postfix/countersign", near.sockets)
      .split("\n");
    const env = { MAIL_CONFIG: near.postfix.config, PATH: "/usr/sbin:/usr/bin:/bin" };
    const shown = await near.home.run(["/bin/sh", "-ec", `${there}\n${back}`], "", env);
    assert.equal(shown.code, 0, shown.stderr);
    const [first = "", second = ""] = shown.stdout.split("\n");
    assert.match(first, page.reply("The second command prints an address such as"));
    assert.equal(second, page.code(`${page.code("The second command prints an address such as")}\`, the third`));
  });

  await t.step("senders of many forms, there and back", async () => {
    for (
      const sender of [
        '"a b"@sender.example',
        '"a@b"@sender.example',
        "a+b=c/d@sender.example",
        "Jo.Public@Sender.Example",
        "prvs=0123abcdef=jo@sender.example",
        "SRS0=abcd=KA=elsewhere.example=jo@sender.example",
        "SRS1=abcd=sender.example==abcd=KA=elsewhere.example=jo@second.example",
      ]
    ) {
      assert.match(await forwarding.send(sender, "dora@example.org"), /^250/);
      const forwarded = from(await next(), "dora@other.example");
      // A local part with @ is not rewritten; SRS1 keeps the first forwarder, whose SRS0 address gets the bounce.
      if (sender === '"a@b"@sender.example') {
        assert.equal(forwarded, sender);
        continue;
      }
      assert.match(forwarded, /^"?SRS[01]=.*@forward\.example\.org$/);
      assert.match(await forwarding.send("", forwarded), /^250/, forwarding.trouble());
      const back = sender.startsWith("SRS1") ? "SRS0=abcd=KA=elsewhere.example=jo@sender.example" : sender;
      const [bounce] = (await next()).to;
      assert.equal(bounce!.replace(/@.*/, ""), back.replace(/@[^@]*$/, ""));
      assert.equal(bounce!.toLowerCase(), back.toLowerCase());
    }
  });

  await t.step("what is not rewritten", async () => {
    const own = srs(GREG);
    for (const sender of ["", "MAILER-DAEMON@sender.example", "ann@example.org", "x@sub.example.org", own]) {
      assert.match(await forwarding.send(sender, "dora@example.org"), /^250/);
      assert.equal(from(await next(), "dora@other.example"), sender);
    }
  });

  await t.step("a forged greg@ through the alias is forwarded as it came, and proves nothing", async () => {
    // The parts of an SRS address are hashed without separators: `rgnews@example.o` has the hash of `news@example.org`.
    const shifted = `rg${GREG}@example.o`;
    for (const sender of [`${GREG}@example.org`, `"${GREG}"@EXAMPLE.ORG`, `prvs=0123abcdef=${GREG}@example.org`]) {
      assert.match(await forwarding.send(sender, "dora@example.org"), /^250/);
      const forwarded = from(await next(), "dora@other.example");
      assert.equal(forwarded.replaceAll('"', "").toLowerCase(), sender.replaceAll('"', "").toLowerCase());
    }
    assert.match(await forwarding.send(shifted, "dora@example.org"), /^250/);
    const forwarded = from(await next(), "dora@other.example");
    const split = forwarded.replace(`=example.o=rg${GREG}@`, `=example.org=${GREG}@`);
    assert.notEqual(split, forwarded);
    const claims = [
      split,
      forward(`${GREG}@example.org`),
      forward(`prvs=0123abcdef=${GREG}@example.org`),
      forward(srs(GREG)),
      forward(`x@srs.example.org`),
      forward(`${GREG}@example.org`, `${GREG} ${SECRET}`),
    ];
    for (const address of claims) {
      assert.match(await forwarding.send("", address, qsbmf("x", LIE)), /^550 5\.1\.1 .*User unknown/, address);
    }
  });

  await t.step("a wrong hash, an expired address and any other in the domain are rejected", async () => {
    const good = forward("jo@sender.example");
    const short = good.replace(/=([^=]{4})[^=]{4}=/, "=$1=");
    assert.notEqual(short, good);
    const wrong = [
      forward("jo@sender.example", "another secret"),
      forward("jo@sender.example", undefined, 22),
      short,
      "jo@forward.example.org",
    ];
    for (const address of wrong) {
      assert.match(await forwarding.send("", address), /^550 5\.1\.1 .*User unknown/, address);
    }
    assert.match(near.log, / at=map check=srs-back outcome=not-found why="wrong hash"/);
    assert.match(await forwarding.send("", forward("jo@sender.example", undefined, 21)), /^250/);
    assert.equal(from(await next(), "jo@sender.example"), "");
    assert.match(await forwarding.send("", "postmaster@forward.example.org"), /^250/);
  });

  await t.step("500 messages in parallel are forwarded once each, and arrive as they were sent", async () => {
    const bodies = Array.from({ length: 500 }, (_, nth) => {
      const line = `${nth} ${crypto.randomUUID()} \u00fc .\n`;
      return `.\n..\n \t\n${line.repeat(1 + nth % 40)}${nth % 3 === 0 ? "\n\n" : ""}`;
    });
    const waiting = bodies.map((_, nth) => nth);
    const client = async () => {
      for (let nth = waiting.pop(); nth !== undefined; nth = waiting.pop()) {
        const mail = `From: jo${nth}@sender.example\nSubject: ${nth}\n\n${bodies[nth]}`;
        assert.match(await forwarding.send(`jo${nth}@sender.example`, "dora@example.org", mail), /^250/);
      }
    };
    await Promise.all(Array.from({ length: 20 }, client));
    await until("the queue", async () => await near.postfix.queued() + await far.queued() === 0, forwarding.trouble);
    const arrived = forwarding.sink.accepted.slice(count);
    assert.equal(arrived.length, bodies.length);
    for (const { from, to, mail } of arrived) {
      const nth = Number(fieldOf(mail, "Subject"));
      assert.deepEqual(to, ["dora@other.example"]);
      assert.match(from, new RegExp(`^SRS0=.{8}=..=sender\\.example=jo${nth}@forward\\.example\\.org$`));
      assert.equal(mail.slice(mail.indexOf("\n\n") + 2), bodies[nth]);
      bodies[nth] = "it arrived twice";
    }
    count += arrived.length;
  });

  await t.step("doctor finds nothing about the sockets and their use", async () => {
    assert.deepEqual(await near.doctor(), []);
  });

  await t.step("postmap -q queries the maps", async () => {
    const ask = async (map: string, key: string): Promise<string> => {
      const table = `socketmap:unix:${near.sockets}/map:${map}`;
      const { stdout } = await new Deno.Command("postmap", { args: ["-c", near.postfix.config, "-q", key, table] })
        .output();
      return new TextDecoder().decode(stdout).trim();
    };
    const forwarded = await ask("srs-forward", "jo@sender.example");
    assert.match(forwarded, FORWARDED);
    assert.equal(await ask("srs-back", forwarded), "jo@sender.example");
    assert.equal(await ask("srs-forward", `${GREG}@example.org`), "");
  });

  await t.step("without the engine the client is asked to try again, and with it the mail is forwarded", async () => {
    await near.stopEngine();
    assert.match(await forwarding.send("jo@sender.example", "dora@example.org"), /^4\d\d /);
    await near.startEngine();
    assert.match(await forwarding.send("jo@sender.example", "dora@example.org"), /^250/);
    assert.match(from(await next(), "dora@other.example"), FORWARDED);
    await until("the end", async () => await near.postfix.queued() + await far.queued() === 0, forwarding.trouble);
    assert.equal(forwarding.sink.accepted.length, count);
  });
});

test("with master.cf only mail that local(8) forwards is rewritten", async () => {
  const main = plainSnippet("forwarding/main.cf").replace(/^sender_canonical_.*\n/gm, "");
  assert.doesNotMatch(main, /srs-forward/);
  await using forwarding = await Forwarding.start({ main, master: plainSnippet("forwarding/master.cf") });
  const { near, far } = forwarding;
  assert.match(await forwarding.send("jo@sender.example", "carol@example.org"), /^250/);
  const { from, to } = await forwarding.mail(1);
  assert.deepEqual(to, ["carol@other.example"], forwarding.trouble());
  assert.match(from, FORWARDED);
  assert.match(await forwarding.send("", from), /^250/);
  assert.deepEqual((await forwarding.mail(2)).to, ["jo@sender.example"]);

  assert.match(await forwarding.send("jo@sender.example", "list@example.org"), /^250/);
  assert.deepEqual((await forwarding.mail(3)).to, ["jo@sender.example"], "the bounce of the other server");
  assert.match(await forwarding.send("jo@sender.example", "postmaster@example.org"), /^250/);
  const delivered = () => /to=<\/dev\/null>|to=<postmaster@example\.org>.*status=sent/.test(near.postfix.log);
  await until("local delivery", delivered, forwarding.trouble);
  const local = /(\w+): to=<postmaster@example\.org>.*status=sent/.exec(near.postfix.log)![1]!;
  assert.match(near.postfix.log, new RegExp(`${local}: from=<jo@sender\\.example>`));
  assert.match(far.log, /from=<SRS0=/);

  await near.stopEngine();
  const before = near.postfix.log.length;
  assert.match(await forwarding.send("jo@sender.example", "postmaster@example.org"), /^250/);
  assert.match(await forwarding.send("jo@sender.example", "carol@example.org"), /^250/);
  const rest = () => near.postfix.log.slice(before);
  const waits = () => /map lookup problem for jo@sender\.example/.test(rest());
  await until("both attempts", () => /to=<postmaster@.*status=sent/.test(rest()) && waits(), forwarding.trouble);
  await near.startEngine();
  await until("the retry", async () => {
    await near.postfix.flush();
    return forwarding.sink.accepted.length >= 4;
  }, forwarding.trouble);
  const waited = await forwarding.mail(4);
  assert.deepEqual(waited.to, ["carol@other.example"]);
  assert.match(waited.from, FORWARDED);
});

test("without a milter, in the SRS domain of an identity: both maps reverse their own addresses", async () => {
  const { main, config } = forwardingIn("srs.example.org");
  await using sink = new Sink();
  await using near = await MapsHost.start({
    config: replaced(config, "/etc/countersign/keys/forwarding", "forwarding-keys"),
    main: `${MAIN}${plainSnippet("policy/main.cf")}${main}mynetworks = 127.0.0.9/32
local_transport = smtp:[127.0.0.1]:${sink.port}
transport_maps = inline:{ { * = smtp:[127.0.0.1]:${sink.port} } }
relay_domains = other.example
`,
  });
  const { port } = near.postfix;
  const deliveredTo = async (sender: string, recipient: string, nth: number) => {
    assert.match(await smtp(port, sender, recipient, LETTER), /^250/, near.trouble());
    await until("delivery", () => sink.accepted.length === nth, near.trouble);
    return sink.accepted[nth - 1]!;
  };
  const { from } = await deliveredTo("jo@sender.example", "bob@other.example", 1);
  assert.match(from, /^SRS0=[\w-]{8}=..=sender\.example=jo@srs\.example\.org$/);
  assert.deepEqual((await deliveredTo("", from, 2)).to, ["jo@sender.example"]);
  assert.deepEqual((await deliveredTo("", srs(GREG), 3)).to, [`${GREG}@example.org`]);
  assert.deepEqual((await deliveredTo("", "postmaster@srs.example.org", 4)).to, [`${GREG}@example.org`]);
  const wrong = [
    from.replace(/=..(?=......=)/, "=zz"),
    srs(GREG, new Date(), "a secret for forwarded mail only"),
    forward("jo@sender.example", `${GREG} ${SECRET}`).replace("@forward.", "@srs."),
    "x@srs.example.org",
  ];
  for (const address of wrong) {
    assert.match(await smtp(port, "", address, qsbmf("x", LIE)), /^550 5\.1\.1 .*: No such address/);
  }
  assert.deepEqual(await near.doctor(), []);
});

test("in the domain of mailboxes, as with Debian's postsrsd: only SRS addresses depend on the engine", async () => {
  const { main, config } = forwardingIn("example.org");
  await using sink = new Sink();
  await using near = await MapsHost.start({
    config: replaced(config, "/etc/countersign/keys/forwarding", "forwarding-keys"),
    main: `${MAIN}${main}mynetworks = 127.0.0.9/32
smtpd_recipient_restrictions = reject_unauth_destination
recipient_delimiter = +
local_recipient_maps = inline:{ ${GREG}=x }
virtual_alias_maps = inline:{ { alias@example.org = bob@other.example } }
local_transport = smtp:[127.0.0.1]:${sink.port}
transport_maps = inline:{ { * = smtp:[127.0.0.1]:${sink.port} } }
`,
  });
  const { port } = near.postfix;
  let count = 0;
  const delivered = async (sender: string, recipient: string) => {
    assert.match(await smtp(port, sender, recipient, LETTER), /^250/, near.trouble());
    await until("delivery", () => sink.accepted.length > count, near.trouble);
    const { from, to } = sink.accepted[count++]!;
    return { from, to: to.join() };
  };
  const { from, to } = await delivered("jo@sender.example", "alias@example.org");
  assert.match(from, /^SRS0=[\w-]{8}=..=sender\.example=jo@example\.org$/);
  assert.equal(to, "bob@other.example");
  assert.deepEqual(await delivered("", from), { from: "", to: "jo@sender.example" });
  // Postfix also looks up addresses without their extension, except in tables of patterns.
  for (const wrong of [from.replace(/=..(?=......=)/, "=zz"), from.replace("=jo@", "=jo+evil@")]) {
    assert.match(await smtp(port, "", wrong, LETTER), /^550 5\.1\.1 .*User unknown/);
  }
  await near.stopEngine();
  assert.deepEqual(await delivered("", `${GREG}@example.org`), { from: "", to: `${GREG}@example.org` });
  assert.match(await smtp(port, "", from, LETTER), /^451 /);
});
