/** What doctor says about the sockets policy and map in the configuration of Postfix, by its stable ids. */
import assert from "node:assert/strict";
import { checkPostfixMaps, type MapsContext } from "../../admin/doctor/postfix_maps.ts";
import { ROOT } from "../rig.ts";

const snippet = (name: string) => Deno.readTextFileSync(`${ROOT}/contrib/postfix/${name}`);
const POLICY = snippet("policy/main.cf");
const FORWARDING = snippet("forwarding/main.cf");
const LOCAL = FORWARDING.replace(/^sender_canonical_.*\n/gm, "") + snippet("forwarding/master.cf");
const MINE = "mydestination = example.org, localhost\n";

const CONTEXT: MapsContext = {
  folder: "/var/spool/postfix/countersign",
  srsDomains: ["srs.example.org"],
  forwarding: "forward.example.org",
  exclude: ["example.org", "*.example.org"],
};
const without = (text: string, pattern: RegExp, by = "") => {
  assert.match(text, pattern);
  return text.replace(pattern, by);
};

/** [what, text, the ids of the findings, a changed context] */
const rows: [string, string, string[], Partial<MapsContext>?][] = [
  ["policy, as in contrib", POLICY, []],
  ["forwarding, as in contrib", MINE + FORWARDING, []],
  ["forwarding by local(8), as in contrib", MINE + LOCAL, [], { exclude: [] }],
  ["both in one domain", MINE + POLICY + without(FORWARDING, /^virtual_alias_.*\n/gm), [], {
    forwarding: "srs.example.org",
  }],
  [
    "none of our sockets",
    "check = socketmap:unix:other/map:x\nsmtpd_recipient_restrictions = check_policy_service unix:private/policyd\n",
    [],
  ],
  ["no Postfix", "", []],
  ["absolute paths", POLICY.replaceAll("unix:", "unix:/var/spool/postfix/"), []],
  ["policy without default_action", without(POLICY, / default_action=DUNNO,/), ["policy-action"]],
  ["policy without braces", "smtpd_recipient_restrictions = check_policy_service unix:countersign/policy\n", [
    "policy-action",
  ]],
  [
    "the default action for all",
    "smtpd_policy_service_default_action = DUNNO\nsmtpd_recipient_restrictions = check_policy_service unix:countersign/policy\n",
    [],
  ],
  [
    "the policy of a service",
    "smtp inet n - y - - smtpd\n  -o { smtpd_recipient_restrictions = check_policy_service unix:countersign/policy }\n",
    ["policy-action"],
  ],
  ["a misspelled map", POLICY.replace("map:srs-reverse", "map:srs_reverse"), ["map-unknown"]],
  ["an SRS domain that Postfix does not accept", without(POLICY, /^virtual_alias_domains.*\n/m), [
    "map-reverse-domain",
  ]],
  [
    "an SRS domain in a table",
    without(POLICY, /^virtual_alias_domains.*/m, "virtual_alias_domains = hash:/etc/postfix/domains"),
    [],
  ],
  ["maps of forwarding without forwarding", MINE + FORWARDING, ["map-forwarding"], { forwarding: "" }],
  ["no way back", MINE + without(FORWARDING, /^recipient_canonical_.*\n/gm), ["map-half"]],
  ["no way there", MINE + without(FORWARDING, /^sender_canonical_.*\n/gm), ["map-half"]],
  ["the header is rewritten, too", MINE + without(FORWARDING, /^sender_canonical_classes.*\n/m), ["map-classes"]],
  ["and that of recipients", MINE + without(FORWARDING, /^recipient_canonical_classes.*\n/m), ["map-classes"]],
  ["both classes of local(8)", MINE + without(LOCAL, /^ {2}-o sender_canonical_classes.*\n/m), ["map-classes"]],
  ["bounces are not accepted", MINE + without(FORWARDING, /^virtual_alias_domains.*\n/m), ["map-forwarding-domain"]],
  ["users of this host are rewritten", `mydestination = example.net, localhost\n${FORWARDING}`, ["map-exclude"]],
  ["postsrsd beside it", MINE + FORWARDING.replace("maps = pipemap", "maps = tcp:127.0.0.1:10001 pipemap"), [
    "map-postsrsd",
  ]],
  ["postsrsd 2 beside it", MINE + FORWARDING.replace("maps = pipemap", "maps = socketmap:unix:srs:reverse pipemap"), [
    "map-postsrsd",
  ]],
];
for (const [what, text, ids, more] of rows) {
  Deno.test(`Postfix with maps: ${what}`, () => {
    const found = checkPostfixMaps([{ file: "/etc/postfix/main.cf", text }], { ...CONTEXT, ...more });
    assert.deepEqual(found.map(({ id }) => id), ids);
    for (const { what, why, fix, where } of found) {
      assert.ok(what.length > 9 && why.length > 9 && fix.length > 4 && where.line! > 0);
    }
  });
}
