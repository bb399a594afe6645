/**
 * The library of Countersign: SRS and prvs addresses, the msgauth tag, mail addresses.
 *
 * Addresses go in and come out as strings, time is a `Date`, every failure is a {@link Fail} with a `kind`.
 *
 * @example Sign an envelope sender, and know it again when it comes back
 * ```ts
 * import { srsForward, srsReverse } from "@countersign/countersign";
 * import assert from "node:assert/strict";
 *
 * const secrets = ["a secret of your own"];
 * const sender = await srsForward("greg@example.org", "srs.example.org", { secrets });
 * assert.equal(await srsReverse(sender, { secrets }), "greg@example.org");
 * ```
 *
 * @module
 */
export { type Address, parseAddress } from "./lib/address.ts";
export { Fail, type Kind } from "./lib/fail.ts";
export type { Secret } from "./lib/hmac.ts";
export { prvsSign, type PrvsSignOptions, prvsVerify, type PrvsVerifyOptions } from "./lib/prvs.ts";
export { srsForward, type SrsOptions, srsReverse } from "./lib/srs.ts";
export { signTag, type TagSignOptions, type TagVerifyOptions, verifyTag } from "./lib/tag.ts";
