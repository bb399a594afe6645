import assert from "node:assert/strict";
import { type Form, recognise } from "../../hooks/forms.ts";
import { unbinary } from "../../lib/bytes.ts";
import { type Header, parseHead } from "../../lib/message.ts";
import { SAMPLES } from "../challenges.ts";

const head = (mail: string): Header => parseHead(unbinary(mail), true)!.header;
const sample = (name: string): string => SAMPLES.get(name)!;

const TOP = "--- Below this line is the top of your message.";
const EZMLM = "1795150800.lfghbanmkepcojidlfgh-joe=example.net@lists.example.org";
const BASE = { subscriber: undefined, separator: undefined, body: "", headerOnly: false, request: false };

Deno.test("Each sample is known for what it is", { permissions: "none" }, () => {
  const seen = new Set<string>();
  const good = (name: string, form: Partial<Form> & Pick<Form, "program" | "answerTo" | "lists" | "subject">) => {
    const found = recognise(head(sample(name)));
    const { autoSubmitted: _, ...rest } = { ...BASE, ...found };
    assert.deepEqual(rest, { ...BASE, ...form }, name);
    seen.add(name);
  };
  const none = (name: string) => {
    assert.equal(recognise(head(sample(name))), undefined, name);
    seen.add(name);
  };
  const qsecretary = (host: string) => ({
    program: "qsecretary",
    answerTo: `qmail-confirm-1795150800.12345.kjfhdmcoapngbleiabcd@${host}`,
    lists: [`*@${host}`],
    subject: "Re: please confirm your message",
    separator: TOP,
  });
  for (const name of ["qsecretary-challenge", "qsecretary-no-tag", "qsecretary-pymsgauth"]) {
    good(name, qsecretary("list.cr.yp.to"));
  }
  // The frame alone is right; what they quote is not.
  good("attack-qsecretary-replayed-tag", qsecretary("list.cr.yp.to"));
  good("attack-qsecretary-tag-in-quoted-body", qsecretary("list.cr.yp.to"));
  good("attack-qsecretary-wrong-domain", qsecretary("list.evil.example"));
  good("qconfirm-check", {
    program: "qconfirm",
    answerTo: "ann-qconfirm-1795150800.4711.654321@example.org",
    lists: ["ann@example.org"],
    subject: "Re: confirm delivery",
    separator: TOP,
  });
  const ezmlm = (list: string, kind: "sc" | "uc", subject: string) => {
    const command = kind === "sc" ? "subscribe" : "unsubscribe";
    const separator = subject === "ezmlm response" ? "--- Below this line is a copy" : "--- Enclosed is a copy";
    return {
      program: "ezmlm",
      answerTo: `${list}-${kind}.${EZMLM}`,
      subscriber: "joe@example.net",
      lists: [`${list}-${command}@lists.example.org`, `${list}-${command}-joe=example.net@lists.example.org`],
      subject: `Re: ${subject}`,
      separator: `${separator} of the request I received.`,
      headerOnly: true,
    };
  };
  for (const name of ["", "-mime", "-no-tag"]) {
    good(`ezmlm-idx-sub-confirm${name}`, ezmlm("test", "sc", "confirm subscribe to test@lists.example.org"));
  }
  good("ezmlm-idx-unsub-confirm", ezmlm("test", "uc", "confirm unsubscribe from test@lists.example.org"));
  good("ezmlm053-sub-confirm", ezmlm("djb-test", "sc", "ezmlm response"));
  good("ezmlm-idx-post-confirm", {
    program: "ezmlm",
    answerTo: "test-confirm-1795150800.4711.lfghbanmkepcojidlfgh@lists.example.org",
    lists: ["test@lists.example.org"],
    subject: "Re: Confirm post to test@lists.example.org",
    separator: "--- Enclosed, please find the posted message.",
  });
  good("tmda-confirm", {
    program: "TMDA",
    answerTo: "ann-confirm-1795150800.4711.a1b2c3@example.org",
    lists: ["ann@example.org"],
    subject: "Re: Please confirm your message",
  });
  good("sympa-send-auth", {
    program: "Sympa",
    answerTo: "sympa@lists.example.org",
    lists: ["*@lists.example.org"],
    subject: "CONFIRM a1b2c3d4",
  });
  good("sympa-auth", {
    program: "Sympa",
    answerTo: "sympa@lists.example.org",
    lists: ["sympa@lists.example.org"],
    subject: "AUTH a1b2c3d4 subscribe dev Joe",
    request: true,
  });
  const requests = (...verbs: string[]) => verbs.map((verb) => `dev-${verb}@lists.example.org`);
  good("mailman3-subscribe", {
    program: "Mailman 3",
    answerTo: "dev-confirm+0123456789abcdef0123456789abcdef01234567@lists.example.org",
    lists: requests("join", "subscribe", "request"),
    subject: "Re: Your confirmation is needed to join the dev@lists.example.org mailing list.",
    request: true,
  });
  good("mailman2-join", {
    program: "Mailman 2",
    answerTo: "dev-request@lists.example.org",
    lists: requests("join", "subscribe", "request", "leave", "unsubscribe", "request"),
    subject: "confirm 0123456789abcdef0123456789abcdef01234567",
    request: true,
  });
  good("majordomo2-confirm", {
    program: "Majordomo 2",
    answerTo: "Majordomo@lists.example.org",
    lists: ["Majordomo@lists.example.org"],
    subject: "B106-83F5-A3EE",
    body: "accept\n",
    request: true,
  });
  none("ezmlm-idx-mod-post");
  none("mailman2-held-moderator");
  none("majordomo1-confirm");
  none("pmjacookie-challenge");
  assert.deepEqual([...seen].sort(), [...SAMPLES.keys()].sort());
});

