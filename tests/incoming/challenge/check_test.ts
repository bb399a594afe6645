import assert from "node:assert/strict";
import { decide } from "../../../io/state/lookups.ts";
import type { Verdict } from "../../../incoming/verdict.ts";
import { COMPARED_FIELDS } from "../../../lib/compared.ts";
import { dayOf } from "../../../lib/date.ts";
import { type Entry, entryName, LEDGER_BODY_BYTES, LEDGER_DAYS } from "../../../lib/entry.ts";
import { signTag, TAG_FIELD } from "../../../lib/tag.ts";
import {
  answerOf,
  chair,
  context,
  cut,
  day,
  delivery,
  genuine,
  joe,
  now,
  PLACEHOLDER,
  SAMPLES,
  send,
  settings,
} from "../../challenges.ts";
import { quotedPrintable } from "../../bounces.ts";
import { SECRET } from "../../rig.ts";
import { randomNonce } from "../../random.ts";

const QSECRETARY = "qmail-confirm-1795150800.12345.kjfhdmcoapngbleiabcd@list.cr.yp.to";
const COOKIE = "1795150800.lfghbanmkepcojidlfgh-joe=example.net@lists.example.org";

interface Row {
  name: string;
  to: string;
  subject: string;
  list: string;
}

/** Samples that quote the message, the expected answer to each, and the list of the entry it spends. */
const GENUINE: readonly Row[] = [
  {
    name: "qsecretary-challenge",
    to: QSECRETARY,
    subject: "Confirmation",
    list: "qmail@list.cr.yp.to",
  },
  {
    name: "ezmlm-idx-sub-confirm",
    to: `test-sc.${COOKIE}`,
    subject: "Confirmation",
    list: "test-subscribe@lists.example.org",
  },
  {
    name: "ezmlm-idx-sub-confirm-mime",
    to: `test-sc.${COOKIE}`,
    subject: "Confirmation",
    list: "test-subscribe@lists.example.org",
  },
  {
    name: "ezmlm-idx-unsub-confirm",
    to: `test-uc.${COOKIE}`,
    subject: "Confirmation",
    list: "test-unsubscribe@lists.example.org",
  },
  {
    name: "ezmlm053-sub-confirm",
    to: `djb-test-sc.${COOKIE}`,
    subject: "Confirmation",
    list: "djb-test-subscribe@lists.example.org",
  },
  {
    name: "ezmlm-idx-post-confirm",
    to: "test-confirm-1795150800.4711.lfghbanmkepcojidlfgh@lists.example.org",
    subject: "Confirmation",
    list: "test@lists.example.org",
  },
  {
    name: "tmda-confirm",
    to: "ann-confirm-1795150800.4711.a1b2c3@example.org",
    subject: "Confirmation",
    list: "ann@example.org",
  },
  {
    name: "qconfirm-check",
    to: "ann-qconfirm-1795150800.4711.654321@example.org",
    subject: "Confirmation",
    list: "ann@example.org",
  },
  {
    name: "sympa-send-auth",
    to: "sympa@lists.example.org",
    subject: "CONFIRM a1b2c3d4",
    list: "dev@lists.example.org",
  },
];

/** Samples that do not quote the message, and a request that each could be about. */
const REQUESTS: readonly (Row & { body?: string; requestText?: string })[] = [
  {
    name: "mailman3-subscribe",
    to: "dev-confirm+0123456789abcdef0123456789abcdef01234567@lists.example.org",
    subject: "Confirmation",
    list: "dev-join@lists.example.org",
  },
  {
    name: "sympa-auth",
    to: "sympa@lists.example.org",
    subject: "AUTH a1b2c3d4 subscribe dev",
    list: "sympa@lists.example.org",
    requestText: "subscribe dev Joe",
  },
  {
    name: "majordomo2-confirm",
    to: "Majordomo@lists.example.org",
    subject: "B106-83F5-A3EE",
    list: "Majordomo@lists.example.org",
    body: "accept\n",
    requestText: "subscribe dev",
  },
];

/** Never answered, whatever was sent and whatever the settings. */
const NEVER = [
  "attack-qsecretary-replayed-tag",
  "attack-qsecretary-tag-in-quoted-body",
  "attack-qsecretary-wrong-domain",
  "ezmlm-idx-mod-post",
  "ezmlm-idx-sub-confirm-no-tag",
  "mailman2-held-moderator",
  "mailman2-join", // It does not say whether it is about joining or leaving.
  "majordomo1-confirm",
  "pmjacookie-challenge",
  "qsecretary-no-tag",
  "qsecretary-pymsgauth", // Requires tag.pymsgauth, see tests/io/state/pymsgauth_test.ts.
];

