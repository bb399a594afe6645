/** doctor asks the real Exim about bounces. */
import assert from "node:assert/strict";
import { checkExim } from "../../admin/doctor/mta_asked.ts";
import { assertComplete } from "../admin/findings.ts";
import { Home } from "../rig.ts";
import { MAIN, prepareExim } from "./exim.ts";
import { srs } from "./site.ts";
import { unpacked } from "./unpacked.ts";

const { test, unpack } = await unpacked("exim4-daemon-light");

const config = (domains: string, routers: string) =>
  `primary_hostname = mx.example.org
domainlist local_domains = ${domains}
${MAIN}
begin routers
elsewhere:
  driver = manualroute
  domains = ! +local_domains
  transport = smtp
  route_list = * 127.0.0.1 byname
  self = send
${routers}
users:
  driver = accept
  check_local_user
  transport = store
begin transports
smtp:
  driver = smtp
store:
  driver = appendfile
  file = /var/mail/$local_part
  user = mail
`;
const SRS_ROUTER = "signed:\n  driver = accept\n  domains = srs.example.org\n  transport = store\n";

test("exim -bt says whether bounces stay on this machine", async () => {
  await using root = await unpack();
  using home = new Home();
  prepareExim(root);
  const identity = { address: "greg@example.org", signed: srs("greg") };
  const ask = async (address: string) => (await root.run(home, ["/usr/sbin/exim4", "-bt"], `${address}\n`)).stdout;
  const rows: [string, string, string[]][] = [
    ["example.org : srs.example.org", SRS_ROUTER, []],
    ["example.org", "", ["Exim does not deliver mail for srs.example.org on this machine"]],
    ["example.org : srs.example.org", "", [
      "Exim cannot deliver to a signed address in srs.example.org: Unrouteable address",
    ]],
    ["other.example", "", []],
  ];
  for (const [domains, routers, expected] of rows) {
    root.write("etc/exim4/exim4.conf", config(domains, routers));
    const found = await checkExim("/usr/sbin/exim4", [identity], ask);
    assert.deepEqual(found.map(({ what }) => what), expected, await ask(identity.signed));
    found.forEach(assertComplete);
    assert.ok(!JSON.stringify(found).includes(identity.signed));
  }
});
