/** Random bytes for tests that do not depend on their value. */
import { NONCE_BYTES, tagNonce } from "../lib/tag.ts";
import { RANDOM_BYTES } from "../outgoing/plan.ts";

/** Random bytes for a plan, different each time. */
export const randomBytes = (): Uint8Array => crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));

/** A nonce for a tag, different each time. */
export const randomNonce = (): string => tagNonce(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
