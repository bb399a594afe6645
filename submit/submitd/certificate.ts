/** The certificate of the server, and its key. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { Fail, reason } from "../../lib/fail.ts";
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
  checkPair({ cert, key: secret }, certificate, key);
  return { cert, key: secret };
}

/** Without this check the server would start, or reload in the middle of a renewal, and every handshake would fail. */
function checkPair({ cert, key }: Certificate, file: string, keyFile: string): void {
  const parsed = parseCertificate(cert);
  const fix = "obtain the certificate again, with its key";
  if (parsed === undefined) throw new Fail("config", "Certificate cannot be parsed", { file, fix });
  let matches: boolean;
  try {
    matches = parsed.checkPrivateKey(createPrivateKey(key));
  } catch (error) {
    throw new Fail("config", `Key of the certificate cannot be used: ${reason(error)}`, { file: keyFile, fix });
  }
  if (matches) return;
  throw new Fail("config", "Key does not match the certificate", { file: keyFile, fix: "set submit.key to its key" });
}

/** Returns the first certificate of a text in PEM format; undefined if it cannot be parsed. */
export function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/** Returns the host names of a certificate, in its order. */
export function namesOf({ subjectAltName = "" }: X509Certificate): string[] {
  return [...subjectAltName.matchAll(/(?:^|, )DNS:([^,\s]+)/g)].map(([, name]) => name!.toLowerCase());
}
