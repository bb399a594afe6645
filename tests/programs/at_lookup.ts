/** The socket `lookup` that a mail server in a root of its own asks: answering, away or hanging. */
import assert from "node:assert/strict";
import { rememberSent } from "../../io/state/sent.ts";
import { lookups } from "../../serve/lookup/conversation.ts";
import { mapProtocol } from "../../serve/map/maps.ts";
import { listenAt } from "../../serve/sockets/listen.ts";
import { requestsOf } from "../../serve/sockets/requests.ts";
import { SocketServer } from "../../serve/sockets/server.ts";
import { FORGED, LETTER, PLAIN } from "../serve/at_door.ts";
import { EngineHome } from "../serve/engine.ts";
import { Client, dotted } from "./smtp_session.ts";

/** ann@example.org has moved to ann@example.net, and <known@example.org> was sent unsigned by greg. */
export class LookupEngine implements AsyncDisposable {
  readonly home: EngineHome;
  /** The messages that the server reported. */
  readonly reports: string[] = [];
  #servers: SocketServer[] = [];
  #hanging: Deno.Listener<Deno.Conn> | undefined;
  #accepting: Promise<void> | undefined;
  #held: Deno.Conn[] = [];

  /** @param group the group that may use the socket @param contact the setting serve.contact */
  constructor(readonly socket: string, readonly group: number, contact: string) {
    this.home = new EngineHome(`contact = ${JSON.stringify(contact)}\nmoved = "moved"`);
    this.home.write("moved", "ann@example.org ann@example.net\n");
    assert.equal(this.home.engine.reload(), undefined);
    const greg = this.home.identity("greg");
    rememberSent(`${this.home.path}/state/sent`, greg, "<known@example.org>", false, new Date());
  }

  /** Says whether all programs that sign share the state; without that, no message may be rejected. */
  share(shared: boolean): void {
    const text = this.home.read("site.toml");
    this.home.write("site.toml", text.replace(/^shared = .*$/m, `shared = ${shared}`));
    assert.equal(this.home.engine.reload(), undefined);
  }

  /** Starts to answer, also on the socket `map` beside it. */
  async start(): Promise<void> {
    const loaded = () => this.home.engine.loaded;
    const report = (what: string) => void this.reports.push(what);
    const map = this.socket.replace(/lookup$/, "map");
    this.#servers = [
      new SocketServer(await listenAt(this.socket), lookups({ loaded, store: undefined }), report),
      new SocketServer(await listenAt(map), requestsOf(mapProtocol(loaded)), report),
    ];
    for (const path of [this.socket, map]) this.#open(path);
  }

  /** Accepts connections, and never answers. */
  hang(): void {
    const listener = Deno.listen({ transport: "unix", path: this.socket }) as Deno.Listener<Deno.Conn>;
    this.#hanging = listener;
    this.#open(this.socket);
    this.#accepting = (async () => {
      for await (const one of listener) this.#held.push(one);
    })().catch(() => {});
  }

  /** Number of requests that were not answered. */
  get held(): number {
    return this.#held.length;
  }

  /** Ends all connections, and removes the socket. */
  async stop(): Promise<void> {
    await Promise.all(this.#servers.splice(0).map((server) => server.close(0)));
    this.#hanging?.close();
    this.#hanging = undefined;
    await this.#accepting; // Deno then removes the socket
    for (const one of this.#held.splice(0)) one.close();
    try {
      Deno.removeSync(this.socket);
    } catch {
      // The server has removed it.
    }
  }

  /** As a folder with the setgid bit would do. */
  #open(path: string): void {
    Deno.chownSync(path, 0, this.group);
    Deno.chmodSync(path, 0o660);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.home[Symbol.dispose]();
  }
}

/** A message, and the reply to it. */
export interface Replied {
  /** A header field that is in no other message. */
  readonly field: string;
  readonly isForged: boolean;
  readonly reply: string;
}

/**
 * Sends 100 messages in 10 sessions, every other one a forged bounce to greg, while the engine stops and starts at
 * least twice. Fails if a recipient is rejected.
 *
 * @param person the recipient of the others
 */
export async function sendDuringRestarts(engine: LookupEngine, port: number, person: string): Promise<Replied[]> {
  let sending = true;
  const restarting = (async () => {
    for (let stops = 0; sending || stops < 2; stops++) {
      await engine.stop();
      await new Promise((next) => setTimeout(next, 50));
      await engine.start();
      await new Promise((next) => setTimeout(next, 100));
    }
  })();
  const sent: Replied[] = [];
  try {
    await Promise.all(Array.from({ length: 10 }, async (_, session) => {
      using client = await Client.open(port);
      for (let number = 0; number < 10; number++) {
        const isForged = number % 2 === 0;
        const [from, to] = isForged ? ["", PLAIN] : ["jo@b.example", person];
        for (const line of [`MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, "DATA"]) {
          assert.match(await client.say(line), /^[23]/);
        }
        const field = `X-Restart: ${session}-${number}`;
        const reply = await client.say(`${field}\r\n${dotted(isForged ? FORGED : LETTER)}.`);
        sent.push({ field, isForged, reply });
      }
    }));
  } finally {
    sending = false;
    await restarting;
  }
  return sent;
}
