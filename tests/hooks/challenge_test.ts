import assert from "node:assert/strict";
import { judge, type Verdict } from "../../hooks/judge.ts";
import { dayOf } from "../../lib/day.ts";
import { ENTRY_DAYS, entryName } from "../../lib/ledger.ts";
import { signTag, TAG_FIELD } from "../../lib/tag.ts";
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
} from "../challenges.ts";
import { quotedPrintable } from "../bounces.ts";
import { SECRET } from "../rig.ts";

const QSECRETARY = "qmail-confirm-1795150800.12345.kjfhdmcoapngbleiabcd@list.cr.yp.to";
const COOKIE = "1795150800.lfghbanmkepcojidlfgh-joe=example.net@lists.example.org";

interface Row {
  name: string;
  to: string;
  subject: string;
  list: string;
}

/** The samples that show a message, the answer to each and the entry that it spends. */
const GENUINE: readonly Row[] = [
  {
    name: "qsecretary-challenge",
    to: QSECRETARY,
    subject: "Re: please confirm your message",
    list: "qmail@list.cr.yp.to",
  },
  {
    name: "ezmlm-idx-sub-confirm",
    to: `test-sc.${COOKIE}`,
    subject: "Re: confirm subscribe to test@lists.example.org",
    list: "test-subscribe@lists.example.org",
  },
  {
    name: "ezmlm-idx-sub-confirm-mime",
    to: `test-sc.${COOKIE}`,
    subject: "Re: confirm subscribe to test@lists.example.org",
    list: "test-subscribe@lists.example.org",
  },
  {
    name: "ezmlm-idx-unsub-confirm",
    to: `test-uc.${COOKIE}`,
    subject: "Re: confirm unsubscribe from test@lists.example.org",
    list: "test-unsubscribe@lists.example.org",
  },
  {
    name: "ezmlm053-sub-confirm",
    to: `djb-test-sc.${COOKIE}`,
    subject: "Re: ezmlm response",
    list: "djb-test-subscribe@lists.example.org",
  },
  {
    name: "ezmlm-idx-post-confirm",
    to: "test-confirm-1795150800.4711.lfghbanmkepcojidlfgh@lists.example.org",
    subject: "Re: Confirm post to test@lists.example.org",
    list: "test@lists.example.org",
  },
  {
    name: "tmda-confirm",
    to: "ann-confirm-1795150800.4711.a1b2c3@example.org",
    subject: "Re: Please confirm your message",
    list: "ann@example.org",
  },
  {
    name: "qconfirm-check",
    to: "ann-qconfirm-1795150800.4711.654321@example.org",
    subject: "Re: confirm delivery",
    list: "ann@example.org",
  },
  {
    name: "sympa-send-auth",
    to: "sympa@lists.example.org",
    subject: "CONFIRM a1b2c3d4",
    list: "dev@lists.example.org",
  },
];

/** The samples that show nothing of a message, and a request that each could be about. */
const REQUESTS: readonly (Row & { body?: string })[] = [
  {
    name: "mailman2-join",
    to: "dev-request@lists.example.org",
    subject: "confirm 0123456789abcdef0123456789abcdef01234567",
    list: "dev-join@lists.example.org",
  },
  {
    name: "mailman3-subscribe",
    to: "dev-confirm+0123456789abcdef0123456789abcdef01234567@lists.example.org",
    subject: "Re: Your confirmation is needed to join the dev@lists.example.org mailing list.",
    list: "dev-join@lists.example.org",
  },
  {
    name: "sympa-auth",
    to: "sympa@lists.example.org",
    subject: "AUTH a1b2c3d4 subscribe dev Joe",
    list: "sympa@lists.example.org",
  },
  {
    name: "majordomo2-confirm",
    to: "Majordomo@lists.example.org",
    subject: "B106-83F5-A3EE",
    list: "Majordomo@lists.example.org",
    body: "accept\n",
  },
];

/** Never answered, whatever was sent and whatever the settings say. */
const NEVER = [
  "attack-qsecretary-replayed-tag",
  "attack-qsecretary-tag-in-quoted-body",
  "attack-qsecretary-wrong-domain",
  "ezmlm-idx-mod-post",
  "ezmlm-idx-sub-confirm-no-tag",
  "mailman2-held-moderator",
  "majordomo1-confirm",
  "pmjacookie-challenge",
  "qsecretary-no-tag",
  "qsecretary-pymsgauth", // without the setting for it; tests/state/pymsgauth_test.ts
];

