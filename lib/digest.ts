/** Digests of short texts. What has 64 KB is left to Web Crypto, which does not slow down under `--lite-mode`. */
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8 } from "./bytes.ts";

/** The first 128 bits of a text's SHA-256, in hexadecimal. */
export const digest = (text: string): string => sha256(utf8(text)).subarray(0, 16).toHex();
