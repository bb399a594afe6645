/** submitd in this process, with a certificate, a file of logins and a stub that sends. */
import { hashPassword } from "../../submit/backends/scrypt.ts";
import { TIMES, type Times } from "../../submit/submitd/listen.ts";
import { Submitd } from "../../submit/submitd/server.ts";
import { loadSettings } from "../../io/system/load.ts";
import { Authority } from "../certificates.ts";
import { Home } from "../rig.ts";
import { stubTransport } from "../stub.ts";

let authority: Promise<{ ca: string; cert: string; key: string }> | undefined;

/** The certificate for localhost that all tests of a file use. */
export async function certificate(): Promise<{ ca: string; cert: string; key: string }> {
  authority ??= Authority.make().then(async (one) => {
    using made = one;
    return { ...await made.leaf("DNS:localhost,IP:127.0.0.1"), ca: Deno.readTextFileSync(made.ca) };
  });
  return await authority;
}

let hash: Promise<string> | undefined;

/**
 * The line of greg in a file of logins, whose password is `secret`; it is checked in a millisecond, for many logins.
 */
export const QUICK_LOGIN =
  "greg:$scrypt$ln=10,r=1,p=1$BwcHBwcHBwcHBwcHBwcHBw$ym3GelPJ0wAZR38y/kUuSaeWQqZvW0ytTrCAzUcJJdw\n";

/** What a test changes. */
export interface SubmitdOptions {
  /** More lines of `[submit]`. */
  readonly submit?: string;
  /** More settings. */
  readonly more?: string;
  /** Replaces `file:` with the login greg and the password `secret`. */
  readonly auth?: string;
  /** Replaces the stub. */
  readonly transport?: string;
  /** The end of the stub's script. */
  readonly then?: string;
  readonly times?: Times;
}

/** A server for the user greg. */
export class SubmitdHome implements AsyncDisposable {
  readonly home = new Home();
  readonly reports: string[] = [];
  server!: Submitd;
  /** The ports for STARTTLS and for TLS. */
  port = 0;
  tls = 0;
  ca = "";

  static async start(options: SubmitdOptions = {}): Promise<SubmitdHome> {
    const one = new SubmitdHome();
    await one.configure(options);
    one.server = new Submitd(one.settings(), (what) => one.reports.push(what), options.times ?? TIMES);
    const where = { host: "127.0.0.1", port: 0 };
    one.port = await one.server.listen({ where, tls: false });
    one.tls = await one.server.listen({ where, tls: true });
    return one;
  }

  async configure({ submit = "", more = "", auth, transport, then }: SubmitdOptions): Promise<void> {
    const { home } = this;
    const { ca, cert, key } = await certificate();
    this.ca = home.write("ca.pem", ca);
    home.write("cert.pem", cert);
    home.write("key.pem", key, 0o600);
    hash ??= hashPassword("secret");
    home.write("users", `greg:${await hash}\nroot:${await hash}\n`, 0o600);
    const stub = stubTransport(home, then);
    home.write("stub", home.read("stub").replaceAll("$HOME", home.path), 0o755); // HOME is that of the tests
    home.write(
      ".config/countersign/config.toml",
      `[[identity]]
address = "greg@example.org"
srs_domain = "srs.example.org"
logins = ["greg"]

${transport ?? stub}
[submit]
auth = "${auth ?? `file:${home.path}/users`}"
certificate = "${home.path}/cert.pem"
key = "${home.path}/key.pem"
name = "mx.example.org"
${submit}
${more}`,
    );
  }

  settings() {
    const { path } = this.home;
    return loadSettings({ file: `${path}/.config/countersign/config.toml`, home: path }, "users");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close(5000);
    this.home[Symbol.dispose]();
  }
}
