/**
 * Cookies, which prove that their sender has received a challenge: `ID-EXPIRY-MAC`.
 *
 * ID names the held message, EXPIRY is the last day on which the cookie is valid, and MAC is an HMAC over service,
 * message, address and expiry. Letter case does not matter, because mail programs change it in addresses.
 */
import { type Address, canonical, parseAddressList } from "../../lib/address.ts";
import { base32, timingSafeEqual, utf8 } from "../../lib/bytes.ts";
import { purposeMac, type Secret } from "../../lib/hmac.ts";
import { type Header, values } from "../../lib/message.ts";
import { type Key, signingKey, validKeys } from "../../lib/settings/keys.ts";
import type { Service } from "../../lib/settings/doorbell.ts";
import type { Received } from "../delivery.ts";

/** A cookie as written in an address or a Subject, in lower case. */
export interface Cookie {
  readonly id: string;
  /** The last day on which it is valid, in days since 1970-01-01. */
  readonly expires: number;
  readonly mac: string;
}

/** Characters of an ID: 60 bits. */
export const ID_LENGTH = 12;
/** Octets of the MAC: 80 bits, which are 16 characters of base32. */
const MAC_BYTES = 10;

const COOKIE = "([a-z2-7]{12})-([0-9]{5})-([a-z2-7]{16})";
const WHOLE = new RegExp(`^${COOKIE}$`);
/** Maximum length of a header field in which a cookie is searched. */
const MAX_FIELD_LENGTH = 2000;

/** Makes a cookie. @returns undefined when no key can sign */
export function makeCookie(
  service: Service,
  keys: readonly Key[],
  message: { readonly id: string; readonly address: Address; readonly expires: number },
  now: Date,
): Cookie | undefined {
  const key = signingKey(keys, now);
  const { id, address, expires } = message;
  return key && { id, expires, mac: macOf(key.secret, service, id, address, expires) };
}

/** Returns whether one of the keys made this cookie for this address. */
export function verifyCookie(
  service: Service,
  keys: readonly Key[],
  { id, expires, mac }: Cookie,
  address: Address,
  now: Date,
): boolean {
  const given = utf8(mac);
  return validKeys(keys, now).some(({ secret }) =>
    timingSafeEqual(utf8(macOf(secret, service, id, address, expires)), given)
  );
}

function macOf(secret: Secret, { name }: Service, id: string, address: Address, expires: number): string {
  const mac = purposeMac(secret, "cookie", [name, id, canonical(address), String(expires)]);
  return base32(mac.subarray(0, MAC_BYTES));
}

/** Formats a cookie. */
export const printCookie = ({ id, expires, mac }: Cookie): string => `${id}-${expires}-${mac}`;

/** Parses a cookie, in any case. */
export function parseCookie(text: string): Cookie | undefined {
  const [, id, expires, mac] = WHOLE.exec(text.toLowerCase()) ?? [];
  return id === undefined ? undefined : { id, expires: Number(expires), mac: mac! };
}

/** Returns the address at which a reply confirms. */
export function confirmAddress({ address, delimiter }: Service, cookie: Cookie): string {
  const at = address.lastIndexOf("@");
  return `${address.slice(0, at)}${delimiter}confirm-${printCookie(cookie)}${address.slice(at)}`;
}

/** The cookie with which a message confirms; `malformed` if it tries to confirm with something else. */
export type Presented = Cookie | "malformed";

/**
 * Finds the cookie that a message presents: in its envelope recipient, or in To or Cc where the caller does not provide
 * the recipient, or with `confirm = "subject"` in its Subject.
 *
 * @returns undefined for a message that does not try to confirm
 */
export function presentedCookie({ recipients }: Received, header: Header, service: Service): Presented | undefined {
  const own = service.address.toLowerCase();
  const domain = own.slice(own.lastIndexOf("@"));
  const named = recipients.length > 0 ? [] : fieldAddresses(header).filter((one) => one.endsWith(domain));
  const found = [...recipients, ...named].map((one) => inRecipient(one.toLowerCase(), service));
  const cookie = found.find((one) => one !== undefined && one !== "malformed");
  return cookie ?? (found.includes("malformed") ? "malformed" : inSubject(header, service));
}

/** Under qmail the local part may begin with the prefix of a virtual domain. */
function inRecipient(recipient: string, { address, delimiter }: Service): Presented | undefined {
  const local = recipient.slice(0, recipient.lastIndexOf("@"));
  const own = `${address.slice(0, address.lastIndexOf("@")).toLowerCase()}${delimiter}confirm`;
  const at = local.startsWith(own) ? 0 : local.indexOf(`-${own}`) + 1;
  if (at === 0 && !local.startsWith(own)) return undefined;
  const rest = local.slice(at + own.length);
  if (rest !== "" && !rest.startsWith("-")) return undefined; // another word, such as svc-confirmed
  return parseCookie(rest.slice(1)) ?? "malformed";
}

/** Only one Subject counts, and the cookie must be a whole word behind the tag. */
function inSubject(header: Header, { confirm, subject_tag }: Service): Presented | undefined {
  if (confirm !== "subject") return undefined;
  const [subject, ...more] = values(header, "Subject");
  if (subject === undefined || more.length > 0 || subject.length > MAX_FIELD_LENGTH) return undefined;
  const words = subject.trim().split(/\s+/);
  const at = words.findLastIndex((one) => one.toLowerCase() === subject_tag.toLowerCase());
  const word = at < 0 ? undefined : words[at + 1];
  // The tag is an ordinary word, so that only something like a cookie is a malformed one.
  if (word === undefined || !/^[A-Za-z2-7]{4,}-[0-9]/.test(word)) return undefined;
  return parseCookie(word) ?? "malformed";
}

function fieldAddresses(header: Header): string[] {
  return ["To", "Cc"].flatMap((name) => values(header, name)).filter((one) => one.length <= MAX_FIELD_LENGTH)
    .flatMap((one) => {
      try {
        return parseAddressList(one).flatMap(({ address }) => address === null ? [] : [canonical(address)]);
      } catch {
        return [];
      }
    });
}
