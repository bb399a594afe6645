/** The checks of doctor, one table each: the problems that are found, and correct files. */
import assert from "node:assert/strict";
import { checkClock } from "../../admin/doctor/clock.ts";
import { placeText } from "../../lib/fail.ts";
import { type Finding, printFindings, type Programs } from "../../admin/doctor/finding.ts";
import type { PathInfo } from "../../admin/doctor/filesystem.ts";
import { hookCall } from "../../admin/doctor/hook_call.ts";
import { checkInjectorFile } from "../../admin/doctor/injector.ts";
import { checkLogged } from "../../admin/doctor/log.ts";
import type { LogFile } from "../../admin/doctor/logfile.ts";
import { checkMaildrop } from "../../admin/doctor/maildrop.ts";
import { checkMutt, makesUpFrom } from "../../admin/doctor/mutt.ts";
import { muttCommands } from "../../admin/doctor/muttrc.ts";
import { checkSandbox } from "../../admin/doctor/sandbox.ts";
import { commandsWithConfig, noteWithConfig } from "../../admin/doctor/config_option.ts";
import { checkForward, checkPostfix } from "../../admin/doctor/postfix.ts";
import { checkProcmail } from "../../admin/doctor/procmail.ts";
import { checkQmail } from "../../admin/doctor/qmail.ts";
import { checkKeys, checkSettings } from "../../admin/doctor/settings.ts";
import { checkMbox } from "../../admin/doctor/mbox.ts";
import { checkFolder, checkLog, writable } from "../../admin/doctor/state.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { assertComplete } from "./findings.ts";

const HOOK = "/opt/hooks/incoming";
const NOW = new Date("2026-11-20T12:00:00Z");
const programs: Programs = {
  trouble: (path) => path.startsWith("/opt/") ? undefined : "does not exist",
  isShim: (path) => path === "/opt/shim",
};

/** A log with this text. */
function logOf(text: string): LogFile {
  const lines = text.split("\n").map((text, at) => ({ text, at })).reverse();
  return { file: "log", lines: () => lines, numberOf: ({ at }) => at + 1 };
}

/** [text, the finding as `line what`] */
type Case = [string, ...string[]];

/** Registers a test for each row; `check` returns the findings of a text. */
function table(name: string, check: (text: string) => Finding[], ...cases: Case[]) {
  for (const [text, ...expected] of cases) {
    const verb = expected.length === 0 ? "lets through" : "stops";
    Deno.test(`${name} ${verb} ${JSON.stringify(text)}`, () => {
      const found = check(text);
      assert.deepEqual(found.map(({ where, what }) => `${where.line ?? "-"} ${what}`), expected);
      for (const one of found) assertComplete(one);
    });
  }
}

const qmail = (text: string, hasDestination = false) =>
  checkQmail([{ file: ".qmail", text }], { programs, hasDestination });
