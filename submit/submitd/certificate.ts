/** The certificate of the server, and its key. */
import { Fail } from "../../lib/fail.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { readPrivateFile, WRITABLE } from "../../io/system/files.ts";

/** Certificate and key in PEM, as Node's TLS has them. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Reads both. The key may be lent: its group may read it, as that of an ACME client. @throws {Fail} */
export function readCertificate({ submit: { certificate, key } }: Settings): Certificate {
  const fix = "set submit.certificate and submit.key";
  if (certificate === "" || key === "") throw new Fail("config", "No certificate is configured", { fix });
  const cert = readPrivateFile("Certificate", certificate, WRITABLE, { lent: true });
  if (!cert.includes("-----BEGIN CERTIFICATE-----")) {
    throw new Fail("config", "File contains no certificate in PEM format", { file: certificate, fix });
  }
  const secret = readPrivateFile("Key of the certificate", key, 0o027, { lent: true });
  if (!secret.includes("PRIVATE KEY-----")) {
    throw new Fail("config", "File contains no private key in PEM format", { file: key, fix });
  }
  return { cert, key: secret };
}

/** Returns when the first certificate of a file expires, in milliseconds; undefined if it cannot be parsed. */
export async function expiryOf(cert: string): Promise<number | undefined> {
  const { X509Certificate } = await import("node:crypto");
  try {
    const time = Date.parse(new X509Certificate(cert).validTo);
    return Number.isNaN(time) ? undefined : time;
  } catch {
    return undefined;
  }
}