/** Samples with one thing changed in the outer header: a moderation request, a help text, somebody's letter. */
const CHANGED: readonly [name: string, from: string | RegExp, to: string][] = [
  ["qsecretary-challenge", "The qsecretary program", "The qsecretary  program"],
  ["qsecretary-challenge", "The qsecretary program", "the qsecretary program"],
  ["qsecretary-challenge", '"The qsecretary program"', "=?utf-8?q?The_qsecretary_program?="],
  ["qsecretary-challenge", /^From: .*$/m, "From: The qsecretary program"],
  ["qsecretary-challenge", /^From: .*$/m, "From: x@list.cr.yp.to"],
  ["qsecretary-challenge", /^From: .*$/m, '$&, "The qsecretary program" <eve@evil.example>'],
  ["qsecretary-challenge", /^From: .*$/m, "$&\nFrom: eve@evil.example"],
  ["qsecretary-challenge", /^From: .*$/m, "$&\nSubject: another"],
  ["qsecretary-challenge", /^From: .*$/m, "$&\nReply-To: a@a.example, b@b.example"],
  ["qconfirm-check", "ann-qconfirm-1795150800.4711.654321", "ann"],
  ["qconfirm-check", "ann-qconfirm-1795150800.4711.654321", "-qconfirm-1795150800.4711.654321"],
  ["qconfirm-check", "ann-qconfirm-1795150800.4711.654321", "ann-qconfirm-control"],
  ["qconfirm-check", "The qconfirm program", "Ann"],
  // ezmlm: subscription moderation has -tc. and -vc., CONFIRM in capitals; a warning and a help text have no cookie.
  ["ezmlm-idx-sub-confirm", "Reply-To: test-sc.", "Reply-To: test-tc."],
  ["ezmlm-idx-sub-confirm", "Reply-To: test-sc.", "Reply-To: test-vc."],
  ["ezmlm-idx-sub-confirm", "Reply-To: test-sc.", "Reply-To: test-wc."],
  ["ezmlm-idx-sub-confirm", "Reply-To: test-sc.", "Reply-To: test-rc."],
  ["ezmlm-idx-sub-confirm", "Reply-To: test-sc.", "Reply-To: test-uc."],
  ["ezmlm-idx-unsub-confirm", "Reply-To: test-uc.", "Reply-To: test-sc."],
  ["ezmlm-idx-sub-confirm", "Subject: confirm sub", "Subject: CONFIRM sub"],
  ["ezmlm-idx-sub-confirm", "Subject: confirm", "Subject: Re: confirm"],
  ["ezmlm-idx-sub-confirm", "Subject: confirm subscribe to test@", "Subject: confirm subscribe to other@"],
  ["ezmlm-idx-sub-confirm", /^Reply-To: .*\n/m, ""],
  ["ezmlm-idx-sub-confirm", /^Reply-To: .*$/m, "Reply-To: test-help@lists.example.org"],
  ["ezmlm-idx-sub-confirm", /^Reply-To: .*$/m, "$&\n$&"],
  ["ezmlm-idx-sub-confirm", "lfghbanmkepcojidlfgh-joe", "lfghbanmkepcojidlfg-joe"],
  ["ezmlm-idx-sub-confirm", "lfghbanmkepcojidlfgh-joe", "lfghbanmkepcojidlfgz-joe"],
  ["ezmlm-idx-sub-confirm", "lfghbanmkepcojidlfgh-joe=example.net@", "lfghbanmkepcojidlfgh@"],
  ["ezmlm-idx-sub-confirm", "From: test-help@", "From: test-owner@"],
  ["ezmlm-idx-sub-confirm", "From: test-help@lists", "From: test-help@other"],
  ["ezmlm-idx-sub-confirm", /^Mailing-List: .*\n/m, ""],
  ["ezmlm-idx-sub-confirm", /^Mailing-List: .*$/m, "$&\n$&"],
  ["ezmlm-idx-sub-confirm", "run by ezmlm", "run by mlmmj"],
  ["ezmlm-idx-sub-confirm", "contact test-help", "contact other-help"],
  ["ezmlm-idx-sub-confirm", "responder for test@", "moderator for test@"],
  ["ezmlm-idx-sub-confirm", "responder for test@", "responder for other@"],
  ["ezmlm-idx-sub-confirm", "\nTo: joe@example.net", "\nTo: test-moderators@lists.example.org"],
  ["ezmlm-idx-post-confirm", "Reply-To: test-confirm-", "Reply-To: test-accept-"],
  ["ezmlm-idx-post-confirm", "Reply-To: test-confirm-", "Reply-To: test-discard-"],
  ["ezmlm-idx-post-confirm", "Reply-To: test-confirm-", "Reply-To: test-reject-"],
  ["ezmlm-idx-post-confirm", "From: test-owner", "From: test-reject-1795150800.4711.lfghbanmkepcojidlfgh"],
  ["ezmlm-idx-post-confirm", "Subject: Confirm post to", "Subject: MODERATE for"],
  ["ezmlm-idx-post-confirm", "Subject: Confirm post to test", "Subject: Confirm post to other"],
  ["ezmlm-idx-post-confirm", /^Mailing-List: .*\n/m, ""],
  ["tmda-confirm", "X-Delivery-Agent: TMDA/", "X-Delivery-Agent: TMDA-like/"],
  ["tmda-confirm", /^X-Delivery-Agent: .*\n/m, ""],
  ["tmda-confirm", "Auto-Submitted: auto-replied", "Auto-Submitted: no"],
  ["tmda-confirm", "Precedence: bulk", "Precedence: list"],
  ["tmda-confirm", /^In-Reply-To: .*\n/m, ""],
  ["tmda-confirm", "In-Reply-To: <p2@example.net>", "In-Reply-To: your message"],
  ["tmda-confirm", ".a1b2c3@", ".a1b2c@"],
  ["tmda-confirm", ".a1b2c3@", ".a1b2cg@"],
  ["tmda-confirm", "ann-confirm-", "ann-dated-"],
  ["tmda-confirm", /^Reply-To: .*\n/m, ""],
  ["sympa-send-auth", "From: SYMPA <sympa@", "From: SYMPA <sympa-request@"],
  ["sympa-send-auth", "Auto-Submitted: auto-replied\n", ""],
  ["sympa-send-auth", "Subject: CONFIRM ", "Subject: Re: CONFIRM "],
  ["sympa-send-auth", "Subject: CONFIRM a1b2c3d4", "Subject: DISTRIBUTE dev a1b2c3d4"],
  ["sympa-send-auth", "Subject: CONFIRM a1b2c3d4", "Subject: REJECT dev a1b2c3d4"],
  ["sympa-send-auth", "Subject: CONFIRM a1b2c3d4", "Subject: CONFIRM a1b2c3d4, or not"],
  ["sympa-auth", "Subject: AUTH a1b2c3d4 subscribe", "Subject: AUTH a1b2c3d4 add"],
  ["sympa-auth", "Subject: AUTH a1b2c3d4 subscribe", "Subject: AUTH subscribe"],
  ["mailman3-subscribe", "Auto-Submitted: auto-generated\n", ""],
  ["mailman3-subscribe", "to join the dev@", "to join the other@"],
  ["mailman3-subscribe", "to join the", "to approve the"],
  ["mailman3-subscribe", /^Subject: .*$/m, "Subject: Your message to dev@lists.example.org awaits moderator approval"],
  ["mailman3-subscribe", "dev-confirm+0", "dev-confirm+"],
  ["mailman2-join", "X-List-Administrivia: yes\n", ""],
  ["mailman2-join", "X-BeenThere: dev@", "X-BeenThere: other@"],
  ["mailman2-join", "From: dev-request@", "From: dev-owner@"],
  ["mailman2-join", "Subject: confirm 0", "Subject: confirm "],
  ["mailman2-join", "Subject: confirm", "Subject: Re: confirm"],
  ["majordomo2-confirm", "CONFIRM from", "CONSULT from"],
  ["majordomo2-confirm", "(subscribe)", "(post)"],
  ["majordomo2-confirm", "B106-83F5-A3EE", "B106-83F5"],
  ["majordomo2-confirm", "From: Majordomo@", "From: majordomo-owner@"],
];

