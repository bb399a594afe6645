/** What `exim -bt` and qmail-showctl say about bounces. */
import assert from "node:assert/strict";
import { checkExim, checkShowctl } from "../../admin/doctor/mta_asked.ts";
import { install, unusableFix } from "../../admin/doctor/hook_call.ts";
import { checkVirtualUsers } from "../../admin/doctor/qmail_users.ts";
import { assertComplete } from "./findings.ts";

const IDENTITY = { address: "greg@example.org", signed: "SRS0=aaaaaaaa=X4=example.org=greg@srs.example.org" };
const LOCAL = "greg@example.org\n  router = localuser, transport = local_delivery\n";
const REMOTE = "x@y\n  router = dnslookup, transport = remote_smtp\n  host mx.example.net [192.0.2.1] MX=10\n";

/** [what Exim says about the address, and about the signed one, the finding] */
const EXIM: [string, string, string?][] = [
  [LOCAL, "SRS0\n  router = countersign, transport = countersign\n"],
  [REMOTE, REMOTE],
  [LOCAL, REMOTE, "Exim does not deliver mail for srs.example.org on this machine"],
  [
    LOCAL,
    "SRS0=x@srs.example.org is undeliverable: Unrouteable address\n",
    "Exim cannot deliver to a signed address in srs.example.org: Unrouteable address",
  ],
];
for (const [own, signed, expected] of EXIM) {
  Deno.test(`exim -bt: ${expected ?? "no finding"}`, async () => {
    const ask = (address: string) => Promise.resolve(address === IDENTITY.address ? own : signed);
    const found = await checkExim("/usr/sbin/exim4", [IDENTITY], ask);
    assert.deepEqual(found.map(({ what }) => what), expected === undefined ? [] : [expected]);
    found.forEach(assertComplete);
  });
}

const CONTROL =
  `locals: \nMessages for localhost are delivered locally.\nMessages for example.org are delivered locally.\n\n`;
const RCPT = "rcpthosts: \nSMTP clients may send messages to recipients at example.org.\n";
const MORE = "morercpthosts: \nSMTP clients may send messages to recipients at srs.example.org.\n\n";
const VIRTUAL = "virtualdomains: \nVirtual domain: srs.example.org:greg-srs\n";
/** [the output of qmail-showctl, the findings] */
const SHOWCTL: [string, string[]][] = [
  [
    `${CONTROL}virtualdomains: \nVirtual domain: srs.example.org:greg-srs\n${RCPT}` +
    "SMTP clients may send messages to recipients at srs.example.org.\n",
    [],
  ],
  [`${CONTROL}${RCPT}`, ["qmail-rcpthosts", "qmail-virtualdomains"]],
  [`${CONTROL}${RCPT}SMTP clients may send messages to recipients at .example.org.\n`, ["qmail-virtualdomains"]],
  ["locals: \nMessages for mx.example.net are delivered locally.\n", []],
  [`${CONTROL}${RCPT}${MORE}morercpthosts.cdb: Modified recently enough; hopefully up to date.\n${VIRTUAL}`, []],
  [
    `${CONTROL}${RCPT}${MORE}morercpthosts.cdb: Oops! morercpthosts exists but morercpthosts.cdb doesn't.\n${VIRTUAL}`,
    ["qmail-rcpthosts"],
  ],
  [`${CONTROL}virtualdomains: \nVirtual domain: srs.example.org:\n`, ["qmail-virtualdomains"]],
  [`${CONTROL}Messages for srs.example.org are delivered locally.\n${VIRTUAL}`, ["qmail-virtualdomains"]],
];
for (const [text, ids] of SHOWCTL) {
  Deno.test(`qmail-showctl: ${JSON.stringify(ids)}`, () => {
    const found = checkShowctl(text, [IDENTITY]);
    assert.deepEqual(found.map(({ id }) => id), ids);
    found.forEach(assertComplete);
  });
}

/** [the line of virtualdomains, the files that exist, what the finding says] */
const USERS: [string, string[], RegExp?][] = [
  ["greg-srs", ["/home/greg/.qmail-srs-default"]],
  ["greg-srs", ["/home/greg/.qmail-default"]],
  ["Greg", ["/home/greg/.qmail-default"]],
  [
    "greg-srs",
    ["/home/greg/.qmail", "/home/greg/.qmail-srs"],
    / is delivered to greg, who has no \.qmail-srs-default or \.qmail-default$/,
  ],
  ["greg", ["/home/greg/.qmail-srs-default"], /greg, who has no \.qmail-default$/],
  ["greg-a.b-c", [], /greg, who has no \.qmail-a:b-c-default or \.qmail-a:b-default or \.qmail-default$/],
  // An account whose home belongs to somebody else is not a user of qmail, and neither is root.
  ["ann-srs", ["/home/ann/.qmail-srs-default"], /alias, who has no \.qmail-ann-srs-default or /],
  ["root-srs", ["/var/qmail/alias/.qmail-root-default"]],
  ["alias-srs", ["/var/qmail/alias/.qmail-srs-default"]],
  ["alias-srs", [], /alias, who has no \.qmail-srs-default or /],
  ["greg-srs", ["/var/qmail/users/cdb"]],
];
for (const [line, files, expected] of USERS) {
  Deno.test(`virtualdomains with ${line}, and ${files.join(" ")}: ${expected ?? "no finding"}`, () => {
    const user = (name: string, uid: number, home: string) => ({ name, uid, gid: uid, home });
    const owners: Record<string, number> = { "/home/greg": 1000, "/home/ann": 0, "/root": 0, "/var/qmail/alias": 101 };
    const found = checkVirtualUsers(`Virtual domain: srs.example.org:${line}\n`, [IDENTITY.signed], {
      accounts: [
        user("root", 0, "/root"),
        user("alias", 101, "/var/qmail/alias"),
        user("greg", 1000, "/home/greg"),
        user("ann", 1001, "/home/ann"),
      ],
      ownerOf: (folder) => owners[folder],
      isMissing: (path) => !files.includes(path),
    });
    assert.equal(found.length, expected === undefined ? 0 : 1, JSON.stringify(found));
    for (const one of found) {
      assertComplete(one);
      assert.match(one.what, expected!);
    }
  });
}

Deno.test("the fix for a hook that cannot be run names the prefix of its path", () => {
  const hook = "/opt/countersign/lib/countersign/hooks/incoming";
  assert.equal(unusableFix(hook, "is not executable"), `chmod a+x ${hook}`);
  const again = "Correct the path, or in a checkout: deno task install";
  assert.equal(unusableFix(hook, "does not exist"), `${again} --prefix /opt/countersign`);
  assert.equal(unusableFix("/checkout/hooks/incoming", "does not exist"), again);
  assert.equal(install("/home/greg/.local/bin/shim"), "deno task install --prefix /home/greg/.local");
});