const EVERYTHING = settings("answer = true\nrequests = true");
const request = (list: string, id = "r1", from = "joe@example.net") =>
  send(`From: ${from}\nTo: ${list}\nSubject: subscribe\nMessage-ID: <${id}@example.net>\n\nsubscribe\n`);

function notAnswered(verdict: Verdict, what: string): void {
  assert.equal(answerOf(verdict), undefined, what);
  assert.equal(verdict.action, "deliver", `${what}: ${verdict.reason}`);
}

Deno.test("Every sample stands in one table of this file", () => {
  const named = [...GENUINE.map(({ name }) => name), ...REQUESTS.map(({ name }) => name), ...NEVER];
  assert.deepEqual(named.sort(), [...SAMPLES.keys()].sort());
});

Deno.test("A challenge about a message of ours is answered: to the right address, with the right entry", async () => {
  for (const { name, to, subject, list } of GENUINE) {
    const { mail, sent } = await genuine(name);
    assert.equal(sent.entries.length, 1, name);
    const entry = await entryName({ messageId: sent.messageId.slice(1, -1), list });
    const expected = { to, subject, body: "", from: "joe@example.net", entry };
    // A stranger's Return-Path stands there under qmail's preline alone.
    for (const one of [mail, mail.replace(/^Return-Path: .*\n/, "")]) {
      for (const with_ of [settings(), EVERYTHING]) {
        const { verdict } = await judge(delivery(one), await context(sent.entries, with_));
        assert.deepEqual(answerOf(verdict), expected, `${name}: ${verdict.reason}`);
        assert.deepEqual([verdict.check, verdict.result, verdict.mark], ["challenge", "challenge", true], name);
      }
    }
    const outer = mail.slice(0, mail.indexOf("\n\n"));
    const id = /^Message-ID: (.*)$/m.exec(outer)?.[1];
    const { verdict } = await judge(delivery(mail), await context(sent.entries));
    assert.equal(verdict.answer?.inReplyTo, id, name);
  }
});

Deno.test("The answer goes neither to the Return-Path nor to an address that discards", async () => {
  const { mail, sent } = await genuine("ezmlm-idx-post-confirm");
  assert.match(mail, /^Return-Path: <test-discard-/);
  const { verdict } = await judge(delivery(mail), await context(sent.entries));
  assert.match(String(answerOf(verdict)?.to), /^test-confirm-/);
});

Deno.test("With challenge.answer off, and by default, nothing is answered", async () => {
  for (const { name } of GENUINE) {
    const { mail, sent } = await genuine(name);
    for (const off of ["", "answer = false", "requests = true"]) {
      notAnswered((await judge(delivery(mail), await context(sent.entries, settings(off)))).verdict, `${name}, ${off}`);
    }
    const { ledger: _, ...without } = await context(sent.entries);
    notAnswered((await judge(delivery(mail), without)).verdict, `${name}, no ledger`);
  }
  for (const { name, list } of REQUESTS) {
    const { entries } = await request(list);
    const off = await context(entries, settings("requests = true"));
    notAnswered((await judge(delivery(SAMPLES.get(name)!), off)).verdict, name);
  }
});

Deno.test("Only three of its kinds may say that a program answered", async () => {
  const said: string[] = [];
  for (const { name } of GENUINE) {
    const { mail, sent } = await genuine(name);
    const { verdict } = await judge(delivery(mail), await context(sent.entries));
    if (verdict.answer!.form.autoSubmitted) said.push(name);
  }
  for (const { name, list } of REQUESTS) {
    const ours = await context((await request(list)).entries, EVERYTHING);
    const { verdict } = await judge(delivery(SAMPLES.get(name)!), ours);
    if (verdict.answer!.form.autoSubmitted) said.push(name);
  }
  assert.deepEqual(said, ["qsecretary-challenge", "qconfirm-check", "mailman3-subscribe"]);
});

