/** Digests of short texts. Longer data is hashed by Web Crypto, which does not slow down under `--lite-mode`. */
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8 } from "./bytes.ts";

/** Returns the first 128 bits of the SHA-256 of a text, in hexadecimal. */
export const digest = (text: string): string => sha256(utf8(text)).subarray(0, 16).toHex();
