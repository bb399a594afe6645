/**
 * The sandbox of the programs under an MTA: what their settings name, and no more. `countersign sandbox` writes it
 * beside the settings, the launchers pass it to Deno as permission flags, and `countersign doctor` compares.
 */
import { type ConfigSource, printServer, serverOf, type Settings } from "./parse.ts";
import { Fail, quote } from "../fail.ts";
import { GROUP, KILL, PASSWD, PRINTENV, sandboxFile } from "../paths.ts";
import { programOf } from "./presets.ts";

/** A right of Deno. Environment and user id are always given. */
export type Right = "read" | "write" | "run" | "net";

/** The way out, the way in, what the way in gets besides where it is called with `--forward`, and the engine. */
export type Program = "shim" | "incoming" | "forward" | "serve";

/** What one program may do with what. */
export interface Permission {
  /** Who. */
  readonly program: Program;
  /** What it may do. */
  readonly right: Right;
  /** A path, absolute or below `~/`; for `net` a host and port, or a unix socket. */
  readonly thing: string;
}

/**
 * What the settings need. Folders are given with all that is below them.
 *
 * Environment variables are not narrowed: a program that is run gets all of them in any case.
 *
 * @param place the settings file, and the home: `~` where the file is not below it, but that of a site
 * @param real where a path leads through links: Deno asks for both names
 * @param groupWritable may the group of a file write it? Then it must be seen to be the user's private one
 * @returns in the order of programs, rights and things; each once
 * @throws {Fail} `config` for a path with a comma, which Deno cannot tell from two
 */
export function permissions(
  settings: Settings,
  { file, home }: ConfigSource,
  real: (path: string) => string = (path) => path,
  groupWritable: (path: string) => boolean = () => false,
): Permission[] {
  const { transport, incoming, challenge, tag } = settings;
  const given: Permission[] = [];
  // Settings of the whole site mean each user's own home; a user's own are his wherever HOME points.
  const shared = home !== "" && !file.startsWith(`${home}/`);
  // What is below each user's home the launcher looks up.
  const bothNames = (path: string) => [path, shared && path !== below(path, home) ? path : real(path)];
  const give = (program: Permission["program"], right: Right, ...things: string[]) => {
    const named = things.filter((thing) => thing !== "");
    const paths = [...new Set(right === "read" || right === "write" ? named.flatMap(bothNames) : named)];
    for (const thing of paths) {
      if (paths.some((other) => thing.startsWith(`${other}/`))) continue; // given with its folder
      if (/[,\n]/.test(thing)) {
        throw new Fail("config", `Path ${quote(thing)} contains a comma, which the sandbox cannot express`);
      }
      given.push({ program, right, thing: shared ? below(thing, home) : thing });
    }
  };
  const settled = [file, settings.plain_lists, ...settings.identity.map((one) => one.keys)];
  // Before those of the site each user's own are looked for.
  if (shared) settled.push(`${home}/.config/countersign/config.toml`);
  if ([...settled, transport.ca, sandboxFile(file)].some(groupWritable)) settled.push(PASSWD, GROUP);
  /** The way out: what the injector, or the maildir, takes. */
  const out = transport.via === "maildir" ? [transport.maildir] : [];
  const injector = transport.via === "command" ? [programOf(transport.preset, transport.command), KILL] : [];

  const server = transport.via === "smtp" ? [printServer(serverOf(transport))] : [];
  const login = transport.via === "smtp" ? [transport.ca, transport.password_file] : [];

  give("shim", "read", ...settled, settings.state.folder, ...out, ...login);
  give("shim", "write", settings.state.folder, ...out);
  give("shim", "run", PRINTENV, ...injector, transport.real[0] ?? "");
  give("shim", "net", ...server);

  const sends = incoming.forward || challenge.answer;
  const maildirs = [incoming.spam_command.length === 0 ? incoming.spam : "", incoming.inbox];
  const answers = challenge.answer ? [challenge.answered, tag.pymsgauth] : [];
  const filed = [settings.state.folder, ...maildirs, ...answers, ...(sends ? out : [])];
  const spam = incoming.spam_command[0] ?? "";
  give("incoming", "read", ...settled, ...filed, ...(sends ? login : []));
  give("incoming", "write", ...filed);
  give("incoming", "run", PRINTENV, ...(sends ? injector : []), spam, spam === "" ? "" : KILL);
  if (sends) give("incoming", "net", ...server);
  else {
    give("forward", "read", ...out, ...login);
    give("forward", "write", ...out);
    give("forward", "run", ...injector);
    give("forward", "net", ...server);
  }

  // The engine runs nothing, and listens only on its sockets.
  const { socket_folder: sockets } = settings.serve;
  if (sockets !== "") {
    give("serve", "read", ...settled, settings.state.folder, tag.pymsgauth, sockets);
    give("serve", "write", settings.state.folder, sockets);
    give("serve", "net", ...["door", "sign"].map((socket) => `unix:${sockets}/${socket}`));
  }
  return given;
}

/** An address that every MTA writes in one way, so that a launcher can compare it as text; never a signed one. */
const SIMPLE_ADDRESS = /^[a-z0-9_][a-z0-9._+-]*@[a-z0-9][a-z0-9.-]*[a-z0-9]$/;

/**
 * The addresses to which a person's mail needs no look at its content. Under qmail the launcher lets it pass without
 * Deno.
 *
 * @returns in lower case; none where challenges or pymsgauth's tokens are answered, because people's mail holds them
 */
export function ordinaryAddresses({ identity, challenge, tag }: Settings): string[] {
  if (challenge.answer || tag.pymsgauth !== "") return [];
  return identity.map((one) => one.address.toLowerCase()).filter((one) => SIMPLE_ADDRESS.test(one));
}

/** A permission as a line of the sandbox file. */
export function printPermission({ program, right, thing }: Permission): string {
  return `${program} --allow-${right}=${thing}`;
}

/** An ordinary address as a line of the sandbox file. */
export function printOrdinary(address: string): string {
  return `ordinary ${address}`;
}

/** The text of the sandbox file, as a launcher reads it. */
export function printSandbox(permissions: readonly Permission[], ordinary: readonly string[]): string {
  const comment = "# Written by countersign sandbox: run it again after changing the settings.";
  const lines = [comment, ...ordinary.map(printOrdinary), ...permissions.map(printPermission)];
  return lines.map((line) => `${line}\n`).join("");
}

function below(path: string, home: string): string {
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}
