/** Finds what a submission server needs on this machine: a certificate with its key, and who checks passwords. */
import type { Machine } from "./machine.ts";

/** What is asked of the machine. */
export type SubmitMachine = Pick<Machine, "exists" | "read"> & {
  /** The names in a folder; none if it cannot be read. */
  folder(path: string): readonly string[];
};

/** A certificate and its key. */
export interface Pair {
  readonly certificate: string;
  readonly key: string;
}

/** Where mail servers name their certificate: a pattern for it, and one for its key. */
const CONFIGURED: readonly [file: string, certificate: RegExp, key: RegExp][] = [
  ["/etc/postfix/main.cf", /^smtpd_tls_cert_file\s*=\s*(\S+)/m, /^smtpd_tls_key_file\s*=\s*(\S+)/m],
  [
    "/etc/dovecot/conf.d/10-ssl.conf",
    /^\s*(?:ssl_cert\s*=\s*<|ssl_server_cert_file\s*=\s*)\s*(\S+)/m,
    /^\s*(?:ssl_key\s*=\s*<|ssl_server_key_file\s*=\s*)\s*(\S+)/m,
  ],
];

/** Folders of ACME clients, with a folder for each certificate. */
const ACME = ["/etc/letsencrypt/live", "/var/lib/acme/live"];

/** Returns the certificate that the mail server of this machine uses, or the only one of an ACME client. */
export function certificateOf(machine: SubmitMachine): Pair | undefined {
  for (const [file, certificate, key] of CONFIGURED) {
    const text = machine.read(file) ?? "";
    const found = { certificate: certificate.exec(text)?.[1] ?? "", key: key.exec(text)?.[1] ?? "" };
    // Debian's snakeoil certificate is self-signed: no client accepts it.
    const usable = Object.values(found).every((path) => path.startsWith("/") && !path.includes("snakeoil"));
    if (usable && machine.exists(found.certificate)) return found;
  }
  const pairs = ACME.flatMap((folder) =>
    machine.folder(folder).map((name) => `${folder}/${name}/fullchain`).filter((path) => machine.exists(`${path}.pem`))
      .map((path) => `${path}.pem`)
  );
  if (pairs.length !== 1) return undefined;
  const [certificate] = pairs as [string];
  const key = keyBeside(certificate, machine);
  return key === undefined ? undefined : { certificate, key };
}

/** Returns the key that ACME clients write beside this certificate; undefined if there is none. */
export function keyBeside(certificate: string, machine: Pick<SubmitMachine, "exists">): string | undefined {
  const folder = certificate.slice(0, certificate.lastIndexOf("/"));
  const names = [`${folder}/privkey.pem`, certificate.replace(/\.(?:pem|crt|cer)$/, ".key")];
  return names.find((path) => path !== certificate && machine.exists(path));
}

/** Where submitd asks Dovecot: the socket of contrib/submitd/dovecot.conf. */
export const DOVECOT_SOCKET = "/run/dovecot/auth-countersign";

/** Returns how passwords are checked: by Dovecot if it is configured here, else by a file. */
export function authOf(machine: SubmitMachine, usersFile: string): string {
  const dovecot = machine.exists(DOVECOT_SOCKET) || machine.exists("/etc/dovecot/dovecot.conf");
  return dovecot ? `dovecot:${DOVECOT_SOCKET}` : `file:${usersFile}`;
}

/** Returns the host name with its domain, where the machine knows it. */
export function hostOf(machine: SubmitMachine): string {
  const names = ["/etc/hostname", "/etc/mailname"].map((path) => machine.read(path)?.trim() ?? "");
  return names.find((name) => /^[\w-]+(?:\.[\w-]+)+$/.test(name)) ?? "";
}