table(
  "qmail",
  qmail,
  [`|${HOOK}\n./Maildir/\n`],
  [`# mail\n\n|${HOOK}\n&ann@example.net\n`],
  [`|/usr/bin/spamc\n|${HOOK}\n./Maildir/\n`],
  [`|preline ${HOOK}\n./Maildir/\n`],
  [`|${HOOK} --maildir ./Maildir\n`],
  [`|${HOOK} || exit 75\n./Maildir/\n`],
  ["./Maildir/\n"],
  ["|/usr/bin/incoming-mail-counter\n./Maildir/\n"],
  [`\n|${HOOK}\n./Maildir/\n`, "1 The first line is blank"],
  [`ann@example.net\n|${HOOK}\n./Maildir/\n`, "1 This line delivers before the hook runs"],
  [`&ann@example.net\n|${HOOK}\n./Maildir/\n`, "1 This line delivers before the hook runs"],
  [`|preline -f procmail\n|${HOOK}\n./Maildir/\n`, "1 This line delivers before the hook runs"],
  [`# 1\n\t|${HOOK}\n./Maildir/\n`, "2 The hook's line does not begin with |"],
  [`${HOOK}\n./Maildir/\n`, "1 The hook's line does not begin with |"],
  [`|${HOOK}\r\n./Maildir/\r\n`, "1 The line ends in CR LF"],
  [`|${HOOK}\n`, "1 No line follows the hook"],
  [`|${HOOK}\n# ./Maildir/\n`, "1 No line follows the hook"],
  [`|${HOOK} | safecat M/tmp M/new\n`, "1 The hook's output is piped to another program"],
  [`|${HOOK} --as maildrop\n./Maildir/\n`, "1 The hook is run with --as maildrop, but the caller is qmail"],
  [`|condredirect spam ${HOOK}\n./Maildir/\n`, "1 condredirect runs the hook without --as condredirect"],
  [`|bouncesaying 'No' ${HOOK}\n./Maildir/\n`, "1 bouncesaying or except runs the hook"],
  ["|/nowhere/incoming\n./Maildir/\n", "1 /nowhere/incoming does not exist"],
);
table("qmail with incoming.inbox", (text) => qmail(text, true), [`|${HOOK}\n`], [
  `|${HOOK} | cat\n`,
  "1 The hook's output is piped to another program",
]);
const scripts: Record<string, string> = {
  "~/bin/check": `#!/bin/sh\n# then maildrop\nexec ${HOOK} "$@"\n`,
  "~/bin/deliver": `#!/bin/sh\n${HOOK} || exit $?\nexec safecat Maildir/tmp Maildir/new\n`,
  "~/bin/other": "#!/bin/sh\nexec logger mail\n",
};
const wrapped = { ...programs, script: (path: string) => scripts[path] };
table(
  "qmail with a wrapper",
  (text) => checkQmail([{ file: ".qmail", text }], { programs: wrapped, hasDestination: false }),
  ["|~/bin/check\n./Maildir/\n"],
  ["|~/bin/deliver\n"],
  ["|preline -f ~/bin/deliver\n"],
  ["| /home/vpopmail/bin/vdelivermail '' bounce-no-mailbox\n"],
  ["|~/bin/other\n"],
  ["|~/bin/check\n", "1 No delivery instruction was found: ~/bin/check runs the hook, and no line follows"],
  [
    "#\n|exec ~/bin/check --as qmail\n",
    "2 No delivery instruction was found: ~/bin/check runs the hook, and no line follows",
  ],
);
table(
  "qmail beside a hook for SRS addresses",
  (text) => {
    const other = { file: ".qmail-srs-default", text: `|${HOOK}\n./Maildir/\n` };
    return checkQmail([{ file: ".qmail", text }, other], { programs, hasDestination: false });
  },
  ["|preline maildrop\n"],
  ["| vdelivermail '' bounce-no-mailbox\n"],
  [`#|${HOOK}\n./Maildir/\n`, "2 Mail to the plain address does not pass through the hook"],
  ["# none\n./Maildir/\n", "2 Mail to the plain address does not pass through the hook"],
);
for (
  const [mode, what] of [[0o777, "The home directory is world-writable"], [
    0o1755,
    "The home directory has the sticky bit set",
  ]] as const
) {
  Deno.test(`qmail stops a home of mode ${mode.toString(8)}`, () => {
    const files = [{ file: ".qmail", text: `|${HOOK}\n./Maildir/\n`, mode: 0o600 }];
    const found = checkQmail(files, { programs, hasDestination: false, home: { path: "/home/greg", mode } });
    assert.deepEqual(found.map((one) => one.what), [what]);
  });
}

const GOOD = "if ($RETURNCODE == 99)\n{\n EXITCODE=0\n exit\n}\nif ($RETURNCODE == 75)\n{\n EXITCODE=75\n exit\n}\n";
table(
  "maildrop",
  (text) => checkMaildrop({ file: ".mailfilter", text, mode: 0o600 }, programs),
  [`X=\`${HOOK} --as maildrop\`\n${GOOD}`],
  [`xfilter "${HOOK} --as filter"\nto Maildir\n`],
  [`if (/^X:/)\n to Other\nif (/^Y:/)\n{\n to Other\n}\nxfilter "${HOOK} --as filter"\nto Maildir\n`],
  [`# to "|${HOOK}"\nto Maildir\n`],
  [`cc "| vacation"\nEXITCODE=0\nX=\`${HOOK} --as maildrop\`\n${GOOD}`],
  [`xfilter "${HOOK}"\n`, "1 The hook is run without --as"],
  [`xfilter "${HOOK} --as maildrop"\n`, "1 The hook is run with --as maildrop"],
  [`X=\`${HOOK}\`\n${GOOD}`, "1 The hook is run without --as"],
  [
    `X=\`${HOOK} --as maildrop\`\nto Maildir\n`,
    "1 RETURNCODE is not compared with 99",
    "1 RETURNCODE is not compared with 75",
  ],
  [
    `X=\`${HOOK} --as maildrop --maildir M\`\nto Maildir\n`,
    "1 RETURNCODE is not compared with 0",
    "1 EXITCODE is not set to 75",
  ],
  [`to "|${HOOK} --as maildrop --maildir M"\n`, "1 The hook is the target of a to statement"],
  [`cc "|${HOOK} --as maildrop"\nEXITCODE=0\n`, "1 The hook is the target of a cc statement"],
  [`to Maildir\nxfilter "${HOOK} --as filter"\n`, "1 This to precedes the hook"],
  [
    `xfilter "${HOOK} --as filter"\ncc "!ann@example.net"\nto Maildir\n`,
    "2 A cc statement leaves its status in EXITCODE",
  ],
  ['\nxfilter "/nowhere/incoming --as filter"\n', "2 /nowhere/incoming does not exist"],
);