Deno.test("One thing that is not as it should be makes it no challenge", { permissions: "none" }, () => {
  for (const [name, from, to] of CHANGED) {
    const mail = sample(name);
    const end = mail.indexOf("\n\n") + 1;
    const changed = mail.slice(0, end).replace(from, to);
    assert.notEqual(changed, mail.slice(0, end), `${name}: ${from} is there`);
    assert.notEqual(recognise(head(mail)), undefined, name);
    assert.equal(recognise(head(`${changed}\n`)), undefined, `${name}: ${from} -> ${to}`);
  }
});

Deno.test("Only the outermost header is looked at", { permissions: "none" }, () => {
  for (const [name, mail] of SAMPLES) {
    assert.equal(recognise(head(`From: eve@evil.example\nSubject: fwd\n\n${mail}`)), undefined, name);
    const nested = `Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/rfc822\n\n${mail}\n--x--\n`;
    assert.equal(recognise(head(`From: eve@evil.example\n${nested}`)), undefined, name);
  }
});

Deno.test("Whatever the Return-Path says, the answer goes elsewhere", { permissions: "none" }, () => {
  for (const [name, mail] of SAMPLES) {
    const other = recognise(head(mail.replace(/^Return-Path: .*$/m, "Return-Path: <list-discard-1@evil.example>")));
    assert.deepEqual(other, recognise(head(mail)), name);
  }
});
