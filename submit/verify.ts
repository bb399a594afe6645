/**
 * Checks a login for the script checkpassword: reads login, password and timestamp from standard input, asks a source,
 * and prints `USER`, or `USER:HOME`. Exits 0; 10 for a wrong password, 64 for wrong use, 75 if it cannot tell.
 */
import { decodeLatin1 } from "../lib/bytes.ts";
import { errorText, Fail, quote } from "../lib/fail.ts";
import { printError } from "../io/system/log.ts";
import { askDovecot } from "./backends/dovecot.ts";
import { askUsersFile } from "./backends/users_file.ts";
import { checked, type Credentials } from "./sasl.ts";

/**
 * The statuses, which the script translates: 1, the status of checkpassword for a wrong password, is also Deno's own.
 */
const [RIGHT, WRONG, MISUSED, TEMPORARY] = [0, 10, 64, 75];

/** What a program of this interface reads at most. */
const MAX_BYTES = 512;

/** Runs verify. @returns the exit status */
export async function verify(name: string, [source = "", ...more]: readonly string[]): Promise<number> {
  try {
    const [, kind, path = ""] = /^(file|dovecot):(\/.*)$/s.exec(source) ?? [];
    if (kind === undefined || more.length > 0) {
      throw new Fail("usage", `Source ${quote(source)} is neither file:/PATH nor dovecot:/SOCKET`);
    }
    const credentials = await readCredentials();
    const account = kind === "file" ? await askUsersFile(path, credentials) : await askDovecot(path, credentials);
    if (account === undefined) return WRONG;
    console.log(account.home === "" ? account.user : `${account.user}:${account.home}`);
    return RIGHT;
  } catch (error) {
    printError(name, errorText(error));
    return error instanceof Fail && error.kind === "usage" ? MISUSED : TEMPORARY;
  }
}

/** Reads descriptor 3 of checkpassword, which is standard input here. @throws {Fail} `usage` */
async function readCredentials(): Promise<Credentials> {
  const buffer = new Uint8Array(MAX_BYTES + 1);
  let size = 0;
  for (let count; size < buffer.length && (count = await Deno.stdin.read(buffer.subarray(size))) !== null;) {
    size += count;
  }
  const [user, password, timestamp] = decodeLatin1(buffer.subarray(0, size)).split("\0");
  buffer.fill(0);
  const found = size <= MAX_BYTES && timestamp !== undefined ? checked(user!, password!) : undefined;
  if (found === undefined) throw new Fail("usage", "Descriptor 3 does not contain login, password and timestamp");
  return found;
}

if (import.meta.main) Deno.exit(await verify(Deno.args[0] ?? "verify", Deno.args.slice(1)));