Deno.test("What shows nothing of our message is answered for the one request that is open", async () => {
  for (const { name, to, subject, list, body = "" } of REQUESTS) {
    const mail = SAMPLES.get(name)!;
    const { entries } = await request(list);
    assert.equal(entries.length, 1, name);
    const entry = await entryName(entries[0]!);
    const expected = { to, subject, body, from: "joe@example.net", entry };

    const good = await context(entries, EVERYTHING);
    const { verdict } = await judge(delivery(mail), good);
    assert.deepEqual(answerOf(verdict), expected, `${name}: ${verdict.reason}`);
    // One that is answered does not stand in the way of the next.
    const again = await context(entries, EVERYTHING);
    await again.ledger.add((await request(list, "r0")).entries[0]!, "spent");
    assert.deepEqual(answerOf((await judge(delivery(mail), again)).verdict), expected, name);

    const bad = async (what: string, ...[more, with_ = EVERYTHING, when = now]: Parameters<typeof bads>) => {
      const verdict = await bads(more, with_, when);
      notAnswered(verdict, `${name}: ${what}`);
      return verdict;
    };
    const bads = async (more: typeof entries, with_ = EVERYTHING, when = now) =>
      (await judge(delivery(mail), { ...await context(more, with_), now: when })).verdict;
    await bad("the default", entries, settings());
    await bad("nothing was sent", []);
    await bad("two are open", [...entries, ...(await request(list, "r2")).entries]);
    await bad("another list", (await request(`x${list}`)).entries.concat((await request("x-join@a.example")).entries));
    await bad("another host", (await request(list.replace("lists.", "other."))).entries);
    await bad("expired", entries, EVERYTHING, day(ENTRY_DAYS + 1));
    await bad("of one who is no identity", entries.map((one) => ({ ...one, from: "greg@example.org" })));
    const spent = await context([], EVERYTHING);
    await spent.ledger.add(entries[0]!, "spent");
    const { verdict: second } = await judge(delivery(mail), spent);
    notAnswered(second, name);
    assert.match(second.reason, /answered before/);
  }
});

Deno.test("What can never be answered is delivered, whatever we sent", async () => {
  const announce = cut(SAMPLES.get("qsecretary-challenge")!)[1];
  const sent = await send(announce);
  // All that the samples could be about, besides.
  const more = ["test@lists.example.org", "test-subscribe@lists.example.org", "dev-join@lists.example.org"];
  const others = ["majordomo@lists.example.org", "joe@x.example", "dev@lists.example.org"];
  const entries = [...sent.entries];
  for (const list of [...more, ...others]) entries.push(...(await request(list, "sub1")).entries);
  for (const name of NEVER) {
    // The attacks know the genuine tag.
    const mail = SAMPLES.get(name)!.replaceAll(PLACEHOLDER, sent.tagLine);
    for (const with_ of [settings(), EVERYTHING]) {
      notAnswered((await judge(delivery(mail), await context(entries, with_))).verdict, name);
    }
  }
});

Deno.test("Each attack fails for its own reason", async () => {
  const sent = await send(cut(SAMPLES.get("qsecretary-challenge")!)[1]);
  const why = async (name: string) => {
    const mail = SAMPLES.get(name)!.replaceAll(PLACEHOLDER, sent.tagLine);
    const { steps } = await judge(delivery(mail), await context(sent.entries));
    return steps.find(({ check }) => check === "challenge")!.found;
  };
  assert.match(await why("attack-qsecretary-replayed-tag"), /the returned tag is not ours/);
  assert.match(await why("attack-qsecretary-tag-in-quoted-body"), /not one tag and one Message-ID/);
  assert.match(await why("attack-qsecretary-wrong-domain"), /no message to that list is remembered/);
  assert.match(await why("qsecretary-no-tag"), /not one tag and one Message-ID/);
  assert.equal(await why("ezmlm-idx-mod-post"), "no challenge");
  assert.equal(await why("mailman2-held-moderator"), "no challenge");
  assert.equal(await why("pmjacookie-challenge"), "no challenge");
});

