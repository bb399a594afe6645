/** A provider for tests: a Dovecot with IMAP and POP3 on loopback, on ephemeral ports, with the mailbox of one user. */
import { forged, letter } from "../admin/sweep.ts";
import { PASSWORD, USER } from "./dovecot.ts";
import { lacking, type Test, tests } from "./need.ts";
import { freePort, until } from "./postfix.ts";

/** Returns a function that registers tests which need this Dovecot and the programs of these Debian packages. */
export async function needMailHost(...programs: [program: string, pack: string][]): Promise<Test> {
  const missing = Deno.uid() === 0 ? [] : ["only root can start Dovecot"];
  missing.push(await lacking("imap", "dovecot-core dovecot-imapd"), await lacking("pop3", "dovecot-pop3d"));
  for (const [program, pack] of programs) missing.push(await lacking(program, pack));
  return tests(missing.filter((reason) => reason !== "").join(", "));
}

/** An instance. It runs until it is disposed. */
export class MailHost {
  readonly folder = Deno.makeTempDirSync({ prefix: "countersign-mailhost-" });
  readonly ports = { imap: freePort(), pop3: freePort() };
  #master: Deno.ChildProcess | undefined;
  #count = 0;

  static async start(): Promise<MailHost> {
    const one = new MailHost();
    const { folder, ports } = one;
    Deno.chmodSync(folder, 0o755);
    for (const name of ["home", "home/Maildir", ...["tmp", "new", "cur"].map((name) => `home/Maildir/${name}`)]) {
      Deno.mkdirSync(`${folder}/${name}`);
      Deno.chmodSync(`${folder}/${name}`, 0o777);
    }
    Deno.writeTextFileSync(`${folder}/users`, `${USER}:{PLAIN}${PASSWORD}\n`);
    Deno.writeTextFileSync(
      `${folder}/dovecot.conf`,
      `base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/log
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:~/Maildir
passdb {
  driver = passwd-file
  args = ${folder}/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${folder}/home
}
first_valid_uid = 1
namespace inbox {
  inbox = yes
}
service imap-login {
  inet_listener imap {
    port = ${ports.imap}
  }
}
service pop3-login {
  inet_listener pop3 {
    port = ${ports.pop3}
  }
}
`,
    );
    one.#master = new Deno.Command("dovecot", {
      args: ["-F", "-c", `${folder}/dovecot.conf`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await until("Dovecot", () => one.log.includes("starting up for imap"), () => one.log);
    return one;
  }

  /** The log. */
  get log(): string {
    try {
      return Deno.readTextFileSync(`${this.folder}/log`);
    } catch {
      return "";
    }
  }

  /** Delivers a message to the inbox. */
  deliver(mail: string): void {
    const name = `${++this.#count}.P1.mx`;
    const draft = `${this.folder}/home/Maildir/tmp/${name}`;
    Deno.writeTextFileSync(draft, mail, { mode: 0o666 });
    Deno.chmodSync(draft, 0o666);
    Deno.renameSync(draft, `${this.folder}/home/Maildir/new/${name}`);
  }

  /** The messages in a folder, such as `.Spam`, that are not marked as deleted; by default in the inbox. */
  mails(folder = ""): string[] {
    return ["new", "cur"].flatMap((part) => {
      const path = `${this.folder}/home/Maildir/${folder}/${part}`;
      try {
        return [...Deno.readDirSync(path)].filter(({ name }) => !/:2,[A-Z]*T/.test(name)).map(({ name }) =>
          Deno.readTextFileSync(`${path}/${name}`)
        );
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return [];
        throw error;
      }
    });
  }

  /** Gives the messages in the inbox these flags, as another mail program does. */
  flag(flags: string): void {
    const inbox = `${this.folder}/home/Maildir`;
    for (const part of ["new", "cur"]) {
      for (const { name } of Deno.readDirSync(`${inbox}/${part}`)) {
        Deno.renameSync(`${inbox}/${part}/${name}`, `${inbox}/cur/${name.replace(/:2,.*/, "")}:2,${flags}`);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#master?.kill("SIGTERM");
    await this.#master?.status;
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Puts a genuine bounce, a forged one and a letter into the inbox at the provider. */
export function deliverThree(host: MailHost, genuine: string): void {
  for (const mail of [genuine, forged(), letter()]) host.deliver(mail);
}
