/** The address of a Redis server, as `state.redis` names it. */
import { Fail, quote } from "../fail.ts";

/** A Redis server on this machine by its socket, or anywhere by host and port. */
export type RedisAddress = { readonly path: string } | RedisHost;

/** A Redis server by host and port. */
export interface RedisHost {
  readonly hostname: string;
  readonly port: number;
  readonly tls: boolean;
  /** The user to log in as; empty for the default user. */
  readonly user: string;
  readonly database: number;
}

/** Returns whether this host name or address is that of this machine. */
export const isLoopback = (host: string): boolean => /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/.test(host);

/**
 * Parses `unix:/path`, `redis://host:port/database` for a server on this machine, or `rediss://…` for one with TLS.
 *
 * @throws {Fail} `config`
 */
export function parseRedis(text: string): RedisAddress {
  const path = /^unix:(\/[^/].*)$/.exec(text)?.[1];
  if (path !== undefined) return { path };
  const wrong = () => new Fail("config", `${quote(text)} is not unix:/path, redis://host:port or rediss://host:port`);
  // URL of the web platform splits the authority of unknown schemes differently from that of http.
  const [, scheme, rest] = /^(rediss?):\/\/(.+)$/.exec(text) ?? [];
  if (rest === undefined || !URL.canParse(`https://${rest}`)) throw wrong();
  const { hostname: written, port, username, password, pathname, search, hash } = new URL(`https://${rest}`);
  const database = /^\/?(\d{0,4})$/.exec(pathname)?.[1];
  if (database === undefined || search !== "" || hash !== "") throw wrong();
  // The error must not repeat the password.
  if (password !== "") {
    throw new Fail("config", "The address contains a password", { fix: "use state.redis_password_file" });
  }
  const hostname = written.replace(/^\[(.*)\]$/, "$1");
  if (scheme === "redis" && !isLoopback(hostname)) {
    throw new Fail("config", "redis:// is allowed only for a server on this machine", { fix: "use rediss://" });
  }
  // 443 is the default port of the scheme used for parsing, so URL omits it.
  const number = port !== "" ? Number(port) : /:443(?:\/|$)/.test(rest) ? 443 : 6379;
  return {
    hostname,
    port: number,
    tls: scheme === "rediss",
    user: decodeURIComponent(username),
    database: Number(database),
  };
}
