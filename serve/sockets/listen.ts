/** Unix sockets on which the roles listen: created here, or passed by systemd (inherited.ts). */
import { Fail, provesMissing, reason } from "../../lib/fail.ts";
import { checkOwn } from "../../io/system/files.ts";

/** A connection; `Deno.Conn` is one. */
export interface Connection {
  /** Reads some bytes. @returns their number; null at the end */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes some of the bytes. @returns their number */
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** A socket that accepts connections. */
export interface Listener {
  /** Waits for a connection. @throws when the listener is closed, or a connection cannot be accepted */
  accept(): Promise<Connection>;
  /** Stops listening. A socket that was created here is removed. */
  close(): void;
}

/**
 * Creates a socket that the owner and the group may use, and listens on it.
 *
 * @throws {Fail} `config` when another process listens there, or the socket cannot be created
 */
export async function listenAt(path: string): Promise<Listener> {
  await removeStale(path);
  let listener: Deno.UnixListener;
  let own: Deno.FileInfo;
  try {
    listener = Deno.listen({ transport: "unix", path });
    Deno.chmodSync(path, 0o660);
    own = Deno.lstatSync(path);
  } catch (error) {
    throw new Fail("config", `Socket ${path} cannot be created: ${reason(error)}`, { cause: error });
  }
  return {
    accept: () => listener.accept(),
    close() {
      // Another process may have replaced the socket by its own. Deno removes whatever has the name.
      const replaced = !isSame(path, own) && moveAside(path);
      listener.close();
      if (replaced) Deno.renameSync(aside(path), path);
      else remove(path);
    },
  };
}

/**
 * Checks that no other user can create a socket in the folder, or determine the group of a socket in it. A missing
 * folder is reported when a socket is created in it.
 *
 * @throws {Fail} `permission`; `config` when it cannot be examined
 */
export function checkFolder(path: string): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    if (provesMissing(error)) return;
    throw new Fail("config", `Socket folder cannot be examined: ${reason(error)}`, { file: path, cause: error });
  }
  checkOwn("Socket folder", path, info, 0o002);
}

const aside = (path: string): string => `${path}.${Deno.pid}`;

/** Renames a socket temporarily. @returns whether it exists */
function moveAside(path: string): boolean {
  try {
    Deno.renameSync(path, aside(path));
    return true;
  } catch {
    return false;
  }
}

/** Returns whether this is still the same file. */
function isSame(path: string, { dev, ino }: Deno.FileInfo): boolean {
  try {
    const now = Deno.lstatSync(path);
    return now.dev === dev && now.ino === ino;
  } catch {
    return false;
  }
}

/** Removes the socket of a process that has ended. */
async function removeStale(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (error) {
    if (provesMissing(error)) return;
    throw new Fail("config", `Socket ${path} cannot be examined: ${reason(error)}`, { cause: error });
  }
  if (!info.isSocket) throw new Fail("config", `${path} exists and is not a socket`);
  let connection: Deno.UnixConn;
  try {
    connection = await Deno.connect({ transport: "unix", path });
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return remove(path);
    throw new Fail("config", `Socket ${path} cannot be probed: ${reason(error)}`, { cause: error });
  }
  connection.close();
  throw new Fail("config", `Another process is listening on ${path}`);
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!provesMissing(error)) throw error;
  }
}
