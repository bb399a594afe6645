/** Authentication mechanisms (RFC 4954). To add one, write a function that returns a {@link Mechanism}. */
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

/** A mechanism whose secret is obtained only after the server has offered it. */
export interface LazyMechanism extends Pick<Mechanism, "name"> {
  /** Obtains the secret. @param signal aborted when the session ends. @throws {Fail} when that fails */
  prepare(signal: AbortSignal): Promise<Mechanism>;
}

/** A login name, and mechanisms in order of preference. */
export interface Login {
  readonly user: string;
  readonly mechanisms: readonly (Mechanism | LazyMechanism)[];
}

/** Obtains a password or a token. */
export type Secret = (signal: AbortSignal) => Promise<string>;

const PASSWORD_MECHANISMS = { PLAIN: plain, LOGIN: login, "CRAM-MD5": cramMd5 };

/** Returns the mechanisms for a login with a password, in order of preference. */
export function byPassword(user: string, password: string): Mechanism[] {
  return Object.values(PASSWORD_MECHANISMS).map((make) => make(user, password));
}

/** Returns the same for a password that is obtained when it is needed. */
export function byPasswordFrom(user: string, password: Secret): LazyMechanism[] {
  return Object.entries(PASSWORD_MECHANISMS).map(([name, make]) => {
    return { name, prepare: async (signal) => make(user, await password(signal)) };
  });
}

/** Returns the mechanisms for a login with an access token (OAuth 2.0), in order of preference. */
export function byTokenFrom(
  user: string,
  server: { readonly hostname: string; readonly port: number },
  token: Secret,
): LazyMechanism[] {
  return [
    { name: "OAUTHBEARER", prepare: async (signal) => oauthBearer(user, server, await token(signal)) },
    { name: "XOAUTH2", prepare: async (signal) => xoauth2(user, await token(signal)) },
  ];
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
    explain: explainError,
  };
}

/** OAUTHBEARER (RFC 7628): the same with a standard. */
export function oauthBearer(
  user: string,
  { hostname, port }: { readonly hostname: string; readonly port: number },
  token: string,
): Mechanism {
  // RFC 5801 section 4: a comma and an equals sign in the authorization identity are escaped.
  const name = user.replaceAll("=", "=3D").replaceAll(",", "=2C");
  const initial = utf8(`n,a=${name},\x01host=${hostname}\x01port=${port}\x01auth=Bearer ${token}\x01\x01`);
  return {
    name: "OAUTHBEARER",
    initial,
    // RFC 7628 section 3.2.3: a challenge contains an error, to which the client responds with a single 0x01.
    respond: (_, nth) => nth === 0 ? Uint8Array.of(1) : undefined,
    secrets: [...forms(initial), ...forms(token)],
    explain: explainError,
  };
}

/** Returns the error of a server (RFC 7628 section 3.2.2) in words: its JSON object without the punctuation. */
function explainError(challenge: Uint8Array): string {
  const said = text(challenge);
  try {
    const members = Object.entries(JSON.parse(said) as Record<string, unknown>);
    const words = members.filter(([, value]) => typeof value === "string").map(([name, value]) => `${name}: ${value}`);
    return words.length === 0 ? said : words.join(", ");
  } catch {
    return said;
  }
}

/** Returns the first of these mechanisms that the server offers. @param offered the parameters of the AUTH extension */
export function choose<M extends Pick<Mechanism, "name">>(offered: string, mechanisms: readonly M[]): M | undefined {
  const names = offered.toUpperCase().split(" ");
  return mechanisms.find(({ name }) => names.includes(name));
}

/** Returns a secret in the forms in which it is sent, the longest first, because one may contain the other. */
function forms(secret: string | Uint8Array): string[] {
  return typeof secret === "string" ? [utf8(secret).toBase64(), secret] : [secret.toBase64()];
}
