/** What doctor says about the mail servers that ask serve on the socket `lookup`, by its stable ids. */
import assert from "node:assert/strict";
import { checkEximDoor, checkOpenSmtpd, checkTcpRules, type ClientContext } from "../../admin/doctor/clients.ts";
import type { Finding, TextFile } from "../../admin/doctor/finding.ts";
import { socketDenied } from "../../admin/doctor/client_access.ts";
import { ROOT, TempFolder } from "../rig.ts";

const context = (missing = "", lookup = "/run/countersign/lookup", without = "", absent = ""): ClientContext => ({
  missing: (path) => path === absent,
  denied: (_, users) => users.includes(without) ? { user: without, why: "the socket has mode 660" } : undefined,
  programs: {
    trouble: (path) => missing !== "" && path.endsWith(missing) ? `${path} does not exist` : undefined,
    isShim: () => false,
  },
  lookup,
  folder: "/run/countersign",
  srsDomains: ["srs.example.org"],
});
const LOOKUP = "/run/countersign/lookup";
const contrib = (name: string) => Deno.readTextFileSync(`${ROOT}/contrib/${name}`);
const OPENSMTPD = contrib("opensmtpd/smtpd.conf");
const EXIM = contrib("exim/door/exim.conf");
const RULES = contrib("qmail/tcp.smtp");

type Check = (file: TextFile, context: ClientContext) => Finding[];

/** [what, check, text, context, the ids of the findings] */
const rows: [string, Check, string, ClientContext, ...string[]][] = [
  ["OpenSMTPD as in contrib", checkOpenSmtpd, OPENSMTPD, context()],
  ["OpenSMTPD without the filter", checkOpenSmtpd, "listen on localhost\n", context()],
  ["serve is not configured here", checkOpenSmtpd, OPENSMTPD, context("", "")],
  ["the filter is missing", checkOpenSmtpd, OPENSMTPD, context("/opensmtpd"), "opensmtpd-program"],
  ["another socket", checkOpenSmtpd, OPENSMTPD, context("", "/srv/lookup"), "lookup-socket"],
  [
    "another socket, named",
    checkOpenSmtpd,
    OPENSMTPD.replace('proc-exec "', 'proc-exec "/usr/bin/env COUNTERSIGN_LOOKUP=/srv/lookup '),
    context("", "/srv/lookup"),
  ],
  [
    "no listener",
    checkOpenSmtpd,
    OPENSMTPD.replace(' filter "countersign"', ""),
    context(),
    "opensmtpd-listener",
  ],
  [
    "a chain of filters",
    checkOpenSmtpd,
    OPENSMTPD.replace(' filter "countersign"', ' filter "all"') + 'filter "all" chain { "rspamd", "countersign" }\n',
    context(),
  ],
  [
    "smtpd cannot open the socket",
    checkOpenSmtpd,
    OPENSMTPD,
    context("", undefined, "opensmtpd"),
    "lookup-denied",
  ],
  [
    "another user of the filter",
    checkOpenSmtpd,
    OPENSMTPD.replace('hooks/opensmtpd"', 'hooks/opensmtpd" user cs'),
    context("", undefined, "cs"),
    "lookup-denied",
  ],
  ["Exim cannot open the socket", checkEximDoor, EXIM, context("", undefined, "Debian-exim"), "lookup-denied"],
  ["no match line", checkOpenSmtpd, OPENSMTPD.replace(/^match.*$/m, ""), context(), "opensmtpd-match"],
  [
    "a table",
    checkOpenSmtpd,
    OPENSMTPD.replace(/^match.*$/m, 'match from any for domain <domains> action "countersign"'),
    context(),
  ],
  ["Exim as in contrib", checkEximDoor, EXIM, context()],
  ["Exim without the door", checkEximDoor, contrib("exim/exim.conf"), context()],
  ["Exim: another socket", checkEximDoor, EXIM, context("", "/srv/lookup"), "exim-lookup"],
  ["Exim: another map", checkEximDoor, EXIM.replace("/run/countersign/map", "/srv/map"), context(), "exim-map"],
  ["there is no socket", checkOpenSmtpd, OPENSMTPD, context("", undefined, "", LOOKUP), "lookup-missing"],
  ["qmail: there is no socket", checkTcpRules, RULES, context("", undefined, "", LOOKUP), "lookup-missing"],
  ["Exim: there is no socket", checkEximDoor, EXIM, context("", undefined, "", LOOKUP), "lookup-missing"],
  ["Exim: there is no map", checkEximDoor, EXIM, context("", undefined, "", "/run/countersign/map"), "map-missing"],
  ["Exim: the macros alone", checkEximDoor, EXIM.split("# In the ACL for RCPT")[0]!, context(), "exim-acl"],
  ["Exim: no ACL for DATA", checkEximDoor, EXIM.split("# In the ACL for DATA")[0]!, context(), "exim-data"],
  ["Exim: one long line", checkEximDoor, EXIM.replace(/^message_body_newlines.*$/m, ""), context(), "exim-newlines"],
  ["qmail as in contrib", checkTcpRules, RULES, context()],
  ["qmail without the hook", checkTcpRules, ':allow,QMAILQUEUE="/usr/bin/simscan"\n', context()],
  ["hooks/queue is missing", checkTcpRules, RULES, context("hooks/queue"), "qmail-program"],
  ["qmail-queue is missing", checkTcpRules, RULES, context("/qmail-queue"), "qmail-queue"],
  [
    "a scanner behind it",
    checkTcpRules,
    RULES.replace(/queue"$/m, 'queue",COUNTERSIGN_QUEUE="/usr/bin/simscan"'),
    context("/qmail-queue"),
  ],
  ["qmail: another socket", checkTcpRules, RULES, context("", "/srv/lookup"), "lookup-socket"],
  [
    "qmail: another socket, named",
    checkTcpRules,
    RULES.replace(/queue"$/m, 'queue",COUNTERSIGN_LOOKUP="/srv/lookup"'),
    context("", "/srv/lookup"),
  ],
  [
    "qmail: clients that may relay",
    checkTcpRules,
    '10.:allow,RELAYCLIENT="",QMAILQUEUE="/usr/local/lib/countersign/hooks/queue"\n',
    context(),
    "qmail-relay",
  ],
];

for (const [what, check, text, given, ...ids] of rows) {
  Deno.test(`doctor: ${what}`, { permissions: "none" }, () => {
    const findings = check({ file: "/etc/x", text }, given);
    assert.deepEqual(findings.map(({ id }) => id), ids);
    for (const { where, why, fix } of findings) assert.ok(where.file === "/etc/x" && why !== "" && fix !== "");
  });
}

Deno.test("whether a user can open the socket", () => {
  using folder = new TempFolder();
  Deno.chmodSync(folder.path, 0o755);
  const socket = `${folder.path}/lookup`;
  const users = ["no such user", "nobody"];
  assert.equal(socketDenied(socket, users, "all"), undefined, "there is no socket");
  using _listener = Deno.listen({ transport: "unix", path: socket });
  Deno.chmodSync(socket, 0o600);
  assert.match(socketDenied(socket, users, "primary")!.why, /socket/);
  assert.equal(socketDenied(socket, users, "primary")!.user, "nobody");
  Deno.chmodSync(socket, 0o666);
  assert.equal(socketDenied(socket, users, "primary"), undefined);
  assert.equal(socketDenied(socket, ["no such user"], "primary"), undefined);
});
