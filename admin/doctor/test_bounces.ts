/** Tests the installed hook: it judges a genuine and a forged bounce. */
import type { Settings } from "../../lib/settings/parse.ts";
import { canonicalAddress, type Identity } from "../../lib/settings/identity.ts";
import { signingKey } from "../../lib/settings/keys.ts";
import { srsForward } from "../../lib/srs.ts";
import { NONCE_BYTES, signTag, TAG_FIELD, tagNonce } from "../../lib/tag.ts";
import { Fail } from "../../lib/fail.ts";
import type { Finding } from "./finding.ts";
import { install } from "./hook_call.ts";

/** A bounce for the hook to judge. */
export interface TestBounce {
  readonly identity: string;
  /** What is signed: the address or the tag. */
  readonly signed: string;
  readonly recipient: string;
  readonly message: string;
  /** Whether the signature is valid. */
  readonly genuine: boolean;
}

/** The answer of the hook: exit status, result, and error message. */
export interface Answer {
  readonly code: number;
  readonly result: string;
  readonly said: string;
}

/** Returns a genuine and a forged bounce to an identity; none if it cannot sign, which other checks report. */
export function testBounces(identity: Identity, settings: Settings, now: Date): TestBounce[] {
  const name = canonicalAddress(identity);
  const key = signingKey(identity.keys, now);
  if (key === undefined) return [];
  const { hash_length: hashLength, alphabet, separator } = settings.srs;
  const id = `<${crypto.randomUUID()}@doctor.invalid>`;
  const signs = identity.srsDomain !== "" && !identity.address.local.includes('"');
  if (!signs && !settings.tag.sign) return [];
  const nonce = tagNonce(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
  const make = (genuine: boolean): TestBounce => {
    const secret = genuine ? key.secret : crypto.getRandomValues(new Uint8Array(32));
    if (signs) {
      const options = { secrets: [secret], hashLength, alphabet, separator, now };
      const recipient = srsForward(name, identity.srsDomain, options);
      return { identity: name, signed: "SRS address", recipient, message: bounceText(recipient, ""), genuine };
    }
    const tag = signTag(name, id, { key: key.id, secret, now, nonce });
    const original = `From: ${name}\nMessage-ID: ${id}\n${TAG_FIELD}: ${tag}\n`;
    return { identity: name, signed: "tag", recipient: name, message: bounceText(name, original), genuine };
  };
  try {
    return [make(true), make(false)];
  } catch (error) {
    if (error instanceof Fail) return [];
    throw error;
  }
}

function bounceText(to: string, original: string): string {
  return [
    "From: MAILER-DAEMON@doctor.invalid",
    `To: ${to}`,
    "Subject: failure notice",
    "Content-Type: multipart/report; report-type=delivery-status; boundary=doctor",
    "",
    "--doctor",
    "Content-Type: text/plain",
    "",
    "This bounce was made by countersign doctor to test the hook.",
    "--doctor",
    "Content-Type: text/rfc822-headers",
    "",
    original,
    "--doctor--",
    "",
  ].join("\n");
}

/** Returns the result in the field that the hook adds; empty if there is none. */
export function resultIn(output: string): string {
  return /^X-Countersign: (\w+);/m.exec(output.split("\n\n")[0]!)?.[1] ?? "";
}

/** Returns the findings about an answer of the hook. */
export function checkAnswer(
  hook: string,
  settings: string,
  bounce: TestBounce,
  { code, result, said }: Answer,
): Finding[] {
  const { identity, signed, genuine } = bounce;
  const where = { file: hook };
  if (code !== 0 || said !== "" || result === "") {
    return [{
      id: "hook-fails",
      what: `The hook fails to judge a bounce to ${identity}: ${said === "" ? `status ${code}` : said}`,
      where,
      why: "Mail stays queued, or is delivered unchecked.",
      fix: `Fix the reported error; to test: ${hook} --as filter --config ${settings}`,
    }];
  }
  const right = genuine ? result === "genuine" : result !== "genuine";
  if (right) return [];
  return [
    genuine
      ? {
        id: "hook-misjudges-genuine",
        what: `The hook returns ${result} for a bounce with a valid ${signed} of ${identity}`,
        where,
        why: "Genuine bounces are treated as forged.",
        fix: `Install shim and hook of the same version, with the same settings and keys: ${install(hook)}`,
      }
      : {
        id: "hook-misjudges-forged",
        what: `The hook returns genuine for a bounce with a forged ${signed} of ${identity}`,
        where,
        why: "Forged bounces are delivered like genuine ones.",
        fix: `It may be another program, or damaged. In a checkout: ${install(hook)}`,
      },
  ];
}
