/** `countersign serve`: listens on a socket for each role until it receives SIGTERM. */
import { errorText, Fail, quote } from "../lib/fail.ts";
import { SERVE_SOCKETS } from "../lib/paths.ts";
import { asksLookup, lookupSocket } from "../lib/settings/lookup.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { sysexit } from "../lib/sysexits.ts";
import { daemonOptions } from "../io/system/daemon_options.ts";
import { BACKLOG, placesFor } from "../io/system/descriptors.ts";
import { checkArguments } from "../io/system/environment.ts";
import { inheritedSockets } from "../io/system/inherited.ts";
import { configFile } from "../io/system/load.ts";
import { printError } from "../io/system/log.ts";
import { cleanHourly } from "./clean.ts";
import { doorRole } from "./door.ts";
import { Engine } from "./engine.ts";
import type { NamedStore } from "./lookup/answers.ts";
import { lookups, MAX_LOOKUPS } from "./lookup/conversation.ts";
import { openStore } from "./lookup/state.ts";
import { milterSessions } from "./milter/conversation.ts";
import { mapProtocol } from "./map/maps.ts";
import { policyProtocol } from "./policy/policy.ts";
import { signRole } from "./sign.ts";
import { listenOn } from "./sockets/inherited.ts";
import { checkFolder, listenAt, type Listener } from "./sockets/listen.ts";
import { requestsOf } from "./sockets/requests.ts";
import { type Converse, MAX_CONNECTIONS, SocketServer } from "./sockets/server.ts";

const HELP = `Usage: countersign serve [--config FILE]
Signs and checks mail inside Postfix or Sendmail, as a milter (protocol 6) or for lookups. It creates unix sockets in
serve.socket_folder, or uses those that systemd passes to it. The socket determines the role:

  door    For port 25: rejects what the hook would file as forged, if incoming.forged is "refuse". Never signs
  sign    For submission: signs mail of the logins in identity.logins, as the shim does
  lookup  For shims and hooks that share the state in Redis (state.redis) or in the files of the site (state.lookup),
          and for other mail servers: judges a recipient and a message
  policy  For Postfix without the milter: rejects recipients as the door does (policy delegation)
  map     For Postfix: lookup tables srs-reverse, prvs, moved and, with forwarding.domain, srs-forward and srs-back
          (socketmap), in place of postsrsd

  --config FILE  Settings, instead of ~/.config/countersign/config.toml

Changed settings, lists and keys are reloaded when a message arrives, and on SIGHUP; if they are invalid, the previous
ones remain in use. On SIGTERM the program exits after the messages in transit; on a second SIGTERM it exits at once.
The door and the policy service accept what they cannot decide, so a hook must judge what they accept.

Example: countersign serve --config /etc/countersign/config.toml
`;

/** Time in milliseconds for open sessions to finish their message: as long as Postfix waits for a client. */
const MAX_DRAIN_MS = 300_000;

/** Runs the engine. @returns the exit status */
export async function serve(name: string, args: readonly string[]): Promise<number> {
  try {
    checkArguments(args);
    const options = daemonOptions("serve", args, HELP);
    if (typeof options === "string") {
      console.log(options);
      return 0;
    }
    await run(new Engine(configFile(options.config)));
    return 0;
  } catch (error) {
    printError(name, errorText(error));
    return sysexit(error);
  }
}

/** The conversation that is served on each socket. */
const CONVERSATIONS: Record<
  typeof SERVE_SOCKETS[number],
  (engine: Engine, store: NamedStore | undefined) => Converse
> = {
  door: (engine) => milterSessions(doorRole(engine)),
  sign: (engine) => milterSessions(signRole(engine)),
  lookup: (engine, store) => lookups({ loaded: () => engine.loaded, store }),
  policy: (engine) => requestsOf(policyProtocol(() => engine.loaded)),
  map: (engine) => requestsOf(mapProtocol(() => engine.loaded)),
};

