/** The decision, as a table of messages and facts. */
import assert from "node:assert/strict";
import { parseAddress } from "../../../lib/address.ts";
import { confirmAddress, makeCookie } from "../../../incoming/doorbell/cookie.ts";
import { decide, type Decision, type Facts, type Lookup } from "../../../incoming/doorbell/decide.ts";
import type { Received } from "../../../incoming/delivery.ts";
import { envelope, GREG, header, KEYS, NOW, service, TODAY } from "./messages.ts";

const ANN = "ann@friend.example";
const ID = "abcdefghijkl";

interface Options {
  settings?: string;
  acts?: boolean;
  fields?: string;
  facts?: Facts;
  given?: string;
}

function decided(
  to: Received,
  { settings = "", acts = true, fields = `From: ${ANN}`, facts = {}, given }: Options = {},
) {
  const context = { service: service(settings), keys: KEYS, identities: [GREG], now: NOW, acts };
  const more = given === undefined ? {} : { given: parseAddress(given) };
  return decide({ envelope: to, header: header(fields) }, { ...context, ...more }, facts);
}

const request = (options?: Options) => decided(envelope(ANN, "svc@example.org"), options);

/** A confirmation; the cookie was made for this address, until this day. */
function confirmation(options: Options = {}, from: string | null = ANN, expires = TODAY, address = ANN) {
  const cookie = makeCookie(service(), KEYS, { id: ID, address: parseAddress(address), expires }, NOW)!;
  return decided(envelope(from, confirmAddress(service(), cookie)), options);
}

const brief = (one: Decision | Lookup) =>
  "need" in one ? one : [one.state, one.releases ?? one.ask ?? one.by, one.reason];

const held = (facts: Partial<NonNullable<Facts["held"]>> = {}): Facts => ({
  held: { state: "held", address: ANN, author: ANN, ...facts },
});

Deno.test("a request needs to know its address, and is held and challenged", () => {
  assert.deepEqual(request(), { need: "standing", address: ANN });
  assert.deepEqual(brief(request({ facts: { standing: null } })), ["new", true, "the address has not confirmed"]);
});

Deno.test("a request that nobody can be asked about is held", () => {
  const bounce = decided(envelope(null, "svc@example.org"), { facts: { standing: null } });
  assert.deepEqual(brief(bounce), ["new", false, "nobody is asked: it comes from the null sender or a mailer daemon"]);
  const list = request({ fields: `From: ${ANN}\nList-Id: x`, facts: { standing: null } });
  assert.deepEqual(brief(list), ["new", false, "nobody is asked: it comes from a mailing list"]);
});

Deno.test("a known address passes a gate; a program acts on it only with remember_ok, and for the only author", () => {
  for (const standing of ["remembered", "allowed"] as const) {
    const facts = { standing };
    assert.deepEqual(brief(request({ facts, acts: false })), ["known", "remembered", `the address is ${standing}`]);
    assert.equal(brief(request({ facts }) as Decision)[0 as never], "new");
    const ok = { facts, settings: "remember_ok = true" };
    assert.deepEqual(brief(request(ok)), ["known", "remembered", `the address is ${standing}`]);
    const forged = decided(envelope(ANN, "svc@example.org"), { ...ok, fields: "From: victim@elsewhere.example" });
    assert.deepEqual(brief(forged), ["new", true, "the address has not confirmed"]);
    const given = decided(envelope("x@y.example", "svc@example.org"), { ...ok, given: ANN });
    assert.deepEqual(brief(given), ["known", "remembered", `the address is ${standing}`]);
  }
  assert.deepEqual(brief(request({ facts: { standing: "denied" } })), ["denied", undefined, "the address is denied"]);
});

Deno.test("a valid cookie releases the message", () => {
  assert.deepEqual(confirmation(), { need: "held", id: ID });
  assert.deepEqual(brief(confirmation({ facts: held() })), ["known", ID, "confirmed"]);
  assert.deepEqual(brief(confirmation({ facts: held() }, "other@elsewhere.example")), ["known", ID, "confirmed"]);
});

