/**
 * The sandbox of the programs that an MTA runs, which is limited to what their settings require. `countersign sandbox`
 * writes it to a file next to the settings, the launchers pass it to Deno as permission flags, and `countersign doctor`
 * checks it.
 */
import { accountsIn } from "./accounts.ts";
import { asksLookup, lookupSocket } from "./lookup.ts";
import { mailboxOf, pathOf } from "./mailbox.ts";
import { type ConfigSource, printServer, serverOf, type Settings } from "./parse.ts";
import { Fail, quote } from "../fail.ts";
import { GROUP, HOSTNAME, KILL, PASSWD, PRINTENV, sandboxFile, SERVE_SOCKETS } from "../paths.ts";
import { programOf } from "./presets.ts";
import { parseRedis, type RedisHost } from "./redis.ts";
import { folderOfUsers, parseAuth } from "./submission.ts";

/** A kind of Deno permission. Access to environment and user id is always granted. */
export type Right = "read" | "write" | "run" | "net";

/**
 * The shim, the hook, the additional permissions of the hook with `--forward`, the doorbell, `countersign serve` and
 * `submitd`.
 */
export type Program = "shim" | "incoming" | "forward" | "doorbell" | "serve" | "submitd";

/** A permission of a program. */
export interface Permission {
  /** The program that gets the permission. */
  readonly program: Program;
  /** The kind of access. */
  readonly right: Right;
  /** A path, absolute or below `~/`; for `net` a host and port, or a unix socket. */
  readonly thing: string;
}

/**
 * Returns the permissions that the settings require. A permission for a folder includes everything below it.
 *
 * Environment variables are not restricted, because every child process gets all of them anyway.
 *
 * @param place the settings file and the home directory; paths below home are written with `~` if the file is that of a
 *   site, outside the home directory
 * @param real resolves symbolic links; Deno requires permission for both names
 * @param groupWritable returns whether the group of a file can write it; then the group must be checked
 * @returns the permissions without duplicates, ordered by program, right and thing
 * @throws {Fail} `config` for a path with a comma, which Deno would take for two paths
 */
export function permissions(
  settings: Settings,
  { file, home }: ConfigSource,
  real: (path: string) => string = (path) => path,
  groupWritable: (path: string) => boolean = () => false,
): Permission[] {
  const { transport, outbox, incoming, challenge, tag } = settings;
  const accounts = accountsIn(settings);
  const given: Permission[] = [];
  // In the settings of a site, paths below home refer to the home directory of each user.
  const shared = home !== "" && !file.startsWith(`${home}/`);
  // The settings of each user are looked up before those of the site: also those of a user whose home is the state.
  const own = shared ? `${home}/.config/countersign/config.toml` : "";
  // The launcher resolves paths below each user's home directory.
  const bothNames = (path: string) => [path, shared && path !== below(path, home) ? path : real(path)];
  const give = (program: Permission["program"], right: Right, ...things: string[]) => {
    const named = things.filter((thing) => thing !== "");
    const paths = [...new Set(right === "read" || right === "write" ? named.flatMap(bothNames) : named)];
    for (const thing of paths) {
      if (thing !== own && paths.some((other) => thing.startsWith(`${other}/`))) continue; // included in its folder
      if (/[,\n]/.test(thing)) {
        throw new Fail("config", `Path ${quote(thing)} contains a comma, which the sandbox cannot express`);
      }
      given.push({ program, right, thing: shared ? below(thing, home) : thing });
    }
  };
  const settled = [file, settings.plain_lists, ...settings.identity.map((one) => one.keys), own];
  if ([...settled, ...accounts.map((one) => one.ca), settings.serve.moved, sandboxFile(file)].some(groupWritable)) {
    settled.push(PASSWD, GROUP);
  }
  const out = transport.via === "maildir" ? [transport.maildir] : [];
  const commands = accounts.flatMap((one) => [one.password_command[0] ?? "", one.oauth2_command[0] ?? ""]);
  const runs = transport.via === "command"
    ? [programOf(transport.preset, transport.command)]
    : commands.filter((one) => one !== "");
  const injector = runs.length === 0 ? [] : [...new Set(runs), KILL];

  const server = accounts.map((one) => printServer(serverOf(one)));
  const login = accounts.flatMap((one) => [one.ca, one.password_file]);
  // Connecting to a unix socket takes permission to read and write it, and to use it.
  const lookup = asksLookup(settings) ? [lookupSocket(settings)] : [];
  const asking = lookup.map((path) => `unix:${path}`);

  // A message that is kept is sent later, so the shim checks now whether the programs exist.
  const checked = outbox.when === "never" ? [] : runs;
  give("shim", "read", ...settled, settings.state.folder, ...lookup, ...out, outbox.report, ...login, ...checked);
  give("shim", "write", settings.state.folder, ...lookup, ...out, outbox.report);
  give("shim", "run", PRINTENV, ...injector, transport.real[0] ?? "");
  give("shim", "net", ...asking, ...server);

  const sends = incoming.forward || challenge.answer;
  const mailboxes = [incoming.spam_command.length === 0 ? incoming.spam : "", incoming.inbox]
    .map((one) => pathOf(mailboxOf(one)));
  const answers = challenge.answer ? [challenge.answered, tag.pymsgauth] : [];
  const filed = [settings.state.folder, ...lookup, ...mailboxes, ...answers, ...(sends ? out : [])];
  const spam = incoming.spam_command[0] ?? "";
  give("incoming", "read", ...settled, ...filed, ...(sends ? login : []));
  give("incoming", "write", ...filed);
  give("incoming", "run", PRINTENV, ...(sends ? injector : []), spam, spam === "" ? "" : KILL);
  give("incoming", "net", ...asking, ...(sends ? server : []));
  if (!sends) {
    give("forward", "read", ...out, ...login);
    give("forward", "write", ...out);
    give("forward", "run", ...injector);
    give("forward", "net", ...server);
  }

  // The doorbell needs no key of an identity. Its launcher permits the program on its command line.
  if (settings.doorbell.length > 0) {
    const identityKeys = settings.identity.map((one) => one.keys);
    const bell = settled.filter((one) => !identityKeys.includes(one));
    const own = settings.doorbell.flatMap((one) => [one.keys, one.terms]);
    const folders = [settings.state.folder, ...settings.doorbell.map((one) => one.folder)];
    give("doorbell", "read", ...bell, ...own, ...folders, ...out, ...login);
    give("doorbell", "write", ...folders, ...out);
    give("doorbell", "run", PRINTENV, KILL, ...injector);
    give("doorbell", "net", ...server);
  }

  // Users with settings of their own are restricted to the programs and servers in this file.
  const { submit } = settings;
  if ([submit.auth, submit.certificate, submit.key, submit.user_settings].some((one) => one !== "")) {
    const auth = parseAuth(submit.auth);
    const asked = auth === undefined || auth.kind === "checkpassword" ? "" : auth.path;
    const users = folderOfUsers(submit.user_settings);
    const kept = [settings.state.folder, ...lookup, ...out, outbox.report, users];
    give("submitd", "read", ...settled, ...kept, ...login, submit.certificate, submit.key, asked, HOSTNAME);
    give("submitd", "write", ...kept, auth?.kind === "dovecot" ? asked : "");
    give("submitd", "run", PRINTENV, ...injector, auth?.kind === "checkpassword" ? "/bin/sh" : "");
    const sockets = auth?.kind === "dovecot" ? [`unix:${asked}`] : [];
    give("submitd", "net", ...asking, ...server, ...sockets, ...submit.listen, ...submit.listen_tls);
  }

  // The engine runs nothing, and listens only on its sockets. It alone connects to Redis.
  const { socket_folder: sockets } = settings.serve;
  if (sockets !== "") {
    const { folder, redis, redis_ca, redis_password_file } = settings.state;
    const address = redis === "" ? undefined : parseRedis(redis);
    const socket = address !== undefined && "path" in address ? address.path : "";
    const all = [folder, sockets, lookupSocket(settings), socket];
    const forwarding = settings.forwarding.domain === "" ? [] : [settings.forwarding.keys];
    give(
      "serve",
      "read",
      ...settled,
      settings.serve.moved,
      ...forwarding,
      ...all,
      tag.pymsgauth,
      redis_ca,
      redis_password_file,
    );
    give("serve", "write", ...all);
    if (address !== undefined) {
      give("serve", "net", socket === "" ? printServer(address as RedisHost) : `unix:${socket}`);
    }
    const ours = SERVE_SOCKETS.map((one) => one === "lookup" ? lookupSocket(settings) : `${sockets}/${one}`);
    give("serve", "net", ...ours.map((path) => `unix:${path}`));
  }
  return given;
}

