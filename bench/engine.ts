/** `countersign serve` as it is installed, other servers beside it, and the messages that they receive. */
import { dayOf } from "../lib/date.ts";
import { signTag } from "../lib/tag.ts";
import { SENT_DAYS } from "../io/state/sent.ts";
import { CREATED, SECRET } from "../build/rig/home.ts";
import { qsbmf } from "../build/rig/mails.ts";
import type { BenchHome } from "./home.ts";
import { fillSent } from "./sent.ts";

export const GREG = "greg@example.org";
export const SRS_DOMAIN = "srs.example.org";
export const FORWARDING_DOMAIN = "fwd.example.org";

const lie = (nth: number): string =>
  `From: ${GREG}\nMessage-ID: <lie${nth}@spam.example>\nSubject: Pills\n\n${"Buy these now!\n".repeat(100)}`;

/** A message that greg receives or sends. */
export const LETTER = `From: ${GREG}\nTo: jo@b.example\nMessage-ID: <1@example.org>\n` +
  `Date: Fri, 20 Nov 2026 10:00:00 +0000\nSubject: Lunch?\n\n${"At one?\n".repeat(200)}`;

/** A bounce of a message that greg has not sent, each with a Message-ID of its own. */
export const forged = (nth: number): string => qsbmf(GREG, lie(nth));

/** A bounce of a message that greg has sent. */
export function genuineBounce(): string {
  const tag = signTag(GREG, "<sent@example.org>", { key: "k1", secret: SECRET, now: new Date(), nonce: "abcdefgh" });
  return qsbmf(GREG, lie(0).replace("<lie0@spam.example>", `<sent@example.org>\nX-Msgauth: ${tag}`));
}

/** A server that runs until it is disposed. */
export class Server {
  private constructor(readonly child: Deno.ChildProcess) {}

  /** Starts it, and waits until it accepts connections. */
  static async start(
    [program, ...args]: readonly string[],
    address: Deno.ConnectOptions | Deno.UnixConnectOptions,
    env: Record<string, string>,
  ): Promise<Server> {
    const child = new Deno.Command(program!, {
      args,
      clearEnv: true,
      env,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    for (let tries = 0; tries < 400; tries++) {
      try {
        (await connect(address)).close();
        return new Server(child);
      } catch {
        await new Promise((next) => setTimeout(next, 50));
      }
    }
    throw new Error(`${program} does not listen on ${JSON.stringify(address)}`);
  }

  /** The resident set in MB: of the process, and of those that it has started. */
  get mb(): number {
    const { stdout } = new Deno.Command("ps", {
      args: ["-o", "rss=", "--pid", String(this.child.pid), "--ppid", String(this.child.pid)],
    }).outputSync();
    const kb = new TextDecoder().decode(stdout).trim().split("\n").map(Number);
    return Math.round(Math.max(...kb) / 102.4) / 10;
  }

  /** Processor time in milliseconds: of the process that a launcher has started, or this one, and of its children. */
  get cpuMs(): number {
    const children = Deno.readTextFileSync(`/proc/${this.child.pid}/task/${this.child.pid}/children`).trim();
    const fields = Deno.readTextFileSync(`/proc/${children.split(" ")[0] || this.child.pid}/stat`).split(") ")[1]!;
    // Four figures in ticks, of which Linux shows a hundred per second (proc(5)).
    return fields.split(" ").slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGTERM");
    await this.child.status;
  }
}

/** Connects to a TCP port or a unix socket. */
export const connect = (address: Deno.ConnectOptions | Deno.UnixConnectOptions): Promise<Deno.Conn> =>
  "path" in address ? Deno.connect({ ...address, transport: "unix" }) : Deno.connect(address);

/** The address of a unix socket. */
export const unix = (path: string): Deno.UnixConnectOptions => ({ transport: "unix", path });

/** Messages of the last 30 days that a site remembers. */
const REMEMBERED = 100_000;

/** A site with its settings, keys, folders, and an index of sent mail. */
export class Site {
  readonly sockets: string;

  constructor(readonly home: BenchHome) {
    this.sockets = home.folder("site/sockets");
    for (const age of [0, SENT_DAYS - 1]) {
      fillSent(`${home.path}/site/state/sent`, REMEMBERED / 2, dayOf(new Date()) - age);
    }
    home.write("site/keys", `k1 ${CREATED} ${SECRET}\n`, 0o600);
    home.write("site/forwarding-keys", `k1 ${CREATED} forwarding ${SECRET}\n`, 0o600);
    home.write(
      "site/config.toml",
      `[[identity]]\naddress = "${GREG}"\nsrs_domain = "${SRS_DOMAIN}"\nkeys = "keys"\nlogins = ["greg"]\n` +
        `[state]\nfolder = "state"\nshared = true\n[transport]\npreset = "postfix"\n[incoming]\nforged = "refuse"\n` +
        `[serve]\nsocket_folder = "sockets"\n[forwarding]\ndomain = "${FORWARDING_DOMAIN}"\nkeys = "forwarding-keys"\n`,
    );
  }

  /** The path of a socket in the folder of the engine. */
  socket(name: string): string {
    return `${this.sockets}/${name}`;
  }

  /** Starts the engine. */
  async start(): Promise<Server> {
    const { home } = this;
    const argv = [`${await home.installed()}/bin/countersign`, "serve", "--config", `${home.path}/site/config.toml`];
    return await Server.start(argv, unix(this.socket("map")), home.withoutCache().env);
  }
}