const ASK = "C=$?\n:0\n* C ?? ^^75^^\n{\n EXITCODE=75\n HOST=\n}\n";
table(
  "procmail",
  (text) => checkProcmail({ file: ".procmailrc", text, mode: 0o600 }, programs),
  [`:0 W\n| ${HOOK} --as procmail\n${ASK}`],
  [`:0fw: lock\n| ${HOOK} --as filter\n`],
  [`:0\n* ^List-Id:\nlists/\n\n:0 c\ncopy/\n\n:0 fw\n| ${HOOK} --as filter\n`],
  [`:0\n* ^X:\n| other\n\n:0 e\nMaildir/\n\n:0 fw\n| ${HOOK} --as filter\n`],
  [":0\n| /usr/bin/other\n"],
  [`:0\n| ${HOOK} --as procmail\n${ASK}`, "1 Recipe :0 has no w"],
  [`:0 f\n| ${HOOK} --as filter\n`, "1 Recipe :0 f has no w"],
  [`:0 fw\n| ${HOOK} --as procmail\n`, "2 The hook is run with --as procmail instead of --as filter"],
  [`:0 W\n| ${HOOK}\n${ASK}`, "2 The hook is run with --as nothing instead of --as procmail"],
  [`:0 Wc\n| ${HOOK} --as procmail\n${ASK}`, "1 Recipe :0 Wc has a c"],
  [`:0 fhw\n| ${HOOK} --as filter\n`, "1 Recipe :0 fhw gives the hook only part of the message"],
  [`:0 W\n| ${HOOK} --as procmail\n`, "2 The hook's status is not compared with 75"],
  [`:0\n* ? ${HOOK} --as procmail\nspam/\n`, "2 The hook is run as a condition"],
  [`\n:0\nMaildir/\n\n:0 fw\n| ${HOOK} --as filter\n`, "2 This recipe precedes the hook"],
  [":0 fw\n| /nowhere/incoming --as filter\n", "2 /nowhere/incoming does not exist"],
);

const files: Record<string, string> = { "/home/greg/more": "set sendmail=/opt/shim\n" };
function mutt(text: string): Finding[] {
  const [file, home] = ["/home/greg/.muttrc", "/home/greg"];
  const commands = muttCommands(file, home, (path) => path === file ? text : files[path]);
  const onPath = (name: string) => name === "shim" ? "/opt/shim" : undefined;
  return checkMutt({ file, home, commands, identities: ["greg@example.org"], programs, onPath, shim: "/opt/shim" });
}
const SHIM = "set sendmail=/opt/shim\n";
table(
  "mutt",
  mutt,
  [SHIM],
  ['set sendmail = "/opt/shim -oi" # ours\n'],
  ["set sendmail='/opt/shim'; set sendmail_wait=0\n"],
  ["set sendmail=shim\n"],
  ["set sendmail=\\\n/opt/shim\n"],
  ["source ~/more\n"],
  ["set sendmail=/usr/sbin/sendmail\nsource $HOME/more\n"],
  ['set sendmail="/opt/countersign shim"\n'],
  [`${SHIM}set from="Greg <GREG@example.org>" use_envelope_from envelope_from_address=greg@example.org\n`],
  [`${SHIM}set from=\`mailaddress\`\nmailboxes =inbox "=a b"\n`],
  [`${SHIM}send-hook . 'unset signature'\n`],
  ["", "- mutt does not send through the shim: sendmail is not set"],
  ["# set sendmail=/opt/shim\n", "- mutt does not send through the shim: sendmail is not set"],
  ["\nset sendmail=/nowhere/shim\n", "2 sendmail: /nowhere/shim does not exist"],
  ["set sendmail=nothing\n", "1 sendmail: nothing is not in PATH"],
  ["set sendmail=/opt/msmtp\n", "1 sendmail is /opt/msmtp, which is not the shim"],
  [
    "set sendmail=\"'/opt/a b/shim'\"\n",
    "1 sendmail is '/opt/a b/shim': mutt splits it at spaces and does not support quotes",
  ],
  [`${SHIM}send-hook '~t work' 'set sendmail=/opt/msmtp'\n`, "2 sendmail is /opt/msmtp, which is not the shim"],
  [`${SHIM}set smtp_url=smtp://x\n`, "2 mutt speaks SMTP itself"],
  [`${SHIM}set sendmail_wait=-1\n`, "2 sendmail_wait is -1"],
  [`${SHIM}set from=ann@example.net\n`, '2 from "ann@example.net" is not an identity in the settings'],
  [`${SHIM}set envelope_from_address=greg@example.org\n`, "2 envelope_from_address is set, use_envelope_from is not"],
  [
    `${SHIM}set use_envelope_from\nset nouse_envelope_from envelope_from_address=greg@example.org\n`,
    "3 envelope_from_address is set, use_envelope_from is not",
  ],
  [
    `${SHIM}set use_envelope_from\nset envelope_from_address="greg@example.org, ann@example.net"\n`,
    "3 envelope_from_address has 2 addresses",
  ],
);

