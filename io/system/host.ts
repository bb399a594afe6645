/** The one file of lib that touches the system: standard input, environment, files with owner and mode. */
import { type Bytes, concat, text } from "../../lib/bytes.ts";
import { parseConfig, type Settings } from "../../lib/settings/parse.ts";
import { Fail, orLater, provesMissing, reason, show } from "../../lib/fail.ts";
import { isGroupOf } from "../../lib/settings/groups.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { parseAddress } from "../../lib/address.ts";
import { type Key, parseKeys } from "../../lib/settings/keys.ts";
import { plainLists } from "../../lib/settings/lists.ts";
import { type Event, logLine } from "../../lib/log.ts";
import { type Head, parseHead } from "../../lib/message.ts";

/** Longest header that is taken. */
export const HEADER_LIMIT = 1024 * 1024;
/** What a hook looks into: header and beginning of the body. */
export const PREFIX_LIMIT = 256 * 1024;
/** What a pipe takes at once. */
export const PIPE_BYTES = 64 * 1024;
/** Longest settings or key file. */
const FILE_LIMIT = 256 * 1024;
/** Longest file of lists: some two million. */
const LISTS_LIMIT = 64 * 1024 * 1024;
/** One buffer for all reading: memory for 1 GB is that for 1 KB. */
const CHUNK = 256 * 1024;
const FILE_CHUNK = 64 * 1024;

/** Where a message is read from. */
export type Source = Pick<Deno.FsFile, "read" | "readSync">;

/** Standard input as a message: its beginning, and the rest still to come. */
export interface Input {
  /** What was read so far. */
  readonly prefix: Bytes;
  readonly head: Head;
  /** Did it end within `prefix`? */
  readonly whole: boolean;
  /** The body: what of it is in `prefix`, then the rest. Can be read once. */
  body(): AsyncIterable<Uint8Array>;
  /** Where it was read from; `body()` reads on there. */
  readonly from: Source;
}

/**
 * Reads standard input, or another source, until the header is there, and at least `prefix` bytes.
 *
 * @param strict is a header over {@link HEADER_LIMIT} an error? Else what is over belongs to the body
 * @throws {Fail} `data` for such a header, `io` when reading fails
 */
export async function readInput(prefix: number, strict: boolean, from: Source = Deno.stdin): Promise<Input> {
  const parts: Bytes[] = [];
  let size = 0;
  let tried = 0;
  let whole = false;
  for (;;) {
    const buffer = new Uint8Array(Math.min(Math.max(prefix - size, 16 * 1024), CHUNK));
    const count = await read(from, buffer);
    if (count === null) whole = true;
    else {
      parts.push(buffer.subarray(0, count));
      size += count;
    }
    // Parsed anew only when it has doubled: a long header in small pieces would take the square of its time.
    const over = size >= HEADER_LIMIT;
    if (!whole && !over && (size < prefix || size < 2 * tried)) continue;
    tried = size;
    const bytes = concat(...parts);
    const head = parseHead(bytes, whole) ?? (over ? cutHead(bytes, strict) : undefined);
    if (head !== undefined) {
      return {
        prefix: bytes,
        head,
        whole,
        body: () => rest(from, bytes.subarray(head.bodyStart), whole),
        from,
      };
    }
  }
}

/** The header of a message that has too much of it: what is over its last whole line goes on in the body. */
function cutHead(bytes: Bytes, strict: boolean): Head {
  if (strict) throw new Fail("data", `The header is longer than ${HEADER_LIMIT} bytes`);
  const bodyStart = bytes.lastIndexOf(10) + 1;
  return { ...parseHead(bytes.subarray(0, bodyStart), true)!, bodyStart, cut: true };
}

async function* rest(from: Source, first: Uint8Array, whole: boolean): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  if (whole) return;
  const buffer = new Uint8Array(CHUNK);
  for (let count; (count = await read(from, buffer)) !== null;) {
    yield buffer.subarray(0, count);
    // No pipe gives so much at once: it is a file, which never makes us wait, and signals are heard between writes.
    if (count === CHUNK) return yield* restOfFile(from, buffer.subarray(0, FILE_CHUNK));
  }
}

/** Twice as fast as the asynchronous way, and with pieces of the size of a pipe fastest. */
function* restOfFile(from: Source, buffer: Uint8Array): Generator<Uint8Array> {
  for (;;) {
    let count: number | null;
    try {
      count = from.readSync(buffer);
    } catch (error) {
      throw unreadable(from, error);
    }
    if (count === null) return;
    yield buffer.subarray(0, count);
  }
}

