/** What doctor says about the milters of Sendmail, by its stable ids. */
import assert from "node:assert/strict";
import { checkSendmail } from "../../admin/doctor/sendmail.ts";
import type { PathInfo } from "../../admin/doctor/filesystem.ts";

const DOOR = "Xcountersign-door, S=local:/run/countersign/door, T=C:5s;S:10s;R:30s;E:5m\n";
const SIGN = "Xcountersign-sign, S=local:/run/countersign/sign, F=T, T=C:5s;S:10s;R:30s;E:5m\n";
const DKIM = "Xopendkim, S=inet:8891@127.0.0.1\n";
const SMTP = "O DaemonPortOptions=Family=inet, Name=MTA, Port=smtp, InputMailFilters=countersign-door\n";
const SUBMISSION =
  "O DaemonPortOptions=Family=inet, Name=MSA, Port=submission, M=Ea, InputMailFilters=countersign-sign\n";
const RIGHT = DOOR + SIGN + DKIM + SMTP + SUBMISSION;

/** [what, sendmail.cf, the ids of the findings] */
const rows: [string, string, ...string[]][] = [
  ["all as in contrib", RIGHT],
  ["none of our sockets", DKIM + SMTP],
  ["no Sendmail", ""],
  ["opendkim after sign", RIGHT.replace("=countersign-sign", "=countersign-sign;opendkim")],
  ["opendkim before sign", RIGHT.replace("=countersign-sign", "=opendkim;countersign-sign"), "milter-order"],
  ["sign on port 25", RIGHT.replace("=countersign-door", "=countersign-sign"), "milter-sign-on-25"],
  [
    "INPUT_MAIL_FILTER puts both on each port",
    DOOR + SIGN + "O InputMailFilters=countersign-door, countersign-sign\nO DaemonPortOptions=Name=MTA\n",
    "milter-sign-on-25",
  ],
  ["first letters", RIGHT.replace("Port=smtp, InputMailFilters", "P=25, I")],
  ["the port by its number", RIGHT.replace("Port=submission", "Port=587")],
  ["no door", RIGHT.replace(", InputMailFilters=countersign-door", ""), "milter-door-missing"],
  ["no sign", RIGHT.replace(", InputMailFilters=countersign-sign", ""), "milter-sign-missing"],
  ["sign passes mail when it is down", RIGHT.replace("F=T, ", ""), "milter-sign-action"],
  ["the door defers when it is down", RIGHT.replace("door, T=", "door, F=T, T="), "milter-door-action"],
  ["another port without filters", `${RIGHT}O DaemonPortOptions=Name=LOCAL, Addr=127.0.0.1, Port=10025\n`],
];

const folder = (path: string, mode: number): PathInfo => ({ path, kind: "folder", mode, uid: 0 });
const safe = (path: string) => folder(path, path === "/run/countersign" ? 0o2750 : 0o755);

for (const [what, text, ...ids] of rows) {
  Deno.test(`Sendmail: ${what}`, { permissions: "none" }, () => {
    const context = { folder: "/run/countersign", logins: true };
    const found = checkSendmail({ file: "sendmail.cf", text }, context, safe);
    assert.deepEqual(found.map(({ id }) => id), ids, JSON.stringify(found, undefined, 1));
    for (const { what, why, fix, where } of found) {
      assert.ok(what.length > 9 && why.length > 9 && fix.length > 9 && where.line !== undefined);
    }
  });
}

Deno.test("Sendmail: nothing to sign without logins", { permissions: "none" }, () => {
  const text = RIGHT.replace(", InputMailFilters=countersign-sign", "");
  assert.deepEqual(checkSendmail({ file: "cf", text }, { folder: "/run/countersign", logins: false }, safe), []);
});

/** The same modes as in tests/programs/sendmail_local_test.ts, which asks Sendmail itself. */
Deno.test("Sendmail: a folder that a group or others can write to", { permissions: "none" }, () => {
  const check = (modes: Record<string, number>) => {
    const info = (path: string) => folder(path, modes[path] ?? 0o755);
    const found = checkSendmail({ file: "cf", text: RIGHT }, { folder: "/run/countersign", logins: true }, info);
    return found.map(({ id, fix }) => `${id} ${fix}`);
  };
  assert.deepEqual(check({ "/run/countersign": 0o2750 }), []);
  assert.deepEqual(check({ "/run": 0o1777 }), []);
  for (const mode of [0o2770, 0o2757]) {
    assert.deepEqual(check({ "/run/countersign": mode }), ["sendmail-folder chmod g-w,o-w /run/countersign"]);
  }
  assert.deepEqual(check({ "/run": 0o775 }), ["sendmail-folder chmod g-w,o-w /run"]);
});