async function run(engine: Engine): Promise<void> {
  const { settings } = engine.loaded;
  if (settings.serve.socket_folder === "") throw new Fail("config", "serve.socket_folder is not set");
  checkPermitted(settings);
  const stop = signalled("SIGTERM", "SIGINT");
  Deno.addSignalListener("SIGHUP", () => engine.update());
  const servers: SocketServer[] = [];
  const store = await openStore(settings, (what) => printError("serve", what));
  const stopCleaning = cleanHourly(() => engine.loaded.settings);
  try {
    const listeners = await openSockets(settings);
    const limits = limitsOf(listeners);
    for (const { name, listener } of listeners) {
      const limit = limits(name);
      const report = (what: string) => printError(name, what);
      servers.push(new SocketServer(listener, CONVERSATIONS[name](engine, store), report, limit));
    }
    printError("serve", `Listening on ${listeners.map(({ where }) => where).join(" and ")}`);
    await stop;
    Deno.addSignalListener("SIGTERM", () => Deno.exit(0));
    await store?.retire();
  } finally {
    await Promise.all(servers.map((server) => server.close(MAX_DRAIN_MS)));
    stopCleaning();
    store?.close();
  }
}

/** Returns the maximum number of connections of each socket. */
function limitsOf(open: readonly OpenSocket[]): (name: OpenSocket["name"]) => number {
  const lookups = open.some(({ name }) => name === "lookup") ? 1 : 0;
  const backlogs = open.filter(({ inherited }) => inherited).length * BACKLOG;
  const others = Math.max(open.length - lookups, 1);
  const { each, problem } = placesFor(MAX_CONNECTIONS, others, backlogs + lookups * MAX_LOOKUPS);
  if (problem !== undefined) printError("serve", problem);
  return (name) => name === "lookup" && problem === undefined ? MAX_LOOKUPS : each;
}

/**
 * Checks that the sandbox file knows of this program: with the sockets of systemd it would run, but log and remember
 * nothing.
 *
 * @throws {Fail} `config`
 */
function checkPermitted({ state: { folder } }: Settings): void {
  if (Deno.permissions.querySync({ name: "write", path: folder }).state === "granted") return;
  throw new Fail("config", "The sandbox file does not permit writing state.folder", { fix: "countersign sandbox" });
}

/** A socket with its name, and its location for messages. */
interface OpenSocket {
  readonly name: typeof SERVE_SOCKETS[number];
  readonly where: string;
  readonly listener: Listener;
  /** Whether systemd has opened it. */
  readonly inherited: boolean;
}

/** Uses the sockets of systemd; without any, creates them in the folder. All are closed if one fails. */
async function openSockets(settings: Settings): Promise<OpenSocket[]> {
  const inherited = inheritedSockets((name) => Deno.env.get(name), [
    Deno.pid,
    Deno.env.get("COUNTERSIGN_LAUNCHER") ?? "",
  ]);
  const open: OpenSocket[] = [];
  try {
    for (const socket of inherited) {
      const name = SERVE_SOCKETS.find((one) => one === socket.name);
      if (name === undefined) {
        const known = SERVE_SOCKETS.join(", ");
        throw new Fail("config", `Socket ${quote(socket.name)} is not one of ${known}`, {
          fix: "set FileDescriptorName=",
        });
      }
      const where = `${name} (descriptor ${socket.fd})`;
      open.push({ name, where, listener: await listenOn(socket), inherited: true });
    }
    if (inherited.length > 0) {
      if (asksLookup(settings) && !open.some(({ name }) => name === "lookup")) {
        throw new Fail("config", "Socket lookup, which the shim and the hook use, is missing", {
          fix: "start the socket unit with FileDescriptorName=lookup",
        });
      }
      return open;
    }
    checkFolder(settings.serve.socket_folder);
    for (const name of SERVE_SOCKETS) {
      const where = name === "lookup" ? lookupSocket(settings) : `${settings.serve.socket_folder}/${name}`;
      open.push({ name, where, listener: await listenAt(where), inherited: false });
    }
    return open;
  } catch (error) {
    for (const { listener } of open) listener.close();
    throw error;
  }
}

/** Resolves with the first of these signals. */
function signalled(...signals: Deno.Signal[]): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of signals) Deno.addSignalListener(signal, () => resolve());
  });
}
