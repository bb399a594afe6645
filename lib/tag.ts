/**
 * The msgauth tag: a header field that only the owner of an identity could
 * have written for this Message-ID, and that they recognize in a bounce.
 *
 * `X-Msgauth: v1.<key>.<expiry>.<nonce>.<mac>`: no `=`, lower case, under 70
 * characters, because bounces come back quoted-printable and re-folded.
 */
import { base32, timingSafeEqual, utf8 } from "./bytes.ts";
import { dayOf } from "./date.ts";
import { Fail, quote } from "./fail.ts";
import { fieldsMac, type HmacKey, purposeKey, type Secret } from "./hmac.ts";
import { messageIdReadings, signedMessageId } from "./message_id.ts";

/** The name of the header field. */
export const TAG_FIELD = "X-Msgauth";

/** How a tag is made. */
export interface TagSignOptions {
  /** The id of the key, as the tag shows it: 1 to 8 of `a-z0-9`. */
  key: string;
  /** Its secret. */
  secret: Secret;
  /** Days that the tag is good for. Default 30. */
  lifetime?: number;
  /** The time. */
  now: Date;
  /** Eight random characters of `a-z2-7`, different for each tag; {@link tagNonce} makes them. */
  nonce: string;
}

/** How a tag is checked. */
export interface TagVerifyOptions {
  /** Secrets by key id. */
  secrets: Record<string, Secret>;
  /** The time. */
  now: Date;
}

const FORM = /^v1\.([a-z0-9]{1,8})\.([0-9]{1,6})\.([a-z2-7]{8})\.([a-z2-7]{26})$/;

/** Random bytes that a nonce takes. */
export const NONCE_BYTES = 5;

/** The nonce of a tag. @param random {@link NONCE_BYTES} random bytes */
export const tagNonce = (random: Uint8Array): string => base32(random);

/**
 * Makes the tag of a message.
 *
 * The MAC (HMAC-SHA-256, 128 bits kept) covers the address in lower case, the
 * Message-ID, the nonce and the day of expiry, each behind its length. Subject,
 * Date and From are left out: gateways rewrite them in bounces.
 *
 * @param address the identity that sends the message
 * @param messageId the body of its Message-ID field as written, folds included; one pair of angle brackets around
 *   everything may be left out
 * @returns the value of the field
 * @throws {Fail} `data` for a Message-ID that is empty, holds control characters or is more than one;
 *   `option-invalid`, `no-secret`
 *
 * @example
 * ```ts
 * import { signTag, tagNonce, verifyTag } from "@countersign/countersign";
 *
 * const now = new Date();
 * const nonce = tagNonce(crypto.getRandomValues(new Uint8Array(5)));
 * const tag = signTag("greg@example.org", "<1@example.org>", { key: "k1", secret: "a secret", now, nonce });
 * verifyTag(tag, "greg@example.org", "<1@example.org>", { secrets: { k1: "a secret" }, now });
 * ```
 */
export function signTag(address: string, messageId: string, options: TagSignOptions): string {
  const { key, secret, lifetime = 30, now, nonce } = options;
  const id = signedMessageId(messageId);
  const front = `v1.${key}.${dayOf(now) + lifetime}.${nonce}`;
  if (!FORM.test(`${front}.${"a".repeat(26)}`)) {
    throw new Fail(
      "option-invalid",
      `No tag can be made of key ${quote(key)}, lifetime ${lifetime}, nonce ${quote(nonce)}`,
    );
  }
  return `${front}.${mac(purposeKey(secret, "tag"), address, id, nonce, String(dayOf(now) + lifetime))}`;
}

/**
 * Checks the tag of a message that came back.
 *
 * Servers fold the Message-ID field differently, add white space or a comment, and escape it for HTML. What it may
 * have been before is tried as well, at most eight readings.
 *
 * @param tag the value of the field
 * @param address the identity that is said to have sent the message
 * @param messageId the body of the Message-ID field beside the tag as it came back, folds included
 * @throws {Fail} `not-tag`, `no-secret` (no such key), `tag-invalid`, `tag-expired`
 *
 * @example
 * ```ts
 * import { signTag, verifyTag } from "@countersign/countersign";
 * import assert from "node:assert/strict";
 *
 * const [secret, now, nonce] = ["a secret", new Date(), "abcdefgh"];
 * const tag = signTag("greg@example.org", "<1@example.org>", { key: "k1", secret, now, nonce });
 * const options = { secrets: { k1: secret }, now };
 * assert.throws(() => verifyTag(tag, "greg@example.org", "<2@example.org>", options), { kind: "tag-invalid" });
 * ```
 */
export function verifyTag(
  tag: string,
  address: string,
  messageId: string,
  options: TagVerifyOptions,
): void {
  new TagVerifier(options.secrets, options.now).verify(tag, address, messageId);
}

/** Verifies many tags with the same secrets, each of which is prepared once. */
export class TagVerifier {
  readonly #secrets: Record<string, Secret>;
  readonly #now: Date;
  readonly #keys = new Map<string, HmacKey>();

  /** With these secrets by key id, at this time. */
  constructor(secrets: Record<string, Secret>, now: Date) {
    this.#secrets = secrets;
    this.#now = now;
  }

  /** Is there a secret for the key that a tag names? If not, to verify it costs nothing. */
  knows(tag: string): boolean {
    const [, key] = FORM.exec(tag.trim()) ?? [];
    return key !== undefined && Object.hasOwn(this.#secrets, key);
  }

  /** As {@link verifyTag}; a MAC for each of the `messageIdReadings()`. */
  verify(tag: string, address: string, messageId: string): void {
    const parts = FORM.exec(tag.trim());
    if (parts === null) throw new Fail("not-tag", `${quote(tag)} is not a tag`);
    const [, id, expiry, nonce, given] = parts as unknown as [string, string, string, string, string];
    const key = this.#key(id);
    if (key === undefined) throw new Fail("no-secret", `No key ${quote(id)} for tag ${quote(tag)}`);
    let right = false;
    for (const reading of messageIdReadings(messageId)) {
      right = timingSafeEqual(utf8(mac(key, address, reading, nonce, expiry)), utf8(given));
      if (right) break;
    }
    if (!right) throw new Fail("tag-invalid", `Tag ${quote(tag)} was not made for this message and address`);
    if (dayOf(this.#now) > Number(expiry)) throw new Fail("tag-expired", `Tag ${quote(tag)} is expired`);
  }

  #key(id: string): HmacKey | undefined {
    const secret = Object.hasOwn(this.#secrets, id) ? this.#secrets[id] : undefined;
    if (secret === undefined) return undefined;
    const key = this.#keys.get(id) ?? purposeKey(secret, "tag");
    this.#keys.set(id, key);
    return key;
  }
}

function mac(key: HmacKey, address: string, id: string, nonce: string, expiry: string): string {
  const bytes = fieldsMac(key, [address.toLowerCase(), id, nonce, expiry]);
  return base32(bytes.subarray(0, 16));
}