const ALL_ENABLED = settings("answer = true\nrequests = true");
const request = (list: string, id = "r1", text = "subscribe", from = "joe@example.net") =>
  send(`From: ${from}\nTo: ${list}\nSubject: please\nMessage-ID: <${id}@example.net>\n\n${text}\n`);

function assertNotAnswered(verdict: Verdict, what: string): void {
  assert.equal(answerOf(verdict), undefined, what);
  assert.equal(verdict.action, "deliver", `${what}: ${verdict.reason}`);
}

Deno.test("Every sample is in exactly one table of this file", () => {
  const named = [...GENUINE.map(({ name }) => name), ...REQUESTS.map(({ name }) => name), ...NEVER];
  assert.deepEqual(named.sort(), [...SAMPLES.keys()].sort());
});

Deno.test("A challenge about a sent message is answered to the right address and spends the right entry", async () => {
  for (const { name, to, subject, list } of GENUINE) {
    const { mail, sent } = await genuine(name);
    assert.equal(sent.entries.length, 1, name);
    const entry = entryName({ messageId: sent.messageId.slice(1, -1), list });
    const expected = { to, subject, body: "", from: "joe@example.net", entry };
    // Only qmail's preline passes on a Return-Path that the sender wrote.
    for (const received of [mail, mail.replace(/^Return-Path: .*\n/, "")]) {
      for (const config of [settings(), ALL_ENABLED]) {
        const { verdict } = await decide(delivery(received), context(sent.entries, config));
        assert.deepEqual(answerOf(verdict), expected, `${name}: ${verdict.reason}`);
        assert.deepEqual([verdict.check, verdict.result, verdict.mark], ["challenge", "challenge", true], name);
      }
    }
    const outer = mail.slice(0, mail.indexOf("\n\n"));
    const id = /^Message-ID: (.*)$/m.exec(outer)?.[1];
    const { verdict } = await decide(delivery(mail), context(sent.entries));
    assert.equal(verdict.answer?.inReplyTo, id, name);
  }
});

Deno.test("The answer is not sent to the Return-Path, which would discard the message", async () => {
  const { mail, sent } = await genuine("ezmlm-idx-post-confirm");
  assert.match(mail, /^Return-Path: <test-discard-/);
  const { verdict } = await decide(delivery(mail), context(sent.entries));
  assert.match(String(answerOf(verdict)?.to), /^test-confirm-/);
});

Deno.test("Nothing is answered by default or with challenge.answer = false", async () => {
  for (const { name } of GENUINE) {
    const { mail, sent } = await genuine(name);
    for (const off of ["", "answer = false", "requests = true"]) {
      assertNotAnswered(
        (await decide(delivery(mail), context(sent.entries, settings(off)))).verdict,
        `${name}, ${off}`,
      );
    }
    const { ledger: _, ...without } = context(sent.entries);
    assertNotAnswered((await decide(delivery(mail), without)).verdict, `${name}, no ledger`);
  }
  for (const { name, list, requestText } of REQUESTS) {
    const { entries } = await request(list, "r1", requestText);
    const off = context(entries, settings("requests = true"));
    assertNotAnswered((await decide(delivery(SAMPLES.get(name)!), off)).verdict, name);
  }
});

Deno.test("Only answers to qsecretary, qconfirm and Mailman 3 contain Auto-Submitted", async () => {
  const withField: string[] = [];
  for (const { name } of GENUINE) {
    const { mail, sent } = await genuine(name);
    const { verdict } = await decide(delivery(mail), context(sent.entries));
    if (verdict.answer!.form.autoSubmitted) withField.push(name);
  }
  for (const { name, list, requestText } of REQUESTS) {
    const given = context((await request(list, "r1", requestText)).entries, ALL_ENABLED);
    const { verdict } = await decide(delivery(SAMPLES.get(name)!), given);
    if (verdict.answer!.form.autoSubmitted) withField.push(name);
  }
  assert.deepEqual(withField, ["qsecretary-challenge", "qconfirm-check", "mailman3-subscribe"]);
});

