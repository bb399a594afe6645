/** `countersign passwd`: manages the file of logins for checkpassword. */
import { decodeLatin1 } from "../lib/bytes.ts";
import { Fail, quote } from "../lib/fail.ts";
import { findUser, isLogin, type Login, parseUsers } from "../lib/users.ts";
import { readPrivateFile } from "../io/system/files.ts";
import { hashPassword } from "../submit/backends/scrypt.ts";
import { runCommand } from "./arguments.ts";
import { changeAtomically, createAtomically, isThere } from "./files.ts";
import { readSecret } from "./secret_input.ts";
import { say } from "./terminal.ts";

const HELP = `Usage: countersign passwd list [--file FILE]
       countersign passwd add LOGIN [--user USER [--home DIR]] [--file FILE]
       countersign passwd change LOGIN [--file FILE]
       countersign passwd remove LOGIN [--file FILE]
Manages the logins of clients that submit mail, which checkpassword verifies. Reads the password from the terminal or
standard input, and stores a hash of it.

  --user USER  System user that programs run as after the login. Default: the one with the name of the login
  --home DIR   Home directory of the login, with settings and state of its own, if several logins share the user
  --file FILE  File of logins, mode 0600. Default: /etc/countersign/users

Example: countersign passwd add greg
`;

/** The file that checkpassword reads by default. */
const FILE = "/etc/countersign/users";
/** checkpassword programs read 512 bytes of login, password and timestamp. */
const MAX_PASSWORD_BYTES = 255;
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** Runs the command. @returns the exit status */
export function passwd(name: string, args: readonly string[]): Promise<number> {
  return runCommand(name, args, { help: HELP, values: ["user", "home", "file"] }, async (options) => {
    const [word = "list", login, ...more] = [...options.operands, ...options.rest ?? []];
    if (!["list", "add", "change", "remove"].includes(word)) {
      throw new Fail("usage", `Unknown argument ${quote(word)}`, { fix: "use list, add, change or remove" });
    }
    const over = word === "list" ? login : more[0];
    if (over !== undefined) throw new Fail("usage", `Unknown argument ${quote(over)}`);
    const [user = "", home = ""] = [options.value("user"), options.value("home")];
    if (word !== "add" && (user !== "" || home !== "")) {
      throw new Fail("usage", "Options --user and --home are for add");
    }
    if (home !== "" && user === "") throw new Fail("usage", "Option --home requires --user");
    const file = options.value("file") ?? FILE;
    if (word === "list") {
      for (const one of read(file)) say([one.login, one.user, one.home].filter((part) => part !== "").join("  "));
      return;
    }
    if (login === undefined) throw new Fail("usage", "LOGIN is missing", { fix: `passwd ${word} LOGIN` });
    if (!isLogin(login)) throw new Fail("usage", `Login ${quote(login)} is not valid`);
    const known = isThere(file) ? read(file) : [];
    const found = findUser(known, login);
    if (word === "add" && found !== undefined) {
      throw new Fail("usage", `Login ${login} already exists`, { fix: `passwd change ${login}` });
    }
    if (word !== "add" && found === undefined) throw new Fail("usage", `Login ${login} does not exist`, { file });
    const line = word === "remove" ? undefined : `${login}:${await newHash(login)}${tail(found ?? { user, home })}`;
    if (line !== undefined) parseUsers(line, file); // --user and --home may be wrong
    if (!isThere(file) && createAtomically(file, `${line}\n`)) return;
    changeAtomically(file, (text) => changed(text, login, line));
  });
}

const tail = ({ user, home }: Pick<Login, "user" | "home">) =>
  user === "" ? "" : home === "" ? `:${user}` : `:${user}:${home}`;

function read(file: string): Login[] {
  const text = readPrivateFile("File of logins", file, 0o077, {
    limit: MAX_FILE_BYTES,
    fix: "countersign passwd add LOGIN",
  });
  return parseUsers(text, file);
}

/** Replaces the line of a login, removes it, or adds it. */
function changed(text: string, login: string, line: string | undefined): string {
  const lines = text.split("\n").filter((one, at, all) => one !== "" || at < all.length - 1);
  const at = lines.findIndex((one) => one.startsWith(`${login}:`));
  const added = line === undefined ? [] : [line];
  const all = at < 0 ? [...lines, ...added] : lines.toSpliced(at, 1, ...added);
  return all.map((one) => `${one}\n`).join("");
}

async function newHash(login: string): Promise<string> {
  const password = await readSecret(`Password of ${login}: `);
  if (password === "") throw new Fail("usage", "The password is empty");
  const bytes = new TextEncoder().encode(password);
  if (bytes.length > MAX_PASSWORD_BYTES) {
    throw new Fail("usage", `The password is longer than ${MAX_PASSWORD_BYTES} bytes`);
  }
  if (bytes.includes(0)) throw new Fail("usage", "The password contains NUL");
  return await hashPassword(decodeLatin1(bytes)); // clients send the bytes of UTF-8
}
