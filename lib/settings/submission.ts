/** Values of the table `[submit]`: how passwords are checked, and where `countersign submitd` listens. */

/** How passwords are checked. */
export interface AuthBackend {
  readonly kind: "file" | "dovecot" | "checkpassword";
  /** The file, socket or program. */
  readonly path: string;
}

/** Returns the backend; undefined if the text does not name one. */
export function parseAuth(text: string): AuthBackend | undefined {
  const [, kind, path] = /^(file|dovecot|checkpassword):(\/.+)$/.exec(text) ?? [];
  return kind === undefined ? undefined : { kind: kind as AuthBackend["kind"], path: path! };
}

/** An IP address and a port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Parses `192.0.2.1:587` or `[2001:db8::1]:587`; undefined if the text is neither. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, v6, v4, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|(\d{1,3}(?:\.\d{1,3}){3})):(\d{1,5})$/.exec(text) ?? [];
  const [host, port] = [v6 ?? v4, Number(digits)];
  if (host === undefined || port > 65_535) return undefined;
  const literal = v6 === undefined ? host : `[${host}]`;
  return URL.canParse(`http://${literal}/`) ? { host, port } : undefined;
}

/** A login of which a part of a file name can be made. */
const SAFE_LOGIN = /^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}$/;

/** Returns the settings file of a login; undefined for a login that could name another folder. */
export function settingsOf(template: string, login: string): string | undefined {
  return SAFE_LOGIN.test(login) ? template.replaceAll("{login}", login) : undefined;
}

/** Returns the folder that contains the settings of all logins; empty without a template. */
export function folderOfUsers(template: string): string {
  const fixed = template.split("{login}")[0]!;
  return fixed === "" ? "" : fixed.slice(0, fixed.lastIndexOf("/")) || "/";
}
