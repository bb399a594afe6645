/**
 * The msgauth tag: a header field that only the owner of an identity can
 * create for a Message-ID, and by which they recognize a returned message.
 *
 * `X-Msgauth: v1.<key>.<expiry>.<nonce>.<mac>` is in lower case, under 70
 * characters and without `=`, because bounces are often re-folded and encoded
 * as quoted-printable.
 */
import { base32, timingSafeEqual, utf8 } from "./bytes.ts";
import { dayOf } from "./date.ts";
import { Fail, quote } from "./fail.ts";
import { fieldsMac, type HmacKey, purposeKey, type Secret } from "./hmac.ts";
import { messageIdReadings, signedMessageId } from "./message_id.ts";

/** The name of the header field. */
export const TAG_FIELD = "X-Msgauth";

/** Options of {@link signTag}. */
export interface TagSignOptions {
  /** The id of the key, which is part of the tag: 1 to 8 characters of `a-z0-9`. */
  key: string;
  /** The secret of the key. */
  secret: Secret;
  /** Number of days for which the tag is valid. Default 30. */
  lifetime?: number;
  /** The current time. */
  now: Date;
  /** Eight random characters of `a-z2-7`, different for each tag; {@link tagNonce} creates them. */
  nonce: string;
}

/** Options of {@link verifyTag}. */
export interface TagVerifyOptions {
  /** The secrets by key id. */
  secrets: Readonly<Record<string, Secret>>;
  /** The current time. */
  now: Date;
}

const FORM = /^v1\.([a-z0-9]{1,8})\.([0-9]{1,6})\.([a-z2-7]{8})\.([a-z2-7]{26})$/;

/** Number of random bytes in a nonce. */
export const NONCE_BYTES = 5;

/**
 * Encodes the nonce of a tag in base32 (RFC 4648 section 6, lower case): eight characters of `a-z2-7`.
 *
 * @param random five bytes from a cryptographic random number generator, used for one tag only
 *
 * @example
 * ```ts
 * import { tagNonce } from "@countersign/countersign";
 * import assert from "node:assert/strict";
 *
 * assert.equal(tagNonce(new Uint8Array(5)), "aaaaaaaa");
 * assert.match(tagNonce(crypto.getRandomValues(new Uint8Array(5))), /^[a-z2-7]{8}$/);
 * ```
 */
export const tagNonce = (random: Uint8Array): string => base32(random);

/**
 * Creates the tag of a message.
 *
 * The MAC (HMAC-SHA-256 of RFC 2104, truncated to 128 bits) covers the address in lower
 * case, the Message-ID, the nonce and the day of expiry, each preceded by its
 * length. Subject, Date and From are not covered, because gateways rewrite them
 * in bounces.
 *
 * @param address the identity that sends the message
 * @param messageId the body of its Message-ID field as written, folds included; an enclosing pair of angle brackets may
 *   be omitted
 * @returns the value of the header field, which belongs directly below the Message-ID field
 * @throws {Fail} `data` when the Message-ID is empty, contains control characters or is more than one;
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
 * Verifies the tag of a returned message; throws when it is not valid.
 *
 * Servers may fold the Message-ID field differently, add white space or a comment, or escape it for HTML. Up to eight
 * possible original forms are tried.
 *
 * @param tag the value of the header field
 * @param address the identity that is claimed to have sent the message
 * @param messageId the body of the Message-ID field next to the tag as it was returned, folds included
 * @throws {Fail} `not-tag`, `no-secret` when the key is unknown, `tag-invalid`, `tag-expired`
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

/** Verifies many tags with the same secrets. Each key is derived once. */
export class TagVerifier {
  readonly #secrets: Readonly<Record<string, Secret>>;
  readonly #now: Date;
  readonly #keys = new Map<string, HmacKey>();

  /** Takes the secrets by key id and the current time. */
  constructor(secrets: Readonly<Record<string, Secret>>, now: Date) {
    this.#secrets = secrets;
    this.#now = now;
  }

  /** Returns whether there is a secret for the key that a tag names. If not, verifying the tag computes no MAC. */
  knows(tag: string): boolean {
    const parts = FORM.exec(tag.trim());
    return parts !== null && Object.hasOwn(this.#secrets, parts[1]!);
  }

  /** Verifies like {@link verifyTag}, computing one MAC for each of the `messageIdReadings()`. */
  verify(tag: string, address: string, messageId: string): void {
    const parts = FORM.exec(tag.trim());
    if (parts === null) throw new Fail("not-tag", `${quote(tag)} is not a tag`);
    const [, id, expiry, nonce, given] = parts as unknown as [string, string, string, string, string];
    const key = this.#key(id);
    if (key === undefined) throw new Fail("no-secret", `No key ${quote(id)} for tag ${quote(tag)}`);
    const matches = messageIdReadings(messageId).some((reading) =>
      timingSafeEqual(utf8(mac(key, address, reading, nonce, expiry)), utf8(given))
    );
    if (!matches) throw new Fail("tag-invalid", `Tag ${quote(tag)} was not made for this message and address`);
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