Deno.test("mutt makes up its address unless the settings name one, or a host", () => {
  for (
    const [text, expected] of [
      [SHIM, true],
      [`${SHIM}my_hdr Reply-To: greg@example.org\n`, true],
      [`${SHIM}set from=greg@example.org\n`, false],
      [`${SHIM}send-hook . 'set from=greg@example.org'\n`, false],
      [`${SHIM}set hostname=example.org\n`, false],
      [`${SHIM}my_hdr From: Greg <greg@example.org>\n`, false],
    ] as const
  ) assert.equal(makesUpFrom(muttCommands("/m", "/", () => text)), expected, text);
});

const pipe = (rest: string) => `countersign unix - n n - - pipe\n  ${rest}\n`;
const RIGHT =
  `flags=DRO user=greg null_sender= argv=${HOOK} --as postfix --config /c --maildir /m \${sender} \${original_recipient}`;
const ENVELOPE = "${sender} ${original_recipient}";
const RECIPIENT_LIMIT = "countersign_destination_recipient_limit = 1\n";
const postfix = {
  programs,
  hasDestination: false,
  srsDomains: ["srs.example.org"],
  isAsked: false,
  smtp: true,
  config: "/c",
  stateTrouble: (user: string) =>
    user === "greg" ? undefined : { what: "/s belongs to user 1, not to 2", fix: "chown -R 2 /s" },
};
table(
  "Postfix",
  (text) => checkPostfix([{ file: "postconf", text }], postfix),
  [RECIPIENT_LIMIT + pipe(RIGHT)],
  [`relay_domains = x.example.org, srs.example.org\n${RECIPIENT_LIMIT}${pipe(RIGHT)}`],
  [`relay_domains = hash:/etc/postfix/relay\n${RECIPIENT_LIMIT}${pipe(RIGHT)}`],
  ["virtual_alias_maps = hash:/a\nvirtual_alias_maps = hash:/a\n"],
  [
    "virtual_alias_maps = hash:/a\nrelay_domains = a.example\nvirtual_alias_maps = hash:/b\n",
    "3 virtual_alias_maps is set in line 1, and again in line 3",
  ],
  ["masquerade_domains =\n"],
  ["masquerade_domains = !srs.example.org example.org\n"],
  ["masquerade_domains = srs.example.org\n"],
  ["masquerade_domains = example.net\n"],
  ["masquerade_domains = example.org\nmasquerade_classes = header_sender\n"],
  ["smtpd_sender_restrictions = check_sender_access inline:{ srs.example.org=OK }, reject_sender_login_mismatch\n"],
  ["other unix - n n - - pipe flags=Ru user=x argv=/bin/other\n"],
  [
    "mydomain = example.org\nmasquerade_domains = $mydomain\n",
    "2 masquerade_domains changes srs.example.org to example.org",
  ],
  [
    "smtpd_recipient_restrictions =\n  reject_authenticated_sender_login_mismatch\n",
    "1 reject_authenticated_sender_login_mismatch rejects senders in srs.example.org",
  ],
  [
    "submission inet n - n - - smtpd\n  -o smtpd_sender_restrictions=reject_sender_login_mismatch\n",
    "1 reject_sender_login_mismatch rejects senders in srs.example.org",
  ],
  [
    `relay_domains = example.net\n${RECIPIENT_LIMIT}${pipe(RIGHT)}`,
    "1 Postfix does not accept mail for srs.example.org",
  ],
  // mydestination does not include subdomains; relay_domains does, unless it is told not to.
  [
    `mydestination = example.org\n${RECIPIENT_LIMIT}${pipe(RIGHT)}`,
    "3 Postfix does not accept mail for srs.example.org",
  ],
  [`relay_domains = example.org\n${RECIPIENT_LIMIT}${pipe(RIGHT)}`],
  [
    `relay_domains = example.org\nparent_domain_matches_subdomains = mynetworks\n${RECIPIENT_LIMIT}${pipe(RIGHT)}`,
    "1 Postfix does not accept mail for srs.example.org",
  ],
  [pipe(RIGHT), "1 countersign_destination_recipient_limit is not 1"],
  // The hook has other settings, whose state folder is not checked.
  [RECIPIENT_LIMIT + pipe(RIGHT.replace("user=greg", "user=ann").replace("/c ", "/home/ann/c "))],
  [
    RECIPIENT_LIMIT + pipe(RIGHT.replace("user=greg", "user=ann:mail")),
    "2 Service countersign runs the hook as ann: /s belongs to user 1, not to 2",
  ],
  [RECIPIENT_LIMIT + pipe(RIGHT.replace("DRO", "DRhu")), "2 Service countersign has flags=DRhu"],
  [RECIPIENT_LIMIT + pipe(RIGHT.replace("null_sender= ", "")), "2 Service countersign has no null_sender="],
  [
    RECIPIENT_LIMIT + pipe(RIGHT.replace("original_", "")),
    "2 Service countersign does not pass the original recipient",
  ],
  [RECIPIENT_LIMIT + pipe(RIGHT.replace(ENVELOPE, `-- ${ENVELOPE}`))],
  [RECIPIENT_LIMIT + pipe(RIGHT.replace(ENVELOPE, "$(sender) $original_recipient"))],
  [RECIPIENT_LIMIT + pipe(RIGHT.replace(ENVELOPE, "--sender <${sender}> --recipient=${original_recipient}"))],
  [RECIPIENT_LIMIT + pipe(RIGHT.replace("/c ", "{ /c } "))],
  [RECIPIENT_LIMIT + pipe(RIGHT) + "countersign/unix/pipe_delivery_status_filter = static:x\n"],
  ...[
    "${sender} ${user}@${domain}",
    "${sender} ${mailbox}",
    "${sender} ${sender}",
    "--sender ${sender}",
    '${sender} "${original_recipient}"',
  ].map((envelope): [string, string] => [
    RECIPIENT_LIMIT + pipe(RIGHT.replace(ENVELOPE, envelope)),
    "2 Service countersign does not pass the original recipient",
  ]),
  ...["--recipient ${original_recipient}", "greg@example.org ${original_recipient}"].map((
    envelope,
  ): [string, string] => [
    RECIPIENT_LIMIT + pipe(RIGHT.replace(ENVELOPE, envelope)),
    "2 Service countersign does not pass the envelope sender",
  ]),
  [
    RECIPIENT_LIMIT + pipe(RIGHT.replace(ENVELOPE, "${original_recipient} ${sender}")),
    "2 Service countersign does not pass the original recipient",
    "2 Service countersign does not pass the envelope sender",
  ],
  // Postfix expands an escaped macro, too, and keeps the backslash.
  [
    RECIPIENT_LIMIT + pipe(RIGHT.replace(ENVELOPE, "\\${sender} \\${original_recipient}")),
    "2 Service countersign does not pass the original recipient",
    "2 Service countersign does not pass the envelope sender",
  ],
  [
    RECIPIENT_LIMIT + pipe(RIGHT.replace(ENVELOPE, "${sender}")),
    '2 Service countersign passes invalid arguments to the hook: Unknown argument "${sender}"',
  ],
  [RECIPIENT_LIMIT + pipe(RIGHT.replace("--config /c ", "")), "2 Service countersign does not name the settings"],
  [RECIPIENT_LIMIT + pipe(RIGHT.replace("--maildir /m ", "")), "2 The hook has no destination"],
  [
    RECIPIENT_LIMIT + pipe(RIGHT.replace("--as postfix ", "")),
    "2 The hook is run with --as nothing, but the caller is Postfix",
  ],
  [`mailbox_command = ${HOOK} --maildir M\n`, "1 The hook is run with --as nothing, but the caller is Postfix"],
  [`mailbox_command = ${HOOK} --as postfix --maildir M \${sender} $recipient\n`, "1 The hook is run with ${sender}"],
  [`mailbox_command = /nowhere/incoming --as postfix --maildir M\n`, "1 /nowhere/incoming does not exist"],
);
table(
  "Postfix that takes no mail by SMTP",
  (text) => checkPostfix([{ file: "postconf", text }], { ...postfix, smtp: false }),
  ["smtpd_sender_restrictions = reject_sender_login_mismatch\n"],
);
table(
  ".forward",
  (text) => checkForward({ file: ".forward", text, mode: 0o644 }, postfix),
  [`"|${HOOK} --as postfix --maildir /m"\n`],
  ["ann@example.net\n"],
  [`# old\n"|${HOOK} --as postfix"\n`, "2 The hook has no destination"],
  [`|${HOOK} --as postfix --forward --sender "$SENDER"\n`],
  [`|${HOOK} --as postfix --forward --sender "\${sender}"\n`, "1 The hook is run with ${sender}"],
  [`|${HOOK} --as qmail --forward\n`, "1 The hook is run with --as qmail, but the caller is Postfix"],
);

