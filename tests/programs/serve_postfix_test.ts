/** `countersign serve` as a milter of the real Postfix, with the files of contrib/postfix/milter. */
import assert from "node:assert/strict";
import { verifyTag } from "../../lib/tag.ts";
import { CREATED, fieldOf, Home, qsbmf, ROOT, SECRET } from "../rig.ts";
import { Sink } from "../smtp_sink.ts";
import { freePort, Installed, needPostfix, Postfix, smtp, until } from "./postfix.ts";
import { ANN, GREG, LETTER, LIE, lines, MAIN, own, plainSnippet, returning, Site, srs } from "./site.ts";

const test = await needPostfix();

/** A host: Postfix with the door on one port and submission on another, greg's hook, and the engine for both. */
class Host {
  private constructor(
    readonly home: Home,
    readonly site: Site,
    readonly installed: Installed,
    readonly sink: Sink,
    readonly postfix: Postfix,
    readonly submission: number,
    readonly engine: Deno.ChildProcess,
  ) {}

  static async start(shared: boolean): Promise<Host> {
    const installed = await Installed.make(ROOT);
    const [home, site, sink, submission] = [new Home(), new Site(), new Sink(), freePort()];
    const forward = `${site.folder}/${GREG}/.forward`;
    const hook = `${installed.hook} --config ${site.folder}/${GREG}/.config/countersign/config.toml`;
    Deno.writeTextFileSync(forward, lines("local/forward", site, hook));
    own(GREG, forward);
    const main = plainSnippet("milter/main.cf")
      .replace("countersign: }", `countersign:, far.example=smtp:[127.0.0.1]:${sink.port} }`);
    // XCLIENT (XCLIENT_README) says who has logged in, without a SASL server.
    const master = plainSnippet("milter/master.cf")
      .replace(/^submission /m, `127.0.0.1:${submission} `)
      .replace(/^ {2}-o (?:smtpd_sasl_auth_enable|smtpd_tls_security_level|smtpd_sender_restrictions)=.*\n/gm, "")
      .replace("permit_sasl_authenticated,", "permit_mynetworks,") +
      "  -o smtpd_authorized_xclient_hosts=127.0.0.0/8\n  -o local_header_rewrite_clients=\n";
    const postfix = await Postfix.start({
      main: `${MAIN}${main}\nforward_path = ${site.folder}/$user/.forward\n`,
      master: `${lines("pipe/master.cf", site, installed.hook)}\n${master}`,
    });
    const sockets = `${postfix.folder}/queue/countersign`;
    Deno.mkdirSync(sockets);
    new Deno.Command("chgrp", { args: ["postfix", sockets] }).outputSync();
    Deno.chmodSync(sockets, 0o2750);
    const identity = (user: string) => {
      home.write(`site/${user}.keys`, `k1 ${CREATED} ${user} ${SECRET}\n`, 0o600);
      return `[[identity]]\naddress = "${user}@example.org"\nsrs_domain = "srs.example.org"\n` +
        `keys = "${user}.keys"\nlogins = ["${user}"]\n`;
    };
    home.write(
      "site/config.toml",
      `${identity(GREG)}${identity(ANN)}[transport]\npreset = "postfix"\n` +
        `[state]\nfolder = "state"\nshared = ${shared}\n[incoming]\nforged = "refuse"\n[serve]\nsocket_folder = "${sockets}"\n`,
    );
    const engine = new Deno.Command(`${installed.home.path}/prefix/bin/countersign`, {
      args: ["serve", "--config", `${home.path}/site/config.toml`],
      clearEnv: true,
      env: { HOME: home.path, PATH: `${home.path}/bin:/usr/bin:/bin`, ...home.env },
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
    const host = new Host(home, site, installed, sink, postfix, submission, engine);
    await until("the sockets", () => ["door", "sign"].every((name) => exists(`${sockets}/${name}`)), host.trouble);
    return host;
  }

  /** Submits a message as this login, or without one. @returns the last reply */
  async submit(login: string | undefined, sender: string, mail: string): Promise<string> {
    return await smtp(this.submission, sender, "jo@far.example", mail, login && `XCLIENT LOGIN=${login}`);
  }

  /** Ends the engine. @returns its exit status */
  async stop(): Promise<number> {
    try {
      this.engine.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    return (await this.engine.status).code;
  }

  log = (): string => this.home.read("site/state/log");
  inbox = () => this.site.mails(GREG);
  trouble = () => `${this.postfix.log}\n${this.log()}\n${this.site.log(GREG)}`;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.postfix[Symbol.asyncDispose]();
    await this.sink[Symbol.asyncDispose]();
    for (const one of [this.home, this.site, this.installed]) one[Symbol.dispose]();
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

const letter = (from: string, id: string, more = "") =>
  `From: ${from}@example.org\nTo: jo@far.example\nMessage-ID: <${id}@example.org>\n${more}Subject: Lunch?\n\nAt one?\n`;

/** The names of the fields, without what Postfix itself adds on top. */
const names = (mail: string): string[] =>
  [...mail.slice(0, mail.indexOf("\n\n")).matchAll(/^([\w-]+):/gm)].map(([, name]) => name!)
    .filter((name) => name !== "Received");

test("the door of Postfix refuses what is forged, and what it cannot refuse reaches the hook", async (t) => {
  await using host = await Host.start(true);
  const port = host.postfix.port;
  const plain = `${GREG}@example.org`;

  await t.step("an SRS address with a bad hash is refused at RCPT", async () => {
    const forged = srs(GREG, new Date(), "mallory");
    for (const sender of ["", "jo@far.example"]) {
      assert.match(await smtp(port, sender, forged, LETTER), /^550 5\.1\.1 .*No such address/m);
    }
    assert.match(host.log(), / direction=in at=rcpt sender=<> result=forged check=signed-recipient outcome=refused /);
  });

  await t.step("a genuine bounce to the signed address reaches the mailbox by way of the hook", async () => {
    assert.match(await smtp(port, "", srs(GREG), qsbmf("x", LIE)), /^250/);
    await until("the bounce", () => host.inbox().length === 1, host.trouble);
    assert.match(fieldOf(host.inbox()[0]!, "X-Countersign"), /^genuine; check=signed-recipient;/);
  });

  await t.step(
    "a forged bounce to the plain address is refused at the end of the data, a tagged one accepted",
    async () => {
      assert.match(await smtp(port, "", plain, qsbmf(plain, LIE)), /^550 5\.7\.1 /m);
      assert.match(host.log(), / at=data .* result=forged check=forged outcome=refused /);
      assert.match(await smtp(port, "", plain, returning(GREG)), /^250/);
      await until("the tagged bounce", () => host.inbox().length === 2, host.trouble);
    },
  );

  await t.step("postmaster passes", async () => {
    assert.match(await smtp(port, "", "postmaster@srs.example.org", LETTER), /^250/);
    await until("the letter to postmaster", () => host.inbox().length === 3, host.trouble);
  });

  await t.step("an outsider who writes as greg on port 25 is not signed", async () => {
    assert.match(await smtp(port, plain, "jo@far.example", letter(GREG, "outside")), /^250/);
    const [sent] = await host.sink.until(1);
    assert.equal(sent!.from, plain);
    assert.doesNotMatch(sent!.mail, /^X-Msgauth:/m);
  });
});

test("the sign socket of Postfix signs the mail of its logins, and only that", async (t) => {
  await using host = await Host.start(false);
  const plain = `${GREG}@example.org`;
  let count = 0;
  const sent = async (login: string | undefined, sender: string, mail: string) => {
    assert.match(await host.submit(login, sender, mail), /^250/, host.trouble());
    return (await host.sink.until(++count))[count - 1]!;
  };
  const verify = (mail: string, user = GREG) =>
    verifyTag(fieldOf(mail, "X-Msgauth"), `${user}@example.org`, fieldOf(mail, "Message-ID"), {
      secrets: { k1: `${user} ${SECRET}` },
      now: new Date(),
    });

  let signed = "";
  await t.step("greg is signed: sender, and the tag directly below the Message-ID", async () => {
    const { from, mail } = await sent(GREG, plain, letter(GREG, "1", "Date: Fri, 20 Nov 2026 10:00:00 +0000\n"));
    assert.match(from, new RegExp(`^SRS0=[\\w-]{8}=..=example\\.org=${GREG}@srs\\.example\\.org$`));
    assert.deepEqual(names(mail), ["From", "To", "Message-ID", "X-Msgauth", "Date", "Subject"]);
    verify(mail);
    signed = mail;
  });

  await t.step("missing fields are added, an invalid tag is replaced", async () => {
    const bare = `X-Msgauth: v1.k1.20000.aaaaaaaa.${"a".repeat(26)}\nFrom: ${plain}\nSubject: Bare\n\nHi\n`;
    const { mail } = await sent(GREG, plain, bare);
    assert.deepEqual(names(mail), ["From", "Subject", "Date", "Message-ID", "X-Msgauth"]);
    verify(mail);
  });

  await t.step("mail that is signed already keeps its tag and sender", async () => {
    const sender = srs(GREG);
    const again = signed.replace(/^Received:.*\n(?:[ \t].*\n)*/gm, "");
    const { from, mail } = await sent(GREG, sender, again);
    assert.equal(from, sender);
    assert.equal(fieldOf(mail, "X-Msgauth"), fieldOf(signed, "X-Msgauth"));
  });

  await t.step("ann who writes as greg is not signed, nor is a client without a login", async () => {
    for (const login of [ANN, undefined]) {
      const { from, mail } = await sent(login, plain, letter(GREG, `other-${login}`));
      assert.equal(from, plain);
      assert.doesNotMatch(mail, /^X-Msgauth:/m);
    }
    verify((await sent(ANN, `${ANN}@example.org`, letter(ANN, "2"))).mail, ANN);
  });

  await t.step("a parameter of MAIL survives", async () => {
    assert.match(await host.submit(GREG, `${plain}> RET=HDRS ENVID=abc`, letter(GREG, "3")), /^250/);
    const { from, fromParameters } = (await host.sink.until(++count))[count - 1]!;
    assert.match(from, /^SRS0=/);
    assert.match(fromParameters, /RET=HDRS.*ENVID=abc|ENVID=abc.*RET=HDRS/);
  });

  const sendmail = async (id: string) => {
    const argv = ["/usr/sbin/sendmail", "-C", host.postfix.config, "-f", plain, "jo@far.example"];
    assert.equal((await host.home.run(argv, letter(GREG, id))).code, 0);
    return (await host.sink.until(++count))[count - 1]!;
  };
  await t.step("sendmail(1) is signed only where the settings say so", async () => {
    assert.equal((await sendmail("local-1")).from, plain);
    const config = host.home.read("site/config.toml");
    host.home.write("site/config.toml", `${config}sign_local = true\n`);
    host.engine.kill("SIGHUP");
    await until("the reload", () => / result=reloaded/.test(host.log()), host.trouble);
    const { from, mail } = await sendmail("local-2");
    assert.match(from, /^SRS0=/);
    verify(mail);
    assert.match(mail, /^Message-ID: .*\nX-Msgauth: /m);
    const { mail: submitted } = await sent(undefined, plain, letter(GREG, "network"));
    assert.doesNotMatch(submitted, /^X-Msgauth:/m, "what comes by SMTP is not local");

    host.home.write("site/config.toml", "nonsense = [");
    host.engine.kill("SIGHUP");
    await until("the refusal", () => / result=kept/.test(host.log()), host.trouble);
    assert.match((await sendmail("local-3")).from, /^SRS0=/, "the old settings stay");
  });

  await t.step("without the engine submission is put off", async () => {
    assert.equal(await host.stop(), 0);
    assert.match(await host.submit(GREG, plain, letter(GREG, "4")), /^451/);
  });
});
