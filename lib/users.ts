/** The file of logins: a line `LOGIN:HASH`, `LOGIN:HASH:USER` or `LOGIN:HASH:USER:HOME` for each. */
import { Fail } from "./fail.ts";

/** A password hashed with scrypt (RFC 7914), and its parameters. */
export interface ScryptHash {
  /** The binary logarithm of N. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** A login. */
export interface Login {
  readonly login: string;
  readonly hash: ScryptHash;
  /** The system user that it runs programs as; empty if the login is that user. */
  readonly user: string;
  /** The home directory, for a login that shares its user with others; otherwise empty. */
  readonly home: string;
}

/** Largest accepted parameters: they limit the memory (128 N r) to 256 MB, and the time. */
const [MAX_LN, MAX_R, MAX_P] = [18, 8, 4];

/** The line of a hash, as passlib writes it. */
const HASH = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** Parses the file. @throws {Fail} `config`, with the line */
export function parseUsers(text: string, file: string): Login[] {
  const users: Login[] = [];
  const seen = new Set<string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const at = { file, line: index + 1 };
    const [login = "", hashed = "", user = "", home = "", ...more] = line.split(":");
    const hash = parseHash(hashed);
    if (hash === undefined) throw new Fail("config", "Hash is not of the form $scrypt$ln=14,r=8,p=1$SALT$HASH", at);
    if (!isLogin(login)) throw new Fail("config", "Login is empty, or contains white space or a control character", at);
    if (more.length > 0) throw new Fail("config", "Line has more than four fields", at);
    if (user !== "" && !/^[A-Za-z_][\w.-]*$/.test(user)) throw new Fail("config", "User is not a name", at);
    if (home !== "" && !home.startsWith("/")) throw new Fail("config", "Home folder is not an absolute path", at);
    if (seen.has(login)) throw new Fail("config", "Login appears twice", at);
    seen.add(login);
    users.push({ login, hash, user, home });
  }
  return users;
}

/** Returns whether a text can be a login. */
export function isLogin(text: string): boolean {
  // deno-lint-ignore no-control-regex
  return /^[^\s:\x00-\x20\x7f]{1,255}$/.test(text) && !text.startsWith("#");
}

/** Returns the user with this login; upper and lower case differ. */
export function findUser(users: readonly Login[], login: string): Login | undefined {
  return users.find((one) => one.login === login);
}

/** Formats a hash. */
export function formatHash({ ln, r, p, salt, hash }: ScryptHash): string {
  return `$scrypt$ln=${ln},r=${r},p=${p}$${base64(salt)}$${base64(hash)}`;
}

function parseHash(text: string): ScryptHash | undefined {
  const found = HASH.exec(text);
  if (found === null) return undefined;
  const [ln, r, p] = [found[1], found[2], found[3]].map(Number) as [number, number, number];
  if (ln < 10 || ln > MAX_LN || r < 1 || r > MAX_R || p < 1 || p > MAX_P) return undefined;
  try {
    return { ln, r, p, salt: Uint8Array.fromBase64(found[4]!), hash: Uint8Array.fromBase64(found[5]!) };
  } catch {
    return undefined;
  }
}

const base64 = (bytes: Uint8Array) => bytes.toBase64({ omitPadding: true });
