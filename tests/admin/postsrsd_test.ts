/** The settings of postsrsd, of both versions, and what becomes of them in config.toml. */
import assert from "node:assert/strict";
import { forwardingTable, parsePostsrsd } from "../../admin/postsrsd.ts";
import { parseConfig } from "../../lib/settings/parse.ts";

const none = (path: string): string => assert.fail(`${path} was read`);

/** As Debian 12 installs it (/etc/default/postsrsd of postsrsd 1.10), with the domain that debconf asks for. */
const DEBIAN = `# Default settings for PostSRSd

# Local domain name.
SRS_DOMAIN=example.org
#SRS_EXCLUDE_DOMAINS=.example.com,example.org
SRS_SEPARATOR==
SRS_SECRET=/etc/postsrsd.secret
SRS_HASHLENGTH=4
SRS_HASHMIN=4
SRS_FORWARD_PORT=10001
RUN_AS=postsrsd
CHROOT=/var/lib/postsrsd
#SRS_EXTRA_OPTIONS=-A
`;
const TWO = `# PostSRSd 2
domains = { "example.org", ".example.org", # ours
  'example.net' }
domains += { example.com }
srs-domain = "srs.example.org"   // the domain
socketmap = unix:/var/spool/postfix/srs
/* database = none */
original-envelope = embedded
secrets-file = "/etc/srs/secret"
separator = "+"
hash-length = 6
hash-minimum = 4
always-rewrite = off
`;
const SECRET = "/etc/postsrsd.secret";
const rows: [what: string, text: string, expected: Partial<ReturnType<typeof parsePostsrsd>>][] = [
  ["Debian's", DEBIAN, {
    domain: "example.org",
    exclude: [],
    hashLength: 4,
    separator: "=",
    secrets: SECRET,
    notes: [],
  }],
  [
    "quotes, comments, carriage returns",
    `SRS_DOMAIN="srs.example.org" # x\r\nexport SRS_EXCLUDE_DOMAINS='.a.example b.example'\r\nSRS_SEPARATOR=+\r\nSRS_HASHLENGTH=8\r\nSRS_SECRET=/etc/s # y\r\n`,
    {
      domain: "srs.example.org",
      exclude: ["*.a.example", "b.example"],
      hashLength: 8,
      separator: "+",
      secrets: "/etc/s",
    },
  ],
  ["the last value counts", "SRS_DOMAIN=a.example\nSRS_DOMAIN=b.example\n", { domain: "b.example" }],
  ["option -A", `${DEBIAN}SRS_EXTRA_OPTIONS="-t5 -A"\n`, {
    notes: ["always-rewrite has no counterpart: an address in the forwarding domain is not rewritten again"],
  }],
  ["version 2", TWO, {
    domain: "srs.example.org",
    exclude: ["example.org", "*.example.org", "example.net", "example.com"],
    hashLength: 6,
    separator: "+",
    secrets: "/etc/srs/secret",
    notes: [],
  }],
  ["version 2, by default the first domain", 'domains = {".x.example", "a.example"}', {
    domain: "a.example",
    exclude: ["*.x.example", "a.example"],
    hashLength: 4,
    separator: "=",
    secrets: SECRET,
  }],
  ["version 2 with a database", 'domains = {"a.example"}\noriginal-envelope = database\nalways-rewrite = on\n', {
    notes: [
      "Addresses in the database of postsrsd can only be reversed by postsrsd: list its map after srs-back for 21 days",
      "always-rewrite has no counterpart: an address in the forwarding domain is not rewritten again",
    ],
  }],
];
for (const [what, text, expected] of rows) {
  Deno.test(`settings of postsrsd: ${what}`, () => {
    const parsed = parsePostsrsd(text, none);
    assert.deepEqual({ ...parsed, ...expected }, parsed);
    const config = `transport.preset = "postfix"\n[[identity]]\naddress = "greg@example.org"\n${
      forwardingTable(parsed)
    }\n`;
    const { forwarding, srs } = parseConfig(config, { file: "/c/config.toml", home: "/h" });
    assert.deepEqual([forwarding.domain, forwarding.exclude, forwarding.hash_length, srs.separator], [
      parsed.domain,
      parsed.exclude,
      parsed.hashLength,
      parsed.separator,
    ]);
  });
}

Deno.test("version 2 may name a file of domains", () => {
  const read = (path: string) => path === "/etc/domains" ? "# ours\na.example\n.b.example # all\n\n" : none(path);
  const text = 'domains = {}\ndomains-file = "/etc/domains"\n';
  assert.deepEqual(parsePostsrsd(text, read).exclude, ["a.example", "*.b.example"]);
  assert.equal(parsePostsrsd(text, read).domain, "a.example");
});

const errors: [text: string, error: RegExp][] = [
  ["", /File does not contain settings of postsrsd/],
  ["c2VjcmV0Cg==\n", /File does not contain settings of postsrsd/],
  ["a secret\nanother\n", /File does not contain settings of postsrsd/],
  ["domains = {\n", /File does not contain settings of postsrsd/],
  ["domains = \n", /File does not contain settings of postsrsd/],
  ['domains = {"a.example" "unclosed\n', /File does not contain settings of postsrsd/],
  ["domains = {}\n", /The settings of postsrsd do not set a domain/],
  [DEBIAN.replace("SRS_DOMAIN=", "#SRS_DOMAIN="), /The settings of postsrsd do not set a domain/],
  ["SRS_DOMAIN=`postconf -h mydomain`\n", /Setting SRS_DOMAIN of postsrsd is computed: "`postconf -h mydomain`"/],
];
for (const [text, error] of errors) {
  Deno.test(`${JSON.stringify(text.slice(0, 40))}: ${error.source}`, () => {
    assert.throws(() => parsePostsrsd(text, none), error);
  });
}
