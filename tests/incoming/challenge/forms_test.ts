import assert from "node:assert/strict";
import { type Form, recognize } from "../../../incoming/challenge/forms.ts";
import { encodeLatin1 } from "../../../lib/bytes.ts";
import { parseHead } from "../../../lib/message.ts";
import { SAMPLES } from "../../challenges.ts";

/** The form of a message. */
function formOf(mail: string): Form | undefined {
  const { header, bodyStart } = parseHead(encodeLatin1(mail), true)!;
  return recognize(header, mail.slice(bodyStart));
}
const sample = (name: string): string => SAMPLES.get(name)!;

const TOP = "--- Below this line is the top of your message.";
const EZMLM = "1795150800.lfghbanmkepcojidlfgh-joe=example.net@lists.example.org";
const requests = (...verbs: string[]) => verbs.map((verb) => `dev-${verb}@lists.example.org`);
const JOE_JOINS = {
  subscriber: "joe@example.net",
  request: { command: "subscribe", list: "dev@lists.example.org" },
} as const;
const BASE = { subscriber: undefined, separator: undefined, subject: "Confirmation", body: "", headerOnly: false };

Deno.test("Each sample is recognized", { permissions: "none" }, () => {
  const covered = new Set<string>();
  const good = (name: string, form: Partial<Form> & Pick<Form, "program" | "answerTo" | "lists">) => {
    const { autoSubmitted: _, ...rest } = { ...BASE, ...formOf(sample(name)) };
    assert.deepEqual(rest, { ...BASE, ...form }, name);
    covered.add(name);
  };
  const none = (name: string) => {
    assert.equal(formOf(sample(name)), undefined, name);
    covered.add(name);
  };
  const qsecretary = (host: string) => ({
    program: "qsecretary",
    answerTo: `qmail-confirm-1795150800.12345.kjfhdmcoapngbleiabcd@${host}`,
    lists: [`qmail@${host}`],
    separator: TOP,
  });
  for (const name of ["qsecretary-challenge", "qsecretary-no-tag", "qsecretary-pymsgauth"]) {
    good(name, qsecretary("list.cr.yp.to"));
  }
  // These have the right form; what they quote is checked elsewhere.
  good("attack-qsecretary-replayed-tag", qsecretary("list.cr.yp.to"));
  good("attack-qsecretary-tag-in-quoted-body", qsecretary("list.cr.yp.to"));
  good("attack-qsecretary-wrong-domain", qsecretary("list.evil.example"));
  good("qconfirm-check", {
    program: "qconfirm",
    answerTo: "ann-qconfirm-1795150800.4711.654321@example.org",
    lists: ["ann@example.org"],
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
    separator: "--- Enclosed, please find the posted message.",
  });
  good("tmda-confirm", {
    program: "TMDA",
    answerTo: "ann-confirm-1795150800.4711.a1b2c3@example.org",
    lists: ["ann@example.org"],
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
    lists: ["sympa@lists.example.org", ...requests("join", "subscribe", "request")],
    ...JOE_JOINS,
    subject: "AUTH a1b2c3d4 subscribe dev",
  });
  good("mailman3-subscribe", {
    program: "Mailman 3",
    answerTo: "dev-confirm+0123456789abcdef0123456789abcdef01234567@lists.example.org",
    lists: requests("join", "subscribe", "request"),
    ...JOE_JOINS,
  });
  good("majordomo2-confirm", {
    program: "Majordomo 2",
    answerTo: "Majordomo@lists.example.org",
    lists: ["Majordomo@lists.example.org"],
    subject: "B106-83F5-A3EE",
    body: "accept\n",
    ...JOE_JOINS,
  });
  none("ezmlm-idx-mod-post");
  none("mailman2-join"); // Its Subject is only the cookie, so that joining and leaving look the same.
  none("mailman2-held-moderator");
  none("majordomo1-confirm");
  none("pmjacookie-challenge");
  assert.deepEqual([...covered].sort(), [...SAMPLES.keys()].sort());
});

/** Samples with one change in the outer header, as a moderation request, a help text or a letter would have it. */
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
  // ezmlm: subscription moderation has -tc. and -vc. and CONFIRM in capitals; warnings and help texts have no cookie.
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
  ["mailman3-subscribe", "\nTo: joe@example.net", "\nTo: joe@example.net, eve@evil.example"],
  ["mailman3-subscribe", "\nTo: joe@example.net", "\nX: joe@example.net"],
  ["sympa-auth", "\nTo: joe@example.net", "\nTo: joe@example.net, eve@evil.example"],
  ["sympa-auth", "subscribe dev Joe", "subscribe *"],
  ["sympa-auth", "AUTH a1b2c3d4", "AUTH a1b2c3d4, a1b2c3d4"],
  ["majordomo2-confirm", "CONFIRM from", "CONSULT from"],
  ["majordomo2-confirm", "(subscribe)", "(post)"],
  ["majordomo2-confirm", "B106-83F5-A3EE", "B106-83F5"],
  ["majordomo2-confirm", "From: Majordomo@", "From: majordomo-owner@"],
  ["majordomo2-confirm", "To: joe@example.net", "To: eve@evil.example"],
  ["majordomo2-confirm", "(subscribe)", "(unsubscribe)"],
];