Deno.test("TMDA: answered where it shows the message or its header, delivered where it shows neither", async () => {
  const { mail, sent, frame, rest } = await genuine("tmda-confirm");
  const header = sent.mail.slice(0, sent.mail.indexOf("\n\n") + 1);
  const entry = await entryName(sent.entries[0]!);
  const level1 = frame.replace("Content-Type: message/rfc822", "Content-Type: text/rfc822-headers") + header + rest;
  const level0 = mail.slice(0, mail.indexOf("\n--=", mail.indexOf("(own wording)"))) + rest;
  const verdict = async (one: string) => (await judge(delivery(one), await context(sent.entries))).verdict;
  assert.equal(answerOf(await verdict(mail))?.entry, entry, "level 2");
  assert.equal(answerOf(await verdict(level1))?.entry, entry, "level 1");
  assert.ok(!level0.includes(sent.tagLine) && level0.includes("own wording"));
  notAnswered(await verdict(level0), "level 0");
  const other = (what: string, from: string | RegExp, to: string) =>
    verdict(mail.replace(from, to)).then((found) => notAnswered(found, what));
  await other("it answers another message", /^In-Reply-To: .*$/m, "In-Reply-To: <other@example.net>");
  await other("no In-Reply-To", /^In-Reply-To: .*\n/m, "");
  await other("another person", "Reply-To: ann-", "Reply-To: bob-");
  await other("not by TMDA", "X-Delivery-Agent: TMDA", "X-Delivery-Agent: MDA");
  await other("not automatic", "Auto-Submitted: auto-replied\n", "");
  await other("a body that was not sent", "hello Ann,", "buy now,");
  notAnswered(
    (await judge(delivery(mail), await context((await request("ann@example.org")).entries))).verdict,
    "another message to her",
  );
});

Deno.test("A form that shows the body must agree with at least one line of it", async () => {
  for (const name of ["qsecretary-challenge", "qconfirm-check", "ezmlm-idx-post-confirm", "sympa-send-auth"]) {
    const { frame, sent, rest } = await genuine(name, (message) => `${message}second\nthird\n`);
    const [header, body] = [sent.mail.slice(0, sent.mail.indexOf("\n\n") + 2), sent.mail.split("\n\n")[1]!];
    const ours = await context(sent.entries);
    const answered = async (quoted: string) =>
      answerOf((await judge(delivery(frame + header + quoted + rest), ours)).verdict) !== undefined;
    assert.equal(await answered(body), true, name);
    const first = body.slice(0, body.indexOf("\n") + 1);
    assert.equal(await answered(first), true, `${name}: the first line`);
    assert.equal(await answered(first + "second\n"), true, `${name}: two lines`);
    assert.equal(await answered(`${body}\n\n`), true, `${name}: empty lines of the frame`);
    assert.equal(await answered(""), false, `${name}: no line`);
    assert.equal(await answered("second\n"), false, `${name}: the second line alone`);
    assert.equal(await answered(`${body}more\n`), false, `${name}: a line that was not sent`);
    assert.equal(await answered(`${first}\nsecond\n`), false, `${name}: an empty line between`);
  }
  // A text that is cut within a line: what is whole counts. In a MIME part the end is the end.
  for (const [name, cutOff] of [["qsecretary-challenge", true], ["ezmlm-idx-post-confirm", false]] as const) {
    const { frame, sent, rest } = await genuine(name, (message) => `${message}second\n`);
    const mail = frame + sent.mail.slice(0, -"cond\n".length) + rest;
    const { verdict } = await judge(delivery(mail), await context(sent.entries));
    assert.equal(answerOf(verdict) !== undefined, cutOff, name);
  }
  const { frame, sent } = await genuine("qsecretary-challenge");
  const mail = frame + sent.mail.slice(0, -"cut\n".length);
  notAnswered((await judge(delivery(mail), await context(sent.entries))).verdict, "only half a line");
});

Deno.test("A message without a body needs no line of it", async () => {
  const noBody = (message: string) => message.slice(0, message.indexOf("\n\n") + 2);
  const { mail, sent } = await genuine("qsecretary-challenge", noBody);
  assert.deepEqual(sent.entries[0]!.lines, []);
  const { verdict } = await judge(delivery(mail), await context(sent.entries));
  assert.notEqual(answerOf(verdict), undefined, verdict.reason);
  notAnswered((await judge(delivery(`${mail}BUY NOW\n`), await context(sent.entries))).verdict, "a body was added");
});