const identity = (more = "") =>
  `\n[[identity]]\naddress = "greg@example.org"\n${more}\n[transport]\npreset = "sendmail"\n`;
const SRS = 'srs_domain = "srs.example.org"';
table(
  "settings",
  (text) => checkSettings({ file: "/c", text }, parseConfig(text, { file: "/c", home: "/h" }), NOW),
  [identity(SRS)],
  ['sender = "plain"' + identity()],
  ['sender = "plain"' + identity(SRS) + '[incoming]\nforged = "mark"\n[tag]\nsign = false\n'],
  ['since = "2026-11-21"' + identity(SRS)],
  [identity()],
  ['sender = "srs"' + identity(), '1 No envelope sender is signed: sender = "srs", but no identity has an srs_domain'],
  ['sender = "prvs"' + identity(SRS), '1 No envelope sender is signed: sender = "prvs", but prvs.receive is not set'],
  ['since = "2026-12-24"' + identity(SRS), "1 since = 2026-12-24 is in the future"],
  [
    'sender = "plain"' + identity(SRS) + '[incoming]\nforged = "refuse"\n',
    "1 Mail is sent with the plain sender, while bounces that look forged are refused",
  ],
  [
    identity(SRS) + '[tag]\nsign = false\n[[rule]]\nto = ["*"]\nsender = "plain"\n',
    "11 Mail is sent with the plain sender, while bounces that look forged are filed as spam",
  ],
);