/** Asynchronous on purpose: a synchronous read that has to wait would starve the signal handlers. */
async function read(from: Source, buffer: Uint8Array): Promise<number | null> {
  try {
    return await from.read(buffer);
  } catch (error) {
    throw unreadable(from, error);
  }
}

function unreadable(from: Source, error: unknown): Fail {
  const what = from === Deno.stdin ? "Standard input" : "The message";
  return new Fail("io", `${what} cannot be read: ${reason(error)}`, { cause: error });
}

/** Reads standard input to its end: a pipe that is closed early is an error to some callers. */
export async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of body);
}

/** Tells what a variable holds that is not UTF-8. */
export const PRINTENV = "/usr/bin/printenv";

/**
 * The bytes of an environment variable, undefined when it is not there.
 *
 * qmail puts a stranger's bytes into SENDER and others. Deno refuses to read
 * what is not UTF-8; printenv is asked then.
 */
export async function envBytes(name: string): Promise<Bytes | undefined> {
  try {
    const value = Deno.env.get(name);
    return value === undefined ? undefined : new TextEncoder().encode(value);
  } catch {
    try {
      childEnvironment();
      const { code, stdout } = await new Deno.Command(PRINTENV, { args: [name], stderr: "null" }).output();
      if (code === 0) return new Uint8Array(stdout.subarray(0, -1));
    } catch {
      // It is missing, or not permitted. Only what the bytes are remains unknown.
    }
    return new TextEncoder().encode("\ufffd"); // set, but unreadable: nobody's address
  }
}

/** An environment variable as text; bytes that are not UTF-8 become U+FFFD. */
export async function env(name: string): Promise<string | undefined> {
  const bytes = await envBytes(name);
  return bytes && text(bytes);
}

/**
 * The settings file: `given`, or COUNTERSIGN_CONFIG, or that of the user, or that of the system.
 *
 * @param own never that of the system: a user is about to make his
 */
export function configFile(given?: string, own = false): { file: string; home: string } {
  const home = plainEnv("HOME");
  const named = given || plainEnv("COUNTERSIGN_CONFIG");
  if (named !== "") return { file: named.startsWith("/") ? named : `${Deno.cwd()}/${named}`, home };
  const users = `${plainEnv("XDG_CONFIG_HOME") || `${home}/.config`}/countersign/config.toml`;
  const site = "/etc/countersign/config.toml";
  if (own || !isMissing(users) || isMissing(site)) return { file: users, home };
  // The sandbox of a user's own settings does not include the site's: then the user's are the ones that are gone.
  const { state } = Deno.permissions.querySync({ name: "read", path: site });
  return { file: state === "granted" ? site : users, home };
}

/** Where the permissions of a settings file stand: `config.permissions` beside `config.toml`. */
export function permissionsFile(config: string): string {
  return `${config.replace(/\.toml$/, "")}.permissions`;
}

/** A variable that is the user's own doing, empty when it is not set. */
function plainEnv(name: string): string {
  try {
    return Deno.env.get(name) ?? "";
  } catch {
    throw new Fail("config", `Environment variable ${name} is not UTF-8`);
  }
}

/** A small text file; undefined where it is missing. @throws {Fail} `temporary` when it cannot be read */
export function readIfPresent(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (provesMissing(error)) return undefined;
    throw new Fail("temporary", `File ${path} cannot be read: ${reason(error)}`, { cause: error });
  }
}

/** The same of a file below the home, by the name that HOME has for it: a wrapper may have changed the folder. */
export function readBelowHome(name: string): string | undefined {
  return readIfPresent(`${plainEnv("HOME") || Deno.cwd()}/${name}`);
}

/** Writes all of it to standard output. @throws {Fail} `io` */
export async function writeOut(bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
  } catch (error) {
    throw new Fail("io", `Standard output cannot be written: ${reason(error)}`, { cause: error });
  }
}

function isFileOrNothing(path: string): boolean {
  try {
    return Deno.lstatSync(path).isFile;
  } catch (error) {
    return provesMissing(error);
  }
}

/** Reads and checks the settings; the plain lists when they are first asked for. @throws {Fail} `config`, naming the file */
export function loadSettings(place: { file: string; home: string }): Settings {
  checkPermissionsFile(permissionsFile(place.file));
  // It names programs that we run: nobody else may write it.
  const settings = parseConfig(readOwn("Settings file", place.file, WRITABLE), place);
  return { ...settings, plainLists: plainLists(() => readPlainLists(settings), settings.plain_lists) };
}

