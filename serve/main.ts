/** `countersign serve`: listens on a socket for each role until it is told to stop. */
import { errorText, Fail, quote } from "../lib/fail.ts";
import { sysexit } from "../lib/sysexits.ts";
import { checkArguments } from "../io/system/environment.ts";
import { configFile } from "../io/system/load.ts";
import { log, printError } from "../io/system/log.ts";
import { doorRole } from "./door.ts";
import { Engine } from "./engine.ts";
import { MilterServer } from "./milter/listen.ts";
import { signRole } from "./sign.ts";

const HELP = `Usage: countersign serve [--config FILE]
Signs and checks mail inside Postfix, as a milter (protocol 6). It creates two unix sockets in serve.socket_folder, and
the socket is the role:

  door  For port 25: refuses what the hook would file as forged, where incoming.forged is "refuse". Never signs
  sign  For submission: signs mail of the logins in identity.logins, as the shim does

  --config FILE  Settings, instead of ~/.config/countersign/config.toml

SIGHUP loads settings, lists and keys again, and keeps the old ones when the new ones are wrong. SIGTERM ends the
program when the messages in transit are done; a second one ends it at once. There is no lookup socket, no policy
service and no shared store yet, so the door needs a hook behind it. Sendmail has not been tried.

Example: countersign serve --config /etc/countersign/config.toml
`;

/** Milliseconds that open sessions have to finish their message: as long as Postfix waits for a client. */
const MAX_DRAIN_MS = 300_000;

/** Runs the engine. @returns the exit status */
export async function serve(name: string, args: readonly string[]): Promise<number> {
  try {
    checkArguments(args);
    const options = parseOptions(args);
    if (options === "help") {
      console.log(HELP.trimEnd());
      return 0;
    }
    await run(new Engine(configFile(options.config)));
    return 0;
  } catch (error) {
    printError(name, errorText(error));
    return sysexit(error);
  }
}

function parseOptions(args: readonly string[]): "help" | { config?: string } {
  if (args.includes("--help")) return "help";
  const [first, ...more] = args;
  if (first === undefined) return {};
  const [, name = "", value = more.shift()] = /^--(\w+)(?:=(.*))?$/s.exec(first) ?? [];
  if (name !== "config") throw new Fail("usage", `Unknown option ${quote(first)}: see countersign help serve`);
  if (value === undefined || value === "") throw new Fail("usage", "Option --config needs a value");
  if (more.length > 0) throw new Fail("usage", `Unknown argument ${quote(more[0]!)}: see countersign help serve`);
  return { config: value };
}

async function run(engine: Engine): Promise<void> {
  const folder = engine.loaded.settings.serve.socket_folder;
  if (folder === "") throw new Fail("config", "serve.socket_folder is not set");
  const stop = signalled("SIGTERM", "SIGINT");
  Deno.addSignalListener("SIGHUP", () => reload(engine));
  const servers: MilterServer[] = [];
  try {
    for (const [socket, role] of [["door", doorRole(engine)], ["sign", signRole(engine)]] as const) {
      servers.push(await MilterServer.start(`${folder}/${socket}`, role, (what) => printError(socket, what)));
    }
    printError("serve", `Listening on ${folder}/door and ${folder}/sign`);
    await stop;
    Deno.addSignalListener("SIGTERM", () => Deno.exit(0));
  } finally {
    await Promise.all(servers.map((server) => server.close(MAX_DRAIN_MS)));
  }
}

function reload(engine: Engine): void {
  const error = engine.reload();
  const said = error === undefined ? "Settings reloaded" : `Settings not reloaded, the old ones stay: ${error}`;
  printError("serve", said);
  log(engine.loaded.settings, { at: "serve", result: error === undefined ? "reloaded" : "kept", error });
}

/** Resolves with the first of these signals. */
function signalled(...signals: Deno.Signal[]): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of signals) Deno.addSignalListener(signal, () => resolve());
  });
}
