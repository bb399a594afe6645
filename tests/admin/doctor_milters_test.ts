/** What doctor says about the milters of Postfix, by its stable ids. */
import assert from "node:assert/strict";
import { checkMilters } from "../../admin/doctor/milters.ts";
import { ROOT } from "../rig.ts";

const DOOR = "smtpd_milters = { unix:countersign/door, default_action=accept, connect_timeout=5s }\n";
const LOCAL = "non_smtpd_milters = { unix:countersign/sign, default_action=tempfail }, inet:127.0.0.1:8891\n";
const SMTP = "smtp inet n - y - - smtpd\n";
const SIGN = "-o { smtpd_milters = { unix:countersign/sign, default_action=tempfail }, inet:127.0.0.1:8891 }";
const LOGIN = "-o smtpd_sender_restrictions=reject_sender_login_mismatch";
const SUBMISSION = `submission inet n - y - - smtpd\n  ${SIGN}\n  ${LOGIN}\n`;
const SIGNING = "{ unix:countersign/sign, default_action=tempfail }";
/** What postconf prints about the same lines. */
const PRINTED = `-o {smtpd_milters=${SIGNING}, inet:127.0.0.1:8891} ${LOGIN}\n`;
const OF_SUBMISSION = `submission/inet/smtpd_milters = ${SIGNING}, inet:127.0.0.1:8891\n` +
  "submission/inet/smtpd_sender_restrictions = reject_sender_login_mismatch\nsubmission/inet/syslog_name = submission\n";