Deno.test("The entry decides: its list, its time, whose it is, whether it was answered", async () => {
  for (const { name } of GENUINE) {
    const { mail, sent } = await genuine(name);
    const [entry] = sent.entries as [typeof sent.entries[0]];
    const given = delivery(mail);
    const bad = async (what: string, change: Partial<typeof entry>) =>
      notAnswered((await judge(given, await context([{ ...entry!, ...change }]))).verdict, `${name}: ${what}`);
    await bad("another list", { list: `x${entry!.list}`.replace(/@.*/, "@a.example") });
    await bad("another domain", { list: `${entry!.list}.evil.example` });
    await bad("a domain that ends alike", { list: entry!.list.replace("@", "@evil.") });
    await bad("another identity", { from: "chair@club.example" });
    await bad("another message", { messageId: `x${entry!.messageId}` });
    await bad("expired", { expires: dayOf(now) - 1 });
    await bad("another From", { fields: ["", entry!.fields[1], entry!.fields[2]] });
    await bad("another Date", { fields: [entry!.fields[0], "", entry!.fields[2]] });
    await bad("another Subject", { fields: [entry!.fields[0], entry!.fields[1], ""] });
    const lastDay = await judge(given, await context([{ ...entry!, expires: dayOf(now) }]));
    assert.notEqual(answerOf(lastDay.verdict), undefined, `${name}: the last day`);

    for (const [state, why] of [["spent", /answered before/], ["claimed", /begun and perhaps sent/]] as const) {
      const ours = await context([]);
      await ours.ledger.add(entry!, state);
      const { verdict } = await judge(given, ours);
      notAnswered(verdict, `${name}: ${state}`);
      assert.match(verdict.reason, why);
      assert.match(verdict.reason, /look yourself$/);
      assert.deepEqual([verdict.check, verdict.result, verdict.mark], ["challenge", "challenge", true]);
    }
  }
});

Deno.test("The time of an entry runs from the day on which it was sent", async () => {
  const { mail, sent } = await genuine("qsecretary-challenge");
  const at = async (when: Date) => (await judge(delivery(mail), { ...await context(sent.entries), now: when })).verdict;
  assert.notEqual(answerOf(await at(day(ENTRY_DAYS))), undefined);
  notAnswered(await at(day(ENTRY_DAYS + 1)), "a day later");
});

Deno.test("The tag decides: ours, for this message, in time", async () => {
  const { frame, sent } = await genuine("qsecretary-challenge");
  const lasting = sent.entries.map((entry) => ({ ...entry, expires: entry.expires + 100 }));
  const made = async (address: string, id: string, options: Partial<Parameters<typeof signTag>[2]>) => {
    const tag = await signTag(address, id, { key: "k1", secret: SECRET, now, ...options });
    const mail = frame + sent.mail.replace(sent.tagLine, `${TAG_FIELD}: ${tag}\n`);
    return (await judge(delivery(mail), await context(lasting))).verdict;
  };
  const id = sent.messageId;
  assert.notEqual(answerOf(await made("joe@example.net", id, {})), undefined);
  assert.notEqual(answerOf(await made("joe@example.net", id, { now: day(-30) })), undefined, "the last day");
  notAnswered(await made("joe@example.net", id, { now: day(-31) }), "expired");
  notAnswered(await made("joe@example.net", id, { secret: "a stranger's" }), "a stranger's key");
  notAnswered(await made("joe@example.net", id, { key: "k2" }), "no such key");
  notAnswered(await made("joe@example.net", "<x@example.net>", {}), "for another message");
  notAnswered(await made("chair@club.example", id, { secret: chair.keys[0]!.secret }), "another identity's");
});

Deno.test("A message of another identity is answered as that one, with its own entry alone", async () => {
  const asChair = (message: string) => message.replace("Joe <joe@example.net>", "Chair <Chair@Club.example>");
  const { mail, sent } = await genuine("qsecretary-challenge", asChair);
  const { verdict } = await judge(delivery(mail), await context(sent.entries));
  assert.equal(answerOf(verdict)?.from, "chair@club.example");
  notAnswered(
    (await judge(delivery(mail), await context(sent.entries.map((one) => ({ ...one, from: "joe@example.net" })))))
      .verdict,
    "entry of joe",
  );
  const { ledger, ...rest } = await context(sent.entries);
  notAnswered((await judge(delivery(mail), { ...rest, ledger, identities: [joe] })).verdict, "no identity any more");
});