Deno.test("A challenge that does not quote the message is answered if exactly one request is open", async () => {
  for (const { name, to, subject, list, body = "", requestText = "subscribe" } of REQUESTS) {
    const mail = SAMPLES.get(name)!;
    const { entries } = await request(list, "r1", requestText);
    assert.equal(entries.length, 1, name);
    const entry = entryName(entries[0]!);
    const expected = { to, subject, body, from: "joe@example.net", entry };

    const good = context(entries, ALL_ENABLED);
    const { verdict } = await decide(delivery(mail), good);
    assert.deepEqual(answerOf(verdict), expected, `${name}: ${verdict.reason}`);
    // An earlier request that was already answered does not count as open.
    const again = context(entries, ALL_ENABLED);
    again.ledger.add((await request(list, "r0", requestText)).entries[0]!, "spent");
    assert.deepEqual(answerOf((await decide(delivery(mail), again)).verdict), expected, name);

    const bad = async (what: string, entries: readonly Entry[], config = ALL_ENABLED, when = now) => {
      const { verdict } = await decide(delivery(mail), { ...context(entries, config), now: when });
      assertNotAnswered(verdict, `${name}: ${what}`);
      return verdict;
    };
    await bad("default settings", entries, settings());
    await bad("nothing was sent", []);
    await bad("two open requests", [...entries, ...(await request(list, "r2", requestText)).entries]);
    await bad("another list", (await request(`x${list}`)).entries.concat((await request("x-join@a.example")).entries));
    await bad("another host", (await request(list.replace("lists.", "other."), "r1", requestText)).entries);
    await bad(
      "a request from another identity",
      (await request(list, "r1", requestText, "chair@club.example")).entries,
    );
    await bad("not a request", entries.map((one) => ({ ...one, request: undefined })) as never);
    await bad(
      "a request to subscribe somebody else",
      entries.map((one) => ({ ...one, request: { ...one.request!, subscriber: "x@y" } })),
    );
    await bad("expired", entries, ALL_ENABLED, day(LEDGER_DAYS + 1));
    await bad("a sender who is not an identity", entries.map((one) => ({ ...one, from: "greg@example.org" })));
    const spent = context([], ALL_ENABLED);
    spent.ledger.add(entries[0]!, "spent");
    const { verdict: second } = await decide(delivery(mail), spent);
    assertNotAnswered(second, name);
    assert.match(second.reason, /already answered/);
  }
});

Deno.test("Challenges that can never be answered are delivered, whatever was sent", async () => {
  const announce = cut(SAMPLES.get("qsecretary-challenge")!)[1];
  const sent = await send(announce);
  // Requests for everything else that the samples could be about.
  const lists = ["test@lists.example.org", "test-subscribe@lists.example.org", "dev-join@lists.example.org"];
  lists.push("majordomo@lists.example.org", "joe@x.example", "dev@lists.example.org");
  const entries = [...sent.entries];
  for (const list of lists) entries.push(...(await request(list, "sub1")).entries);
  for (const name of NEVER) {
    // The attacker knows a genuine tag.
    const mail = SAMPLES.get(name)!.replaceAll(PLACEHOLDER, sent.tagLine);
    for (const config of [settings(), ALL_ENABLED]) {
      assertNotAnswered((await decide(delivery(mail), context(entries, config))).verdict, name);
    }
  }
});

Deno.test("Each attack fails for its own reason", async () => {
  const sent = await send(cut(SAMPLES.get("qsecretary-challenge")!)[1]);
  const why = async (name: string) => {
    const mail = SAMPLES.get(name)!.replaceAll(PLACEHOLDER, sent.tagLine);
    const { steps } = await decide(delivery(mail), context(sent.entries));
    return steps.find(({ check }) => check === "challenge")!.found;
  };
  assert.match(await why("attack-qsecretary-replayed-tag"), /the returned tag is not valid/);
  assert.match(await why("attack-qsecretary-tag-in-quoted-body"), /not have exactly one Message-ID/);
  assert.match(await why("attack-qsecretary-wrong-domain"), /no message to that list is remembered/);
  assert.match(await why("qsecretary-no-tag"), /the returned header has no tag/);
  assert.equal(await why("ezmlm-idx-mod-post"), "not a challenge");
  assert.equal(await why("mailman2-held-moderator"), "not a challenge");
  assert.equal(await why("pmjacookie-challenge"), "not a challenge");
});

