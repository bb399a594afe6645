/**
 * Accepts connections for smtp-server: from each network up to a limit, and for a limited time without a login. The
 * library neither limits connections per address, nor the time of a client that sends single bytes.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { SMTPServerSession } from "smtp-server";
import { Fail, reason } from "../../lib/fail.ts";
import { printServer } from "../../lib/settings/parse.ts";
import type { Endpoint } from "../../lib/settings/submission.ts";
import { SESSION_SECONDS } from "../client.ts";
import { type Clients, plainAddress } from "./clients.ts";

/** Milliseconds from the connection to the login, and to the end of a session. */
export interface Times {
  readonly login: number;
  readonly session: number;
}

/** The times of submitd. */
export const TIMES: Times = { login: 60_000, session: SESSION_SECONDS * 1000 };

/** Where to listen: an address, or a socket that systemd has opened. */
export type Where = Endpoint | { readonly fd: number };

/** A connection. */
interface Entry {
  /** The socket, or the TLS on it. */
  socket: Socket;
  timer: ReturnType<typeof setTimeout>;
  closed: () => void;
}

/** The connections of all services. */
export class Door {
  readonly #open = new Map<string, Entry>();
  readonly #servers: Server[] = [];

  constructor(readonly clients: Clients, readonly times: Times = TIMES) {}

  /** Listens, and passes connections to the server of a service. @returns the port @throws {Fail} `config` */
  async listen(where: Where, service: Server): Promise<number> {
    const server = createServer((socket) => this.#accept(socket, service));
    this.#servers.push(server);
    const name = "fd" in where ? `descriptor ${where.fd}` : printServer({ hostname: where.host, port: where.port });
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) => reject(new Fail("config", `${name} cannot be used: ${reason(error)}`)));
      server.listen(where, resolve);
    });
    server.on("error", () => {}); // a connection that could not be accepted
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Ends the TLS of a connection from now on, and not the socket below it. */
  secured(session: SMTPServerSession, socket: Socket): void {
    const entry = this.#open.get(nameOf(session));
    if (entry !== undefined) entry.socket = socket;
  }

  /** Gives an authenticated client more time. */
  loggedIn(session: SMTPServerSession): void {
    const entry = this.#open.get(nameOf(session));
    if (entry === undefined) return;
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => entry.socket.destroy(), this.times.session);
  }

  /** Forgets a connection. smtp-server reports its end, because STARTTLS removes all listeners from the socket. */
  closed(session: SMTPServerSession): void {
    this.#open.get(nameOf(session))?.closed();
  }

  /** Accepts no more connections. */
  stop(): void {
    for (const server of this.#servers) server.close();
  }

  /** Ends all connections. */
  end(): void {
    for (const { socket, timer } of this.#open.values()) {
      clearTimeout(timer);
      socket.destroy();
    }
  }

  #accept(socket: Socket, service: Server): void {
    const ip = plainAddress(socket.remoteAddress ?? "");
    const closed = this.clients.open(ip, Date.now());
    if (closed === undefined || ip === "") {
      closed?.();
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    const name = nameOf(socket);
    this.#open.get(name)?.closed(); // the client cannot have two
    const entry: Entry = {
      socket,
      timer: setTimeout(() => entry.socket.destroy(), this.times.login),
      closed: () => {
        clearTimeout(entry.timer);
        closed();
        if (this.#open.get(name) === entry) this.#open.delete(name);
      },
    };
    this.#open.set(name, entry);
    socket.once("close", entry.closed);
    socket.on("error", () => {}); // smtp-server listens for errors only from the next turn of the event loop on
    service.emit("connection", socket);
  }
}

/** Names a connection by both ends: a client can use the same port for connections to several of our sockets. */
const nameOf = (one: Partial<Pick<Socket, "localAddress" | "localPort" | "remoteAddress" | "remotePort">>): string =>
  [one.localAddress, one.localPort, one.remoteAddress, one.remotePort].map((part) => plainAddress(`${part ?? ""}`))
    .join(" ");