/** An address that all MTAs write in the same way, so that a launcher can compare it as text; never a signed one. */
const SIMPLE_ADDRESS = /^[a-z0-9_][a-z0-9._+-]*@[a-z0-9][a-z0-9.-]*[a-z0-9]$/;

/**
 * Returns the addresses whose mail from ordinary senders is delivered without examining its content. Under qmail the
 * launcher passes it on without starting Deno.
 *
 * @returns the addresses in lower case; none when challenges are answered or pymsgauth is used, because ordinary mail
 *   may contain challenges
 */
export function ordinaryAddresses({ identity, challenge, tag }: Settings): string[] {
  if (challenge.answer || tag.pymsgauth !== "") return [];
  return identity.map((one) => one.address.toLowerCase()).filter((one) => SIMPLE_ADDRESS.test(one));
}

/**
 * Returns what the door may reject although the sender is a person: addresses in SRS domains, and those in the file of
 * moved addresses. For other addresses hooks/queue and hooks/rcptcheck query `countersign serve` only if they may be
 * signed.
 */
export function doorAddresses({ identity, serve }: Settings): string[] {
  const domains = identity.map((one) => one.srs_domain.toLowerCase()).filter((one) => one !== "");
  const listed = [...new Set(domains.map((one) => `@${one}`)), serve.moved].filter((one) => one !== "");
  return listed.length > 0 ? listed : ["-"]; // the list is known to be empty
}

/** Formats a permission as a line of the sandbox file. */
function printPermission({ program, right, thing }: Permission): string {
  return `${program} --allow-${right}=${thing}`;
}

/** Formats an ordinary address as a line of the sandbox file. */
function printOrdinary(address: string): string {
  return `ordinary ${address}`;
}

/** Returns the text of the sandbox file of these settings. */
export function sandboxText(permissions: readonly Permission[], settings: Settings): string {
  return printSandbox(permissions, ordinaryAddresses(settings), doorAddresses(settings));
}

/** Formats the sandbox file. */
export function printSandbox(
  permissions: readonly Permission[],
  ordinary: readonly string[],
  door: readonly string[] = [],
): string {
  const comment = "# Written by countersign sandbox: run it again after changing the settings.";
  const lines = [
    comment,
    ...ordinary.map(printOrdinary),
    ...door.map((one) => `door ${one}`),
    ...permissions.map(printPermission),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function below(path: string, home: string): string {
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}