Deno.test("TMDA: a challenge is answered if it quotes the message or its header, and delivered otherwise", async () => {
  const { mail, sent, frame, rest } = await genuine("tmda-confirm");
  const header = sent.mail.slice(0, sent.mail.indexOf("\n\n") + 1);
  const entry = entryName(sent.entries[0]!);
  const level1 = frame.replace("Content-Type: message/rfc822", "Content-Type: text/rfc822-headers") + header + rest;
  const level0 = mail.slice(0, mail.indexOf("\n--=", mail.indexOf("(own wording)"))) + rest;
  const verdict = async (mail: string) => (await decide(delivery(mail), context(sent.entries))).verdict;
  assert.equal(answerOf(await verdict(mail))?.entry, entry, "level 2");
  assert.equal(answerOf(await verdict(level1))?.entry, entry, "level 1");
  assert.ok(!level0.includes(sent.tagLine) && level0.includes("own wording"));
  assertNotAnswered(await verdict(level0), "level 0");
  const other = (what: string, from: string | RegExp, to: string) =>
    verdict(mail.replace(from, to)).then((found) => assertNotAnswered(found, what));
  await other("In-Reply-To another message", /^In-Reply-To: .*$/m, "In-Reply-To: <other@example.net>");
  await other("no In-Reply-To", /^In-Reply-To: .*\n/m, "");
  await other("another person", "Reply-To: ann-", "Reply-To: bob-");
  await other("from another program", "X-Delivery-Agent: TMDA", "X-Delivery-Agent: MDA");
  await other("not automatic", "Auto-Submitted: auto-replied\n", "");
  await other("a body that was not sent", "hello Ann,", "buy now,");
  assertNotAnswered(
    (await decide(delivery(mail), context((await request("ann@example.org")).entries))).verdict,
    "another message to the same person",
  );
});

Deno.test("A challenge must quote at least one line of the body, and quote it correctly", async () => {
  for (const name of ["qsecretary-challenge", "qconfirm-check", "ezmlm-idx-post-confirm", "sympa-send-auth"]) {
    const { frame, sent, rest } = await genuine(name, (message) => `${message}second\nthird\n`);
    const [header, body] = [sent.mail.slice(0, sent.mail.indexOf("\n\n") + 2), sent.mail.split("\n\n")[1]!];
    const given = context(sent.entries);
    const answered = async (quoted: string) =>
      answerOf((await decide(delivery(frame + header + quoted + rest), given)).verdict) !== undefined;
    assert.equal(await answered(body), true, name);
    const first = body.slice(0, body.indexOf("\n") + 1);
    assert.equal(await answered(first), true, `${name}: the first line`);
    assert.equal(await answered(first + "second\n"), true, `${name}: two lines`);
    assert.equal(await answered(`${body}\n\n`), true, `${name}: followed by empty lines`);
    assert.equal(await answered(""), false, `${name}: no line`);
    assert.equal(await answered("second\n"), false, `${name}: the second line alone`);
    assert.equal(await answered(`${body}more\n`), false, `${name}: a line that was not sent`);
    assert.equal(await answered(`${first}\nsecond\n`), false, `${name}: an empty line between`);
  }
  // A quotation in plain text may be cut within a line; a MIME part is complete.
  for (const [name, cutOff] of [["qsecretary-challenge", true], ["ezmlm-idx-post-confirm", false]] as const) {
    const { frame, sent, rest } = await genuine(name, (message) => `${message}second\n`);
    const mail = frame + sent.mail.slice(0, -"cond\n".length) + rest;
    const { verdict } = await decide(delivery(mail), context(sent.entries));
    assert.equal(answerOf(verdict) !== undefined, cutOff, name);
  }
  const { frame, sent } = await genuine("qsecretary-challenge");
  const mail = frame + sent.mail.slice(0, -"cut\n".length);
  assertNotAnswered((await decide(delivery(mail), context(sent.entries))).verdict, "only half a line");
});

Deno.test("A message without a body needs no quoted line", async () => {
  const noBody = (message: string) => message.slice(0, message.indexOf("\n\n") + 2);
  const { mail, sent } = await genuine("qsecretary-challenge", noBody);
  const { verdict } = await decide(delivery(mail), context(sent.entries));
  assert.notEqual(answerOf(verdict), undefined, verdict.reason);
  assertNotAnswered((await decide(delivery(`${mail}BUY NOW\n`), context(sent.entries))).verdict, "a body was added");
});