/** Mailman 2.1 with VERP_CONFIRMATIONS, as GetConfirmJoinSubject and GetConfirmLeaveSubject write it. */
const MAILMAN2 = sample("mailman2-join").replaceAll(
  /^(From|Reply-To): .*$/gm,
  `$1: dev-confirm+${"0".repeat(40)}@lists.example.org`,
)
  .replace(/^Subject: .*$/m, "Subject: Your confirmation is required to join the Dev mailing list");

Deno.test("Mailman 2 is recognized when the cookie is in its address", { permissions: "none" }, () => {
  assert.deepEqual(formOf(MAILMAN2), {
    ...JOE_JOINS,
    program: "Mailman 2",
    answerTo: `dev-confirm+${"0".repeat(40)}@lists.example.org`,
    lists: requests("join", "subscribe", "request"),
    subject: "Confirmation",
    body: "",
    autoSubmitted: false,
    headerOnly: false,
  });
  const leave = formOf(MAILMAN2.replace("to join the", "to leave the"));
  assert.deepEqual([leave?.request?.command, leave?.lists], [
    "unsubscribe",
    requests("leave", "unsubscribe", "request"),
  ]);
  for (
    const [from, to] of [["the Dev", "the Ops"], ["BeenThere: dev", "BeenThere: ops"], ["yes", "no"], [
      "Reply-To: dev",
      "Reply-To: eve",
    ]]
  ) {
    assert.equal(formOf(MAILMAN2.replace(from!, to!)), undefined, from);
  }
});

Deno.test("Requests to join and to leave are distinguished", { permissions: "none" }, () => {
  const leave: [name: string, from: string, to: string][] = [
    ["mailman3-subscribe", "to join the", "to leave the"],
    ["sympa-auth", "subscribe dev Joe", "signoff dev"],
    ["majordomo2-confirm", "subscribe", "unsubscribe"],
  ];
  for (const [name, from, to] of leave) {
    assert.equal(formOf(sample(name).replaceAll(from, to))?.request?.command, "unsubscribe", name);
  }
});

/** Mailboxes at the list's host other than the confirmation address: none is answered. */
const MAILBOXES = [
  "webmaster",
  "postmaster",
  "qmail",
  "qmail-owner",
  "qmail-help",
  "qmail-unsubscribe",
  "qmail-unsubscribe-joe=example.net",
  "qmail-request",
  "qmail-confirm",
  "qmail-confirm-",
  "qmail-confirm-yes",
  "qmail-confirm-1795150800.12345",
  "qmail-confirm-1795150800.12345.1.kjfhdmcoapngbleiabcd",
  "qmail-confirm-KJFHDMCOAPNGBLEIABCD",
  "qmail-confirm-kjfhdmcoapngbleiabcd+x",
  "qmail-confirm-kjfhdmcoapngbleiabcd-joe=example.net",
  "qmail-accept-1795150800.12345.kjfhdmcoapngbleiabcd",
  "qmail-reject-1795150800.12345.kjfhdmcoapngbleiabcd",
  "-confirm-1795150800.12345.kjfhdmcoapngbleiabcd",
  '"qmail-confirm-1795150800.12345.kjfhdmcoapngbleiabcd"',
  "majordomo",
  "sympa",
];

