/** doctor run by a user of a site who may not read the settings of the site, and with --config. */
import assert from "node:assert/strict";
import type { Finding } from "../../admin/doctor/finding.ts";
import { unreadable } from "../../admin/doctor/sandbox.ts";
import { Home, ROOT, SECRET } from "../rig.ts";

const UID = 12345;
const SETTINGS = `[[identity]]
address = "greg@example.org"
srs_domain = "srs.example.org"
keys = "keys"
[state]
folder = "state"
[transport]
via = "maildir"
maildir = "out"
`;

/** Runs doctor. @returns the findings */
async function findings(home: Home, ...args: string[]): Promise<Finding[]> {
  const deno = [Deno.execPath(), "run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`];
  const ran = await home.run([...deno, "countersign", "doctor", "--json", ...args]);
  assert.equal(ran.stderr, "");
  return JSON.parse(ran.stdout).findings;
}

/**
 * A program that checks files of a site as another user, which a checkout below /root does not permit to run itself.
 */
const READ = `
import { loadIdentities, loadSettings } from "./io/system/load.ts";
try {
  void loadIdentities(loadSettings({ file: Deno.args[0]!, home: "/home/greg" }))[0]!.keys;
} catch (error) {
  console.log((error as { fix?: string }).fix);
}
`;

Deno.test(
  "settings or keys of a site that a user cannot read are not to be chowned",
  { ignore: Deno.uid() !== 0 },
  async () => {
    using home = new Home();
    Deno.chmodSync(home.path, 0o755);
    const file = home.write("site/config.toml", SETTINGS, 0o640);
    home.write("site/keys", `k1 2026-11-01 ${SECRET}\n`, 0o640);
    // Deno and the sources must be readable for this user.
    const program = home.write("read.ts", READ.replaceAll("./io", `${ROOT}/io`));
    const bundle = `${home.path}/read.js`;
    const made = await home.run([
      Deno.execPath(),
      "bundle",
      "-q",
      "--config",
      `${ROOT}/deno.json`,
      "-o",
      bundle,
      program,
    ]);
    assert.equal(made.code, 0, made.stderr);
    Deno.copyFileSync(Deno.execPath(), `${home.path}/deno`);
    for (const path of [bundle, `${home.path}/deno`]) Deno.chmodSync(path, 0o755);
    const fix = async () => {
      const user = ["/usr/bin/setpriv", `--reuid=${UID}`, `--regid=${UID}`, "--clear-groups", "env", "HOME=/home/greg"];
      const ran = await home.run([...user, `${home.path}/deno`, "run", "-q", "--no-config", "-A", bundle, file]);
      assert.equal(ran.stderr, "");
      return ran.stdout;
    };
    const expected = `let user ${UID} read it through its group, or use settings of your own: countersign init\n`;
    assert.equal(await fix(), expected);
    Deno.chmodSync(file, 0o644);
    assert.equal(await fix(), expected, "the key");
    Deno.chownSync(`${home.path}/site/keys`, 995, 995);
    Deno.chmodSync(`${home.path}/site/keys`, 0o600);
    assert.equal(await fix(), expected, "the key of another user");
  },
);

Deno.test("a sandbox file of a site is not to be written by a user who cannot read it", () => {
  const file = { path: "/etc/countersign/config.sandbox", kind: "file", mode: 0o640, uid: 0 } as const;
  const { fix } = unreadable(file, UID);
  assert.equal(fix, `let user ${UID} read it through its group, or use settings of your own: countersign init`);
  for (const user of [0, UID]) {
    assert.equal(unreadable({ ...file, uid: user }, user).fix, "countersign sandbox --remove; countersign sandbox");
  }
});

Deno.test("the fixes of doctor --config name the settings file", async () => {
  using home = new Home();
  const file = home.write("site/config.toml", SETTINGS);
  const [missing] = await findings(home, "--config", file);
  assert.equal(missing!.fix, `countersign keys new --config ${file} --address greg@example.org`);
  home.write("site/keys", `k1 2026-11-01 ${SECRET}\n`, 0o600);
  home.write("site/config.sandbox", "# other\n");
  const [sandbox] = await findings(home, "--config", file);
  assert.match(sandbox!.fix, new RegExp(`countersign sandbox --config ${file}`));
});