Deno.test("The entry must have the same list, identity, fields and body, be unexpired and not answered yet", async () => {
  for (const { name } of GENUINE) {
    const { mail, sent } = await genuine(name);
    const [entry] = sent.entries as [typeof sent.entries[0]];
    const received = delivery(mail);
    const bad = async (what: string, change: Partial<typeof entry>) =>
      assertNotAnswered((await decide(received, context([{ ...entry!, ...change }]))).verdict, `${name}: ${what}`);
    await bad("another list", { list: `x${entry!.list}`.replace(/@.*/, "@a.example") });
    await bad("another domain", { list: `${entry!.list}.evil.example` });
    await bad("a domain with the same ending", { list: entry!.list.replace("@", "@evil.") });
    await bad("another identity", { from: "chair@club.example" });
    await bad("another message", { messageId: `x${entry!.messageId}` });
    await bad("expired", { expires: dayOf(now) - 1 });
    for (const [nth, field] of COMPARED_FIELDS.entries()) {
      await bad(`another ${field}`, { fields: entry!.fields.with(nth, "") });
    }
    await bad("another body", { body: { ...entry!.body, sealed: "" } });
    await bad("a key that was removed", { body: { ...entry!.body, key: "k0" } });
    const lastDay = await decide(received, context([{ ...entry!, expires: dayOf(now) }]));
    assert.notEqual(answerOf(lastDay.verdict), undefined, `${name}: the last day`);

    for (
      const [state, why] of [["spent", /already answered/], ["claimed", /started and may have been sent/]] as const
    ) {
      const given = context([]);
      given.ledger.add(entry!, state);
      const { verdict } = await decide(received, given);
      assertNotAnswered(verdict, `${name}: ${state}`);
      assert.match(verdict.reason, why);
      assert.match(verdict.reason, /check it yourself$/);
      assert.deepEqual([verdict.check, verdict.result, verdict.mark], ["challenge", "challenge", true]);
    }
  }
});

Deno.test("An entry expires LEDGER_DAYS after the message was sent", async () => {
  const { mail, sent } = await genuine("qsecretary-challenge");
  const at = async (when: Date) => (await decide(delivery(mail), { ...context(sent.entries), now: when })).verdict;
  assert.notEqual(answerOf(await at(day(LEDGER_DAYS))), undefined);
  assertNotAnswered(await at(day(LEDGER_DAYS + 1)), "a day later");
});

Deno.test("The tag must be valid for this message and not expired", async () => {
  const { frame, sent } = await genuine("qsecretary-challenge");
  const unexpired = sent.entries.map((entry) => ({ ...entry, expires: entry.expires + 100 }));
  const withTag = async (address: string, id: string, options: Partial<Parameters<typeof signTag>[2]>) => {
    const tag = signTag(address, id, { key: "k1", secret: SECRET, now, nonce: randomNonce(), ...options });
    const mail = frame + sent.mail.replace(sent.tagLine, `${TAG_FIELD}: ${tag}\n`);
    return (await decide(delivery(mail), context(unexpired))).verdict;
  };
  const id = sent.messageId;
  assert.notEqual(answerOf(await withTag("joe@example.net", id, {})), undefined);
  assert.notEqual(answerOf(await withTag("joe@example.net", id, { now: day(-30) })), undefined, "the last day");
  assertNotAnswered(await withTag("joe@example.net", id, { now: day(-31) }), "expired");
  assertNotAnswered(await withTag("joe@example.net", id, { secret: "a stranger's" }), "a stranger's key");
  assertNotAnswered(await withTag("joe@example.net", id, { key: "k2" }), "no such key");
  assertNotAnswered(await withTag("joe@example.net", "<x@example.net>", {}), "made for another message");
  assertNotAnswered(
    await withTag("chair@club.example", id, { secret: chair.keys[0]!.secret }),
    "made by another identity",
  );
});

Deno.test("A challenge is answered as the identity that sent the message, with its own entry only", async () => {
  const asChair = (message: string) => message.replace("Joe <joe@example.net>", "Chair <Chair@Club.example>");
  const { mail, sent } = await genuine("qsecretary-challenge", asChair);
  const { verdict } = await decide(delivery(mail), context(sent.entries));
  assert.equal(answerOf(verdict)?.from, "chair@club.example");
  assertNotAnswered(
    (await decide(delivery(mail), context(sent.entries.map((one) => ({ ...one, from: "joe@example.net" })))))
      .verdict,
    "entry of joe",
  );
  const { ledger, ...rest } = context(sent.entries);
  assertNotAnswered(
    (await decide(delivery(mail), { ...rest, ledger, identities: [joe] })).verdict,
    "no longer an identity",
  );
});

