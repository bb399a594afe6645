/**
 * The msgauth tag: a header field that only the owner of an identity could
 * have written for this Message-ID, and that he knows again in a bounce.
 *
 * `X-Msgauth: v1.<key>.<expiry>.<nonce>.<mac>`: no `=`, lower case, under 70
 * characters, because bounces come back quoted-printable and re-folded.
 */
import { base32, timingSafeEqual, utf8 } from "./bytes.ts";
import { dayOf } from "./date.ts";
import { Fail, quote } from "./fail.ts";
import { fieldsMac, purposeKey, type Secret } from "./hmac.ts";
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
  /** The time. Default: the clock. */
  now?: Date;
  /** Eight characters of `a-z2-7`. Default: random. */
  nonce?: string;
}

/** How a tag is checked. */
export interface TagVerifyOptions {
  /** Secrets by key id. */
  secrets: Record<string, Secret>;
  /** The time. Default: the clock. */
  now?: Date;
}

const FORM = /^v1\.([a-z0-9]{1,8})\.([0-9]{1,6})\.([a-z2-7]{8})\.([a-z2-7]{26})$/;

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
 * import { signTag, verifyTag } from "@countersign/countersign";
 * import assert from "node:assert/strict";
 *
 * const tag = await signTag("greg@example.org", "<1@example.org>", { key: "k1", secret: "a secret" });
 * await verifyTag(tag, "greg@example.org", "<1@example.org>", { secrets: { k1: "a secret" } });
 * ```
 */
export async function signTag(address: string, messageId: string, options: TagSignOptions): Promise<string> {
  const { key, secret, lifetime = 30, now = new Date() } = options;
  const id = signedMessageId(messageId);
  const nonce = options.nonce ?? base32(crypto.getRandomValues(new Uint8Array(5)));
  const front = `v1.${key}.${dayOf(now) + lifetime}.${nonce}`;
  if (!FORM.test(`${front}.${"a".repeat(26)}`)) {
    throw new Fail(
      "option-invalid",
      `No tag can be made of key ${quote(key)}, lifetime ${lifetime}, nonce ${quote(nonce)}`,
    );
  }
  return `${front}.${await mac(await purposeKey(secret, "tag"), address, id, nonce, String(dayOf(now) + lifetime))}`;
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
 * const secrets = { k1: "a secret" };
 * const tag = await signTag("greg@example.org", "<1@example.org>", { key: "k1", secret: "a secret" });
 * await assert.rejects(verifyTag(tag, "greg@example.org", "<2@example.org>", { secrets }), { kind: "tag-invalid" });
 * ```
 */
export async function verifyTag(
  tag: string,
  address: string,
  messageId: string,
  options: TagVerifyOptions,
): Promise<void> {
  await new TagVerifier(options.secrets, options.now ?? new Date()).verify(tag, address, messageId);
}

/** Verifies many tags with the same secrets, each of which is prepared once. */
export class TagVerifier {
  readonly #secrets: Record<string, Secret>;
  readonly #now: Date;
  readonly #keys = new Map<string, CryptoKey>();

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
  async verify(tag: string, address: string, messageId: string): Promise<void> {
    const parts = FORM.exec(tag.trim());
    if (parts === null) throw new Fail("not-tag", `${quote(tag)} is not a tag`);
    const [, id, expiry, nonce, given] = parts as unknown as [string, string, string, string, string];
    const key = await this.#key(id);
    if (key === undefined) throw new Fail("no-secret", `No key ${quote(id)} for tag ${quote(tag)}`);
    let right = false;
    for (const reading of messageIdReadings(messageId)) {
      right = timingSafeEqual(utf8(await mac(key, address, reading, nonce, expiry)), utf8(given));
      if (right) break;
    }
    if (!right) throw new Fail("tag-invalid", `Tag ${quote(tag)} was not made for this message and address`);
    if (dayOf(this.#now) > Number(expiry)) throw new Fail("tag-expired", `Tag ${quote(tag)} is expired`);
  }

  async #key(id: string): Promise<CryptoKey | undefined> {
    const secret = Object.hasOwn(this.#secrets, id) ? this.#secrets[id] : undefined;
    if (secret === undefined) return undefined;
    const key = this.#keys.get(id) ?? await purposeKey(secret, "tag");
    this.#keys.set(id, key);
    return key;
  }
}

async function mac(key: CryptoKey, address: string, id: string, nonce: string, expiry: string): Promise<string> {
  const bytes = await fieldsMac(key, [address.toLowerCase(), id, nonce, expiry]);
  return base32(bytes.subarray(0, 16));
}
