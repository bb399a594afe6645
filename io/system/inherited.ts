/** Socket activation (sd_listen_fds(3)): the sockets that systemd has opened for this process. */
import { Fail, quote } from "../../lib/fail.ts";

/** The first file descriptor that is passed (SD_LISTEN_FDS_START). */
const FIRST_FD = 3;
/** Maximum number of sockets, more than any site configures. */
const MAX_SOCKETS = 64;

/** A socket that was passed to this process. */
export interface InheritedSocket {
  /** FileDescriptorName= of the socket unit. */
  readonly name: string;
  readonly fd: number;
}

/**
 * Returns the sockets that were passed to this process; an empty list without socket activation.
 *
 * @param env looks up an environment variable
 * @param pids ids of this process and of its launcher; LISTEN_PID names one of them
 * @throws {Fail} `config` when the variables contradict each other
 */
export function inheritedSockets(
  env: (name: string) => string | undefined,
  pids: readonly (number | string)[],
): InheritedSocket[] {
  const pid = env("LISTEN_PID");
  if (pid === undefined || !pids.map(String).includes(pid)) return []; // intended for another process
  const count = env("LISTEN_FDS") ?? "";
  if (!/^\d{1,4}$/.test(count) || Number(count) > MAX_SOCKETS) {
    throw new Fail("config", `LISTEN_FDS is ${quote(count)}, not a number of sockets`);
  }
  const names = (env("LISTEN_FDNAMES") ?? "").split(":");
  return Array.from({ length: Number(count) }, (_, at) => {
    const name = names[at] ?? "";
    if (name === "") {
      throw new Fail("config", `Socket ${FIRST_FD + at} has no name`, { fix: "set FileDescriptorName=" });
    }
    return { name, fd: FIRST_FD + at };
  });
}
