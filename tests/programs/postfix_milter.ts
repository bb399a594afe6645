/** A host of the tests: Postfix with `countersign serve` as its milter, by the files of contrib/postfix/milter. */
import assert from "node:assert/strict";
import { verifyTag } from "../../lib/tag.ts";
import { CREATED, fieldOf, Home, type Ran, SECRET } from "../rig.ts";
import { type AcceptedMail, Sink } from "../smtp_sink.ts";
import { Engine } from "./milter_engine.ts";
import { Installed } from "./installation.ts";
import { freePort, Postfix, smtp, until } from "./postfix.ts";
import { ANN, chown, GREG, MAIN, plainSnippet, SITE, Site, siteSnippet } from "./site.ts";

let installation: Promise<Installed> | undefined;

/** Returns one home and the installation, for all tests of a file. */
export const installOnce = (): Promise<Installed> => installation ??= Installed.make();

Deno.test.afterAll(async () => (await installation)?.[Symbol.dispose]());

/** Options of a test host. */
export interface HostSetup {
  /** Whether all programs that sign share the state (`state.shared`). */
  readonly shared?: boolean;
  /** Additional lines of main.cf, and of master.cf. */
  readonly main?: string;
  readonly master?: string;
  /** Lines of master.cf for logins with passwords; without them XCLIENT names the login. */
  readonly sasl?: string;
  /** Additional destinations in transport_maps. */
  readonly transports?: string;
  /** Changes the lines of contrib before they are used. */
  readonly edit?: (name: "main" | "master" | "config", text: string) => string;
  /** Lines that replace those that pass the SRS domain to the hook. */
  readonly incoming?: string;
  /** Whether smtpd and cleanup run chrooted in the queue directory, as in Debian's master.cf. */
  readonly chroot?: boolean;
  /** The port of its smtpd, if other hosts are configured with it beforehand. */
  readonly port?: number;
  /** The state folder of `countersign serve`, if hosts share one. */
  readonly state?: string;
}

/** A host: Postfix with the door on one port and submission on another, hooks for its users, and the engine. */
export class MilterHost {
  private constructor(
    readonly home: Home,
    readonly site: Site,
    readonly sink: Sink,
    readonly postfix: Postfix,
    readonly submission: number,
    readonly engine: Engine,
  ) {}

  static async start(installed: Installed, setup: HostSetup = {}): Promise<MilterHost> {
    const [home, site, sink, submission] = [new Home(), new Site(), new Sink(), freePort()];
    const { shared = true, edit = (_name, text) => text } = setup;
    for (const user of [GREG, ANN]) {
      const forward = `${site.folder}/${user}/.forward`;
      const hook = `${installed.hook} --config ${site.folder}/${user}/.config/countersign/config.toml`;
      const here = { "/home/greg": `${site.folder}/${user}` };
      Deno.writeTextFileSync(forward, siteSnippet("local/forward", site, hook, here));
      chown(user, forward);
    }
    const transports = `far.example=smtp:[127.0.0.1]:${sink.port}${setup.transports ? `, ${setup.transports}` : ""}`;
    const logins = home.write("logins.regexp", plainSnippet("milter/logins.regexp"));
    const snippet = plainSnippet("milter/main.cf").replace("/etc/postfix/logins.regexp", logins);
    assert.ok(snippet.includes(logins));
    const relaySettings = /^relay_domains = .*\n(?:.*\n)*/m;
    assert.match(snippet, relaySettings);
    const main = setup.incoming === undefined
      ? snippet.replace("countersign: }", `countersign:, ${transports} }`)
      : snippet.replace(relaySettings, `${setup.incoming}\ntransport_maps = inline:{ ${transports} }\n`);
    const submits = plainSnippet("milter/master.cf").replace(/^submission /m, `127.0.0.1:${submission} `);
    const master = edit("master", setup.sasl === undefined ? withoutSasl(submits) : `${submits}${setup.sasl}\n`);
    const postfix = await Postfix.start({
      main: `${MAIN}${edit("main", main)}\nforward_path = ${site.folder}/$user/.forward\n` +
        `${setup.main ?? ""}\n`,
      master: `${siteSnippet("pipe/master.cf", site, installed.hook)}\n${master}${setup.master ?? ""}`,
      chroot: setup.chroot ?? false,
      machine: true,
    }, setup.port);
    const sockets = `${postfix.folder}/queue/countersign`;
    Deno.mkdirSync(sockets);
    run("chown", `${SITE}:postfix`, sockets);
    Deno.chmodSync(sockets, 0o2750);
    const engine = new Engine(installed, home, sockets, setup.state);
    engine.configure((text) => edit("config", text), shared);
    const host = new MilterHost(home, site, sink, postfix, submission, engine);
    await engine.start();
    return host;
  }