Deno.test("A challenge spends the entry of its own list, and only once", async () => {
  const toBoth = (message: string) => message.replace(/^To: .*$/m, "To: qmail@list.cr.yp.to, dns@list.cr.yp.to");
  const lists = settings('answer = true\n[[rule]]\nto = ["dns@list.cr.yp.to"]\nconfirm = true');
  const [frame, quoted] = cut(SAMPLES.get("qsecretary-challenge")!);
  const sent = await send(toBoth(quoted), now, lists);
  assert.deepEqual(sent.entries.map(({ list }) => list).sort(), ["dns@list.cr.yp.to", "qmail@list.cr.yp.to"]);
  const given = context(sent.entries);
  const byQmail = frame + sent.mail;
  const byDns = frame.replaceAll("qmail-confirm-", "dns-confirm-") + sent.mail;
  for (const [mail, list] of [[byQmail, "qmail@list.cr.yp.to"], [byDns, "dns@list.cr.yp.to"]] as const) {
    const { verdict } = await decide(delivery(mail), given);
    const entry = entryName({ messageId: sent.messageId.slice(1, -1), list });
    assert.equal(answerOf(verdict)?.entry, entry, verdict.reason);
    given.ledger.found = given.ledger.found.map((one) => one.name === entry ? { ...one, state: "spent" } : one);
    assertNotAnswered((await decide(delivery(mail), given)).verdict, `a second time for ${list}`);
  }
});

Deno.test("A challenge that does not name its list is delivered with a mark when several lists are possible", async () => {
  const rows: [to: string, others: string, answered: boolean][] = [
    ["dev@lists.example.org", "", true],
    ["dev@lists.example.org", "ann@example.org", true],
    ["dev@lists.example.org", "test@lists.example.org", false], // also remembered
    ["dev@lists.example.org", "users@LISTS.example.org", false], // not remembered, but possible
  ];
  for (const [to, others, answered] of rows) {
    const all = [to, ...others.split(" ")].filter(Boolean).join(", ");
    const { mail, sent } = await genuine("sympa-send-auth", (message) => message.replace(/^To: .*$/m, `To: ${all}`));
    for (const spent of [0, 1]) {
      const given = context(sent.entries.slice(spent));
      if (spent === 1) given.ledger.add(sent.entries[0]!, "spent");
      const { verdict } = await decide(delivery(mail), given);
      assert.equal(answerOf(verdict) !== undefined, answered && spent === 0, `${all}: ${verdict.reason}`);
      if (answered) continue;
      assert.deepEqual([verdict.action, verdict.result, verdict.mark], ["deliver", "challenge", true], all);
      assert.match(verdict.reason, /does not say which recipient it is about: check it yourself/);
    }
  }
});

Deno.test("ezmlm: the subscriber must be an identity, and the challenge addressed to them", async () => {
  for (const name of ["ezmlm-idx-sub-confirm", "ezmlm-idx-unsub-confirm", "ezmlm053-sub-confirm"]) {
    const { mail, sent } = await genuine(name);
    const verdict = async (mail: string) => (await decide(delivery(mail), context(sent.entries))).verdict;
    const other = mail.replace(/^(Reply-To: .*)-joe=example.net/m, "$1-eve=evil.example");
    assert.notEqual(other, mail);
    assertNotAnswered(await verdict(other), "another subscriber in the cookie");
    assertNotAnswered(
      await verdict(other.replace("\nTo: joe@example.net", "\nTo: eve@evil.example")),
      "another subscriber in cookie and To",
    );
    assertNotAnswered(
      await verdict(mail.replace("\nTo: joe@example.net", "\nTo: eve@evil.example")),
      "another subscriber in To",
    );
  }
});

Deno.test("A subscription request that names an identity's address is answered", async () => {
  const named = (message: string) => message.replace("test-subscribe@", "test-subscribe-joe=example.net@");
  const { mail, sent } = await genuine("ezmlm-idx-sub-confirm", named);
  const { verdict } = await decide(delivery(mail), context(sent.entries));
  assert.equal(answerOf(verdict)?.entry, entryName(sent.entries[0]!));
});

