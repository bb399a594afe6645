/** Postfix instances on loopback, with an ephemeral port and a temporary folder. Only root can start them. */

/** An unused port. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Settings of an instance. */
export interface Setup {
  /** Additional lines of main.cf and master.cf. */
  main?: string;
  master?: string;
  /** Whether smtpd and cleanup are chrooted to the queue directory. */
  chroot?: boolean;
  /** For what it starts, is it the Postfix of the machine, whose sendmail(1) needs no options? */
  machine?: boolean;
  /** Lines of passwd(5) for more users of that machine. */
  users?: string;
}

/** master.cf without the smtpd: service type private unprivileged chroot wakeup maxproc command. */
const SERVICES = `
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;

/** An instance. It runs until it is disposed. */
export class Postfix {
  readonly folder = Deno.makeTempDirSync({ prefix: "countersign-postfix-" });
  readonly config = `${this.folder}/etc`;

  #start: readonly string[] = [];

  private constructor(readonly port: number) {}

  /** Starts an instance, by default on an unused port. */
  static async start(setup: Setup = {}, port: number = freePort()): Promise<Postfix> {
    const one = new Postfix(port);
    await one.#configure(setup);
    await one.again();
    return one;
  }

  async #configure({ main = "", master = "", chroot = false, machine = false, users = "" }: Setup): Promise<void> {
    const { folder } = this;
    // Postfix runs as its own user, which must be able to access the folder.
    Deno.chmodSync(folder, 0o755);
    for (const name of ["etc", "queue", "data"]) Deno.mkdirSync(`${folder}/${name}`);
    await run(["chown", "postfix", `${folder}/data`]);
    writeMain(
      this.config,
      `compatibility_level = 3.6
queue_directory = ${folder}/queue
data_directory = ${folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = ${folder}/log
maillog_file_prefixes = ${folder}
alias_maps =
alias_database =
local_recipient_maps =
biff = no
notify_classes =
smtp_host_lookup = native
disable_dns_lookups = yes
${main}
`,
    );
    const smtpd = `127.0.0.1:${this.port} inet n - ${chroot ? "y" : "n"} - - smtpd`;
    const services = chroot ? SERVICES.replace("cleanup unix n - n", "cleanup unix n - y") : SERVICES;
    Deno.writeTextFileSync(
      `${this.config}/master.cf`,
      `${smtpd}${services}${master}
`,
    );
    Deno.writeTextFileSync(`${this.config}/passwd`, `${Deno.readTextFileSync("/etc/passwd")}${users}`);
    // Programs that it starts would otherwise inherit the name of a configuration that sendmail(1) takes from root
    // alone.
    this.#start = machine ? this.onMachine(["postfix", "start"]) : ["postfix", "-c", this.config, "start"];
  }

  /** Starts it, after it was stopped or killed. */
  again(): Promise<void> {
    return run([...this.#start]);
  }

  /** Stops it; messages in transit remain in the queue. */
  stop(): Promise<void> {
    return run(["postfix", "-c", this.config, "stop"]);
  }

  /** The words that run a program for which this Postfix is the machine's. */
  onMachine(argv: string[]): string[] {
    const script = 'mount --bind "$0/passwd" /etc/passwd; ' +
      'for file in main.cf master.cf; do mount --bind "$0/$file" /etc/postfix/$file; done; exec "$@"';
    return ["unshare", "-m", "sh", "-ec", script, this.config, ...argv];
  }

  /** The log. */
  get log(): string {
    try {
      return Deno.readTextFileSync(`${this.folder}/log`);
    } catch {
      return "";
    }
  }

  /** Retries all queued messages now. */
  flush(): Promise<void> {
    return run(["postqueue", "-c", this.config, "-f"]);
  }

  /** The number of queued messages. A message that is being moved between queues is listed twice but counted once. */
  async queued(): Promise<number> {
    const { stdout } = await new Deno.Command("postqueue", { args: ["-c", this.config, "-j"] }).output();
    const lines = new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
    return new Set(lines.map((line) => JSON.parse(line).queue_id)).size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/**
 * Writes main.cf with a time in the past: each program of Postfix waits until the file has not been changed for more
 * than a second, in case it is still being written.
 */
export function writeMain(folder: string, text: string): void {
  const path = `${folder}/main.cf`;
  Deno.writeTextFileSync(path, text);
  const before = new Date(Date.now() - 60_000);
  Deno.utimeSync(path, before, before);
}

async function run(argv: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(argv[0]!, { args: argv.slice(1), stdin: "null" }).output();
  if (code !== 0) throw new Error(`${argv.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
