/** Which groups are a user's private group, by the account and group files. */
import assert from "node:assert/strict";
import { isGroupOf } from "../../../lib/settings/groups.ts";

const PASSWD = `root:x:0:0:root:/root:/bin/sh
operator:x:11:500:operator:/root:/sbin/nologin
greg:x:1000:1000:Greg:/home/greg:/bin/sh
greg2:x:1000:1000:the same user by another name:/home/greg:/bin/sh
ann:x:1001:100::/home/ann:/bin/sh
bob:x:1002:100::/home/bob:/bin/sh
`;
const GROUP = `root:x:0:
users:x:100:
greg:x:1000:
mixed:x:2000:greg,ann
listed:x:2001:greg
withroot:x:2002:greg,root
strangers:x:2003:greg,unknown
setgid:x:2004:
twice:x:2005:greg
also:x:2005:ann
`;

/** [group, whether it is greg's private group, why] */
const GROUPS: [number, boolean, string][] = [
  [1000, true, "the primary group of greg alone"],
  [2001, true, "greg is its one member"],
  [2002, true, "root can write anything anyway"],
  [0, true, "root's private group"],
  [100, false, "the primary group of others"],
  [2000, false, "ann is a member"],
  [2003, false, "a member without an account here"],
  [2004, false, "a group without members belongs to a setgid program"],
  [2005, false, "another line with the same number has another member"],
  [500, false, "the primary group of a system account"],
  [9999, false, "no such group"],
];
for (const [gid, expected, why] of GROUPS) {
  Deno.test(`group ${gid} ${expected ? "is" : "is not"} private: ${why}`, () => {
    assert.equal(isGroupOf(gid, [1000, 0], PASSWD, GROUP), expected);
  });
}

Deno.test("when accounts or groups also come from NIS, no group is private", () => {
  assert.equal(isGroupOf(1000, [1000, 0], `${PASSWD}+::::::\n`, GROUP), false);
  assert.equal(isGroupOf(1000, [1000, 0], PASSWD, `${GROUP}+:::\n`), false);
});

Deno.test("a group with an added member is not private", () => {
  assert.equal(isGroupOf(1000, [1000, 0], PASSWD, GROUP.replace("greg:x:1000:", "greg:x:1000:ann")), false);
  assert.equal(isGroupOf(1000, [1000, 0], `${PASSWD}eve:x:1003:1000::/:/bin/sh\n`, GROUP), false);
});