Deno.test("A quoted message may be encoded in quoted-printable or base64", async () => {
  const odd = `caf\xc3\xa9 = \xff trailing \n${"long ".repeat(100)}\n.\nFrom me\n`;
  for (const name of ["ezmlm-idx-post-confirm", "tmda-confirm", "sympa-send-auth"]) {
    const { frame, sent, rest, mail } = await genuine(name, (message) => message + odd);
    const part = frame.lastIndexOf("\n\n");
    // The Return-Path and Received fields of the part are encoded with it.
    const inside = frame.slice(part + 2) + sent.mail;
    const head = frame.slice(0, part).replace(/\nContent-Transfer-Encoding: +8bit(?=[^]*$)/, "");
    const as = (encoding: string, text: string) => `${head}\nContent-Transfer-Encoding: ${encoding}\n\n${text}${rest}`;
    const plain = await decide(delivery(mail), context(sent.entries));
    assert.notEqual(answerOf(plain.verdict), undefined, `${name}: ${plain.verdict.reason}`);
    const base64 = btoa(inside).replace(/.{76}/g, "$&\n");
    for (const encoded of [as("quoted-printable", quotedPrintable(inside)), as("base64", base64)]) {
      const { verdict } = await decide(delivery(encoded), context(sent.entries));
      assert.deepEqual(answerOf(verdict), answerOf(plain.verdict), `${name}: ${verdict.reason}`);
    }
  }
});

Deno.test("Challenges are recognized whatever their envelope sender, except a double bounce", async () => {
  const { mail, sent } = await genuine("qsecretary-challenge");
  for (const sender of [null, undefined, "eve@evil.example", "MAILER-DAEMON@mx.example"]) {
    const { verdict } = await decide({ ...delivery(mail), sender }, context(sent.entries));
    assert.notEqual(answerOf(verdict), undefined, String(sender));
  }
  const { verdict } = await decide({ ...delivery(mail), sender: "#@[]" }, context(sent.entries));
  assert.equal(verdict.check, "double-bounce", "lists do not send from #@[]");
});

/** Requests, and the programs whose challenge to join or to leave the list dev each of them lets us answer. */
const ANSWERABLE: readonly [to: string, text: string, join: string, leave: string][] = [
  ["dev-join", "", "mailman sympa", ""],
  ["dev-subscribe", "", "mailman sympa", ""],
  ["dev-leave", "", "", "mailman sympa"],
  ["dev-unsubscribe", "", "", "mailman sympa"],
  ["dev-request", "subscribe", "mailman sympa", ""],
  ["dev-request", "leave", "", "mailman sympa"],
  ["dev-request", "help", "", ""],
  ["dev-request", "subscribe\nleave", "", ""],
  ["dev-help", "subscribe dev", "", ""],
  ["dev-owner", "subscribe dev", "", ""],
  ["ops-join", "", "", ""],
  ["sympa", "subscribe dev Joe", "sympa", ""],
  ["sympa", "signoff dev", "", "sympa"],
  ["sympa", "subscribe ops", "", ""],
  ["sympa", "help", "", ""],
  ["sympa", "lists", "", ""],
  ["majordomo", "subscribe dev", "majordomo", ""],
  ["majordomo", "unsubscribe dev", "", "majordomo"],
  ["majordomo", "subscribe ops", "", ""],
  ["majordomo", "help", "", ""],
  ["majordomo", "lists", "", ""],
  ["majordomo", "which", "", ""],
  ["majordomo", "subscribe dev\nhelp", "", ""],
  ["majordomo", "subscribe dev eve@evil.example", "", ""],
  ["majordomo", "subscribe dev joe@example.net", "majordomo", ""],
];

Deno.test("A request lets us answer challenges about its list, sender and command only", async () => {
  const join = {
    mailman: SAMPLES.get("mailman3-subscribe")!,
    sympa: SAMPLES.get("sympa-auth")!,
    majordomo: SAMPLES.get("majordomo2-confirm")!,
  };
  const leave = {
    mailman: join.mailman.replace("to join the", "to leave the"),
    sympa: join.sympa.replaceAll("subscribe dev Joe", "signoff dev"),
    majordomo: join.majordomo.replaceAll("subscribe", "unsubscribe"),
  };
  for (const [to, text, joins, leaves] of ANSWERABLE) {
    const { entries } = await request(`${to}@lists.example.org`, "r1", text);
    for (const [mails, expected] of [[join, joins], [leave, leaves]] as const) {
      const answered: string[] = [];
      for (const [name, mail] of Object.entries(mails)) {
        const { verdict } = await decide(delivery(mail), context(entries, ALL_ENABLED));
        if (answerOf(verdict) !== undefined) answered.push(name);
        // Joe sent the request; a challenge to another identity is not answered.
        const others = mail.replaceAll("joe@example.net", "chair@club.example");
        assertNotAnswered((await decide(delivery(others), context(entries, ALL_ENABLED))).verdict, `${name}: ${to}`);
      }
      assert.equal(answered.join(" "), expected, `${to}: ${text}`);
    }
  }
});