/** [what, text, the ids of the findings] */
const rows: [string, string, ...string[]][] = [
  ["all as in contrib", DOOR + LOCAL + SMTP + SUBMISSION],
  ["none of our sockets", `smtpd_milters = inet:127.0.0.1:8891\n${SMTP}`],
  ["no Postfix", ""],
  ["postconf -M", `${DOOR}${LOCAL}smtp       inet  n - y - - smtpd\nsubmission inet  n - y - - smtpd ${PRINTED}`],
  ["postconf -P without -M", `${DOOR}${LOCAL}${SMTP}${OF_SUBMISSION}`],
  ["postconf -M and -P", DOOR + LOCAL + SMTP + SUBMISSION.split("\n")[0] + "\n" + OF_SUBMISSION],
  ["postconf -F", `${DOOR}${LOCAL}${SMTP}submission/inet/private = n\nsubmission/inet/command = smtpd ${PRINTED}`],
  ["-P: sign on port 25", `${DOOR}smtp/inet/smtpd_milters = ${SIGNING}\n${SUBMISSION}`, "milter-sign-on-25"],
  [
    "-P: opendkim first",
    `${DOOR}${SMTP}submission/inet/smtpd_milters = inet:127.0.0.1:8891, ${SIGNING}\n` +
    "submission/inet/smtpd_sender_restrictions = reject_sender_login_mismatch\n",
    "milter-order",
  ],
  [
    "-P: any sender",
    `${DOOR}${SMTP}${OF_SUBMISSION.replace(/^.*mismatch\n/m, "")}`,
    "milter-sender-login",
  ],
  [
    "-F: sign on port 25",
    `${DOOR}smtp/inet/command = smtpd -o {smtpd_milters=${SIGNING}}\n${SUBMISSION}`,
    "milter-sign-on-25",
  ],
  ["absolute paths", (DOOR + LOCAL).replaceAll("unix:", "unix:/var/spool/postfix/") + SMTP + SUBMISSION],
  ["as a chrooted smtpd sees them", (DOOR + LOCAL).replaceAll("unix:", "unix:/") + SMTP + SUBMISSION],
  ["a path in another queue directory", `queue_directory = /q\n${DOOR}${LOCAL}${SMTP}${SUBMISSION}`],
  [
    "the port by its number",
    DOOR + LOCAL + SMTP.replace("smtp", "127.0.0.1:25") + SUBMISSION.replace("submission", "587"),
  ],
  [
    "a variable",
    `my = { unix:countersign/door, default_action=accept }\nsmtpd_milters = $my\n${LOCAL}${SMTP}${SUBMISSION}`,
  ],
  [
    "the default action for all",
    `milter_default_action = accept\n${DOOR.replace(/, default.*5s/, "")}${SMTP}${SUBMISSION}`,
  ],
  [
    "restrictions of main.cf",
    `smtpd_recipient_restrictions = permit, reject_authenticated_sender_login_mismatch\n` +
    DOOR + SMTP + SUBMISSION.replace(LOGIN, ""),
  ],
  [
    "sign on port 25",
    DOOR.replace("door", "sign").replace("accept", "tempfail") + SMTP + SUBMISSION,
    "milter-sign-on-25",
  ],
  ["sign on port 25, by an option", `${DOOR}${SMTP.replace("\n", ` ${SIGN}\n`)}${SUBMISSION}`, "milter-sign-on-25"],
  ["behind postscreen", `${DOOR}smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n${SUBMISSION}`],
  [
    "no door behind postscreen",
    `${LOCAL}smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n${SUBMISSION}`,
    "milter-door-missing",
  ],
  [
    "the policy service in place of the door",
    LOCAL + SMTP + SUBMISSION + Deno.readTextFileSync(`${ROOT}/contrib/postfix/policy/main.cf`),
  ],
  ["no door", LOCAL + SMTP + SUBMISSION, "milter-door-missing"],
  ["no sign", DOOR + SMTP + SUBMISSION.replace(SIGN, ""), "milter-sign-missing"],
  ["any sender", DOOR + SMTP + SUBMISSION.replace(LOGIN, ""), "milter-sender-login"],
  ["opendkim first", DOOR + LOCAL.replace(/= (.*), (inet.*)/, "= $2, $1") + SMTP + SUBMISSION, "milter-order"],
  [
    "the door defers",
    DOOR.replace("default_action=accept, ", "") + SMTP + SUBMISSION,
    "milter-door-action",
  ],
  [
    "two services with the list of main.cf",
    `${DOOR.replace("default_action=accept, ", "")}${SMTP}127.0.0.1:10025 inet n - y - - smtpd\n`,
    "milter-door-action",
  ],
  ["sign accepts", DOOR + LOCAL.replace("tempfail", "accept") + SMTP + SUBMISSION, "milter-sign-action"],
];
const folderOf = (text: string) => `${/^queue_directory = (.*)$/m.exec(text)?.[1] ?? "/var/spool/postfix"}/countersign`;
for (const [what, text, ...ids] of rows) {
  Deno.test(`milters: ${what}`, { permissions: "none" }, () => {
    const found = checkMilters([{ file: "postconf", text }], { folder: folderOf(text), logins: true });
    assert.deepEqual(found.map(({ id }) => id), ids, JSON.stringify(found, undefined, 1));
    for (const { what, why, fix, where } of found) {
      assert.ok(what.length > 9 && why.length > 9 && fix.length > 9 && where.line !== undefined);
      assert.deepEqual(Object.keys(where), ["file", "line"]);
    }
  });
}

Deno.test("milters: nothing to sign without logins", { permissions: "none" }, () => {
  const files = [{ file: "postconf", text: DOOR + SMTP + SUBMISSION.replace(SIGN, "") }];
  assert.deepEqual(checkMilters(files, { folder: "/var/spool/postfix/countersign", logins: false }), []);
});

Deno.test("milters: the lines of contrib/postfix/milter have no problems", () => {
  const files = ["main.cf", "master.cf"].map((name) => {
    const file = `${ROOT}/contrib/postfix/milter/${name}`;
    return { file, text: Deno.readTextFileSync(file) };
  });
  files.push({ file: "smtp", text: SMTP });
  assert.deepEqual(checkMilters(files, { folder: "/var/spool/postfix/countersign", logins: true }), []);
});
