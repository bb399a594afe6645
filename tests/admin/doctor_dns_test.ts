/** doctor and DNS, with a table as resolver. */
import assert from "node:assert/strict";
import { checkDns } from "../../admin/doctor/dns.ts";
import { NoAnswer, type Resolver } from "../../admin/doctor/resolver.ts";
import { senderAllowed, within } from "../../admin/doctor/spf.ts";
import { parseConfig } from "../../lib/settings/parse.ts";

/** `name TYPE` to its records; `!` for no answer. */
type Zone = Record<string, readonly string[] | "!">;

function resolver(zone: Zone, queries: string[] = []): Resolver {
  const ask = (type: string) => (name: string) => {
    queries.push(`${name} ${type}`);
    const found = zone[`${name} ${type}`] ?? [];
    return found === "!" ? Promise.reject(new NoAnswer("timed out")) : Promise.resolve(found as readonly string[]);
  };
  return { mx: ask("MX"), txt: ask("TXT"), address: ask("A") };
}

const RIGHT: Zone = {
  "srs.example.org MX": ["mx.example.org"],
  "mx.example.org A": ["192.0.2.1", "2001:db8::1"],
  "srs.example.org TXT": ["something else", "v=spf1 mx -all"],
  "_dmarc.example.org TXT": ["v=DMARC1; p=reject; aspf=r"],
};

const identity = (local: string, srs = "srs.example.org") =>
  `[[identity]]\naddress = "${local}@example.org"\nsrs_domain = "${srs}"\nkeys = "${local}"\n`;

async function ask(zone: Zone, hosts: readonly string[] = [], identities = identity("greg"), queries: string[] = []) {
  const text = `${identities}[transport]\npreset = "sendmail"\n`;
  const settings = parseConfig(text, { file: "/c", home: "/h" });
  const where = (nth: number) => ({ file: "/c", line: nth + 1 });
  return await checkDns(settings, where, hosts, resolver(zone, queries));
}

/** [the difference in the zone, the finding, the hosts that send] */
const cases: [Zone, RegExp | undefined, string[]?][] = [
  [{}, undefined],
  [{}, undefined, ["192.0.2.1", "2001:db8::1", "mx.example.org"]],
  [{ "srs.example.org MX": [], "srs.example.org A": ["192.0.2.1"] }, undefined],
  [{ "_dmarc.example.org TXT": [] }, undefined],
  [{ "srs.example.org MX": [] }, /^srs\.example\.org has no MX record$/],
  [{ "srs.example.org MX": ["."] }, /^The MX record of srs\.example\.org states that it does not accept mail$/],
  [{ "mx.example.org A": [] }, /^MX host mx\.example\.org of srs\.example\.org has no address$/],
  [{ "srs.example.org TXT": ["v=spf10 mx"] }, /^srs\.example\.org has no SPF record$/],
  [{ "srs.example.org TXT": ["v=spf1 mx", "v=spf1 -all"] }, /^srs\.example\.org has 2 SPF records$/],
  [{}, /^SPF of srs\.example\.org returns fail for 192\.0\.2\.9$/, ["192.0.2.9"]],
  [{ "out.example.org A": ["192.0.2.8"] }, /^SPF of srs\.example\.org returns fail for 192\.0\.2\.8$/, [
    "out.example.org",
  ]],
  [{}, /^Host typo\.example\.org has no address$/, ["typo.example.org"]],
  [{ "srs.example.org TXT": ["v=spf1 ~all"] }, /returns softfail for 192\.0\.2\.1$/, ["192.0.2.1"]],
  [{ "srs.example.org TXT": ["v=spf1 include:no.example -all"] }, /cannot be evaluated$/, ["192.0.2.1"]],
  [{ "_dmarc.example.org TXT": ["v=DMARC1; p=none; aspf=s"] }, /^The DMARC record of example\.org has aspf=s$/],
];
for (const [other, expected, hosts = []] of cases) {
  Deno.test(`DNS with ${JSON.stringify(other)} for ${hosts.join(", ") || "no host"}: ${expected ?? "no finding"}`, async () => {
    const { findings, notes } = await ask({ ...RIGHT, ...other }, hosts);
    assert.deepEqual(notes, []);
    assert.equal(findings.length, expected === undefined ? 0 : 1, findings.map(({ what }) => what).join("\n"));
    for (const { what, where, why, fix } of findings) {
      assert.match(what, expected!);
      assert.deepEqual(where, { file: "/c", line: 1 });
      assert.ok(why !== "" && fix !== "");
    }
  });
}

