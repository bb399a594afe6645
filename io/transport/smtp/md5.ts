/** HMAC-MD5, which Web Crypto lacks. Loaded only for CRAM-MD5: `node:crypto` costs 15 ms. */
import { createHmac } from "node:crypto";

/** In hexadecimal. */
export function hmacMd5(key: Uint8Array, data: Uint8Array): string {
  return createHmac("md5", key).update(data).digest("hex");
}
