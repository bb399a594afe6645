/** What `exim -bt` and qmail-showctl say about bounces. */
import assert from "node:assert/strict";
import { checkExim, checkShowctl } from "../../admin/doctor/mta_asked.ts";
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
