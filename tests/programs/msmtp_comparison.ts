/** A home with the same three accounts for msmtp and for the shim, and one server that knows them by their logins. */
import { Authority } from "../certificates.ts";
import { Home, type Ran, ROOT } from "../rig.ts";
import { type Answers, deadPort, Sink, type Tls } from "../smtp_sink.ts";

/** What changes the situation of a comparison, besides arguments, message and replies. */
export type Situation =
  | "no default"
  | "server down"
  | "unknown host"
  | "wrong name"
  | "expired"
  | "unknown CA"
  | "no settings"
  | "readable"
  | "short timeout";

/** One attempt to send. */
export interface Attempt {
  readonly args: readonly string[];
  readonly mail: string;
  readonly answers?: Answers | undefined;
  /** The shell script that prints the password. */
  readonly password?: string | undefined;
  readonly situation?: Situation | undefined;
}

/** What a program did. */
export interface Outcome extends Ran {
  /** The account that logged in; empty if none did. */
  readonly account: string;
  readonly from: string | undefined;
  readonly to: readonly string[] | undefined;
  readonly mail: string | undefined;
}

/** The accounts, with patterns for the addresses whose mail they send. */
const ACCOUNTS = [["work", "*@work.example"], ["home", "greg@example.org"], ["isp", ""]] as const;
const ACCEPTS = { extensions: ["AUTH PLAIN", "8BITMIME"] };

/** Runs the two programs side by side. */
export class Comparison implements AsyncDisposable {
  readonly home = new Home();
  readonly #sink: Sink;
  /** Servers whose certificates are not accepted, by the situation. */
  readonly #impostors: ReadonlyMap<Situation, Sink>;

  private constructor(readonly authority: Authority, tls: Tls, others: readonly (readonly [Situation, Tls])[]) {
    this.#sink = new Sink(ACCEPTS, tls);
    this.#impostors = new Map(others.map(([situation, other]) => [situation, new Sink(ACCEPTS, other)]));
  }

  static async open(): Promise<Comparison> {
    const authority = await Authority.make();
    using stranger = await Authority.make("Another CA");
    const name = "DNS:localhost,IP:127.0.0.1";
    return new Comparison(authority, await authority.leaf(name), [
      ["wrong name", await authority.leaf("DNS:portal.hotel.example")],
      ["expired", await authority.leaf(name, -1)],
      ["unknown CA", await stranger.leaf(name)],
    ]);
  }

  /** Lets one program try to send. */
  async run(program: "msmtp" | "shim", attempt: Attempt): Promise<Outcome> {
    const { args, mail, answers, password = "echo secret", situation } = attempt;
    this.#sink.answers = { ...ACCEPTS, ...answers };
    for (const list of [this.#sink.lines, this.#sink.accepted]) list.length = 0;
    const script = this.home.write("bin/password", `#!/bin/sh\n${password}\n`, 0o755);
    const impostor = situation && this.#impostors.get(situation);
    const port = situation === "server down" ? deadPort() : (impostor ?? this.#sink).port;
    const host = situation === "unknown host" ? "nowhere.invalid" : "localhost";
    const accounts = ACCOUNTS.filter(([name]) => name !== "isp" || situation !== "no default");
    const mode = situation === "readable" ? 0o644 : 0o600;
    // A password in the file is what makes its mode matter to msmtp.
    const secret = situation === "readable" ? "password secret" : `passwordeval "${script}"`;
    const rc = [
      `defaults\nhost ${host}\nport ${port}\nauth plain\ntls on\ntls_starttls off\ntls_trust_file ${this.authority.ca}`,
      secret,
      ...accounts.map(([name, from]) => `account ${name}\nuser ${name}\nfrom ${from || "customer42@isp.example"}`),
      situation === "no default" ? "" : "account default : isp",
    ];
    this.home.write(".msmtprc", situation === "no settings" ? "" : `${rc.join("\n")}\n`, mode);
    this.home.write(".config/countersign/password", "secret\n", mode);
    const credential = situation === "readable" ? 'password_file = "password"' : `password_command = ["${script}"]`;
    const tables = accounts.map(([name, from]) =>
      `[[account]]\nname = "${name}"\nhost = "${host}"\nport = ${port}\nca = "${this.authority.ca}"\n` +
      `user = "${name}"\n${credential}\nsender = "plain"\n${from === "" ? "default = true" : `from = ["${from}"]`}\n`
    );
    const via = `[transport]\nvia = "smtp"\ntimeout = ${situation === "short timeout" ? 3 : 60}\n`;
    this.home.settings(situation === "no settings" ? via : `${via}${tables.join("")}`);
    const argv = program === "msmtp"
      // It has no timeout for the program that prints the password.
      ? ["timeout", "5", "/usr/bin/msmtp"]
      : [`${ROOT}/shim/shim`];
    const ran = await this.home.run([...argv, ...args], mail);
    const [accepted] = this.#sink.accepted;
    const login = this.#sink.lines.find((line) => /^AUTH PLAIN /.test(line))?.slice("AUTH PLAIN ".length) ?? "";
    const account = new TextDecoder().decode(Uint8Array.fromBase64(login)).split("\0")[1] ?? "";
    return { ...ran, account, from: accepted?.from, to: accepted?.to, mail: accepted?.mail };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sink[Symbol.asyncDispose]();
    for (const impostor of this.#impostors.values()) await impostor[Symbol.asyncDispose]();
    this.home[Symbol.dispose]();
    this.authority[Symbol.dispose]();
  }
}