Deno.test("Answers go only to the address with the cookie", { permissions: "none" }, () => {
  const rows: [name: string, field: string, local: string][] = [
    ["qsecretary-challenge", "From", "qmail-confirm-1795150800.12345.kjfhdmcoapngbleiabcd"],
    ["qconfirm-check", "From", "ann-qconfirm-1795150800.4711.654321"],
    ["tmda-confirm", "Reply-To", "ann-confirm-1795150800.4711.a1b2c3"],
    ["ezmlm-idx-post-confirm", "Reply-To", "test-confirm-1795150800.4711.lfghbanmkepcojidlfgh"],
    ["ezmlm-idx-sub-confirm", "Reply-To", "test-sc.1795150800.lfghbanmkepcojidlfgh-joe=example.net"],
    ["sympa-send-auth", "From", "sympa"],
    ["sympa-auth", "From", "sympa"],
    ["mailman3-subscribe", "From", "dev-confirm+0123456789abcdef0123456789abcdef01234567"],
    ["majordomo2-confirm", "From", "Majordomo"],
  ];
  for (const [name, field, local] of rows) {
    const mail = sample(name);
    const line = mail.match(new RegExp(`^${field}: .*$`, "m"))![0];
    assert.ok(line.includes(`${local}@`), name);
    for (const other of MAILBOXES.filter((one) => one.toLowerCase() !== local.toLowerCase())) {
      const changed = mail.replace(line, () => line.replace(`${local}@`, `${other}@`));
      assert.equal(formOf(changed), undefined, `${name}: ${other}`);
    }
    // A reply would go elsewhere.
    if (field === "From") {
      assert.equal(
        formOf(`Reply-To: eve@lists.example.org\n${mail.replace(/^Reply-To: .*\n/im, "")}`),
        undefined,
        name,
      );
    }
  }
});

Deno.test("Subject and body of an answer contain no text of the challenge except the cookie", {
  permissions: "none",
}, () => {
  for (const [name, mail] of SAMPLES) {
    const found = formOf(mail.replace(/^(Subject: AUTH .*) Joe$/m, "$1 Buy our pills"));
    if (found === undefined) continue;
    assert.match(found.subject, /^(?:Confirmation|CONFIRM a1b2c3d4|AUTH a1b2c3d4 subscribe dev|B106-83F5-A3EE)$/, name);
    assert.match(found.body, /^(?:accept\n)?$/);
  }
});

Deno.test("A message that deviates from the form in one place is not a challenge", { permissions: "none" }, () => {
  for (const [name, from, to] of CHANGED) {
    const mail = sample(name);
    const end = mail.indexOf("\n\n") + 1;
    const changed = mail.slice(0, end).replace(from, to);
    assert.notEqual(changed, mail.slice(0, end), `${name} contains ${from}`);
    assert.notEqual(formOf(mail), undefined, name);
    assert.equal(formOf(`${changed}${mail.slice(end)}`), undefined, `${name}: ${from} -> ${to}`);
  }
});

Deno.test("Majordomo 2: the body must contain one command and its sender", { permissions: "none" }, () => {
  const mail = sample("majordomo2-confirm");
  const bad = (from: string, to: string) => {
    assert.ok(mail.includes(from), from);
    assert.equal(formOf(mail.replace(from, to)), undefined, to);
  };
  bad('  "subscribe dev"\n', "");
  bad('  "subscribe dev"\n', '  "subscribe dev"\n  "subscribe users"\n');
  bad('  "subscribe dev"\n', '  "unsubscribe dev"\n');
  bad('  "subscribe dev"\n', '  "set dev nomail"\n');
  bad("by joe@example.net.", "by eve@evil.example.");
  assert.equal(
    formOf(mail.replace("subscribe dev", "subscribe dev joe@example.net"))?.request?.list,
    "dev@lists.example.org",
  );
  assert.equal(formOf(mail.replaceAll("subscribe dev", "subscribe users"))?.request?.list, "users@lists.example.org");
});

Deno.test(
  "A message with a From or Reply-To that no such program writes is not a challenge",
  { permissions: "none" },
  () => {
    const mail = sample("qsecretary-challenge");
    assert.notEqual(formOf(mail), undefined);
    const comment = `(${"a".repeat(8 * 1024)}) `;
    for (
      const forged of [
        mail.replace(/^From: /m, `From: ${comment}`),
        mail.replace(/^(From: .*\n)/m, "$1$1$1"),
        `From: x:;\nFrom: x:;\n${mail}`,
        mail.replace(/^Subject: /m, "Reply-To: a@b\nReply-To: c@d\nSubject: "),
      ]
    ) assert.equal(formOf(forged), undefined, forged.slice(0, 200));
  },
);

Deno.test("Only the outermost header is examined", { permissions: "none" }, () => {
  for (const [name, mail] of SAMPLES) {
    assert.equal(formOf(`From: eve@evil.example\nSubject: fwd\n\n${mail}`), undefined, name);
    const nested = `Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/rfc822\n\n${mail}\n--x--\n`;
    assert.equal(formOf(`From: eve@evil.example\n${nested}`), undefined, name);
  }
});

Deno.test("The answer never goes to the Return-Path", { permissions: "none" }, () => {
  for (const [name, mail] of SAMPLES) {
    const other = formOf(mail.replace(/^Return-Path: .*$/m, "Return-Path: <list-discard-1@evil.example>"));
    assert.deepEqual(other, formOf(mail), name);
  }
});