/** The text of the file of plain lists; empty when there is none. @throws {Fail} `config`, `permission` */
export function readPlainLists({ plain_lists: path }: Settings): string {
  return isMissing(path) ? "" : readOwn("File of lists", path, WRITABLE, { limit: LISTS_LIMIT });
}

/** Does this name not exist? One that we may not look at could, and so does a link that leads nowhere at present. */
export function isMissing(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return false;
  } catch (error) {
    return provesMissing(error);
  }
}

/**
 * The identities. A key file is read when a message first needs it: a site may have a thousand.
 *
 * Reading one throws {@link Fail} `config`, or `permission` for a key file that others can read.
 */
export function loadIdentities(settings: Settings): Identity[] {
  return settings.identity.map((one) => ({
    address: parseAddress(one.address.toLowerCase()),
    also: one.also.map((pattern) => pattern.toLowerCase()),
    srsDomain: one.srs_domain.toLowerCase(),
    // With `group` the key is one user's, lent to the hook of the site.
    ...(one.group ? { user: one.address.toLowerCase() } : {}),
    get keys(): readonly Key[] {
      const keys = parseKeys(readOwn("Key file", one.keys, one.group ? 0o037 : 0o077, { lent: one.group }), one.keys);
      Object.defineProperty(this, "keys", { value: keys });
      return keys;
    },
  }));
}

/** The password in a file: its one line. @throws {Fail} `config`; `permission` for a file that others can read */
export function readPassword(path: string): string {
  const password = readOwn("Password file", path, 0o077).replace(/\r?\n$/, "");
  if (!/^[^\0\r\n]+$/.test(password)) throw new Fail("config", `Password file ${path} does not hold one line`);
  return password;
}

/** Certificates in PEM. Whoever may write the file could be the server. @throws {Fail} `config`, `permission` */
export function readCertificates(path: string): string {
  const pem = readOwn("CA file", path, WRITABLE);
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new Fail("config", `CA file ${path} has no certificate in PEM`);
  }
  return pem;
}

/** Mode bits by which others than the owner may write. That of the group does no harm where it is a private one. */
const WRITABLE = 0o022;

/** Without the file the launcher permits what the user may do. @throws {Fail} as for all files that the user must own */
function checkPermissionsFile(path: string): void {
  const what = "File of permissions";
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    if (provesMissing(error)) return;
    throw new Fail(orLater(error, "config"), `${what} ${path} cannot be read: ${reason(error)}`);
  }
  checkOwn(what, path, info, WRITABLE);
}

/** @throws {Fail} `permission` for a file with these bits, or one that is neither the user's nor root's */
function checkOwn(what: string, path: string, info: Deno.FileInfo, forbidden: number, lent = false): void {
  const mode = (info.mode ?? 0) & 0o777;
  const others = mode & forbidden;
  if (others !== 0 && !(forbidden === WRITABLE && others === 0o020 && isPrivateGroup(info.gid))) {
    const verb = (forbidden & 0o004) !== 0 ? "read" : "write";
    const fix = `chmod ${(mode & ~forbidden).toString(8)}`;
    throw new Fail("permission", `${what} ${path} has mode 0${mode.toString(8)}; others could ${verb} it: ${fix}`);
  }
  const user = Deno.uid();
  if (!lent && info.uid !== null && info.uid !== user && info.uid !== 0) {
    throw new Fail("permission", `${what} ${path} belongs to user ${info.uid}, not to ${user}`);
  }
}

/** Is nobody in this group but the user, and root? Where we may not look, somebody could be. */
function isPrivateGroup(gid: number | null): boolean {
  try {
    const users = [Deno.uid() ?? 0, 0];
    return gid !== null && isGroupOf(gid, users, Deno.readTextFileSync(PASSWD), Deno.readTextFileSync(GROUP));
  } catch {
    return false;
  }
}

/** Where accounts and groups are listed: read only for a file that its group may write. */
export const [PASSWD, GROUP] = ["/etc/passwd", "/etc/group"];

/** What may be different with a file that is read. */
interface Reading {
  /** May it belong to somebody else? */
  readonly lent?: boolean;
  /** How long may it be? */
  readonly limit?: number;
}

/**
 * Reads a file that is the user's own, or root's.
 *
 * @param forbidden mode bits that must not be set
 */
