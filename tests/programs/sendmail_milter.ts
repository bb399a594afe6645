/** A host of the tests: Debian's Sendmail with `countersign serve`, by the files of contrib/sendmail/milter. */
import assert from "node:assert/strict";
import { Home } from "../rig.ts";
import { type AcceptedMail, Sink } from "../smtp_sink.ts";
import { Engine } from "./milter_engine.ts";
import type { Installed } from "./installation.ts";
import { freePort, smtp, until } from "./postfix.ts";
import { ANN, GREG, SITE, Site } from "./site.ts";
import { snippet } from "./letters.ts";
import { run } from "./postfix_milter.ts";
import { type Root, unpacked } from "./unpacked.ts";

const PACKAGES = [
  "sendmail-bin",
  "sendmail-cf",
  "m4",
  "sed",
  "sasl2-bin",
  "libsasl2-modules",
  "dash",
  "coreutils",
  "libc-bin",
];

/** The function that registers tests, and the one that unpacks Sendmail for a test. */
export const sendmail = () => unpacked(...PACKAGES);

/** Passwords of the users, whose names are their logins. */
export const PASSWORDS: Record<string, string> = { [GREG]: "correct horse", [ANN]: "battery staple" };

const HOST = "mail.example.org";
const SENDMAIL = "/usr/libexec/sendmail/sendmail";

/** By default Sendmail queues mail, and then refuses connections, at a load that many tests in parallel reach. */
export const ANY_LOAD = ["QUEUE_LA", "REFUSE_LA", "DELAY_LA"]
  .map((name) => `define(\`conf${name}', \`1000')dnl\n`).join("");

/** The beginning of a sendmail.mc, for a machine without DNS, syslog and helpers; all other mail goes to the sink. */
const BEGINNING = (sink: number) =>
  `define(\`_USE_ETC_MAIL_')dnl
include(\`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(\`debian')dnl
DOMAIN(\`debian-mta')dnl
FEATURE(\`no_default_msa')dnl
FEATURE(\`nocanonify')dnl
FEATURE(\`accept_unresolvable_domains')dnl
FEATURE(\`local_lmtp', \`/usr/libexec/sendmail/mail.local')dnl
define(\`confDOMAIN_NAME', \`${HOST}')dnl
define(\`confAUTH_MECHANISMS', \`PLAIN')dnl
TRUST_AUTH_MECH(\`PLAIN')dnl
define(\`confTO_IDENT', \`0')dnl
${ANY_LOAD}define(\`confDELIVERY_MODE', \`background')dnl
define(\`SMART_HOST', \`relay:[127.0.0.1]')dnl
define(\`RELAY_MAILER_ARGS', \`TCP $h ${sink}')dnl
LOCAL_DOMAIN(\`example.org')dnl
`;

/** Sendmail with the door on one port and submission on another, greg's hook, and the engine for both. */
export class SendmailHost {
  private constructor(
    readonly home: Home,
    readonly site: Site,
    readonly sink: Sink,
    readonly root: Root,
    readonly port: number,
    readonly submission: number,
    readonly engine: Engine,
  ) {}

