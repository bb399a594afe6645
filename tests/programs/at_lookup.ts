/** The socket `lookup` that a mail server in a root of its own asks: answering, away or hanging. */
import assert from "node:assert/strict";
import { rememberSent } from "../../io/state/sent.ts";
import { lookups } from "../../serve/lookup/conversation.ts";
import { mapProtocol } from "../../serve/map/maps.ts";
import { listenAt } from "../../serve/sockets/listen.ts";
import { requestsOf } from "../../serve/sockets/requests.ts";
import { SocketServer } from "../../serve/sockets/server.ts";
import { EngineHome } from "../serve/engine.ts";

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