/** The date this many days ago. */
function aged(days: number): string {
  return new Date(NOW.getTime() - days * 86_400_000).toISOString().slice(0, 10);
}

const LONG = "not a real secret, for tests only";
table(
  "keys",
  (text) => checkKeys({ file: "/k", text }, "a@example.org", NOW),
  [`k1 2026-11-20 ${LONG}\n`],
  [`k1 2023-01-01 ${LONG}\nk2 2026-01-01 ${LONG}2\n`],
  ["k1 2026-11-20 short\n", "1 The secret of key k1 of a@example.org has only 5 bytes"],
  [`k1 2026-11-20 ${LONG}\nk2 2027-01-01 ${LONG}2\n`],
  [
    `k1 2026-11-20 short\n#\nk2 2027-01-01 ${LONG}\n`,
    "3 Key k2 of a@example.org is dated in the future",
    "1 The secret of key k1 of a@example.org has only 5 bytes",
  ],
  [`#\nk1 2027-01-01 ${LONG}\n`, "2 Key k1 of a@example.org is dated in the future"],
  [`#\nk1 2023-01-01 ${LONG}\n`, "2 All keys of a@example.org are too old to sign"],
  [`k1 ${aged(689)} ${LONG}\n`],
  [`k1 ${aged(690)} ${LONG}\n`, "1 The newest key of a@example.org, k1, stops signing on 2026-12-20"],
  [`k1 ${aged(719)} ${LONG}\n`, "1 The newest key of a@example.org, k1, stops signing on 2026-11-21"],
  [`k1 ${aged(720)} ${LONG}\n`, "1 All keys of a@example.org are too old to sign"],
  [`k1 ${aged(899)} ${LONG}\n`, "1 All keys of a@example.org are too old to sign"],
  [`k1 ${aged(901)} ${LONG}\n`, "1 All keys of a@example.org are too old to sign"],
  [
    `k1 ${aged(721)} ${LONG}\nk2 ${aged(3)} short\n`,
    "2 The secret of key k2 of a@example.org has only 5 bytes",
    "1 All keys of a@example.org are too old to sign",
  ],
  [`k1 ${LONG}\n`, '1 Key "k1" needs a date such as 2026-11-20 and a secret that is not empty'],
  ["# none\n", "- Key file contains no key"],
);

table(
  "clock",
  (text) => checkClock(logOf(text), NOW),
  [""],
  ["time=2026-11-21T11:00:00Z direction=in\n"],
  ["time=2026-12-01T00:00:00Z direction=in\ntime=2026-11-20T00:00:00Z direction=in\n"],
  [
    "time=2026-11-20T00:00:00Z direction=in\ntime=2026-12-01T00:00:00Z direction=in\n",
    "2 The clock is at 2026-11-20T12:00:00.000Z, but the last line of the log is of 2026-12-01T00:00:00Z",
  ],
);

const plainSent = (date: string, key = "direction") =>
  `time=${date}T00:00:00Z ${key}=out identity=a scheme=plain to=@b result=sent\n`;
for (
  const [forged, date, count] of [["refuse", "2026-11-19", 1], ["refuse", "2026-11-01", 0], [
    "spam",
    "2026-11-19",
    0,
  ]] as const
) {
  Deno.test(`log of ${date} with forged = ${forged}: ${count}`, () => {
    const text = `${identity(SRS)}[incoming]\nforged = "${forged}"\n`;
    const settings = parseConfig(text, { file: "/c", home: "/h" });
    for (const key of ["direction", "way"]) {
      const found = checkLogged(logOf(`time=x\n${plainSent(date, key)}`), settings, NOW);
      assert.deepEqual(found.map(({ where }) => placeText(where)), Array(count).fill("log:2"), key);
    }
  });
}

table("dma", (text) => checkInjectorFile("dma", { file: "/d", text }), ["# MASQUERADE a@b\nMASQUERADE example.org\n"], [
  "PORT 25\nMASQUERADE greg@example.org\n",
  "2 dma sends everything as greg@example.org",
]);
table("nullmailer", (text) => checkInjectorFile("nullmailer", { file: "/n", text }), ["\n"], [
  "root@example.org\n",
  "1 nullmailer sends everything as root@example.org",
]);

