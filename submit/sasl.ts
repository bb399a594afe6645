/** Parses the client's responses for the mechanisms PLAIN (RFC 4616) and LOGIN. */
import { decodeLatin1, utf8 } from "../lib/bytes.ts";

/** What a client has sent to log in; the texts are Latin-1, one character per byte. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** Maximum length of a login or a password. checkpassword programs read 512 bytes of both together. */
const MAX_BYTES = 255;

/** Returns the bytes of base64 in Latin-1; undefined if it is not well formed. */
export function decodeBase64(text: string): string | undefined {
  const whole = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
  return whole ? decodeLatin1(Uint8Array.fromBase64(text)) : undefined;
}

/**
 * Returns the credentials in a response for PLAIN; undefined if it is malformed. The authorization identity is ignored.
 */
export function plainCredentials(answer: string): Credentials | undefined {
  const parts = decodeBase64(answer)?.split("\0");
  if (parts?.length !== 3) return undefined;
  return checked(parts[1]!, parts[2]!);
}

/** Returns the credentials in the two responses for LOGIN; undefined if they are malformed. */
export function loginCredentials(first: string, second: string): Credentials | undefined {
  const [user, password] = [decodeBase64(first), decodeBase64(second)];
  return user === undefined || password === undefined ? undefined : checked(user, password);
}

/** Returns the credentials if checkpassword can read them. */
export function checked(user: string, password: string): Credentials | undefined {
  const good = (text: string) => text !== "" && text.length <= MAX_BYTES && !text.includes("\0");
  return good(user) && good(password) ? { user, password } : undefined;
}

/** The prompts of LOGIN, in base64. */
export const [ASK_USER, ASK_PASSWORD] = ["Username:", "Password:"].map((text) => utf8(text).toBase64()) as [
  string,
  string,
];