Deno.test("A message to two lists of one host gets two challenges and two answers, no third", async () => {
  const both = (message: string) => message.replace(/^To: .*$/m, "To: qmail@list.cr.yp.to, dns@list.cr.yp.to");
  const lists = settings('answer = true\n[[rule]]\nto = ["dns@list.cr.yp.to"]\nconfirm = true');
  const [frame, quoted] = cut(SAMPLES.get("qsecretary-challenge")!);
  const sent = await send(both(quoted), now, lists);
  assert.deepEqual(sent.entries.map(({ list }) => list).sort(), ["dns@list.cr.yp.to", "qmail@list.cr.yp.to"]);
  const ours = await context(sent.entries);
  const spent = new Set<unknown>();
  for (let nth = 0; nth < 2; nth++) {
    const { verdict } = await judge(delivery(frame + sent.mail), ours);
    const entry = answerOf(verdict)?.entry;
    assert.ok(entry !== undefined && !spent.has(entry), `answer ${nth}`);
    spent.add(entry);
    ours.ledger.found = ours.ledger.found.map((one) => one.name === entry ? { ...one, state: "spent" } : one);
  }
  notAnswered((await judge(delivery(frame + sent.mail), ours)).verdict, "the third");
});

Deno.test("ezmlm: who is to be subscribed must be one of ours, and the challenge addressed to him", async () => {
  for (const name of ["ezmlm-idx-sub-confirm", "ezmlm-idx-unsub-confirm", "ezmlm053-sub-confirm"]) {
    const { mail, sent } = await genuine(name);
    const verdict = async (one: string) => (await judge(delivery(one), await context(sent.entries))).verdict;
    const other = mail.replace(/^(Reply-To: .*)-joe=example.net/m, "$1-eve=evil.example");
    assert.notEqual(other, mail);
    notAnswered(await verdict(other), "only the cookie's");
    notAnswered(await verdict(other.replace("\nTo: joe@example.net", "\nTo: eve@evil.example")), "and the To");
    notAnswered(await verdict(mail.replace("\nTo: joe@example.net", "\nTo: eve@evil.example")), "only the To");
  }
});

Deno.test("A subscription for an address of ours that is named in full is answered too", async () => {
  const named = (message: string) => message.replace("test-subscribe@", "test-subscribe-joe=example.net@");
  const { mail, sent } = await genuine("ezmlm-idx-sub-confirm", named);
  const { verdict } = await judge(delivery(mail), await context(sent.entries));
  assert.equal(answerOf(verdict)?.entry, await entryName(sent.entries[0]!));
});

Deno.test("A returned message may be quoted-printable or base64, long lines and other bytes included", async () => {
  const odd = `caf\xc3\xa9 = \xff trailing \n${"long ".repeat(100)}\n.\nFrom me\n`;
  for (const name of ["ezmlm-idx-post-confirm", "tmda-confirm", "sympa-send-auth"]) {
    const { frame, sent, rest, mail } = await genuine(name, (message) => message + odd);
    const part = frame.lastIndexOf("\n\n");
    // Return-Path and Received of the part go into the code with it.
    const inside = frame.slice(part + 2) + sent.mail;
    const head = frame.slice(0, part).replace(/\nContent-Transfer-Encoding: +8bit(?=[^]*$)/, "");
    const as = (encoding: string, text: string) => `${head}\nContent-Transfer-Encoding: ${encoding}\n\n${text}${rest}`;
    const plain = await judge(delivery(mail), await context(sent.entries));
    assert.notEqual(answerOf(plain.verdict), undefined, `${name}: ${plain.verdict.reason}`);
    const base64 = btoa(inside).replace(/.{76}/g, "$&\n");
    for (const one of [as("quoted-printable", quotedPrintable(inside)), as("base64", base64)]) {
      const { verdict } = await judge(delivery(one), await context(sent.entries));
      assert.deepEqual(answerOf(verdict), answerOf(plain.verdict), `${name}: ${verdict.reason}`);
    }
  }
});

Deno.test("A challenge is one whoever hands it in: the envelope is not asked", async () => {
  const { mail, sent } = await genuine("qsecretary-challenge");
  for (const sender of [null, undefined, "eve@evil.example", "MAILER-DAEMON@mx.example"]) {
    const { verdict } = await judge({ ...delivery(mail), sender }, await context(sent.entries));
    assert.notEqual(answerOf(verdict), undefined, String(sender));
  }
  const { verdict } = await judge({ ...delivery(mail), sender: "#@[]" }, await context(sent.entries));
  assert.equal(verdict.check, "double-bounce", "no list sends from there");
});
