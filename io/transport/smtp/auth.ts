/** Authentication mechanisms (RFC 4954). To add one, such as OAUTHBEARER, write a function that returns a {@link Mechanism}. */
import { concat, text, utf8 } from "../../../lib/bytes.ts";

/** An authentication mechanism. It handles decoded data; the session applies base64. */
export interface Mechanism {
  /** The name as the server offers it, in upper case. */
  readonly name: string;
  /** The initial response, sent with AUTH; undefined if the server sends a challenge first. */
  readonly initial?: Uint8Array;
  /**
   * Responds to a challenge.
   *
   * @param nth number of challenges before this one
   * @returns undefined to cancel the exchange
   */
  respond(challenge: Uint8Array, nth: number): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** Removed from error messages, because a server may repeat what it received. */
  readonly secrets: readonly string[];
  /** Returns the text of a challenge that reports an error, for the error message. */
  explain?(challenge: Uint8Array): string;
}

/** Returns the mechanisms for a login with a password, in order of preference. */
export function byPassword(user: string, password: string): Mechanism[] {
  return [plain(user, password), login(user, password), cramMd5(user, password)];
}

/** PLAIN (RFC 4616). */
export function plain(user: string, password: string): Mechanism {
  const initial = utf8(`\0${user}\0${password}`);
  return { name: "PLAIN", initial, respond: () => undefined, secrets: [...forms(initial), ...forms(password)] };
}

/** LOGIN, which has no RFC: the server prompts for the name, then for the password. */
export function login(user: string, password: string): Mechanism {
  const answers = [utf8(user), utf8(password)];
  return { name: "LOGIN", respond: (_, nth) => answers[nth], secrets: forms(password) };
}

/** CRAM-MD5 (RFC 2195), for servers that do not offer another mechanism. */
export function cramMd5(user: string, password: string): Mechanism {
  const respond = async (challenge: Uint8Array, nth: number) => {
    if (nth > 0) return undefined;
    const { hmacMd5 } = await import("./md5.ts");
    return concat(utf8(`${user} `), utf8(hmacMd5(utf8(password), challenge)));
  };
  return { name: "CRAM-MD5", respond, secrets: forms(password) };
}

/** XOAUTH2, as documented by Google and Microsoft: an access token instead of a password. */
export function xoauth2(user: string, token: string): Mechanism {
  const initial = utf8(`user=${user}\x01auth=Bearer ${token}\x01\x01`);
  return {
    name: "XOAUTH2",
    initial,
    // A challenge contains an error; the server rejects the login after an empty response.
    respond: (_, nth) => nth === 0 ? new Uint8Array() : undefined,
    secrets: [...forms(initial), ...forms(token)],
    explain: text,
  };
}

/** Returns the first of these mechanisms that the server offers. @param offered the parameters of the AUTH extension */
export function choose(offered: string, mechanisms: readonly Mechanism[]): Mechanism | undefined {
  const names = offered.toUpperCase().split(" ");
  return mechanisms.find(({ name }) => names.includes(name));
}

/** Returns a secret in the forms in which it is sent, the longest first, because one may contain the other. */
function forms(secret: string | Uint8Array): string[] {
  return typeof secret === "string" ? [utf8(secret).toBase64(), secret] : [secret.toBase64()];
}
