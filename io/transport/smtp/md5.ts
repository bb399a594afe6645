/** HMAC-MD5, which Web Crypto lacks. Loaded only for CRAM-MD5, because `node:crypto` takes 15 ms to load. */
import { createHmac } from "node:crypto";

/** Returns the HMAC in hexadecimal. */
export function hmacMd5(key: Uint8Array, data: Uint8Array): string {
  return createHmac("md5", key).update(data).digest("hex");
}
