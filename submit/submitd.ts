/** `countersign submitd`: accepts mail from authenticated clients, and sends it as the shim does. */
import { errorText, Fail, quote } from "../lib/fail.ts";
import { sysexit } from "../lib/sysexits.ts";
import { daemonOptions } from "../io/system/daemon_options.ts";
import { BACKLOG, placesFor } from "../io/system/descriptors.ts";
import { checkArguments } from "../io/system/environment.ts";
import { configFile, loadSettings } from "../io/system/load.ts";
import { printError } from "../io/system/log.ts";
import { inheritedSockets } from "../io/system/inherited.ts";
import type { Socket } from "./submitd/server.ts";

const HELP = `Usage: countersign submitd [--config FILE]
Accepts mail from authenticated clients, over TLS on ports 587 (STARTTLS) and 465, signs it, and sends it for their
user. It listens on submit.listen and submit.listen_tls, or on the sockets that systemd passes to it with the names
submission and submissions.

  --config FILE  Settings, instead of ~/.config/countersign/config.toml

On SIGHUP it reloads settings and certificate; if they are invalid, the previous ones remain in use. New sockets and
limits need a restart. On SIGTERM it exits after the messages in transit.

Example: countersign submitd --config /etc/countersign/submit.toml
`;

/** Runs the server. @returns the exit status */
export async function submitd(name: string, args: readonly string[]): Promise<number> {
  try {
    checkArguments(args);
    const options = daemonOptions("submitd", args, HELP);
    if (typeof options === "string") {
      console.log(options);
      return 0;
    }
    if (Deno.uid() === 0) {
      throw new Fail("usage", "submitd must not run as root", { fix: "run it as a separate user: man countersign" });
    }
    await run(configFile(options.config));
    return 0;
  } catch (error) {
    printError(name, errorText(error));
    return sysexit(error);
  }
}

/** The names of inherited sockets (FileDescriptorName=), and whether TLS starts with the connection. */
const NAMES = new Map([["submission", false], ["submissions", true]]);

/** Time limit in milliseconds for messages in transit when the program exits. */
const MAX_DRAIN_MS = 30_000;

/** Descriptors of all logins and messages that are in progress at the same time: 50 of each, with a few for each. */
const SENDING_FILES = 600;

async function run(source: { file: string; home: string }): Promise<void> {
  const settings = loadSettings(source, "users");
  const { socketsOf, Submitd } = await import("./submitd/server.ts"); // with smtp-server, 60 ms
  const report = (what: string) => printError("submitd", what);
  const stop = Promise.withResolvers<void>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => stop.resolve());
  const inherited = inheritedSockets((name) => Deno.env.get(name), [
    Deno.pid,
    Deno.env.get("COUNTERSIGN_LAUNCHER") ?? "",
  ]);
  const sockets: Socket[] = inherited.length === 0 ? socketsOf(settings) : inherited.map(({ name, fd }) => {
    const tls = NAMES.get(name);
    if (tls !== undefined) return { where: { fd }, tls };
    const fix = "set FileDescriptorName=submission, or submissions";
    throw new Fail("config", `Socket ${quote(name)} is not one of ${[...NAMES.keys()].join(", ")}`, { fix });
  });
  // All sockets together may have submit.max_connections.
  const { submit } = settings;
  const { each, problem } = placesFor(submit.max_connections, 1, SENDING_FILES + sockets.length * BACKLOG);
  if (problem !== undefined) report(problem);
  const server = new Submitd({ ...settings, submit: { ...submit, max_connections: each } }, report);
  Deno.addSignalListener("SIGHUP", () => {
    try {
      server.reload(loadSettings(source, "users"));
      report("Settings and certificate were reloaded");
    } catch (error) {
      report(`The previous settings remain in use: ${errorText(error)}`);
    }
  });
  const ports: string[] = [];
  try {
    for (const socket of sockets) ports.push(`${await server.listen(socket)}${socket.tls ? " (TLS)" : ""}`);
    printError("submitd", `Listening on port ${ports.join(" and ")}`);
    await stop.promise;
  } finally {
    await server.close(MAX_DRAIN_MS);
  }
  Deno.exit(0); // connections that are not closed yet
}