const seen = (path: string, kind: PathInfo["kind"], mode = 0o700, uid = 1000): PathInfo => ({ path, kind, mode, uid });
/** [the path and its parents, the user, the finding] */
const FOLDERS: [PathInfo[], number, string | undefined][] = [
  [[seen("/s", "folder")], 1000, undefined],
  [[seen("/s", "folder")], 0, undefined],
  [[seen("/s", "folder", 0o770, 1001)], 1000, "/s belongs to user 1001, not to 1000"],
  [[seen("/h/s", "missing"), seen("/h", "folder")], 1000, undefined],
  [[seen("/h/s", "missing"), seen("/h", "folder", 0o755, 0)], 1000, "/h cannot be written by user 1000"],
  [[seen("/s", "folder", 0o500)], 1000, "/s cannot be written by user 1000"],
  [[seen("/s", "file")], 1000, "/s is not a folder"],
  [[seen("/s", "inaccessible")], 1000, "/s cannot be examined"],
  [[seen("/s", "folder", 0o777)], 1000, "/s is world-writable"],
];
for (const [chain, user, expected] of FOLDERS) {
  Deno.test(`state ${JSON.stringify(chain)} for ${user}: ${expected ?? "no finding"}`, () => {
    assert.deepEqual(
      checkFolder(chain, "the state", user, true).map(({ what }) => what),
      expected === undefined ? [] : [expected],
    );
  });
}

Deno.test("a folder that belongs to another user than root is not taken from them", () => {
  const fix = (...chain: PathInfo[]) => checkFolder(chain, "the state", 1000, true)[0]!.fix;
  assert.equal(fix(seen("/s", "folder", 0o755, 0)), "chown -R 1000 /s");
  assert.equal(fix(seen("/v/s", "missing"), seen("/v", "folder", 0o755, 0)), "install -d -o 1000 -m 700 /v/s");
  assert.equal(fix(seen("/s", "folder", 0o500)), "chmod u+w /s");
  for (const mode of [0o700, 0o770]) assert.match(fix(seen("/s", "folder", mode, 995)), /^Use a folder of your own/);
  assert.match(checkLog(seen("/l", "file", 0o600, 995), 1000)[0]!.fix, /^Use a folder of your own/);
});

Deno.test("what a line that is missing from the sandbox file means", () => {
  const needed = ["shim --allow-read=/a", "serve --allow-net=unix:/run/map", "door @srs.example.org", "ordinary a@b"];
  const findings = checkSandbox({ file: "/c.sandbox", text: "# a comment\n", mode: 0o600 }, needed.join("\n"));
  assert.deepEqual(findings.map(({ why, fix }) => [why, fix]), [
    ["The settings require it, so mail is deferred.", "countersign sandbox"],
    ["countersign serve needs it, and may not start.", "countersign sandbox"],
    ["hooks/queue does not know what countersign serve may reject.", "countersign sandbox"],
    ["The hook is started for each message to this address.", "countersign sandbox"],
  ]);
});

Deno.test("the commands of fixes name the settings file that doctor was given", () => {
  const rows: [string, string][] = [
    ["countersign keys new --address a@b", "countersign keys new --config /c --address a@b"],
    [
      "countersign log --direction in; systemctl reload countersign",
      "countersign log --config /c --direction in; systemctl reload countersign",
    ],
    [
      "systemctl restart 'countersign-*.socket' countersign, or countersign serve",
      "systemctl restart 'countersign-*.socket' countersign, or countersign serve --config /c",
    ],
    [
      "countersign sandbox, then countersign doctor",
      "countersign sandbox --config /c, then countersign doctor --config /c",
    ],
    [
      "deno run -A main.ts countersign doctor --config /c --dns",
      "deno run -A main.ts countersign doctor --config /c --dns",
    ],
    ["chgrp countersign /x; see countersign.conf(5)", "chgrp countersign /x; see countersign.conf(5)"],
  ];
  for (const [text, expected] of rows) assert.equal(commandsWithConfig(text, "/c"), expected);
  assert.equal(
    noteWithConfig("The sockets of countersign serve were not tested: countersign doctor", "/c"),
    "The sockets of countersign serve were not tested: countersign doctor --config /c",
  );
  assert.equal(commandsWithConfig("countersign init", undefined), "countersign init");
  assert.equal(commandsWithConfig("countersign init", "/a b"), "countersign init --config '/a b'");
});

Deno.test("the log is a writable file, or does not exist yet", () => {
  const says = (log: PathInfo) => checkLog(log, 1000).map(({ what }) => what);
  assert.deepEqual(says(seen("/l", "missing")), []);
  assert.deepEqual(says(seen("/l", "file", 0o600)), []);
  assert.deepEqual(says(seen("/l", "other")), ["The log /l is not a file"]);
  assert.deepEqual(says(seen("/l", "file", 0o600, 0)), ["The log /l cannot be written by user 1000"]);
  assert.ok(writable(seen("/l", "file", 0o660, 0), 1000), "a group could be his");
});

