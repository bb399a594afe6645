/** `audit` and the hook give the same verdict on each sample. */
import assert from "node:assert/strict";
import { decide } from "../../io/state/lookups.ts";
import { replayMessage } from "../../admin/audit/replay.ts";
import { concat, utf8 } from "../../lib/bytes.ts";
import { dayOf } from "../../lib/date.ts";
import { PREFIX_BYTES } from "../../io/system/input.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { parseHead } from "../../lib/message.ts";
import { messageIdsIn } from "../../lib/message_id.ts";
import { findMessageIds } from "../../incoming/originals.ts";
import { bounceOfOurs, SAMPLES } from "../bounces.ts";
import { context, delivery, greg, now, signedAddress } from "../judging.ts";
import { ROOT, SECRET } from "../rig.ts";

/** greg, with the key of bounceOfOurs(). */
const gregWithKey: Identity = { ...greg, keys: [{ id: "k1", created: dayOf(now), secret: utf8(SECRET) }] };
const FOLDERS = ["tests/samples/bounces", "tests/samples/challenges", "tests/cases", "../shared/corpus"];

function* files(): Generator<[name: string, bytes: Uint8Array<ArrayBuffer>]> {
  for (const folder of FOLDERS) {
    try {
      for (const { name } of Deno.readDirSync(`${ROOT}/${folder}`)) {
        if (name.endsWith(".eml")) yield [name, Deno.readFileSync(`${ROOT}/${folder}/${name}`)];
      }
    } catch (error) {
      if (folder.startsWith("tests/") || !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** All messages, without the fields of other servers at the top; the envelope is passed separately. */
function messages(): [name: string, bytes: Uint8Array<ArrayBuffer>][] {
  const tagged: [string, Uint8Array<ArrayBuffer>][] = [];
  for (const name of SAMPLES) {
    try {
      tagged.push([`${name}, tagged`, utf8(bounceOfOurs(name, "greg@example.org", now).mail)]);
    } catch {
      // This sample does not return a header.
    }
  }
  return [...files(), ...tagged];
}

/** Returns the message below the fields that the receiving MTA adds. */
function arrived(sender: string | null, recipient: string, mail: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const { headStart } = parseHead(mail, true)!;
  const top = `Return-Path: <${sender ?? ""}>\nDelivered-To: ${recipient}\nReceived: by mx.example.org\n`;
  return concat(utf8(top), mail.subarray(headStart));
}

Deno.test("audit and the hook give the same verdict", async () => {
  const all = messages();
  assert.ok(all.length > 60);
  const settings = (text: string) => context(text, "", [gregWithKey]);
  const signed = signedAddress(gregWithKey);
  const recipients = [
    "greg@example.org",
    signed,
    signed.replace("=greg", "=eve"),
    "postmaster@srs.example.org",
  ];
  const seen = new Map<string, number>();
  for (const [name, bytes] of all) {
    for (const recipient of recipients) {
      for (const sender of [null, "MAILER-DAEMON@b.example", "kay@example.net"]) {
        for (const known of [false, true]) {
          const mail = arrived(sender, recipient, bytes);
          const given = delivery(sender, recipient, mail);
          const named = new Set(known ? findMessageIds(given.prefix, given.bodyStart) : []);
          if (known) {
            for (const { name, raw } of given.header) {
              if (/^(?:In-Reply-To|References)$/i.test(name)) {
                messageIdsIn(raw.slice(name.length + 1)).forEach((id) => named.add(id));
              }
            }
          }
          const sent = (ids: readonly string[]) => ids.some((id) => named.has(id));
          const { settings: with_ } = settings("");
          const hook = await decide(given, {
            settings: with_,
            identities: [gregWithKey],
            now,
            sent: (_, ids) => Promise.resolve(sent(ids) ? { day: dayOf(now), signed: false } : undefined),
          });
          const message = { prefix: mail.subarray(0, PREFIX_BYTES), whole: true, sender: undefined, now, sent };
          const audit = await replayMessage(message, with_, [gregWithKey]);
          assert.equal(
            audit.result,
            hook.verdict.result,
            `${name} from ${sender} to ${recipient}: ${hook.verdict.reason}`,
          );
          seen.set(audit.result, (seen.get(audit.result) ?? 0) + 1);
        }
      }
    }
  }
  for (const result of ["genuine", "known", "unsolicited", "forged", "other"]) assert.ok(seen.has(result), result);
});

Deno.test("a long message: a tag near its end is found if the end can be read", async () => {
  const mail = utf8(
    `From: MAILER-DAEMON@b.example\n\nHi. This is the qmail-send program at b.example.\n${"x\n".repeat(300 * 1024)}\n` +
      "--- Below this line is a copy of the message.\n\nMessage-ID: <1@example.org>\n\nhi\n",
  );
  const bytes = arrived(null, "greg@example.org", mail);
  const prefix = bytes.slice(0, PREFIX_BYTES);
  const tail = bytes.slice(-PREFIX_BYTES);
  const sent = (ids: readonly string[]) => ids.includes("1@example.org");
  const message = { prefix, whole: false, sender: undefined, now, sent };
  const { settings } = context("", "", [gregWithKey]);
  const result = async (more: object) => (await replayMessage({ ...message, ...more }, settings, [gregWithKey])).result;
  assert.equal(await result({}), "unsure");
  assert.equal(await result({ tail: () => ({ bytes: tail, gap: true }) }), "known");
  assert.equal(await result({ tail: () => ({ bytes: tail, gap: true }), sent: () => false }), "unsure");
  assert.equal(await result({ tail: () => ({ bytes: tail, gap: false }), sent: () => false }), "forged");
});
