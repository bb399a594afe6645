/** A Dovecot submission service for tests: on loopback, with ephemeral ports and a temporary folder. */
import { lacking, type Test, tests } from "./need.ts";
import { freePort, until } from "./postfix.ts";

/** Returns a function that registers tests which need Dovecot, which only root can start, and these programs. */
export async function needDovecot(...others: string[]): Promise<Test> {
  const missing = Deno.uid() === 0 ? [] : ["only root can start Dovecot"];
  missing.push(await lacking("submission", "dovecot-core dovecot-submissiond"));
  for (const program of others) missing.push(await lacking(program));
  return tests(missing.filter((reason) => reason !== "").join(", "));
}

/** The user who may log in. */
export const [USER, PASSWORD] = ["greg", "correct horse"];
/** The key that signs access tokens. */
const TOKEN_KEY = new TextEncoder().encode("not a real secret, for tests only");

/** An instance. It runs until it is disposed. */
export class Dovecot {
  readonly folder = Deno.makeTempDirSync({ prefix: "countersign-dovecot-" });
  /** Ports with STARTTLS and with implicit TLS. */
  readonly ports = { starttls: freePort(), tls: freePort() };
  #master: Deno.ChildProcess | undefined;

  /** @param relay the port to which it sends mail; @param tls certificate and key, in PEM */
  static async start(relay: number, tls: { cert: string; key: string }): Promise<Dovecot> {
    const one = new Dovecot();
    Deno.chmodSync(one.folder, 0o755);
    const write = (name: string, text: string) => Deno.writeTextFileSync(`${one.folder}/${name}`, text);
    write("cert.pem", tls.cert);
    write("key.pem", tls.key);
    write("users", `${USER}:{PLAIN}${PASSWORD}\n`);
    for (const folder of ["home", "keys", "keys/default", "keys/default/HS256"]) {
      Deno.mkdirSync(`${one.folder}/${folder}`);
    }
    Deno.chmodSync(`${one.folder}/home`, 0o777);
    write("keys/default/HS256/default", TOKEN_KEY.toBase64());
    write(
      "oauth2.conf",
      `introspection_mode = local
local_validation_key_dict = fs:posix:prefix=${one.folder}/keys/
username_attribute = sub
`,
    );
    write("dovecot.conf", one.#config(relay));
    one.#master = new Deno.Command("dovecot", {
      args: ["-F", "-c", `${one.folder}/dovecot.conf`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await until("Dovecot", () => one.log.includes("starting up for submission"), () => one.log);
    return one;
  }

  #config(relay: number): string {
    const { folder, ports } = this;
    return `base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/log
auth_verbose = yes
protocols = submission
listen = 127.0.0.1
hostname = mx.example.net
ssl = required
ssl_cert = <${folder}/cert.pem
ssl_key = <${folder}/key.pem
auth_mechanisms = plain login cram-md5 xoauth2 oauthbearer
auth_failure_delay = 0
mail_location = maildir:~/Maildir
passdb {
  driver = passwd-file
  mechanisms = plain login cram-md5
  args = ${folder}/users
}
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = ${folder}/oauth2.conf
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${folder}/home
}
first_valid_uid = 1
service submission-login {
  inet_listener submission {
    port = ${ports.starttls}
  }
  inet_listener submissions {
    port = ${ports.tls}
    ssl = yes
  }
}
# No delay after a wrong password.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
# Before the login it does not query the relay for its extensions.
submission_backend_capabilities = 8BITMIME DSN SIZE
submission_relay_host = 127.0.0.1
submission_relay_port = ${relay}
submission_max_mail_size = 1M
`;
  }

  /** The log. */
  get log(): string {
    try {
      return Deno.readTextFileSync(`${this.folder}/log`);
    } catch {
      return "";
    }
  }

  /** An access token (a JSON Web Token) for the user. */
  async token(seconds = 3600): Promise<string> {
    const code = (text: string | Uint8Array) =>
      (typeof text === "string" ? new TextEncoder().encode(text) : text).toBase64({
        alphabet: "base64url",
        omitPadding: true,
      });
    const exp = Math.floor(Date.now() / 1000) + seconds;
    const signed = `${code('{"alg":"HS256","typ":"JWT"}')}.${
      code(JSON.stringify({ sub: USER, exp, iat: exp - 7200 }))
    }`;
    const key = await crypto.subtle.importKey("raw", TOKEN_KEY, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const mac = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(signed));
    return `${signed}.${code(new Uint8Array(mac))}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#master?.kill("SIGTERM");
    await this.#master?.status;
    Deno.removeSync(this.folder, { recursive: true });
  }
}