/** [line, program, as, delivers, piped] */
const calls: [string, string | undefined, (string | undefined)?, boolean?, boolean?][] = [
  [`|${HOOK}`, HOOK],
  [`X=\`${HOOK} --as maildrop\``, HOOK, "maildrop"],
  [`"|${HOOK} --as=postfix --maildir /m"`, HOOK, "postfix", true],
  [`| ${HOOK} --forward | cat`, HOOK, undefined, true, true],
  ["|$HOME/hooks/incoming", "$HOME/hooks/incoming"],
  ["|/opt/incoming.old", undefined],
  ["|/opt/incoming/other", undefined],
  ["incoming", undefined],
];
for (const [line, program, as, delivers = false, piped = false] of calls) {
  Deno.test(`the hook in ${line}`, () => {
    const call = hookCall(line);
    assert.equal(call?.program, program);
    if (call !== undefined) assert.deepEqual([call.as, call.delivers, call.piped], [as, delivers, piped]);
  });
}

Deno.test("muttrc is parsed as mutt parses it", () => {
  const text = `set a="b c" d = 'e;f' # g\nset h=i\\\nj; unset k\nsend-hook "~t x" "set l=\\"m n\\""\nsource more\n`;
  const read = (path: string) => ({ "/m/rc": text, "/m/more": "set o=p\nsource rc\n" })[path];
  const [first, ...rest] = muttCommands("/m/rc", "/h", read).slice(0, 7);
  assert.deepEqual(first, { file: "/m/rc", line: 1, words: ["set", "a=b c", "d=e;f"], hooked: false });
  const short = rest.map(({ file, line, words, hooked }) => `${file}:${line} ${words.join("|")} ${hooked}`);
  assert.deepEqual(short, [
    "/m/rc:2 set|h=ij false",
    "/m/rc:2 unset|k false",
    '/m/rc:4 send-hook|~t x|set l="m n" false',
    "/m/rc:4 set|l=m n true",
    "/m/more:1 set|o=p false",
    "/m/rc:1 set|a=b c|d=e;f false",
  ]);
});

Deno.test("findings have colours only on request, and no control characters from files", () => {
  const finding: Finding = { id: "log-wrong", what: "A\x1b[2J", where: { file: "/f", line: 3 }, why: "B\nC", fix: "D" };
  const text = "A [2J [log-wrong]\n  where  /f:3\n  why    B C\n  fix    D\n\nNote: E\n\n2 problems found.";
  assert.equal(printFindings([finding, finding], ["E"], false), `${text.split("\n\n")[0]}\n\n${text}`);
  const coloured = printFindings([finding], [], true);
  assert.ok(coloured.startsWith("\x1b[1m\x1b[31mA [2J\x1b[0m [log-wrong]\n"), coloured);
  assert.equal(coloured.split("\x1b").length - 1, 3);
});

Deno.test("a mailbox in mbox format: its owner, its folder, and the programs that lock it", () => {
  const installed = () => true;
  const check = (chain: PathInfo[], user = 1000, isFile: (path: string) => boolean = installed) =>
    checkMbox(chain, "the mailbox", user, isFile).map(({ what, fix }) => `${what}: ${fix}`);
  const box = (kind: PathInfo["kind"], uid = 1000) => seen("/var/mail/greg", kind, 0o600, uid);
  const folder = (mode: number, uid: number) => seen("/var/mail", "folder", mode, uid);
  assert.deepEqual(check([box("file")]), []);
  assert.deepEqual(check([box("missing"), folder(0o755, 1000)]), [], "it is created");
  const create = "install -o 1000 -g mail -m 660 /dev/null /var/mail/greg";
  assert.deepEqual(check([box("missing"), folder(0o755, 0)]), [`/var/mail/greg does not exist: ${create}`]);
  assert.deepEqual(check([box("missing"), seen("/var/mail", "missing"), seen("/var", "folder", 0o755, 1000)]), [
    "The folder of /var/mail/greg does not exist: mkdir -p /var/mail",
  ]);
  assert.deepEqual(check([box("folder")]).map((one) => one.split(":")[0]), ["/var/mail/greg is not a file"]);
  assert.deepEqual(check([box("file", 7)]), [
    "/var/mail/greg belongs to user 7, not to 1000: chown 1000 /var/mail/greg",
  ]);
  assert.deepEqual(check([box("inaccessible")]).length, 1);
  assert.deepEqual(check([box("file")], 1000, (path) => path !== "/usr/bin/dotlockfile"), [
    "/usr/bin/dotlockfile does not exist: apt-get install liblockfile-bin",
  ]);
});
