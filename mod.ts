/**
 * The Countersign library: signs and verifies SRS and prvs addresses and msgauth tags, and parses mail addresses.
 *
 * All functions are synchronous and pure: addresses are strings, the time is a `Date`, and the caller supplies the
 * random nonce of a tag. Every error is a {@link Fail} with a `kind`.
 *
 * @example Sign an envelope sender, and verify it when a bounce arrives
 * ```ts
 * import { srsForward, srsReverse } from "@countersign/countersign";
 * import assert from "node:assert/strict";
 *
 * const secrets = ["a secret of your own"];
 * const now = new Date();
 * const sender = srsForward("greg@example.org", "srs.example.org", { secrets, now });
 * assert.equal(srsReverse(sender, { secrets, now }), "greg@example.org");
 * ```
 *
 * @module
 */
export { type Address, parseAddress } from "./lib/address.ts";
export { Fail, type Kind } from "./lib/fail.ts";
export type { Secret } from "./lib/hmac.ts";
export { prvsSign, type PrvsSignOptions, prvsVerify, type PrvsVerifyOptions } from "./lib/prvs.ts";
export { srsForward, type SrsOptions, srsReverse } from "./lib/srs.ts";
export { signTag, tagNonce, type TagSignOptions, type TagVerifyOptions, verifyTag } from "./lib/tag.ts";
