/** What the tests of the door share: messages, addresses, and the last response of the door. */
import assert from "node:assert/strict";
import { signTag, srsForward } from "../../mod.ts";
import { randomNonce } from "../random.ts";
import { doorRole } from "../../serve/door.ts";
import { CREATED, qsbmf, SECRET } from "../rig.ts";
import { EngineHome } from "./engine.ts";
import { message, talk } from "./mta.ts";

export const PLAIN = "greg@example.org";
export const LIE = "From: greg@example.org\nMessage-ID: <lie@spam.example>\nSubject: Pills\n\nBuy!\n";
export const FORGED = qsbmf(PLAIN, LIE);
export const LETTER = "From: Jo <jo@b.example>\nSubject: Hello\nMessage-ID: <1@b.example>\n\nHow are you?\n";
export const DAY_MS = 86_400_000;

export const srs = (user = "greg", secret = `greg ${SECRET}`, days = 0) =>
  srsForward(`${user}@example.org`, "srs.example.org", {
    secrets: [secret],
    hashLength: 8,
    alphabet: "base64url",
    now: new Date(Date.now() - days * DAY_MS),
  });

/** A bounce that returns a message of greg with its tag. */
export function tagged(): string {
  const options = { key: "k1", secret: `greg ${SECRET}`, now: new Date(), nonce: randomNonce() };
  const tag = signTag(PLAIN, "<sent@example.org>", options);
  return qsbmf(PLAIN, `From: ${PLAIN}\nMessage-ID: <sent@example.org>\nX-Msgauth: ${tag}\n\nHi\n`);
}

/** The last response to a message. */
export async function lastResponse(
  home: EngineHome,
  sender: string,
  recipients: string[],
  mail?: string,
): Promise<string> {
  return (await talk(doorRole(home.engine), message(sender, recipients, mail))).at(-1)!;
}

/** A home in which the key of this user cannot be read; jo has another SRS domain. */
export function unreadable(user: string): EngineHome {
  const home = new EngineHome();
  home.write("keys/jo", `k1 ${CREATED} jo ${SECRET}\n`, 0o600);
  home.write(
    "site.toml",
    `[[identity]]\naddress = "jo@example.net"\nsrs_domain = "srs.example.net"\nkeys = "keys/jo"\n` +
      home.read("site.toml"),
  );
  Deno.chmodSync(`${home.path}/keys/${user}`, 0o644);
  assert.equal(home.engine.reload(), undefined);
  return home;
}
