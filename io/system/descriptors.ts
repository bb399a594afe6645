/**
 * Keeps a server from running out of file descriptors. A socket of node:net stops accepting forever, without an error,
 * when one connection cannot be accepted (Deno 2.9.6), and without descriptors no state can be written either.
 */
import { FILES, plainEnv } from "./environment.ts";

/** Descriptors for everything except connections: state, log, Redis, child processes, and those of Deno. */
const OTHERS = 256;

/** Connections that node:net accepts on a socket before the first of them can be closed: its backlog. */
export const BACKLOG = 512;

/** Connections that are always permitted. */
const LEAST = 32;

/** How many connections may be open. */
export interface Places {
  /** On each socket. */
  readonly each: number;
  /** What is wrong when the limit of open files is too low even for a few connections. */
  readonly problem?: string;
}

/**
 * Returns how many connections may be open on each socket, at most as many as wanted.
 *
 * @param sockets number of sockets
 * @param reserved descriptors that are needed besides, such as {@link BACKLOG} for each socket of node:net
 * @param files the hard limit of open files, to which Deno raises the soft one, such as `1024` or `unlimited`; empty if
 *   it is not known
 */
export function placesFor(wanted: number, sockets: number, reserved: number, files = plainEnv(FILES)): Places {
  if (!/^\d+$/.test(files)) return { each: wanted };
  const each = Math.floor((Number(files) - OTHERS - reserved) / sockets);
  if (each >= Math.min(wanted, LEAST)) return { each: Math.min(wanted, each) };
  const needed = OTHERS + reserved + sockets * LEAST;
  return {
    each: Math.min(wanted, LEAST),
    problem: `The limit of open files is ${files}, but ${needed} are needed: raise it (LimitNOFILE=, ulimit -n)`,
  };
}