Deno.test("a cookie of another address, message or service, or after its last day, releases nothing", () => {
  const wrong = ["mismatch", undefined, "the cookie is not valid"];
  assert.deepEqual(brief(confirmation({ facts: held() }, ANN, TODAY, "bob@friend.example")), wrong);
  assert.deepEqual(brief(confirmation({ facts: held({ address: "bob@friend.example" }) })), wrong);
  const other = service("", "other", "other@example.org");
  const theirs = makeCookie(other, KEYS, { id: ID, address: parseAddress(ANN), expires: TODAY }, NOW)!;
  assert.deepEqual(brief(decided(envelope(ANN, confirmAddress(service(), theirs)), { facts: held() })), wrong);
  const expired = ["expired", undefined, "the cookie has expired"];
  assert.deepEqual(brief(confirmation({ facts: held() }, ANN, TODAY - 1)), expired);
  assert.deepEqual(brief(confirmation({ facts: { held: null } }, ANN, TODAY - 1)), expired);
  assert.deepEqual(brief(confirmation({ facts: { held: null } })), ["mismatch", undefined, "no such message is held"]);
  const later = makeCookie(service(), KEYS, { id: ID, address: parseAddress(ANN), expires: TODAY - 1 }, NOW)!;
  const forged = confirmAddress(service(), { ...later, expires: TODAY + 30 });
  assert.deepEqual(brief(decided(envelope(ANN, forged), { facts: held() })), wrong, "a changed expiry");
});

Deno.test("no machine confirms", () => {
  const state = (fields: string, from: string | null = ANN) =>
    brief(confirmation({ facts: held(), fields }, from) as Decision)[0 as never];
  assert.equal(state("From: x@y.example"), "known");
  assert.equal(state("From: x@y.example", null), "mismatch");
  assert.equal(state("From: x@y.example", "MAILER-DAEMON@friend.example"), "mismatch");
  assert.equal(state("Auto-Submitted: auto-replied (vacation)"), "mismatch");
  assert.equal(state("Precedence: bulk"), "mismatch");
  assert.equal(state("Precedence: junk"), "mismatch");
  assert.equal(state("Precedence: auto-reply"), "mismatch");
  // Programs that answer Reply-To, with a sender of their own.
  for (const name of ["postmaster", "noreply", "support-bounces", "bounces+1=a"]) {
    assert.equal(state("From: x@y.example", `${name}@friend.example`), "mismatch", name);
  }
  for (
    const fields of [
      "Content-Type: multipart/report; boundary=x",
      "X-Autoreply: yes",
      "X-Auto-Reply-From: x@y.example",
      "X-Autorespond: Re",
      "X-Mail-Autoreply: yes",
      "X-Auto-Response-Suppress: All",
      "X-MS-Exchange-Inbox-Rules-Loop: x@y.example",
      "Delivered-To: Autoresponder",
      "X-Loop: svc@example.org",
      "List-Id: <x.example>",
    ]
  ) assert.equal(state(fields), "mismatch", fields);
  assert.equal(state("X-Autonomy: x\nDelivered-To: svc@example.org"), "known");
});

Deno.test("a message is not released twice, and not while or after its program was killed", () => {
  const by = (facts: Facts) => brief(confirmation({ facts }));
  assert.deepEqual(by({ held: { state: "done" } }), ["known", "confirmed", "the message was already released"]);
  for (const state of ["running", "kept"] as const) {
    const [known, how] = by(held({ state })) as string[];
    assert.deepEqual([known, how], ["known", "confirmed"], state);
  }
});

Deno.test("a program runs only if the confirmed address is the only author; a gate has no such condition", () => {
  const stays = ["known", "confirmed", "confirmed by somebody who is not its only author; it stays held"];
  assert.deepEqual(brief(confirmation({ facts: held({ author: "victim@friend.example" }) })), stays);
  const { author: _, ...nobody } = held().held!;
  assert.deepEqual(brief(confirmation({ facts: { held: nobody } })), stays);
  const gate = confirmation({ facts: held({ author: "victim@friend.example" }), acts: false });
  assert.deepEqual(brief(gate), ["known", ID, "confirmed"]);
});

Deno.test("a message to an address that confirms is never a request", () => {
  for (const local of ["svc-confirm", "svc-confirm-", "svc-confirm-x", `svc-confirm-${ID}-${TODAY}-abcd`]) {
    const found = decided(envelope(ANN, `${local}@example.org`));
    assert.deepEqual(brief(found), ["mismatch", undefined, "the cookie is not well formed"]);
  }
});
