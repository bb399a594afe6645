/** Asks Dovecot's authentication service, by its protocol for clients (version 1.2). */
import { decodeLatin1, encodeLatin1, latin1ToUtf8, utf8 } from "../../lib/bytes.ts";
import { Fail, reason } from "../../lib/fail.ts";
import { converse, sendAll } from "../../io/system/unix_socket.ts";
import type { Credentials } from "../sasl.ts";
import type { Account } from "./account.ts";

/** Milliseconds to wait for an answer. Dovecot delays failures by two seconds, and more after several. */
const TIMEOUT_MS = 30_000;
/** Longest answer. */
const MAX_BYTES = 8192;

/** Returns the account, or undefined if the login or the password is wrong. @throws {Fail} `temporary` */
export async function askDovecot(
  path: string,
  credentials: Credentials,
  ip = clientAddress(),
  timeoutMs = TIMEOUT_MS,
): Promise<Account | undefined> {
  return await connected(path, timeoutMs, (socket) => ask(socket, credentials, ip));
}

/** Returns the mechanisms that Dovecot offers in its greeting. @throws {Fail} `temporary` */
export async function mechanismsOf(path: string, timeoutMs = TIMEOUT_MS): Promise<string[]> {
  return await connected(path, timeoutMs, async (socket) => {
    await sendAll(socket, utf8(`VERSION\t1\t2\nCPID\t${Deno.pid}\n`));
    const mechanisms: string[] = [];
    for await (const [word, name = ""] of answers(socket)) {
      if (word === "MECH") mechanisms.push(name);
      if (word === "DONE") return mechanisms;
    }
    throw new Fail("temporary", "Dovecot closed the connection");
  });
}

async function connected<T>(path: string, timeoutMs: number, work: (socket: Deno.Conn) => Promise<T>): Promise<T> {
  try {
    return await converse(path, timeoutMs, work);
  } catch (error) {
    if (error instanceof Fail) throw error;
    throw new Fail("temporary", `Dovecot cannot be reached: ${reason(error)}`, { file: path, cause: error });
  }
}

async function ask(socket: Deno.Conn, { user, password }: Credentials, ip: string): Promise<Account | undefined> {
  const response = encodeLatin1(`\0${user}\0${password}`).toBase64();
  const from = ip === "" ? "" : `\trip=${ip}`;
  // The response is last: everything after it would belong to it.
  const request = `AUTH\t1\tPLAIN\tservice=smtp\tsecured=tls\tnologin${from}\tresp=${response}\n`;
  await sendAll(socket, utf8(`VERSION\t1\t2\nCPID\t${Deno.pid}\n${request}`));
  for await (const [word, id, ...rest] of answers(socket)) {
    if (id !== "1" || (word !== "OK" && word !== "FAIL")) continue;
    if (word === "FAIL") {
      if (!rest.includes("temp")) return undefined;
      throw new Fail("temporary", "Dovecot cannot check the password now");
    }
    // It may have changed the login, for example to lower case.
    return { user: rest.find((one) => one.startsWith("user="))?.slice(5) ?? latin1ToUtf8(user), home: "" };
  }
  throw new Fail("temporary", "Dovecot closed the connection");
}

/** Yields the lines that Dovecot sends, split at tabs. */
async function* answers(socket: Deno.Conn): AsyncGenerator<string[]> {
  const buffer = new Uint8Array(1024);
  let text = "";
  for (let count; (count = await socket.read(buffer)) !== null;) {
    text += decodeLatin1(buffer.subarray(0, count));
    for (let end; (end = text.indexOf("\n")) >= 0; text = text.slice(end + 1)) {
      yield latin1ToUtf8(text.slice(0, end)).split("\t");
    }
    if (text.length > MAX_BYTES) throw new Fail("temporary", "Dovecot's reply is too long");
  }
}

/** Returns the address of the client, for Dovecot's penalties; empty if it is unknown. */
function clientAddress(): string {
  try {
    const ip = Deno.env.get("TCPREMOTEIP") ?? Deno.env.get("REMOTE_HOST") ?? "";
    return /^[0-9a-fA-F.:]{2,45}$/.test(ip) ? ip : "";
  } catch {
    return "";
  }
}
