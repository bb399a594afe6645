/** Signs as the shim does, and has the installed hook say what it makes of it. */
import type { Settings } from "../../lib/settings/parse.ts";
import { canonicalAddress, type Identity } from "../../lib/settings/identity.ts";
import { signingKey } from "../../lib/settings/keys.ts";
import { srsForward } from "../../lib/srs.ts";
import { NONCE_BYTES, signTag, TAG_FIELD, tagNonce } from "../../lib/tag.ts";
import { Fail } from "../../lib/fail.ts";
import type { Finding } from "./finding.ts";

/** A bounce that is shown to the hook. */
export interface Trial {
  readonly identity: string;
  /** What is signed in it. */
  readonly signed: string;
  readonly recipient: string;
  readonly message: string;
  /** Did we sign it, or does it only look so? */
  readonly genuine: boolean;
}

/** What the hook said: its status, the word of its result field, and its complaint. */
export interface Answer {
  readonly code: number;
  readonly result: string;
  readonly said: string;
}

/** Two bounces an identity, one genuine and one forged. None when it cannot sign: that is said elsewhere. */
export function trials(identity: Identity, settings: Settings, now: Date): Trial[] {
  const name = canonicalAddress(identity);
  const key = signingKey(identity.keys, now);
  if (key === undefined) return [];
  const { hash_length: hashLength, alphabet, separator } = settings.srs;
  const id = `<${crypto.randomUUID()}@doctor.invalid>`;
  const signs = identity.srsDomain !== "" && !identity.address.local.includes('"');
  if (!signs && !settings.tag.sign) return [];
  const nonce = tagNonce(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
  const make = (genuine: boolean): Trial => {
    const secret = genuine ? key.secret : crypto.getRandomValues(new Uint8Array(32));
    if (signs) {
      const options = { secrets: [secret], hashLength, alphabet, separator, now };
      const recipient = srsForward(name, identity.srsDomain, options);
      return { identity: name, signed: "SRS address", recipient, message: bounce(recipient, ""), genuine };
    }
    const tag = signTag(name, id, { key: key.id, secret, now, nonce });
    const original = `From: ${name}\nMessage-ID: ${id}\n${TAG_FIELD}: ${tag}\n`;
    return { identity: name, signed: "tag", recipient: name, message: bounce(name, original), genuine };
  };
  try {
    return [make(true), make(false)];
  } catch (error) {
    if (error instanceof Fail) return [];
    throw error;
  }
}

function bounce(to: string, original: string): string {
  return [
    "From: MAILER-DAEMON@doctor.invalid",
    `To: ${to}`,
    "Subject: failure notice",
    "Content-Type: multipart/report; report-type=delivery-status; boundary=doctor",
    "",
    "--doctor",
    "Content-Type: text/plain",
    "",
    "countersign doctor asks whether this is known.",
    "--doctor",
    "Content-Type: text/rfc822-headers",
    "",
    original,
    "--doctor--",
    "",
  ].join("\n");
}

/** The word in front of the hook's result field; empty when there is none. */
export function resultIn(output: string): string {
  return /^X-Countersign: (\w+);/m.exec(output.split("\n\n")[0]!)?.[1] ?? "";
}

/** What is wrong with the answer. */
export function checkAnswer(hook: string, settings: string, trial: Trial, { code, result, said }: Answer): Finding[] {
  const { identity, signed, genuine } = trial;
  const where = { file: hook };
  if (code !== 0 || said !== "" || result === "") {
    return [{
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
        what: `The hook returns ${result} for a bounce with a valid ${signed} of ${identity}`,
        where,
        why: "Genuine bounces are treated as forged.",
        fix: "Install shim and hook of the same version, with the same settings and keys: deno task install",
      }
      : {
        what: `The hook returns genuine for a bounce with a forged ${signed} of ${identity}`,
        where,
        why: "Anybody can send you mail disguised as a bounce.",
        fix: "It is another program, or it is damaged: deno task install",
      },
  ];
}