function readOwn(what: string, path: string, forbidden: number, { lent, limit = FILE_LIMIT }: Reading = {}): string {
  let file: Deno.FsFile;
  let info: Deno.FileInfo;
  try {
    file = Deno.openSync(path);
    // The open file is asked, not the name: it may be another one by now. Deno wants a permission for its real name.
    info = file.statSync();
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound ? "is not there" : `cannot be read: ${reason(error)}`;
    throw new Fail(orLater(error, "config"), `${what} ${path} ${why}`);
  }
  using opened = file;
  if (!info.isFile) throw new Fail("config", `${what} ${path} is not a file`);
  checkOwn(what, path, info, forbidden, lent);
  if (info.size > limit) throw new Fail("config", `${what} ${path} is longer than ${limit} bytes`);
  const bytes = new Uint8Array(info.size);
  let size = 0;
  for (let count; size < bytes.length && (count = opened.readSync(bytes.subarray(size))) !== null;) size += count;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, size));
  } catch {
    throw new Fail("config", `${what} ${path} is not UTF-8`);
  }
}

/** Adds a line to the log. A log that cannot be written never stops mail. */
export function log(settings: Settings, event: Event): void {
  try {
    Deno.mkdirSync(settings.state, { recursive: true, mode: 0o700 });
    const path = `${settings.state}/log`;
    if (!isFileOrNothing(path)) return; // a pipe that nobody reads would hold us
    using file = Deno.openSync(path, { read: true, append: true, create: true, mode: 0o600 });
    // A full disk has cut the last line: it ends here, and can be seen to be cut.
    const front = endsWithNewline(file) ? "" : "…\n";
    const line = new TextEncoder().encode(front + logLine(event, new Date()));
    for (let at = 0; at < line.length;) at += file.writeSync(line.subarray(at));
  } catch {
    // The message matters more.
  }
}

function endsWithNewline(file: Deno.FsFile): boolean {
  const { size } = file.statSync();
  if (size === 0) return true;
  const last = new Uint8Array(1);
  file.seekSync(size - 1, Deno.SeekMode.Start);
  return file.readSync(last) !== 1 || last[0] === 10;
}

/** Writes one line to standard error; a closed one is nobody's loss. */
export function complain(program: string, what: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(`${program}: ${what.replace(/[\r\n]+/g, " ")}\n`));
  } catch {
    // Nobody listens.
  }
}

/** Refuses an argument that was not UTF-8: Deno has put U+FFFD in its place, silently. */
export function checkArguments(args: readonly string[]): void {
  for (const argument of args) {
    if (argument.includes("\ufffd")) throw new Fail("usage", `Argument ${show(argument)} is not UTF-8`);
  }
}

/** Holds the launcher's process id: it is the parent of this process for as long as it lives. */
export const LAUNCHER = "COUNTERSIGN_LAUNCHER";

/**
 * The environment for a program that we run, less what was meant for us alone.
 *
 * Variables of the dynamic linker are removed from our own as well: with limited permissions Deno starts no program
 * while one is set, whatever its value.
 */
export function childEnvironment(): Record<string, string> {
  const all = Deno.env.toObject();
  for (const name of Object.keys(all)) {
    if (!/^(?:LD|DYLD)_/.test(name)) continue;
    Deno.env.delete(name);
    delete all[name];
  }
  if (all.DENO_DIR?.endsWith("/countersign/cache")) delete all.DENO_DIR; // a launcher's, of no use to others
  delete all[LAUNCHER];
  return all;
}

/** The same, less the variables that would change what a mail program does with our arguments. */
export function cleanEnvironment(): Record<string, string> {
  const all = childEnvironment();
  for (const name of Object.keys(all)) {
    if (
      /^(QMAIL(INJECT|USER|HOST|NAME|SUSER|SHOST|IDHOST|DEFAULTDOMAIN|DEFAULTHOST|PLUSDOMAIN|MFTFILE|RCPTS)|MAIL(USER|HOST|NAME)|NULLMAILER_.*)$/
        .test(name)
    ) {
      delete all[name];
    }
  }
  return all;
}

/** Signals that would end the process at once, and its injector would take the part for the whole. */
const SIGNALS = [
  "SIGTERM",
  "SIGINT",
  "SIGHUP",
  "SIGQUIT",
  "SIGALRM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGXCPU",
  "SIGVTALRM",
] as const;

/** Aborted by a signal. */
export function stopped(): AbortSignal {
  const controller = new AbortController();
  for (const signal of SIGNALS) {
    Deno.addSignalListener(signal, () => controller.abort());
  }
  return controller.signal;
}