  /** Submits a message as this login, or without one. @returns the last reply */
  async submit(login: string | undefined, sender: string, mail: string, recipient = "jo@far.example"): Promise<string> {
    return await smtp(this.submission, sender, recipient, mail, login && `XCLIENT LOGIN=${login}`);
  }

  /** Runs a program as a user, for whom this Postfix is the Postfix of the machine. */
  run(user: string, argv: string[], input: string): Promise<Ran> {
    const ids = [`--reuid=${user}`, `--regid=${user}`];
    return this.home.run(this.postfix.onMachine(["setpriv", "--init-groups", ...ids, ...argv]), input);
  }

  /** The nth message that was sent to far.example, counted from 1. */
  async sent(nth: number): Promise<AcceptedMail> {
    await until(`message ${nth}`, () => this.sink.accepted.length >= nth, this.trouble);
    return this.sink.accepted[nth - 1]!;
  }

  log = (): string => this.engine.log();
  inbox = (user = GREG) => this.site.mails(user);
  trouble = () => `${this.postfix.log}\n${this.log()}\n${this.engine.stderr}\n${this.site.log(GREG)}`;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.stop();
    await this.postfix[Symbol.asyncDispose]();
    await this.sink[Symbol.asyncDispose]();
    for (const one of [this.home, this.site]) one[Symbol.dispose]();
  }
}

/** Sets the login with XCLIENT (XCLIENT_README), without a SASL server. */
function withoutSasl(master: string): string {
  return master
    .replace(/^ {2}-o (?:smtpd_sasl_auth_enable|smtpd_tls_security_level|smtpd_sender_restrictions)=.*\n/gm, "")
    .replace("permit_sasl_authenticated,", "permit_mynetworks,") +
    "  -o smtpd_authorized_xclient_hosts=127.0.0.0/8\n  -o local_header_rewrite_clients=\n";
}

/** Runs a program and waits for it. */
export function run(...argv: [string, ...string[]]): void {
  const { success, stderr } = new Deno.Command(argv[0], { args: argv.slice(1) }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** A letter of this user to jo. */
export const letter = (from: string, id: string, more = "") =>
  `From: ${from}@example.org\nTo: jo@far.example\nMessage-ID: <${id}@example.org>\n${more}Subject: Lunch?\n\nAt one?\n`;

/** The names of the fields, without those that the mail server adds at the top. */
export const names = (mail: string): string[] =>
  [...mail.slice(0, mail.indexOf("\n\n")).matchAll(/^([\w-]+):/gm)].map(([, name]) => name!)
    .filter((name) => name !== "Received");

/** Fails unless this user signed the message, once. */
export function isSigned({ from, mail }: { from: string; mail: string }, user = GREG): void {
  assert.match(from, new RegExp(`^SRS0=[\\w-]{8}=..=example\\.org=${user}@srs\\.example\\.org$`));
  assert.equal(mail.match(/^X-Msgauth:/gm)?.length, 1);
  verifyTag(fieldOf(mail, "X-Msgauth"), `${user}@example.org`, fieldOf(mail, "Message-ID"), {
    secrets: { k1: `${user} ${SECRET}` },
    now: new Date(),
  });
}

/** Fails if the message is signed. */
export function isPlain({ from, mail }: { from: string; mail: string }, sender = `${GREG}@example.org`): void {
  assert.equal(from, sender);
  assert.doesNotMatch(mail, /^X-Msgauth:/m);
}

/** The line of a key file with this user's key. */
export const keyLine = (user: string, id = "k1", created = CREATED) => `${id} ${created} ${user} ${SECRET}\n`;
