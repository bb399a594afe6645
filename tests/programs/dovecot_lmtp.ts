/** A Dovecot that delivers mail by LMTP with the files of contrib/dovecot, in a temporary folder. */
import { ROOT } from "../rig.ts";
import { freePort, until } from "./postfix.ts";
import { Client } from "./smtp_session.ts";
import { GREG, type Site } from "./site.ts";

/** An instance. It runs until it is disposed. */
export class Dovecot {
  readonly folder = Deno.makeTempDirSync({ prefix: "countersign-dovecot-" });
  readonly port = freePort();
  #master: Deno.ChildProcess | undefined;

  /** Starts it for greg's mail at this site. */
  static async start(site: Site, hook: string): Promise<Dovecot> {
    const one = new Dovecot();
    const { folder } = one;
    Deno.chmodSync(folder, 0o755);
    const places: Record<string, string> = {
      "/etc/dovecot": folder,
      "/home/greg": `${site.folder}/${GREG}`,
    };
    const copy = (name: string, to: string) => {
      let text = Deno.readTextFileSync(`${ROOT}/contrib/dovecot/${name}`);
      for (const [from, into] of Object.entries(places)) text = text.replaceAll(from, into);
      Deno.writeTextFileSync(`${folder}/${to}`, text);
    };
    for (const part of ["sieve", "sieve-filter"]) Deno.mkdirSync(`${folder}/${part}`);
    copy("99-countersign.conf", "99-countersign.conf");
    copy("countersign.sieve", "sieve/countersign.sieve");
    const { uid, gid } = Deno.statSync(`${site.folder}/${GREG}`);
    Deno.writeTextFileSync(
      `${folder}/countersign.users`,
      `srs.example.org::${uid}:${gid}::${site.folder}/${GREG}\n`,
    );
    Deno.writeTextFileSync(`${folder}/users`, `${GREG}@example.org::${uid}:${gid}::${site.folder}/${GREG}\n`);
    Deno.symlinkSync(hook, `${folder}/sieve-filter/incoming`);
    Deno.writeTextFileSync(`${folder}/dovecot.conf`, one.#config());
    const compile = { args: ["-c", `${folder}/dovecot.conf`, `${folder}/sieve/countersign.sieve`] };
    const { success, stderr } = await new Deno.Command("sievec", compile).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    await one.#run();
    return one;
  }

  async #run(): Promise<void> {
    this.#master = new Deno.Command("dovecot", {
      args: ["-F", "-c", `${this.folder}/dovecot.conf`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await until("Dovecot", () => this.log.includes("starting up for lmtp"), () => this.log);
  }

  #config(): string {
    return `base_dir = ${this.folder}/run
state_dir = ${this.folder}/state
log_path = ${this.folder}/log
protocols = lmtp
listen = 127.0.0.1
ssl = no
postmaster_address = postmaster@example.org
mail_location = maildir:~/Maildir
first_valid_uid = 1
first_valid_gid = 1
service lmtp {
  inet_listener lmtp {
    port = ${this.port}
  }
}
passdb {
  driver = static
  args = nologin
}
userdb {
  driver = passwd-file
  args = ${this.folder}/users
}
!include ${this.folder}/99-countersign.conf
`;
  }

  /** Starts it anew with a changed file of contrib. */
  async restart(change: (text: string) => string): Promise<void> {
    await this.#stop();
    const path = `${this.folder}/99-countersign.conf`;
    Deno.writeTextFileSync(path, change(Deno.readTextFileSync(path)));
    Deno.removeSync(`${this.folder}/log`);
    await this.#run();
  }

  /** Delivers a message. @returns the last reply */
  async deliver(sender: string, recipient: string, message: string): Promise<string> {
    using client = await Client.open(this.port, "LHLO mx.example.org");
    const text = message.replace(/^\./gm, "..").replaceAll("\n", "\r\n");
    let reply = "";
    for (const line of [`MAIL FROM:<${sender}>`, `RCPT TO:<${recipient}>`, "DATA", `${text}.`]) {
      reply = await client.say(line);
      if (!/^[23]/.test(reply)) break;
    }
    return reply.trimEnd();
  }

  /** The log. */
  get log(): string {
    try {
      return Deno.readTextFileSync(`${this.folder}/log`);
    } catch {
      return "";
    }
  }

  async #stop(): Promise<void> {
    this.#master?.kill("SIGTERM");
    await this.#master?.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    Deno.removeSync(this.folder, { recursive: true });
  }
}
