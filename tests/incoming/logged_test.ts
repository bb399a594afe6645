/** What the log says about a bounce. */
import assert from "node:assert/strict";
import { authorDomain, loggedBounce } from "../../incoming/logged.ts";
import type { Verdict } from "../../incoming/verdict.ts";
import { probeMessageId } from "../../lib/probe.ts";
import { delivery } from "../challenges.ts";

const PROBE_ID = probeMessageId("01234567-89ab-cdef-0123-456789abcdef", "example.net").slice(1, -1);
const BOUNCE = "From: Mail <MAILER-DAEMON@MX.example>\n\nMessage-ID: <1@example.net>\n";
const verdict = (result: Verdict["result"], original?: string) => ({ result, original }) as Verdict;

Deno.test("a bounce is logged with the domain that sent it and the message that it returns", () => {
  const bounce = delivery(BOUNCE);
  const found = { from: "@mx.example", original: "<1@example.net>", probe: undefined };
  assert.deepEqual(loggedBounce(bounce, undefined), found);
  assert.deepEqual(loggedBounce(bounce, verdict("genuine", "2@example.net")), {
    ...found,
    original: "<2@example.net>",
  });
  const ordinary = { ...bounce, sender: "ann@example.org" };
  assert.deepEqual(loggedBounce(ordinary, undefined), { from: undefined, original: undefined, probe: undefined });
});

Deno.test("a returned test message is called one only if it is proved that the user sent it", () => {
  const probe = (result: Verdict["result"]) => loggedBounce(delivery(BOUNCE), verdict(result, PROBE_ID)).probe;
  assert.deepEqual([probe("genuine"), probe("late"), probe("forged")], ["doctor", "doctor", undefined]);
});

Deno.test("the domain of an author that has none, or cannot be parsed, is not known", () => {
  const domain = (from: string) => authorDomain(delivery(`${from}Subject: x\n\n`).header);
  assert.equal(domain("From: friends:;, Ann <ann@Example.org>\n"), "example.org");
  for (const from of ["", "From: root\n", "From: <>\n", "From: <a@\n"]) assert.equal(domain(from), undefined, from);
});
