/** `countersign config`; tests/lib/settings/parse_test.ts tries each setting. */
import assert from "node:assert/strict";
import { SETTINGS } from "../../lib/settings/schema.ts";
import { Home, oneLine } from "../rig.ts";
import { countersign } from "./home.ts";

Deno.test("config prints the settings that differ from the defaults, as a settings file", async () => {
  using home = new Home();
  const text = '[transport]\nvia = "maildir"\nmaildir = "~/out"\ntimeout = 900\n[incoming]\nspam = "~/Maildir/.Spam"\n';
  home.settings(text, "since = 2026-11-20\n");
  const file = `${home.path}/.config/countersign/config.toml`;
  const expected = `# ${file}
since = "2026-11-20"

[[identity]]
address = "greg@example.org"
srs_domain = "srs.example.org"

[transport]
via = "maildir"
maildir = "${home.path}/out"
`;
  assert.deepEqual(await countersign(home, ["config"]), { code: 0, stdout: expected, stderr: "" });

  // What it prints can be used as the settings, wherever the file is.
  const { stdout: all } = await countersign(home, ["config", "--all"]);
  home.write("copy.toml", all, 0o600);
  const copied = await countersign(home, ["config", "--all", "--config", `${home.path}/copy.toml`]);
  assert.equal(copied.stdout, all.replace(file, `${home.path}/copy.toml`));
  const names = SETTINGS.filter(({ table }) => !["rule", "account", "doorbell"].includes(table)).map(({ name }) => {
    return name.slice(name.lastIndexOf(".") + 1);
  });
  assert.deepEqual([...all.matchAll(/^(\w+) = /gm)].map(([, name]) => name), names);
});

Deno.test("config reports settings that cannot be used", async () => {
  using home = new Home();
  home.settings("frob = 1\n");
  oneLine(await countersign(home, ["config"]), 78, /config\.toml:\d+: Unknown setting identity\.frob/);
  oneLine(await countersign(home, ["config", "transport.via"]), 64, /Unknown argument "transport\.via"/);
});