Deno.test("the domain of forwarded mail is checked, too, unless it is also an SRS domain", async () => {
  const forwarding = (domain: string) => `${identity("greg")}[forwarding]\ndomain = "${domain}"\n`;
  const { findings } = await ask(RIGHT, [], forwarding("Fwd.example.org"));
  assert.deepEqual(findings.map(({ what }) => what), [
    "fwd.example.org has no MX record",
    "fwd.example.org has no SPF record",
  ]);
  assert.deepEqual(findings[0]!.where, { file: "/c" });
  const queries: string[] = [];
  assert.deepEqual((await ask(RIGHT, [], forwarding("srs.example.org"), queries)).findings, []);
  assert.equal(queries.filter((one) => one === "srs.example.org MX").length, 1);
});

Deno.test("the fix for SPF is the record to publish", async () => {
  const { findings } = await ask(RIGHT, ["192.0.2.9"]);
  assert.deepEqual(findings.map(({ fix }) => fix), ['srs.example.org. IN TXT "v=spf1 ip4:192.0.2.9 mx -all"']);
});

Deno.test("if DNS does not answer there is a note, and the other queries continue", async () => {
  const { findings, notes } = await ask({ ...RIGHT, "srs.example.org TXT": "!", "mx.example.org A": [] });
  assert.deepEqual(notes, ["DNS does not answer for srs.example.org: timed out"]);
  assert.deepEqual(findings.map(({ what }) => what), ["MX host mx.example.org of srs.example.org has no address"]);
});

Deno.test("a domain of several identities is queried once, and an identity without one not at all", async () => {
  const queries: string[] = [];
  const three = identity("ann", "") + identity("greg") + identity("eve");
  const { findings } = await ask({ ...RIGHT, "srs.example.org MX": [] }, [], three, queries);
  assert.deepEqual(findings.map(({ where }) => where.line), [2]);
  assert.equal(queries.filter((one) => one === "srs.example.org MX").length, 1);
  assert.deepEqual(queries.filter((one) => one.startsWith("_dmarc")), ["_dmarc.example.org TXT"]);
});

Deno.test("the DMARC record of the closest parent domain is used", async () => {
  const [own, above] = ["_dmarc.a.example.org TXT", "_dmarc.example.org TXT"];
  const text = identity("greg").replace("@example.org", "@a.example.org");
  const strict = ["v=DMARC1; p=none; aspf=s"];
  const says = async (zone: Zone) => (await ask({ ...RIGHT, ...zone }, [], text)).findings.map(({ what }) => what);
  assert.deepEqual(await says({ [above]: strict }), ["The DMARC record of example.org has aspf=s"]);
  assert.deepEqual(await says({ [above]: strict, [own]: ["v=DMARC1; p=none"] }), []);
});

/** [record of a.example, its result for 192.0.2.7, or for another address] */
const records: [string, string, string?][] = [
  ["v=spf1 ip4:192.0.2.7 -all", "pass"],
  ["v=spf1 ip4:192.0.2.0/28 -all", "pass"],
  ["v=spf1 ip4:192.0.2.8/30 -all", "fail"],
  ["v=spf1 ip6:2001:db8::/32 ?all", "pass", "2001:db8:1::9"],
  ["v=spf1 ip6:2001:db8::/32 ?all", "neutral"],
  ["v=spf1 -ip4:192.0.2.7 +all", "fail"],
  ["v=spf1 a -all", "pass"],
  ["v=spf1 a:b.example/24 -all", "pass"],
  ["v=spf1 a:b.example -all", "fail"],
  ["v=spf1 mx -all", "fail"],
  ["v=spf1 mx:b.example/24 -all", "pass"],
  ["v=spf1 include:c.example -all", "pass"],
  ["v=spf1 include:d.example ~all", "softfail"],
  ["v=spf1 redirect=c.example", "pass"],
  ["v=spf1 redirect=nothing.example", "error"],
  ["v=spf1 include:a.example", "error"],
  ["v=spf1", "neutral"],
  ["v=SPF1 A -ALL", "pass"],
  ["v=spf2 +all", "none"],
];
for (const [record, expected, address = "192.0.2.7"] of records) {
  Deno.test(`SPF ${record} returns ${expected} for ${address}`, async () => {
    const zone: Zone = {
      "a.example TXT": [record],
      "a.example A": ["192.0.2.7"],
      "b.example A": ["192.0.2.200"],
      "b.example MX": ["b.example"],
      "c.example TXT": ["v=spf1 ip4:192.0.2.7 -all"],
      "d.example TXT": ["v=spf1 -all"],
    };
    assert.equal(await senderAllowed("a.example", address, resolver(zone)), expected);
  });
}

Deno.test("an address is in a network", () => {
  assert.ok(within("10.1.2.3", "10.0.0.0/8") && within("::1", "0:0:0:0:0:0:0:1") && within("192.0.2.1", "0.0.0.0/0"));
  assert.ok(!within("10.1.2.3", "11.0.0.0/8") && !within("::1", "10.0.0.0/0"));
  for (const none of ["10.0.0", "10.0.0.256", "1::2::3:4:5:6:7:8:9", "x::"]) assert.ok(!within(none, none), none);
});
