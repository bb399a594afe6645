/** Ways to log in (RFC 4954). A further one, such as OAUTHBEARER, is one more function that makes a {@link Mechanism}. */
import { concat, text, utf8 } from "../../../lib/bytes.ts";

/** One way to log in. It deals in plain text and bytes; base64 is the session's business. */
export interface Mechanism {
  /** As the server offers it, in capitals. */
  readonly name: string;
  /** What is sent along with AUTH; undefined where the server speaks first. */
  readonly initial?: Uint8Array;
  /**
   * Answers a challenge.
   *
   * @param nth how many challenges came before
   * @returns undefined when there is nothing more to say: the exchange is cancelled
   */
  respond(challenge: Uint8Array, nth: number): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** Removed from error messages: a server may repeat what it was sent. */
  readonly secrets: readonly string[];
  /** The text of a challenge that reports an error, for the error message. */
  explain?(challenge: Uint8Array): string;
}

/** A login with a password, by the first of the mechanisms that the server offers. */
export function byPassword(user: string, password: string): Mechanism[] {
  return [plain(user, password), login(user, password), cramMd5(user, password)];
}

/** PLAIN (RFC 4616). */
export function plain(user: string, password: string): Mechanism {
  const initial = utf8(`\0${user}\0${password}`);
  return { name: "PLAIN", initial, respond: () => undefined, secrets: [...forms(initial), ...forms(password)] };
}

/** LOGIN, which no RFC describes: the server asks for the name, then for the password. */
export function login(user: string, password: string): Mechanism {
  const answers = [utf8(user), utf8(password)];
  return { name: "LOGIN", respond: (_, nth) => answers[nth], secrets: forms(password) };
}

/** CRAM-MD5 (RFC 2195), for servers that offer nothing else. */
export function cramMd5(user: string, password: string): Mechanism {
  const respond = async (challenge: Uint8Array, nth: number) => {
    if (nth > 0) return undefined;
    const { hmacMd5 } = await import("./md5.ts");
    return concat(utf8(`${user} `), utf8(hmacMd5(utf8(password), challenge)));
  };
  return { name: "CRAM-MD5", respond, secrets: forms(password) };
}

/** XOAUTH2, as Google and Microsoft describe it: an access token in place of a password. */
export function xoauth2(user: string, token: string): Mechanism {
  const initial = utf8(`user=${user}\x01auth=Bearer ${token}\x01\x01`);
  return {
    name: "XOAUTH2",
    initial,
    // A challenge holds the error; the server refuses as soon as it has been answered.
    respond: (_, nth) => nth === 0 ? new Uint8Array() : undefined,
    secrets: [...forms(initial), ...forms(token)],
    explain: text,
  };
}

/** The first of these that the server offers. @param offered the parameters of the AUTH extension */
export function choose(offered: string, mechanisms: readonly Mechanism[]): Mechanism | undefined {
  const names = offered.toUpperCase().split(" ");
  return mechanisms.find(({ name }) => names.includes(name));
}

/** A secret as it is, and as it is sent; the longest first, for one may hold the other. */
function forms(secret: string | Uint8Array): string[] {
  return typeof secret === "string" ? [utf8(secret).toBase64(), secret] : [secret.toBase64()];
}