Deno.test("ezmlm: a request for one identity does not subscribe another", async () => {
  const { mail, sent } = await genuine("ezmlm-idx-sub-confirm");
  const toChair = mail.slice(0, mail.indexOf("\n\n")).replaceAll("joe@example.net", "chair@club.example")
    .replaceAll("joe=example.net", "chair=club.example") + mail.slice(mail.indexOf("\n\n"));
  const steps = (await decide(delivery(toChair), context(sent.entries))).steps;
  assert.match(steps.find(({ check }) => check === "challenge")!.found, /it subscribes somebody else/);
});

Deno.test("A challenge too long to be checked is delivered", async () => {
  for (const { name } of GENUINE) {
    const { mail, sent } = await genuine(name);
    const { verdict, steps } = await decide({ ...delivery(mail), whole: false }, context(sent.entries));
    assertNotAnswered(verdict, name);
    assert.match(steps.find(({ check }) => check === "challenge")!.found, /too long to be checked/);
  }
});

Deno.test("All lines of a long message must match, or it is delivered", async () => {
  const lines = Array.from({ length: 1000 }, (_, nth) => `line ${nth} of a long message\n`).join("");
  for (const name of ["qsecretary-challenge", "ezmlm-idx-post-confirm", "tmda-confirm", "sympa-send-auth"]) {
    const { mail, sent } = await genuine(name, (message) => message + lines);
    const verdict = async (mail: string) => (await decide(delivery(mail), context(sent.entries))).verdict;
    assert.notEqual(answerOf(await verdict(mail)), undefined, name);
    for (const nth of [1, 63, 64, 65, 500, 999]) {
      const changed = mail.replace(`line ${nth} of a long message\n`, "BUY NOW\n");
      assert.notEqual(changed, mail);
      assertNotAnswered(await verdict(changed), `${name}: line ${nth}`);
    }
  }
  const huge = "x".repeat(70) + "\n";
  const { mail, sent } = await genuine(
    "qsecretary-challenge",
    (message) => message + huge.repeat(LEDGER_BODY_BYTES / 70),
  );
  assertNotAnswered((await decide(delivery(mail), context(sent.entries))).verdict, "more than is remembered");
});

Deno.test("In-Reply-To of the answer is the Message-ID of the challenge if that is well-formed", async () => {
  const { mail, sent } = await genuine("qsecretary-challenge");
  const inReplyTo = async (field: string) => {
    const changed = mail.replace(/^Message-ID: .*\n/m, () => field);
    return (await decide(delivery(changed), context(sent.entries))).verdict.answer!.inReplyTo;
  };
  assert.equal(await inReplyTo("Message-ID: <1.qmail@list.cr.yp.to>\n"), "<1.qmail@list.cr.yp.to>");
  const bad = ["", "<1@x> Buy now", "Buy now", "<buy now@x>", "<1@x>, <2@x>", "<>", "<1>", "<\xc3\xa9@x>", '<"a b"@x>'];
  for (const id of bad) assert.equal(await inReplyTo(`Message-ID: ${id}\n`), undefined, id);
  assert.equal(await inReplyTo(`Message-ID: <${"x".repeat(300)}@x>\n`), undefined);
  assert.equal(await inReplyTo("Message-ID: <1@x>\nMessage-ID: <2@x>\n"), undefined);
  assert.equal(await inReplyTo(""), undefined);
});

Deno.test("The answer comes from the address that sent the message", async () => {
  const tagged = { ...joe, also: ["joe+*@example.net"] };
  const { mail, sent } = await genuine("qsecretary-challenge");
  const given = { ...context(sent.entries), identities: [tagged, chair] };
  assert.equal(answerOf((await decide(delivery(mail), given)).verdict)?.from, "joe@example.net");
  const plus = mail.replace("From: Joe <joe@example.net>", "From: Joe <Joe+list@example.net>");
  assertNotAnswered((await decide(delivery(plus), given)).verdict, "a From that differs from what was sent");
});

Deno.test("With two authors, the Sender signs and answers challenges", async () => {
  const authors = (message: string) =>
    message.replace(/^From: .*$/m, "From: Joe <joe@example.net>, Chair <chair@club.example>\nSender: joe@example.net");
  const { mail, sent } = await genuine("qsecretary-challenge", authors);
  const { verdict } = await decide(delivery(mail), context(sent.entries));
  assert.equal(answerOf(verdict)?.from, "joe@example.net", verdict.reason);
  const other = mail.replace("Sender: joe@example.net", "Sender: chair@club.example");
  assertNotAnswered((await decide(delivery(other), context(sent.entries))).verdict, "another sender");
});
