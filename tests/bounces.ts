/** The recorded bounces in tests/samples/bounces, changed to return a sent message. */
import { parseHead } from "../lib/message.ts";
import { signTag } from "../lib/tag.ts";
import { ROOT, SECRET } from "./rig.ts";
import { randomNonce } from "./random.ts";

/** The names of the sample files, which begin with the name of the mail system. */
export const SAMPLES: string[] = [...Deno.readDirSync(`${ROOT}/tests/samples/bounces`)]
  .filter((entry) => entry.name.endsWith(".eml")).map((entry) => entry.name).sort();

/** The field in the samples that is replaced by our tag. */
const PLACEHOLDER = /X-Msgauth-Tag: 0123456789abcdef/g;
const ID = /^\s*Message-ID: <(av_[^>]+)>/im;

/** A sample whose returned header contains a tag of `address`, signed with SECRET as key k1. */
export function bounceOfOurs(
  name: string,
  address: string,
  now: Date,
): { mail: string; messageId: string; tag: string } {
  const mail = Deno.readTextFileSync(`${ROOT}/tests/samples/bounces/${name}`);
  const body = mail.slice(mail.indexOf("\n\n"));
  const messageId = ID.exec(body)?.[1];
  if (messageId === undefined || !PLACEHOLDER.test(mail)) throw new Error(`${name} returns no header`);
  PLACEHOLDER.lastIndex = 0;
  const tag = signTag(address, messageId, { key: "k1", secret: SECRET, now, nonce: randomNonce() });
  return { mail: mail.replace(PLACEHOLDER, `X-Msgauth: ${tag}`), messageId, tag };
}

/** Encodes quoted-printable (RFC 2045 section 6.7) with soft line breaks at 76. */
export function quotedPrintable(text: string): string {
  return text.split("\n").map((line) => {
    const encoded = line.replace(
      /[=\x80-\xff]|[ \t]$/g,
      (c) => `=${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
    );
    // Lines of 24 characters, each of which may be encoded as three.
    return encoded.replace(/(?:=..|[^=]){24}(?=.)/g, "$&=\n");
  }).join("\n");
}

/** Header and body of a message. */
export function apart(mail: string): { header: string; body: string } {
  const { bodyStart } = parseHead(new TextEncoder().encode(mail), true)!;
  return { header: mail.slice(0, bodyStart), body: mail.slice(bodyStart) };
}
