/** doctor on a site where a user has settings of their own: both must have the keys that sign. */
import assert from "node:assert/strict";
import { checkUserKeys } from "../../admin/doctor/user_keys.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { Home } from "../rig.ts";

const IDENTITY = `[[identity]]\naddress = "Greg@example.org"\nsrs_domain = "srs.example.org"\n`;
const TRANSPORT = `[transport]\npreset = "postfix"\n`;
const NOW = new Date("2026-11-28");
const [OLD, SITE, USER] = ["k1 2026-01-01 ", "k2 2026-11-01 ", "k3 2026-11-02 "].map((one, nth) =>
  `${one}${"secret".repeat(4)}${nth}\n`
) as [string, string, string];

/** [what, the keys of the site, the keys of the user, the file that the finding names] */
const CASES: [string, string, string, string?][] = [
  ["the same keys", SITE, SITE],
  ["the user has another key that signs", SITE, SITE + USER, "site"],
  ["the site has another key that signs", SITE + USER, SITE, "user/.config/countersign/keys"],
  ["different keys", SITE, USER, "user/.config/countersign/keys"],
  ["an old key is missing", OLD + SITE, SITE],
  ["a file of no keys, which another check reports", SITE, ""],
  ["a file that cannot be parsed", SITE, "k1\n"],
];

for (const [what, site, user, missing] of CASES) {
  Deno.test(`keys of a site and of a user: ${what}`, () => {
    using home = new Home();
    const [users, sites] = [`${home.path}/user`, home.write("site", site)];
    home.write("user/.config/countersign/config.toml", IDENTITY + TRANSPORT);
    home.write("user/.config/countersign/keys", user);
    const text = `${IDENTITY}keys = "${sites}"\nlogins = ["greg", "greg@example.org", "none"]\n${TRANSPORT}`;
    const settings = parseConfig(text, { file: `${home.path}/config.toml`, home: home.path });
    const found = checkUserKeys(settings, NOW, (login) => login === "none" ? undefined : users);
    assert.deepEqual(
      found.map(({ id, what }) => [id, what.replaceAll(`${home.path}/`, "").split(" is not in ")[1]]),
      missing === undefined ? [] : [["key-of-user-differs", missing]],
    );
    home.write("user/.config/countersign/config.toml", IDENTITY.replace("Greg", "ann") + TRANSPORT);
    assert.deepEqual(checkUserKeys(settings, NOW, () => users), [], "another identity");
    assert.deepEqual(checkUserKeys(settings, NOW, () => `${home.path}/nobody`), [], "no settings");
  });
}
