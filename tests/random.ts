/** Random bytes as the programs take them, for tests to which they do not matter. */
import { NONCE_BYTES, tagNonce } from "../lib/tag.ts";
import { RANDOM_BYTES } from "../outgoing/plan.ts";

/** What a plan takes, different each time. */
export const randomBytes = (): Uint8Array => crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));

/** The nonce of a tag, different each time. */
export const randomNonce = (): string => tagNonce(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