  /**
   * @param second the port of a milter that follows the role sign
   * @param more additional lines of sendmail.mc
   */
  static async start(installed: Installed, root: Root, second?: number, more = ""): Promise<SendmailHost> {
    const [home, site, sink, port, submission] = [new Home(), new Site(), new Sink(), freePort(), freePort()];
    const folder = `${site.folder}/${GREG}`;
    const text = BEGINNING(sink.port) +
      (second === undefined ? "" : `MAIL_FILTER(\`opendkim', \`S=inet:${second}@127.0.0.1')dnl\n`) +
      snippet("sendmail/milter/sendmail.mc", {
        "M=Ea, InputMailFilters=countersign-sign": second === undefined
          ? "M=Ea, InputMailFilters=countersign-sign"
          : "M=Ea, InputMailFilters=countersign-sign;opendkim",
        "Port=smtp": `Addr=127.0.0.1, Port=${port}`,
        "Port=submission": `Addr=127.0.0.1, Port=${submission}`,
      }) +
      more +
      "MAILER(`local')dnl\nMAILER(`smtp')dnl\n" +
      snippet("sendmail/milter/mailer.mc", {
        "/usr/local/lib/countersign/hooks/incoming": installed.hook,
        "greg:greg": `${GREG}:${GREG}`,
        "/home/greg": folder,
      });
    root.write("etc/mail/sendmail.mc", text);
    for (const name of ["passwd", "group"]) root.write(`etc/${name}`, Deno.readTextFileSync(`/etc/${name}`));
    for (const [name, id] of [["smmta", 4801], ["smmsp", 4802]] as const) {
      root.write("etc/passwd", `${root.read("etc/passwd")}${name}:x:${id}:${id}::/:/bin/false\n`);
      root.write("etc/group", `${root.read("etc/group")}${name}:x:${id}:\n`);
    }
    const cf = await root.run(home, ["/usr/bin/m4", "/etc/mail/sendmail.mc"]);
    assert.deepEqual([cf.code, cf.stderr], [0, ""]);
    root.write("etc/mail/sendmail.cf", cf.stdout);
    for (const name of ["trusted-users", "aliases", "relay-domains", "local-host-names"]) {
      root.write(`etc/mail/${name}`, "");
    }
    const sasl = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN\n";
    for (
      const folder of ["etc/mail/sasl/Sendmail.conf.2", "etc/mail/sasl/Sendmail.conf", "usr/lib/sasl2/Sendmail.conf"]
    ) {
      root.write(folder, sasl);
    }
    for (const [user, password] of Object.entries(PASSWORDS)) {
      const ran = await root.run(home, ["/usr/sbin/saslpasswd2", "-c", "-p", "-u", HOST, user], password);
      assert.equal(ran.code, 0, ran.stderr);
    }
    for (
      const folder of [
        "var/spool/mqueue",
        "var/mail",
        "var/lib/sendmail/host_status",
        "run/sendmail/mta",
        "run/countersign",
      ]
    ) {
      Deno.mkdirSync(`${root.path}/${folder}`, { recursive: true });
    }
    Deno.chmodSync(`${root.path}/var/spool/mqueue`, 0o700);
    Deno.chmodSync(`${root.path}/var/mail`, 0o1777);
    const sockets = `${root.path}/run/countersign`;
    run("chown", `${SITE}:mail`, sockets);
    Deno.chmodSync(sockets, 0o2750);
    const engine = new Engine(installed, home, sockets);
    engine.configure((settings) => settings, true);
    const host = new SendmailHost(home, site, sink, root, port, submission, engine);
    await engine.start();
    const command = [SENDMAIL, "-bD", "-q1s", "-X", "/tmp/transcript"];
    void root.startWith([installed.folder, installed.home.path, site.folder, "/proc"], command);
    await until("Sendmail", async () => {
      try {
        for (const one of [port, submission]) (await Deno.connect({ hostname: "127.0.0.1", port: one })).close();
        return true;
      } catch {
        return false;
      }
    });
    return host;
  }

  /** Submits a message as this login, or without one. @returns the last reply */
  async submit(login: string | undefined, sender: string, mail: string, recipient = "jo@far.example"): Promise<string> {
    const secret = login && new TextEncoder().encode(`\0${login}\0${PASSWORDS[login]}`).toBase64();
    return await smtp(this.submission, sender, recipient, mail, secret && `AUTH PLAIN ${secret}`);
  }

  /** The nth message that was sent to far.example, counted from 1. */
  async sent(nth: number): Promise<AcceptedMail> {
    await until(`message ${nth}`, () => this.sink.accepted.length >= nth, this.trouble);
    return this.sink.accepted[nth - 1]!;
  }

  log = (): string => this.engine.log();
  inbox = (user = GREG) => this.site.mails(user);
  /** The mailbox of a user, as written by mail.local. */
  mbox = (user = GREG): string => this.root.read(`var/mail/${user}`);
  trouble = () => `${this.root.read("tmp/transcript")}\n${this.log()}\n${this.engine.stderr}\n${this.site.log(GREG)}`;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.stop();
    await this.root.stop();
    await this.sink[Symbol.asyncDispose]();
    for (const one of [this.home, this.site]) one[Symbol.dispose]();
  }
}
